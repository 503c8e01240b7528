"""Mel-cepstral distortion, and the mel-cepstra that it is measured on and that frames are aligned by."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metric import Frames, metric
from utils.audio import Audio

if TYPE_CHECKING:
    from evaluation.pair import Pair

FRAME_SECONDS = 0.005
ORDER = 24
POWER_FLOOR = 1e-8  # added to the envelope's power, so that an empty band is -80 dB and not minus infinity
WORLD_F0_FLOOR = 71.0  # Hz; WORLD's own default, and what its FFT size follows from
SHORTEST_SECONDS = 8 / WORLD_F0_FLOOR  # WORLD reads beyond sounds shorter than a few periods
BLOCK = 4096  # frames in memory at once
PIECE_SECONDS = 240  # longer sounds are taken in pieces,
MARGIN_SECONDS = 1  # which WORLD sees with so much around them


def mel_cepstra(audio: Audio) -> Frames:
    """c1..c24 of WORLD's envelope every 5 ms, (frames, 24): the log amplitude's cepstrum on a warped frequency axis."""
    if audio.seconds < SHORTEST_SECONDS:
        raise ValueError(f"{audio.seconds:.3f} s of sound is too short for WORLD: it takes {SHORTEST_SECONDS:.3f} s.")
    rows = []
    for begin, end, kept in _pieces(len(audio.samples), audio.rate):
        cepstra = _cepstra(audio.samples[begin:end], audio.rate)
        rows.append(cepstra[kept])
    return Frames(np.concatenate(rows), 0.0, FRAME_SECONDS)


def _pieces(samples: int, rate: int) -> Iterator[tuple[int, int, slice]]:
    """(begin, end, which of its frames to keep) of pieces with a margin around them: WORLD's memory grows with what it is given."""
    per_second = round(1 / FRAME_SECONDS)
    seconds = max(1, -(-samples // rate))
    for second in range(0, seconds, PIECE_SECONDS):
        before = min(second, MARGIN_SECONDS)
        begin = (second - before) * rate
        first = before * per_second
        next_second = second + PIECE_SECONDS
        if next_second * rate >= samples:
            yield begin, samples, slice(first, None)
        else:
            end = (next_second + MARGIN_SECONDS) * rate
            yield begin, end, slice(first, first + PIECE_SECONDS * per_second)


def _cepstra(samples: np.ndarray, rate: int) -> np.ndarray:
    import pyworld

    samples = samples.astype(np.float64)
    f0, times = pyworld.dio(samples, rate, f0_floor=WORLD_F0_FLOOR, frame_period=1000 * FRAME_SECONDS)
    f0 = pyworld.stonemask(samples, f0, times, rate)
    alpha = mel_alpha(rate)
    blocks = []
    for begin in range(0, len(f0), BLOCK):
        block = slice(begin, begin + BLOCK)
        power = pyworld.cheaptrick(samples, f0[block], times[block], rate, f0_floor=WORLD_F0_FLOOR)
        cepstra = mel_cepstrum(np.log(power + POWER_FLOOR), ORDER, alpha)
        blocks.append(cepstra[:, 1:])
    return np.concatenate(blocks)


def mel_cepstrum(log_power: np.ndarray, order: int, alpha: float) -> np.ndarray:
    """c0..c`order` of the log amplitude on the warped axis, (frames, order + 1), from log power spectra (frames, bins)."""
    cepstrum = np.fft.irfft(log_power)[:, : log_power.shape[1]]
    # Folding both halves of the log power's cepstrum onto one gives that of the log amplitude, but for its two ends.
    cepstrum[:, [0, -1]] /= 2
    return cepstrum @ _warping(log_power.shape[1], order, alpha)


@functools.cache
def _warping(n: int, order: int, alpha: float) -> np.ndarray:
    # (n, order + 1): row k is the k-th power of the all-pass (z^-1 - alpha) / (1 - alpha z^-1), inverse direction, as a series.
    size = order + 1
    step = np.zeros((size, size))
    step[0, 0] = alpha
    step[1, 0] = 1 - alpha**2
    step[1, 1] = alpha
    for m in range(2, size):
        step[m] = -alpha * step[m - 1]
        step[m, m - 1] += 1
        step[m, m] += alpha
    rows = [np.eye(size)[0]]
    while len(rows) < n:
        rows.append(step @ rows[-1])
    return np.stack(rows)


@functools.cache
def mel_alpha(rate: int) -> float:
    """The all-pass constant that bends the frequency axis nearest to mel: 0.41 at 16 kHz, 0.466 at 24 kHz, 0.544 at 44.1 kHz."""
    omega = np.linspace(0, np.pi, 1000, endpoint=False)
    kilohertz = omega / np.pi * rate / 2 / 1000
    mel = np.log1p(kilohertz)
    mel_share = mel / mel[-1]
    alphas = np.arange(0, 1, 0.001)[:, None]
    sine = alphas * np.sin(omega)
    cosine = 1 - alphas * np.cos(omega)
    bend = np.arctan2(sine, cosine)
    warped = omega + 2 * bend
    warped_share = warped / warped[:, -1:]
    errors = ((warped_share - mel_share) ** 2).mean(axis=1)
    best = alphas[errors.argmin(), 0]
    return round(float(best), 3)


def mel_cepstrum_settings(rate: int) -> dict[str, Any]:
    """What the mel-cepstra are computed with."""
    import pyworld

    fft_size = pyworld.get_cheaptrick_fft_size(rate, WORLD_F0_FLOOR)
    return {"order": ORDER, "alpha": mel_alpha(rate), "fft_size": fft_size, "frame_seconds": FRAME_SECONDS, "floor": POWER_FLOOR}


WORLD = {"unit": "dB", "higher_is_better": False, "packages": ("pyworld",), "settings": mel_cepstrum_settings}


@metric("mcd", of=mel_cepstra, **WORLD)
def mcd(ref: np.ndarray, deg: np.ndarray) -> float:
    """Mel-cepstral distortion (Kubichek 1993): 10 sqrt(2) / ln 10 times the Euclidean distance of c1..c24, mean over frames.

    0 up, lower is better; at the reference's rate (WORLD's envelope, 5 ms). Bring both sides to one level first: c0 is left out,
    but the floor of the envelope stands still when the level moves. Upstream's definition differs.
    """
    return _distortion(ref, deg)


@metric("mcd_dtw", kind="pair", of=mel_cepstra, in_time=True, **WORLD)
def mcd_dtw(pair: Pair, rate: int) -> float:
    """Mel-cepstral distortion along the dynamic time warping of the mel-cepstra, within 4 s of the straight line.

    0 up, lower is better; at the reference's rate. Otherwise as mcd.
    """
    return _distortion(*pair.frames(mel_cepstra, rate, "dtw"))


def _distortion(ref: np.ndarray, deg: np.ndarray) -> float:
    distances = np.linalg.norm(ref - deg, axis=1)
    return float(10 * np.sqrt(2) / np.log(10) * distances.mean())
