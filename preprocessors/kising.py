"""KiSing: one woman, 14 songs of Mandarin pop, 44.1 kHz.

http://shijt.site/index.php/2021/05/16/kising-the-first-open-source-mandarin-singing-voice-synthesis-corpus/

    <root>/
      clean/421/0001.wav                    song and number of the phrase
    or
      segmented-wav/clean/421_all.wav       whole songs, which `preprocess.slice` cuts

It has no texts. A song is in one split.
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Tree

LICENCE = "non-commercial"
TREE = Tree(
    r"clean/(?:(?P<folder>\d+)/(?P<number>\d+)|(?P<whole>\d+)_all)",
    "clean/<song>/<number>.wav or clean/<song>_all.wav",
    identity=lambda match: match["name"].removeprefix("clean/"),
)
orphans = TREE.orphans


def utterances(root: Path) -> Iterator[Utterance]:
    """Every phrase, or every song."""
    for _, song in TREE.songs(root):
        yield Utterance(speaker="kising", language="cmn", **song)


def split(utterance: Utterance) -> str:
    """By the song."""
    match = TREE.of(utterance.audio)
    return split_of(match["folder"] or match["whole"])
