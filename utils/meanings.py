"""What options and settings mean: read from docstrings, and from the comments beside them, so that it is written once."""

from __future__ import annotations

import inspect
import re
from typing import Any

CLAUSE = re.compile(r"(?<=[.;])\s+(?=`|[A-Z])")  # where another thing is begun to be told


def meaning(owner: Any, name: str) -> str:
    """What is said of the parameter `name` of a class or function, "" for nothing.

    It is the clause of a docstring that begins with it, else the comment beside it, else a clause that has it.
    """
    owners = inspect.getmro(owner) if inspect.isclass(owner) else (owner,)
    for place in owners:
        if place.__module__ in ("builtins", "typing"):
            continue
        begins, has = _clauses(inspect.getdoc(place) or "", name)
        said = [*begins, _comment(place, name), *has]
        if any(said):
            return next(filter(None, said))
    return ""


def _clauses(doc: str, name: str) -> tuple[list[str], list[str]]:
    """The clauses of a docstring that begin with the name, which they then leave out, and those that have it elsewhere."""
    mark = f"`{name}`"
    begins = []
    has = []
    for clause in CLAUSE.split(" ".join(doc.split())):
        told = clause.strip(" .;:")
        if told.startswith(mark):
            begins.append(told.removeprefix(mark).strip())
        elif mark in told:
            has.append(told)
    return begins, has


def _comment(owner: Any, name: str) -> str:
    """The comment behind a parameter or field in the source, or the one on the line above it."""
    try:
        lines = inspect.getsource(owner).splitlines()
    except (OSError, TypeError):
        return ""
    pattern = re.compile(rf"\s*{re.escape(name)}\s*:.*?(?:#\s*(?P<said>.+))?$")
    for above, line in zip(["", *lines], lines, strict=False):
        match = pattern.match(line)
        if match:
            before = above.strip()
            return match["said"] or (before.removeprefix("#").strip() if before.startswith("#") else "")
    return ""
