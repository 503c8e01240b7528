"""Hidden Markov models of token sequences: the chain of states, the best path, the weight of all paths, Gaussian mixtures.

Rabiner, A Tutorial on Hidden Markov Models, 1989, https://doi.org/10.1109/5.18626.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

PHONE_STATES = 3
PAUSE_STATES = 5


class AlignmentError(ValueError):
    """An utterance whose sound and tokens cannot be laid side by side; the message says why."""


@dataclass
class Chain:
    """The states that an utterance passes, in order, each with its distribution (`units`) and its token (`owner`).

    A run of pause tokens is one silence that may be passed over: `jump[s]` is the last state before
    the pause that ends at s - 1, or -1; `first` and `last` count the states that are optional at either end.

        a a a . . . . . b b b       . are PAUSE_STATES that share one distribution: a pause has a least length
            |___________^           jump of the first b
    """

    units: np.ndarray
    jump: np.ndarray
    owner: np.ndarray
    first: int
    last: int

    @property
    def shortest(self) -> int:
        """Frames of the shortest path."""
        optional = sum(s - before - 1 for s, before in enumerate(self.jump) if before >= 0)
        return len(self.units) - optional - self.first - self.last


def chain_of(tokens: list[str], pauses: frozenset[str], names: dict[str, int]) -> Chain:
    """The chain of `tokens`; a run of `pauses` belongs to the first of them.

    Raises AlignmentError when nothing is spoken, or a token is none of `names`.
    """
    unknown = sorted({token for token in tokens if token not in pauses and token not in names})
    if unknown:
        raise AlignmentError(f"the aligner never met {', '.join(unknown)}: run the extract stage again, and it learns them")
    if pauses.issuperset(tokens):
        raise AlignmentError(f"nothing is spoken in {tokens}")
    spoken = [i for i, token in enumerate(tokens) if token not in pauses]
    units, jump, owner = [], [], []
    for i, token in enumerate(tokens):
        pause, after_pause = token in pauses, i > 0 and tokens[i - 1] in pauses
        if pause and after_pause:
            continue
        states = [0] * PAUSE_STATES if pause else [1 + PHONE_STATES * names[token] + k for k in range(PHONE_STATES)]
        over = len(units) - PAUSE_STATES - 1 if after_pause and i != spoken[0] else -1
        jump += [over] + [-1] * (len(states) - 1)
        units += states
        owner += [i] * len(states)
    first = PAUSE_STATES if spoken[0] > 0 else 0
    last = PAUSE_STATES if spoken[-1] < len(tokens) - 1 else 0
    return Chain(np.array(units), np.array(jump), np.array(owner), first, last)


@numba.njit(cache=True, nogil=True)
def best_path(scores, units, jump, stay, go, first, last):
    """The best state per frame (frames,), and the log likelihood; scores (frames, units of the chain)."""
    frames, states = len(scores), len(units)
    low = -1e30
    best = np.full(states, low)
    back = np.zeros((frames, states), dtype=np.int8)
    best[0] = scores[0, units[0]]
    if first > 0:
        best[first] = scores[0, units[first]]
    for t in range(1, frames):
        for s in range(states - 1, -1, -1):  # downwards, so that best[s - 1] is still that of the frame before
            value, how = best[s] + stay[s], 0
            if s > 0 and best[s - 1] + go[s - 1] > value:
                value, how = best[s - 1] + go[s - 1], 1
            if jump[s] >= 0 and best[jump[s]] + go[jump[s]] > value:
                value, how = best[jump[s]] + go[jump[s]], 2
            best[s] = value + scores[t, units[s]]
            back[t, s] = how
    s = states - 1
    if last > 0 and best[s - last] > best[s]:
        s -= last
    score = best[s]
    path = np.empty(frames, dtype=np.int64)
    for t in range(frames - 1, -1, -1):
        path[t] = s
        if back[t, s] == 1:
            s -= 1
        elif back[t, s] == 2:
            s = jump[s]
    return path, score


@numba.njit(cache=True, nogil=True)
def _add(a, b):
    high, below = (a, b) if a > b else (b, a)
    return high if high - below > 40.0 else high + np.log1p(np.exp(below - high))


@numba.njit(cache=True, nogil=True)
def occupation(scores, units, jump, stay, go, first, last):
    """How likely each unit sounds in each frame, over all paths (Baum-Welch), (frames, units); and the log likelihood."""
    frames, states = len(scores), len(units)
    low = -1e30
    forward = np.full((frames, states), low)
    forward[0, 0] = scores[0, units[0]]
    if first > 0:
        forward[0, first] = scores[0, units[first]]
    for t in range(1, frames):
        for s in range(states):
            total = forward[t - 1, s] + stay[s]
            if s > 0:
                total = _add(total, forward[t - 1, s - 1] + go[s - 1])
            if jump[s] >= 0:
                total = _add(total, forward[t - 1, jump[s]] + go[jump[s]])
            forward[t, s] = total + scores[t, units[s]]
    backward = np.full(states, low)
    backward[states - 1] = 0.0
    likelihood = forward[frames - 1, states - 1]
    if last > 0:
        backward[states - 1 - last] = 0.0
        likelihood = _add(likelihood, forward[frames - 1, states - 1 - last])
    shares = np.zeros(scores.shape, dtype=np.float32)
    after = np.empty(states)
    for t in range(frames - 1, -1, -1):
        for s in range(states):
            share = forward[t, s] + backward[s] - likelihood
            if share > -20.0:
                shares[t, units[s]] += np.exp(share)
        for s in range(states):
            after[s] = backward[s] + scores[t, units[s]]
        for s in range(states):
            backward[s] = after[s] + stay[s]
            if s + 1 < states:
                backward[s] = _add(backward[s], after[s + 1] + go[s])
        for s in range(states):
            if jump[s] >= 0:
                backward[jump[s]] = _add(backward[jump[s]], after[s] + go[jump[s]])
    return shares, likelihood


class Mixtures:
    """A Gaussian mixture for every unit: weights (units, n), means and variances (units, n, dims), and the chance to stay (units,)."""

    def __init__(self, weights: np.ndarray, means: np.ndarray, variances: np.ndarray, stay: np.ndarray) -> None:
        self.weights, self.means, self.variances, self.stay = weights, means, variances, stay
        precision = 1 / variances
        norm = np.log(2 * np.pi * variances).sum(-1) + (means**2 * precision).sum(-1)
        constant = np.log(weights) - 0.5 * norm
        table = np.concatenate([constant[..., None], means * precision, -0.5 * precision], axis=-1)
        self.table = table.astype(np.float32)  # (units, n, 1 + 2 dims)

    def parts(self, powers: np.ndarray, units: np.ndarray) -> np.ndarray:
        """Log densities of the parts of each mixture, (frames, units, n)."""
        table = self.table[units]
        return (powers @ table.reshape(-1, table.shape[-1]).T).reshape(len(powers), *table.shape[:2])

    def doubled(self) -> Mixtures:
        """Each part in two, a fifth of a deviation to either side."""
        offset = 0.2 * np.sqrt(self.variances)
        means = np.concatenate([self.means - offset, self.means + offset], axis=1)
        return Mixtures(np.tile(self.weights / 2, 2), means, np.tile(self.variances, (1, 2, 1)), self.stay)


def powers_of(rows: np.ndarray) -> np.ndarray:
    """1, x and x^2, (frames, 1 + 2 dims): with these, all Gaussians are one matrix product."""
    return np.concatenate([np.ones((len(rows), 1), np.float32), rows, rows**2], axis=1)


@numba.njit(cache=True, nogil=True)
def log_sum(parts):
    """log(sum(exp(parts))) over the last axis, (frames, units, n) -> (frames, units); numpy is four times slower on short axes."""
    frames, units, n = parts.shape
    out = np.empty((frames, units), dtype=np.float32)
    for t in range(frames):
        for u in range(units):
            high = parts[t, u, 0]
            for k in range(1, n):
                high = max(high, parts[t, u, k])
            total = np.float32(0.0)
            for k in range(n):
                below = parts[t, u, k] - high
                total += np.exp(below) if below > -16.0 else np.float32(0.0)  # float32 would not feel it
            out[t, u] = high + np.log(total)
    return out
