"""DiffWave, a vocoder that takes noise away from noise until a voice is left (https://arxiv.org/abs/2009.09761)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model
from models.vocoders.stages import check_hop
from modules.diffusion import Diffusion, Respacing, SamplerName, StepEmbedding
from modules.gated import gate, masked, plus
from modules.masks import masked_mean, valid
from modules.noise import Noise
from modules.planes import planes, run

LINEAR = tuple(float(beta) for beta in np.linspace(1e-4, 0.05, 50))
FAST = (1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5)
TABLE = 128  # channels of the step's embedding
WIDTH = 512  # channels of its layers
SLOPE = 0.4  # of the upsampler's leaky ReLU
STRETCH = 512  # frames that are worked on at once: bounds the memory of long utterances
CACHE_BYTES = 2**31  # bytes that what the layers make of the mel may take to be kept from step to step


class DiffWave(Model):
    """Mel (batch, frames, n_mel) to samples (batch, frames * prod(upsample_factors)).

    `noise_schedule` is how much noise each step of training adds (betas), `inference_noise_schedule` the few and larger
    steps of fast sampling. The defaults are the paper's base model. `loss` is "l1" in the published programs, "l2" in
    the paper. `conditional` False is the paper's model without a mel; the mel then says only how long the sound is.
    Raises ValueError when the sizes do not fit together.
    """

    reads = ("mel", "audio")
    draws = ("noise",)

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
        self.samples_per_frame = math.prod(upsample_factors)
        self.loss = loss
        self.diffusion = Diffusion(noise_schedule)
        self.fast_levels = Diffusion(inference_noise_schedule).levels
        bands = n_mel if conditional else 0
        self.input_projection = _kaiming(nn.Conv1d(1, residual_channels, 1))
        self.diffusion_embedding = StepTable(len(noise_schedule))
        self.spectrogram_upsampler = Upsampler(upsample_factors) if conditional else None
        self.residual_layers = nn.ModuleList(
            ResidualLayer(residual_channels, 2 ** (i % dilation_cycle_length), bands) for i in range(residual_layers)
        )
        self.skip_projection = _kaiming(nn.Conv1d(residual_channels, residual_channels, 1))
        self.output_projection = nn.Conv1d(residual_channels, 1, 1)
        nn.init.normal_(self.output_projection.weight, 0.0, 1e-4)  # no guess at first, but gradients for all

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`noise`: how far the noise that is heard in the mixture is from the noise that was mixed in."""
        mel = batch["mel"]
        hop = self.samples_per_frame
        frames = batch["frames"].to(mel.device)
        samples = batch["samples"].to(mel.device)
        samples = samples.minimum(frames * hop)
        longest = mel.shape[1] * hop
        audio = batch["audio"][:, :longest]
        inside = valid(samples, audio.shape[1])
        mask = inside[:, None, None].to(audio.dtype)
        steps, noise = self.diffusion.draw(audio, samples, training=self.training)
        mixture = self.diffusion.mix(audio, noise, steps)
        prediction = self.denoise(mixture, steps, mel, frames, mask)
        error = prediction.float() - noise
        distance = error.abs() if self.loss == "l1" else error.square()
        loss = masked_mean(distance, inside)
        return {"noise": loss}

    @torch.inference_mode()
    def infer(
        self,
        mel: Tensor,
        *,
        steps: int | None = None,
        sampler: SamplerName = "ddpm",
        seed: int | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Samples (batch, frames * samples_per_frame) of a mel (batch, frames, n_mel).

        `steps` None is as many as the fast schedule has; as many as in training is the full one; see `respacing` for
        others. The paper's `sampler` is "ddpm". The same `seed` says the same twice. `noise` (steps, batch, samples),
        standard normal, is given instead of drawn: what to begin with, then what each step but the last adds.
        """
        named = {} if noise is None else {str(number): draw for number, draw in enumerate(noise)}
        draws = Noise.like(mel, seed, named)
        sizes = (len(mel), mel.shape[1] * self.samples_per_frame)
        schedule: int | Respacing = self.respacing(steps)
        if sampler in ("dpmsolver++", "unipc"):  # they choose their own way through the levels of training
            schedule = steps or len(self.fast_levels)
        predict = self._predictor(mel)
        return self.diffusion.sample(predict, sizes, draws, steps=schedule, sampler=sampler, clamp=(-1, 1))

    def denoise(
        self, audio: Tensor, steps: Tensor, mel: Tensor | None, frames: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """The noise (batch, samples) in a mixture (batch, samples) at `steps` (batch,) or (1,), which may be fractions.

        `frames` (batch,) and `mask` (batch, 1, 1, samples) say where utterances end; without, none is padded.
        """
        return self._network(audio, steps, self._conditions(mel, audio.shape[1], frames), mask)

    def respacing(self, steps: int | None = None) -> Respacing:
        """The levels of noise of sampling in that many steps.

        The full schedule is that of training, the fast one is the paper's: each of its levels of noise is found between
        two steps of training. Any other number is spread along the fast one's way through the levels.
        Raises ValueError for less than one step or more than there are in training.
        """
        fast = self.diffusion.respaced_at(self.fast_levels)
        levels = self.diffusion.levels
        if steps is None:
            return fast
        if not 1 <= steps < len(levels):
            return self.diffusion.respaced(steps)
        if steps == len(self.fast_levels):
            return fast
        way = np.linspace(0, 1, steps) if steps > 1 else np.ones(1)
        marks = np.linspace(0, 1, len(fast.positions))
        positions = np.interp(way, marks, fast.positions)
        roots = np.interp(positions, np.arange(len(levels)), np.sqrt(levels))
        return Respacing(roots**2, positions)

    @property
    def reach_frames(self) -> int:
        """How many frames before and after a frame have a say in one step; in n steps it is n times as many."""
        samples = sum(layer.dilated_conv.padding[0] for layer in self.residual_layers)
        return math.ceil(samples / self.samples_per_frame) + 2  # and the upsampler's

    def _network(
        self, audio: Tensor, steps: Tensor, conditions: Iterable[Tensor | None], mask: Tensor | None = None
    ) -> Tensor:
        x = run(self.input_projection, planes(audio[:, None])).relu()
        step = self.diffusion_embedding(steps)
        total = None
        for layer, condition in zip(self.residual_layers, conditions, strict=True):
            x, skip = layer(x, step, condition, mask)
            total = skip if total is None else plus(total, skip)
        mean = total / len(self.residual_layers) ** 0.5
        x = run(self.skip_projection, mean).relu()
        noise = run(self.output_projection, x)
        return noise[:, 0, 0]

    def _conditions(self, mel: Tensor | None, samples: int, frames: Tensor | None = None) -> Iterable[Tensor | None]:
        """What each layer makes of the mel, one after the other: planes (batch, 2 * residual_channels, 1, samples)."""
        if self.spectrogram_upsampler is None:
            return (None for _ in self.residual_layers)
        upsampled = self.spectrogram_upsampler(mel.transpose(1, 2), frames)
        kept = upsampled[..., :samples]
        condition = planes(kept)
        return (run(layer.conditioner_projection, condition) for layer in self.residual_layers)

    def _predictor(self, mel: Tensor) -> Callable[[Tensor, float], Tensor]:
        """A function of the mixture (batch, samples) and the step: the noise in it, predicted one stretch after another.

        What the layers make of the mel is the same in every step, and is kept where there is room for it.
        """
        hop = self.samples_per_frame
        stretches = self._stretches(mel.shape[1])
        cache: dict[int, list[Tensor | None]] = {}
        fits = self._condition_bytes(mel) <= CACHE_BYTES

        def conditions(first: int, last: int) -> Iterable[Tensor | None]:
            if first in cache:
                return cache[first]
            layers = self._conditions(mel[:, first:last], (last - first) * hop)
            if fits:
                layers = list(layers)
                cache[first] = layers
            return layers

        def predict(audio: Tensor, position: float) -> Tensor:
            step = torch.tensor([position], device=mel.device)
            parts = []
            for first, last, start, end in stretches:
                mixture = audio[:, first * hop : last * hop]
                noise = self._network(mixture, step, conditions(first, last))
                begin = (start - first) * hop
                length = (end - start) * hop
                parts.append(noise[:, begin : begin + length])
            return torch.cat(parts, 1)

        return predict

    def _stretches(self, frames: int) -> list[tuple[int, int, int, int]]:
        """The first and last frame that is read, and those between which a prediction is taken, stretch by stretch."""
        stretches = []
        for start in range(0, frames, STRETCH):
            end = min(frames, start + STRETCH)
            first = max(0, start - self.reach_frames)
            last = min(frames, end + self.reach_frames)
            stretches.append((first, last, start, end))
        return stretches

    def _condition_bytes(self, mel: Tensor) -> int:
        """How much memory what all layers make of the mel takes."""
        samples = len(mel) * mel.shape[1] * self.samples_per_frame
        channels = 2 * self.input_projection.out_channels * len(self.residual_layers)
        return samples * channels * mel.element_size()


class StepTable(StepEmbedding):
    """Steps of diffusion (batch,), whole or between two, as vectors (batch, WIDTH): from a table, between whose rows it is interpolated."""

    def __init__(self, steps: int) -> None:
        # In float32 like the weights that were trained on it: the highest of these angles are far beyond exact.
        half = TABLE // 2
        exponents = torch.arange(half) * 4.0 / (half - 1)
        super().__init__(10.0**exponents, WIDTH)
        self.register_buffer("table", super().waves(torch.arange(steps)), persistent=False)

    def waves(self, steps: Tensor) -> Tensor:
        low = steps.floor().long() if steps.is_floating_point() else steps
        rows = self.table[low]
        if steps.is_floating_point():
            above = self.table[steps.ceil().long()]
            rows = rows + (above - rows) * (steps - low)[:, None].to(rows)
        return rows


class Upsampler(nn.Module):
    """Mel (batch, n_mel, frames) to the rate of samples, as a picture is enlarged along one side."""

    def __init__(self, factors: tuple[int, ...]) -> None:
        super().__init__()
        self.factors = factors
        for i, factor in enumerate(factors, 1):
            conv = nn.ConvTranspose2d(1, 1, (3, 2 * factor), (1, factor), (1, factor // 2))
            setattr(self, f"conv{i}", _kaiming(conv))

    def forward(self, mel: Tensor, frames: Tensor | None) -> Tensor:
        """(batch, n_mel, samples); an odd factor gives a place too many. Beyond `frames` (batch,) counts as not there."""
        x = mel[:, None]
        lengths = frames
        for i, factor in enumerate(self.factors, 1):
            if lengths is not None:
                inside = valid(lengths, x.shape[3])
                x = x * inside[:, None, None].to(x.dtype)
                lengths = lengths * factor + factor % 2
            conv = self.get_submodule(f"conv{i}")
            x = F.leaky_relu(conv(x), SLOPE, inplace=True)
        return x[:, 0]


class ResidualLayer(nn.Module):
    """One gated dilated convolution, conditioned on the mel and on the step."""

    def __init__(self, channels: int, dilation: int, n_mel: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.dilated_conv = _kaiming(nn.Conv1d(channels, wide, 3, padding=dilation, dilation=dilation))
        self.diffusion_projection = nn.Linear(WIDTH, channels)
        self.conditioner_projection = None
        if n_mel:
            self.conditioner_projection = _kaiming(nn.Conv1d(n_mel, wide, 1))
        self.output_projection = _kaiming(nn.Conv1d(channels, wide, 1))

    def forward(self, x: Tensor, step: Tensor, condition: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """What goes on to the next layer and what goes to the end, both planes of the shape of `x`, which is used up."""
        shift = self.diffusion_projection(step)
        hidden = masked(x + shift[:, :, None, None], mask)
        hidden = run(self.dilated_conv, hidden)
        if condition is not None:
            hidden = plus(hidden, condition)
        hidden = gate(hidden, tanh_first=False)
        residual, skip = run(self.output_projection, hidden).chunk(2, 1)
        out = plus(x, residual) * 0.5**0.5
        return out, skip


def _kaiming(conv: nn.Module) -> nn.Module:
    """The authors' start (He et al., https://arxiv.org/abs/1502.01852)."""
    nn.init.kaiming_normal_(conv.weight)
    return conv


def _check(factors: tuple[int, ...], hop_size: int | None, training: tuple[float, ...], inference: tuple[float, ...]) -> None:
    check_hop("DiffWave", "upsample_factors", factors, hop_size)
    for name, betas in (("noise_schedule", training), ("inference_noise_schedule", inference)):
        if not betas or not all(0 < beta < 1 for beta in betas):
            raise ValueError(f"DiffWave: {name} needs shares of noise between 0 and 1, got {list(betas)}.")
