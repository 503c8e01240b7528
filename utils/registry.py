"""A name becomes code by a table one can read: name -> "module:attribute", imported when asked."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any


def nearest(name: str, choices: Iterable[str], what: str) -> str:
    """The sentence for an unknown name: the nearest choice and the whole list."""
    choices = sorted(choices)
    close = difflib.get_close_matches(str(name), choices, n=1, cutoff=0.5)
    if not close:  # "FASTSPEECH" is nearer to "FastSpeech2" than its letters say
        folded = {choice.lower(): choice for choice in choices}
        close = [folded[c] for c in difflib.get_close_matches(str(name).lower(), folded, n=1, cutoff=0.5)]
    hint = f", did you mean {close[0]!r}?" if close else "."
    return f"unknown {what} {name!r}{hint} Choices: {', '.join(choices) or 'none'}."


def pick(table: Mapping[str, Any], name: str, what: str) -> Any:
    """The entry `name` of `table`. Raises ValueError with the nearest name and the choices."""
    if name not in table:
        raise ValueError(nearest(name, table, what))
    return table[name]


def load_object(target: str) -> Any:
    """The attribute that "module:attribute" names."""
    module, attribute = target.split(":")
    return getattr(importlib.import_module(module), attribute)
