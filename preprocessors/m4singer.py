"""M4Singer: twenty singers of Mandarin pop, from soprano to bass, 20,896 phrases; 30 hours, 48 kHz.

https://github.com/M4Singer/M4Singer

    <root>/
      meta.json                     a list: {"item_name": "Alto-1#美错#0000", "txt": words, "phs", "ph_dur", "notes", ...}
      Alto-1#美错/0000.wav          singer, song, number of the phrase; .mid and .TextGrid beside it are not read

Names and words are read. Some programs unpack the folders with "#U7f8e" for "美": both are understood. A song is in one split, whoever
sings it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from typing_extensions import TypedDict

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Reasons, recordings, safe, twins
from utils.files import read_json
from utils.tree import composed

LICENCE = "CC BY-NC-SA 4.0"


class Item(TypedDict, total=False):
    """What is read of an item of meta.json."""

    item_name: str
    txt: str


def _texts(root: Path) -> dict[str, str]:
    """<singer>#<song>/<number> -> words, as meta.json says."""
    path = root / "meta.json"
    if not path.is_file():
        raise ValueError(f"m4singer: {root} holds no meta.json: dataset_path.m4singer is the folder that holds it.")
    texts = {}
    for item in read_json(path, list[Item]):
        folder, _, number = item.get("item_name", "").rpartition("#")
        texts[_spelt(f"{folder}/{number}")] = item.get("txt", "").strip()
    return texts


def _recorded(root: Path) -> dict[str, Path]:
    return {_spelt(name): path for name, path in recordings(root).items()}


def _spelt(name: str) -> str:
    """A name as it was before it was unpacked: "#U7f8e" is "美"."""
    return composed(re.sub("#U([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), name))


def utterances(root: Path) -> Iterator[Utterance]:
    """Every item whose recording is there."""
    recorded = _recorded(root)
    for name, text in _texts(root).items():
        if name in recorded:
            singer, _, _ = name.partition("#")
            yield Utterance(id=safe(name), speaker=singer, audio=str(recorded[name]), text=text, language="cmn")


def split(utterance: Utterance) -> str:
    """By the song."""
    folder = _spelt(Path(utterance.audio).parent.name)
    _, _, song = folder.partition("#")
    return split_of(song)


def orphans(root: Path) -> Reasons:
    """Items without a recording, and recordings without an item."""
    named = _texts(root).keys()
    recorded = _recorded(root).keys()
    lost = sorted(named - recorded)
    unlisted = sorted(recorded - named)
    strays = [(name, f"its recording {name} is missing") for name in lost]
    strays += [(name, "meta.json does not name it") for name in unlisted]
    strays += twins(root)
    return [(safe(name), reason) for name, reason in strays]
