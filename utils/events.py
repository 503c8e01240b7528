"""Events: which sounds are to be when in a clip, as objects and as one line of text.

    dog_bark__1.0-1.5_3.0-3.6--rain__0.0-10.0

An event is a class and its times from start to end in seconds; classes are joined by "--", a class and its times by "__", times by "_".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from utils.registry import nearest

CLASSES = "--"  # between two classes
TIMES = "__"  # between a class and its times
FORM = "dog_bark__1.0-1.5_3.0-3.6--rain__0.0-10.0"
SPAN = re.compile(r"(\d*\.?\d+)-(\d*\.?\d+)")
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


class Event(NamedTuple):
    """A sound of the class `name` from `start` to `end` seconds."""

    name: str
    start: float
    end: float


def class_name(text: str) -> str:
    """Words as the name of a class: "Dog barking" -> "dog_barking"."""
    words = re.findall(r"[^\W_]+", text.lower())
    return "_".join(words)


def parse(text: str) -> list[Event]:
    """The events of a line, in order of time.

    Raises ValueError, saying which part, for what is no such line, for an event that ends before it starts or lasts no time, and for two
    of one class that overlap.
    """
    events: list[Event] = []
    for part in text.strip().split(CLASSES):
        name, separator, times = part.strip().partition(TIMES)
        if not separator or not class_name(name):
            raise ValueError(f"events: {part.strip()!r} names no class with its times: write them like {FORM}.")
        for time in times.split("_"):
            start, end = _span(time, part)
            events.append(Event(class_name(name), start, end))
    return ordered(events)


def _span(time: str, part: str) -> tuple[float, float]:
    match = SPAN.fullmatch(time.strip())
    if match is None:
        raise ValueError(f"events: in {part.strip()!r}, {time!r} is no time from start to end in seconds: write it like 1.0-1.5.")
    return float(match[1]), float(match[2])


def ordered(events: Iterable[Event]) -> list[Event]:
    """Events in order of time. Raises ValueError for one that does not end after it starts, and for two of one class that overlap."""
    in_time = sorted(events, key=lambda event: (event.start, event.end, event.name))
    by_class: dict[str, list[Event]] = {}
    for event in in_time:
        lasts = 0 <= event.start < event.end < math.inf
        if not lasts:
            raise ValueError(f"events: {event.name} at {_span_of(event)} does not end after it starts.")
        own = by_class.setdefault(event.name, [])
        own.append(event)
    for own in by_class.values():
        for first, second in pairwise(own):
            if second.start < first.end:
                both = f"{_span_of(first)} and {_span_of(second)}"
                raise ValueError(f"events: {first.name} at {both} overlaps itself: make one event of both, or move one.")
    return in_time


def _span_of(event: Event) -> str:
    return f"{event.start:g}-{event.end:g} s"


def check(events: Sequence[Event], classes: Iterable[str], seconds: float) -> None:
    """Raises ValueError for no events, for a class that is none of `classes`, naming the nearest, and for an event beyond the clip's end.

    `seconds` is the length of the clip; what is no finite number raises ValueError, too.
    """
    if not math.isfinite(seconds):
        raise ValueError(f"events: the seconds of a clip must be a finite number, got {seconds!r}.")
    if not events:
        raise ValueError(f"events: there are none: write them like {FORM}.")
    known = set(classes)
    for event in events:
        if event.name not in known:
            raise ValueError(f"events: {nearest(event.name, known, 'event', ends=True)}")
        if event.end > seconds + 1e-6:
            cure = "move it, or ask for more seconds"
            raise ValueError(f"events: {event.name} at {_span_of(event)} goes beyond the end of the clip, {seconds:g} s: {cure}.")


def line_of(events: Iterable[Event]) -> str:
    """The line that `parse` reads; times to the millisecond."""
    return CLASSES.join(f"{name}{TIMES}{'_'.join(times)}" for name, times in _times(events).items())


def onset_caption(events: Iterable[Event]) -> str:
    """When each class sounds, in words: "dog bark at 1.0-1.5, 3.0-3.6 and rain at 0.0-10.0"."""
    return " and ".join(f"{_words(name)} at {', '.join(times)}" for name, times in _times(events).items())


def frequency_caption(events: Iterable[Event]) -> str:
    """How often each class sounds, in words: "dog bark two times and rain one time"."""
    return " and ".join(f"{_words(name)} {_often(len(times))}" for name, times in _times(events).items())


def _times(events: Iterable[Event]) -> dict[str, list[str]]:
    """The times of each class, classes in the order in which they begin."""
    times: dict[str, list[str]] = {}
    for name, start, end in ordered(events):
        times.setdefault(name, []).append(f"{_seconds(start)}-{_seconds(end)}")
    return times


def _seconds(value: float) -> str:
    """ "1.0", "0.25"."""
    text = f"{value:.3f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def _words(name: str) -> str:
    return name.replace("_", " ")


def _often(count: int) -> str:
    number = COUNTS[count] if count < len(COUNTS) else str(count)
    return f"{number} {'time' if count == 1 else 'times'}"
