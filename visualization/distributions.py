"""Distributions as SVG: for each system a dot an utterance, the box of the quartiles, the mean with its interval."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

LEFT, WIDTH, ROW, FOOT = 150, 760, 46, 44
MOST_DOTS = 600  # of a system; beyond that every k-th in order of value


def distributions(values: Mapping[str, Mapping[str, float]], row: Mapping[str, Any], name: str) -> str:
    """The picture of one metric; values {system: {id: value}}, and what `compare` found of it. Its colours are those of the page."""
    drawn = {system: np.sort(list(found.values())) for system, found in values.items() if found}
    if not drawn:
        return ""
    low, high = _limits(np.concatenate(list(drawn.values())))
    height = ROW * len(drawn) + FOOT

    def x(value: float) -> float:
        return round(LEFT + 10 + (WIDTH - LEFT - 30) * (value - low) / (high - low), 1)

    told = html.escape(_told(drawn, name))
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{told}">', *_axis(low, high, x, height, row)]
    for number, (system, sorted_values) in enumerate(drawn.items()):
        parts += [f'<g class="s{number % 8}">', *_system(system, sorted_values, row["systems"][system], x, ROW * (number + 0.5)), "</g>"]
    return "\n".join([*parts, "</svg>"])


def ticks(low: float, high: float) -> list[float]:
    """Four to nine round numbers between the two."""
    step = 10 ** np.floor(np.log10(high - low))
    step = next(step * k for k in (1, 0.5, 0.2, 0.1) if (high - low) / (step * k) >= 4)
    first = np.ceil(low / step - 1e-9)
    return [float(k * step) for k in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or max(0.05 * abs(high), 1e-3)
    return low - room, high + room


def _axis(low: float, high: float, x: Any, height: int, row: Mapping[str, Any]) -> list[str]:
    bottom, parts = height - FOOT + 4, []
    for tick in ticks(low, high):
        parts.append(f'<line class="grid" x1="{x(tick)}" x2="{x(tick)}" y1="4" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x(tick)}" y="{bottom + 15}" text-anchor="middle">{tick:.4g}</text>')
    better = "higher is better →" if row["higher_is_better"] else "← lower is better"
    unit = html.escape(f"{row['unit']}, " if row["unit"] else "")
    parts.append(f'<text class="tick" x="{WIDTH - 20}" y="{bottom + 33}" text-anchor="end">{unit}{better}</text>')
    return parts


def _system(system: str, values: np.ndarray, told: Mapping[str, Any], x: Any, y: float) -> list[str]:
    shown = values[:: -(-len(values) // MOST_DOTS)]
    lift = np.random.default_rng(0).uniform(-12, 12, size=len(shown))  # so that equal values do not hide one another
    dots = "".join(f"M{x(value)} {y + up:.1f}h0" for value, up in zip(shown, lift, strict=True))
    quarter, half, three = (x(edge) for edge in np.percentile(values, [25, 50, 75]))
    name = system if len(system) <= 20 else system[:19] + "…"
    parts = [
        f'<text class="name" x="{LEFT - 8}" y="{y + 4}" text-anchor="end"><title>{html.escape(system)}</title>{html.escape(name)}</text>',
        f'<path class="dots" d="{dots}"/>',
        f'<rect class="box" x="{quarter}" y="{y - 15}" width="{max(three - quarter, 0.5):.1f}" height="30" rx="3"/>',
        f'<line class="median" x1="{half}" x2="{half}" y1="{y - 15}" y2="{y + 15}"/>',
    ]
    if told["mean"] is not None:
        centre = x(told["mean"])
        if told["interval"]:
            parts.append(f'<line class="interval" x1="{x(told["interval"][0])}" x2="{x(told["interval"][1])}" y1="{y}" y2="{y}"/>')
        parts.append(f'<path class="mean" d="M{centre} {y - 5}l5 5l-5 5l-5 -5z"/>')
    return parts


def _told(drawn: Mapping[str, np.ndarray], name: str) -> str:
    return f"{name}: " + "; ".join(f"{system}, median {np.median(values):.4g} of {len(values)}" for system, values in drawn.items())
