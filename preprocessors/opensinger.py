"""OpenSinger: 66 singers of Mandarin pop, 52 hours, 44.1 kHz.

https://github.com/Multi-Singer/Multi-Singer.github.io

    <root>/
      WomanRaw/0_光年之外/0_光年之外_0.wav      number of the singer, song, number of the phrase
      WomanRaw/0_光年之外/0_光年之外_0.txt      its words; .lab beside it is not read
      ManRaw/0_.../...

Singers are counted from 0 in both folders: the voices are "woman_0" and "man_0". A song is in one split, whoever sings it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Tree

LICENCE = "research only"


def _identity(match: re.Match[str]) -> str:
    return f"{match['sex'].lower()}_{match['own']}"


TREE = Tree(
    r"(?P<sex>Man|Woman)Raw/(?P<number>\d+)_(?P<song>[^/]+)/(?P<own>(?P=number)_[^/]+_\d+)",
    "{ManRaw,WomanRaw}/<singer>_<song>/<singer>_<song>_<phrase>.wav",
    [".txt"],
    identity=_identity,
)
orphans = TREE.orphans
mute = TREE.mute


def utterances(root: Path) -> Iterator[Utterance]:
    """Every phrase, with its words where they lie beside it."""
    for match, song in TREE.songs(root):
        singer = f"{match['sex'].lower()}_{match['number']}"
        yield Utterance(speaker=singer, language="cmn", **song)


def split(utterance: Utterance) -> str:
    """By the song."""
    return split_of(TREE.of(utterance.audio)["song"])
