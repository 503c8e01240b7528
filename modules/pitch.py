"""A melody without its gaps."""

from __future__ import annotations

import torch
from torch import Tensor


def bridged(f0: Tensor) -> Tensor:
    """F0 (batch, frames), 0 where unvoiced, drawn in straight lines through gaps, held at both ends; 0 where nothing is voiced."""
    frames = f0.shape[1]
    places = torch.arange(frames, device=f0.device)
    places = places.expand_as(f0)
    voiced = f0 > 0
    before = places.where(voiced, -1)
    before = before.cummax(1).values
    after = places.where(voiced, frames)
    after = after.flip(1).cummin(1).values.flip(1)
    first = after.where(before < 0, before)
    last = before.where(after == frames, after)
    first = first.clamp(max=frames - 1)
    last = last.clamp(min=0)
    share = (places - first) / (last - first).clamp(min=1)
    start = f0.gather(1, first)
    end = f0.gather(1, last)
    return start + (end - start) * share
