"""Dilated convolutions with gates, as in WaveNet (https://arxiv.org/abs/1609.03499): what WaveGlow and DiffWave are made of.

All work on planes: (batch, channels, 1, places), see `modules.planes`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.norm import weight_norm
from modules.planes import run


class GatedStack(nn.Module):
    """Planes (batch, channels, 1, places) to planes of the same shape: the sum of what each layer passes on.

    The condition (batch, condition_channels, 1, places) enters every layer. `mask` (batch, 1, 1, places) is 0 beyond the
    end of an utterance, which then sounds as it does alone.
    """

    def __init__(self, *, channels: int, kernel_size: int, dilations: tuple[int, ...], condition_channels: int) -> None:
        super().__init__()
        widths = [2 * channels] * (len(dilations) - 1) + [channels]  # the last layer has no successor to pass a residual to
        padding = [(kernel_size - 1) * d // 2 for d in dilations]
        self.in_layers = nn.ModuleList(
            weight_norm(nn.Conv1d(channels, 2 * channels, kernel_size, dilation=d, padding=p))
            for d, p in zip(dilations, padding, strict=True)
        )
        self.res_skip_layers = nn.ModuleList(weight_norm(nn.Conv1d(channels, width, 1)) for width in widths)
        self.cond_layer = weight_norm(nn.Conv1d(condition_channels, 2 * channels * len(dilations), 1))
        self.reach = sum(padding)  # places on either side that have a say

    def forward(self, x: Tensor, condition: Tensor, mask: Tensor | None = None) -> Tensor:
        x, total = masked(x, mask), None
        # One layer's share at a time: the whole of it would be many times as large as all else.
        shares = zip(
            self.cond_layer.weight.chunk(len(self.in_layers)), self.cond_layer.bias.chunk(len(self.in_layers)), strict=True
        )
        for into, out, (weight, bias) in zip(self.in_layers, self.res_skip_layers, shares, strict=True):
            hidden = plus(run(into, x), F.conv2d(condition, weight.unsqueeze(2), bias))
            skip = run(out, gate(hidden))
            if skip.shape[1] > x.shape[1]:
                residual, skip = skip.chunk(2, 1)
                x = masked(plus(x, residual), mask)
            total = skip if total is None else plus(total, skip)
        return total


def gate(hidden: Tensor, *, tanh_first: bool = True) -> Tensor:
    """The tanh of one half of the channels times the sigmoid of the other. `hidden` is used up."""
    first, second = hidden.chunk(2, 1)
    wave, opening = (first, second) if tanh_first else (second, first)
    if torch.is_grad_enabled() or hidden.device.type != "cpu":
        return torch.tanh(wave) * torch.sigmoid(opening)
    # tanh(x) is 2 sigmoid(2x) - 1, and the sigmoid takes a CPU a third of the time.
    wave.mul_(2)
    hidden.sigmoid_()
    return wave.mul_(2).sub_(1) * opening


def plus(x: Tensor, y: Tensor) -> Tensor:
    """x + y, in the place of x where no gradient needs it."""
    return x + y if torch.is_grad_enabled() else x.add_(y)


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """`x` with zeros where `mask` is 0."""
    return x if mask is None else x * mask
