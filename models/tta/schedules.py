"""What diffusions of latents share: the noise of training, published ways of sampling, and latents as the maps of a UNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from modules.diffusion import BetaSchedule, Course, Diffusion, Network, Prediction, Respacing, SamplerName, betas_of
from modules.masks import valid
from modules.noise import Noise

Height = Literal["frequency", "time"]
LOG_VARIANCES = (-30.0, 20.0)  # between which those of a posterior are taken
# What the published models set of the schedulers of `diffusers`: every so many steps from the second on, down to the noise of the first.
PUBLISHED: dict[str, Any] = {"steps_offset": 1, "set_alpha_to_one": False}


@dataclass(frozen=True, kw_only=True)
class NoiseSchedule:
    """How much noise the steps of training add, and what is predicted of the mixture."""

    steps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    schedule: BetaSchedule = "scaled_linear"
    prediction: Prediction = "epsilon"

    def diffusion(self) -> Diffusion:
        """The process of these settings."""
        betas = betas_of(self.schedule, steps=self.steps, start=self.beta_start, end=self.beta_end)
        return Diffusion(betas, prediction=self.prediction)


@dataclass(frozen=True, kw_only=True)
class PublishedSampling:
    """How published weights were sampled: by a scheduler of `diffusers` with these settings, or over the steps of the original."""

    sampler: SamplerName = "pndm"
    settings: dict[str, Any] | None = field(default=None)
    walk: Literal["diffusers", "original"] = "diffusers"

    def sample(
        self, diffusion: Diffusion, network: Network, sizes: Sequence[int], noise: Noise, *, steps: int, course: Course
    ) -> Tensor:
        """A clean batch of `sizes`; see `Diffusion.sample`."""
        how: dict[str, Any] = {"sampler": self.sampler}
        if self.walk == "original":
            return diffusion.sample(
                network, sizes, noise, steps=leading(diffusion, steps), course=replace(course, leave=1), **how
            )
        settings = as_published(self.sampler) if self.settings is None else self.settings
        return diffusion.sample(network, sizes, noise, steps=steps, plain=True, settings=settings, course=course, **how)


def as_published(sampler: str) -> dict[str, Any]:
    """Settings of a scheduler of `diffusers` with which Amphion and the pipelines of `diffusers` sample."""
    own: dict[str, dict[str, Any]] = {"pndm": {"skip_prk_steps": True}, "ddim": {"clip_sample": False}, "ddpm": {"clip_sample": False}}
    return PUBLISHED | own.get(sampler, {})


def leading(diffusion: Diffusion, steps: int) -> Respacing:
    """The original's: every so many steps from the second on, up to the last there is; where `steps` do not divide those of training, more.

    The first step of training comes before, which is where the walk ends: `Course(leave=1)`. Raises ValueError for a number of steps
    that it cannot take.
    """
    count = len(diffusion.levels)
    most = count // 2
    if not 1 <= steps <= most:
        raise ValueError(f"steps: 1 to {most} are possible as published, got {steps}.")
    stride = count // steps
    places = np.arange(0, count, stride) + 1
    places = np.concatenate([[0], places])
    places = places[places < count]
    return Respacing(diffusion.levels[places], places.astype(float))


def to_map(rows: Tensor, height: Height) -> Tensor:
    """Latents (batch, frames, channels, bins) as maps (batch, channels, height, width)."""
    return rows.permute(0, 2, 3, 1) if height == "frequency" else rows.transpose(1, 2)


def to_rows(maps: Tensor, height: Height) -> Tensor:
    """What `to_map` made of latents (batch, frames, channels, bins)."""
    return maps.permute(0, 3, 1, 2) if height == "frequency" else maps.transpose(1, 2)


def inside_of(frames: Tensor, latents: Tensor, height: Height) -> Tensor | None:
    """Which places of the maps of latents (batch, longest, channels, bins) lie within so many `frames` (batch,), as 1 and 0, (batch, 1,
    height, width); None where all do."""
    _, longest, _, bins = latents.shape
    real = valid(frames, longest)
    if bool(real.all()):
        return None
    empty = ~real.any(1, keepdim=True)
    real = real | empty  # a row without a place counts for nothing, and is whole for the network
    rows = real.to(latents.dtype)[:, :, None, None]
    places = rows.expand(-1, -1, 1, bins)
    return to_map(places, height)


def drawn(moments: Tensor, *, training: bool) -> Tensor:
    """Latents (batch, frames, channels, bins) of their moments (batch, frames, 2 channels, bins): drawn in training, else the means."""
    mean, log_variance = moments.float().chunk(2, dim=2)
    if not training:
        return mean
    deviation = (0.5 * log_variance.clamp(*LOG_VARIANCES)).exp()
    return mean + deviation * torch.randn_like(mean)


def scale_of(statistics: Mapping[str, Any] | None, channels: int) -> float:
    """What brings drawn latents to deviation 1, by the statistics of their moments; 1 where there are none."""
    if not statistics or "latent" not in statistics:
        return 1.0
    measured = statistics["latent"]
    means = np.array(measured["mean"])
    deviations = np.array(measured["std"])
    over_time = np.square(deviations[:channels]).mean()
    between = means[:channels].var()
    log_variances = means[channels:].clip(*LOG_VARIANCES)
    drawn = np.exp(log_variances).mean()
    return float(1 / np.sqrt(over_time + between + drawn))
