"""Sections of a sound file, read without the rest of it: equal, to the last bit, to the same samples of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from utils.decode import CUT, AudioError, check_rate, check_samples, entered_anywhere, has_length, opened, promised_frames


class Sections:
    """The part of a file from `start` on, for `seconds` or to its end: `samples` at `rate` samples a second.

    Raises AudioError where only reading all of it tells what a section holds: where its coding is entered at the beginning
    alone (mp3, ogg), its channels may cancel one another, or its header promises other than the file holds.
    """

    def __init__(self, path: str | Path, start: float = 0.0, seconds: float | None = None) -> None:
        import soundfile

        self.path = path
        try:
            self.file = opened(path)
        except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
            raise AudioError(f"cannot read audio {path}: {error}") from error
        self.rate = self.file.samplerate
        check_rate(f"audio {path}", self.rate)
        if not self._separable():
            raise AudioError(f"audio {path} is to be read as a whole.")
        self.first = round(start * self.rate)
        self.samples = max(0, self.file.frames - self.first)
        if seconds is not None:
            self.samples = min(self.samples, round(seconds * self.rate))

    def _separable(self) -> bool:
        file = self.file
        missing = promised_frames(self.path, file) - file.frames
        is_complete = has_length(file) and missing <= CUT * self.rate
        return file.channels == 1 and entered_anywhere(file) and is_complete

    def read(self, first: int, count: int) -> np.ndarray:
        """Samples `first` to `first + count` of the part, float32. Raises AudioError where it does not hold them, or no sound."""
        import soundfile

        try:
            samples = self._read(self.first + first, count)
        except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
            raise AudioError(f"cannot read audio {self.path}: {error}") from error
        if not count or len(samples) != count:
            raise AudioError(f"audio {self.path} holds {len(samples)} samples where its header promises {count}.")
        check_samples(self.path, samples, float(np.abs(samples).max()), first / self.rate)
        return samples

    def _read(self, first: int, count: int) -> Any:
        self.file.seek(first)
        return self.file.read(count, dtype="float32")
