"""FSD50K: 51,197 clips of Freesound with labels out of 200 of AudioSet's classes; 108 hours, 44.1 kHz. CC BY 4.0, each clip under its own
CC licence.

https://zenodo.org/records/4060432

    <root>/
      FSD50K.ground_truth/dev.csv          fname,labels,mids,split; eval.csv has no split; labels by commas, the narrowest first
      FSD50K.dev_audio/64760.wav           FSD50K.eval_audio/37199.wav
      FSD50K.metadata/dev_clips_info_FSD50K.json      fname -> title, description, tags, ...; also eval

It has no captions: they are made of `caption`: "labels" ("electric guitar, guitar, music"), or what its maker wrote, "title" or
"description"; where that is empty it is the labels. The corpus's own division is kept: train, val, and eval to test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from preprocessors import captioned
from preprocessors.base import Utterance
from preprocessors.layout import Reasons
from utils.files import read_json

LICENCE = "CC BY 4.0, sounds each its own, some CC BY-NC"
PARTS = ("dev", "eval")
SPLITS = {"train": "train", "val": "valid"}
Caption = Literal["labels", "title", "description"]
split = captioned.split


def _rows(root: Path, bad: Reasons | None = None) -> Iterator[tuple[str, dict[str, str]]]:
    """Part and row of every clip. Raises ValueError where there is no list."""
    folder = root / "FSD50K.ground_truth"
    found = False
    for part in PARTS:
        path = folder / f"{part}.csv"
        if not path.is_file():
            continue
        found = True
        for row in captioned.table(path, ("fname", "labels"), bad):
            yield part, row
    if not found:
        raise ValueError(f"fsd50k: {folder} holds no dev.csv nor eval.csv: unpack FSD50K.ground_truth.zip in {root}.")


def _id(part: str, row: dict[str, str]) -> str:
    own = "test" if part == "eval" else SPLITS.get(row.get("split") or "", "train")
    return f"{own}_{row['fname'].strip()}"


def _captions(root: Path, caption: Caption) -> dict[str, str]:
    """fname -> what its maker wrote; nothing where labels are asked for. Raises ValueError where the metadata are not there."""
    if caption == "labels":
        return {}
    captions = {}
    for part in PARTS:
        path = root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json"
        if path.is_file():
            about = read_json(path, dict[str, Any])
            told = {name: said for name, said in about.items() if isinstance(said, dict)}
            captions |= {name: str(said.get(caption) or "") for name, said in told.items()}
    if not captions:
        folder = root / "FSD50K.metadata"
        raise ValueError(f'preprocess.corpora.fsd50k.caption: {folder} holds no clips_info: unpack it there, or leave caption at "labels".')
    return captions


def _labels(row: dict[str, str]) -> str:
    words = row["labels"].replace("_", " ").lower()
    return ", ".join(words.split(","))


def utterances(root: Path, *, caption: Caption = "labels") -> Iterator[Utterance]:
    """The clips that have a recording."""
    sounds = captioned.Sounds(root)
    written = _captions(root, caption)
    for part, row in _rows(root):
        name = row["fname"].strip()
        audio = sounds.find([name], [f"FSD50K.{part}_audio"])
        if audio:
            said = captioned.one_line(written.get(name, ""))
            yield from captioned.captioned(_id(part, row), audio, [said or _labels(row)])


def orphans(root: Path, *, caption: Caption = "labels") -> Reasons:
    """Clips without a recording, rows that are cut short, and recordings that no list names."""
    strays: Reasons = []
    sounds = captioned.Sounds(root)
    for part, row in _rows(root, strays):
        if not sounds.find([row["fname"].strip()], [f"FSD50K.{part}_audio"]):
            strays.append((_id(part, row), captioned.ABSENT))
    return strays + sounds.unused("no list names it")


def mute(root: Path, *, caption: Caption = "labels") -> Reasons:
    """Clips without a caption."""
    return captioned.mute(utterances(root, caption=caption))
