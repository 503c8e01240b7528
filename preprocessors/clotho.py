"""Clotho: sounds of Freesound of 15 to 30 s with five captions each, of which no word is rare; 5,929 clips in version 2.1. Captions under
Tampere University's licence, each sound under its own CC licence.

https://zenodo.org/records/4783391

    <root>/
      clotho_captions_development.csv      file_name,caption_1,...,caption_5; also validation and evaluation, in any folder
      .../development/Distorted AM Radio noise.wav    the sounds of a part lie in any folder whose name has the part's in it

File names hold blanks, also at their edges, commas, dots and brackets; a few occur in two parts. The corpus's own division is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from preprocessors import captioned
from preprocessors.base import Utterance
from preprocessors.layout import Reasons, without_suffix
from utils.tree import files_under

LICENCE = "Tampere University's licence: for academic use and no other; sounds CC, each its own"
PARTS = {"development": "train", "validation": "valid", "evaluation": "test"}
LIST = "clotho_captions_"
CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))
COLUMNS = ("file_name", *CAPTIONS)
FOLDERS = ("{part}", "clotho_audio_{part}", "{part}_audio")
split = captioned.split
Clip = tuple[str, list[str], Path | None]  # id, captions, recording


def _lists(root: Path) -> dict[str, Path]:
    """Part -> its list. Raises ValueError where there is none."""
    paths = {path.name: path for path in files_under(root)}
    names = {part: f"{LIST}{part}.csv" for part in PARTS}
    lists = {part: paths[name] for part, name in names.items() if name in paths}
    if not lists:
        raise ValueError(f"clotho: {root} holds no {LIST}development.csv: put the lists of captions there.")
    return lists


def _clips(root: Path, sounds: captioned.Sounds, bad: Reasons | None = None) -> Iterator[Clip]:
    """Id, captions and recording of every clip; rows that are cut short go to `bad`."""
    for part, path in _lists(root).items():
        rows = list(captioned.table(path, COLUMNS, bad))
        names = [without_suffix(row["file_name"]) for row in rows]
        identities = captioned.distinct(names)
        folders = [folder.format(part=part) for folder in FOLDERS]
        for name, row in zip(names, rows, strict=True):
            own = identities[name]
            identity = f"{PARTS[part]}_{own}"
            alike = (name, name.strip())
            recording = sounds.find(alike, folders)
            captions = _captions(row)
            yield identity, captions, recording


def _captions(row: dict[str, str]) -> list[str]:
    return [row[column] for column in CAPTIONS]


def utterances(root: Path) -> Iterator[Utterance]:
    """The clips that have a recording, once for each caption."""
    sounds = captioned.Sounds(root)
    for identity, captions, audio in _clips(root, sounds):
        if audio:
            yield from captioned.captioned(identity, audio, captions)


def orphans(root: Path) -> Reasons:
    """Clips whose sound is not there, rows that are cut short, and recordings that no list names."""
    strays: Reasons = []
    sounds = captioned.Sounds(root)
    for identity, _, audio in _clips(root, sounds, strays):
        if not audio:
            strays.append((identity, captioned.ABSENT))
    return strays + sounds.unused("no list of captions names it")
