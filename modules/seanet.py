"""SEANet: convolutions that stride from samples to frames and back, with an LSTM between (EnCodec, https://arxiv.org/abs/2210.13438).

    sound (batch, channels, samples) -> SEANetEncoder -> (batch, hidden, frames) -> SEANetDecoder -> sound

A causal one reads and makes sound piece by piece: a `Memory` holds what each layer must keep of the pieces before. Then the pieces
together are what the whole is, if the first has `least_frames` or more, and all but the last are whole frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.norm import weight_norm

Memory = dict[nn.Module, Any]
NormType = Literal["weight_norm", "time_group_norm", "none"]


@dataclass(frozen=True, kw_only=True)
class SEANetSizes:
    """Of encoder and decoder. `ratios` are the decoder's, which the encoder has the other way round.

    `filters`: channels at the rate of samples, twice as many after each ratio. `residual`: blocks for each ratio, their dilations growing
    by `dilation_base`. `trim_right`: the share of a transposed convolution's surplus that is cut from its end, where it is causal.
    `shortcut`: whether a block's shortcut has a convolution. Raises ValueError for what does not fit together.
    """

    filters: int = 32
    ratios: tuple[int, ...] = (8, 5, 4, 2)
    hidden: int = 128
    residual: int = 1
    dilation_base: int = 2
    compress: int = 2
    kernel_size: int = 7
    last_kernel_size: int = 7
    residual_kernel_size: int = 3
    lstm: int = 2
    causal: bool = True
    norm: NormType = "weight_norm"
    shortcut: bool = True
    trim_right: float = 1.0

    def __post_init__(self) -> None:
        if self.causal and self.norm == "time_group_norm":
            raise ValueError('seanet.norm: "time_group_norm" looks at the whole sound, so that it goes with causal false only.')
        if not self.ratios or min(self.ratios) < 1:
            raise ValueError(f"seanet.ratios: whole numbers of 1 or more are needed, got {list(self.ratios)}.")

    @property
    def hop_size(self) -> int:
        """Samples of a frame."""
        return math.prod(self.ratios)

    @property
    def least_frames(self) -> int:
        """Frames that the first of several pieces must have, so that every layer has enough to reflect at its beginning."""
        reach = max(self.kernel_size, self.last_kernel_size)
        dilation = self.dilation_base ** max(0, self.residual - 1)
        inside = (self.residual_kernel_size - 1) * dilation + 1
        return max(reach, inside, 2)


class PaddedConv1d(nn.Module):
    """A convolution that reflects its ends, and gives ceil(length / stride) frames."""

    def __init__(
        self, inputs: int, outputs: int, kernel_size: int, *, sizes: SEANetSizes, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        conv = nn.Conv1d(inputs, outputs, kernel_size, stride, dilation=dilation)
        initialise(conv, inputs * kernel_size)
        self.conv = weight_norm(conv) if sizes.norm == "weight_norm" else conv
        self.norm = _norm(outputs, sizes)
        self.causal = sizes.causal
        self.stride = stride
        self.kernel = (kernel_size - 1) * dilation + 1
        self.padding = self.kernel - stride

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        right = 0 if self.causal else self.padding // 2
        left = self.padding - right
        before = memory.get(self) if memory is not None else None
        if before is not None:
            x = torch.cat([before, x], 2)
            left = 0
        missing = self._missing(x.shape[2] + left + right)
        if memory is not None:
            memory[self] = self._kept(reflected(x, left, 0))
        padded = reflected(x, left, right + missing)
        return self.norm(self.conv(padded))

    def _missing(self, length: int) -> int:
        """What a padded length lacks for its last frame to be a whole one."""
        strides = math.ceil((length - self.kernel) / self.stride)
        return strides * self.stride + self.kernel - length

    def _kept(self, x: Tensor) -> Tensor:
        """The end of a piece, which the next one's first frame still reads."""
        return x.narrow(2, x.shape[2] - self.padding, self.padding)


class TrimmedConvTranspose1d(nn.Module):
    """A transposed convolution that gives `stride` times as many frames: what it has too many of is cut from its ends."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, sizes: SEANetSizes) -> None:
        super().__init__()
        conv = nn.ConvTranspose1d(inputs, outputs, 2 * stride, stride)
        initialise(conv, inputs * 2)  # as the stride leaves two taps for each of its outputs
        self.conv = weight_norm(conv) if sizes.norm == "weight_norm" else conv
        self.norm = _norm(outputs, sizes)
        self.stride = stride
        self.right = stride // 2
        if sizes.causal:
            self.right = math.ceil(stride * sizes.trim_right)

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        left = self.stride - self.right
        before = memory.get(self) if memory is not None else None
        if memory is not None:
            memory[self] = x[..., -1:]
        if before is not None:
            x = torch.cat([before, x], 2)
            left += self.stride
        out = self.norm(self.conv(x))
        return out[..., left : out.shape[2] - self.right]


class ResidualBlock(nn.Module):
    """A dilated convolution and a pointwise one, narrow between, beside a shortcut."""

    def __init__(self, channels: int, dilation: int, sizes: SEANetSizes) -> None:
        super().__init__()
        narrow = channels // sizes.compress
        kernel_size = sizes.residual_kernel_size
        first = PaddedConv1d(channels, narrow, kernel_size, sizes=sizes, dilation=dilation)
        second = PaddedConv1d(narrow, channels, 1, sizes=sizes)
        self.block = nn.ModuleList([nn.ELU(), first, nn.ELU(), second])
        self.shortcut = None
        if sizes.shortcut:
            self.shortcut = PaddedConv1d(channels, channels, 1, sizes=sizes)

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        hidden = through(self.block, x, memory)
        kept = x if self.shortcut is None else self.shortcut(x, memory)
        return kept + hidden


class ResidualLSTM(nn.Module):
    """An LSTM over the frames of (batch, channels, frames), beside a shortcut."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, layers)

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        frames = x.permute(2, 0, 1)
        state = memory.get(self) if memory is not None else None
        hidden, state = self.lstm(frames, state)
        if memory is not None:
            memory[self] = state
        return (hidden + frames).permute(1, 2, 0)


class SEANetEncoder(nn.Module):
    """Sound (batch, channels, samples) to (batch, hidden, ceil(samples / hop_size))."""

    def __init__(self, channels: int, sizes: SEANetSizes) -> None:
        super().__init__()
        width = sizes.filters
        layers: list[nn.Module] = [PaddedConv1d(channels, width, sizes.kernel_size, sizes=sizes)]
        for ratio in reversed(sizes.ratios):
            layers += _blocks(width, sizes)
            strided = PaddedConv1d(width, 2 * width, 2 * ratio, sizes=sizes, stride=ratio)
            layers += [nn.ELU(), strided]
            width *= 2
        if sizes.lstm:
            layers.append(ResidualLSTM(width, sizes.lstm))
        last = PaddedConv1d(width, sizes.hidden, sizes.last_kernel_size, sizes=sizes)
        self.layers = nn.ModuleList([*layers, nn.ELU(), last])

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        return through(self.layers, x, memory)


class SEANetDecoder(nn.Module):
    """(batch, hidden, frames) to sound (batch, channels, frames * hop_size)."""

    def __init__(self, channels: int, sizes: SEANetSizes) -> None:
        super().__init__()
        width = sizes.filters * 2 ** len(sizes.ratios)
        layers: list[nn.Module] = [PaddedConv1d(sizes.hidden, width, sizes.kernel_size, sizes=sizes)]
        if sizes.lstm:
            layers.append(ResidualLSTM(width, sizes.lstm))
        for ratio in sizes.ratios:
            upsampling = TrimmedConvTranspose1d(width, width // 2, ratio, sizes=sizes)
            layers += [nn.ELU(), upsampling]
            width //= 2
            layers += _blocks(width, sizes)
        last = PaddedConv1d(width, channels, sizes.last_kernel_size, sizes=sizes)
        self.layers = nn.ModuleList([*layers, nn.ELU(), last])

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        return through(self.layers, x, memory)


def through(layers: nn.ModuleList, x: Tensor, memory: Memory | None) -> Tensor:
    """`x` through one layer after another."""
    for layer in layers:
        x = layer(x) if isinstance(layer, nn.ELU) else layer(x, memory)
    return x


def initialise(conv: nn.Conv1d | nn.ConvTranspose1d, inputs: int) -> None:
    """Weights that keep the variance of what an output adds up from so many `inputs`, and no biases.

    PyTorch's own lose the sound, which is quiet, among the biases of so many layers: a small codec then learns nothing for long.
    """
    nn.init.normal_(conv.weight, std=inputs**-0.5)
    nn.init.zeros_(conv.bias)


def reflected(x: Tensor, left: int, right: int) -> Tensor:
    """(batch, channels, length) with both ends mirrored. What is too short for that has zeros behind it first, as far as needed."""
    farthest = max(left, right)
    if farthest == 0:  # as for every convolution of one tap: padding by nothing would copy it
        return x
    lacking = max(0, farthest - x.shape[2] + 1)
    long_enough = F.pad(x, (0, lacking)) if lacking else x
    padded = F.pad(long_enough, (left, right), mode="reflect")
    length = padded.shape[2] - lacking
    return padded[..., :length]


def _norm(channels: int, sizes: SEANetSizes) -> nn.Module:
    return nn.GroupNorm(1, channels) if sizes.norm == "time_group_norm" else nn.Identity()


def _blocks(width: int, sizes: SEANetSizes) -> list[nn.Module]:
    return [ResidualBlock(width, sizes.dilation_base**i, sizes) for i in range(sizes.residual)]
