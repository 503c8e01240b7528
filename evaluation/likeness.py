"""Whose voice a sound has: its likeness to each voice, and what that says of many."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean

import numpy as np


@dataclass(frozen=True)
class Judged:
    """One sound: how it was made, whose voice it should have, whose it was before (or the same), its likeness to each voice.

    The fields are the keys of voices.json.
    """

    made: str
    wanted: str
    source: str
    likeness: dict[str, float]

    @property
    def others(self) -> float | None:
        """The mean likeness to the voices that are neither wanted nor the source; None where there is none."""
        others = [value for name, value in self.likeness.items() if name not in (self.wanted, self.source)]
        return mean(others) if others else None

    @property
    def of_wanted(self) -> float:
        """Its likeness to the voice that it should have."""
        return self.likeness[self.wanted]

    @property
    def of_source(self) -> float:
        """And to the voice that it came from."""
        return self.likeness[self.source]

    @property
    def nearest(self) -> str:
        """The voice that it is most like."""
        return max(self.likeness, key=self.likeness.__getitem__)


def table(sounds: list[Judged]) -> str:
    """Markdown: how alike, on average, what was made is to each kind of voice, and how often the wanted one is the nearest."""
    lines = [
        "| | sounds | to the wanted voice | to the source's | to others | nearer to the wanted than to the source's | nearest is the wanted |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for way in dict.fromkeys(sound.made for sound in sounds):
        group = [sound for sound in sounds if sound.made == way]
        lines.append(_row(way, group))
    return "\n".join(lines) + "\n"


def _row(way: str, group: list[Judged]) -> str:
    """The line of the table for the sounds that were made in one way."""
    moved = [sound for sound in group if sound.source != sound.wanted]
    nearer = sum(sound.of_wanted > sound.of_source for sound in moved)
    right = sum(sound.nearest == sound.wanted for sound in group)
    cells = [
        way,
        str(len(group)),
        _mean([sound.of_wanted for sound in group]),
        _mean([sound.of_source for sound in moved]),
        _mean([sound.others for sound in group if sound.others is not None]),
        f"{nearer} of {len(moved)}" if moved else "-",
        f"{right} of {len(group)}",
    ]
    return f"| {' | '.join(cells)} |"


def _mean(values: list[float]) -> str:
    return f"{mean(values):.2f}" if values else "-"


def matrix(sounds: list[Judged], names: list[str]) -> np.ndarray:
    """The mean likeness (wanted voice, voice of the recordings); nan where nothing should have that voice."""
    count = len(names)
    likeness = np.full((count, count), np.nan)
    for row, wanted in enumerate(names):
        own = [sound for sound in sounds if sound.wanted == wanted]
        if own:
            likeness[row] = [np.mean([sound.likeness[name] for sound in own]) for name in names]
    return likeness
