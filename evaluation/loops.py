"""Compiled loops of dynamic time warping; imported where they run, since the compiler takes its time.

`a` (n, size) and `b` (m, size) are float64; a cell (i, j) pairs frame i of `a` with frame j of `b`.
"""

import numba
import numpy as np

BOTH, UP, LEFT = 0, 1, 2  # the step into a cell: from both frames before, from the row before, from the column before


@numba.njit(cache=True, nogil=True)
def fill(a, b, firsts, begin, end, before):
    """Steps into each cell of the rows from `begin` to `end`, (rows, width), and the costs of the last row, (width,).

    Row i holds the cells from firsts[i] on; `before` (width,) are the costs of the row above.
    """
    width = len(before)
    steps = np.zeros((end - begin, width), np.uint8)
    before = before.copy()
    now = np.full(width, np.inf)
    for i in range(begin, end):
        moved = firsts[i] - firsts[i - 1] if i else 0
        for k in range(width):
            j = firsts[i] + k
            above = k + moved
            up = before[above] if i and above < width else np.inf
            both = before[above - 1] if i and 0 < above <= width else np.inf
            left = now[k - 1] if k else np.inf
            best = both
            step = BOTH
            if up < best:
                best = up
                step = UP
            if left < best:
                best = left
                step = LEFT
            if i == 0 and j == 0:
                best = 0.0
            now[k] = _distance(a[i], b[j]) + best
            steps[i - begin, k] = step
        before, now = now, before
    return steps, before


@numba.njit(cache=True, nogil=True)
def _distance(x, y):
    total = 0.0
    for d in range(len(x)):
        total += (x[d] - y[d]) ** 2
    return np.sqrt(total)


@numba.njit(cache=True, nogil=True)
def walk(steps, firsts, first, i, j):
    """From (i, j) back to the row above `first` (or the corner): the cells passed, and last the cell where the next block goes on."""
    path = [(i, j)]
    while i >= first and (i or j):
        step = steps[i - first, j - firsts[i]]
        if step != LEFT:
            i -= 1
        if step != UP:
            j -= 1
        path.append((i, j))
    if i >= first:
        path.append((i, j))
    return np.array(path)


@numba.njit(cache=True, nogil=True)
def ragged(a, b, lows, highs):
    """The cheapest path, last cell first, through cells lows[i] <= j < highs[i].

    Of equal steps the row's is taken first, as FastDTW's authors do.
    """
    n = len(a)
    width = (highs - lows).max()
    cost = np.full((n, width), np.inf)
    steps = np.zeros((n, width), np.uint8)
    for i in range(n):
        low = lows[i]
        for j in range(low, highs[i]):
            place = j - low
            best = np.inf
            step = UP
            if i and lows[i - 1] <= j < highs[i - 1]:
                best = cost[i - 1, j - lows[i - 1]]
            if place and cost[i, place - 1] < best:
                best = cost[i, place - 1]
                step = LEFT
            if i and lows[i - 1] <= j - 1 < highs[i - 1]:
                both = cost[i - 1, j - 1 - lows[i - 1]]
                if both < best:
                    best = both
                    step = BOTH
            if i == 0 and j == 0:
                best = 0.0
            distance = _distance(a[i], b[j])
            cost[i, place] = distance + best
            steps[i, place] = step
    return walk(steps, lows, 0, n - 1, len(b) - 1)[:-1]
