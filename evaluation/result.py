"""What an evaluation found: means with their intervals, every value, every failure; as JSON, and as a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.lengths import told_of_lengths
from evaluation.metric import Ratio
from evaluation.shapes import ResultFile
from utils.files import read_json, write_json, write_whole

RESAMPLINGS = 1000  # of the bootstrap
SET_RESAMPLINGS = 100  # of a distance between folders, which costs a matrix root each time


@dataclasses.dataclass(frozen=True)
class Result:
    """What `evaluate` found. `metrics`: {name: mean, std, n, interval, ...}; `values` and `failed`: {name: {id: ...}}.

    `counts` holds what pooled scores are made of, {name: {id: [numerator, denominator, parts]}}, and `skipped` the metrics
    that "all" left out, {name: why}. `lengths`: {id: reference, generated (seconds), ratio (generated over reference)}.
    """

    metrics: dict[str, dict[str, Any]]
    values: dict[str, dict[str, float]]
    failed: dict[str, dict[str, str]]
    missing: dict[str, list[str]]
    settings: dict[str, Any]
    versions: dict[str, str]
    counts: dict[str, dict[str, list[Any]]] = dataclasses.field(default_factory=dict)
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    lengths: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)

    def table(self) -> str:
        return markdown(dataclasses.asdict(self))

    def save(self, path: Path) -> Path:
        """Writes everything to `path` as JSON, and the table beside it as Markdown."""
        text = self.table() + "\n"
        write_whole(path.with_suffix(".md"), lambda p: p.write_text(text, encoding="utf-8"))
        return write_json(path, dataclasses.asdict(self))


def read_result(path: Path, shape: type[Any] = ResultFile) -> dict[str, Any]:
    """The result that `Result.save` wrote, at least what `shape` asks for. Raises ValueError naming the file and what is wrong where."""
    try:
        return read_json(path, shape)
    except ValueError as error:
        raise ValueError(f"no result of bins.evaluate: {error}") from error


def summary(values: list[float]) -> dict[str, Any]:
    """Mean, sample standard deviation, count, and the bootstrap's 95 % interval of the mean; None where undefined."""
    scores, n = np.array(values), len(values)
    if n < 2:
        return {"mean": float(scores[0]) if n else None, "std": None, "n": n, "interval": None}
    means = [scores[rows].mean() for rows in draws(n, RESAMPLINGS)]
    return {"mean": float(scores.mean()), "std": float(scores.std(ddof=1)), "n": n, "interval": _middle(means)}


def pooled_summary(counts: list[Ratio]) -> dict[str, Any]:
    """The same for a pooled score: its mean is the sum of numerators over that of denominators, utterances are redrawn.

    `mean_of_utterances` and `std` are over the utterances that have a score of their own, `totals` sums what was counted.
    """
    pairs = np.array([[c.numerator, c.denominator] for c in counts], dtype=float).reshape(-1, 2)
    own = [c.numerator / c.denominator for c in counts if c.denominator]
    top, bottom = pairs.sum(axis=0)
    found = summary([]) | {"n": len(counts), "pooled": True}
    if not bottom:
        return found
    found |= {"mean": float(top / bottom), "mean_of_utterances": float(np.mean(own))}
    found["totals"] = {name: sum(c.parts.get(name, 0) for c in counts) for name in counts[0].parts}
    if len(counts) > 1:
        sums = [pairs[rows].sum(axis=0) for rows in draws(len(counts), RESAMPLINGS)]
        found["interval"] = _middle([a / b for a, b in sums if b])
    if len(own) > 1:
        found["std"] = float(np.std(own, ddof=1))
    return found


def set_summary(score: Callable[..., float], ref: list[np.ndarray], deg: list[np.ndarray]) -> dict[str, Any]:
    """A score of whole folders, given the rows of each file, and the interval that redrawing the files of both sides gives.

    A distance between redrawn sets is too large (they hold doubles): the interval is moved by as much as their median lies off.
    """
    value = float(score(np.concatenate(ref) if ref else None, np.concatenate(deg)))
    if not np.isfinite(value):
        raise ValueError(f"the result is {value}.")
    found = summary([]) | {"mean": value, "n": len(deg), "n_reference": len(ref), "over": "folders"}
    again = []
    for rows, others in zip(draws(len(deg), SET_RESAMPLINGS), draws(len(ref) or 1, SET_RESAMPLINGS, seed=1), strict=True):
        try:
            drawn = np.concatenate([ref[i] for i in others]) if ref else None
            again.append(float(score(drawn, np.concatenate([deg[i] for i in rows]))))
        except ValueError:  # too few different files were drawn to tell a spread
            continue
    if len(deg) > 1 and len(again) > SET_RESAMPLINGS // 2:
        off = value - float(np.median(again))
        found |= {"std": float(np.std(again, ddof=1)), "interval": [edge + off for edge in _middle(again)]}
    return found


def draws(n: int, times: int, seed: int = 0) -> list[np.ndarray]:
    """`times` redrawings, with replacement, of `n` rows; always the same ones."""
    rng = np.random.default_rng(seed)
    return [rng.integers(n, size=n) for _ in range(times)]


def _middle(found: list[float]) -> list[float]:
    return [float(edge) for edge in np.percentile(found, [2.5, 97.5])]


def markdown(result: Mapping[str, Any]) -> str:
    """The table of a result (as `Result.save` wrote it): a row for each metric, columns that also line up as plain text.

    Below it what there is to say of lengths.
    """
    lines = [["metric", "mean", "95 % interval", "std", "n", "failed", "unit", "better"]]
    for name, row in result["metrics"].items():
        low_high = "-" if row["interval"] is None else "{:.4g} to {:.4g}".format(*row["interval"])
        numbers = ["-" if row[key] is None else f"{row[key]:.4g}" for key in ("mean", "std")]
        better = "higher" if row["higher_is_better"] else "lower"
        lines.append([name, numbers[0], low_high, numbers[1], str(row["n"]), str(row["failed"]), row["unit"], better])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    rows = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([*rows, *(f"\n{sentence}" for sentence in told_of_lengths(result.get("lengths") or {}))])
