"""Diffusion in continuous time, from clean (0) to noise (1), and flow matching: what training mixes, and how sampling comes back.

The noise of a `VariancePreserving` process grows with the time (https://arxiv.org/abs/2011.13456); a `StraightFlow` goes from the
clean batch to the noise on a straight line (https://arxiv.org/abs/2210.02747). Batches are (batch, ...), times (batch,) or (1,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from modules.noise import Noise

Solver = Literal["euler", "midpoint"]
Slope = Callable[[Tensor, Tensor], Tensor]  # of a batch at a time: how the batch changes with the time

EDGE = 1e-5  # training draws no time nearer to either end: there is nothing to tell there
LEAST = 1e-8  # added to a variance that is divided by


@dataclass(frozen=True, kw_only=True)
class VariancePreserving:
    """Noise is added at a rate that rises from `beta_min` to `beta_max`; the network is asked for the clean batch.

    `sigma` is the deviation that the noise comes to, `noise_factor` multiplies what is mixed in.
    """

    beta_min: float = 0.05
    beta_max: float = 20.0
    sigma: float = 1.0
    noise_factor: float = 1.0

    @property
    def scale(self) -> float:
        """The deviation of the noise that sampling begins with."""
        return self.sigma * self.noise_factor

    def rate(self, time: Tensor) -> Tensor:
        """How fast noise is added."""
        return self.beta_min + (self.beta_max - self.beta_min) * time

    def signal(self, time: Tensor) -> Tensor:
        """What is left of the clean batch."""
        return torch.exp(-0.5 * self._added(time))

    def deviation(self, time: Tensor) -> Tensor:
        """Of the noise."""
        return self.sigma * torch.sqrt(1 - torch.exp(-self._added(time)))

    def _added(self, time: Tensor) -> Tensor:
        """The rate, summed up to the time."""
        sum_of_rates = self.beta_min * time + 0.5 * (self.beta_max - self.beta_min) * time.square()
        return sum_of_rates / self.sigma**2

    def mix(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """The noisy batch at `time`."""
        at = rows(time, clean)
        return self.signal(at) * clean + self.noise_factor * self.deviation(at) * noise

    def noise_of(self, clean: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """The noise that is in `noisy`, were `clean` what it was made of."""
        at = rows(time, clean)
        rest = noisy - self.signal(at) * clean
        return rest / (self.noise_factor * self.deviation(at))

    def reading(self, clean: Tensor, drawn: Tensor, noisy: Tensor, time: Tensor) -> dict[str, Tensor]:
        """What the network's answer says in training: `clean`, and `noise`, what else is in the noisy batch."""
        return {"clean": clean, "noise": self.noise_of(clean, noisy, time)}

    def targets(self, clean: Tensor, drawn: Tensor) -> dict[str, Tensor]:
        """What of a reading is held against what."""
        return {"clean": clean, "noise": drawn}

    def slope(self, clean: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """How a noisy batch changes with the time, of which the network says that `clean` is in it."""
        at = rows(time, clean)
        variance = self.deviation(at).square() + LEAST
        signal = self.signal(at) * clean
        rest = noisy - signal
        score = -rest / variance  # noise that is so many times as large is added as much faster: no factor is left
        drift = noisy / self.sigma**2 + score
        return -0.5 * self.rate(at) * drift


@dataclass(frozen=True, kw_only=True)
class StraightFlow:
    """The noisy batch lies on the line from the clean one to the noise, and the network is asked for the way between them."""

    @property
    def scale(self) -> float:
        """The deviation of the noise that sampling begins with."""
        return 1.0

    def mix(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """The noisy batch at `time`."""
        at = rows(time, clean)
        return (1 - at) * clean + at * noise

    def reading(self, flow: Tensor, drawn: Tensor, noisy: Tensor, time: Tensor) -> dict[str, Tensor]:
        """What the network's answer says in training: `flow`, and `clean`, where the way that ends at the noise began."""
        return {"flow": flow, "clean": drawn - flow}

    def targets(self, clean: Tensor, drawn: Tensor) -> dict[str, Tensor]:
        """What of a reading is held against what."""
        return {"flow": drawn - clean}

    def slope(self, flow: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """How a noisy batch changes with the time: as the network says."""
        return flow


@dataclass(frozen=True, kw_only=True)
class Continuous:
    """Which of the two it is, and of a diffusion the noise."""

    process: Literal["diffusion", "flow"] = "diffusion"
    noise: VariancePreserving = VariancePreserving()

    @property
    def chosen(self) -> VariancePreserving | StraightFlow:
        return StraightFlow() if self.process == "flow" else self.noise


def draw_times(count: int, noise: Noise) -> Tensor:
    """(count,): a time for each row of a training batch, uniform."""
    return noise.uniform(count, name="time").clamp(EDGE, 1 - EDGE)


def sample(slope: Slope, batch: Tensor, steps: int, solver: Solver = "euler", *, swapped: bool = False) -> Tensor:
    """The clean batch, from one of noise, in so many steps of one length along the slope.

    "euler" asks for the slope once a step, "midpoint" twice: where the step begins, and half-way along it. With `swapped` the first is
    asked for the time half-way and the second for that of the beginning, as Amphion samples. Raises ValueError for no steps.
    """
    if steps < 1:
        raise ValueError(f"steps: 1 or more are needed, got {steps}.")
    length = 1 / steps
    for number in range(steps):
        begin = batch.new_tensor([1 - number * length])
        middle = begin - length / 2
        if solver == "euler":
            batch = batch - length * slope(batch, middle)
            continue
        first, second = (middle, begin) if swapped else (begin, middle)
        half_way = batch - length / 2 * slope(batch, first)
        batch = batch - length * slope(half_way, second)
    return batch


def rows(values: Tensor, batch: Tensor) -> Tensor:
    """One value for each row (batch,), to be multiplied with a batch (batch, ...)."""
    return values.reshape(-1, *[1] * (batch.ndim - 1))
