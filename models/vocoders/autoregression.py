"""Sample after sample, fast: stretches of bounded memory through a compiled loop, many folds side by side."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from models.vocoders.distributions import SAFE, Output
from models.vocoders.folding import Folds, Seam, unfold
from models.vocoders.stretching import Padding, frames_around
from modules.noise import Series

if TYPE_CHECKING:
    Draw = Callable[[int], np.ndarray]

MEMORY = 16 * 2**20  # numbers that the condition of one stretch may hold


class Loop(Protocol):
    """The state of a network that goes on sample by sample, `rows` sounds at once."""

    def __call__(self, condition: Tensor, draws: np.ndarray) -> np.ndarray:
        """The next values (rows, samples) for `condition` (rows, samples, channels), `draws` (samples, rows, draws)."""


class Autoregressive(Protocol):
    """What `generate` asks of a network."""

    output: Output
    hop_size: int
    sample_rate: int
    reach: int  # frames on either side of a stretch that its condition depends on
    padding: Padding
    numbers_per_sample: int  # that a loop holds of the condition

    def expand(self, context: Tensor) -> Tensor:
        """(rows, n_mel, frames + 2 * reach) to conditions (rows, frames * hop_size, channels)."""

    def loop(self, rows: int, temperature: float, **options: Any) -> Loop:
        """A loop at its beginning."""


def generate(
    model: Autoregressive,
    mel: Tensor,
    *,
    temperature: float = 1.0,
    seed: int = 0,
    fold_seconds: float | None = None,
    overlap_seconds: float = 0.05,
    seam: Seam = "linear",
    **options: Any,
) -> Tensor:
    """Samples (batch, frames * hop_size) of mels (batch, frames, n_mel), on their device. The loop itself runs on the CPU.

    `fold_seconds` cuts each sound into folds of that length, which are made together: several times as fast, at the
    price of seams. None makes it in one piece. `seed` decides every draw. Raises ValueError for a negative temperature.
    """
    if temperature < 0:
        raise ValueError(
            f"temperature {temperature}: 0 is the most probable sound, 1 the model's own choice; below 0 nothing is."
        )
    total = mel.shape[1] * model.hop_size
    folds = None
    if fold_seconds is not None:
        folds = Folds(total, round(fold_seconds * model.sample_rate), round(overlap_seconds * model.sample_rate))
    starts = [0] if folds is None else folds.starts
    length = total if folds is None else folds.length
    rows = len(mel) * len(starts)
    draw = drawer(model.output, rows, seed)
    loop = model.loop(rows, float(temperature), **options)
    values = run(model, mel, starts, length, draw, loop)
    sound = model.output.sound(torch.from_numpy(values))
    if folds is not None:
        sound = torch.stack([unfold(pieces, folds, seam) for pieces in sound.split(len(starts))])
    return sound.to(mel.device)


@torch.inference_mode()
def run(model: Autoregressive, mel: Tensor, starts: list[int], length: int, draw: Draw, loop: Loop) -> np.ndarray:
    """Network values (batch * starts, length): from every sample of `starts` on, in every mel."""
    rows = len(mel) * len(starts)
    which = torch.arange(len(mel), device=mel.device)
    which = which.repeat_interleave(len(starts))
    first = torch.tensor(starts, device=mel.device)
    first = first.repeat(len(mel))
    numbers = model.numbers_per_sample * rows
    stretch = max(1, MEMORY // numbers)
    values = np.empty((rows, length), np.float32)
    for begin in range(0, length, stretch):
        end = min(begin + stretch, length)
        count = end - begin
        conditions = condition(model, mel, which, first + begin, count)
        draws = draw(count)
        values[:, begin:end] = loop(conditions, draws)
    return values


def condition(
    model: Autoregressive, mel: Tensor, which: Tensor, first: Tensor, count: int, frames: Tensor | None = None
) -> Tensor:
    """The conditions of `count` samples from the samples `first` (rows,) of the mels `which` (rows,) on.

    (rows, count, channels); the same whatever stretch a sample is asked in. `frames` (batch,) are the real ones of `mel`.
    """
    hop = model.hop_size
    if frames is None:
        frames = torch.full((len(mel),), mel.shape[1], device=mel.device)
    start = torch.div(first, hop, rounding_mode="floor")
    offset = first - start * hop
    last = int(offset.max()) + count
    n_frames = math.ceil(last / hop) + 2 * model.reach
    begin = start - model.reach
    context = frames_around(mel, frames, which, begin, n_frames, model.padding)
    full = model.expand(context)
    if not offset.any():
        return full[:, :count]
    places = offset[:, None] + torch.arange(count, device=mel.device)
    index = places[..., None].expand(-1, -1, full.shape[2])
    return full.gather(1, index)


def condition_from_start(model: Autoregressive, mel: Tensor, count: int, frames: Tensor) -> Tensor:
    """The conditions (batch, count, channels) of the first `count` samples of every mel; `frames` as in `condition`."""
    which = torch.arange(len(mel), device=mel.device)
    first = torch.zeros_like(which)
    return condition(model, mel, which, first, count, frames)


def drawer(output: Output, rows: int, seed: int) -> Draw:
    """Draws (samples, rows, draws) for the next so many samples: uniform in (0, 1), the last of a Gaussian standard normal.

    The numbers depend on `seed` alone, not on how many samples are asked for at a time.
    """
    series = Series(seed)

    def draw(samples: int) -> np.ndarray:
        uniform = series.uniform(samples, rows, output.draws)
        draws = uniform * np.float32(1 - 2 * SAFE) + np.float32(SAFE)
        if output.kind == "gaussian":
            draws[..., -1] = series.normal(samples, rows)
        return draws

    return draw


def contiguous(*weights: Tensor) -> tuple[np.ndarray, ...]:
    """Weights as contiguous float32, which the compiled loops want."""
    return tuple(np.ascontiguousarray(w.detach().float().cpu().numpy()) for w in weights)
