"""What an evaluation found: means with their intervals, every value, every failure; as JSON, and as a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.lengths import sentences_on_lengths
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
    n = len(values)
    if n < 2:
        mean = float(values[0]) if n else None
        return {"mean": mean, "std": None, "n": n, "interval": None}
    scores = np.array(values)
    mean = float(scores.mean())
    std = float(scores.std(ddof=1))
    redrawn = [scores[rows].mean() for rows in draws(n, RESAMPLINGS)]
    return {"mean": mean, "std": std, "n": n, "interval": _middle(redrawn)}


def pooled_summary(counts: list[Ratio]) -> dict[str, Any]:
    """The same for a pooled score: its mean is the sum of numerators over that of denominators, utterances are redrawn.

    `mean_of_utterances` and `std` are over the utterances that have a score of their own, `totals` sums what was counted.
    """
    count = len(counts)
    rows = [[c.numerator, c.denominator] for c in counts]
    fractions = np.array(rows, dtype=float).reshape(-1, 2)
    own = [c.numerator / c.denominator for c in counts if c.denominator]
    top, bottom = fractions.sum(axis=0)
    pooled = summary([]) | {"n": count, "pooled": True}
    if not bottom:
        return pooled
    pooled["mean"] = float(top / bottom)
    pooled["mean_of_utterances"] = float(np.mean(own))
    totals = {}
    for name in counts[0].parts:
        totals[name] = sum(c.parts.get(name, 0) for c in counts)
    pooled["totals"] = totals
    if count > 1:
        sums = [fractions[drawn].sum(axis=0) for drawn in draws(count, RESAMPLINGS)]
        redrawn = [a / b for a, b in sums if b]
        pooled["interval"] = _middle(redrawn)
    if len(own) > 1:
        pooled["std"] = float(np.std(own, ddof=1))
    return pooled


def set_summary(score: Callable[..., float], ref: list[np.ndarray], deg: list[np.ndarray]) -> dict[str, Any]:
    """A score of whole folders, given the rows of each file, and the interval that redrawing the files of both sides gives.

    A distance between redrawn sets is too large (they hold doubles): the interval is moved by as much as their median lies off.
    """
    all_ref = np.concatenate(ref) if ref else None
    all_deg = np.concatenate(deg)
    value = float(score(all_ref, all_deg))
    if not np.isfinite(value):
        raise ValueError(f"the result is {value}.")
    count = len(deg)
    row = summary([]) | {"mean": value, "n": count, "n_reference": len(ref), "over": "folders"}
    redrawn = _redrawn(score, ref, deg)
    enough = len(redrawn) > SET_RESAMPLINGS // 2
    if count > 1 and enough:
        median = float(np.median(redrawn))
        shift = value - median
        row["std"] = float(np.std(redrawn, ddof=1))
        row["interval"] = [edge + shift for edge in _middle(redrawn)]
    return row


def _redrawn(score: Callable[..., float], ref: list[np.ndarray], deg: list[np.ndarray]) -> list[float]:
    """The score of files that are redrawn on both sides, as often as it is defined."""
    ref_draws = draws(len(ref) or 1, SET_RESAMPLINGS, seed=1)
    deg_draws = draws(len(deg), SET_RESAMPLINGS)
    values = []
    for ref_files, deg_files in zip(ref_draws, deg_draws, strict=True):
        ref_rows = np.concatenate([ref[i] for i in ref_files]) if ref else None
        deg_rows = np.concatenate([deg[i] for i in deg_files])
        try:
            values.append(float(score(ref_rows, deg_rows)))
        except ValueError:  # too few different files were drawn to tell a spread
            continue
    return values


def draws(n: int, times: int, seed: int = 0) -> list[np.ndarray]:
    """`times` redrawings, with replacement, of `n` rows; always the same ones."""
    rng = np.random.default_rng(seed)
    return [rng.integers(n, size=n) for _ in range(times)]


def _middle(values: list[float]) -> list[float]:
    return [float(edge) for edge in np.percentile(values, [2.5, 97.5])]


def markdown(result: Mapping[str, Any]) -> str:
    """The table of a result (as `Result.save` wrote it): a row for each metric, columns that also line up as plain text.

    Below it what there is to say of lengths.
    """
    table = [["metric", "mean", "95 % interval", "std", "n", "failed", "unit", "better"]]
    for name, row in result["metrics"].items():
        table.append(_cells(name, row))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, ["-" * width for width in widths])
    lines = []
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    align = (result.get("settings") or {}).get("align", "")
    for sentence in sentences_on_lengths(result.get("lengths") or {}, align):
        lines.append(f"\n{sentence}")
    return "\n".join(lines)


def _cells(name: str, row: Mapping[str, Any]) -> list[str]:
    interval = "-"
    if row["interval"] is not None:
        low, high = row["interval"]
        interval = f"{low:.4g} to {high:.4g}"
    mean = _number(row["mean"])
    std = _number(row["std"])
    better = "higher" if row["higher_is_better"] else "lower"
    return [name, mean, interval, std, str(row["n"]), str(row["failed"]), row["unit"], better]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
