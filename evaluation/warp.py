"""Dynamic time warping: the best path in a band, in bounded memory, and the approximation that upstream's numbers rest on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

BLOCK_CELLS = 2**26  # one byte each; longer recordings are walked back through a block of rows at a time
MOST_CELLS = 2**33  # some minutes of work


def warp(a: np.ndarray, b: np.ndarray, radius: int) -> np.ndarray:
    """Dynamic time warping of `a` (n, size) with `b` (m, size) by Euclidean distance: the path, (steps, 2) indices.

    For each frame of `a` only 2 x `radius` + 1 frames of `b` about the straight line between the corners are tried.
    Memory is that of one block of rows and of one row for each block. Raises ValueError when it would take hours.
    """
    a, b = np.ascontiguousarray(a, dtype=np.float64), np.ascontiguousarray(b, dtype=np.float64)
    radius = max(radius, -(-len(b) // len(a)))  # the band of one row must reach that of the next
    n, m = len(a), len(b)
    width = min(2 * radius + 1, m)
    if n * width > MOST_CELLS:
        raise ValueError(f"{n} frames are too many for dynamic time warping: cut the recording up, or take --align cut.")
    firsts = (np.arange(n) * (m - 1) // max(n - 1, 1) - radius).clip(0, m - width)
    rows = max(BLOCK_CELLS // width, 1)
    starts = list(range(0, n, rows))
    fill = compiled("_fill")
    kept = [np.full(width, np.inf)]  # the costs of the row above each block
    for i in starts[:-1]:
        kept.append(fill(a, b, firsts, i, i + rows, kept[-1])[1])
    i, j, path = n - 1, m - 1, []
    for first, before in zip(starts[::-1], kept[::-1], strict=True):
        steps = fill(a, b, firsts, first, min(first + rows, n), before)[0]
        part = compiled("_walk")(steps, firsts, first, i, j)
        path.append(part[:-1])
        i, j = part[-1]
    return np.concatenate(path)[::-1]


@functools.cache
def compiled(name: str) -> Callable[..., Any]:
    """One of the loops below as machine code, compiled on first use and kept on disk."""
    import numba

    return numba.njit(cache=True)(globals()[name])


def _fill(a, b, firsts, begin, end, before):
    # Step into each cell of the rows (0 from both, 1 from the row before, 2 from the column before), and the last row's costs.
    width = len(before)
    steps = np.zeros((end - begin, width), np.uint8)
    before, now = before.copy(), np.full(width, np.inf)
    for i in range(begin, end):
        moved = firsts[i] - firsts[i - 1] if i else 0
        for k in range(width):
            j = firsts[i] + k
            distance = 0.0
            for d in range(a.shape[1]):
                distance += (a[i, d] - b[j, d]) ** 2
            up = before[k + moved] if i and k + moved < width else np.inf
            both = before[k + moved - 1] if i and 0 < k + moved <= width else np.inf
            left = now[k - 1] if k else np.inf
            best, step = both, 0
            if up < best:
                best, step = up, 1
            if left < best:
                best, step = left, 2
            now[k] = np.sqrt(distance) + (0.0 if i == 0 and j == 0 else best)
            steps[i - begin, k] = step
        before, now = now, before
    return steps, before


def _walk(steps, firsts, first, i, j):
    # From (i, j) back to the row above `first` (or the corner): the cells passed, and last the cell where the next block goes on.
    path = [(i, j)]
    while i >= first and (i or j):
        step = steps[i - first, j - firsts[i]]
        if step != 2:
            i -= 1
        if step != 1:
            j -= 1
        path.append((i, j))
    if i >= first:
        path.append((i, j))
    return np.array(path)


def fast_warp(a: np.ndarray, b: np.ndarray, radius: int = 1) -> np.ndarray:
    """FastDTW (Salvador and Chan 2007) with Euclidean distance: the path found at half the resolution, refined about it.

    Approximate, and only here for upstream's mel-cepstral distortion; (steps, 2) indices.
    """
    if min(len(a), len(b)) < radius + 2:
        return _in_window(a, b, np.zeros(len(a), int), np.full(len(a), len(b)))
    halves = [0.5 * (side[: len(side) // 2 * 2 : 2] + side[1 : len(side) // 2 * 2 : 2]) for side in (a, b)]
    coarse = fast_warp(*halves, radius)
    lows, highs = _window(coarse, len(a), len(b), radius)
    return _in_window(a, b, lows, highs)


def _window(coarse: np.ndarray, n: int, m: int, radius: int) -> tuple[np.ndarray, np.ndarray]:
    # For each row the first column and the one past the last within `radius` coarse cells of the coarse path.
    size = -(-n // 2) + radius + 1
    low, high = np.full(size, m), np.zeros(size, int)
    for offset in range(-radius, radius + 1):
        rows = coarse[:, 0] + offset
        inside = (rows >= 0) & (rows < size)
        np.minimum.at(low, rows[inside], coarse[inside, 1] - radius)
        np.maximum.at(high, rows[inside], coarse[inside, 1] + radius + 1)
    rows = np.arange(n) // 2
    return (2 * low[rows]).clip(0, m), (2 * high[rows]).clip(0, m)


def _in_window(a: np.ndarray, b: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    arrays = [np.ascontiguousarray(side, dtype=np.float64) for side in (a, b)]
    return compiled("_ragged")(*arrays, lows.astype(np.int64), highs.astype(np.int64))[::-1]


def _ragged(a, b, lows, highs):
    # The cheapest path through cells lows[i] <= j < highs[i]; of equal steps the row's is taken first, as FastDTW's authors do.
    n, m = len(a), len(b)
    width = (highs - lows).max()
    cost = np.full((n, width), np.inf)
    steps = np.zeros((n, width), np.uint8)
    for i in range(n):
        for j in range(lows[i], highs[i]):
            distance = 0.0
            for d in range(a.shape[1]):
                distance += (a[i, d] - b[j, d]) ** 2
            up = cost[i - 1, j - lows[i - 1]] if i and lows[i - 1] <= j < highs[i - 1] else np.inf
            left = cost[i, j - 1 - lows[i]] if j > lows[i] else np.inf
            both = cost[i - 1, j - 1 - lows[i - 1]] if i and lows[i - 1] <= j - 1 < highs[i - 1] else np.inf
            best, step = up, 1
            if left < best:
                best, step = left, 2
            if both < best:
                best, step = both, 0
            cost[i, j - lows[i]] = np.sqrt(distance) + (0.0 if i == 0 and j == 0 else best)
            steps[i, j - lows[i]] = step
    i, j = n - 1, m - 1
    path = [(i, j)]
    while i or j:
        step = steps[i, j - lows[i]]
        if step != 2:
            i -= 1
        if step != 1:
            j -= 1
        path.append((i, j))
    return np.array(path)
