"""Snake activations, and their use at a higher rate so that no harmonic folds back (BigVGAN, https://arxiv.org/abs/2206.04658)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
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
        shape = (1, -1) + (1,) * (x.ndim - 2)
        alpha, beta = (p.exp() if self.log_scale else p for p in (self.alpha, self.alpha if self.beta is None else self.beta))
        # In place where nothing else holds the tensor: claiming memory costs as much as the sine.
        return (x * alpha.view(shape)).sin_().square_().mul_((1 / (beta + SMALLEST)).view(shape)).add_(x)


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
        self.act, self.ratio = activation, ratio
        self.upsample, self.downsample = nn.Module(), nn.Module()
        self.downsample.lowpass = nn.Module()
        for holder in (self.upsample, self.downsample.lowpass):  # names of the published weights
            holder.register_buffer("filter", low_pass(0.5 / ratio, 0.6 / ratio, kernel_size).view(1, 1, -1))
        self.up, self.down = _up_phases(ratio, kernel_size), _down_phases(ratio, kernel_size)
        self.taps = kernel_size // ratio
        self.margin, self.edge = (max(max(-first, first + self.taps - 1) for _, first in p) for p in (self.down, self.up))

    @property
    def reach(self) -> int:
        both = [-(up + down) for (_, up), (_, down) in zip(self.up, self.down, strict=True)]
        return max(*both, *(2 * (self.taps - 1) - b for b in both))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 3:
            return self(planes(x)).squeeze(2)
        if torch.onnx.is_in_onnx_export():
            return self.plainly(x)
        samples, piece = x.shape[3], max(1, PIECE // (x.shape[0] * x.shape[1]))
        if torch.is_grad_enabled() or x.device.type != "cpu" or samples <= piece:
            return self._whole(x)
        made = torch.empty_like(x)
        for begin in range(0, samples, piece):
            first = max(0, begin - self.reach)
            part = self._whole(x[..., first : begin + piece + self.reach])
            made[..., begin : begin + piece] = part[..., begin - first : begin - first + piece]
        return made

    def plainly(self, x: Tensor) -> Tensor:
        """The same with the samples between in a row: what formats such as ONNX have operations for."""
        ratio, size, channels = self.ratio, int(self.upsample.filter.shape[2]), int(x.shape[1])
        more, whole, left = self.taps - 1, (self.taps - 1) * ratio, (size - ratio) // 2
        up, down = (f.unsqueeze(2).expand(channels, 1, 1, size) for f in (self.upsample.filter, self.downsample.lowpass.filter))
        wider = F.conv_transpose2d(F.pad(x, (more, more, 0, 0), mode="replicate"), ratio * up, None, (1, ratio), groups=channels)
        between = self.act(wider[..., whole + left : wider.shape[3] - whole - (size - ratio - left)])
        margin = (size // 2 - (1 - size % 2), size // 2, 0, 0)
        return F.conv2d(F.pad(between, margin, mode="replicate"), down, None, (1, ratio), groups=channels)

    def _whole(self, x: Tensor) -> Tensor:
        pad, samples, made = self.margin + self.edge, x.shape[3], None
        phases = self._between(F.pad(x, (pad, pad, 0, 0), mode="replicate"), samples)
        for phase, (start, first) in zip(phases, self.down, strict=True):
            taps = self.downsample.lowpass.filter[..., start :: self.ratio]
            begin = self.margin + first
            part = _filter(self.act(phase[..., begin : begin + samples + taps.shape[2] - 1]), taps)
            made = part if made is None else made.add_(part)
        return made

    def _between(self, x: Tensor, samples: int) -> list[Tensor]:
        """The phases of the upsampled `x`, each with `margin` samples more on either side: what lies at the edges, repeated."""
        phases, length = [], samples + 2 * self.margin
        for start, first in self.up:
            taps = self.ratio * self.upsample.filter[..., start :: self.ratio].flip(2)
            begin = self.edge + first
            phases.append(_filter(x[..., begin : begin + length + taps.shape[2] - 1], taps))
        first, last = phases[0][..., self.margin].clone(), phases[-1][..., -self.margin - 1].clone()
        for phase in phases:
            phase[..., : self.margin], phase[..., -self.margin :] = first[..., None], last[..., None]
        return phases


def low_pass(cutoff: float, half_width: float, size: int) -> Tensor:
    """A windowed sinc (size,) of sum 1; `cutoff` and `half_width` of its slope are in cycles a sample.

    The Kaiser window's shape follows from the attenuation that the size allows, by Kaiser's own formula.
    """
    attenuation = 2.285 * (size // 2 - 1) * math.pi * 4 * half_width + 7.95
    shape = 0.0
    if attenuation > 50:
        shape = 0.1102 * (attenuation - 8.7)
    elif attenuation >= 21:
        shape = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    time = torch.arange(size) - (size - 1) / 2
    taps = 2 * cutoff * torch.kaiser_window(size, periodic=False, beta=shape) * torch.sinc(2 * cutoff * time)
    return taps / taps.sum()


def _filter(x: Tensor, taps: Tensor) -> Tensor:
    """The same `taps` (1, 1, taps) along every channel of (batch, channels, 1, samples)."""
    channels = x.shape[1]
    return F.conv2d(x, taps.to(x.dtype).unsqueeze(2).expand(channels, -1, -1, -1), groups=channels)


def _up_phases(ratio: int, size: int) -> list[tuple[int, int]]:
    """For each phase: the first of its taps (every `ratio`-th is its), and the earliest sample it reads, from its own."""
    taps, left = size // ratio, (size - ratio) // 2
    starts = [(phase + left) % ratio for phase in range(ratio)]
    return [(start, (phase + left - start) // ratio - (taps - 1)) for phase, start in enumerate(starts)]


def _down_phases(ratio: int, size: int) -> list[tuple[int, int]]:
    """As `_up_phases`, for what each phase gives to the sum."""
    left = size // 2 - (size % 2 == 0)
    starts = [(phase + left) % ratio for phase in range(ratio)]
    return [(start, (start - left - phase) // ratio) for phase, start in enumerate(starts)]
