"""What a comparison of several systems found, as plain values: what the tables and the page show, and comparison.json keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The scores of several systems beside one another, and the tests between them.

    `metrics`: {name: unit, higher_is_better, pooled, over, n, left_out, systems: {system: mean, interval, own_n, failed}, best}.
    `pairs`: a dict for each pair of systems and metric: metric, a, b, n, difference (a - b), interval, test, p, p_holm, and
    `contrary`, true where the ranks favour the other system than the means do (a few utterances then made the mean).
    `values`: {metric: {system: {id: value}}}, all there are; `shared`: {metric: ids} are those that the means are over.
    `settings`: test, family, resamplings, level, fewest (pairs that a test needs), length_tolerance, folders, reference.
    `lengths`: {system: {id: reference, generated (seconds), ratio}}; `unlike`: {system: ids}, those whose ratio is off by more than
    the tolerance.
    """

    systems: list[str]
    metrics: dict[str, dict[str, Any]]
    pairs: list[dict[str, Any]]
    values: dict[str, dict[str, dict[str, float]]]
    shared: dict[str, list[str]]
    settings: dict[str, Any]
    lengths: dict[str, dict[str, dict[str, float]]] = dataclasses.field(default_factory=dict)
    unlike: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def differ(self, pair: Mapping[str, Any]) -> bool:
        """Whether the two systems of this row of `pairs` differ by more than chance, after the correction."""
        return pair["p_holm"] is not None and pair["p_holm"] < self.settings["level"]

    def worse(self, metric: str, system: str) -> bool:
        """Whether `system` is worse than the best one by more than chance."""
        best = self.metrics[metric]["best"]
        if system in best:
            return False
        compared = {system, *best[:1]}
        for row in self.pairs:
            of_both = row["metric"] == metric and {row["a"], row["b"]} == compared
            if of_both and self.differ(row) and not row["contrary"]:
                return True
        return False
