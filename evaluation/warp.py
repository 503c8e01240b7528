"""Dynamic time warping: the best path in a band, in bounded memory, and the approximation that upstream's numbers rest on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

BOTH = 0  # steps of a path: into the next row and column,
ROW = 1  # the next row alone,
COLUMN = 2  # the next column alone
BLOCK_CELLS = 2**26  # one byte each; longer recordings are walked back through a block of rows at a time
MOST_CELLS = 2**33  # some minutes of work


def warp(a: np.ndarray, b: np.ndarray, radius: int) -> np.ndarray:
    """Dynamic time warping of `a` (n, size) with `b` (m, size) by Euclidean distance: the path, (steps, 2) indices.

    For each frame of `a` only 2 x `radius` + 1 frames of `b` about the straight line between the corners are tried.
    Memory is that of one block of rows and of one row for each block. Raises ValueError when it would take hours.
    """
    a = np.ascontiguousarray(a, dtype=np.float64)
    b = np.ascontiguousarray(b, dtype=np.float64)
    n = len(a)
    m = len(b)
    radius = max(radius, -(-m // n))  # the band of one row must reach that of the next
    width = min(2 * radius + 1, m)
    if n * width > MOST_CELLS:
        raise ValueError(f"{n} frames are too many for dynamic time warping: cut the recording up, or take --align cut.")
    middles = np.arange(n) * (m - 1) // max(n - 1, 1)
    firsts = (middles - radius).clip(0, m - width)
    return _in_band(a, b, firsts, width)


def _in_band(a: np.ndarray, b: np.ndarray, firsts: np.ndarray, width: int) -> np.ndarray:
    """The cheapest path through the cells from column firsts[i] on, `width` in each row i; (steps, 2) indices."""
    fill = compiled("_fill")
    walk = compiled("_walk")
    rows = max(BLOCK_CELLS // width, 1)
    starts = list(range(0, len(a), rows))
    costs = [np.full(width, np.inf)]  # of the row above each block
    for first in starts[:-1]:
        _, below = fill(a, b, firsts, first, first + rows, costs[-1])
        costs.append(below)
    i = len(a) - 1
    j = len(b) - 1
    parts = []
    for first, above in zip(starts[::-1], costs[::-1], strict=True):
        end = min(first + rows, len(a))
        steps, _ = fill(a, b, firsts, first, end, above)
        part = walk(steps, firsts, first, i, j)
        parts.append(part[:-1])
        i, j = part[-1]
    return np.concatenate(parts)[::-1]


@functools.cache
def compiled(name: str) -> Callable[..., Any]:
    """One of the loops below as machine code, compiled on first use and kept on disk."""
    import numba

    return numba.njit(cache=True)(globals()[name])


def _fill(a, b, firsts, begin, end, before):
    # The step into each cell of the rows, and the last row's costs.
    width = len(before)
    steps = np.zeros((end - begin, width), np.uint8)
    before = before.copy()
    now = np.full(width, np.inf)
    for i in range(begin, end):
        moved = firsts[i] - firsts[i - 1] if i else 0
        for k in range(width):
            j = firsts[i] + k
            distance = 0.0
            for d in range(a.shape[1]):
                distance += (a[i, d] - b[j, d]) ** 2
            above = k + moved
            up = before[above] if i and above < width else np.inf
            both = before[above - 1] if i and 0 < above <= width else np.inf
            left = now[k - 1] if k else np.inf
            best = both
            step = BOTH
            if up < best:
                best = up
                step = ROW
            if left < best:
                best = left
                step = COLUMN
            if i == 0 and j == 0:
                best = 0.0
            now[k] = np.sqrt(distance) + best
            steps[i - begin, k] = step
        before[:] = now
    return steps, before


def _walk(steps, firsts, first, i, j):
    # From (i, j) back to the row above `first` (or the corner): the cells passed, and last the cell where the next block goes on.
    path = [(i, j)]
    while i >= first and (i or j):
        step = steps[i - first, j - firsts[i]]
        if step != COLUMN:
            i -= 1
        if step != ROW:
            j -= 1
        path.append((i, j))
    if i >= first:
        path.append((i, j))
    return np.array(path)


def fast_warp(a: np.ndarray, b: np.ndarray, radius: int = 1) -> np.ndarray:
    """FastDTW (Salvador and Chan 2007) with Euclidean distance: the path found at half the resolution, refined about it.

    Approximate, and only here for upstream's mel-cepstral distortion; (steps, 2) indices.
    """
    n = len(a)
    m = len(b)
    if min(n, m) < radius + 2:
        return _in_window(a, b, np.zeros(n, int), np.full(n, m))
    coarse = fast_warp(_halved(a), _halved(b), radius)
    lows, highs = _window(coarse, n, m, radius)
    return _in_window(a, b, lows, highs)


def _halved(rows: np.ndarray) -> np.ndarray:
    even = len(rows) // 2 * 2
    return 0.5 * (rows[:even:2] + rows[1:even:2])


def _window(coarse: np.ndarray, n: int, m: int, radius: int) -> tuple[np.ndarray, np.ndarray]:
    # For each row the first column and the one past the last within `radius` coarse cells of the coarse path.
    size = -(-n // 2) + radius + 1
    low = np.full(size, m)
    high = np.zeros(size, int)
    for offset in range(-radius, radius + 1):
        rows = coarse[:, 0] + offset
        inside = (rows >= 0) & (rows < size)
        reached = rows[inside]
        columns = coarse[inside, 1]
        np.minimum.at(low, reached, columns - radius)
        np.maximum.at(high, reached, columns + radius + 1)
    halves = np.arange(n) // 2
    lows = 2 * low[halves]
    highs = 2 * high[halves]
    return lows.clip(0, m), highs.clip(0, m)


def _in_window(a: np.ndarray, b: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    find_steps = compiled("_ragged")
    walk = compiled("_walk")
    a = np.ascontiguousarray(a, dtype=np.float64)
    b = np.ascontiguousarray(b, dtype=np.float64)
    lows = lows.astype(np.int64)
    highs = highs.astype(np.int64)
    steps = find_steps(a, b, lows, highs)
    path = walk(steps, lows, 0, len(a) - 1, len(b) - 1)
    return path[-2::-1]  # the walk ends with the corner twice


def _ragged(a, b, lows, highs):
    # The step into each cell lows[i] <= j < highs[i]; of equal steps the row's is taken first, as FastDTW's authors do.
    n = len(a)
    width = (highs - lows).max()
    cost = np.full((n, width), np.inf)
    steps = np.zeros((n, width), np.uint8)
    for i in range(n):
        for j in range(lows[i], highs[i]):
            distance = 0.0
            for d in range(a.shape[1]):
                distance += (a[i, d] - b[j, d]) ** 2
            k = j - lows[i]
            left = cost[i, k - 1] if k else np.inf
            up = np.inf
            both = np.inf
            if i:
                low = lows[i - 1]
                high = highs[i - 1]
                if low <= j < high:
                    up = cost[i - 1, j - low]
                if low < j <= high:
                    both = cost[i - 1, j - 1 - low]
            best = up
            step = ROW
            if left < best:
                best = left
                step = COLUMN
            if both < best:
                best = both
                step = BOTH
            if i == 0 and j == 0:
                best = 0.0
            cost[i, k] = np.sqrt(distance) + best
            steps[i, k] = step
    return steps
