"""Snake activations, and their use at a higher rate so that no harmonic folds back (BigVGAN, https://arxiv.org/abs/2206.04658)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from modules.planes import planes

SMALLEST = 1e-9  # added to the divisor, as the published weights expect
PIECE = 2**18  # numbers that are activated at a time: 1 MB


class Snake(nn.Module):
    """x + sin(alpha x)^2 / beta on (batch, channels, ...): a line with a ripple, whose pitch each channel learns.

    Without `beta` the ripple is divided by alpha (https://arxiv.org/abs/2006.08195); with it, by a size of its own.
    `log_scale`: the parameters, each (channels,), are logarithms.
    """

    def __init__(self, channels: int, *, beta: bool = True, log_scale: bool = True) -> None:
        super().__init__()
        start = torch.zeros(channels) if log_scale else torch.ones(channels)
        self.log_scale = log_scale
        self.alpha = nn.Parameter(start)
        self.beta = nn.Parameter(start.clone()) if beta else None

    def forward(self, x: Tensor) -> Tensor:
        alpha = self.alpha
        beta = alpha if self.beta is None else self.beta
        if self.log_scale:
            alpha = alpha.exp()
            beta = beta.exp()
        each_channel = (1, -1) + (1,) * (x.ndim - 2)
        alpha = alpha.view(each_channel)
        scale = (1 / (beta + SMALLEST)).view(each_channel)
        if torch.is_grad_enabled():
            return Rippled.apply(x, alpha, scale)
        return rippled(x, alpha, scale)


def rippled(x: Tensor, alpha: Tensor, scale: Tensor) -> Tensor:
    """x + scale sin(alpha x)^2; `alpha` and `scale` (1, channels, 1, ...)."""
    # In place where nothing else holds the tensor: claiming memory costs as much as the sine.
    return (x * alpha).sin_().square_().mul_(scale).add_(x)


class Rippled(torch.autograd.Function):
    """`rippled` in training: keeps its input alone, and takes half the time of its operations one by one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(x, alpha, scale)
        return rippled(x, alpha, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, alpha, scale = ctx.saved_tensors
        others = [axis for axis in range(x.ndim) if axis != 1]
        phase = x * alpha
        slope = (2 * phase).sin_().mul_(gradient)  # of sin^2, in its phase
        height = phase.sin_().square_().mul_(gradient)
        pull = slope * x
        of_alpha = pull.sum(others, keepdim=True) * scale
        of_scale = height.sum(others, keepdim=True)
        of_x = slope.mul_(alpha * scale).add_(gradient)
        return of_x, of_alpha, of_scale


class AntiAliased(nn.Module):
    """`activation` at `ratio` times the rate, between two low-pass filters; (batch, channels, samples) keeps its shape.

    Takes (batch, channels, 1, samples) as well. The samples between are never put in a row: each of the `ratio` phases
    is filtered, activated and filtered back by itself, with a `ratio`-th of the taps. `reach`: how many samples on
    either side have a say in one. In use, on a CPU, it goes piece by piece, so that what is between stays in the cache.
    """

    def __init__(self, activation: nn.Module, *, ratio: int = 2, kernel_size: int = 12) -> None:
        super().__init__()
        if kernel_size < 2 * ratio or kernel_size % ratio:
            raise ValueError(f"AntiAliased: kernel_size must be a multiple of ratio {ratio}, two or more, got {kernel_size}.")
        self.act = activation
        self.ratio = ratio
        self.upsample = nn.Module()
        self.downsample = nn.Module()
        self.downsample.lowpass = nn.Module()
        taps = low_pass(0.5 / ratio, 0.6 / ratio, kernel_size).view(1, 1, -1)
        for holder in (self.upsample, self.downsample.lowpass):  # names of the published weights
            holder.register_buffer("filter", taps.clone())
        self.taps = kernel_size // ratio
        self.up = _up_phases(ratio, kernel_size)
        self.down = _down_phases(ratio, kernel_size)
        self.edge = self._farthest(self.up)
        self.margin = self._farthest(self.down)

    def _farthest(self, phases: list[tuple[int, int]]) -> int:
        """How many samples on either side the filters of `phases` read."""
        last_tap = self.taps - 1
        return max(max(-first, first + last_tap) for _, first in phases)

    @property
    def reach(self) -> int:
        last_tap = 2 * (self.taps - 1)  # of both filters one after the other
        distances = []
        for (_, up), (_, down) in zip(self.up, self.down, strict=True):
            before = -(up + down)
            distances += [before, last_tap - before]
        return max(distances)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 3:
            return self(planes(x)).squeeze(2)
        if torch.onnx.is_in_onnx_export():
            return self.plainly(x)
        batch, channels, _, samples = x.shape
        piece = max(1, PIECE // (batch * channels))
        if torch.is_grad_enabled() or x.device.type != "cpu" or samples <= piece:
            return self._whole(x)
        activated = torch.empty_like(x)
        for begin in range(0, samples, piece):
            first = max(0, begin - self.reach)
            end = begin + piece
            part = self._whole(x[..., first : end + self.reach])
            activated[..., begin:end] = part[..., begin - first : end - first]
        return activated

    def plainly(self, x: Tensor) -> Tensor:
        """The same with the samples between in a row: what formats such as ONNX have operations for."""
        channels = int(x.shape[1])
        size = self.taps * self.ratio
        stride = (1, self.ratio)
        up = self.ratio * _of_each_channel(self.upsample.filter, channels)
        pad = self.taps - 1
        padded = F.pad(x, (pad, pad, 0, 0), mode="replicate")
        wider = F.conv_transpose2d(padded, up, None, stride, groups=channels)
        surplus = size - self.ratio  # samples that the filter adds, half of them on the left
        left = pad * self.ratio + surplus // 2
        end = left + self.ratio * x.shape[3]
        kept = wider[..., left:end]
        between = self.act(kept)
        half = size // 2
        before = half - 1 + size % 2
        padded = F.pad(between, (before, half, 0, 0), mode="replicate")
        down = _of_each_channel(self.downsample.lowpass.filter, channels)
        return F.conv2d(padded, down, None, stride, groups=channels)

    def _whole(self, x: Tensor) -> Tensor:
        samples = x.shape[3]
        pad = self.margin + self.edge
        padded = F.pad(x, (pad, pad, 0, 0), mode="replicate")
        total = None
        for phase, (start, first) in zip(self._between(padded, samples), self.down, strict=True):
            taps = self.downsample.lowpass.filter[..., start :: self.ratio]
            begin = self.margin + first
            end = begin + samples + self.taps - 1
            activated = self.act(phase[..., begin:end])
            part = _filter(activated, taps)
            total = part if total is None else total.add_(part)
        return total

    def _between(self, x: Tensor, samples: int) -> list[Tensor]:
        """The phases of the upsampled `x`, each with `margin` samples more on either side: what lies at the edges, repeated."""
        length = samples + 2 * self.margin
        phases = []
        for start, first in self.up:
            taps = self.upsample.filter[..., start :: self.ratio].flip(2)
            begin = self.edge + first
            end = begin + length + self.taps - 1
            seen = x[..., begin:end]
            phase = _filter(seen, self.ratio * taps)
            phases.append(phase)
        left_edge = phases[0][..., self.margin].clone()
        right_edge = phases[-1][..., -self.margin - 1].clone()
        for phase in phases:
            phase[..., : self.margin] = left_edge[..., None]
            phase[..., -self.margin :] = right_edge[..., None]
        return phases


def low_pass(cutoff: float, half_width: float, size: int) -> Tensor:
    """A windowed sinc (size,) of sum 1; `cutoff` and `half_width` of its slope are in cycles a sample.

    The Kaiser window's shape follows from the attenuation that the size allows, by Kaiser's own formula.
    """
    attenuation = 2.285 * (size // 2 - 1) * math.pi * 4 * half_width + 7.95
    beta = 0.0
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation >= 21:
        excess = attenuation - 21
        beta = 0.5842 * excess**0.4 + 0.07886 * excess
    window = torch.kaiser_window(size, periodic=False, beta=beta)
    time = torch.arange(size) - (size - 1) / 2
    taps = 2 * cutoff * window * torch.sinc(2 * cutoff * time)
    return taps / taps.sum()


def _filter(x: Tensor, taps: Tensor) -> Tensor:
    """The same `taps` (1, 1, taps) along every channel of (batch, channels, 1, samples)."""
    channels = x.shape[1]
    return F.conv2d(x, _of_each_channel(taps.to(x.dtype), channels), groups=channels)


def _of_each_channel(taps: Tensor, channels: int) -> Tensor:
    """`taps` (1, 1, taps) as the weight (channels, 1, 1, taps) of a convolution in `channels` groups."""
    return taps.unsqueeze(2).expand(channels, -1, -1, -1)


def _up_phases(ratio: int, size: int) -> list[tuple[int, int]]:
    """For each phase: the first of its taps (every `ratio`-th is its), and the earliest sample it reads, from its own."""
    last_tap = size // ratio - 1
    left = (size - ratio) // 2
    phases = []
    for phase in range(ratio):
        start = (phase + left) % ratio
        first = (phase + left - start) // ratio - last_tap
        phases.append((start, first))
    return phases


def _down_phases(ratio: int, size: int) -> list[tuple[int, int]]:
    """As `_up_phases`, for what each phase gives to the sum."""
    left = size // 2 - (size % 2 == 0)
    phases = []
    for phase in range(ratio):
        start = (phase + left) % ratio
        first = (start - left - phase) // ratio
        phases.append((start, first))
    return phases
