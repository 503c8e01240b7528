"""MusicCaps: descriptions of music by musicians, of 5,521 clips of 10 s of YouTube that AudioSet has. Captions CC BY-SA 4.0.

https://www.kaggle.com/datasets/googleai/musiccaps

    <root>/
      musiccaps-public.csv        ytid,start_s,end_s,...,aspect_list,caption,...,is_audioset_eval; captions may hold line breaks
      .../-0Gj8-vB1q4.wav         the sounds, in any folders: a clip is known by its id alone,
      .../-0Gj8-vB1q4_30_40.wav   with its seconds,
      .../[-0Gj8-vB1q4]-[30-40].wav      or as some downloaders write both

What is missing is counted and listed. Clips of AudioSet's evaluation are for testing. `caption` is "caption", or "aspect_list", the key words.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from preprocessors import captioned
from preprocessors.base import Utterance, split_of
from preprocessors.layout import Reasons
from utils.tree import files_under

LICENCE = "captions CC BY-SA 4.0, sounds not told"
COLUMNS = ("ytid", "start_s", "end_s", "aspect_list", "caption", "is_audioset_eval")
Caption = Literal["caption", "aspect_list"]
split = captioned.split


def _list(root: Path) -> Path:
    """The list of captions. Raises ValueError where there is none, or several."""
    paths = [path for path in files_under(root) if path.suffix == ".csv" and path.name.lower().startswith("musiccaps")]
    if len(paths) != 1:
        found = f"{len(paths)} of it" if paths else "none"
        raise ValueError(f"musiccaps: {root} needs one musiccaps-public.csv, and holds {found}.")
    return paths[0]


def _id(row: dict[str, str]) -> str:
    video = row["ytid"].strip()
    is_test = row["is_audioset_eval"].strip().lower() == "true"
    own = "test" if is_test else "valid" if split_of(video) == "valid" else "train"
    return f"{own}_Y{video}_{row['start_s'].strip()}"


def _names(row: dict[str, str]) -> list[str]:
    """What a clip's recording may be called."""
    video, start, end = (row[column].strip() for column in COLUMNS[:3])
    bare = [f"{video}_{start}_{end}", f"{video}_{start}", f"[{video}]-[{start}-{end}]", video]
    return [*bare, *(f"Y{name}" for name in bare)]


def _caption(row: dict[str, str], caption: Caption) -> str:
    """The description, or the key words, which stand as Python writes a list. Raises ValueError where they are none."""
    if caption == "caption":
        return row["caption"]
    try:
        words = ast.literal_eval(row["aspect_list"])
        return ", ".join(map(str, words))
    except (SyntaxError, ValueError, TypeError) as error:
        raise ValueError(f"musiccaps: the aspect_list of {row['ytid']} is no list: {row['aspect_list'][:60]!r}.") from error


def utterances(root: Path, *, caption: Caption = "caption") -> Iterator[Utterance]:
    """The clips that have a recording."""
    sounds = captioned.Sounds(root)
    for row in captioned.table(_list(root), COLUMNS):
        audio = sounds.find(_names(row))
        if audio:
            yield from captioned.captioned(_id(row), audio, [_caption(row, caption)])


def orphans(root: Path, *, caption: Caption = "caption") -> Reasons:
    """Clips whose sound is not there, rows that are cut short, and recordings that the list does not name."""
    strays: Reasons = []
    sounds = captioned.Sounds(root)
    for row in captioned.table(_list(root), COLUMNS, strays):
        if not sounds.find(_names(row)):
            strays.append((_id(row), captioned.ABSENT))
    return strays + sounds.unused("the list does not name it")


def mute(root: Path, *, caption: Caption = "caption") -> Reasons:
    """Clips without a caption."""
    return captioned.mute(utterances(root, caption=caption))
