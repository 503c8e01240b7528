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

TOLD = 0.05  # of the reference's length: from there on a pair is named
SHOWN = 10  # pairs by name, the worst


def refuse_lengths(reference: float, generated: float, bound: float) -> None:
    """Raises ValueError when one of two lengths, in seconds, is `bound` times the other or more; 0 is no bound."""
    if bound and max(reference, generated) >= bound * min(reference, generated):
        raise ValueError(
            f"the generated file has {generated:.2f} s, {generated / reference:.2g} of the reference's {reference:.2f} s: "
            f"too unlike to compare (length_ratio {bound:g})."
        )


def lengths_of(outcomes: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """{id: reference, generated (seconds), ratio} of the pairs of which both sides could be read."""
    known = {outcome["id"]: outcome["seconds"] for outcome in outcomes if outcome["seconds"]}
    return {name: both | {"ratio": both["generated"] / both["reference"]} for name, both in known.items()}


def unlike(lengths: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The pairs whose lengths differ by more than 5 %, the worst first."""
    off = {name: abs(np.log(both["ratio"])) for name, both in lengths.items() if abs(both["ratio"] - 1) > TOLD}
    return sorted(off, key=lambda name: (-off[name], name))


def warn_of_lengths(lengths: Mapping[str, Mapping[str, float]]) -> None:
    """Logs a warning when there are such pairs."""
    if worst := unlike(lengths):
        log.warning(f"{_count(worst, lengths)}, e.g. {_named(worst[0], lengths)}: metrics that cut judge what both sides have.")


def told_of_lengths(lengths: Mapping[str, Mapping[str, float]]) -> list[str]:
    """In a sentence or two: the lengths of both sides, their ratios, and which pairs differ by more than 5 %."""
    if not lengths:
        return []
    sums = [sum(both[side] for both in lengths.values()) for side in ("generated", "reference")]
    ratios = [both["ratio"] for both in lengths.values()]
    said = f"Lengths: generated {sums[0]:.2f} s, reference {sums[1]:.2f} s, ratio {sums[0] / sums[1]:.3g}"
    said += f" ({min(ratios):.3g} to {max(ratios):.3g} of the pairs)."
    if not (worst := unlike(lengths)):
        return [said]
    names = "; ".join(_named(name, lengths) for name in worst[:SHOWN])
    return [said, f"Warning: {_count(worst, lengths)}: {names}{'; ...' if len(worst) > SHOWN else ''}."]


def _count(worst: list[str], lengths: Mapping[str, Any]) -> str:
    return f"{len(worst)} of {len(lengths)} pairs differ in length by more than {TOLD:.0%}"


def _named(name: str, lengths: Mapping[str, Mapping[str, float]]) -> str:
    both = lengths[name]
    return f"{name} {both['generated']:.2f} s for {both['reference']:.2f} s"
