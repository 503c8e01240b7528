"""Compiled loops of the aligner, over the states of a chain; imported where they run, since the compiler takes its time.

`scores` (frames, units) are log densities, `units` (states,) says which of them a state has; `jump`, `first` and `last` are
those of `hmm.Chain`, `stay` and `go` (states,) log probabilities of a step.
"""

import numba
import numpy as np

LOW = -1e30  # the logarithm of nothing, with which one can still reckon
FAINT = -20.0  # log share below which a state is passed over


@numba.njit(cache=True, nogil=True)
def best_path(scores, units, jump, stay, go, first, last):
    """The best state per frame (frames,), and the log likelihood (Viterbi)."""
    frames = len(scores)
    states = len(units)
    best = np.full(states, LOW)
    back = np.zeros((frames, states), dtype=np.int8)
    # A path begins in the first state, or behind the pause where one may be passed over.
    best[0] = scores[0, units[0]]
    if first > 0:
        best[first] = scores[0, units[first]]
    for t in range(1, frames):
        for s in range(states - 1, -1, -1):  # downwards, so that best[s - 1] is still that of the frame before
            value = best[s] + stay[s]
            if s > 0:
                going = best[s - 1] + go[s - 1]
                if going > value:
                    value = going
                    back[t, s] = 1
            over = jump[s]
            if over >= 0:
                jumping = best[over] + go[over]
                if jumping > value:
                    value = jumping
                    back[t, s] = 2
            best[s] = value + scores[t, units[s]]
    end = states - 1
    if last > 0 and best[end - last] > best[end]:
        end -= last
    return _walk(back, jump, end), best[end]


@numba.njit(cache=True, nogil=True)
def _walk(back, jump, end):
    """The states (frames,) from the last one back; `back` says of each 1 where it came from the one before, 2 by a jump."""
    path = np.empty(len(back), dtype=np.int64)
    s = end
    for t in range(len(back) - 1, -1, -1):
        path[t] = s
        if back[t, s] == 1:
            s -= 1
        elif back[t, s] == 2:
            s = jump[s]
    return path


@numba.njit(cache=True, nogil=True)
def occupation(scores, units, jump, stay, go, first, last):
    """How likely each unit sounds in each frame, over all paths (Baum-Welch), (frames, units); and the log likelihood."""
    end = len(units) - 1
    forward = _forward(scores, units, jump, stay, go, first)
    backward = np.full(end + 1, LOW)
    backward[end] = 0.0
    likelihood = forward[-1, end]
    if last > 0:
        backward[end - last] = 0.0
        likelihood = _add(likelihood, forward[-1, end - last])
    shares = np.zeros(scores.shape, dtype=np.float32)
    for t in range(len(scores) - 1, -1, -1):
        for s in range(end + 1):
            share = forward[t, s] + backward[s] - likelihood
            if share > FAINT:
                shares[t, units[s]] += np.exp(share)
        _step_back(backward, scores[t], units, jump, stay, go)
    return shares, likelihood


@numba.njit(cache=True, nogil=True)
def _forward(scores, units, jump, stay, go, first):
    """Log probability of all ways to each state in each frame, (frames, states)."""
    frames = len(scores)
    states = len(units)
    forward = np.full((frames, states), LOW)
    forward[0, 0] = scores[0, units[0]]
    if first > 0:
        forward[0, first] = scores[0, units[first]]
    for t in range(1, frames):
        before = forward[t - 1]
        for s in range(states):
            total = before[s] + stay[s]
            if s > 0:
                total = _add(total, before[s - 1] + go[s - 1])
            if jump[s] >= 0:
                total = _add(total, before[jump[s]] + go[jump[s]])
            forward[t, s] = total + scores[t, units[s]]
    return forward


@numba.njit(cache=True, nogil=True)
def _step_back(backward, scores, units, jump, stay, go):
    """Takes `backward` (states,), of all ways on from a frame, to the frame before; in place."""
    states = len(units)
    after = np.empty(states)
    for s in range(states):
        after[s] = backward[s] + scores[units[s]]
    for s in range(states):
        backward[s] = after[s] + stay[s]
        if s + 1 < states:
            backward[s] = _add(backward[s], after[s + 1] + go[s])
    for s in range(states):
        before = jump[s]
        if before >= 0:
            backward[before] = _add(backward[before], after[s] + go[before])


@numba.njit(cache=True, nogil=True)
def _add(a, b):
    """log(exp(a) + exp(b))."""
    high = max(a, b)
    below = min(a, b)
    if high - below > 40.0:
        return high
    return high + np.log1p(np.exp(below - high))


@numba.njit(cache=True, nogil=True)
def log_sum(parts):
    """log(sum(exp(parts))) over the last axis, (frames, units, n) -> (frames, units); numpy is four times slower on short axes."""
    frames, units, n = parts.shape
    out = np.empty((frames, units), dtype=np.float32)
    for t in range(frames):
        for u in range(units):
            high = parts[t, u].max()
            total = np.float32(0.0)
            for k in range(n):
                below = parts[t, u, k] - high
                if below > -16.0:  # float32 would not feel the rest
                    total += np.exp(below)
            out[t, u] = high + np.log(total)
    return out
