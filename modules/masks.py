"""Which places of a padded batch are real, and sums over those alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def valid(lengths: Tensor, longest: int | None = None) -> Tensor:
    """(batch, longest) bool, True where a place lies within its length. `lengths`: (batch,)."""
    places = torch.arange(longest or greatest(lengths), device=lengths.device)
    return places[None] < lengths[:, None]


def greatest(lengths: Tensor) -> Any:
    """The greatest of `lengths` (batch,), as a number; while a graph is traced as a tensor, so that it does not become a constant."""
    most = lengths.max()
    return most if torch.jit.is_tracing() else int(most)


def stretch(first: Tensor, count: Tensor, longest: int) -> Tensor:
    """(batch, longest) bool, True for the `count` (batch,) places from `first` (batch,) on, as far as they are there."""
    places = torch.arange(longest, device=first.device)[None]
    begun = places >= first[:, None]
    ended = places >= (first + count)[:, None]
    return begun & ~ended


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of `values` (batch, places, ...) over the True places of `mask` (batch, places)."""
    weights = mask.to(values.dtype).reshape(*mask.shape, *[1] * (values.ndim - mask.ndim))
    return (values * weights).sum() / (weights.sum() * values[0, 0].numel()).clamp(min=1)


def expand(values: Tensor, durations: Tensor) -> tuple[Tensor, Tensor]:
    """Repeats each token as often as it lasts: the length regulator.

    `values`: (batch, tokens, channels), `durations`: (batch, tokens) whole frames. Returns
    (batch, frames, channels), zeros beyond the end, and frames (batch,).
    """
    ends = durations.cumsum(1)
    frames = ends[:, -1]
    batch, tokens, channels = values.shape
    longest = greatest(frames)
    places = torch.arange(longest, device=values.device)
    places = places.repeat(batch, 1)
    # The token of a frame is the number of tokens that ended at or before it.
    ended = _ended(ends, places)
    token = ended.clamp(max=tokens - 1)
    rows = token[..., None].expand(-1, -1, channels)
    stretched = values.gather(1, rows)
    inside = valid(frames, longest)
    return stretched * inside[..., None], frames


def _ended(ends: Tensor, places: Tensor) -> Tensor:
    """How many of `ends` (batch, tokens) lie at or before each of `places` (batch, frames)."""
    if torch.jit.is_tracing():  # ONNX cannot search
        past = ends[:, None] <= places[..., None]
        return past.long().sum(-1)
    return torch.searchsorted(ends, places, right=True)


def average(values: Tensor, durations: Tensor) -> Tensor:
    """The mean of `values` (batch, frames) over each token of `durations` (batch, tokens); 0 for a token without frames."""
    running = values.double().cumsum(1)
    sums = torch.nn.functional.pad(running, (1, 0))
    ends = durations.cumsum(1).clamp(max=values.shape[1])
    starts = (ends - durations).clamp(min=0)
    totals = sums.gather(1, ends) - sums.gather(1, starts)
    means = totals / durations.clamp(min=1)
    return means.to(values.dtype)
