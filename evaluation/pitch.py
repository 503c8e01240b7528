"""Metrics on F0: Praat's autocorrelation track, compared frame by frame in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from evaluation.metric import Frames, Ratio, metric
from evaluation.periodicity import CREPE
from processors.f0 import praat_f0
from utils.audio import Audio

HOP_SIZE = 256
FMIN = 50.0
FMAX = 1100.0
VOICING_THRESHOLD = 0.6
FEWEST_FRAMES = 2
TOLERANCE_CENTS = 50
GROSS = 0.2


def f0_track(audio: Audio) -> Frames:
    """F0 in Hz, 0 where there is no voice, one value every 256 samples, as Praat gives it."""
    f0 = praat_f0(audio.samples, audio.rate, HOP_SIZE, FMIN, FMAX, VOICING_THRESHOLD)
    step = HOP_SIZE / audio.rate
    start = (audio.seconds - (len(f0) - 1) * step) / 2
    return Frames(f0, start, step)


def f0_settings(rate: int) -> dict[str, Any]:
    """What the track is computed with."""
    return {"hop_size": HOP_SIZE, "fmin": FMIN, "fmax": FMAX, "voicing_threshold": VOICING_THRESHOLD}


PRAAT = {"of": f0_track, "packages": ("praat-parselmouth",), "settings": f0_settings}


def both_voiced(ref: np.ndarray, deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F0 of the frames that are voiced on both sides. Raises ValueError when there are fewer than two."""
    together = (ref > 0) & (deg > 0)
    count = together.sum()
    if count >= FEWEST_FRAMES:
        return ref[together], deg[together]
    sides = {"the reference": ref, "the generated file": deg}
    mute = [side for side, track in sides.items() if not (track > 0).any()]
    if mute:
        raise ValueError(f"no voice in {' and '.join(mute)}.")
    raise ValueError(f"only {count} frames are voiced on both sides.")


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
    """Root mean square difference of F0 in cents over frames voiced on both sides; no mean is taken away.

    0 up, lower is better; at the reference's rate. Upstream's definition differs.
    """
    ref, deg = both_voiced(ref, deg)
    return rmse(cents(ref), cents(deg))


@metric("f0rmse_hz", unit="Hz", higher_is_better=False, **PRAAT)
def f0rmse_hz(ref: np.ndarray, deg: np.ndarray) -> float:
    """Root mean square difference of F0 in Hz over frames voiced on both sides. 0 up, lower is better; at the reference's rate."""
    return rmse(*both_voiced(ref, deg))


@metric("f0rmse_centred", unit="cents", higher_is_better=False, **PRAAT)
def f0rmse_centred(ref: np.ndarray, deg: np.ndarray) -> float:
    """As f0rmse, with each side's median over these frames taken away: the shape of the melody, in whatever key.

    0 up, lower is better; at the reference's rate.
    """
    ref, deg = map(cents, both_voiced(ref, deg))
    return rmse(ref - np.median(ref), deg - np.median(deg))


@metric("fpc", higher_is_better=True, **PRAAT)
def fpc(ref: np.ndarray, deg: np.ndarray) -> float:
    """F0 Pearson correlation, of F0 in Hz over frames voiced on both sides.

    -1 to 1, higher is better; at the reference's rate. Upstream's definition differs.
    """
    return pearson(*both_voiced(ref, deg))


@metric("fpc_log", higher_is_better=True, **PRAAT)
def fpc_log(ref: np.ndarray, deg: np.ndarray) -> float:
    """F0 Pearson correlation of F0 in cents over frames voiced on both sides. -1 to 1, higher is better; at the reference's rate."""
    ref, deg = both_voiced(ref, deg)
    return pearson(cents(ref), cents(deg))


@metric("f0_gross_error", higher_is_better=False, **PRAAT)
def f0_gross_error(ref: np.ndarray, deg: np.ndarray) -> float:
    """Gross pitch error: the share of frames voiced on both sides whose F0 is difference by more than 20 %.

    0 to 1, lower is better; at the reference's rate (Rabiner et al. 1976).
    """
    ref, deg = both_voiced(ref, deg)
    return float(np.mean(np.abs(deg / ref - 1) > GROSS))


@metric("v_uv_f1", higher_is_better=True, **PRAAT)
def v_uv_f1(ref: np.ndarray, deg: np.ndarray) -> Ratio:
    """F1 of the generated file's voicing decisions, 2 tp / (2 tp + fp + fn), pooled over all frames of all files.

    0 to 1, higher is better; at the reference's rate. Upstream's definition differs where frames are aligned by dtw.
    """
    return voicing_f1(ref, deg)


def voicing_f1(ref: np.ndarray, deg: np.ndarray) -> Ratio:
    """What voicing F1 is pooled from. Raises ValueError when neither side has a voice."""
    voiced_ref = ref > 0
    voiced_deg = deg > 0
    tp = float((voiced_ref & voiced_deg).sum())
    fp = float(((ref == 0) & voiced_deg).sum())
    fn = float((voiced_ref & (deg == 0)).sum())
    voiced = tp + fp + fn
    if not voiced:
        raise ValueError("no voice in the reference and the generated file.")
    counts = {"tp": tp, "fp": fp, "fn": fn, "tn": len(ref) - voiced}
    return Ratio(2 * tp, 2 * tp + fp + fn, counts)


@metric("v_uv_error", higher_is_better=False, **PRAAT)
def v_uv_error(ref: np.ndarray, deg: np.ndarray) -> float:
    """The share of frames whose voicing decisions differ. 0 to 1, lower is better; at the reference's rate."""
    counted = voicing_f1(ref, deg).parts
    return (counted["fp"] + counted["fn"]) / len(ref)


@metric("f0_rpa", higher_is_better=True, **PRAAT)
def raw_pitch_accuracy(ref: np.ndarray, deg: np.ndarray) -> float:
    """Raw pitch accuracy: the share of the reference's voiced frames whose F0 is met within 50 cents.

    0 to 1, higher is better; at the reference's rate (Salamon et al. 2014).
    """
    return _accuracy(ref, deg, octave=False)


@metric("f0_rca", higher_is_better=True, **PRAAT)
def raw_chroma_accuracy(ref: np.ndarray, deg: np.ndarray) -> float:
    """Raw chroma accuracy: raw pitch accuracy that forgives errors of whole octaves. 0 to 1, higher is better; at the reference's rate."""
    return _accuracy(ref, deg, octave=True)


@metric("f0_oa", higher_is_better=True, **PRAAT)
def overall_accuracy(ref: np.ndarray, deg: np.ndarray) -> float:
    """Overall accuracy of the melody: the share of frames rightly unvoiced, or voiced and within 50 cents.

    0 to 1, higher is better; at the reference's rate (Salamon et al. 2014).
    """
    unvoiced = (ref == 0) & (deg == 0)
    right = _met(ref, deg, octave=False) | unvoiced
    return float(np.mean(right))


def _accuracy(ref: np.ndarray, deg: np.ndarray, *, octave: bool) -> float:
    if not (ref > 0).any():
        raise ValueError("no voice in the reference.")
    return float(_met(ref, deg, octave=octave).sum() / (ref > 0).sum())


def _met(ref: np.ndarray, deg: np.ndarray, *, octave: bool) -> np.ndarray:
    together = (ref > 0) & (deg > 0)
    ref_cents = cents(np.where(together, ref, 1.0))
    deg_cents = cents(np.where(together, deg, 1.0))
    difference = deg_cents - ref_cents
    if octave:
        difference -= 1200 * np.floor(difference / 1200 + 0.5)
    return together & (np.abs(difference) < TOLERANCE_CENTS)


@metric("f0_periodicity_rmse", higher_is_better=False, **CREPE)
def f0_periodicity_rmse(ref: np.ndarray, deg: np.ndarray) -> float:
    """Root mean square difference of periodicity as CREPE hears it (Morrison et al. 2022, https://arxiv.org/abs/2110.10139).

    0 to 1, lower is better; at the reference's rate. Upstream's definition differs where frames are aligned by dtw.
    """
    return rmse(ref, deg)
