"""The arrays of one utterance as they are asked for: loaded where they are kept, else computed, and kept if dear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from preprocessors.base import Utterance
from utils.audio import Audio

if TYPE_CHECKING:
    from processors.features import FeatureSet


class Arrays:
    """Arrays by the name of their feature. `by_name` holds those that were asked for so far, `loaded` names which were on disk.

    `anew`: nothing is loaded. `sound` is that of an utterance which is in no file.
    Raises ValueError where a feature cannot be computed, or its array is wrong.
    """

    def __init__(
        self, features: FeatureSet, utterance: Utterance, *, anew: bool = False, sound: Audio | None = None
    ) -> None:
        self.features = features
        self.utterance = utterance
        self.anew = anew
        self.by_name: dict[str, np.ndarray] = {}
        self.loaded: list[str] = []
        self.recorded = sound
        self.sounds: dict[int, Audio] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.by_name:
            array = self._load(name)
            self.by_name[name] = self._compute(name) if array is None else array
        return self.by_name[name]

    def _load(self, name: str) -> np.ndarray | None:
        path = self.features.kept_path(name, self.utterance)
        array = None if self.anew or path is None else self.features.arrays.read(path)
        if array is not None:
            self.loaded.append(name)
        return array

    def _compute(self, name: str) -> np.ndarray:
        sound, needed = self.inputs(name)
        feature = self.features.features[name]
        return self.keep(name, feature(self.utterance, sound, **needed))

    def inputs(self, name: str) -> tuple[Audio | None, dict[str, np.ndarray]]:
        """What a feature is computed from: the sound at the rate that it asks for, None for one of the text, and the arrays of what it needs."""
        feature = self.features.features[name]
        needed = {need: self[need] for need in feature.needs}
        if feature.of == "text":
            return None, needed
        sound = self._sound(feature.input_rate or self.features.sample_rate)
        return sound, needed

    def keep(self, name: str, computed: np.ndarray) -> np.ndarray:
        """What was computed as the array of a feature: rounded, checked, and kept if dear. Raises ValueError where it is wrong."""
        feature = self.features.features[name]
        array = feature.rounded(computed)
        if problem := feature.problem(array):
            raise ValueError(f"{name} {problem}")
        if path := self.features.kept_path(name, self.utterance):
            self.features.arrays.write(path, array)
        return array

    def _sound(self, rate: int) -> Audio | None:
        """The sound at that rate, resampled once for all features that share it; None where the utterance has none."""
        if self.recorded is None and not self.utterance.audio:
            return None
        if self.recorded is None:
            self.recorded = self.utterance.read()
        if rate not in self.sounds:
            self.sounds[rate] = self.recorded.resample(rate)
        return self.sounds[rate]
