"""PopBuTFy: 34 singers of pop in Chinese and English, each song as an amateur and as a professional sings; 50 hours.

https://github.com/MoonInTheRiver/NeuralSVB

    <root>/
      data/Female1#singing#Hello_Amateur/Female1#singing#Hello_Amateur_0.mp3         singer, song, manner, number of the phrase
      text_labels/Female1#singing#Hello_Amateur/Female1#singing#Hello_Amateur_0.txt  its words

Items without "#singing#" (speech) have no manner at their end. A song is in one split, whoever sings it and how.
"""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Tree

LICENCE = "CC BY-NC-SA 4.0"


def _text_at(name: str) -> str:
    return re.sub("(^|/)data/", r"\1text_labels/", name)


TREE = Tree(
    r"(?P<singer>[^/#]+)#(?P<rest>[^/]+)/(?P<own>(?P=singer)#(?P=rest)_\d+)",
    "data/<singer>#singing#<song>_<Amateur or Professional>/<the same>_<number>.mp3",
    [".txt"],
    text_at=_text_at,
    identity=lambda match: match["own"],
)
orphans = TREE.orphans
mute = TREE.mute


def utterances(root: Path) -> Iterator[Utterance]:
    """Every phrase, with its words where there are some."""
    for match, song in TREE.songs(root):
        yield Utterance(speaker=match["singer"], language=_language(song["text"]), **song)


def _language(text: str) -> str:
    """Mandarin where there is a Chinese character, else English."""
    is_chinese = any(unicodedata.name(letter, "").startswith("CJK") for letter in text)
    return "cmn" if is_chinese else Utterance.language


def split(utterance: Utterance) -> str:
    """By the song."""
    item = TREE.of(utterance.audio)["rest"]
    song = re.sub("_(Amateur|Professional)$", "", item).rpartition("#")[2]
    return split_of(song)
