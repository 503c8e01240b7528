"""How loud a sound is to the ear, in LUFS (ITU-R BS.1770-4, by pyloudnorm), and sounds brought to a loudness."""

from __future__ import annotations

import math

import numpy as np

from utils.audio import Audio
from utils.log import log

BLOCK = 0.4  # seconds, of which loudness is measured at least
PEAK = 0.99  # of full scale, which no sound is brought beyond
TOLERANCE = 0.1  # LU, too little to be told
LEAST = -60.0  # LUFS: less is not heard
MOST = -6.0  # LUFS: more is louder than any programme, and clips
USUAL = "-23 for broadcasts, -18 for audio books, -16 for podcasts, -14 for music services"


def check_loudness(value: float | None) -> None:
    """Raises ValueError for a loudness that no speech has; None is none asked for."""
    if value is not None and not LEAST <= value <= MOST:
        raise ValueError(f"loudness: {LEAST:g} to {MOST:g} LUFS, such as {USUAL}; got {value:g}.")


def loudness(audio: Audio) -> float:
    """The integrated loudness in LUFS, pauses left out as the standard has it; -inf for silence. A shorter sound than a block is repeated."""
    import pyloudnorm

    shortest = math.ceil(BLOCK * audio.rate)
    samples = audio.samples.astype(np.float64)
    if not len(samples):
        return -math.inf
    if len(samples) < shortest:
        samples = np.resize(samples, shortest)
    meter = pyloudnorm.Meter(audio.rate)
    with np.errstate(divide="ignore", invalid="ignore"):  # of what is silent it takes the logarithm of 0, and the mean of nothing
        level = float(meter.integrated_loudness(samples))
    return level if math.isfinite(level) else -math.inf


def gain_to(level: float, wanted: float, peak: float) -> float:
    """The factor that brings a sound of a loudness and a peak to `wanted` LUFS, or as near as its peak lets it; 1 for silence."""
    if not math.isfinite(level) or not peak:
        return 1.0
    gain = 10 ** ((wanted - level) / 20)
    return min(gain, PEAK / peak)


def at_loudness(audio: Audio, wanted: float) -> Audio:
    """The sound as a whole brought to `wanted` LUFS. Where its peaks would go beyond full scale it stays quieter, which is said."""
    level = loudness(audio)
    gain = gain_to(level, wanted, audio.peak)
    reached = level + 20 * math.log10(gain)
    if -math.inf < reached < wanted - TOLERANCE:
        log.warning(f"loudness: {reached:.1f} LUFS and not {wanted:g}, as its peaks would be beyond full scale.")
    return audio.scaled(gain)
