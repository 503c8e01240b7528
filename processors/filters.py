"""The triangular filters of mels, and where their bands lie."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from processors.mel import MelSettings


def filter_bank(
    *, sample_rate: int, n_fft: int, n_mel: int, fmin: float, fmax: float | None, mel_scale: str = "slaney", norm: str = "slaney"
) -> Tensor:
    """Triangular mel filters (n_fft // 2 + 1, n_mel), those of `librosa.filters.mel`, whose import takes a second.

    `norm` "slaney" gives each filter an area of one. Raises ValueError when the band does not lie under half the rate.
    """
    top = sample_rate / 2 if fmax is None else fmax
    if not 0 <= fmin < top <= sample_rate / 2:
        raise ValueError(f"mel: 0 <= fmin < fmax <= sample_rate / 2 is needed, got {fmin}, {fmax}, {sample_rate} / 2.")
    to_mel, to_hertz = MEL_SCALES[mel_scale]
    mels = np.linspace(to_mel(fmin), to_mel(top), n_mel + 2)
    edges = to_hertz(mels)  # band i begins, peaks and ends at i, i + 1, i + 2
    bank = _triangles(edges, np.fft.rfftfreq(n_fft, 1 / sample_rate))
    if norm == "slaney":
        heights = 2 / (edges[2:] - edges[:-2])
        bank *= heights[:, None]
    return torch.from_numpy(bank.T.copy())


def _triangles(edges: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Bands (n_mel, frequencies) that rise to 1 and fall between their edges (n_mel + 2,)."""
    widths = np.diff(edges)[:, None]
    distances = edges[:, None] - frequencies
    first, last = distances[:-2], distances[2:]
    rising = -first / widths[:-1]
    falling = last / widths[1:]
    lower = np.minimum(rising, falling)
    positive = lower.clip(min=0)
    return positive.astype(np.float32)


LINEAR_STEP = 200 / 3  # Hz a mel of Slaney's scale, up to BREAK; above it equal ratios
BREAK = 1000.0  # Hz
LOG_STEP = math.log(6.4) / 27


def _slaney(hertz: float) -> float:
    return hertz / LINEAR_STEP if hertz < BREAK else BREAK / LINEAR_STEP + math.log(hertz / BREAK) / LOG_STEP


def _slaney_hertz(mels: np.ndarray) -> np.ndarray:
    bend = BREAK / LINEAR_STEP
    return np.where(mels < bend, LINEAR_STEP * mels, BREAK * np.exp(LOG_STEP * (mels - bend)))


def _htk(hertz: float) -> float:
    return 2595.0 * math.log10(1 + hertz / 700)


def _htk_hertz(mels: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mels / 2595) - 1)


MEL_SCALES = {"slaney": (_slaney, _slaney_hertz), "htk": (_htk, _htk_hertz)}  # from Hz, and back


def band_centres(settings: MelSettings) -> np.ndarray:
    """Where the bands of a mel lie, (n_mel,) in Hz: the mean of the frequencies that each weighs."""
    sizes = {name: getattr(settings, name) for name in ("sample_rate", "n_fft", "n_mel", "fmin", "fmax")}
    bank = filter_bank(**sizes, mel_scale=settings.convention.mel_scale).numpy()
    frequencies = np.linspace(0, settings.sample_rate / 2, len(bank))
    weights = bank.sum(0)
    weighed = frequencies @ bank
    filled = np.flatnonzero(weights)  # a band narrower than a bin may weigh none
    centres = weighed[filled] / weights[filled]
    every = np.arange(settings.n_mel)
    return np.interp(every, filled, centres)
