"""The recordings of a folder, by the names that pair them."""

from __future__ import annotations

import os
from pathlib import Path

from utils.log import log
from utils.tree import composed, files_under

SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"))


def find_audio(folder: Path) -> dict[str, Path]:
    """The audio files under `folder` by stem, links followed, hidden ones left out.

    Raises ValueError when there is none, or when two share a stem.
    """
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}: check the path.")
    recordings: dict[str, Path] = {}
    for path in files_under(folder):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if not path.is_file():
            log.warning(f"{path} is left out: it links to a file that is not there.")
            continue
        stem = stem_of(path.name)
        if not stem.isprintable() and any(0xD800 <= ord(letter) < 0xE000 for letter in stem):
            log.warning(f"{ascii(str(path))} is left out: its name is not in UTF-8; rename it.")
            continue
        if stem in recordings:
            raise ValueError(f"{recordings[stem]} and {path} have the same stem, which pairs files: rename or move one.")
        recordings[stem] = path
    if not recordings:
        raise ValueError(f"no audio in {folder}, looked for {', '.join(sorted(SUFFIXES))}.")
    return recordings


def stem_of(name: str) -> str:
    """What pairs a file with others: its name without an audio suffix, composed; dots may be part of it ("spk.001")."""
    stem, suffix = os.path.splitext(name)
    return composed(stem if suffix.lower() in SUFFIXES else name)
