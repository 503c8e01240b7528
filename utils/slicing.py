"""Long recordings in sections of a few seconds, which begin and end where it is quiet. Nothing is copied: a section is a place in its file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from utils.audio import Audio

WINDOW = 0.04  # seconds over which loudness is measured
LEAST = 0.5  # seconds of `longest`
REST = 1.0  # seconds of silence that always part two sections
LATEST = 0.5  # of `longest`: a phrase without a pause is cut where it is quietest from there to `longest`
Span = tuple[int, int]  # first sample, and the one after the last
Speech = list[tuple[float, float]]  # where it begins and ends, in seconds


@dataclass(frozen=True)
class Slicing:
    """The section `preprocess.slice`: how long recordings are cut, in seconds. What is not longer than `longest` stays whole.

    Raises ValueError naming a setting that cannot be.
    """

    longest: float = 10.0
    shortest: float = 1.0  # sections below are left out, and listed
    silence_db: float = 40.0  # this far below the loudest part of a recording it is silent
    pause: float = 0.3  # the shortest silence at which is cut
    edge: float = 0.1  # of the silence that is kept before and after a section

    def __post_init__(self) -> None:
        for name in ("longest", "silence_db", "pause"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"preprocess.slice.{name} is above 0, got {value}.")
        if self.longest < LEAST:
            raise ValueError(f"preprocess.slice.longest is {LEAST} s or more, got {self.longest}: shorter sections hold no word.")
        quarter = self.longest / 4
        if not 0 <= self.edge <= quarter:
            raise ValueError(f"preprocess.slice.edge is from 0 to a quarter of longest ({quarter:g}), got {self.edge}.")
        half = self.longest / 2
        if not 0 <= self.shortest <= half:
            raise ValueError(f"preprocess.slice.shortest is from 0 to half of longest ({half:g}), got {self.shortest}.")


def sections(audio: Audio, settings: Slicing, speech: Speech | None = None) -> list[tuple[float, float]]:
    """(start, seconds) of each section with sound, in order; none is over `longest`, and no two share a sample.

    `speech` is where somebody speaks, if that is known; else it is where it is loud.
    """
    total = len(audio.samples)
    if audio.seconds <= settings.longest:
        return [(0.0, audio.seconds)]
    stretches = _loud(audio, settings.silence_db)
    if speech is not None:
        stretches = _within(speech, audio)
    phrases = _phrases(audio, stretches, settings)
    if not phrases:
        return []
    spans = _joined(phrases, audio.rate, settings)
    edge = round(settings.edge * audio.rate)
    neighbours = pairwise(spans)
    between = [(end + start) // 2 for (_, end), (start, _) in neighbours]
    limits = pairwise([0, *between, total])
    places = []
    for (first, last), (lower, upper) in zip(spans, limits, strict=True):
        begin = max(first - edge, lower)
        end = min(last + edge, upper)
        places.append((begin / audio.rate, (end - begin) / audio.rate))
    return places


def trimmed(audio: Audio, settings: Slicing) -> Audio:
    """The sound without what is silent before its first phrase and behind its last, but for `edge` seconds; of silence, all."""
    if audio.silent:
        return audio
    loud = _loud(audio, settings.silence_db)
    edge = round(settings.edge * audio.rate)
    first = max(0, loud[0][0] - edge)
    last = loud[-1][1] + edge
    return Audio(audio.samples[first:last], audio.rate, audio.doubts)


def _within(speech: Speech, audio: Audio) -> list[Span]:
    """Those stretches in samples, in order, as far as the sound goes."""
    total = len(audio.samples)
    spans = []
    for start, end in sorted(speech):
        first = max(0, round(start * audio.rate))
        last = min(total, round(end * audio.rate))
        if first < last:
            spans.append((first, last))
    return spans


def _phrases(audio: Audio, stretches: list[Span], settings: Slicing) -> list[Span]:
    """What lies between pauses; of what is longer than a section may be, parts."""
    pause = settings.pause * audio.rate
    phrases: list[Span] = []
    for start, end in stretches:
        if phrases and start - phrases[-1][1] < pause:
            start, _ = phrases.pop()
        phrases.append((start, end))
    most = _room(audio.rate, settings)
    return [part for phrase in phrases for part in _parts(audio, phrase, most)]


def _loud(audio: Audio, silence_db: float) -> list[Span]:
    """The stretches that are less than `silence_db` below the loudest. (librosa does the same, once it has compiled for seconds.)"""
    window = round(WINDOW * audio.rate)
    energy = _energy(audio.samples, window)
    threshold = energy.max() * 10 ** (-silence_db / 10)
    is_loud = np.pad(energy > threshold, 1)
    changes = np.diff(is_loud.astype(np.int8))
    borders = np.flatnonzero(changes)
    starts = borders[0::2]
    ends = borders[1::2]
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _energy(samples: np.ndarray, window: int) -> np.ndarray:
    """The mean square of the `window` samples around each, (samples,)."""
    from scipy.ndimage import uniform_filter1d

    squares = np.square(samples, dtype=np.float64)
    return uniform_filter1d(squares, window, mode="nearest")


def _room(rate: int, settings: Slicing) -> int:
    """Samples of a section without its edges."""
    return int((settings.longest - 2 * settings.edge) * rate)


def _parts(audio: Audio, phrase: Span, most: int) -> list[Span]:
    """A phrase in parts of at most `most` samples, cut where it is quietest."""
    first, last = phrase
    window = round(WINDOW * audio.rate)
    parts = []
    while last - first > most:
        earliest = first + round(LATEST * most)
        latest = first + most
        energy = _energy(audio.samples[earliest:latest], window)
        cut = earliest + int(energy.argmin())
        parts.append((first, cut))
        first = cut
    return [*parts, (first, last)]


def _joined(phrases: list[Span], rate: int, settings: Slicing) -> list[Span]:
    """Phrases one after another in sections that are as long as they may be; a long silence parts them."""
    spans: list[Span] = []
    for start, end in phrases:
        fits = spans and end - spans[-1][0] <= _room(rate, settings)
        if fits and start - spans[-1][1] <= REST * rate:
            first, _ = spans.pop()
            spans.append((first, end))
        else:
            spans.append((start, end))
    return spans
