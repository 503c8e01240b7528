"""Metrics on F0: Praat's autocorrelation track, compared on the frames where both sides have a voice."""

from __future__ import annotations

from typing import Any

import numpy as np

from evaluation.base import Frames, metric
from processors.f0 import praat_f0
from utils.audio import Audio

HOP_SIZE, FMIN, FMAX, VOICING_THRESHOLD = 256, 50.0, 1100.0, 0.6
FEWEST_FRAMES = 2


def f0_track(audio: Audio) -> Frames:
    """F0 in Hz, 0 where there is no voice, one value every 256 samples, as Praat gives it."""
    f0 = praat_f0(audio.samples, audio.rate, HOP_SIZE, FMIN, FMAX, VOICING_THRESHOLD)
    step = HOP_SIZE / audio.rate
    return Frames(f0, (audio.seconds - (len(f0) - 1) * step) / 2, step)


def f0_settings(rate: int) -> dict[str, Any]:
    """What the track is computed with."""
    return {"hop_size": HOP_SIZE, "fmin": FMIN, "fmax": FMAX, "voicing_threshold": VOICING_THRESHOLD}


PRAAT = {"of": f0_track, "packages": ("praat-parselmouth",), "settings": f0_settings}


def both_voiced(ref: np.ndarray, deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F0 of the frames that are voiced on both sides. Raises ValueError when there are fewer than two."""
    together = (ref > 0) & (deg > 0)
    if together.sum() < FEWEST_FRAMES:
        sides = {"the reference": (ref > 0).any(), "the generated file": (deg > 0).any()}
        mute = " and ".join(side for side, voiced in sides.items() if not voiced)
        raise ValueError(f"no voice in {mute}." if mute else f"only {together.sum()} frames are voiced on both sides.")
    return ref[together], deg[together]


def cents(hertz: np.ndarray) -> np.ndarray:
    """Hundredths of a semitone above 1 Hz."""
    return 1200 * np.log2(hertz)


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation. Raises ValueError when a side does not move."""
    if not (a.std() and b.std()):
        raise ValueError("one side is constant, so that no correlation is defined.")
    return float(np.corrcoef(a, b)[0, 1])


def rmse(a: np.ndarray, b: np.ndarray) -> float:
    """The root of the mean squared difference."""
    return float(np.sqrt(np.mean((a - b) ** 2)))


@metric("f0rmse", unit="cents", higher_is_better=False, **PRAAT)
def f0rmse(ref: np.ndarray, deg: np.ndarray) -> float:
    """Root mean square difference of F0 in cents over frames voiced on both sides; no mean is taken away."""
    ref, deg = both_voiced(ref, deg)
    return rmse(cents(ref), cents(deg))


@metric("f0rmse_hz", unit="Hz", higher_is_better=False, **PRAAT)
def f0rmse_hz(ref: np.ndarray, deg: np.ndarray) -> float:
    """Root mean square difference of F0 in Hz over frames voiced on both sides."""
    return rmse(*both_voiced(ref, deg))


@metric("fpc", higher_is_better=True, **PRAAT)
def fpc(ref: np.ndarray, deg: np.ndarray) -> float:
    """Pearson correlation of F0 in Hz over frames voiced on both sides."""
    return pearson(*both_voiced(ref, deg))


@metric("fpc_log", higher_is_better=True, **PRAAT)
def fpc_log(ref: np.ndarray, deg: np.ndarray) -> float:
    """Pearson correlation of F0 in cents over frames voiced on both sides."""
    ref, deg = both_voiced(ref, deg)
    return pearson(cents(ref), cents(deg))
