"""Compiled loops of this folder; plain arrays in, arrays out. Imported where they run, since the compiler takes its time."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def search(scores, frames, tokens):
    """Frames for each token (batch, tokens) of scores (batch, frames, tokens) and lengths (batch,); see `alignment.durations`."""
    items, _, longest = scores.shape
    durations = np.zeros((items, longest), dtype=np.int64)
    for item in range(items):
        end = frames[item]
        count = tokens[item]
        moved = _forward(scores[item, :end, :count])
        token = count - 1
        for frame in range(end - 1, -1, -1):
            durations[item, token] += 1
            if token and (token >= frame or moved[frame, token]):
                token -= 1
    return durations


@numba.njit(cache=True, nogil=True)
def _forward(scores):
    """Whether the best way to each (frame, token) comes from the token before."""
    frames, tokens = scores.shape
    moved = np.zeros((frames, tokens), dtype=np.bool_)
    best = np.full(tokens, -np.inf, dtype=np.float32)  # of all ways that end at this token with the frame before
    for frame in range(frames):
        last = min(frame, tokens - 1)
        first = max(0, tokens + frame - frames)
        # From the right, so that the token to the left still holds the frame before.
        for token in range(last, first - 1, -1):
            stay = best[token] if token != frame else -np.inf
            come = best[token - 1] if token else -np.inf
            if frame == 0:
                come = np.float32(0.0)
            moved[frame, token] = come > stay
            best[token] = max(stay, come) + scores[frame, token]
    return moved
