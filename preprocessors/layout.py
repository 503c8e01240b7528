"""How corpora lie on a disk: recordings, their transcripts beside them or in a list, and the names that pair them.

No corpus itself. Paths are as they were found, never resolved: links to recordings, speakers and parts keep their names.
"""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from utils.decode import SUFFIXES
from utils.digest import digest_of_bytes
from utils.files import read_lines, read_text
from utils.tree import composed, files_under

LONGEST = 180  # bytes of an id; a file's name has 255, endings and temporary names included


def by_name(paths: Iterable[Path], folder: Path, endings: Sequence[str]) -> dict[str, list[Path]]:
    """Path within `folder` without its ending -> the files of that name, in the order of `endings`, whose case is ignored."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in paths:
        name = composed(path.relative_to(folder).as_posix())
        place = next((i for i, ending in enumerate(endings) if name.lower().endswith(ending)), None)
        if place is not None:
            found.setdefault(name[: -len(endings[place])], []).append((place, path))
    return {name: [path for _, path in sorted(files)] for name, files in found.items()}


def recordings(folder: Path) -> dict[str, Path]:
    """Name without suffix -> absolute path, for every sound below `folder`; of one in two formats, the lossless."""
    return {name: paths[0] for name, paths in _sounds(folder).items()}


def twins(folder: Path) -> list[tuple[str, str]]:
    """(name, why it is left out) of each recording that is there in another format too."""
    return [(name, f"{path} is left out: {paths[0].name} has the same name") for name, paths in _sounds(folder).items() for path in paths[1:]]


def _sounds(folder: Path) -> dict[str, list[Path]]:
    folder = folder.absolute()
    return by_name(files_under(folder), folder, SUFFIXES)


def named(found: dict[str, Path], written: str, root: Path) -> str | None:
    """The name in `found` that a list means by `written`: "x", "x.wav", "./wavs/x.wav", "wavs\\x", or its path on a disk."""
    for text in (written, written.strip(" \t")):  # first as it stands: a name may begin or end with a blank
        path = posixpath.normpath(composed(text).replace("\\", "/")).removeprefix(f"{root.absolute().as_posix()}/")
        below = f"/{path}".rpartition("/wavs/")[2].removeprefix("/")
        for name in (path, without_suffix(path), below, without_suffix(below)):
            if name in found:
                return name
    return None


def without_suffix(name: str) -> str:
    """`name` without the suffix of a sound; other dots belong to it."""
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in SUFFIXES else name


def own_name(root: Path) -> str:
    """The name of a folder, also of "." and of a link."""
    return Path(os.path.abspath(root)).name


def safe(name: str) -> str:
    """`name` as one file name: "anna/take 1" -> "anna_take_1". Letters keep their marks."""
    kept = "".join(c if c in "._-" or unicodedata.category(c)[0] in "LMN" else " " for c in name)
    return short("_".join(part for part in kept.split(" ") if part).strip("._") or "unnamed")


def short(name: str) -> str:
    """`name`, or the beginning and a digest of one that is too long to name files after."""
    raw = name.encode("utf-8", "surrogateescape")
    return name if len(raw) <= LONGEST else f"{raw[:LONGEST].decode(errors='ignore')}-{digest_of_bytes(raw)}"


def text_of(paths: Sequence[Path], missing: str) -> tuple[str, str]:
    """(text, "") of the first transcript that is not empty, or ("", why there is none)."""
    try:
        texts = (read_text(path).strip() for path in paths)
        text = next((text for text in texts if text), "")
    except (ValueError, OSError) as error:
        return "", f"its transcript cannot be read: {error}"
    if "\0" in text:
        return "", f"its transcript holds NUL characters: is {paths[0]} in UTF-16? Save it again as UTF-8."
    if text:
        return text, ""
    return "", f"its transcript {paths[0]} is empty" if paths else missing


def lines(path: Path, fields: int, separator: str = "|", bad: list[tuple[str, str]] | None = None) -> Iterator[list[str]]:
    """The rows of a metadata file, their fields as they stand. Raises ValueError naming the line that has too few of them.

    Lines in another encoding are left out, and go to `bad` as (file and line, reason).
    """
    if not path.is_file():
        raise ValueError(f"no metadata file {path}.")
    unread: list[tuple[int, str]] = []
    for number, line in read_lines(path, unread):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        parts = line.split(separator)
        if len(parts) < fields:
            raise ValueError(
                f"{path}:{number} has {len(parts)} fields, {fields} expected, separated by {separator!r}: {line[:80]!r}"
            )
        if "\r" in line:
            raise ValueError(f"{path}:{number} holds a carriage return: save the file with line feeds between its lines.")
        yield parts
    if bad is not None:
        bad.extend((f"{path.name}:{number}", f"{reason}: save {path} again as UTF-8") for number, reason in unread)
