"""Progress bars: redrawn in place where somebody looks on, a line a minute where they go to a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

MINUTE = 60.0  # seconds between two lines


class Lines:
    """A stream in which a bar that is drawn again is a new line."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        line = text.strip()
        if line:
            self.stream.write(f"{line}\n")

    def flush(self) -> None:
        self.stream.flush()


def progress(items: Iterable[Any] | None = None, *, unit: str = "file", **how: Any) -> tqdm:
    """A bar over `items`, or one that its `update` moves; `how` is tqdm's."""
    from tqdm import tqdm

    if not watched():
        how |= {"file": Lines(sys.stderr), "mininterval": MINUTE, "maxinterval": MINUTE}
    return tqdm(items, unit=unit, **how)


def watched() -> bool:
    """Whether errors and bars go to a terminal or a notebook, and not to a file."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules
