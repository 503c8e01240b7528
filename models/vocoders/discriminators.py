"""The discriminators of adversarial training, side by side behind one call, and the losses they give.

Each takes real and fake (batch, 1, samples) and answers (scores_real, scores_fake, features_real, features_fake):
a list with one score tensor per part, and a list with one list of feature maps per part.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vocoders.discriminators_vits import VITSDiscriminator
from modules.norm import spectral_norm, weight_norm
from utils.config import build, check
from utils.registry import nearest, pick

SLOPE = 0.1
Judgement = tuple[list[Tensor], list[Tensor], list[list[Tensor]], list[list[Tensor]]]


class Discriminators(nn.Module):
    """The discriminators that a config section names, their answers joined in that order.

    `section`: name -> constructor arguments, such as {"mpd": {}, "msd": {}}. Raises ValueError for what does not fit.
    """

    def __init__(self, section: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        problems = discriminator_problems(section)
        if problems:
            raise ValueError("\n".join(problems))
        self.parts = nn.ModuleDict({name: build(DISCRIMINATORS[name], settings) for name, settings in section.items()})

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        joined: Judgement = ([], [], [], [])
        for part in self.parts.values():
            for whole, piece in zip(joined, part(real, fake), strict=True):
                whole += piece
        return joined


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
        widths = [1, *(_scaled(c, channel_multiplier) for c in channels)]
        norm = spectral_norm if use_spectral_norm else weight_norm
        strides = [stride] * (len(channels) - 1) + [last_stride]
        self.discriminators = nn.ModuleList(PeriodDiscriminator(p, widths, kernel_size, strides, norm) for p in periods)

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        both = torch.cat([real, fake])
        return _split([part(both) for part in self.discriminators])


class PeriodDiscriminator(nn.Module):
    """Convolutions along (batch, channels, samples / period, period), never across the last axis."""

    def __init__(self, period: int, widths: list[int], kernel_size: int, strides: list[int], norm: Any) -> None:
        super().__init__()
        self.period = period
        shape, padding = (kernel_size, 1), (kernel_size // 2, 0)
        self.convs = nn.ModuleList(
            norm(nn.Conv2d(a, b, shape, (s, 1), padding)) for a, b, s in zip(widths, widths[1:], strides, strict=False)
        )
        self.conv_post = norm(nn.Conv2d(widths[-1], 1, (3, 1), 1, (1, 0)))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        missing = -x.shape[2] % self.period
        x = F.pad(x, (0, missing), mode="reflect") if missing else x
        return _through(x.view(*x.shape[:2], -1, self.period), self.convs, self.conv_post)


class MultiScaleDiscriminator(nn.Module):
    """Looks at the wave, and at coarser and coarser means of it (MelGAN's, as HiFi-GAN uses it).

    The first scale has spectral norm, the others weight norm. `groups_divisor` thins the groups of small variants.
    """

    def __init__(self, *, scales: int = 3, channel_multiplier: float = 1.0, groups_divisor: int = 1) -> None:
        super().__init__()
        norms = [spectral_norm] + [weight_norm] * (scales - 1)
        self.discriminators = nn.ModuleList(ScaleDiscriminator(channel_multiplier, groups_divisor, norm) for norm in norms)
        self.pool = nn.AvgPool1d(4, 2, padding=2)

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        both, found = torch.cat([real, fake]), []
        for i, part in enumerate(self.discriminators):
            both = self.pool(both) if i else both
            found.append(part(both))
        return _split(found)


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

    def __init__(self, channel_multiplier: float, groups_divisor: int, norm: Any) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        for inputs, outputs, size, stride, groups in SCALE_LAYERS:
            a, b = _scaled(inputs, channel_multiplier), _scaled(outputs, channel_multiplier)
            groups = max(1, groups // groups_divisor)
            self.convs.append(norm(nn.Conv1d(a, b, size, stride, size // 2, groups=groups)))
        self.conv_post = norm(nn.Conv1d(b, 1, 3, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return _through(x, self.convs, self.conv_post)


DISCRIMINATORS = {
    "mpd": MultiPeriodDiscriminator,
    "msd": MultiScaleDiscriminator,
    "vits": VITSDiscriminator,
}


def discriminator_problems(section: Any) -> list[str]:
    """Everything wrong with the config section `discriminator`, one line each."""
    if not isinstance(section, dict) or not section:
        choices = ", ".join(DISCRIMINATORS)
        return [f'discriminator: name at least one, such as {{"mpd": {{}}}}. Choices: {choices}']
    problems = []
    for name, settings in section.items():
        if name in DISCRIMINATORS:
            problems += check(DISCRIMINATORS[name], settings, f"discriminator.{name}")
        else:
            problems.append(f"discriminator.{name}: " + nearest(name, DISCRIMINATORS, "discriminator"))
    return problems


def _scaled(channels: int, multiplier: float) -> int:
    return channels if channels == 1 else max(1, int(channels * multiplier))


def _through(x: Tensor, convs: nn.ModuleList, last: nn.Module) -> tuple[Tensor, list[Tensor]]:
    """The score (batch, ...) flattened, and every feature map, the last layer's among them."""
    features = []
    for conv in convs:
        x = F.leaky_relu(conv(x), SLOPE, inplace=True)
        features.append(x)
    features.append(last(x))
    return features[-1].flatten(1), features


def _split(found: list[tuple[Tensor, list[Tensor]]]) -> Judgement:
    """The halves of one pass over real and fake together.

    One pass, and not two: power iteration of spectral norm goes one step per call, and both must meet the same weights.
    """
    scores = [score.chunk(2) for score, _ in found]
    maps = [[feature.chunk(2) for feature in features] for _, features in found]
    real, fake = ([[pair[half] for pair in part] for part in maps] for half in (0, 1))
    return [s[0] for s in scores], [s[1] for s in scores], real, fake


def _least_squares(scores_real: Tensor, scores_fake: Tensor) -> Tensor:
    return (scores_real - 1).square().mean() + scores_fake.square().mean()


def _hinge(scores_real: Tensor, scores_fake: Tensor) -> Tensor:
    return F.relu(1 - scores_real).mean() + F.relu(1 + scores_fake).mean()


# For the discriminator (real, fake), and for the generator (fake): "least_squares" is HiFi-GAN's, "hinge" MelGAN's.
ADVERSARIAL = {
    "least_squares": (_least_squares, lambda fake: (fake - 1).square().mean()),
    "hinge": (_hinge, lambda fake: -fake.mean()),
}


def discriminator_loss(scores_real: list[Tensor], scores_fake: list[Tensor], form: str = "least_squares") -> Tensor:
    """How badly real and fake are told apart, summed over the parts."""
    loss, _ = pick(ADVERSARIAL, form, "adversarial loss")
    return torch.stack([loss(r.float(), f.float()) for r, f in zip(scores_real, scores_fake, strict=True)]).sum()


def generator_loss(scores_fake: list[Tensor], form: str = "least_squares") -> Tensor:
    """How clearly the fake is seen to be one, summed over the parts."""
    _, loss = pick(ADVERSARIAL, form, "adversarial loss")
    return torch.stack([loss(fake.float()) for fake in scores_fake]).sum()


def feature_loss(features_real: list[list[Tensor]], features_fake: list[list[Tensor]]) -> Tensor:
    """The L1 distance of the feature maps, summed over layers and parts; the real ones are the fixed target."""
    pairs = [p for real, fake in zip(features_real, features_fake, strict=True) for p in zip(real, fake, strict=True)]
    return torch.stack([(real.detach().float() - fake.float()).abs().mean() for real, fake in pairs]).sum()
