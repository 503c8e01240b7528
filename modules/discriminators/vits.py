"""VITS's discriminator: one that looks at the wave itself, and those of HiFi-GAN that look at every n-th sample."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from modules.discriminators.parts import Judgement, Norm, enough, flat, scaled, split, through
from modules.discriminators.wave import MultiPeriodDiscriminator
from modules.norm import spectral_norm, weight_norm

LAYERS = (  # inputs, outputs, kernel, stride, groups
    (1, 16, 15, 1, 1),
    (16, 64, 41, 4, 4),
    (64, 256, 41, 4, 16),
    (256, 1024, 41, 4, 64),
    (1024, 1024, 41, 4, 256),
    (1024, 1024, 5, 1, 1),
)


class VITSDiscriminator(nn.Module):
    """The scale discriminator first, then one for each period (arXiv 2106.06103).

    `channel_multiplier` scales every layer but the input, for small models.
    """

    def __init__(
        self, *, periods: tuple[int, ...] = (2, 3, 5, 7, 11), channel_multiplier: float = 1.0, use_spectral_norm: bool = False
    ) -> None:
        super().__init__()
        by_period = MultiPeriodDiscriminator(
            periods=periods, channel_multiplier=channel_multiplier, use_spectral_norm=use_spectral_norm
        )
        norm = spectral_norm if use_spectral_norm else weight_norm
        self.shortest = by_period.shortest
        self.discriminators = nn.ModuleList([WaveDiscriminator(channel_multiplier, norm), *by_period.discriminators])

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        enough(real, self.shortest, "vits", "the longest of periods")
        both = torch.cat([real, fake])
        return split([part(both) for part in self.discriminators])


class WaveDiscriminator(nn.Module):
    """Grouped strided convolutions along (batch, 1, samples)."""

    def __init__(self, multiplier: float, norm: Norm) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        for inputs, outputs, size, stride, groups in LAYERS:
            inputs = scaled(inputs, multiplier)
            outputs = scaled(outputs, multiplier)
            groups = max(1, int(groups * multiplier))  # thinned with the channels,
            groups = math.gcd(inputs, outputs, groups)  # as far as they divide
            conv = nn.Conv1d(inputs, outputs, size, stride, padding=size // 2, groups=groups)
            self.convs.append(norm(conv))
        last = nn.Conv1d(outputs, 1, 3, padding=1)
        self.conv_post = norm(last)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return flat(*through(x, self.convs, self.conv_post))
