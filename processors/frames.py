"""The frames of a model: how many an utterance has, and its arrays brought to them, whatever clock they were computed on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from processors.clock import Padding, covered, frame_clock, frame_count, placed, pooled
from processors.feature import Feature

MAX_SLIP = 2  # frames that two extractors may differ by; more is a mistake, not rounding


class Frames:
    """The frames that a model reads, `hop_size` samples apart, for the arrays of `features`."""

    def __init__(self, features: Mapping[str, Feature], *, sample_rate: int, hop_size: int, padding: Padding) -> None:
        self.features, self.hop_size, self.padding = features, hop_size, padding
        self.clock = frame_clock(sample_rate, hop_size, padding)

    def of_sound(self, samples: int) -> int:
        """How many frames a sound of that many samples has."""
        return frame_count(samples, self.hop_size, self.padding)

    def sizes(self, arrays: Mapping[str, np.ndarray]) -> dict[str, int]:
        """How many samples, frames or tokens each array has; of durations, how many frames they are together."""
        return {name: int(array.sum()) if self.features[name].counts_frames else len(array) for name, array in arrays.items()}

    def of_each(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The frames that each of these arrays, of which `size` is known, has or covers; without those that count none."""
        frames = {}
        for name, size in sizes.items():
            feature = self.features[name]
            if feature.counts_frames or (feature.axis == "frame" and not feature.clock):
                frames[name] = size
            elif feature.axis == "frame":
                frames[name] = covered(size, self.clock, feature.clock)
        return frames

    def of_utterance(self, sizes: Mapping[str, int]) -> int | None:
        """The frames of an utterance with arrays of these sizes: the fewest that one has; None where none counts frames.

        Those with a clock of their own decide only where they are alone: at the end of a sound they may lack some.
        """
        frames = self.of_each(sizes)
        direct = [count for name, count in frames.items() if not self.features[name].clock]
        return min(direct or frames.values(), default=None)

    def problem(self, arrays: Mapping[str, np.ndarray]) -> str:
        """How the arrays of one utterance differ in length by more than rounding; "" if they do not."""
        tokens = {name: len(array) for name, array in arrays.items() if self.features[name].axis == "token"}
        if len(set(tokens.values())) > 1:
            return f"features differ in tokens: {tokens}"
        return self.mismatch(self.sizes(arrays))

    def mismatch(self, sizes: Mapping[str, int]) -> str:
        """How arrays of these sizes differ in frames by more than rounding; "" if they do not."""
        frames = self.of_each(sizes)
        total = self.of_utterance(sizes)
        for name, count in frames.items():
            if abs(count - total) > self._slip(name):
                return f"features differ in frames by more than {self._slip(name)}: {frames}"
        return ""

    def _slip(self, name: str) -> int:
        """Frames of the model by which a feature may be shorter or longer: MAX_SLIP of its own, where those are longer."""
        own = self.features[name].clock
        return MAX_SLIP if own is None else round(MAX_SLIP * max(1, self.clock.rate / own.rate))

    def bring(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Cuts what counts frames to one length, samples to frames x hop, makes durations sum to the frames, and places
        what has another clock.

        Raises ValueError when two differ by more than MAX_SLIP frames.
        """
        if problem := self.problem(arrays):
            raise ValueError(f"{problem}; do they share sample_rate and hop_size?")
        total = self.of_utterance(self.sizes(arrays))
        if total is None:
            return arrays
        return {name: self._brought(name, array, total) for name, array in arrays.items()}

    def _brought(self, name: str, array: np.ndarray, total: int) -> np.ndarray:
        feature = self.features[name]
        if feature.counts_frames:
            return shortened(array, total)
        if feature.axis in ("frame", "sample"):
            return self.cut(name, array, 0, total)
        return array

    def cut(self, name: str, array: np.ndarray, first: int, count: int) -> np.ndarray:
        """`count` frames of an array of frames or samples, from frame `first` on; the array may lie on disk."""
        feature = self.features[name]
        if feature.axis == "sample":
            end = (first + count) * self.hop_size
            part = array[first * self.hop_size : end]
            missing = count * self.hop_size - len(part)
            return np.pad(part, (0, missing)) if missing else part
        if feature.between == "pooled":
            return pooled(array, self.clock, feature.clock, first, count)
        if feature.clock:
            return placed(array, self.clock, feature.clock, first, count, linear=feature.between == "linear")
        return array[first : first + count]


def shortened(durations: np.ndarray, frames: int) -> np.ndarray:
    """`durations` (tokens,) that sum to `frames`: what is too long goes from the end, what is missing to the last."""
    ends = np.minimum(np.cumsum(durations), frames)
    ends[-1] = frames
    return np.diff(ends, prepend=0).astype(durations.dtype)
