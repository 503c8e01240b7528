"""Sound that is changed on purpose, by the name of the change: "pitch -3.25", "formant 1.12", "tempo 0.9", "equaliser 12 4711".

A name says all: the same sound and the same name give the same samples. Pitch, formants and tempo are Praat's (overlap-add, which keeps
the shape of what it does not change); the equaliser is a chain of biquads whose bands are drawn by its seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from utils.audio import Audio

EDITION = 1  # raised when a name gives other samples than before
KINDS = {
    "pitch": "semitones up, the formants stay",
    "formant": "factor of all formants, the pitch stays",
    "tempo": "factor of the speed, pitch and formants stay",
    "equaliser": "most dB up or down in a band, and the seed of the bands",
}
SAME_VOICE = ("tempo",)  # after these it is still the same voice
PITCH = (60.0, 1100.0)  # Hz, where voices are looked for: basses to sopranos
SHORTEST = 3.1 / PITCH[0]  # seconds of sound that pitches and formants are found in: three periods of the lowest
SEED = 1  # of what Praat draws
BANDS = 10  # of the equaliser: a shelf at each end, peaks between
HIGHEST = 12_000.0  # Hz of a band; and below that share of half the rate:
BELOW_NYQUIST = 0.95
QUALITY = (2.0, 5.0)  # of a band: its frequency over its width
LOUDEST = 0.99  # what would go beyond full scale is made softer, to here


def apply(audio: Audio, change: str) -> Audio:
    """The sound, changed. Raises ValueError for a name of no change, and where a pitch is to be changed and there is none."""
    kind, *values = change.split()
    if kind not in KINDS:
        raise ValueError(f"no change {change!r}: there are {', '.join(KINDS)}.")
    numbers = [float(value) for value in values]
    changed = MAKERS[kind](audio, *numbers)
    peak = float(np.abs(changed).max(initial=0.0))
    softer = min(1.0, LOUDEST / max(peak, LOUDEST))
    return Audio(softer * changed, audio.rate)


def _praat(audio: Audio, command: str, *values: float) -> Any:
    """What a command of Praat makes of the sound."""
    from parselmouth import PraatError, Sound
    from parselmouth.praat import call, run

    sound = Sound(audio.samples.astype(np.float64), audio.rate)
    run(f"random_initializeWithSeedUnsafelyButPredictably ({SEED})")  # it draws periods where there is no voice
    try:
        return call(sound, command, *values)
    except PraatError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"Praat's {command!r} fails on {audio.seconds:.2f} s of sound: {reason}") from error
    finally:
        run("random_initializeSafelyAndUnpredictably ()")


def _pitch(audio: Audio, semitones: float) -> np.ndarray:
    from parselmouth.praat import call

    heard = _praat(audio, "To Pitch", 0.0, *PITCH)
    median = call(heard, "Get quantile", 0, 0, 0.5, "Hertz")
    if not np.isfinite(median):
        raise ValueError("its pitch cannot be changed: no voice is found in it.")
    wanted = median * 2 ** (semitones / 12)
    return _of_length(_praat(audio, "Change gender", *PITCH, 1.0, wanted, 1.0, 1.0), audio)


def _formant(audio: Audio, factor: float) -> np.ndarray:
    return _of_length(_praat(audio, "Change gender", *PITCH, factor, 0.0, 1.0, 1.0), audio)


def _tempo(audio: Audio, factor: float) -> np.ndarray:
    return _praat(audio, "Lengthen (overlap-add)", *PITCH, 1 / factor).values[0]


def _of_length(sound: Any, audio: Audio) -> np.ndarray:
    """Praat's samples, as many as those of `audio`: it may give a few more or fewer."""
    wanted = len(audio.samples)
    samples = sound.values[0][:wanted]
    return np.pad(samples, (0, wanted - len(samples)))


def _equaliser(audio: Audio, most: float, seed: float) -> np.ndarray:
    from scipy.signal import sosfilt

    rng = np.random.default_rng(int(seed))
    highest = min(HIGHEST, BELOW_NYQUIST * audio.rate / 2)
    frequencies = np.sort(rng.uniform(1, highest, BANDS))
    log_qualities = rng.uniform(*np.log(QUALITY), BANDS)
    qualities = np.exp(log_qualities)
    gains = rng.uniform(-most, most, BANDS)
    shapes = ["low", *["peak"] * (BANDS - 2), "high"]
    bands = zip(shapes, frequencies, qualities, gains, strict=True)
    sections = [biquad(*band, audio.rate) for band in bands]
    return sosfilt(sections, audio.samples)


def biquad(shape: str, frequency: float, quality: float, gain: float, rate: int) -> np.ndarray:
    """A second-order section (6,) that raises by `gain` dB: a "peak" at `frequency` Hz, or all that is below ("low") or above ("high").

    A prototype at 1 radian a second, brought to its frequency and into samples at once.
    """
    from scipy.signal import bilinear

    root = 10 ** (gain / 40)  # the square root of the gain as a factor
    width = np.sqrt(root) / quality
    prototypes = {
        "peak": ([1, root / quality, 1], [1, 1 / (root * quality), 1]),
        "low": ([root, root * width, root**2], [root, width, 1]),
        "high": ([root**2, root * width, root], [1, width, root]),
    }
    numerator, denominator = prototypes[shape]
    warped = 1 / (2 * np.tan(np.pi * frequency / rate))
    above, below = bilinear(numerator, denominator, warped)
    return np.concatenate([above, below])


MAKERS = {"pitch": _pitch, "formant": _formant, "tempo": _tempo, "equaliser": _equaliser}
