"""A long utterance in windows that overlap: what each gives is what the whole would have given there.

A network in which a frame depends on `reach` frames on either side is run on one window after another, each reading that
many frames beyond those that it gives. `models.vocoders.stream` has a picture.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Frames from `first` to `last` are read, those from `start` to `stop` are given."""

    first: int
    last: int
    start: int
    stop: int


def windows(frames: int, chunk: int, reach: int) -> list[Window]:
    """Windows over an utterance that together give each frame once; `chunk` is what one in the middle gives.

    All are of one length. Raises ValueError for an empty chunk.
    """
    if chunk < 1:
        raise ValueError(f"a chunk must hold one frame or more, got {chunk}: choose more chunk_seconds.")
    length = chunk + 2 * reach
    if frames <= length:
        return [Window(0, frames, 0, frames)]
    placed = []
    start = 0
    while start < frames:
        first = max(0, min(start - reach, frames - length))
        last = first + length
        stop = frames if last == frames else last - reach
        placed.append(Window(first, last, start, stop))
        start = stop
    return placed


def spans(frames: int, size: int) -> list[slice]:
    """Stretches of `size` frames, the last as long as is left."""
    starts = range(0, frames, size)
    return [slice(start, min(start + size, frames)) for start in starts]
