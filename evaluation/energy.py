"""Metrics on loudness over time: the L2 norm of each frame's magnitude spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np

from evaluation.metric import Frames, metric
from evaluation.pitch import pearson, rmse
from evaluation.stft import magnitude_blocks
from utils.audio import Audio

N_FFT = 1024
HOP_SIZE = 256
# Digital zero has no level. 16-bit rounding noise alone lies near -48 dB on this scale, so that
# the floor touches nothing that was recorded.
FLOOR_DB = -80.0


def frame_energy(audio: Audio) -> Frames:
    """The L2 norm of the magnitude spectrum of each frame (Hann, centred, zeros beyond the ends), (frames,)."""
    padded = np.pad(audio.samples.astype(np.float64), N_FFT // 2)
    blocks = magnitude_blocks(padded, n_fft=N_FFT, hop_size=HOP_SIZE, win_size=N_FFT)
    return Frames(np.concatenate([np.linalg.norm(block, axis=1) for block in blocks]), 0.0, HOP_SIZE / audio.rate)


def decibels(energy: np.ndarray) -> np.ndarray:
    """Energy in dB, nothing lower than FLOOR_DB."""
    return 20 * np.log10(np.maximum(energy, 10 ** (FLOOR_DB / 20)))


def energy_settings(rate: int) -> dict[str, Any]:
    """What the frames are computed with."""
    return {"n_fft": N_FFT, "hop_size": HOP_SIZE, "floor_db": FLOOR_DB}


STFT = {"of": frame_energy, "settings": energy_settings}


@metric("energy_rmse", unit="dB", higher_is_better=False, **STFT)
def energy_rmse(ref: np.ndarray, deg: np.ndarray) -> float:
    """Root mean square difference of frame energy in dB, with a floor at -80 dB.

    0 up, lower is better; at the reference's rate. Upstream's definition differs: it has no floor.
    """
    return rmse(decibels(ref), decibels(deg))


@metric("energy_rmse_linear", higher_is_better=False, **STFT)
def energy_rmse_linear(ref: np.ndarray, deg: np.ndarray) -> float:
    """Root mean square difference of frame energy as it is, which grows with the level. 0 up, lower is better; at the reference's rate."""
    return rmse(ref, deg)


@metric("energy_pc", higher_is_better=True, **STFT)
def energy_pc(ref: np.ndarray, deg: np.ndarray) -> float:
    """Pearson correlation of frame energy in dB, with a floor at -80 dB.

    -1 to 1, higher is better; at the reference's rate. Upstream's definition differs: it has no floor.
    """
    return pearson(decibels(ref), decibels(deg))


@metric("energy_pc_linear", higher_is_better=True, **STFT)
def energy_pc_linear(ref: np.ndarray, deg: np.ndarray) -> float:
    """Pearson correlation of frame energy as it is. -1 to 1, higher is better; at the reference's rate."""
    return pearson(ref, deg)
