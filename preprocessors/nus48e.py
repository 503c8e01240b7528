"""NUS-48E: twelve singers of English pop, four songs each of twenty, sung and read; 2.8 hours.

https://smcnus.comp.nus.edu.sg/nus-48e-sung-and-spoken-lyrics-corpus

    <root>/
      ADIZ/sing/01.wav      number of the song; 01.txt has lines "start end phone", which are not read
      ADIZ/read/01.wav      the same words, read

Whole songs: `preprocess.slice` cuts them. A song is in one split, whoever sings or reads it.
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Tree

LICENCE = "research only"
TREE = Tree(r"(?P<singer>[A-Z]+)/(?:read|sing)/(?P<song>\d+)", "<SINGER>/{read,sing}/<song>.wav")
orphans = TREE.orphans


def utterances(root: Path) -> Iterator[Utterance]:
    """Every song as it was sung, and as it was read."""
    for match, song in TREE.songs(root):
        yield Utterance(speaker=match["singer"], **song)


def split(utterance: Utterance) -> str:
    """By the song."""
    return split_of(TREE.of(utterance.audio)["song"])
