"""Dynamic time warping: the best path in a band, in bounded memory, and the approximation that upstream's numbers rest on."""

from __future__ import annotations

import numpy as np

BLOCK_CELLS = 2**26  # one byte each; longer recordings are walked back through a block of rows at a time
MOST_CELLS = 2**33  # some minutes of work


def warp(a: np.ndarray, b: np.ndarray, radius: int) -> np.ndarray:
    """Dynamic time warping of `a` (n, size) with `b` (m, size) by Euclidean distance: the path, (steps, 2) indices.

    For each frame of `a` only 2 x `radius` + 1 frames of `b` about the straight line between the corners are tried.
    Memory is that of one block of rows and of one row for each block. Raises ValueError when it would take hours.
    """
    from evaluation.loops import fill, walk

    a = np.ascontiguousarray(a, dtype=np.float64)
    b = np.ascontiguousarray(b, dtype=np.float64)
    n = len(a)
    m = len(b)
    firsts, width = _band(n, m, radius)
    rows = max(BLOCK_CELLS // width, 1)
    starts = list(range(0, n, rows))
    kept = [np.full(width, np.inf)]  # the costs of the row above each block
    for first in starts[:-1]:
        _, costs = fill(a, b, firsts, first, first + rows, kept[-1])
        kept.append(costs)
    i = n - 1
    j = m - 1
    path = []
    for first, before in zip(starts[::-1], kept[::-1], strict=True):
        steps, _ = fill(a, b, firsts, first, min(first + rows, n), before)
        part = walk(steps, firsts, first, i, j)
        path.append(part[:-1])
        i, j = part[-1]
    return np.concatenate(path)[::-1]


def _band(n: int, m: int, radius: int) -> tuple[np.ndarray, int]:
    """The first column of each row of the band, (n,), and how wide it is. Raises ValueError where it has too many cells."""
    radius = max(radius, -(-m // n))  # the band of one row must reach that of the next
    width = min(2 * radius + 1, m)
    if n * width > MOST_CELLS:
        raise ValueError(f"{n} frames are too many for dynamic time warping: cut the recording up, or take --align cut.")
    steps = max(n - 1, 1)
    centres = np.arange(n) * (m - 1) // steps
    firsts = centres - radius
    firsts = firsts.clip(0, m - width)
    return firsts, width


def fast_warp(a: np.ndarray, b: np.ndarray, radius: int = 1) -> np.ndarray:
    """FastDTW (Salvador and Chan 2007) with Euclidean distance: the path found at half the resolution, refined about it.

    Approximate, and only here for upstream's mel-cepstral distortion; (steps, 2) indices.
    """
    n = len(a)
    m = len(b)
    if min(n, m) < radius + 2:
        lows = np.zeros(n, int)
        highs = np.full(n, m)
        return _in_window(a, b, lows, highs)
    coarse = fast_warp(_halved(a), _halved(b), radius)
    lows, highs = _window(coarse, n, m, radius)
    return _in_window(a, b, lows, highs)


def _halved(frames: np.ndarray) -> np.ndarray:
    """Means of two frames each; an odd one at the end is left out."""
    even = len(frames) // 2 * 2
    return 0.5 * (frames[:even:2] + frames[1:even:2])


def _window(coarse: np.ndarray, n: int, m: int, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row the first column and the one past the last within `radius` coarse cells of the coarse path."""
    size = -(-n // 2) + radius + 1
    low = np.full(size, m)
    high = np.zeros(size, int)
    for offset in range(-radius, radius + 1):
        rows = coarse[:, 0] + offset
        inside = (rows >= 0) & (rows < size)
        rows = rows[inside]
        columns = coarse[inside, 1]
        np.minimum.at(low, rows, columns - radius)
        ends = columns + radius + 1
        np.maximum.at(high, rows, ends)
    of_frame = np.arange(n) // 2
    lows = (2 * low[of_frame]).clip(0, m)
    highs = (2 * high[of_frame]).clip(0, m)
    return lows, highs


def _in_window(a: np.ndarray, b: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    from evaluation.loops import ragged

    a = np.ascontiguousarray(a, dtype=np.float64)
    b = np.ascontiguousarray(b, dtype=np.float64)
    return ragged(a, b, lows.astype(np.int64), highs.astype(np.int64))[::-1]
