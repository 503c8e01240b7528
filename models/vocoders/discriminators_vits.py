"""VITS's discriminator: one that looks at the wave itself, and those of HiFi-GAN that look at every n-th sample."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.norm import spectral_norm, weight_norm

SLOPE = 0.1
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
        # Here, not above: the table of that file names this class.
        from models.vocoders.discriminators import MultiPeriodDiscriminator

        by_period = MultiPeriodDiscriminator(
            periods=periods, channel_multiplier=channel_multiplier, use_spectral_norm=use_spectral_norm
        )
        norm = spectral_norm if use_spectral_norm else weight_norm
        self.discriminators = nn.ModuleList([WaveDiscriminator(channel_multiplier, norm), *by_period.discriminators])

    def forward(self, real: Tensor, fake: Tensor) -> tuple[list, list, list, list]:
        """Scores of real and fake (batch, 1, samples), then their feature maps; one pass over both together."""
        found = [part(torch.cat([real, fake])) for part in self.discriminators]
        scores = [score.chunk(2) for score, _ in found]
        maps = [[feature.chunk(2) for feature in features] for _, features in found]
        real_maps, fake_maps = ([[pair[side] for pair in part] for part in maps] for side in (0, 1))
        return [s[0] for s in scores], [s[1] for s in scores], real_maps, fake_maps


class WaveDiscriminator(nn.Module):
    """Grouped strided convolutions along (batch, 1, samples)."""

    def __init__(self, multiplier: float, norm: Any) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        for inputs, outputs, size, stride, groups in LAYERS:
            a, b = (1 if c == 1 else max(1, int(c * multiplier)) for c in (inputs, outputs))
            groups = math.gcd(a, b, max(1, int(groups * multiplier)))  # thinned with the channels, as far as they divide
            self.convs.append(norm(nn.Conv1d(a, b, size, stride, size // 2, groups=groups)))
        self.conv_post = norm(nn.Conv1d(b, 1, 3, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), SLOPE)
            features.append(x)
        features.append(self.conv_post(x))
        return features[-1].flatten(1), features
