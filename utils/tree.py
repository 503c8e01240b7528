"""The files below a folder, as people keep them: linked folders, hidden files, names composed in two ways."""

from __future__ import annotations

import os
import unicodedata
from collections import deque
from pathlib import Path

from utils.log import log


def files_under(folder: Path) -> list[Path]:
    """The files below `folder`, in order; hidden ones are left out.

    Links to folders are followed. Each folder is read once, under its own path rather than a link's, so no ring of links is
    endless. Paths are as they were found, never resolved: their folders' names say speaker and split.
    """
    seen = set()
    files = []
    waiting = deque([Path(folder)])
    while waiting:
        for place, folders, names in os.walk(waiting.popleft(), onerror=_say):
            about = os.stat(place)
            if (about.st_dev, about.st_ino) in seen:
                folders.clear()
                continue
            seen.add((about.st_dev, about.st_ino))
            folders[:] = sorted(filter(_visible, folders))
            below = [Path(place, name) for name in folders]
            waiting.extend(path for path in below if path.is_symlink())
            files.extend(Path(place, name) for name in filter(_visible, names))
    return sorted(files)


def composed(name: str) -> str:
    """`name` in the form that compares: macOS writes "é" in file names as two characters, texts have one."""
    return unicodedata.normalize("NFC", name)


def _visible(name: str) -> bool:
    return not name.startswith(".")  # "._a.wav" is no sound: macOS keeps attributes there


def _say(error: OSError) -> None:
    log.warning(f"{error.filename} is left out: {error.strerror}.")
