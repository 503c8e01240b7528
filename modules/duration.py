"""How long each token lasts, in log frames: VITS's predictors (arXiv 2106.06103), one that says a number, one that draws it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.attention import ChannelNorm
from modules.coupling import Flip, almost_zero, through
from modules.spline import rational_quadratic


class DurationPredictor(nn.Module):
    """Two convolutions and a projection: `forward` says the log of the frames of each token, (batch, tokens)."""

    def __init__(
        self, channels: int, filter_channels: int = 256, kernel_size: int = 3, dropout: float = 0.5, condition_channels: int = 0
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv_1 = nn.Conv1d(channels, filter_channels, kernel_size, padding=padding)
        self.norm_1 = ChannelNorm(filter_channels)
        self.conv_2 = nn.Conv1d(filter_channels, filter_channels, kernel_size, padding=padding)
        self.norm_2 = ChannelNorm(filter_channels)
        self.proj = nn.Conv1d(filter_channels, 1, 1)
        self.cond = nn.Conv1d(condition_channels, channels, 1) if condition_channels else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        """`x` (batch, channels, tokens), `mask` (batch, 1, tokens); nothing is taught to what lies before."""
        x = _conditioned(x, self.cond, condition)
        x = self.dropout(self.norm_1(F.relu(self.conv_1(x * mask))))
        x = self.dropout(self.norm_2(F.relu(self.conv_2(x * mask))))
        return (self.proj(x * mask) * mask)[:, 0]


class StochasticDurationPredictor(nn.Module):
    """A flow over durations: `forward` bounds their negative log-likelihood, `sample` draws log durations.

    Frames are whole numbers; the flow is of real ones. So a drawn part of a frame is taken off each (the number is its
    ceiling), and a second drawn variable gives the flow room to move in; both come from a flow of their own, which sees the
    durations.
    """

    def __init__(
        self, channels: int, kernel_size: int = 3, dropout: float = 0.5, flows: int = 4, layers: int = 3, condition_channels: int = 0
    ) -> None:
        super().__init__()
        self.pre, self.proj = nn.Conv1d(channels, channels, 1), nn.Conv1d(channels, channels, 1)
        self.convs = DilatedConvs(channels, kernel_size, layers, dropout)
        self.flows = _flows(channels, kernel_size, layers, flows)
        self.post_pre, self.post_proj = nn.Conv1d(1, channels, 1), nn.Conv1d(channels, channels, 1)
        self.post_convs = DilatedConvs(channels, kernel_size, layers, dropout)
        self.post_flows = _flows(channels, kernel_size, layers, flows)
        self.cond = nn.Conv1d(condition_channels, channels, 1) if condition_channels else None

    def forward(self, x: Tensor, mask: Tensor, durations: Tensor, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """An upper bound on -log p(durations), (batch,) in nats.

        `x` (batch, channels, tokens), `mask` (batch, 1, tokens), `durations` (batch, tokens) frames, `noise` (batch, 2, tokens)
        standard normal. Nothing is taught to what lies before.
        """
        hidden, w = self._see(x, mask, condition), durations[:, None].to(x.dtype)
        seen = self.post_proj(self.post_convs(self.post_pre(w), mask)) * mask
        noise = noise * mask
        drawn, log_det = through(self.post_flows, noise, mask, hidden + seen)
        raw, second = drawn.split(1, 1)
        part = raw.sigmoid() * mask
        log_det = log_det + ((F.logsigmoid(raw) + F.logsigmoid(-raw)) * mask).sum((1, 2))
        log_q = _log_normal(noise, mask) - log_det

        length = ((w - part) * mask).clamp(min=1e-5).log() * mask
        z, log_det = through(self.flows, torch.cat([length, second], 1), mask, hidden)
        log_p = _log_normal(z, mask) + log_det - length.sum((1, 2))
        return log_q - log_p

    def sample(self, x: Tensor, mask: Tensor, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Log durations (batch, tokens) of `noise` (batch, 2, tokens): standard normal, scaled for more or less variety."""
        hidden, z = self._see(x, mask, condition), noise
        affine, _, *rest = self.flows  # the first coupling moves the second variable alone, which nobody hears
        for flow in (*reversed(rest), affine):
            z = flow.inverse(z, mask, hidden)
        return z[:, 0]

    def _see(self, x: Tensor, mask: Tensor, condition: Tensor | None) -> Tensor:
        x = _conditioned(self.pre(x.detach()), self.cond, condition, detach=False)
        return self.proj(self.convs(x, mask)) * mask


def _conditioned(x: Tensor, layer: nn.Module | None, condition: Tensor | None, *, detach: bool = True) -> Tensor:
    x = x.detach() if detach else x
    return x if layer is None or condition is None else x + layer(condition.detach())


def _log_normal(z: Tensor, mask: Tensor) -> Tensor:
    """Log density (batch,) of standard normals (batch, channels, tokens)."""
    return (-0.5 * (math.log(2 * math.pi) + z.square()) * mask).sum((1, 2))


def _flows(channels: int, kernel_size: int, layers: int, flows: int) -> nn.ModuleList:
    steps = [step for _ in range(flows) for step in (SplineCoupling(channels, kernel_size, layers), Flip())]
    return nn.ModuleList([Affine(2), *steps])


class Affine(nn.Module):
    """Each channel shifted and scaled by learnt numbers; an invertible layer as in `modules.coupling`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.zeros(channels, 1))
        self.logs = nn.Parameter(torch.zeros(channels, 1))

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return (self.m + x * self.logs.exp()) * mask, (self.logs * mask).sum((1, 2))

    def inverse(self, y: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        return (y - self.m) * (-self.logs).exp() * mask


class SplineCoupling(nn.Module):
    """Moves the second of two channels through a spline whose shape is seen in the first; as in `modules.coupling`."""

    def __init__(self, channels: int, kernel_size: int, layers: int, bins: int = 10) -> None:
        super().__init__()
        self.channels, self.bins = channels, bins
        self.pre = nn.Conv1d(1, channels, 1)
        self.convs = DilatedConvs(channels, kernel_size, layers)
        self.proj = almost_zero(nn.Conv1d(channels, 3 * bins - 1, 1))

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y, log_slope = self._move(x, mask, condition, inverse=False)
        return y, (log_slope * mask).sum((1, 2))

    def inverse(self, y: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        return self._move(y, mask, condition, inverse=True)[0]

    def _move(self, x: Tensor, mask: Tensor, condition: Tensor | None, *, inverse: bool) -> tuple[Tensor, Tensor]:
        kept, moved = x.split(1, 1)
        shape = (self.proj(self.convs(self.pre(kept), mask, condition)) * mask).transpose(1, 2)[:, None]
        widths, heights, slopes = shape.split([self.bins, self.bins, self.bins - 1], -1)
        size = self.channels**-0.5
        moved, log_slope = rational_quadratic(moved, widths * size, heights * size, slopes, inverse=inverse)
        return torch.cat([kept, moved], 1) * mask, log_slope


class DilatedConvs(nn.Module):
    """Depthwise convolutions, wider each time, and pointwise ones between them, over (batch, channels, tokens)."""

    def __init__(self, channels: int, kernel_size: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        rates = [kernel_size**i for i in range(layers)]
        self.convs_sep = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel_size, groups=channels, dilation=d, padding=(kernel_size - 1) * d // 2)
            for d in rates
        )
        self.convs_1x1 = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in rates)
        self.norms_1 = nn.ModuleList(ChannelNorm(channels) for _ in rates)
        self.norms_2 = nn.ModuleList(ChannelNorm(channels) for _ in rates)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        x = x if condition is None else x + condition
        for apart, norm_1, across, norm_2 in zip(self.convs_sep, self.norms_1, self.convs_1x1, self.norms_2, strict=True):
            y = F.gelu(norm_1(apart(x * mask)))
            x = x + self.dropout(F.gelu(norm_2(across(y))))
        return x * mask
