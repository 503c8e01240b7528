"""What the next sample may be: a class of a mu-law scale, a mixture of logistics, or Gaussians; likelihoods and draws.

Mixture of logistics over quantised values: PixelCNN++ (https://arxiv.org/abs/1701.05517), in WaveNet since
Parallel WaveNet (https://arxiv.org/abs/1711.10433). Channels lie as [logits | means | log scales].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

SAFE = 1e-5  # uniform draws keep this far from 0 and 1, so that no logarithm of them is infinite


@dataclass(frozen=True, kw_only=True)
class Output:
    """The distribution of a sample given the past.

    `classes`: of "categorical", how many values there are; of "logistic", how many the likelihood counts (65536 for
    16 bit). `mu_law` spaces the classes of "categorical" finer near silence. A Gaussian of one mixture has no logits.
    Raises ValueError when a number makes no sense.
    """

    kind: Literal["categorical", "logistic", "gaussian"] = "logistic"
    classes: int = 65536
    mixtures: int = 10
    mu_law: bool = True
    log_scale_min: float = -7.0

    def __post_init__(self) -> None:
        if self.classes < 2 or self.mixtures < 1:
            raise ValueError(f"output: classes {self.classes} must be 2 or more and mixtures {self.mixtures} 1 or more.")

    @property
    def channels(self) -> int:
        """How many numbers a network gives for each sample."""
        if self.kind == "categorical":
            return self.classes
        return 2 if self.kind == "gaussian" and self.mixtures == 1 else 3 * self.mixtures

    @property
    def draws(self) -> int:
        """How many random numbers one sample takes."""
        return 1 if self.kind == "categorical" else self.mixtures + 1

    def companded(self, audio: Tensor) -> Tensor:
        """Samples as the network hears them, in [-1, 1]: on the scale of the classes where there are some."""
        audio = audio.clamp(-1, 1)
        return self.value(self.label(audio)) if self.kind == "categorical" else audio

    def sound(self, values: Tensor) -> Tensor:
        """The inverse of `companded`, as far as classes allow."""
        return mu_law_decode(values, self.classes) if self.kind == "categorical" and self.mu_law else values

    def label(self, audio: Tensor) -> Tensor:
        """The class of each sample: long."""
        values = mu_law_encode(audio, self.classes) if self.mu_law else audio
        return ((values.clamp(-1, 1) + 1) / 2 * (self.classes - 1) + 0.5).floor().long()

    def value(self, labels: Tensor) -> Tensor:
        """Where a class lies in [-1, 1]."""
        return 2 * labels.float() / (self.classes - 1) - 1

    def log_prob(self, y: Tensor, audio: Tensor) -> Tensor:
        """Nats (batch, samples) of `audio` (batch, samples) in [-1, 1] under `y` (batch, samples, channels); a density for Gaussians."""
        if self.kind == "categorical":
            labels = self.label(audio)[..., None]
            return F.log_softmax(y, -1).gather(-1, labels)[..., 0]
        weights, means, scales = self._mixture(y)
        scales = scales.clamp(min=self.log_scale_min)
        value = audio.clamp(-1, 1)[..., None]
        centred = value - means
        if self.kind == "gaussian":
            standard = centred * torch.exp(-scales)
            each = -0.5 * standard.square() - scales - 0.5 * math.log(2 * math.pi)
        else:
            each = _logistic_mass(value, centred, scales, self.classes)
        log_weights = F.log_softmax(weights, -1)
        return torch.logsumexp(log_weights + each, -1)

    def sample(self, y: Tensor, draws: Tensor, temperature: float = 1.0) -> Tensor:
        """Values in [-1, 1] (batch,) from `y` (batch, channels), and `draws` (batch, draws) as `draw` makes them.

        `temperature` 0 gives the most probable class, or the mean of the most probable mixture.
        """
        if self.kind == "categorical":
            return self.value(self._sample_class(y, draws, temperature))
        weights, means, scales = self._mixture(y)
        if self.mixtures > 1:
            noise = -torch.log(-torch.log(draws[:, :-1]))
            weights = weights + temperature * noise
        chosen = weights.argmax(-1, keepdim=True)
        mean = means.gather(-1, chosen)[:, 0]
        scale = scales.gather(-1, chosen)[:, 0]
        noise = draws[:, -1]
        if self.kind == "logistic":
            noise = torch.log(noise) - torch.log1p(-noise)
        deviation = torch.exp(scale) * temperature
        value = mean + deviation * noise
        return value.clamp(-1, 1)

    def _sample_class(self, y: Tensor, draws: Tensor, temperature: float) -> Tensor:
        if not temperature:
            return y.argmax(-1)
        probabilities = F.softmax((y / temperature).double(), -1)
        cumulative = probabilities.cumsum(-1)
        goal = draws[:, :1] * cumulative[:, -1:]
        below = (cumulative < goal).sum(-1)
        return below.clamp(max=self.classes - 1)

    def _mixture(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if y.shape[-1] == 2:
            return torch.zeros_like(y[..., :1]), y[..., :1], y[..., 1:]
        weights, means, scales = y.chunk(3, -1)
        return weights, means, scales


def _logistic_mass(audio: Tensor, centred: Tensor, scales: Tensor, classes: int) -> Tensor:
    """The logarithm of what a logistic has within half a step of each quantised value; the ends take the tails."""
    half = 1 / (classes - 1)
    sharpness = torch.exp(-scales)
    upper = (centred + half) * sharpness
    lower = (centred - half) * sharpness
    below_upper = F.logsigmoid(upper)
    above_lower = F.logsigmoid(-lower)
    # s(u) - s(l) = s(u) s(-l) (1 - e^(l - u)) holds to the last digit where the difference of two sigmoids would cancel.
    share = -torch.expm1(-2 * half * sharpness)
    between = below_upper + above_lower + torch.log(share)
    first = audio < -1 + half
    last = audio > 1 - half
    inner = torch.where(last, above_lower, between)
    return torch.where(first, below_upper, inner)


def mu_law_encode(audio: Tensor, classes: int) -> Tensor:
    """Audio in [-1, 1] on the mu-law scale, still in [-1, 1]."""
    mu = classes - 1
    return audio.sign() * torch.log1p(mu * audio.abs()) / math.log1p(mu)


def mu_law_decode(values: Tensor, classes: int) -> Tensor:
    """The inverse of `mu_law_encode`."""
    mu = classes - 1
    return values.sign() / mu * torch.expm1(values.abs() * math.log1p(mu))
