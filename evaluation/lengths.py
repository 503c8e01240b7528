"""How long what was generated is beside its reference: a sound that breaks off must not be judged by its beginning alone.

Metrics that compare what was said at one time cut both sides to the shorter, or warp one onto the other. A pair of which one side
is twice as long as the other or more (`Options.length_ratio`) has no such score and is listed as a failure. The bound is wide, since
speech made from text has a tempo of its own, which with dtw alignment is no fault. Each task tells its recipes a bound of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from utils.log import log

TOLERANCE = 0.05  # of the reference's length: from there on a pair is named
SHOWN = 10  # pairs by name, the worst
HOW = {  # how the frames of two sides were paired
    "cut": "Frames were paired one by one, and the longer side cut (--align cut): "
    "where both say the same at another tempo, as speech made from text does, --align dtw is fairer.",
    "dtw": "Frames were paired by dynamic time warping (--align dtw); metrics of the waveform and of how long things last are cut.",
}


def refuse_lengths(reference: float, generated: float, bound: float) -> None:
    """Raises ValueError when one of two lengths, in seconds, is `bound` times the other or more; 0 is no bound."""
    if bound and max(reference, generated) >= bound * min(reference, generated):
        raise ValueError(
            f"the generated file has {generated:.2f} s, {generated / reference:.2g} of the reference's {reference:.2f} s: "
            f"too unlike to compare (length_ratio {bound:g})."
        )


def lengths_of(outcomes: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """{id: reference, generated (seconds), ratio} of the pairs of which both sides could be read."""
    lengths = {}
    for outcome in outcomes:
        seconds = outcome["seconds"]
        if seconds:
            ratio = seconds["generated"] / seconds["reference"]
            lengths[outcome["id"]] = seconds | {"ratio": ratio}
    return lengths


def unlike(lengths: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The pairs whose lengths differ by more than 5 %, the worst first."""
    distances = {}
    for name, both in lengths.items():
        ratio = both["ratio"]
        if abs(ratio - 1) > TOLERANCE:
            distances[name] = abs(np.log(ratio))
    return sorted(distances, key=lambda name: (-distances[name], name))


def warn_of_lengths(lengths: Mapping[str, Mapping[str, float]], align: str) -> None:
    """Logs a warning when there are such pairs, which says how they were brought together: `align`."""
    worst = unlike(lengths)
    if worst:
        log.warning(f"{_count(worst, lengths)}, e.g. {_named(worst[0], lengths)}. {HOW[align]}")


def sentences_on_lengths(lengths: Mapping[str, Mapping[str, float]], align: str = "") -> list[str]:
    """In a sentence or two: the lengths of both sides, their ratios, and which pairs differ by more than 5 %, brought together by `align`."""
    if not lengths:
        return []
    generated = sum(both["generated"] for both in lengths.values())
    reference = sum(both["reference"] for both in lengths.values())
    ratio = generated / reference
    ratios = [both["ratio"] for both in lengths.values()]
    span = f"{min(ratios):.3g} to {max(ratios):.3g} of the pairs"
    totals = f"Lengths: generated {generated:.2f} s, reference {reference:.2f} s, ratio {ratio:.3g} ({span})."
    worst = unlike(lengths)
    if not worst:
        return [totals]
    names = [_named(name, lengths) for name in worst[:SHOWN]]
    if len(worst) > SHOWN:
        names.append("...")
    warning = f"Warning: {_count(worst, lengths)}: {'; '.join(names)}. {HOW.get(align, '')}"
    return [totals, warning.rstrip()]


def _count(worst: list[str], lengths: Mapping[str, Any]) -> str:
    return f"{len(worst)} of {len(lengths)} pairs differ in length by more than {TOLERANCE:.0%}"


def _named(name: str, lengths: Mapping[str, Mapping[str, float]]) -> str:
    both = lengths[name]
    return f"{name} {both['generated']:.2f} s for {both['reference']:.2f} s"
