"""A long sound in overlapping pieces, of whose frames the middle is kept: near its edges a network lacks what it would go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EDGE = 6  # of a piece that has neighbours, the first and the last sixth are not kept


@dataclass(frozen=True)
class Piece:
    """Samples `begin` to `end` of a sound, and which of the piece's own frames are kept."""

    begin: int
    end: int
    kept: slice


def pieces(samples: int, *, hop: int, longest: int) -> list[Piece]:
    """The pieces of a sound of so many samples, at most `longest` frames of `hop` samples each; one, where that holds it.

    Each begins a whole number of frames after the sound does, at places that depend on nothing that comes later.
    """
    margin = longest // EDGE
    stride = longest - 2 * margin
    found = []
    start = 0
    while (start + longest) * hop < samples:
        begin = start * hop
        end = begin + longest * hop
        first = margin if start else 0
        found.append(Piece(begin, end, slice(first, margin + stride)))
        start += stride
    first = margin if start else 0
    found.append(Piece(start * hop, samples, slice(first, None)))
    return found


def joined(arrays: Sequence[np.ndarray], cut: Sequence[Piece]) -> np.ndarray:
    """The frames of the whole sound, (frames, channels), from those of its pieces."""
    kept = [array[piece.kept] for array, piece in zip(arrays, cut, strict=True)]
    return np.concatenate(kept)
