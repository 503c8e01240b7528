"""SVCC 2023, the Singing Voice Conversion Challenge: two singers, two speakers, two singers to convert; 24 kHz.

https://github.com/lesterphillip/SVCC23_FastSVC (egs/generate_dataset makes it from NHSS)

    <root>/
      IDF1/10001.wav   IDF1/10001.txt        targets that sing: IDM1, IDF1; that speak: CDM1, CDF1; with their words
      evaluation/SF1/30001.wav               what is to be converted: SM1, SF1
      ground_truth/IDF1/30001.wav            optional: the same, sung by the target

A folder `Data/` may lie between. Names repeat between speakers: an id is speaker and name. What lies in evaluation and ground_truth
is the test split.
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance, by_hash
from preprocessors.layout import Tree

LICENCE = "research only"
TREE = Tree(
    r"(?:(?P<part>evaluation|ground_truth)/)?(?P<speaker>(?:ID|CD|S)[MF]\d)/(?:[^/]+/)*\d+",
    "<speaker>/<number>.wav, evaluation/<speaker>/<number>.wav or ground_truth/<speaker>/<number>.wav",
    [".txt"],
)
orphans = TREE.orphans
mute = TREE.mute


def utterances(root: Path) -> Iterator[Utterance]:
    """Every phrase, with its words where they lie beside it."""
    for match, song in TREE.songs(root):
        yield Utterance(speaker=match["speaker"], **song)


def split(utterance: Utterance) -> str:
    """What the challenge evaluates is tested; of the rest a tenth is kept back."""
    return "test" if TREE.of(utterance.audio)["part"] else by_hash(utterance)
