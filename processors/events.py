"""Events as a feature: which classes sound in each frame, as models see it that make sounds at given times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from preprocessors.base import Utterance
from processors.clock import Padding, frame_count
from processors.event_sentences import events_of
from processors.feature import Feature
from utils.audio import Audio
from utils.events import TIMES, Event, check, class_name, parse

if TYPE_CHECKING:
    from processors.features import FeatureSet


USUAL = 10.0  # seconds of a clip


@dataclass(kw_only=True, eq=False)
class Events(Feature):
    """A map of onsets (frames, classes), float32: 1 where a class sounds for most of a frame, or at least begins in it, else 0.

    `classes` are those of the corpus, in the order of the alphabet, unless they are named here. They, and how long a sound of each mostly
    lasts, travel in the card. Raises ValueError for an utterance without events, and for one of a class that is not named.
    """

    dimensions: ClassVar[int] = 2
    gives: ClassVar[tuple[str, ...]] = ("n_events",)

    sample_rate: int
    hop_size: int
    frame_padding: Padding = "center"
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.restore({}, None)

    @property
    def facts(self) -> dict[str, Any]:
        return {"n_events": len(self.names)} if self.names else {}

    def basis(self, utterance: Utterance) -> Any:
        return [utterance.events, utterance.seconds]

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        if not utterance.events:
            raise ValueError("it has no events: nothing says what sounds in it when.")
        events = parse(utterance.events)
        check(events, self.names, audio.seconds)
        return self.onsets(events, frame_count(len(audio.samples), self.hop_size, self.frame_padding))

    def onsets(self, events: Sequence[Event], frames: int) -> np.ndarray:
        """The map (frames, classes) of events, whatever goes beyond its end left out."""
        centred = 0.5 if self.frame_padding == "same" else 0.0
        centres = np.arange(frames) + centred
        rate = self.sample_rate / self.hop_size
        onsets = np.zeros((frames, len(self.names)), dtype=np.float32)
        for name, start, end in events:
            class_number = self.names.index(name)
            first, last = np.searchsorted(centres, [start * rate, end * rate])
            beyond = max(last, first + 1)  # of a sound that is shorter than a frame
            onsets[first:beyond, class_number] = 1
        return onsets

    def understood(self, text: str, seconds: float) -> list[Event]:
        """The events of a line of them, or of a plain sentence, in a clip of so many seconds.

        Raises ValueError for what is neither, for a class that is not known, and for what does not fit into the clip.
        """
        if TIMES not in text:
            return events_of(text, self.names, seconds=seconds, lengths=self.lengths)
        events = parse(text)
        check(events, self.names, seconds)
        return events

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Notes the classes of the corpus, and how long a sound of each mostly lasts. Raises ValueError where nothing has events."""
        lasting: dict[str, list[float]] = defaultdict(list)
        for utterance in utterances:
            for name, start, end in _parsed(utterance):
                lasting[name].append(end - start)
        if not lasting:
            raise ValueError("events: no utterance of the corpus has any: take one that says what sounds when, such as demo_events.")
        lengths = {name: round(median(seconds), 3) for name, seconds in sorted(lasting.items())}
        usual = median(utterance.seconds for utterance in utterances)
        names = list(self.classes) or list(lengths)
        learned = {"classes": names, "lengths": lengths, "seconds": round(usual, 3)}
        self.restore(learned, folder)
        return learned

    def whole(self, learned: dict[str, Any], folder: Path) -> bool:
        return bool(learned.get("classes"))

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        named = learned.get("classes", self.classes)
        self.names = [class_name(name) for name in named]  # as lines of events have them
        self.lengths: dict[str, float] = learned.get("lengths", {})
        self.seconds: float = learned.get("seconds", USUAL)  # that most clips last


def _parsed(utterance: Utterance) -> list[Event]:
    """The events of an utterance; none where they cannot be read, which extraction says of it."""
    try:
        return parse(utterance.events) if utterance.events else []
    except ValueError:
        return []
