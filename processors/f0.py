"""F0 in Hz, one value per mel frame, 0 where there is no voice; and what is done with such tracks.

Frame i of a track stands at (i + 1/2) x hop_size samples, the centre of frame i of the mel. The methods count their frames from
elsewhere (Praat from the middle of the sound, WORLD from its first sample), so each is given the sound padded or cut such
that its frames fall on ours; taken by index they would be up to four frames off.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from preprocessors.base import Utterance
from processors.features import Feature
from utils.audio import Audio
from utils.registry import pick

PRAAT_PERIODS = 3  # Praat's window in periods of the lowest pitch


class F0(Feature):
    """The F0 track, (frames,) float32 Hz, 0 = unvoiced, with samples // hop_size frames.

    "parselmouth" is Praat's autocorrelation; "dio" and "harvest" are WORLD's, refined by StoneMask; "pyin" is librosa's,
    and "crepe" a network (package torchcrepe). `voicing_threshold` is read by parselmouth (autocorrelation at
    the pitch) and crepe (periodicity); the others decide by themselves. With `interpolate` unvoiced stretches are bridged.
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
        interpolate: bool = False,
    ) -> None:
        if not 0 < fmin < fmax <= sample_rate / 2:
            raise ValueError(f"f0: 0 < fmin < fmax <= sample_rate / 2 is needed, got {fmin}, {fmax}, {sample_rate}.")
        self.hop_size, self.interpolate = hop_size, interpolate
        self.track = pick(METHODS, method, "F0 method")
        self.settings = {"fmin": fmin, "fmax": fmax, "voicing_threshold": voicing_threshold}

    def problem(self, array: np.ndarray) -> str:
        return super().problem(array) or ("holds negative frequencies" if (array < 0).any() else "")

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        frames = len(audio.samples) // self.hop_size
        if not frames:
            return np.zeros(0, dtype=np.float32)
        f0 = self.track(audio.samples, audio.rate, self.hop_size, **self.settings)
        f0 = np.pad(f0[:frames], (0, max(0, frames - len(f0)))).astype(np.float32)
        return interpolate(f0) if self.interpolate else f0


def praat_f0(
    samples: np.ndarray,
    rate: int,
    hop_size: int,
    fmin: float = 50.0,
    fmax: float = 1100.0,
    voicing_threshold: float = 0.6,
) -> np.ndarray:
    """Praat's autocorrelation pitch as it comes: (frames,) Hz, its frames centred in the sound, a few fewer than the mel's.

    Raises ValueError for a sound shorter than three periods of `fmin`.
    """
    import parselmouth

    shortest = PRAAT_PERIODS / fmin
    if len(samples) < shortest * rate:
        raise ValueError(f"{len(samples) / rate:.3f} s of sound is too short for F0 from {fmin} Hz: it takes {shortest:.3f} s.")
    sound = parselmouth.Sound(np.asarray(samples, dtype=np.float64), sampling_frequency=rate)
    pitch = sound.to_pitch_ac(
        time_step=hop_size / rate, voicing_threshold=voicing_threshold, pitch_floor=fmin, pitch_ceiling=fmax
    )
    return pitch.selected_array["frequency"]


def _parselmouth(samples: np.ndarray, rate: int, hop_size: int, fmin: float, fmax: float, voicing_threshold: float) -> np.ndarray:
    frames = len(samples) // hop_size
    # Praat fits as many whole windows as it can, in the middle: here one per mel frame and one more on each side.
    # The quarter hop to spare keeps rounding from taking one away.
    margin = round(PRAAT_PERIODS / fmin * rate / 2 + 3 * hop_size / 4)
    padded = np.zeros(frames * hop_size + 2 * margin)
    inside = samples[: len(padded) - margin]
    padded[margin : margin + len(inside)] = inside
    return praat_f0(padded, rate, hop_size, fmin, fmax, voicing_threshold)[1:-1]


def _world(samples: np.ndarray, rate: int, hop_size: int, fmin: float, fmax: float, method: str) -> np.ndarray:
    import pyworld

    # WORLD's frame i is centred on sample i * hop; it reads beyond sounds shorter than a few periods.
    sound = samples[hop_size // 2 :].astype(np.float64)
    sound = np.pad(sound, (0, max(0, round(8 / fmin * rate) - len(sound))))
    period = 1000 * hop_size / rate
    f0, times = getattr(pyworld, method)(sound, rate, f0_floor=fmin, f0_ceil=fmax, frame_period=period)
    return pyworld.stonemask(sound, f0, times, rate)


def _dio(samples: np.ndarray, rate: int, hop_size: int, fmin: float, fmax: float, voicing_threshold: float) -> np.ndarray:
    return _world(samples, rate, hop_size, fmin, fmax, "dio")


def _harvest(samples: np.ndarray, rate: int, hop_size: int, fmin: float, fmax: float, voicing_threshold: float) -> np.ndarray:
    return _world(samples, rate, hop_size, fmin, fmax, "harvest")


def _pyin(samples: np.ndarray, rate: int, hop_size: int, fmin: float, fmax: float, voicing_threshold: float) -> np.ndarray:
    import librosa

    window = 2 ** int(np.ceil(np.log2(4 * rate / fmin)))  # four periods of the lowest pitch, or up to eight
    left = (window - hop_size) // 2
    padded = np.pad(samples, (left, window - hop_size - left))
    f0, voiced, _ = librosa.pyin(padded, sr=rate, fmin=fmin, fmax=fmax, frame_length=window, hop_length=hop_size, center=False)
    return np.where(voiced, f0, 0.0)


def _crepe(samples: np.ndarray, rate: int, hop_size: int, fmin: float, fmax: float, voicing_threshold: float) -> np.ndarray:
    try:
        import torchcrepe
    except ImportError as error:
        raise ValueError('f0.method "crepe" needs the package torchcrepe: pip install torchcrepe') from error
    import torch

    step = 80  # 5 ms at crepe's 16 kHz; torchcrepe would round our hop there, and drift
    sound = torch.from_numpy(Audio(samples, rate).resample(torchcrepe.SAMPLE_RATE).samples)[None]
    f0, periodicity = torchcrepe.predict(
        sound, torchcrepe.SAMPLE_RATE, step, fmin, fmax, "full", batch_size=256, device="cpu", return_periodicity=True
    )
    f0 = torch.where(periodicity < voicing_threshold, 0.0, f0)[0].numpy()
    centres = (np.arange(len(samples) // hop_size) + 0.5) * hop_size / rate
    nearest = np.rint(centres * torchcrepe.SAMPLE_RATE / step).astype(int)
    return f0[nearest.clip(max=len(f0) - 1)]


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


def shift(f0: np.ndarray, semitones: float) -> np.ndarray:
    """`f0` moved up by that many semitones; unvoiced frames stay unvoiced."""
    return f0 * np.float32(2 ** (semitones / 12))


def to_coarse(f0: np.ndarray, *, fmin: float = 50.0, fmax: float = 1100.0, bins: int = 256) -> np.ndarray:
    """The bin of each frame, int64 from 1 to `bins` - 1, evenly spaced in mel from `fmin` to `fmax`; unvoiced is bin 1."""
    low, high = _mel(np.array([fmin, fmax]))
    position = (_mel(f0) - low) * (bins - 2) / (high - low) + 1
    return np.rint(position.clip(1, bins - 1)).astype(np.int64)


def _mel(hertz: np.ndarray) -> np.ndarray:
    return 1127 * np.log1p(hertz / 700)
