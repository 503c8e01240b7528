"""Distributions as SVG: for each system a dot an utterance, the box of the quartiles, the mean with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

LEFT, RIGHT, WIDTH = 150, 20, 760  # of the picture, in pixels: the names, the margin, all
ROW, FOOT = 46, 44  # the height of a system, and of the axis
INDENT = 10  # between the names and the lowest value
SPREAD = 12  # of the dots to both sides of their row
MOST_DOTS = 600  # of a system; beyond that every k-th in order of value
LONGEST_NAME = 20
TICK_STEPS = (1, 0.5, 0.2, 0.1)


@dataclass(frozen=True)
class Scale:
    """The values from `low` to `high` across the picture."""

    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray) -> Scale:
        """From the least to the greatest value, with a little room on both sides."""
        low = float(values.min())
        high = float(values.max())
        room = 0.04 * (high - low) or max(0.05 * abs(high), 1e-3)
        return cls(low - room, high + room)

    def x(self, value: float) -> float:
        """Where a value stands, in pixels from the left."""
        span = WIDTH - LEFT - INDENT - RIGHT
        share = (value - self.low) / (self.high - self.low)
        return round(LEFT + INDENT + span * share, 1)


def distributions(values: Mapping[str, Mapping[str, float]], row: Mapping[str, Any], name: str) -> str:
    """The picture of one metric, "" where it has no values; its colours are those of the page.

    `values`: {system: {id: value}}; `row`: what a `Comparison` says of the metric.
    """
    ordered = {system: np.sort(list(scores.values())) for system, scores in values.items() if scores}
    if not ordered:
        return ""
    everything = np.concatenate(list(ordered.values()))
    scale = Scale.of(everything)
    height = ROW * len(ordered) + FOOT
    description = escape(_description(ordered, name))
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{description}">']
    parts += _axis(scale, height, row)
    for order, (system, scores) in enumerate(ordered.items()):
        middle = ROW * (order + 0.5)
        parts.append(f'<g class="s{order % 8}">')
        parts.append(_label(system, middle))
        parts += _scores(scores, scale, middle)
        of_system = row["systems"][system]
        parts += _mean(of_system, scale, middle)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"])


def ticks(low: float, high: float) -> list[float]:
    """Four to nine round numbers between the two."""
    span = high - low
    exponent = np.floor(np.log10(span))
    steps = [10**exponent * share for share in TICK_STEPS]
    narrow = [step for step in steps if span / step >= 4]
    step = narrow[0]
    first = np.ceil(low / step - 1e-9)
    last = np.floor(high / step + 1e-9)
    counts = np.arange(first, last + 1)
    return [float(count * step) for count in counts]


def _axis(scale: Scale, height: int, row: Mapping[str, Any]) -> list[str]:
    bottom = height - FOOT + 4
    parts = []
    for tick in ticks(scale.low, scale.high):
        x = scale.x(tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="4" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{bottom + 15}" text-anchor="middle">{tick:.4g}</text>')
    text = "higher is better →" if row["higher_is_better"] else "← lower is better"
    if row["unit"]:
        text = f"{escape(row['unit'])}, {text}"
    parts.append(f'<text class="tick" x="{WIDTH - RIGHT}" y="{bottom + 33}" text-anchor="end">{text}</text>')
    return parts


def _label(system: str, y: float) -> str:
    short = system if len(system) <= LONGEST_NAME else system[: LONGEST_NAME - 1] + "…"
    text = f"<title>{escape(system)}</title>{escape(short)}"
    return f'<text class="name" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{text}</text>'


def _scores(scores: np.ndarray, scale: Scale, y: float) -> list[str]:
    """The dots of a system, the box of its quartiles, the line of its median."""
    every = -(-len(scores) // MOST_DOTS)
    shown = scores[::every]
    rng = np.random.default_rng(0)
    lifts = rng.uniform(-SPREAD, SPREAD, size=len(shown))  # so that equal values do not hide one another
    dots = ""
    for score, lift in zip(shown, lifts, strict=True):
        dots += f"M{scale.x(score)} {y + lift:.1f}h0"
    low, median, high = map(scale.x, np.percentile(scores, [25, 50, 75]))
    width = max(high - low, 0.5)
    return [
        f'<path class="dots" d="{dots}"/>',
        f'<rect class="box" x="{low}" y="{y - 15}" width="{width:.1f}" height="30" rx="3"/>',
        f'<line class="median" x1="{median}" x2="{median}" y1="{y - 15}" y2="{y + 15}"/>',
    ]


def _mean(system: Mapping[str, Any], scale: Scale, y: float) -> list[str]:
    """The diamond of the mean, on the line of its interval."""
    if system["mean"] is None:
        return []
    parts = []
    if system["interval"]:
        low, high = map(scale.x, system["interval"])
        parts.append(f'<line class="interval" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>')
    parts.append(f'<path class="mean" d="M{scale.x(system["mean"])} {y - 5}l5 5l-5 5l-5 -5z"/>')
    return parts


def _description(ordered: Mapping[str, np.ndarray], name: str) -> str:
    """What the picture shows, for those who cannot see it."""
    systems = []
    for system, scores in ordered.items():
        systems.append(f"{system}, median {np.median(scores):.4g} of {len(scores)}")
    return f"{name}: {'; '.join(systems)}"
