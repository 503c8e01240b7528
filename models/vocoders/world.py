"""WORLD: a vocoder without weights, that takes a voice apart into pitch, spectral envelope and breath, and puts it together.

Morise, Yokomori and Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system", IEICE 2016; by the package pyworld.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from utils.audio import Audio
from utils.registry import pick

PERIODS = 8  # of the lowest pitch, that a sound must last for WORLD's trackers to look at it


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A voice in parts, all float64: `f0` (frames,) in Hz, 0 where unvoiced; `envelope` and `aperiodicity` (frames, bins).

    `envelope` is a power spectrum, `aperiodicity` the share of noise in each bin, 0 to 1. Frame i stands at sample i * hop_size.
    """

    f0: np.ndarray
    envelope: np.ndarray
    aperiodicity: np.ndarray

    def shifted(self, semitones: float) -> Voice:
        """The same voice at a higher pitch; its vowels stay, as the envelope does."""
        return replace(self, f0=self.f0 * 2 ** (semitones / 12))


class World:
    """Analysis and synthesis at one rate. `fmin` and `fmax` bound the pitch in Hz.

    "dio" is quick, "harvest" misses fewer voiced frames; both are refined by StoneMask.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_size: int = 256,
        fmin: float = 71.0,
        fmax: float = 800.0,
        method: Literal["dio", "harvest"] = "harvest",
    ) -> None:
        if not 0 < fmin < fmax <= sample_rate / 2:
            raise ValueError(f"WORLD: 0 < fmin < fmax <= sample_rate / 2 is needed, got {fmin}, {fmax}, {sample_rate}.")
        self.sample_rate = sample_rate
        self.hop_size = hop_size
        self.fmin = fmin
        self.fmax = fmax
        self.method = pick({name: name for name in ("dio", "harvest")}, method, "pitch tracker of WORLD")

    def analyse(self, samples: np.ndarray, f0: np.ndarray | None = None) -> Voice:
        """The parts of a sound (samples,), samples // hop_size + 1 frames; with the pitch track `f0` (frames,) where one is given.

        Raises ValueError for a sound without samples or with NaN, and a track of another length.
        """
        import pyworld

        rate = self.sample_rate
        count = len(samples)
        frames = count // self.hop_size + 1
        if not count or not np.isfinite(samples).all():
            raise ValueError("WORLD: a sound of one sample or more, without NaN, is expected.")
        sound = np.asarray(samples, dtype=np.float64)
        # A hop more than there is, so that rounding never costs the last frame.
        shortest = round(PERIODS / self.fmin * rate)
        padding = max(self.hop_size, shortest - count)
        sound = np.pad(sound, (0, padding))
        times = np.arange(frames) * self.period / 1000
        if f0 is None:
            tracker = getattr(pyworld, self.method)
            track, at = tracker(sound, rate, f0_floor=self.fmin, f0_ceil=self.fmax, frame_period=self.period)
            refined = pyworld.stonemask(sound, track, at, rate)
            f0 = refined[:frames]
        if len(f0) != frames:
            raise ValueError(f"WORLD: f0 has {len(f0)} frames, and {count} samples have {frames} of {self.hop_size}.")
        f0 = np.ascontiguousarray(f0, dtype=np.float64)
        envelope = pyworld.cheaptrick(sound, f0, times, rate, f0_floor=self.fmin)
        size = 2 * (envelope.shape[1] - 1)
        aperiodicity = pyworld.d4c(sound, f0, times, rate, fft_size=size)
        return Voice(f0=f0, envelope=envelope, aperiodicity=aperiodicity)

    def synthesise(self, voice: Voice) -> np.ndarray:
        """Sound (frames * hop_size,) float32 of a voice in parts. Raises ValueError when the parts do not fit together."""
        import pyworld

        frames = len(voice.f0)
        envelope = voice.envelope
        aperiodicity = voice.aperiodicity
        if envelope.shape != aperiodicity.shape or len(envelope) != frames or frames == 0:
            shapes = (frames, envelope.shape, aperiodicity.shape)
            raise ValueError(f"WORLD: f0, envelope and aperiodicity need the same frames, one or more, got {shapes}.")
        f0 = np.ascontiguousarray(voice.f0, dtype=np.float64)
        envelope = np.ascontiguousarray(envelope, dtype=np.float64)
        aperiodicity = np.ascontiguousarray(aperiodicity, dtype=np.float64)
        wave = pyworld.synthesize(f0, envelope, aperiodicity, self.sample_rate, self.period)
        samples = frames * self.hop_size
        padding = max(0, samples - len(wave))
        wave = np.pad(wave, (0, padding))[:samples]
        return wave.astype(np.float32)

    def resynthesise(self, audio: Audio, *, semitones: float = 0.0) -> Audio:
        """The recording taken apart and put together, at another pitch if so wished: as long as it was, at `sample_rate`."""
        samples = audio.resample(self.sample_rate).samples
        voice = self.analyse(samples)
        if semitones:
            voice = voice.shifted(semitones)
        sound = self.synthesise(voice)[: len(samples)]
        return Audio(sound, self.sample_rate)

    @property
    def period(self) -> float:
        """Milliseconds between two frames."""
        return 1000 * self.hop_size / self.sample_rate
