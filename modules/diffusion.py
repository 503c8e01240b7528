"""Diffusion (https://arxiv.org/abs/2006.11239): what noise training mixes in, and samplers that take it away again.

The samplers are those of `diffusers`: DDPM, DDIM, PNDM, DPM-Solver++ and UniPC. Sampling in fewer steps than training had
is done on a schedule of its own, of just those steps: `diffusers` steps back by a rounded number of steps, which is
wrong for counts that do not divide those of training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.noise import Noise

Prediction = Literal["epsilon", "sample", "v_prediction"]  # what the network gives: the noise, the clean signal, or a mixture
BetaSchedule = Literal["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"]
SamplerName = Literal["ddpm", "ddim", "pndm", "dpmsolver++", "unipc"]
Spacing = Literal["trailing", "leading"]  # whether the last step of training is among those of sampling, or the first
Network = Callable[[Tensor, float], Tensor]  # a noisy batch and where in training it stands -> its prediction
Pin = Callable[[Tensor, float], Tensor]  # a noisy batch and the share of the signal's energy in it -> the batch to go on with

RUNGE_KUTTA = 4  # steps that PNDM takes by it, unless they are skipped
SOLVER = {"timestep_spacing": "trailing"}
# The scheduler of `diffusers`, its settings, and whether it walks a schedule of its own steps alone.
SAMPLERS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "ddpm": ("DDIMScheduler", {"clip_sample": False}, True),  # DDIM of eta 1 is DDPM
    "ddim": ("DDIMScheduler", {"clip_sample": False}, True),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": True, "timestep_spacing": "trailing"}, True),
    "dpmsolver++": ("DPMSolverMultistepScheduler", SOLVER, False),
    "unipc": ("UniPCMultistepScheduler", SOLVER, False),
}
# The same over the steps of training, with all that `diffusers` sets unless it is asked: every so many steps from the first on,
# the signal bounded by -1 and 1 in DDPM and DDIM, and Runge-Kutta steps before those of PNDM.
PLAIN: dict[str, tuple[str, dict[str, Any], bool]] = {name: (row[0], {}, False) for name, row in SAMPLERS.items()}


def betas_of(schedule: BetaSchedule, *, steps: int, start: float, end: float) -> list[float]:
    """How much noise each of so many steps of training adds, by the name that `diffusers` has for the schedule."""
    from diffusers import DDPMScheduler

    with torch.device("cpu"):  # where the numbers are, wherever a model is being built
        scheduler = DDPMScheduler(steps, beta_start=start, beta_end=end, beta_schedule=schedule)
    return scheduler.betas.tolist()


@dataclass(frozen=True)
class Respacing:
    """The steps of a sampler, the least noisy first: what share of the signal's energy is left, and where in training that is."""

    levels: np.ndarray
    positions: np.ndarray  # in steps of training from 0; may lie between two

    @property
    def betas(self) -> np.ndarray:
        """How much noise each step adds to the one before."""
        before = np.concatenate([[1.0], self.levels[:-1]])
        return 1 - self.levels / before


@dataclass(frozen=True)
class Walk:
    """A scheduler of `diffusers` that is ready to step, the steps as it counts them, and where in training each of them is."""

    scheduler: Any
    timesteps: np.ndarray
    positions: np.ndarray

    def part(self, skip: int, leave: int) -> Walk:
        """Without the `skip` noisiest steps and the `leave` cleanest ones. Raises ValueError where none is left."""
        if not skip and not leave:
            return self
        numbers = np.arange(len(self.timesteps))
        twice = self._taken_twice()
        if twice:
            numbers = np.delete(numbers, 2)
        numbers = numbers[skip : len(numbers) - leave]
        if not len(numbers):
            raise ValueError(f"steps: of {len(self.timesteps) - twice} none is left when {skip + leave} are left out: take more.")
        if twice:
            numbers = np.insert(numbers, 2, numbers[1]) if len(numbers) > 1 else numbers
        return Walk(self.scheduler, self.timesteps[numbers], self.positions[numbers])

    def _taken_twice(self) -> bool:
        """Whether the second step is there twice: by that PNDM finds into its walk, wherever it begins."""
        steps = self.timesteps
        return len(steps) > 2 and bool(steps[1] == steps[2])


@dataclass(frozen=True)
class Course:
    """What of a sampler's walk is taken, and what it begins with; by default all of it, from noise alone.

    `start` is a clean batch that is brought to the noise of the first step taken. The `skip` noisiest steps are left out, and the
    `leave` cleanest. `pin` is called after each step with the batch and the share of the signal's energy in it then, and gives
    the batch to go on with: it puts in what is known of the outcome.
    """

    start: Tensor | None = None
    skip: int = 0
    leave: int = 0
    pin: Pin | None = None


class Diffusion:
    """The noise of training, step by step (`betas`), and sampling from what a network predicts of it.

    Batches may have any shape (batch, ...); steps count from 0, the least noisy.
    """

    def __init__(self, betas: Sequence[float], *, prediction: Prediction = "epsilon") -> None:
        self.betas = np.asarray(betas, dtype=np.float64)
        self.prediction = prediction
        self.levels = np.cumprod(1 - self.betas)  # the share of the signal's energy that is left after each step

    # Training

    def draw(self, clean: Tensor, lengths: Tensor, *, training: bool) -> tuple[Tensor, Tensor]:
        """A step (batch,) and noise like `clean` (batch, longest, ...) for each row.

        In validation always the same, whatever the padding beyond `lengths` (batch,): two checkpoints can be compared.
        """
        seed = None if training else 0
        noise = Noise.like(clean, seed)
        steps = noise.integers(len(self.levels), len(clean))
        if training:
            return steps, noise.normal(*clean.shape)
        return steps, noise.rows(lengths, clean.shape)

    def mix(self, clean: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """The noisy batch at `steps` (batch,)."""
        alpha_bar = self._alpha_bar(clean, steps)
        return alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise

    def target(self, clean: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """What the network should predict of the mixture."""
        if self.prediction == "epsilon":
            return noise
        if self.prediction == "sample":
            return clean
        alpha_bar = self._alpha_bar(clean, steps)
        return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * clean

    def snr_weights(self, steps: Tensor, most: float, *, of: Prediction | None = None) -> Tensor:
        """How much the loss at each of `steps` (batch,) counts, so that of the clean signal no step counts more than `most` times.

        That is min-SNR (https://arxiv.org/abs/2303.09556). The weights are for what the network predicts, or for the prediction
        named `of`: published models weigh velocities as if they were noise.
        """
        levels = torch.as_tensor(self.levels, dtype=torch.float32, device=steps.device)
        left = levels[steps]
        ratio = left / (1 - left)
        bounded = ratio.clamp(max=most)
        prediction = of or self.prediction
        if prediction == "sample":
            return bounded
        return bounded / (ratio if prediction == "epsilon" else ratio + 1)

    def _alpha_bar(self, clean: Tensor, steps: Tensor) -> Tensor:
        levels = torch.as_tensor(self.levels, dtype=clean.dtype, device=clean.device)
        return levels[steps].reshape(-1, *[1] * (clean.ndim - 1))

    # Sampling

    def sample(
        self,
        network: Network,
        sizes: Sequence[int],
        noise: Noise,
        *,
        steps: int | Respacing,
        sampler: SamplerName = "dpmsolver++",
        spacing: Spacing = "trailing",
        settings: Mapping[str, Any] | None = None,
        clamp: tuple[float, float] | None = None,
        bounds: tuple[float, float] | None = None,
        plain: bool = False,
        course: Course = Course(),
    ) -> Tensor:
        """A clean batch of `sizes`, from the draws of `noise`, in that many steps or over those of a `Respacing`.

        `settings` go to the scheduler of `diffusers`; `clamp` bounds what each step gives, as some published weights were
        sampled; `bounds` are those of the clean signal, which a prediction is then not to leave. With `plain` the schedulers are as
        `diffusers` has them unless it is asked, see `PLAIN`, and `spacing` has no say. `course` says what of the walk is taken.
        What `noise` is given by name is "0" to begin with, then "1", ... for what each step of "ddpm" adds.
        Raises ValueError for a sampler that there is not, and a number of steps that it cannot take.
        """
        whole = self.walk(PLAIN if plain else SAMPLERS, sampler, steps, spacing, settings or {})
        walk = whole.part(course.skip, course.leave)
        predict = network if bounds is None else self._bounded(network, bounds)
        scheduler = walk.scheduler
        batch = noise.normal(*sizes, name="0")
        if course.start is not None:
            batch = self.noisy(course.start, batch, self._alpha_bar_at(walk.positions[0]))
        levels = [self._alpha_bar_at(position) for position in walk.positions[1:]] + [1.0]
        for number, (timestep, position) in enumerate(zip(walk.timesteps.tolist(), walk.positions, strict=True), 1):
            prediction = predict(batch, float(position))
            if sampler == "pndm":
                prediction = self._epsilon(prediction, batch, position)
            added: dict[str, Any] = {}
            if sampler == "ddpm" and timestep > 0:
                drawn = noise.normal(*sizes, name=str(number))
                added = {"eta": 1.0, "variance_noise": drawn}
            if sampler == "ddpm" and plain:  # where the signal was bounded, so is the noise that goes with it
                added["use_clipped_model_output"] = True
            batch = scheduler.step(prediction, timestep, batch, **added).prev_sample
            if clamp is not None:
                batch = batch.clamp(*clamp)
            if course.pin is not None:
                batch = course.pin(batch, levels[number - 1])
        return batch

    @staticmethod
    def noisy(clean: Tensor, noise: Tensor, level: float) -> Tensor:
        """A batch of which a share `level` of the energy is signal."""
        return level**0.5 * clean + (1 - level) ** 0.5 * noise

    def walk(
        self,
        table: dict[str, tuple[str, dict[str, Any], bool]],
        sampler: str,
        steps: int | Respacing,
        spacing: Spacing,
        settings: Mapping[str, Any],
    ) -> Walk:
        """The scheduler that a row of `table` names, and where in training each of its steps is."""
        if sampler not in table:
            raise ValueError(f"sampler: there is no {sampler!r}. Choices: {', '.join(table)}.")
        name, own, respaces = table[sampler]
        options = {**own, **settings}
        if respaces:
            respacing = steps if isinstance(steps, Respacing) else self.respaced(steps, spacing)
            scheduler = self._scheduler(name, respacing.betas, len(respacing.betas), options)
            timesteps = scheduler.timesteps.numpy()
            return Walk(scheduler, timesteps, respacing.positions[timesteps])
        if isinstance(steps, Respacing):
            raise ValueError(f"sampler: {sampler} walks the steps of training, and no schedule of its own: name a number of steps.")
        scheduler = self._scheduler(name, self.betas, self._checked(steps), options)
        timesteps = scheduler.timesteps.numpy()
        return Walk(scheduler, timesteps, timesteps)

    def respaced(self, steps: int, spacing: Spacing = "trailing") -> Respacing:
        """So many of the steps of training, evenly apart. Raises ValueError for none, or more than there are."""
        stride = len(self.levels) / self._checked(steps)
        starts = np.arange(steps) * stride
        places = np.floor(starts)
        if spacing == "trailing":
            places = np.round(starts + stride) - 1
        return Respacing(self.levels[places.astype(int)], places)

    def respaced_at(self, levels: np.ndarray) -> Respacing:
        """Steps of those noise levels, each found between two steps of training by the root of what is left of the signal."""
        positions = np.interp(-np.sqrt(levels), -np.sqrt(self.levels), np.arange(len(self.levels)))
        return Respacing(levels, positions)

    def _bounded(self, network: Network, bounds: tuple[float, float]) -> Network:
        """`network`, its predictions moved to where the clean batch that follows from them lies within `bounds`."""

        def predict(batch: Tensor, position: float) -> Tensor:
            alpha_bar = self._alpha_bar_at(position)
            epsilon = self._epsilon(network(batch, position), batch, position)
            clean = (batch - (1 - alpha_bar) ** 0.5 * epsilon) / alpha_bar**0.5
            clean = clean.clamp(*bounds)
            if self.prediction == "sample":
                return clean
            epsilon = (batch - alpha_bar**0.5 * clean) / (1 - alpha_bar) ** 0.5
            if self.prediction == "epsilon":
                return epsilon
            return alpha_bar**0.5 * epsilon - (1 - alpha_bar) ** 0.5 * clean

        return predict

    def _alpha_bar_at(self, position: float) -> float:
        """The share of the signal's energy that is left at a step of training, or between two."""
        places = np.arange(len(self.levels))
        roots = np.interp(position, places, np.sqrt(self.levels))
        return float(roots) ** 2

    def _epsilon(self, prediction: Tensor, batch: Tensor, position: float) -> Tensor:
        """The noise that the prediction says is in the batch.

        PNDM adds up predictions of several steps, which is right for noise alone: `diffusers` adds up velocities too.
        """
        alpha_bar = self._alpha_bar_at(position)
        if self.prediction == "epsilon":
            return prediction
        if self.prediction == "sample":
            return (batch - alpha_bar**0.5 * prediction) / (1 - alpha_bar) ** 0.5
        return alpha_bar**0.5 * prediction + (1 - alpha_bar) ** 0.5 * batch

    def _scheduler(self, name: str, betas: np.ndarray, steps: int, options: dict[str, Any]) -> Any:
        """A scheduler of `diffusers` over `betas`, ready to take so many steps."""
        import diffusers

        if name == "PNDMScheduler" and not options.get("skip_prk_steps") and steps < RUNGE_KUTTA:
            raise ValueError(f"steps: pndm as published takes {RUNGE_KUTTA} to {len(betas)}, as it begins with Runge-Kutta; got {steps}.")
        prediction = "epsilon" if name == "PNDMScheduler" else self.prediction
        cls = getattr(diffusers, name)
        scheduler = cls(len(betas), trained_betas=betas.tolist(), prediction_type=prediction, **options)
        scheduler.set_timesteps(steps)
        return scheduler

    def _checked(self, steps: int) -> int:
        most = len(self.levels)
        if not 1 <= steps <= most:
            raise ValueError(f"steps: 1 to {most}, as many as in training, are possible; got {steps}.")
        return steps


@dataclass(frozen=True, kw_only=True)
class NoiseSchedule:
    """How much noise the steps of training add, and what is predicted of the mixture."""

    steps: int = 1000
    beta_start: float = 1e-4
    beta_end: float = 0.02
    schedule: BetaSchedule = "linear"
    prediction: Prediction = "epsilon"

    def diffusion(self) -> Diffusion:
        """The process of these settings."""
        betas = betas_of(self.schedule, steps=self.steps, start=self.beta_start, end=self.beta_end)
        return Diffusion(betas, prediction=self.prediction)


def guided(
    network: Callable[[Tensor, float, Tensor], Tensor], condition: Tensor, unconditional: Tensor, scale: float
) -> Network:
    """Classifier-free guidance (https://arxiv.org/abs/2207.12598): predictions moved `scale` times as far as the condition moves them.

    `condition` and `unconditional` are of one shape (batch, ...). A scale of 1 changes nothing, and costs nothing.
    """

    def plain(batch: Tensor, position: float) -> Tensor:
        return network(batch, position, condition)

    def moved(batch: Tensor, position: float) -> Tensor:
        twice = torch.cat([batch, batch])
        both = network(twice, position, torch.cat([condition, unconditional]))
        with_condition, without = both.chunk(2)
        return without + scale * (with_condition - without)

    return plain if scale == 1 else moved


def drop_condition(condition: Tensor, unconditional: Tensor, share: float, noise: Noise) -> Tensor:
    """`condition` (batch, ...) with a `share` of its rows replaced by `unconditional`, which guidance needs to be trained."""
    dropped = noise.uniform(len(condition)) < share
    dropped = dropped.reshape(-1, *[1] * (condition.ndim - 1))
    return torch.where(dropped, unconditional, condition)


class StepEmbedding(nn.Module):
    """Steps of diffusion (batch,), whole or between two, as vectors (batch, width): waves through two layers.

    `frequencies` are in radians a step; sines come first, or cosines.
    """

    def __init__(self, frequencies: Tensor, width: int, *, cosine_first: bool = False) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.cosine_first = cosine_first
        self.projection1 = nn.Linear(2 * len(frequencies), width)
        self.projection2 = nn.Linear(width, width)

    def forward(self, steps: Tensor) -> Tensor:
        hidden = F.silu(self.projection1(self.waves(steps)))
        return F.silu(self.projection2(hidden))

    def waves(self, steps: Tensor) -> Tensor:
        """(batch, 2 * frequencies)."""
        return waves_of(steps, self.frequencies, cosine_first=self.cosine_first)


def waves_of(steps: Tensor, frequencies: Tensor, *, cosine_first: bool) -> Tensor:
    """Steps (batch,), whole or between two, as (batch, 2 * frequencies): their sines and cosines at each frequency."""
    angles = steps[:, None] * frequencies
    waves = [angles.cos(), angles.sin()] if cosine_first else [angles.sin(), angles.cos()]
    return torch.cat(waves, 1)


def geometric_frequencies(count: int, *, period: float = 10_000.0) -> Tensor:
    """(count,) radians a step, from 1 down towards 1 / `period`, each the same part of the one before."""
    return torch.exp(-math.log(period) * torch.arange(count) / count)
