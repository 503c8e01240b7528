"""Dilated convolutions with gates, as in WaveNet (https://arxiv.org/abs/1609.03499): what WaveGlow, DiffWave and VITS are made of.

All work on planes: (batch, channels, 1, places), see `modules.planes`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.norm import weight_norm
from modules.planes import SeparableConv1d, run


class GatedStack(nn.Module):
    """Planes (batch, channels, 1, places) to planes of the same shape: the sum of what each layer passes on.

    A condition (batch, condition_channels, 1, places or 1) enters every layer. `mask` (batch, 1, 1, places) is 0 beyond the
    end of an utterance, which then sounds as it does alone. `separable`: each dilated convolution in two steps, as in
    `modules.planes.SeparableConv1d`.
    """

    def __init__(
        self,
        *,
        channels: int,
        kernel_size: int,
        dilations: tuple[int, ...],
        condition_channels: int = 0,
        separable: bool = False,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size: {kernel_size} of a gated stack must be odd, for example 3 or 5.")
        layers = len(dilations)
        self.reach = 0  # places on either side that have a say
        self.in_layers = nn.ModuleList()
        for dilation in dilations:
            padding = (kernel_size - 1) * dilation // 2
            if separable:
                conv = SeparableConv1d(channels, 2 * channels, kernel_size, dilation=dilation, padding=padding)
            else:
                conv = weight_norm(nn.Conv1d(channels, 2 * channels, kernel_size, dilation=dilation, padding=padding))
            self.in_layers.append(conv)
            self.reach += padding
        widths = [2 * channels] * (layers - 1) + [channels]  # the last layer has no successor to pass a residual to
        self.res_skip_layers = nn.ModuleList(weight_norm(nn.Conv1d(channels, width, 1)) for width in widths)
        self.cond_layer = None
        if condition_channels:
            self.cond_layer = weight_norm(nn.Conv1d(condition_channels, 2 * channels * layers, 1))

    def forward(self, x: Tensor, condition: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        x = masked(x, mask)
        total = None
        layers = zip(self.in_layers, self.res_skip_layers, self._shares(condition), strict=True)
        for in_layer, res_skip_layer, share in layers:
            hidden = run(in_layer, x)
            if share is not None:
                weight, bias = share
                hidden = plus(hidden, F.conv2d(condition, weight.unsqueeze(2), bias))
            skip = run(res_skip_layer, gate(hidden))
            if skip.shape[1] > x.shape[1]:
                residual, skip = skip.chunk(2, 1)
                x = masked(plus(x, residual), mask)
            total = skip if total is None else plus(total, skip)
        return total

    def _shares(self, condition: Tensor | None) -> list[Any]:
        """Weight and bias of the condition for each layer: the whole of it at once would be many times as large as all else."""
        layers = len(self.in_layers)
        if self.cond_layer is None or condition is None:
            return [None] * layers
        weights = self.cond_layer.weight.chunk(layers)
        biases = self.cond_layer.bias.chunk(layers)
        return list(zip(weights, biases, strict=True))


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
