"""Stretches of an utterance's features: what is kept is sliced on disk, what knows its reach is computed from as much sound as it takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from preprocessors.base import Utterance
from processors.frames import shortened
from processors.store import identity
from utils.audio import Audio, AudioError
from utils.sections import Sections

if TYPE_CHECKING:
    from processors.features import FeatureSet


class Inseparable(Exception):
    """Only the whole utterance tells what a stretch of it holds."""


class Stretches:
    """The features `names` of one utterance, of which stretches are read; `frames` says how many frames there are.

    A stretch is what the same frames of the whole are. Raises ValueError naming the utterance when a feature cannot be
    computed or two disagree in length.
    """

    def __init__(self, features: FeatureSet, utterance: Utterance, names: list[str]) -> None:
        self.features = features
        self.utterance = utterance
        self.names = names
        with _named(utterance):
            try:
                self._open_parts()
            except (Inseparable, AudioError):
                self._open_whole()

    def __call__(self, first: int, count: int) -> dict[str, np.ndarray]:
        """The arrays of `count` frames from frame `first` on, fewer at the end, as a network reads them; of tokens all."""
        with _named(self.utterance):
            try:
                arrays = self._cut(first, count)
            except (Inseparable, AudioError):  # a file is damaged: the whole way mends it or names it
                self._open_whole()
                arrays = self._cut(first, count)
            return {name: self.features.features[name].encode(arrays[name]) for name in self.names}

    def _open_parts(self) -> None:
        """Raises Inseparable where the sound has to be read as a whole."""
        self.kept: dict[str, np.ndarray] = {}  # on disk
        self.computed: list[str] = []  # from sections of the sound
        rest: list[str] = []
        for name in self.names:
            array = self._mapped(name)
            if array is not None:
                self.kept[name] = array
            elif self._knows_its_reach(name):
                self.computed.append(name)
            else:
                rest.append(name)
        sizes = self._sizes_by_sound() if self.computed else {}
        self.whole = self.features.raw(self.utterance, rest)
        if self._measure(sizes):
            raise Inseparable

    def _open_whole(self) -> None:
        self.kept = {}
        self.computed = []
        self.whole = self.features.raw(self.utterance, self.names)
        if problem := self._measure({}):
            raise ValueError(f"{problem}; do they share sample_rate and hop_size?")

    def _mapped(self, name: str) -> np.ndarray | None:
        feature = self.features.features[name]
        path = self.features.kept_path(name, self.utterance)
        return self.features.arrays.mapped(path) if path and feature.axis in ("frame", "sample") else None

    def _knows_its_reach(self, name: str) -> bool:
        feature = self.features.features[name]
        own_rate = feature.input_rate not in (None, self.features.sample_rate)
        return feature.reach is not None and not own_rate

    def _sizes_by_sound(self) -> dict[str, int]:
        """How long what is computed from the sound will be; of the file nothing but its header is read.

        Raises Inseparable where it has to be resampled, which each section would begin anew, or is not as long as the manifest says.
        """
        start, seconds = self.utterance.part
        sound = Sections(self.utterance.audio, start, seconds)
        self.sound = sound
        length = round(sound.samples / sound.rate, 4)
        if sound.rate != self.features.sample_rate or length != self.utterance.seconds:
            raise Inseparable
        frames = self.features.frames.of_sound(sound.samples)
        return {name: sound.samples if self._in_samples(name) else frames for name in self.computed}

    def _measure(self, sizes: dict[str, int]) -> str:
        """Finds how many frames there are, with those of `sizes` that are still to be computed; what does not fit, or ""."""
        frames = self.features.frames
        sizes = {**sizes, **frames.sizes(self.kept), **frames.sizes(self.whole)}
        total = frames.of_utterance(sizes)
        if total is None:
            lengths = (frames.of_sound(size) for name, size in sizes.items() if self._in_samples(name))
            total = max(lengths, default=0)
        self.frames = total
        return frames.problem(self.whole) or frames.mismatch(sizes)

    def _in_samples(self, name: str) -> bool:
        return self.features.features[name].axis == "sample"

    def _cut(self, first: int, count: int) -> dict[str, np.ndarray]:
        count = max(0, min(count, self.frames - first))
        arrays = self._compute(first, count)
        for name in self.whole:
            arrays[name] = self._cut_whole(name, first, count)
        for name, array in self.kept.items():
            part = self.features.frames.cut(name, array, first, count)
            arrays[name] = np.array(part)
            self._check(name, arrays[name])
        return arrays

    def _cut_whole(self, name: str, first: int, count: int) -> np.ndarray:
        feature = self.features.features[name]
        array = self.whole[name]
        if feature.counts_frames:
            return shortened(array, self.frames)
        if feature.axis in ("frame", "sample"):
            return self.features.frames.cut(name, array, first, count)
        return array

    def _compute(self, first: int, count: int) -> dict[str, np.ndarray]:
        """What knows its reach, from one section of the sound that holds the farthest."""
        if not self.computed:
            return {}
        reach = max(self.features.features[name].reach for name in self.computed)
        begin = max(0, first - reach)
        sound = self._section(begin, first + count + reach)
        arrays = {}
        for name in self.computed:
            feature = self.features.features[name]
            array = feature.rounded(feature(self.utterance, sound))
            self._check(name, array)
            arrays[name] = self.features.frames.cut(name, array, first - begin, count)
        return arrays

    def _section(self, begin: int, end: int) -> Audio:
        """The sound of frames `begin` to `end`, as far as there is sound."""
        hop = self.features.hop_size
        last = min(end * hop, self.sound.samples)
        samples = self.sound.read(begin * hop, last - begin * hop)
        return Audio(samples, self.sound.rate)

    def _check(self, name: str, array: np.ndarray) -> None:
        if self.features.features[name].problem(array):
            raise Inseparable


@contextlib.contextmanager
def _named(utterance: Utterance) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{identity(utterance)}: {error}") from error
