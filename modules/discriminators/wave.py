"""Discriminators of the wave itself: every n-th sample (MPD), coarser and coarser means (MSD, and MelGAN's)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.discriminators.parts import Judgement, Norm, enough, flat, scaled, split, through
from modules.norm import spectral_norm, weight_norm


class MultiPeriodDiscriminator(nn.Module):
    """Looks at every n-th sample, for several n (HiFi-GAN, https://arxiv.org/abs/2010.05646).

    `last_stride`: 1 in the authors' code and BigVGAN, 3 in Amphion. `channel_multiplier` scales every layer.
    """

    def __init__(
        self,
        *,
        periods: tuple[int, ...] = (2, 3, 5, 7, 11),
        channels: tuple[int, ...] = (32, 128, 512, 1024, 1024),
        channel_multiplier: float = 1.0,
        kernel_size: int = 5,
        stride: int = 3,
        last_stride: int = 1,
        use_spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        widths = [1, *(scaled(c, channel_multiplier) for c in channels)]
        norm = spectral_norm if use_spectral_norm else weight_norm
        strides = [stride] * (len(channels) - 1) + [last_stride]
        self.shortest = max(periods) // 2 + 1  # reflected once, a full row of the longest period
        self.discriminators = nn.ModuleList(PeriodDiscriminator(p, widths, kernel_size, strides, norm) for p in periods)

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        enough(real, self.shortest, "mpd", "the longest of periods")
        both = torch.cat([real, fake])
        return split([part(both) for part in self.discriminators])


class PeriodDiscriminator(nn.Module):
    """Convolutions along (batch, channels, samples / period, period), never across the last axis."""

    def __init__(self, period: int, widths: list[int], kernel_size: int, strides: list[int], norm: Norm) -> None:
        super().__init__()
        self.period = period
        size = (kernel_size, 1)
        padding = (kernel_size // 2, 0)
        self.convs = nn.ModuleList()
        for inputs, outputs, stride in zip(widths, widths[1:], strides, strict=False):
            conv = nn.Conv2d(inputs, outputs, size, (stride, 1), padding)
            self.convs.append(norm(conv))
        last = nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0))
        self.conv_post = norm(last)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        padding = -x.shape[2] % self.period
        if padding:
            x = F.pad(x, (0, padding), mode="reflect")
        rows = x.unflatten(2, (-1, self.period))
        score, features = through(rows, self.convs, self.conv_post)
        return flat(score, features)


class MultiScaleDiscriminator(nn.Module):
    """Looks at the wave, and at coarser and coarser means of it (MelGAN's, as HiFi-GAN uses it).

    The first scale has spectral norm, the others weight norm. `groups_divisor` thins the groups of small variants.
    """

    def __init__(self, *, scales: int = 3, channel_multiplier: float = 1.0, groups_divisor: int = 1) -> None:
        super().__init__()
        norms = [spectral_norm] + [weight_norm] * (scales - 1)
        self.discriminators = nn.ModuleList()
        for norm in norms:
            self.discriminators.append(ScaleDiscriminator(channel_multiplier, groups_divisor, norm))
        self.pool = nn.AvgPool1d(4, 2, padding=2)

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        return _coarser(self.discriminators, self.pool, real, fake)


def _coarser(discriminators: nn.ModuleList, pool: nn.Module, real: Tensor, fake: Tensor) -> Judgement:
    """The first looks at the waves, each next one at what `pool` leaves of them."""
    both = torch.cat([real, fake])
    answers = []
    for scale, part in enumerate(discriminators):
        if scale > 0:
            both = pool(both)
        answers.append(part(both))
    return split(answers)


SCALE_LAYERS = (  # inputs, outputs, kernel, stride, groups
    (1, 128, 15, 1, 1),
    (128, 128, 41, 2, 4),
    (128, 256, 41, 2, 16),
    (256, 512, 41, 4, 16),
    (512, 1024, 41, 4, 16),
    (1024, 1024, 41, 1, 16),
    (1024, 1024, 5, 1, 1),
)


class ScaleDiscriminator(nn.Module):
    """Grouped strided convolutions along (batch, channels, samples)."""

    def __init__(self, channel_multiplier: float, groups_divisor: int, norm: Norm) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        for inputs, outputs, size, stride, groups in SCALE_LAYERS:
            inputs = scaled(inputs, channel_multiplier)
            outputs = scaled(outputs, channel_multiplier)
            groups = max(1, groups // groups_divisor)
            conv = nn.Conv1d(inputs, outputs, size, stride, padding=size // 2, groups=groups)
            self.convs.append(norm(conv))
        last = nn.Conv1d(outputs, 1, 3, padding=1)
        self.conv_post = norm(last)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return flat(*through(x, self.convs, self.conv_post))


class MelGANDiscriminator(nn.Module):
    """MelGAN's own multi-scale discriminator (https://arxiv.org/abs/1910.06711): wider strides, many small groups.

    Each of `layers` strides by `stride` and widens as much, up to `most` channels. `filters` is a multiple of 4.
    """

    def __init__(self, *, scales: int = 3, filters: int = 16, layers: int = 4, stride: int = 4, most: int = 1024) -> None:
        super().__init__()
        if filters % 4 or most % 4:
            raise ValueError(
                f"discriminator.melgan: a group is 4 channels, so filters {filters} and most {most} must be multiples."
            )
        widths = [filters]
        for layer in range(1, layers + 1):
            widths.append(min(filters * stride**layer, most))
        widths.append(min(widths[-1] * 2, most))
        self.discriminators = nn.ModuleList(MelGANScale(widths, stride) for _ in range(scales))
        self.pool = nn.AvgPool1d(4, 2, padding=1, count_include_pad=False)
        self.shortest = 8 << (scales - 1)

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        enough(real, self.shortest, "melgan", f"the last of {len(self.discriminators)} scales")
        return _coarser(self.discriminators, self.pool, real, fake)


class MelGANScale(nn.Module):
    """One scale: reflected ends, strided grouped convolutions, a wide one, the score."""

    def __init__(self, widths: list[int], stride: int) -> None:
        super().__init__()
        first, *strided, wide = widths
        kernel_size = stride * 10 + 1
        padding = stride * 5
        convs = [nn.Conv1d(1, first, 15, padding=7, padding_mode="reflect")]
        for inputs, outputs in zip(widths, strided, strict=False):
            conv = nn.Conv1d(inputs, outputs, kernel_size, stride, padding, groups=inputs // 4)
            convs.append(conv)
        convs.append(nn.Conv1d(widths[-2], wide, 5, padding=2))
        self.convs = nn.ModuleList(weight_norm(conv) for conv in convs)
        last = nn.Conv1d(wide, 1, 3, padding=1)
        self.conv_post = weight_norm(last)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        score, features = through(x, self.convs, self.conv_post, slope=0.2)
        return score, [*features, score]
