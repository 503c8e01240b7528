"""Monotonic alignment search (Glow-TTS, arXiv 2005.11129): the likeliest way to hand frames to tokens, in order, none left out.

Compiled by numba when first called, no build step; `python -m bins.bench alignment` measures it beside torch and plain Python.
"""

from __future__ import annotations

import torch
from torch import Tensor


def durations(scores: Tensor, frames: Tensor, tokens: Tensor) -> Tensor:
    """Frames for each token, (batch, tokens) int64, 0 beyond the end; they sum to `frames`.

    `scores` (batch, frames, tokens): log-likelihood of a frame under a token; `frames`, `tokens` (batch,): lengths. Every
    token gets a frame or more; where there are fewer frames than tokens, the last ones get one each.
    """
    from modules.loops import search

    values = scores.detach().float().cpu().contiguous().numpy()
    counts = search(values, frames.cpu().numpy(), tokens.cpu().numpy())
    return torch.from_numpy(counts).to(scores.device)


def path_of(durations: Tensor, length: int) -> Tensor:
    """(batch, length, tokens) float: 1 where a frame belongs to a token."""
    ends = durations.cumsum(1)[:, None]
    starts = ends - durations[:, None]
    frame = torch.arange(length, device=durations.device)[None, :, None]
    return ((frame < ends) & (frame >= starts)).float()
