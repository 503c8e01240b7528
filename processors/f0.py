"""F0 in Hz, one value per mel frame, 0 where there is no voice; and what is done with such tracks.

Frame i of a track stands where frame i of the mel does: at (i + 1/2) x hop_size samples, or at i x hop_size, as the mel's
convention has it. The methods count their frames from elsewhere (Praat from the middle of the sound, WORLD from its first sample),
so each is given the sound padded or cut such that its frames fall on ours; taken by index they would be up to four frames off.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from preprocessors.base import Utterance
from processors.clock import Padding, frame_count
from processors.feature import Feature
from utils.audio import Audio, check_highpass
from utils.registry import pick

PRAAT_PERIODS = 3  # Praat's window in periods of the lowest pitch
PRAAT_SILENCE = 0.03  # Praat's own share of the loudest sample under which it hears no voice
FAINTEST = 10 ** (-80 / 20)  # of full scale; what is fainter is no voice in a recording that is louder elsewhere
NEARBY = 0.3  # seconds to each side that a quiet frame is compared with
CLICK = 0.06  # seconds; what is shorter does not make its neighbours quiet
RUMBLE_ORDER = 4  # of the high-pass at fmin: steep enough that a voice just above fmin keeps its fundamental


class F0(Feature):
    """The F0 track, (frames,) float32 Hz, 0 = unvoiced, in the frames of `Mel`: `frame_padding` is the mel's.

    "parselmouth" is Praat's autocorrelation; "dio" and "harvest" are WORLD's, refined by StoneMask; "pyin" is librosa's,
    and "crepe" a network (package torchcrepe). `voicing_threshold` is read by parselmouth (autocorrelation at
    the pitch) and crepe (periodicity); the others decide by themselves. `silence_threshold` is read by parselmouth: a frame
    is silent whose peak is under that share of the peaks within 0.3 s, so that a passage may be as quiet as it likes and the
    noise between its words is none; 0 hears every frame. What is only voiced together with the rumble under `fmin`, or only
    without it, is noise. With `interpolate` unvoiced stretches are bridged. What is below `highpass` Hz is not heard, if that is above 0.
    """

    kept = True

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_size: int,
        method: Literal["parselmouth", "dio", "harvest", "pyin", "crepe"] = "parselmouth",
        fmin: float = 50.0,
        fmax: float = 1100.0,
        voicing_threshold: float = 0.6,
        silence_threshold: float = 0.04,
        interpolate: bool = False,
        highpass: float = 0.0,
        frame_padding: Padding = "same",
    ) -> None:
        if not 0 < fmin < fmax <= sample_rate / 2:
            raise ValueError(f"f0: 0 < fmin < fmax <= sample_rate / 2 is needed, got {fmin}, {fmax}, {sample_rate}.")
        if not 0 <= silence_threshold < 1:
            raise ValueError(f"f0.silence_threshold: a share from 0 to less than 1 is needed, got {silence_threshold}.")
        check_highpass(highpass, "f0.highpass", sample_rate)
        self.hop_size = hop_size
        self.highpass = highpass
        self.interpolate = interpolate
        self.padding = frame_padding
        self.track = pick(METHODS, method, "F0 method")
        self.settings = {"fmin": fmin, "fmax": fmax, "voicing_threshold": voicing_threshold}
        if method == "parselmouth":
            self.settings["silence_threshold"] = silence_threshold

    def problem(self, array: np.ndarray) -> str:
        return super().problem(array) or ("holds negative frequencies" if (array < 0).any() else "")

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        frames = frame_count(len(audio.samples), self.hop_size, self.padding)
        if not audio.samples.any():
            return np.zeros(frames, dtype=np.float32)
        audio = audio.highpassed(self.highpass)
        # A constant offset would weigh more than a quiet voice, and be a step at the ends, where silence is added.
        sound = audio.samples - audio.samples.mean(dtype=np.float64)
        before = self.hop_size // 2 if self.padding == "center" else 0  # brings i hops to i + 1/2
        after = max(0, frames * self.hop_size - before - len(sound))
        sound = np.pad(sound, (before, after))
        f0 = self.track(sound, audio.rate, self.hop_size, **self.settings)
        padding = max(0, frames - len(f0))
        f0 = np.pad(f0[:frames], (0, padding))
        f0 = f0.astype(np.float32)
        if self.interpolate:
            return interpolate(f0)
        return f0


def praat_f0(
    samples: np.ndarray,
    rate: int,
    hop_size: int,
    fmin: float = 50.0,
    fmax: float = 1100.0,
    voicing_threshold: float = 0.6,
    silence_threshold: float = PRAAT_SILENCE,
) -> np.ndarray:
    """Praat's autocorrelation pitch as it comes: (frames,) Hz, its frames centred in the sound, a few fewer than the mel's.

    `silence_threshold` is a share of the loudest sample. Raises ValueError for a sound shorter than three periods of `fmin`.
    """
    import parselmouth

    shortest = PRAAT_PERIODS / fmin
    if len(samples) < shortest * rate:
        raise ValueError(f"{len(samples) / rate:.3f} s of sound is too short for F0 from {fmin} Hz: it takes {shortest:.3f} s.")
    sound = parselmouth.Sound(np.asarray(samples, dtype=np.float64), sampling_frequency=rate)
    pitch = sound.to_pitch_ac(
        time_step=hop_size / rate,
        voicing_threshold=voicing_threshold,
        silence_threshold=silence_threshold,
        pitch_floor=fmin,
        pitch_ceiling=fmax,
    )
    return pitch.selected_array["frequency"]


def _parselmouth(
    samples: np.ndarray,
    rate: int,
    hop_size: int,
    fmin: float,
    fmax: float,
    voicing_threshold: float,
    silence_threshold: float,
) -> np.ndarray:
    from scipy.signal import butter, sosfiltfilt

    frames = len(samples) // hop_size
    # Praat fits as many whole windows as it can, in the middle: here one per mel frame and one more on each side.
    # The quarter hop to spare keeps rounding from taking one away.
    margin = round(PRAAT_PERIODS / fmin * rate / 2 + 3 * hop_size / 4)
    padded = np.zeros(frames * hop_size + 2 * margin)
    inside = samples[: len(padded) - margin]
    padded[margin : margin + len(inside)] = inside
    # Praat's silence is a share of the loudest sample of all, so that a click, or a loud passage, would take every quiet one.
    faintest = min(silence_threshold, FAINTEST / np.abs(padded).max())
    # Under rumble the autocorrelation of a pause falls so slowly from lag 0 that its hiss passes for a pitch near fmax; a filter
    # alone would make a tone near fmin of what it leaves. A voice is there with the rumble and without.
    clear = sosfiltfilt(butter(RUMBLE_ORDER, fmin, "highpass", fs=rate, output="sos"), padded)
    settings = (rate, hop_size, fmin, fmax, voicing_threshold, faintest)
    f0 = praat_f0(clear, *settings)[1:-1]
    f0_with_rumble = praat_f0(padded, *settings)[1:-1]
    loud = _loud(clear[margin:-margin], rate, hop_size, silence_threshold)
    return np.where(loud & voiced(f0_with_rumble), f0, 0.0)


def _loud(samples: np.ndarray, rate: int, hop_size: int, share: float) -> np.ndarray:
    """True for frames (frames,) whose peak is `share` or more of what sounds nearby, clicks aside."""
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    frames = len(samples) // hop_size
    frames_per_second = rate / hop_size
    quarter_click = round(CLICK / 4 * frames_per_second)
    half_click = round(CLICK / 2 * frames_per_second)
    nearby = round(NEARBY * frames_per_second)
    hops = samples[: frames * hop_size].reshape(frames, hop_size)
    peaks = np.abs(hops).max(axis=1)
    peaks = maximum_filter1d(peaks, 2 * quarter_click + 1)  # a hop may hold no whole period
    steady = minimum_filter1d(peaks, 2 * half_click + 1)
    loudest = maximum_filter1d(steady, 2 * nearby + 1)
    return peaks >= share * loudest


def _world(samples: np.ndarray, rate: int, hop_size: int, fmin: float, fmax: float, method: str) -> np.ndarray:
    import pyworld

    # WORLD's frame i is centred on sample i * hop; it reads beyond sounds shorter than a few periods.
    middle = hop_size // 2
    sound = samples[middle:].astype(np.float64)
    shortest = round(8 / fmin * rate)
    padding = max(0, shortest - len(sound))
    sound = np.pad(sound, (0, padding))
    period = 1000 * hop_size / rate
    tracker = getattr(pyworld, method)
    f0, times = tracker(sound, rate, f0_floor=fmin, f0_ceil=fmax, frame_period=period)
    return pyworld.stonemask(sound, f0, times, rate)


def _dio(samples: np.ndarray, rate: int, hop_size: int, fmin: float, fmax: float, voicing_threshold: float) -> np.ndarray:
    return _world(samples, rate, hop_size, fmin, fmax, "dio")


def _harvest(samples: np.ndarray, rate: int, hop_size: int, fmin: float, fmax: float, voicing_threshold: float) -> np.ndarray:
    return _world(samples, rate, hop_size, fmin, fmax, "harvest")


def _pyin(samples: np.ndarray, rate: int, hop_size: int, fmin: float, fmax: float, voicing_threshold: float) -> np.ndarray:
    import librosa

    four_periods = 4 * rate / fmin  # of the lowest pitch
    exponent = np.ceil(np.log2(four_periods))
    window = 2 ** int(exponent)
    left = (window - hop_size) // 2
    right = window - hop_size - left
    padded = np.pad(samples, (left, right))
    frames = {"frame_length": window, "hop_length": hop_size, "center": False}
    f0, voiced, _ = librosa.pyin(padded, sr=rate, fmin=fmin, fmax=fmax, **frames)
    return np.where(voiced, f0, 0.0)


def _crepe(samples: np.ndarray, rate: int, hop_size: int, fmin: float, fmax: float, voicing_threshold: float) -> np.ndarray:
    from processors import crepe

    sound = Audio(samples, rate).resample(crepe.RATE).samples
    centres = (np.arange(len(samples) // hop_size) + 0.5) * hop_size / rate
    places = np.rint(centres * crepe.RATE).astype(int)
    try:
        f0, periodicity = crepe.pitch(sound, places, fmin, fmax)
    except ImportError as error:
        raise ValueError('f0.method "crepe" needs the package torchcrepe: pip install torchcrepe') from error
    return np.where(periodicity < voicing_threshold, 0.0, f0)


METHODS = {"parselmouth": _parselmouth, "dio": _dio, "harvest": _harvest, "pyin": _pyin, "crepe": _crepe}


def voiced(f0: np.ndarray) -> np.ndarray:
    """True where there is a voice."""
    return f0 > 0


def interpolate(f0: np.ndarray) -> np.ndarray:
    """`f0` with straight lines through its unvoiced stretches, its first and last value held; without any voice, zeros."""
    frames = np.flatnonzero(voiced(f0))
    if not len(frames):
        return f0
    return np.interp(np.arange(len(f0)), frames, f0[frames]).astype(f0.dtype)
