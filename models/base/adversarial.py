"""The losses of adversarial training: how badly real and fake are told apart, and how unlike their feature maps are."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from utils.registry import pick

AdversarialForm = Literal["least_squares", "hinge"]
FeatureForm = Literal["sum", "mean"]


def _least_squares(scores_real: Tensor, scores_fake: Tensor) -> Tensor:
    return (scores_real - 1).square().mean() + scores_fake.square().mean()


def _hinge(scores_real: Tensor, scores_fake: Tensor) -> Tensor:
    return F.relu(1 - scores_real).mean() + F.relu(1 + scores_fake).mean()


# For the discriminator (real, fake), and for the generator (fake): "least_squares" is HiFi-GAN's, "hinge" MelGAN's.
ADVERSARIAL = {
    "least_squares": (_least_squares, lambda fake: (fake - 1).square().mean()),
    "hinge": (_hinge, lambda fake: -fake.mean()),
}
FEATURE = {
    "sum": lambda parts: torch.cat(parts).sum(),
    "mean": lambda parts: torch.stack([part.mean() for part in parts]).mean(),
}


def discriminator_loss(scores_real: list[Tensor], scores_fake: list[Tensor], form: AdversarialForm = "least_squares") -> Tensor:
    """How badly real and fake are told apart, summed over the parts."""
    loss, _ = pick(ADVERSARIAL, form, "adversarial loss")
    return torch.stack([loss(r.float(), f.float()) for r, f in zip(scores_real, scores_fake, strict=True)]).sum()


def generator_loss(scores_fake: list[Tensor], form: AdversarialForm = "least_squares") -> Tensor:
    """How clearly the fake is seen to be one, summed over the parts."""
    _, loss = pick(ADVERSARIAL, form, "adversarial loss")
    return torch.stack([loss(fake.float()) for fake in scores_fake]).sum()


def feature_loss(features_real: list[list[Tensor]], features_fake: list[list[Tensor]], form: FeatureForm = "sum") -> Tensor:
    """The L1 distance of the feature maps; the real ones are the fixed target.

    "sum" over layers and parts is HiFi-GAN's. "mean" over the layers of a part, then over the parts, is of one size
    whatever the discriminators: MelGAN's code has it, times a factor of its own.
    """
    parts = []
    for real, fake in zip(features_real, features_fake, strict=True):
        distances = []
        for target, features in zip(real, fake, strict=True):
            difference = target.detach().float() - features.float()
            distances.append(difference.abs().mean())
        parts.append(torch.stack(distances))
    combine = pick(FEATURE, form, "feature loss")
    return combine(parts)
