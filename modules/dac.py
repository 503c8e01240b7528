"""The convolutions of DAC (https://arxiv.org/abs/2306.06546): from samples to frames and back, each activation a snake.

    sound (batch, 1, samples) -> DACEncoder -> (batch, latent, frames) -> DACDecoder -> sound
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from modules.norm import weight_norm
from modules.seanet import PaddedConv1d, ResidualLSTM, SEANetSizes, TrimmedConvTranspose1d, initialise
from modules.snake import AntiAliased, Snake

DILATIONS = (1, 3, 9)  # of the residual units of a block
SHARE = 0.3  # of a residual unit in what goes on beside it, at first: with all of it a dozen of them drive the tanh to its ends
QUIET = 0.05  # of the sound, at first


@dataclass(frozen=True, kw_only=True)
class DACSizes:
    """Of encoder and decoder. `ratios` are the decoder's, which the encoder has the other way round.

    `filters`: the encoder's channels at the rate of samples, twice as many after each ratio. `decoder_filters`: the decoder's at the rate
    of frames, half as many after each ratio. `lstm`: its layers, at the rate of frames; 0 is none. `padding`: "causal" and "reflect" mirror
    the ends of a sound, the first looking back alone, "zero" puts silence around it. `antialiased`: whether snakes work at twice the rate.
    Raises ValueError for what does not fit together.
    """

    filters: int = 64
    decoder_filters: int = 1536
    ratios: tuple[int, ...] = (6, 5, 5, 2)
    latent: int = 1024
    lstm: int = 2
    padding: Literal["causal", "reflect", "zero"] = "causal"
    antialiased: bool = False

    def __post_init__(self) -> None:
        if not self.ratios or min(self.ratios) < 1:
            raise ValueError(f"dac.ratios: whole numbers of 1 or more are needed, got {list(self.ratios)}.")
        if self.decoder_filters >> len(self.ratios) < 1:
            raise ValueError(f"dac.decoder_filters: {self.decoder_filters} cannot be halved {len(self.ratios)} times: take more.")

    @property
    def hop_size(self) -> int:
        """Samples of a frame."""
        return math.prod(self.ratios)

    def activation(self, channels: int) -> nn.Module:
        """A snake for (batch, channels, places)."""
        if self.antialiased:
            return AntiAliased(Snake(channels))
        return Snake(channels, beta=False, log_scale=False)

    def conv(self, inputs: int, outputs: int, kernel_size: int, *, stride: int = 1, dilation: int = 1) -> nn.Module:
        """A convolution that gives ceil(length / stride) places, of lengths that the stride divides."""
        if self.padding != "zero":
            steps = {"stride": stride, "dilation": dilation}
            return PaddedConv1d(inputs, outputs, kernel_size, sizes=self._padded, **steps)
        padding = (kernel_size - 1) * dilation // 2
        if stride > 1:
            padding = math.ceil(stride / 2)
        conv = nn.Conv1d(inputs, outputs, kernel_size, stride, padding, dilation)
        initialise(conv, inputs * kernel_size)
        return weight_norm(conv)

    def transposed(self, inputs: int, outputs: int, stride: int) -> nn.Module:
        """A transposed convolution that gives `stride` times as many places."""
        if self.padding != "zero":
            return TrimmedConvTranspose1d(inputs, outputs, stride, sizes=self._padded)
        padding = math.ceil(stride / 2)
        conv = nn.ConvTranspose1d(inputs, outputs, 2 * stride, stride, padding, stride % 2)
        initialise(conv, inputs * 2)
        return weight_norm(conv)

    @property
    def _padded(self) -> SEANetSizes:
        return SEANetSizes(causal=self.padding == "causal")


class ResidualUnit(nn.Module):
    """A dilated convolution and a pointwise one beside a shortcut, (batch, channels, places) to the same shape."""

    def __init__(self, channels: int, dilation: int, sizes: DACSizes) -> None:
        super().__init__()
        wide = sizes.conv(channels, channels, 7, dilation=dilation)
        narrow = softened(sizes.conv(channels, channels, 1), SHARE)
        self.block = nn.Sequential(sizes.activation(channels), wide, sizes.activation(channels), narrow)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class Block(nn.Module):
    """Layers in a row, under the name that published weights have them by."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class DACEncoder(nn.Module):
    """Sound (batch, 1, samples) to (batch, latent, samples / hop_size), of lengths that the hop divides."""

    def __init__(self, sizes: DACSizes) -> None:
        super().__init__()
        width = sizes.filters
        layers: list[nn.Module] = [sizes.conv(1, width, 7)]
        for ratio in reversed(sizes.ratios):
            units = _units(width, sizes)
            strided = sizes.conv(width, 2 * width, 2 * ratio, stride=ratio)
            layers.append(Block(*units, sizes.activation(width), strided))
            width *= 2
        if sizes.lstm:
            layers.append(ResidualLSTM(width, sizes.lstm))
        last = sizes.conv(width, sizes.latent, 3)
        self.block = nn.Sequential(*layers, sizes.activation(width), last)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class DACDecoder(nn.Module):
    """(batch, latent, frames) to sound (batch, 1, frames * hop_size) between -1 and 1."""

    def __init__(self, sizes: DACSizes) -> None:
        super().__init__()
        width = sizes.decoder_filters
        layers: list[nn.Module] = [sizes.conv(sizes.latent, width, 7)]
        if sizes.lstm:
            layers.append(ResidualLSTM(width, sizes.lstm))
        for ratio in sizes.ratios:
            upsampling = sizes.transposed(width, width // 2, ratio)
            units = _units(width // 2, sizes)
            layers.append(Block(sizes.activation(width), upsampling, *units))
            width //= 2
        last = softened(sizes.conv(width, 1, 7), QUIET)
        self.model = nn.Sequential(*layers, sizes.activation(width), last)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.model(x))


def softened(layer: nn.Module, gain: float) -> nn.Module:
    """A convolution with weight norm whose output begins that many times as large."""
    conv = layer.conv if isinstance(layer, PaddedConv1d) else layer
    with torch.no_grad():
        conv.parametrizations.weight.original0.mul_(gain)
    return layer


def _units(width: int, sizes: DACSizes) -> list[nn.Module]:
    return [ResidualUnit(width, dilation, sizes) for dilation in DILATIONS]
