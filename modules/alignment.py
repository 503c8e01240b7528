"""Monotonic alignment search (Glow-TTS, arXiv 2005.11129): the likeliest way to hand frames to tokens, in order, none left out.

`durations` is the one in use: compiled by numba when first called, no build step. `durations_torch` does the same for the whole
batch at once, a step a frame; `python -m bins.benches.tts` measures the two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor


def durations(scores: Tensor, frames: Tensor, tokens: Tensor) -> Tensor:
    """Frames for each token, (batch, tokens) int64, 0 beyond the end; they sum to `frames`.

    `scores` (batch, frames, tokens): log-likelihood of a frame under a token; `frames`, `tokens` (batch,): lengths. Every
    token gets a frame or more; where there are fewer frames than tokens, the last ones get one each.
    """
    values = scores.detach().float().cpu().contiguous().numpy()
    found = _search()(values, frames.cpu().numpy(), tokens.cpu().numpy())
    return torch.from_numpy(found).to(scores.device)


@cache
def _search() -> Callable[..., Any]:
    import numba
    import numpy as np

    @numba.njit(nogil=True)
    def search(scores, frames, tokens):
        found = np.zeros((scores.shape[0], scores.shape[2]), dtype=np.int64)
        for item in range(scores.shape[0]):
            count, last = tokens[item], frames[item]
            moved = np.zeros((last, count), dtype=np.bool_)
            best = np.full(count, -np.inf, dtype=np.float32)  # of all ways that end at this token with the frame before
            for frame in range(last):
                # From the right, so that the token to the left still holds the frame before.
                for token in range(min(frame, count - 1), max(0, count + frame - last) - 1, -1):
                    stay = best[token] if token != frame else -np.inf
                    come = best[token - 1] if token else (np.float32(0.0) if frame == 0 else -np.inf)
                    moved[frame, token] = come > stay
                    best[token] = max(stay, come) + scores[item, frame, token]
            token = count - 1
            for frame in range(last - 1, -1, -1):
                found[item, token] += 1
                if token and (token >= frame or moved[frame, token]):
                    token -= 1
        return found

    return search


def durations_torch(scores: Tensor, frames: Tensor, tokens: Tensor) -> Tensor:
    """See `durations`; all items at once, on the device of `scores`."""
    size, length, width = scores.shape
    scores = scores.detach().float()
    places, nowhere = torch.arange(width, device=scores.device), torch.full((size, 1), -torch.inf, device=scores.device)
    best = torch.full((size, width), -torch.inf, device=scores.device)
    moves = []
    for frame in range(length):
        come = torch.cat([nowhere if frame else torch.zeros_like(nowhere), best[:, :-1]], 1)
        stay = best.masked_fill(places == frame, -torch.inf)
        moves.append(come > stay)
        best = torch.maximum(stay, come) + scores[:, frame]
    token, found = tokens.to(scores.device) - 1, torch.zeros(size, width, dtype=torch.long, device=scores.device)
    for frame in range(length - 1, -1, -1):
        active = frames.to(scores.device) > frame
        found.scatter_add_(1, token[:, None], active[:, None].long())
        step = (token > 0) & active & ((token >= frame) | moves[frame].gather(1, token[:, None])[:, 0])
        token = token - step.long()
    return found


def path_of(durations: Tensor, length: int) -> Tensor:
    """(batch, length, tokens) float: 1 where a frame belongs to a token."""
    ends = durations.cumsum(1)[:, None]
    frame = torch.arange(length, device=durations.device)[None, :, None]
    return ((frame < ends) & (frame >= ends - durations[:, None])).float()
