"""From mel frames to a condition for every sample: repeat, then smooth, stage by stage; and the frames around a stretch."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.norm import weight_norm

Padding = Literal["edge", "zeros"]


class Stretch(nn.Module):
    """Repeats every place of the last axis `factor` times."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(self.factor, -1)


def stretching(
    factors: tuple[int, ...], *, bands: int = 1, normed: bool = False, activation: nn.Module | None = None
) -> nn.ModuleList:
    """Layers for (batch, 1, channels, frames): each repeats, then smooths over twice its factor and `bands` channels."""
    layers = nn.ModuleList()
    for factor in factors:
        conv = nn.Conv2d(1, 1, (bands, 2 * factor + 1), padding=((bands - 1) // 2, factor), bias=False)
        nn.init.constant_(conv.weight, 1 / (bands * (2 * factor + 1)))
        layers += [Stretch(factor), weight_norm(conv) if normed else conv]
        layers += [] if activation is None else [activation]
    return layers


def reach_of(factors: tuple[int, ...]) -> int:
    """How many frames on either side the smoothing of `stretching` listens to."""
    return math.ceil(sum(1 / math.prod(factors[:i]) for i in range(len(factors))))


def check_factors(model: str, factors: tuple[int, ...], hop_size: int) -> None:
    """Raises ValueError unless the factors multiply to the hop."""
    if math.prod(factors) != hop_size:
        raise ValueError(
            f"{model}: upsample factors {list(factors)} make {math.prod(factors)} samples of a frame, but preprocess.hop_size "
            f"is {hop_size}: choose factors whose product is {hop_size}, or set hop_size to {math.prod(factors)}."
        )


def frames_around(mel: Tensor, frames: Tensor, which: Tensor, first: Tensor, count: int, padding: Padding) -> Tensor:
    """`count` frames of the mels `which` (rows,), from the frames `first` (rows,) on: (rows, n_mel, count).

    `mel`: (batch, frames, n_mel), of which `frames` (batch,) are real. Outside of those the edge is repeated, or zeros.
    """
    offsets = torch.arange(count, device=mel.device)
    places = first[:, None] + offsets
    last = frames.to(mel.device)[which] - 1
    inside = places.clamp(min=0).minimum(last[:, None])
    context = mel[which[:, None], inside]
    if padding == "zeros":
        real = places == inside
        context = context * real[..., None]
    return context.transpose(1, 2)


def shifted(values: Tensor, start: float) -> Tensor:
    """The sample before each sample, which a network reads: (batch, samples) one later, `start` first."""
    return F.pad(values[:, :-1], (1, 0), value=start)
