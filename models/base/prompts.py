"""Prompts: a second stretch of the same utterance, or one of another by the same speaker, that a model is given beside a segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.base.settings import PromptFrom
from preprocessors.base import Utterance
from processors.features import FeatureSet
from processors.manifest import Manifest
from processors.stretch import Stretches

STREAM = 1  # tells the random numbers of a prompt from those of the segment


@dataclass(frozen=True)
class Prompting:
    """Which features a prompt has, how long it is, from the least to the most seconds, and where it comes from.

    Raises ValueError where the seconds are no range above 0.
    """

    names: tuple[str, ...]
    seconds: tuple[float, float] = (1.0, 3.0)
    source: PromptFrom = "utterance"

    def __post_init__(self) -> None:
        least, most = self.seconds
        if not 0 < least <= most < np.inf:
            raise ValueError(f"train.prompt_seconds: the least and the most seconds are needed, 0 < least <= most, got {self.seconds}.")


class Speakers:
    """For each of some utterances, which others are by the same speaker: in twelve bytes an utterance."""

    def __init__(self, utterances: Manifest) -> None:
        numbers, names = utterances.distinct("dataset", "speaker")
        self.numbers = numbers
        self.order = np.argsort(numbers, kind="stable")
        self.starts = np.searchsorted(numbers[self.order], np.arange(len(names) + 1))

    def another(self, index: int, random: np.random.Generator) -> int:
        """An utterance by the speaker of utterance `index`; itself where it is the only one."""
        number = self.numbers[index]
        own = self.order[self.starts[number] : self.starts[number + 1]]
        if len(own) == 1:
            return index
        drawn = int(random.integers(len(own) - 1))
        place = np.searchsorted(own, index)  # a speaker's utterances are in rising order
        return int(own[drawn + (drawn >= place)])


class Prompts:
    """The prompts of some utterances: a function of (seed, epoch, index), in whatever process and order they are read.

    Raises ValueError for a feature that is no stretch of frames or samples.
    """

    def __init__(self, prompting: Prompting, features: FeatureSet, utterances: Manifest, seed: int) -> None:
        for name in prompting.names:
            if features.features[name].axis == "token":
                raise ValueError(f"a prompt is a stretch of an utterance, and of {name!r} there are tokens: leave it out of `prompts`.")
        self.names = list(prompting.names)
        self.features = features
        self.utterances = utterances
        self.seed = seed
        self.speakers = Speakers(utterances) if prompting.source == "speaker" else None
        per_second = features.sample_rate / features.hop_size
        self.lengths = tuple(max(1, round(seconds * per_second)) for seconds in prompting.seconds)

    def __call__(self, epoch: int, index: int, segment: tuple[int, int]) -> dict[str, Any]:
        """`prompt_<feature>`, `prompt_frames` and `prompt_first` beside the frames `segment` (first, end) of an utterance, (0, 0) where
        it is whole.

        Of another utterance any stretch is taken. Of the same one, as where it is its speaker's only one, the prompt lies before
        or behind the segment; where neither has room for the shortest prompt, anywhere. It is shorter where less is there.
        """
        seed = (self.seed, epoch, index, STREAM)
        random = np.random.default_rng(seed)
        chosen = index
        if self.speakers:
            chosen = self.speakers.another(index, random)
        utterance: Utterance = self.utterances[chosen]
        stretches = Stretches(self.features, utterance, self.names)
        taken = segment if chosen == index else (0, 0)
        first, count = drawn_stretch(random, stretches.frames, taken, self.lengths)
        begin = first - segment[0] if chosen == index else -count
        prompt: dict[str, Any] = {"prompt_frames": count, "prompt_first": begin}
        for name, array in stretches(first, count).items():
            prompt[f"prompt_{name}"] = array
        return prompt


def drawn_stretch(
    random: np.random.Generator, frames: int, taken: tuple[int, int], lengths: tuple[int, int]
) -> tuple[int, int]:
    """First frame and count of a stretch of `frames` beside those `taken` (first, end): its length is drawn, then its place."""
    least, most = lengths
    begin, end = taken
    sides = np.array([(0, begin), (end, frames)])
    room = sides[:, 1] - sides[:, 0]
    free = sides[room >= least]
    if not len(free):
        free = np.array([(0, frames)])
    begins, ends = free.T
    room = ends - begins
    longest = room.max()
    count = min(random.integers(least, most + 1), longest)
    places = np.maximum(0, room - count + 1)  # in each
    behind = np.cumsum(places)
    place = random.integers(behind[-1])
    side = np.searchsorted(behind, place, side="right")
    before = behind[side] - places[side]
    first = begins[side] + place - before
    return int(first), int(count)
