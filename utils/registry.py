"""A name becomes code by a table one can read: name -> "module:attribute", imported when asked."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any


def nearest(name: str, choices: Iterable[str], what: str, *, ends: bool = False) -> str:
    """The sentence for an unknown name: the nearest choice and the whole list. With `ends`, what follows a "_" in a choice may be meant."""
    choices = sorted(choices)
    lowered = {choice.lower(): choice for choice in choices}
    close = lowered.get(str(name).lower())  # "Vits" is "VITS", and not the nearer "VitsSVC"
    if close is None:
        close = _close(str(name), choices)
    if close is None:  # "FASTSPEECH" is nearer to "FastSpeech2" than its letters say
        close = lowered.get(_close(str(name).lower(), lowered))
    if close is None and ends:
        close = _by_end(str(name).lower(), choices)
    hint = f", did you mean {close!r}?" if close is not None else "."
    listed = ", ".join(choices) or "none"
    return f"unknown {what} {name!r}{hint} Choices: {listed}."


def _by_end(name: str, choices: Iterable[str]) -> str | None:
    """The choice that ends on what is nearest: "demo_songs_fay" on "songs_fay" and on "fay"."""
    ends = {}
    for choice in choices:
        words = choice.lower().split("_")
        for first in range(1, len(words)):
            end = "_".join(words[first:])
            ends[end] = choice
    return ends.get(_close(name, ends))


def _close(name: str, choices: Iterable[str]) -> str | None:
    matches = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    return matches[0] if matches else None


def pick(table: Mapping[str, Any], name: str, what: str) -> Any:
    """The entry `name` of `table`. Raises ValueError with the nearest name and the choices."""
    if name not in table:
        raise ValueError(nearest(name, table, what))
    return table[name]


def load_object(target: str) -> Any:
    """The attribute that "module:attribute" names."""
    module, attribute = target.split(":")
    return getattr(importlib.import_module(module), attribute)
