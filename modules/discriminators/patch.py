"""PatchGAN: is each patch of a plane real? (https://arxiv.org/abs/1611.07004, as latent diffusion's autoencoders are trained against it)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from modules.discriminators.parts import Judgement

Norm = Literal["batch", "actnorm"]
SPREAD = 0.02  # of the weights to begin with
MOST = 8  # times as wide as the first layer, at most
LEAST_DEVIATION = 1e-6  # that is divided by


class ActNorm(nn.Module):
    """A scale and a shift for each channel, which the first training batch sets so that its mean is 0 and its deviation 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.scale = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.register_buffer("initialized", torch.tensor(0, dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not self.initialized:
            self._begin(x.detach())
        return self.scale * (x + self.loc)

    @torch.no_grad()
    def _begin(self, x: Tensor) -> None:
        axes = (0, 2, 3)
        deviation = x.std(axes, keepdim=True)
        self.loc.copy_(-x.mean(axes, keepdim=True))
        self.scale.copy_(1 / (deviation + LEAST_DEVIATION))
        self.initialized.fill_(1)


NORMS = {"batch": nn.BatchNorm2d, "actnorm": ActNorm}


class PatchDiscriminator(nn.Module):
    """Scores (batch, 1, rows, columns) of planes (batch, 1, height, width), each of a patch.

    `layers` halve height and width, the first with `filters` channels, each next one with twice as many, eight times at the most.
    Real and fake are normalised apart, each by its own mean and deviation, as the published ones were trained.
    """

    def __init__(self, *, layers: int = 3, filters: int = 64, norm: Norm = "batch") -> None:
        super().__init__()
        self.least = 3 * 2**layers  # rows and columns that leave one score
        first = nn.Conv2d(1, filters, 4, 2, padding=1)
        parts = [first, nn.LeakyReLU(0.2)]
        width = filters
        for number in range(1, layers + 1):
            wider = filters * min(2**number, MOST)
            stride = 1 if number == layers else 2
            parts += _layer(width, wider, stride, norm)
            width = wider
        last = nn.Conv2d(width, 1, 4, padding=1)
        self.main = nn.Sequential(*parts, last)
        self.apply(_begin)

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        sides = tuple(real.shape[2:])
        if min(sides) < self.least:
            raise ValueError(
                f"discriminator.patch: {self.least} bands and frames or more are needed, got planes of {sides}: give it fewer layers, "
                "or train on longer stretches (train.segment_frames)."
            )
        score_real, features_real = self._judge(real)
        score_fake, features_fake = self._judge(fake)
        return [score_real], [score_fake], [features_real], [features_fake]

    def _judge(self, plane: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        for part in self.main:
            plane = part(plane)
            if isinstance(part, nn.LeakyReLU):
                features.append(plane)
        return plane, features


def _layer(inputs: int, outputs: int, stride: int, norm: Norm) -> list[nn.Module]:
    has_bias = norm == "actnorm"  # a batch norm has one of its own
    conv = nn.Conv2d(inputs, outputs, 4, stride, padding=1, bias=has_bias)
    channel_norm = NORMS[norm](outputs)
    return [conv, channel_norm, nn.LeakyReLU(0.2)]


def _begin(part: nn.Module) -> None:
    """The weights to begin with."""
    if isinstance(part, nn.Conv2d):
        nn.init.normal_(part.weight, 0.0, SPREAD)
    elif isinstance(part, nn.BatchNorm2d):
        nn.init.normal_(part.weight, 1.0, SPREAD)
