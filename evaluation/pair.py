"""A recording, and two that belong together: resampled once for each rate, viewed once in each way, aligned once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.lengths import refuse_lengths
from evaluation.metric import Frames, Metric, Options, Ratio, chosen, refuse_silence
from evaluation.warp import warp
from utils.audio import Audio

BAND_SECONDS = 4.0  # how far dynamic time warping may stray from the straight line between the ends


class Recording:
    """One file: its sound at each rate and its views, each computed when first asked for and kept while this lives."""

    def __init__(self, audio: Audio, options: Options, path: Path | None = None) -> None:
        self.audio = audio
        self.options = options
        self.path = path
        # The caches live and die with the recording; on the class they would keep every sound ever read.
        self.at = functools.cache(self._at)
        self._viewed = functools.cache(self._view)

    @classmethod
    def read(cls, path: Path, options: Options) -> Recording:
        return cls(Audio.read(path), options, path)

    def _at(self, rate: int) -> Audio:
        sound = self.audio.resample(rate)
        if self.options.definition != "upstream":
            return sound
        # Upstream's loader rounds the length up, which moves Praat's frames.
        length = -(-len(self.audio.samples) * rate // self.audio.rate)
        lacking = max(0, length - len(sound.samples))
        return Audio(np.pad(sound.samples, (0, lacking)), rate)

    def view(self, of: Callable[..., Any], rate: int, samples: int | None = None) -> Any:
        """The sound as `of` sees it, or its first `samples` alone."""
        whole = samples is None or samples >= len(self.at(rate).samples)
        return self._viewed(of, rate, None if whole else samples)

    def _view(self, of: Callable[..., Any], rate: int, samples: int | None) -> Any:
        sound = Audio(self.at(rate).samples[:samples], rate)
        return of(sound, **chosen(of, self.options, path=self.path))


class Pair:
    """A reference and what is compared with it. `name` is the stem that both share."""

    def __init__(self, ref: Recording, deg: Recording, options: Options, name: str = "") -> None:
        self.ref = ref
        self.deg = deg
        self.options = options
        self.name = name
        self.path = functools.cache(self._path)
        self.compared = functools.cache(self._compared)

    @classmethod
    def of(cls, ref: Audio, deg: Audio, options: Options | None = None, name: str = "") -> Pair:
        """A pair of two sounds that come from no file."""
        options = options or Options()
        return cls(Recording(ref, options), Recording(deg, options), options, name)

    def score(self, row: Metric, rate: int) -> float | Ratio:
        """`row` at `rate`. Raises ValueError where it is undefined, and what the libraries raise."""
        if row.in_time:
            self._refuse_lengths(rate)
        if row.kind == "pair":
            value = row.score(self, rate, **chosen(row.score, self.options))
        elif row.kind == "generated":
            refuse_silence(None, self.deg.audio)
            value = row.score(self.deg.at(rate), **chosen(row.score, self.options))
        else:
            ref, deg = self.frames(row.of, rate) if row.kind == "frames" else self.cut(rate)
            value = row.score(ref, deg, **chosen(row.score, self.options))
        if isinstance(value, Ratio):
            return value
        if not np.isfinite(value):
            raise ValueError(f"the result is {value}.")
        return float(value)

    def _refuse_lengths(self, rate: int) -> None:
        try:
            refuse_lengths(self.ref.audio.seconds, self.deg.audio.seconds, self.options.length_ratio)
        except ValueError:
            self.cut(rate)  # silence, where there is some, is the reason that says more
            raise

    def sounds(self, rate: int) -> tuple[Audio, Audio]:
        """Both sounds at `rate`, whole."""
        return self.ref.at(rate), self.deg.at(rate)

    def views(self, of: Callable[..., Any], rate: int, samples: tuple[int | None, int | None] = (None, None)) -> tuple[Any, Any]:
        """Both sides as `of` sees them, or their first `samples`."""
        return self.ref.view(of, rate, samples[0]), self.deg.view(of, rate, samples[1])

    def cut(self, rate: int) -> tuple[Audio, Audio]:
        """Both sounds at `rate`, as long as the shorter. Raises ValueError when one of them is silent."""
        ref, deg = self.sounds(rate)
        refuse_silence(ref, deg)
        shorter = min(len(ref.samples), len(deg.samples))
        ref = Audio(ref.samples[:shorter], rate)
        deg = Audio(deg.samples[:shorter], rate)
        refuse_silence(ref, deg)
        return ref, deg

    def _compared(self, by: Callable[[Audio, Audio], Any], rate: int) -> Any:
        """What `by` finds between both sounds, cut to one length: what several metrics are made of is computed once."""
        return by(*self.cut(rate))

    def frames(self, of: Callable[..., Frames], rate: int, align: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Both views, row for row: of both "cut" to the shorter, or "dtw" along the path that brings their spectra together."""
        sounds = self.sounds(rate)
        refuse_silence(*sounds)
        lengths = [len(sound.samples) for sound in sounds]
        shorter = min(lengths)
        align = align or self.options.align
        if align == "cut":
            # The sounds, not the frames: the last frames see what lies beyond the cut, and Praat places all of them by the length.
            ref, deg = self.views(of, rate, (shorter, shorter))
            return ref.values, deg.values
        ref, deg = self.views(of, rate)
        if ref.start != deg.start:  # placed by the length: lengths that are whole frames apart begin alike
            hop = round(ref.step * rate)
            whole_hops = [(length - shorter) // hop for length in lengths]
            kept = tuple(shorter + hops * hop for hops in whole_hops)
            ref, deg = self.views(of, rate, kept)
        path = self.path(rate)
        ref_rows, deg_rows = path.T
        return ref.at(ref_rows), deg.at(deg_rows)

    def _path(self, rate: int) -> np.ndarray:
        # Always on spectra: F0 aligned with F0, or energy with energy, would warp away the very error to be measured.
        from evaluation.spectrum import mel_cepstra

        ref, deg = self.views(mel_cepstra, rate)
        return warp(ref.values, deg.values, round(BAND_SECONDS / ref.step)) * ref.step + ref.start
