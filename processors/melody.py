"""A melody moved to where another voice sings: by semitones, or from one median F0 to the other. F0 is in Hz, (frames,), 0 = unvoiced.

What stands between voiced frames is `processors.f0.interpolate`.
"""

from __future__ import annotations

import numpy as np

from processors.f0 import voiced

SEMITONES = 12  # of an octave
NEARBY = 101  # voiced frames, a second or so, that a frame is compared with
CLOSE = 0.1  # octaves by which an error may be off a whole one


def shift(f0: np.ndarray, semitones: float) -> np.ndarray:
    """The melody so many semitones higher; what is unvoiced stays so."""
    factor = 2 ** (semitones / SEMITONES)
    return (f0 * factor).astype(f0.dtype)


def median(f0: np.ndarray) -> float:
    """The median of its voiced frames, in Hz, whatever octaves the tracker was mistaken by for less than half a second.

    Raises ValueError where no frame is voiced.
    """
    frequencies = f0[voiced(f0)]
    if not len(frequencies):
        raise ValueError("no frame is voiced, so that there is no melody: give the key shift in semitones, or another recording.")
    return float(np.median(_in_octave(frequencies)))


def semitones_to(f0: np.ndarray, register: float) -> float:
    """By how many semitones a melody moves so that its median becomes `register`, the median of a voice in Hz.

    Raises ValueError where no frame is voiced, or the register is none.
    """
    if not register > 0:
        raise ValueError(f"a voice's register is its median F0, above 0 Hz, got {register}: give the key shift in semitones.")
    return SEMITONES * float(np.log2(register / median(f0)))


def _in_octave(frequencies: np.ndarray) -> np.ndarray:
    """Voiced frames (frames,), each brought to the octave of those around it where it is one or more beside it."""
    from scipy.ndimage import median_filter

    octaves = np.log2(frequencies)
    size = min(NEARBY, len(octaves))
    away = octaves - median_filter(octaves, size, mode="nearest")
    whole = np.rint(away)
    mistaken = np.abs(away - whole) < CLOSE
    return np.where(mistaken, frequencies / 2**whole, frequencies)
