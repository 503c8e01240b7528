"""Diffusion by the level of noise itself (EDM, https://arxiv.org/abs/2206.00364), and consistency models (https://arxiv.org/abs/2303.01469).

A noisy batch is the clean one plus `sigma` times standard normal noise. The network is asked for the clean batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from modules.noise import Noise

Method = Literal["heun", "euler"]
Denoiser = Callable[[Tensor, Tensor], Tensor]  # a noisy batch (batch, ...) and its sigma (batch,) -> the clean batch


@dataclass(frozen=True, kw_only=True)
class Karras:
    """The levels of noise, how training draws them, and how the network's input and output are scaled; EDM's values.

    `consistent` scales the output so that at `sigma_min` the batch is given back as it is, which a consistency model needs;
    `output_alone` does so to what the network gives, and not to what passes it by, as Amphion's weights were trained.
    """

    sigma_data: float = 0.5  # deviation of the clean signal
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0  # how much denser the levels are where there is little noise
    log_mean: float = -1.2  # of ln sigma in training
    log_std: float = 1.2
    consistent: bool = False
    output_alone: bool = False

    def sigmas(self, steps: int, *, least: bool = True) -> Tensor:
        """(steps + 1,): the levels of so many steps, `sigma_max` first, and 0 at the end; the last step starts from `sigma_min`, or
        without `least` from the level above it."""
        if steps < 1:
            raise ValueError(f"steps: 1 or more are needed, got {steps}.")
        if not least:
            levels = self.sigmas(steps + 1)
            return torch.cat([levels[:steps], levels[-1:]])
        high = self.sigma_max ** (1 / self.rho)
        low = self.sigma_min ** (1 / self.rho)
        along = torch.linspace(0, 1, steps) if steps > 1 else torch.zeros(1)
        levels = (high + along * (low - high)) ** self.rho
        return torch.cat([levels, levels.new_zeros(1)])

    def draw(self, count: int, noise: Noise) -> Tensor:
        """(count,): a level for each row of a training batch."""
        return torch.exp(self.log_mean + self.log_std * noise.normal(count))

    def weight(self, sigma: Tensor) -> Tensor:
        """What the squared error at `sigma` is multiplied by, so that all levels count alike."""
        return (sigma.square() + self.sigma_data**2) / (sigma * self.sigma_data).square()

    def denoise(self, network: Callable[..., Tensor], batch: Tensor, sigma: Tensor, *condition: Any) -> Tensor:
        """The clean batch, by a `network` of (scaled batch, ln sigma / 4, *condition). `sigma` (batch,)."""
        level = _rows(sigma, batch)
        variance = self.sigma_data**2
        total = (level.square() + variance).sqrt()
        above = level - self.sigma_min if self.consistent else level
        skip = variance / (above.square() + variance)
        if self.output_alone:
            above = level - self.sigma_min
        out = above * self.sigma_data / total
        prediction = network(batch / total, sigma.log() / 4, *condition)
        return skip * batch + out * prediction

    def sample(
        self, denoise: Denoiser, batch: Tensor, steps: int, method: Method = "heun", *, least: bool = True
    ) -> Tensor:
        """The clean batch, from one of noise of deviation `sigma_max`, along the probability flow; `least` is that of `sigmas`."""
        sigmas = self.sigmas(steps, least=least).to(batch)
        rows = len(batch)
        for sigma, following in zip(sigmas, sigmas[1:], strict=False):
            how = method if following > 0 else "euler"
            batch = self.step(denoise, batch, sigma.expand(rows), following.expand(rows), how)
        return batch

    def step(self, denoise: Denoiser, batch: Tensor, sigma: Tensor, following: Tensor, method: Method = "heun") -> Tensor:
        """The batch at the levels `following` (batch,), from those `sigma` (batch,), along the probability flow.

        "heun" asks the network twice, and is of second order; the levels that follow are then above 0. Raises ValueError for
        another method than those.
        """
        if method not in get_args(Method):
            raise ValueError(f"method: there is no {method!r}. Choices: {', '.join(get_args(Method))}.")
        change = _rows(following - sigma, batch)
        slope = _slope(denoise, batch, sigma)
        ahead = batch + change * slope
        if method == "heun":
            slope = (slope + _slope(denoise, ahead, following)) / 2
            ahead = batch + change * slope
        return ahead

    def sample_consistently(
        self, denoise: Denoiser, batch: Tensor, steps: int, noise: Noise, *, around: Tensor | float = 0.0
    ) -> Tensor:
        """The clean batch by a consistency model: at once, or in more steps that each add noise again, and take it away.

        The noise is `around` something else than 0 where training mixed it in so. What `noise` is given by name is "1", "2", ...
        """
        levels = self.sigmas(steps, least=False)[:-1].to(batch)
        clean = denoise(batch, levels[0].expand(len(batch)))
        for number, sigma in enumerate(levels[1:], 1):
            variance = sigma.square() - self.sigma_min**2
            deviation = variance.clamp(min=0).sqrt()
            drawn = noise.normal(*clean.shape, name=str(number)) + around
            noisy = clean + deviation * drawn
            clean = denoise(noisy, sigma.expand(len(batch)))
        return clean


def _slope(denoise: Denoiser, batch: Tensor, sigma: Tensor) -> Tensor:
    """How the batch changes with sigma (batch,) along the probability flow."""
    clean = denoise(batch, sigma)
    return (batch - clean) / _rows(sigma, batch)


def _rows(values: Tensor, batch: Tensor) -> Tensor:
    """One value for each row (batch,), to be multiplied with a batch (batch, ...)."""
    return values.reshape(-1, *[1] * (batch.ndim - 1))
