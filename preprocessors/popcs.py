"""PopCS: one woman, 117 songs of Mandarin pop, 6 hours, 24 kHz. For research only (CC BY-NC-SA 4.0); the makers give it on request.

https://github.com/MoonInTheRiver/DiffSinger (resources/apply_form.md)

    <root>/
      popcs/popcs-隐形的翅膀/0000_wf0.wav      the song, and the number of the phrase
      popcs/popcs-隐形的翅膀/0000.txt          its words; 0000_ph.txt and 0000.TextGrid are not read

A song is in one split.
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Tree

LICENCE = "research only, CC BY-NC-SA 4.0"
MARK = "_wf0"
TREE = Tree(
    rf"popcs-(?P<song>[^/]+)/(?P<number>\d+)(?:{MARK})?",
    "popcs-<song>/<number>_wf0.wav",
    [".txt"],
    text_at=lambda name: name.removesuffix(MARK),
    identity=lambda match: f"{match['song']}_{match['number']}",
)
orphans = TREE.orphans
mute = TREE.mute


def utterances(root: Path) -> Iterator[Utterance]:
    """Every phrase, with its words where they lie beside it."""
    for _, song in TREE.songs(root):
        yield Utterance(speaker="popcs", language="cmn", **song)


def split(utterance: Utterance) -> str:
    """By the song."""
    return split_of(TREE.of(utterance.audio)["song"])
