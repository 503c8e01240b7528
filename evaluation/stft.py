"""Multi-resolution STFT distance, and the magnitude spectra that it and frame energy are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metric import metric
from utils.audio import Audio

if TYPE_CHECKING:
    from evaluation.pair import Pair

RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))  # FFT size, hop, window of Parallel WaveGAN
MAGNITUDE_FLOOR = 1e-7**0.5
BLOCK_FRAMES = 256  # in memory at once; a block that fits the cache is also faster


def magnitude_blocks(
    padded: np.ndarray, *, n_fft: int, hop_size: int, win_size: int, window: str = "hann"
) -> Iterator[np.ndarray]:
    """Magnitude spectra under a window ("hann", or "boxcar" for none) centred in `n_fft`, (frames, bins), a block at a time."""
    weights = _window(window, n_fft, win_size).astype(padded.dtype)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_fft)
    frames = windows[::hop_size]
    for begin in range(0, len(frames), BLOCK_FRAMES):
        block = frames[begin : begin + BLOCK_FRAMES]
        yield np.abs(np.fft.rfft(block * weights))


def _window(name: str, n_fft: int, win_size: int) -> np.ndarray:
    # (n_fft,) with zeros at both ends
    left = (n_fft - win_size) // 2
    right = n_fft - win_size - left
    if name != "hann":
        return np.pad(np.ones(win_size), (left, right))
    angles = 2 * np.pi * np.arange(win_size) / win_size
    hann = 0.5 - 0.5 * np.cos(angles)
    return np.pad(hann, (left, right))


def stft_distance(ref: Audio, deg: Audio, window: str = "hann", floor: float = MAGNITUDE_FLOOR) -> tuple[float, float]:
    """Spectral convergence and log-magnitude distance, each the mean over RESOLUTIONS. Raises ValueError for 1024 samples or fewer."""
    terms = []
    for n_fft, hop_size, win_size in RESOLUTIONS:
        distances = _distance_at(ref.samples, deg.samples, n_fft, hop_size, win_size, window, floor)
        terms.append(distances)
    convergence, log_magnitude = np.mean(terms, axis=0)
    return float(convergence), float(log_magnitude)


def _distance_at(
    ref: np.ndarray, deg: np.ndarray, n_fft: int, hop_size: int, win_size: int, window: str, floor: float
) -> tuple[float, float]:
    if len(ref) <= n_fft // 2:
        raise ValueError(f"{len(ref)} samples are too few for an STFT of {n_fft}.")
    sides = []
    for samples in (ref, deg):
        padded = np.pad(samples.astype(np.float64), n_fft // 2, mode="reflect")
        blocks = magnitude_blocks(padded, n_fft=n_fft, hop_size=hop_size, win_size=win_size, window=window)
        sides.append(blocks)
    error = 0.0
    power = 0.0
    log_error = 0.0
    count = 0
    for x, y in zip(*sides, strict=True):
        x = np.maximum(x, floor)
        y = np.maximum(y, floor)
        error += ((x - y) ** 2).sum()
        power += (x**2).sum()
        log_error += np.abs(np.log(x / y)).sum()
        count += x.size
    return np.sqrt(error / power), log_error / count


def stft_settings(rate: int) -> dict[str, Any]:
    """What the spectra are computed with."""
    return {"resolutions": [list(r) for r in RESOLUTIONS], "window": "hann", "magnitude_floor": MAGNITUDE_FLOOR}


@metric("mstft", kind="pair", in_time=True, higher_is_better=False, settings=stft_settings)
def mstft(pair: Pair, rate: int) -> float:
    """Multi-resolution STFT distance of Parallel WaveGAN (https://arxiv.org/abs/1910.11480), Hann windows.

    Spectral convergence plus L1 distance of log magnitudes. 0 up, lower is better; at the reference's rate. Upstream's definition
    differs: it has no window.
    """
    return sum(pair.compared(stft_distance, rate))


@metric("mstft_sc", kind="pair", in_time=True, higher_is_better=False, settings=stft_settings)
def mstft_sc(pair: Pair, rate: int) -> float:
    """The spectral convergence of mstft alone. 0 up, lower is better; at the reference's rate."""
    return pair.compared(stft_distance, rate)[0]


@metric("mstft_mag", kind="pair", in_time=True, higher_is_better=False, settings=stft_settings)
def mstft_mag(pair: Pair, rate: int) -> float:
    """The log-magnitude distance of mstft alone. 0 up, lower is better; at the reference's rate."""
    return pair.compared(stft_distance, rate)[1]
