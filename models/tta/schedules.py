"""The steps in which published text-to-audio models were sampled."""

from __future__ import annotations

from typing import Any

import numpy as np

from modules.diffusion import Diffusion, Respacing

# What the published models set of the schedulers of `diffusers`: every so many steps from the second on, down to the noise of the first.
PUBLISHED: dict[str, Any] = {"steps_offset": 1, "set_alpha_to_one": False}


def as_published(sampler: str) -> dict[str, Any]:
    """Settings of a scheduler of `diffusers` with which Amphion and the pipelines of `diffusers` sample."""
    own: dict[str, dict[str, Any]] = {"pndm": {"skip_prk_steps": True}, "ddim": {"clip_sample": False}, "ddpm": {"clip_sample": False}}
    return PUBLISHED | own.get(sampler, {})


def leading(diffusion: Diffusion, steps: int) -> Respacing:
    """The original's: every so many steps from the second on, up to the last there is; where `steps` do not divide those of training, more.

    The first step of training comes before, which is where the walk ends: `Course(leave=1)`.
    """
    count = len(diffusion.levels)
    stride = count // steps
    places = np.arange(0, count, stride) + 1
    places = np.concatenate([[0], places])
    return Respacing(diffusion.levels[places], places.astype(float))
