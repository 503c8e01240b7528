"""How long each token lasts, in log frames: VITS's predictors (arXiv 2106.06103), one that says a number, one that draws it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.attention import ChannelNorm
from modules.coupling import Flip, almost_zero, through
from modules.spline import rational_quadratic

UNSAMPLED = 1  # the first coupling moves the second variable alone, of which a sample uses nothing


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
        """`x` (batch, channels, tokens), `mask` (batch, 1, tokens); no gradient goes to what lies before."""
        x = _conditioned(x.detach(), self.cond, condition)
        x = F.relu(self.conv_1(x * mask))
        x = self.dropout(self.norm_1(x))
        x = F.relu(self.conv_2(x * mask))
        x = self.dropout(self.norm_2(x))
        log_frames = self.proj(x * mask)
        log_frames = log_frames * mask
        return log_frames[:, 0]


class StochasticDurationPredictor(nn.Module):
    """A flow over durations: `forward` bounds their negative log-likelihood, `sample` draws log durations.

    Frames are whole numbers; the flow is of real ones. So a drawn part of a frame is taken off each (the number is its
    ceiling), and a second drawn variable gives the flow room to move in; both come from a flow of their own, which sees the
    durations.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        dropout: float = 0.5,
        flows: int = 4,
        layers: int = 3,
        condition_channels: int = 0,
        *,
        samples_only: bool = False,
    ) -> None:
        """`samples_only`: without the layers that only the likelihood needs, as weights are published that only speak."""
        super().__init__()
        self.pre = nn.Conv1d(channels, channels, 1)
        self.proj = nn.Conv1d(channels, channels, 1)
        self.convs = DilatedConvs(channels, kernel_size, layers, dropout)
        self.flows = _flows(channels, kernel_size, layers, flows)
        self.cond = nn.Conv1d(condition_channels, channels, 1) if condition_channels else None
        if samples_only:
            self.flows[UNSAMPLED] = nn.Identity()
            return
        self.post_pre = nn.Conv1d(1, channels, 1)
        self.post_proj = nn.Conv1d(channels, channels, 1)
        self.post_convs = DilatedConvs(channels, kernel_size, layers, dropout)
        self.post_flows = _flows(channels, kernel_size, layers, flows)

    def forward(self, x: Tensor, mask: Tensor, durations: Tensor, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """An upper bound on -log p(durations), (batch,) in nats.

        `x` (batch, channels, tokens), `mask` (batch, 1, tokens), `durations` (batch, tokens) frames, `noise` (batch, 2, tokens)
        standard normal. No gradient goes to what lies before.
        """
        hidden = self._hidden(x, mask, condition)
        frames = durations[:, None].to(x.dtype)
        part, second, log_q = self._posterior(frames, mask, noise * mask, hidden)
        length = (frames - part) * mask
        clamped = length.clamp(min=1e-5)
        log_length = clamped.log() * mask
        variables = torch.cat([log_length, second], 1)
        latent, log_det = through(self.flows, variables, mask, hidden)
        log_normal = _log_normal(latent, mask)
        log_jacobian = log_length.sum((1, 2))
        log_p = log_normal + log_det - log_jacobian
        return log_q - log_p

    def _posterior(
        self, frames: Tensor, mask: Tensor, noise: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The part of a frame to take off, the second variable, each (batch, 1, tokens), and their log density (batch,)."""
        condition = self.post_convs(self.post_pre(frames), mask)
        condition = self.post_proj(condition) * mask
        latent, log_det = through(self.post_flows, noise, mask, hidden + condition)
        logit, second = latent.split(1, 1)
        part = logit.sigmoid() * mask
        log_slope = F.logsigmoid(logit) + F.logsigmoid(-logit)
        log_det = log_det + (log_slope * mask).sum((1, 2))
        log_density = _log_normal(noise, mask) - log_det
        return part, second, log_density

    def sample(self, x: Tensor, mask: Tensor, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Log durations (batch, tokens) of `noise` (batch, 2, tokens): standard normal, scaled for more or less variety."""
        hidden = self._hidden(x, mask, condition)
        affine, _, *rest = self.flows
        z = noise
        for flow in (*reversed(rest), affine):
            z = flow.inverse(z, mask, hidden)
        return z[:, 0]

    def _hidden(self, x: Tensor, mask: Tensor, condition: Tensor | None) -> Tensor:
        x = _conditioned(self.pre(x.detach()), self.cond, condition)
        return self.proj(self.convs(x, mask)) * mask


def _conditioned(x: Tensor, layer: nn.Module | None, condition: Tensor | None) -> Tensor:
    if layer is None or condition is None:
        return x
    return x + layer(condition.detach())


def _log_normal(z: Tensor, mask: Tensor) -> Tensor:
    """Log density (batch,) of standard normals (batch, channels, tokens)."""
    return (-0.5 * (math.log(2 * math.pi) + z.square()) * mask).sum((1, 2))


def _flows(channels: int, kernel_size: int, layers: int, flows: int) -> nn.ModuleList:
    steps: list[nn.Module] = [Affine(2)]
    for _ in range(flows):
        steps += [SplineCoupling(channels, kernel_size, layers), Flip()]
    return nn.ModuleList(steps)


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
        self.channels = channels
        self.bins = bins
        self.pre = nn.Conv1d(1, channels, 1)
        self.convs = DilatedConvs(channels, kernel_size, layers)
        curve = nn.Conv1d(channels, 3 * bins - 1, 1)
        self.proj = almost_zero(curve)

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y, log_slope = self._move(x, mask, condition, inverse=False)
        return y, (log_slope * mask).sum((1, 2))

    def inverse(self, y: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        return self._move(y, mask, condition, inverse=True)[0]

    def _move(self, x: Tensor, mask: Tensor, condition: Tensor | None, *, inverse: bool) -> tuple[Tensor, Tensor]:
        first, second = x.split(1, 1)
        hidden = self.pre(first)
        hidden = self.convs(hidden, mask, condition)
        curve = self.proj(hidden) * mask
        curve = curve.transpose(1, 2)[:, None]
        bins = self.bins
        widths, heights, slopes = curve.split([bins, bins, bins - 1], -1)
        scale = self.channels**-0.5
        widths = widths * scale
        heights = heights * scale
        second, log_slope = rational_quadratic(second, widths, heights, slopes, inverse=inverse)
        y = torch.cat([first, second], 1) * mask
        return y, log_slope


class DilatedConvs(nn.Module):
    """Depthwise convolutions, wider each time, and pointwise ones between them, over (batch, channels, tokens)."""

    def __init__(self, channels: int, kernel_size: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.convs_sep = nn.ModuleList()
        for layer in range(layers):
            rate = kernel_size**layer
            padding = (kernel_size - 1) * rate // 2
            self.convs_sep.append(
                nn.Conv1d(
                    channels,
                    channels,
                    kernel_size,
                    groups=channels,
                    dilation=rate,
                    padding=padding,
                )
            )
        self.convs_1x1 = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(layers))
        self.norms_1 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.norms_2 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        if condition is not None:
            x = x + condition
        for depthwise, norm_1, pointwise, norm_2 in zip(
            self.convs_sep, self.norms_1, self.convs_1x1, self.norms_2, strict=True
        ):
            hidden = depthwise(x * mask)
            hidden = F.gelu(norm_1(hidden))
            hidden = pointwise(hidden)
            hidden = F.gelu(norm_2(hidden))
            x = x + self.dropout(hidden)
        return x * mask
