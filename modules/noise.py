"""Gaussian noise for models that sample: of torch's global generator, or the same on every machine from a seed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Noise = dict[str, Tensor]


def gaussian(like: Tensor, seed: int | None = None) -> Callable[..., Tensor]:
    """A function of sizes that draws standard normal noise of the dtype and on the device of `like`.

    With a seed it is drawn on the CPU, for GPUs draw other numbers from the same seed.
    """
    if seed is None:
        return lambda *shape: torch.randn(shape, device=like.device, dtype=like.dtype)
    random = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(shape, generator=random).to(like)


class Draw:
    """Numbers by chance: those `given` by name, or drawn from `seed`; without a seed from torch's own state.

    A seed draws on the CPU, so that it says the same on every device.
    """

    def __init__(self, given: Noise | None, seed: int | None, device: torch.device) -> None:
        self.given, self.device = given or {}, device
        self.generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __call__(self, name: str, shape: tuple[int, ...], *, uniform: bool = False) -> Tensor:
        if name in self.given:
            return self.given[name]
        make = torch.rand if uniform else torch.randn
        if self.generator is None:
            return make(shape, device=self.device)
        return make(shape, generator=self.generator).to(self.device)
