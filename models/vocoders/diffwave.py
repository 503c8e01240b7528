"""DiffWave, a vocoder that takes noise away from noise until a voice is left (https://arxiv.org/abs/2009.09761)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vocoders.stages import check_hop
from modules.gated import gate, masked, plus
from modules.masks import masked_mean, valid
from modules.noise import gaussian
from modules.norm import fold
from modules.planes import planes, run

LINEAR = tuple(float(beta) for beta in np.linspace(1e-4, 0.05, 50))
FAST = (1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5)
TABLE, WIDTH, SLOPE = 128, 512, 0.4  # of the step's embedding, of its layers, of the upsampler's leaky ReLU
STRETCH = 512  # frames that are worked on at once: bounds the memory of long utterances
KEPT = 2**31  # bytes that what the layers make of the mel may take to be kept from step to step


class DiffWave(nn.Module):
    """Mel (batch, frames, n_mel) to samples (batch, frames * prod(upsample_factors)).

    `noise_schedule` is how much noise each step of training adds (betas), `inference_noise_schedule` the few and larger
    steps of fast sampling. The defaults are the paper's base model. `loss` is "l1" in the published programs, "l2" in
    the paper. `conditional` False is the paper's model without a mel; the mel then says only how long the sound is.
    Raises ValueError when the sizes do not fit together.
    """

    reads = ("mel", "audio")
    statistics_of: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        n_mel: int,
        hop_size: int | None = None,
        residual_channels: int = 64,
        residual_layers: int = 30,
        dilation_cycle_length: int = 10,
        upsample_factors: tuple[int, ...] = (16, 16),
        noise_schedule: tuple[float, ...] = LINEAR,
        inference_noise_schedule: tuple[float, ...] = FAST,
        conditional: bool = True,
        loss: Literal["l1", "l2"] = "l1",
    ) -> None:
        super().__init__()
        _check(upsample_factors, hop_size, noise_schedule, inference_noise_schedule)
        self.samples_per_frame, self.loss = math.prod(upsample_factors), loss
        self.levels, self.fast_levels = _levels(noise_schedule), _levels(inference_noise_schedule)
        bands = n_mel if conditional else 0
        self.input_projection = _started(nn.Conv1d(1, residual_channels, 1))
        self.diffusion_embedding = StepEmbedding(len(noise_schedule))
        self.spectrogram_upsampler = Upsampler(upsample_factors) if conditional else None
        self.residual_layers = nn.ModuleList(
            ResidualLayer(residual_channels, 2 ** (i % dilation_cycle_length), bands) for i in range(residual_layers)
        )
        self.skip_projection = _started(nn.Conv1d(residual_channels, residual_channels, 1))
        self.output_projection = nn.Conv1d(residual_channels, 1, 1)
        nn.init.normal_(self.output_projection.weight, 0.0, 1e-4)  # no guess at first, but gradients for all

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`noise`: how far the noise that is heard in the mixture is from the noise that was mixed in."""
        mel, frames = batch["mel"], batch["frames"].to(batch["mel"].device)
        audio = batch["audio"][:, : mel.shape[1] * self.samples_per_frame]
        samples = torch.minimum(batch["samples"].to(mel.device), frames * self.samples_per_frame)
        inside = valid(samples, audio.shape[1])
        steps, noise = self._draw(audio, samples)
        kept = torch.as_tensor(self.levels, dtype=audio.dtype, device=audio.device)[steps, None]
        mixture = kept.sqrt() * audio + (1 - kept).sqrt() * noise
        difference = self.denoise(mixture, steps, mel, frames, inside[:, None, None].to(audio.dtype)).float() - noise
        return {"noise": masked_mean(difference.abs() if self.loss == "l1" else difference.square(), inside)}

    @torch.inference_mode()
    def infer(self, mel: Tensor, *, steps: int | None = None, seed: int | None = None, noise: Tensor | None = None) -> Tensor:
        """Samples (batch, frames * samples_per_frame) of a mel (batch, frames, n_mel).

        `steps` None is the fast schedule; as many as in training is the full one; see `plan` for others.
        `noise` (steps, batch, samples), standard normal, is given instead of drawn: what to begin with, then what
        each step but the last adds.
        """
        samples, draw, guess = mel.shape[1] * self.samples_per_frame, gaussian(mel, seed), self._guesser(mel)
        fresh = iter(noise) if noise is not None else (draw(len(mel), samples) for _ in count())
        audio = next(fresh)
        for step in self.plan(steps):
            audio = step.gain * (audio - step.share * guess(audio, step.position))
            if step.deviation:
                audio = audio + step.deviation * next(fresh)
            audio = audio.clamp(-1, 1)
        return audio

    def denoise(
        self, audio: Tensor, steps: Tensor, mel: Tensor | None, frames: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """The noise (batch, samples) in a mixture (batch, samples) at `steps` (batch,) or (1,), which may be fractions.

        `frames` (batch,) and `mask` (batch, 1, 1, samples) say where utterances end; without, none is padded.
        """
        return self._network(audio, steps, self._conditions(mel, audio.shape[1], frames), mask)

    def plan(self, steps: int | None = None) -> list[Step]:
        """What sampling in that many steps does, the noisiest first.

        The full schedule is that of training, the fast one is the paper's: each of its levels of noise is found between
        two steps of training. Any other number is spread along the fast one's way through the levels.
        Raises ValueError for less than one step or more than there are in training.
        """
        fast, full = self.fast_levels, self.levels
        if steps is not None and not 1 <= steps <= len(full):
            raise ValueError(f"steps: 1 to {len(full)}, as many as in training, are possible; got {steps}.")
        places = _positions(fast, full)
        if steps == len(full):
            return _steps(full, np.arange(steps))
        if steps is None or steps == len(fast):
            return _steps(fast, places)
        way = np.linspace(0, 1, steps) if steps > 1 else np.ones(1)
        places = np.interp(way, np.linspace(0, 1, len(places)), places)
        return _steps(np.interp(places, np.arange(len(full)), np.sqrt(full)) ** 2, places)

    def fold(self) -> DiffWave:
        """There are no weight norms here; the same as it is for other vocoders."""
        return fold(self)

    @property
    def reach_frames(self) -> int:
        """How many frames before and after a frame have a say in one step; in n steps it is n times as many."""
        samples = sum(layer.dilated_conv.padding[0] for layer in self.residual_layers)
        return math.ceil(samples / self.samples_per_frame) + 2  # and the upsampler's

    def _network(self, audio: Tensor, steps: Tensor, conditions: Iterable[Tensor | None], mask: Tensor | None = None) -> Tensor:
        x, step, total = run(self.input_projection, planes(audio[:, None])).relu(), self.diffusion_embedding(steps), None
        for layer, condition in zip(self.residual_layers, conditions, strict=True):
            x, skip = layer(x, step, condition, mask)
            total = skip if total is None else plus(total, skip)
        x = run(self.skip_projection, total / len(self.residual_layers) ** 0.5).relu()
        return run(self.output_projection, x)[:, 0, 0]

    def _conditions(self, mel: Tensor | None, samples: int, frames: Tensor | None = None) -> Iterable[Tensor | None]:
        """What each layer makes of the mel, one after the other: planes (batch, 2 * residual_channels, 1, samples)."""
        if self.spectrogram_upsampler is None:
            return (None for _ in self.residual_layers)
        fine = planes(self.spectrogram_upsampler(mel.transpose(1, 2), frames)[..., :samples])
        return (run(layer.conditioner_projection, fine) for layer in self.residual_layers)

    def _guesser(self, mel: Tensor) -> Callable[[Tensor, float], Tensor]:
        """A function of the mixture (batch, samples) and the step: the noise, heard one stretch after another.

        What the layers make of the mel is the same in every step, and is kept where there is room for it.
        """
        frames, hop, margin = mel.shape[1], self.samples_per_frame, self.reach_frames
        stretches = []
        for start in range(0, frames, STRETCH):
            first, last = max(0, start - margin), min(frames, start + STRETCH + margin)
            stretches.append((first, last, start, min(frames, start + STRETCH)))
        numbers = len(mel) * frames * hop * len(self.residual_layers) * 2 * self.input_projection.out_channels
        kept: dict[int, list[Tensor | None]] = {}

        def conditions(a: int, b: int) -> Iterable[Tensor | None]:
            if numbers * mel.element_size() > KEPT:
                return self._conditions(mel[:, a:b], (b - a) * hop)
            if a not in kept:
                kept[a] = list(self._conditions(mel[:, a:b], (b - a) * hop))
            return kept[a]

        def guess(audio: Tensor, position: float) -> Tensor:
            step, heard = torch.tensor([position], device=mel.device), []
            for a, b, start, end in stretches:
                part = self._network(audio[:, a * hop : b * hop], step, conditions(a, b))
                heard.append(part[:, (start - a) * hop : (end - a) * hop])
            return torch.cat(heard, 1)

        return guess

    def _draw(self, audio: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """A step (batch,) and noise (batch, samples) for each utterance.

        In validation always the same, whatever the padding, so that two checkpoints can be compared.
        """
        levels = len(self.levels)
        if self.training:
            return torch.randint(levels, (len(audio),), device=audio.device), torch.randn_like(audio)
        random = torch.Generator().manual_seed(0)
        steps, noise = torch.randint(levels, (len(audio),), generator=random), torch.zeros(audio.shape)
        for row, length in zip(noise, samples.tolist(), strict=True):
            row[:length] = torch.randn(length, generator=random)
        return steps.to(audio.device), noise.to(audio)


class StepEmbedding(nn.Module):
    """Steps of diffusion (batch,), whole or between two, as vectors (batch, WIDTH)."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        # In float32 like the weights that were trained on it: the highest of these angles are far beyond exact.
        angles = torch.arange(steps)[:, None] * 10.0 ** (torch.arange(TABLE // 2)[None] * 4.0 / (TABLE // 2 - 1))
        self.register_buffer("table", torch.cat([angles.sin(), angles.cos()], 1), persistent=False)
        self.projection1 = nn.Linear(TABLE, WIDTH)
        self.projection2 = nn.Linear(WIDTH, WIDTH)

    def forward(self, steps: Tensor) -> Tensor:
        low = steps.floor().long() if steps.is_floating_point() else steps
        rows = self.table[low]
        if steps.is_floating_point():
            rows = rows + (self.table[steps.ceil().long()] - rows) * (steps - low)[:, None].to(rows)
        return F.silu(self.projection2(F.silu(self.projection1(rows))))


class Upsampler(nn.Module):
    """Mel (batch, n_mel, frames) to the rate of samples, as a picture is enlarged along one side."""

    def __init__(self, factors: tuple[int, ...]) -> None:
        super().__init__()
        self.factors = factors
        for i, factor in enumerate(factors, 1):
            conv = nn.ConvTranspose2d(1, 1, (3, 2 * factor), (1, factor), (1, factor // 2))
            setattr(self, f"conv{i}", _started(conv))

    def forward(self, mel: Tensor, frames: Tensor | None) -> Tensor:
        """(batch, n_mel, samples); an odd factor gives a place too many. Beyond `frames` (batch,) counts as not there."""
        x, lengths = mel[:, None], frames
        for i, factor in enumerate(self.factors, 1):
            if lengths is not None:
                x = x * valid(lengths, x.shape[3])[:, None, None].to(x.dtype)
                lengths = lengths * factor + factor % 2
            x = F.leaky_relu(getattr(self, f"conv{i}")(x), SLOPE, inplace=True)
        return x[:, 0]


class ResidualLayer(nn.Module):
    """One gated dilated convolution that hears the mel and knows the step."""

    def __init__(self, channels: int, dilation: int, n_mel: int) -> None:
        super().__init__()
        self.dilated_conv = _started(nn.Conv1d(channels, 2 * channels, 3, padding=dilation, dilation=dilation))
        self.diffusion_projection = nn.Linear(WIDTH, channels)
        self.conditioner_projection = _started(nn.Conv1d(n_mel, 2 * channels, 1)) if n_mel else None
        self.output_projection = _started(nn.Conv1d(channels, 2 * channels, 1))

    def forward(self, x: Tensor, step: Tensor, condition: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """What goes on to the next layer and what goes to the end, both planes of the shape of `x`, which is used up."""
        hidden = run(self.dilated_conv, masked(x + self.diffusion_projection(step)[:, :, None, None], mask))
        if condition is not None:
            hidden = plus(hidden, condition)
        residual, skip = run(self.output_projection, gate(hidden, tanh_first=False)).chunk(2, 1)
        return plus(x, residual) * 0.5**0.5, skip


@dataclass(frozen=True)
class Step:
    """One step of sampling: audio becomes gain * (audio - share * noise heard at `position`) + deviation * new noise."""

    position: float  # on the scale of the steps of training, from 0
    gain: float
    share: float
    deviation: float


def _levels(betas: Iterable[float]) -> np.ndarray:
    """How much of the sound's energy is left after each step."""
    return np.cumprod(1 - np.asarray(betas, dtype=np.float64))


def _positions(levels: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Where in training there was as little of the sound: between two steps by the root of what is left."""
    return np.interp(-np.sqrt(levels), -np.sqrt(training), np.arange(len(training)))


def _steps(levels: np.ndarray, positions: np.ndarray) -> list[Step]:
    before = np.concatenate([[1.0], levels[:-1]])
    kept = levels / before
    deviations = np.sqrt((1 - before) / (1 - levels) * (1 - kept))  # zero in the last step
    found = zip(positions, 1 / np.sqrt(kept), (1 - kept) / np.sqrt(1 - levels), deviations, strict=True)
    return [Step(*(float(value) for value in values)) for values in found][::-1]


def _started(conv: nn.Module) -> nn.Module:
    """The authors' start (He et al., https://arxiv.org/abs/1502.01852)."""
    nn.init.kaiming_normal_(conv.weight)
    return conv


def _check(factors: tuple[int, ...], hop_size: int | None, training: tuple[float, ...], inference: tuple[float, ...]) -> None:
    check_hop("DiffWave", "upsample_factors", factors, hop_size)
    for name, betas in (("noise_schedule", training), ("inference_noise_schedule", inference)):
        if not betas or not all(0 < beta < 1 for beta in betas):
            raise ValueError(f"DiffWave: {name} needs shares of noise between 0 and 1, got {list(betas)}.")
