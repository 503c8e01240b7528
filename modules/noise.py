"""Gaussian noise for models that sample: of torch's global generator, or the same on every machine from a seed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def gaussian(like: Tensor, seed: int | None = None) -> Callable[..., Tensor]:
    """A function of sizes that draws standard normal noise of the dtype and on the device of `like`.

    With a seed it is drawn on the CPU, for GPUs draw other numbers from the same seed.
    """
    if seed is None:
        return lambda *shape: torch.randn(shape, device=like.device, dtype=like.dtype)
    random = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(shape, generator=random).to(like)
