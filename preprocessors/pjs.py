"""PJS, phoneme-balanced Japanese singing: one man, a hundred short songs, sung and read; 48 kHz.

https://sites.google.com/site/shinnosuketakamichi/research-topics/pjs_corpus

    <root>/
      PJS_corpus_ver1.1/pjs001/pjs001_song.wav      and _speech.wav; pjs001.txt has the words of both
      PJS_corpus_ver1.1/background_noise/...        not read

Songs 001 to 003 are the test split, read and sung.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Tree

LICENCE = "CC BY-SA 4.0"
KIND = "_(?:song|speech)"
TESTED = ("pjs001", "pjs002", "pjs003")
TREE = Tree(
    rf"(?P<song>pjs\d+)/(?P<own>(?P=song)(?:{KIND})?)",
    "pjs<number>/pjs<number>_song.wav or _speech.wav",
    [".txt"],
    text_at=lambda name: re.sub(f"{KIND}$", "", name),
    identity=lambda match: match["own"],
)
orphans = TREE.orphans
mute = TREE.mute


def utterances(root: Path) -> Iterator[Utterance]:
    """Every song, sung and read."""
    for _, song in TREE.songs(root):
        yield Utterance(speaker="pjs", language="ja", **song)


def split(utterance: Utterance) -> str:
    """The first three songs are tested; of the others a twentieth is for validation."""
    song = TREE.of(utterance.audio)["song"]
    if song in TESTED:
        return "test"
    return "valid" if split_of(song) == "valid" else "train"
