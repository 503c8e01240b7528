"""Names: in messages, and as files below a folder, which ids of utterances and names of runs become and must not lead out of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

LONGEST = 220  # bytes of a part of a name: file systems take 255, and the store adds endings (".0123456789ab.npy", ".TextGrid")
PLAIN = re.compile(r"[\w-][\w.-]*", re.ASCII)  # a name of which all is well but perhaps its length


def some(names: Sequence[str], shown: int) -> str:
    """The first names of a list, as a message gives them, and how many there are in all where these are not all."""
    first = ", ".join(names[:shown])
    if len(names) <= shown:
        return first
    return f"{first}, ... ({len(names)} in all)"


class LongName(ValueError):
    """A name that no file can have."""


def check_name(name: str, what: str) -> str:
    """`name`, which may hold "/" for folders of its own. Raises ValueError for one that leads elsewhere or is no name of a file.

    `what` says in the error whose name it is. One that is too long alone raises LongName.
    """
    if len(name) <= LONGEST and PLAIN.fullmatch(name):
        return name  # as nearly all are: to look at each character of a million takes a minute
    parts = name.replace("\\", "/").split("/")
    if PurePosixPath(name).is_absolute() or ".." in parts or name[1:3] in (":\\", ":/"):
        raise ValueError(f"{what} {name!r} leads out of its folder: it must be a name below it, without \"..\" or a root.")
    if not all(part not in ("", ".") for part in parts):
        raise ValueError(f"{what} {name!r} cannot be the name of a file: give a name, without \"./\" or \"//\".")
    if any(ord(character) < 32 for character in name):
        raise ValueError(f"{what} {name!r} cannot be the name of a file: it holds control characters.")
    longest = max(len(part.encode("utf-8", "surrogateescape")) for part in parts)
    if longest > LONGEST:
        raise LongName(f"{what} {name[:40]!r}... is too long for the name of a file: {longest} bytes, and {LONGEST} at most can be.")
    return name
