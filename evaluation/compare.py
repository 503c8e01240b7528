"""Several systems against one reference: means on the utterances that all of them share, and whether a difference is more than chance.

Two systems are compared utterance by utterance (Wilcoxon's signed ranks, or the paired bootstrap); Holm's correction then pays for
having asked more than once.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.lengths import TOLD, unlike
from evaluation.result import read_result
from utils.log import log
from utils.registry import nearest, pick
from visualization.comparison import Comparison

RESAMPLINGS = 10_000
FEWEST = 6  # with five pairs the smallest two-sided p of signed ranks is 1/16: nothing could come out
LEVEL = 0.05
TESTS = ("wilcoxon", "bootstrap")
FAMILIES = ("table", "metric")
CHANGELESS = ("device", "length_ratio")  # options that change no value, or only which there are
CHUNK = 1 << 20  # numbers of a resampling held at once


def systems_of(pairs: Iterable[str]) -> dict[str, Path]:
    """{name: path} from "NAME=PATH" words; a bare path goes by its last part. Raises ValueError for a name given twice, or no path."""
    found: dict[str, Path] = {}
    for word in pairs:
        name, equals, path = word.partition("=")
        where = Path(path if equals else word)
        whole = Path(os.path.abspath(where))  # a link goes by its own name
        called = name.strip() if equals else (whole.parent if where.suffix == ".json" else whole).name
        if not called or not str(where).strip() or (equals and not path):
            raise ValueError(f"{word!r}: NAME=FOLDER is needed, such as ours=out/wavs.")
        if called in found:
            raise ValueError(f"two systems are called {called!r} ({found[called]} and {where}): give each a name, NAME=FOLDER.")
        found[called] = where
    return found


def results_of(reference: Path | None, systems: Mapping[str, Path], names: Sequence[str], out: Path, **choices: Any) -> dict[str, Any]:
    """The result of each system: read where its path is a result.json, else evaluated against `reference` into out/<n>/result.json.

    Raises ValueError for a folder without `reference` or metrics, and what `evaluate` raises.
    """
    from evaluation.base import evaluate

    results = {}
    for number, (name, path) in enumerate(systems.items(), 1):
        if path.suffix == ".json":
            results[name] = read_result(path)
            continue
        if reference is None or not names:
            raise ValueError(f"{name}={path} is a folder of recordings: --reference and --metrics are needed to evaluate it.")
        log.info(f"{name}: {path}")
        at = out / f"system-{number}" / "result.json"  # not the name, which may be no name for a folder
        found = evaluate(reference, path, names, keep=at.with_suffix(".parts.jsonl"), **choices)
        found.save(at)
        results[name] = dataclasses.asdict(found)
    return results


def compare(
    results: Mapping[str, Mapping[str, Any]],
    *,
    metrics: Sequence[str] = (),
    test: str = "wilcoxon",
    family: str = "table",
    resamplings: int = RESAMPLINGS,
) -> Comparison:
    """Compares {system: result}, each as `Result.save` wrote it, on the utterances that all systems have a value for.

    A pooled score (a word error rate) is tested by bootstrap whatever `test` says, since signed ranks know no pooling; a distance
    between folders has no utterances, and is not tested. `family`: the tests that Holm's correction is over, the whole "table" or
    those of each "metric". Raises ValueError for fewer than two systems, an unknown metric, test or family, results that were
    measured differently, and systems that share no utterance in any metric.
    """
    if len(results) < 2:
        raise ValueError(f"{len(results)} system ({', '.join(results) or 'none'}): a comparison needs two or more.")
    for what, value, choices in (("test", test, TESTS), ("family", family, FAMILIES)):
        if value not in choices:
            raise ValueError(nearest(value, choices, what))
    every = list(dict.fromkeys(name for result in results.values() for name in result["metrics"]))
    names = [name for asked in metrics for name in _named(asked, every)] or every
    _same_reference(results)
    rows, pairs, values, shared = {}, [], {}, {}
    for name in dict.fromkeys(names):
        _same_definition(name, results)
        rows[name], tested, shared[name] = _metric(name, results, test, resamplings)
        pairs += tested
        values[name] = {system: dict(result["values"].get(name, {})) for system, result in results.items()}
    if not any(row["n"] or row["over"] == "folders" for row in rows.values()):
        raise ValueError(f"{', '.join(results)} share no utterance with a value: were they evaluated against the same reference?")
    _correct(pairs, family)
    settings = {
        "test": test, "family": family, "resamplings": resamplings, "level": LEVEL, "fewest": FEWEST, "length_tolerance": TOLD,
        "folders": {name: result["settings"].get("generated", "") for name, result in results.items()},
        "reference": next(iter(results.values()))["settings"].get("reference", ""),
    }  # fmt: skip
    lengths = {name: result.get("lengths", {}) for name, result in results.items()}
    far = {name: unlike(both) for name, both in lengths.items()}
    return Comparison(list(results), rows, pairs, values, shared, settings, lengths, far)


def _named(asked: str, every: Sequence[str]) -> list[str]:
    """"similarity" and "fad" stand in a result under the name of their model."""
    if asked == "all":
        return list(every)
    if asked in every:
        return [asked]
    longer = [name for name in every if asked in ("similarity", "fad") and name.startswith(f"{asked}_")]
    return longer or [pick(dict.fromkeys(every, ""), asked, "metric") or asked]


def _same_reference(results: Mapping[str, Mapping[str, Any]]) -> None:
    told = {str(result["settings"].get("reference", "")) for result in results.values()}
    if len(told) > 1:
        log.warning(f"the results name different references ({', '.join(sorted(told))}): what follows holds only if they are the same.")


def _same_definition(name: str, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises ValueError when two systems were measured in different ways: another rate, alignment, model or definition."""
    first: tuple[str, Any] | None = None
    for system, result in results.items():
        row = result["metrics"].get(name)
        if row is None or not row["n"]:
            continue
        how = dict(result["settings"].get("metrics", {}).get(name, {}))
        how["options"] = {option: value for option, value in how.get("options", {}).items() if option not in CHANGELESS}
        how |= {key: row.get(key) for key in ("unit", "higher_is_better", "definition")}
        if first and how != first[1]:
            differ = " and ".join(key for key in how if how[key] != first[1].get(key))
            raise ValueError(f"{name} of {first[0]} and of {system} were measured differently ({differ}): evaluate both in one way.")
        first = first or (system, how)


def _metric(name: str, results: Mapping[str, Any], test: str, times: int) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    told = {system: result["metrics"].get(name) or {"n": 0, "mean": None} for system, result in results.items()}
    facts = next(row for row in told.values() if "unit" in row)
    pooled, over = any(row.get("pooled") for row in told.values()), facts.get("over", "utterances")
    found = {key: facts[key] for key in ("unit", "higher_is_better")} | {"pooled": pooled, "over": over}
    systems = {s: {"mean": None, "interval": None, "own_n": row["n"], "failed": row.get("failed", 0)} for s, row in told.items()}
    if over == "folders":
        for system, row in told.items():
            systems[system] |= {"mean": row["mean"], "interval": row.get("interval")}
        return found | {"n": 0, "left_out": 0, "systems": systems, "best": _best(systems, facts)}, [], []
    scores = {s: _fractions(result, name, pooled) for s, result in results.items()}
    scores = {s: rows for s, rows in scores.items() if rows}
    ids = sorted(set.intersection(*map(set, scores.values()))) if scores else []
    left_out = len(set().union(*scores.values())) - len(ids)
    fractions = np.array([[rows[i] for i in ids] for rows in scores.values()], dtype=float).reshape(len(scores), len(ids), 2)
    pairs: list[dict[str, Any]] = []
    if ids and (fractions[..., 1].sum(axis=1) > 0).all():
        again = resampled(fractions, times)
        for system, part, drawn in zip(scores, fractions, again, strict=True):
            systems[system] |= {"mean": _ratio(part), "interval": _middle(drawn) if len(ids) > 1 else None}
        for (i, a), (j, b) in itertools.combinations(enumerate(scores), 2):
            how = "bootstrap" if pooled else test
            pairs.append({"metric": name, "a": a, "b": b} | _tested(fractions[i], fractions[j], again[i] - again[j], how))
    return found | {"n": len(ids), "left_out": left_out, "systems": systems, "best": _best(systems, facts)}, pairs, ids


def _fractions(result: Mapping[str, Any], name: str, pooled: bool) -> dict[str, tuple[float, float]]:
    """{id: (numerator, denominator)}: a mean is a sum of fractions over 1."""
    if pooled:
        return {i: (count[0], count[1]) for i, count in result.get("counts", {}).get(name, {}).items()}
    return {i: (value, 1.0) for i, value in result["values"].get(name, {}).items()}


def resampled(fractions: np.ndarray, times: int = RESAMPLINGS, seed: int = 0) -> np.ndarray:
    """The scores (systems, times) of redrawn utterances, the same draw for all: fractions (systems, utterances, 2)."""
    rng, n = np.random.default_rng(seed), fractions.shape[1]
    parts = []
    for start in range(0, times, step := max(1, CHUNK // n)):
        k = min(step, times - start)
        rows = rng.integers(n, size=(k, n)) + n * np.arange(k)[:, None]
        drawn = np.bincount(rows.ravel(), minlength=k * n).reshape(k, n).astype(float)  # how often each utterance was
        top, bottom = (fractions[..., part] @ drawn.T for part in (0, 1))
        parts.append(np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0))
    return np.concatenate(parts, axis=1)


def _tested(a: np.ndarray, b: np.ndarray, drawn: np.ndarray, test: str) -> dict[str, Any]:
    n, difference = len(a), _ratio(a) - _ratio(b)
    found = {"n": n, "difference": difference, "interval": _middle(drawn) if n > 1 else None, "test": test, "p": None}
    found["contrary"] = test == "wilcoxon" and signed_ranks(a[:, 0] - b[:, 0]) * difference < 0
    if n >= FEWEST:
        found["p"] = bootstrap_p(drawn, difference) if test == "bootstrap" else wilcoxon_p(a[:, 0] - b[:, 0])
    return found


def bootstrap_p(drawn: np.ndarray, difference: float) -> float:
    """Two-sided p of no difference: how often redrawing, centred on nothing, goes as far from it as what was seen."""
    off = np.abs(drawn[np.isfinite(drawn)] - difference)
    near = 1e-12 * max(1.0, abs(difference))  # so that sums in another order count as equal
    return float((1 + (off >= abs(difference) - near).sum()) / (1 + len(off)))


def wilcoxon_p(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed ranks (SciPy; exact for few pairs without ties); 1 where all are equal."""
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue) if np.any(differences) else 1.0


def signed_ranks(differences: np.ndarray) -> float:
    """The sum of the ranks of what is positive, less that of what is negative."""
    from scipy.stats import rankdata

    other = differences[differences != 0]
    return float((np.sign(other) * rankdata(np.abs(other))).sum())


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the chance of any false alarm among all of them stays under the level."""
    order, worst, found = np.argsort(values), 0.0, [0.0] * len(values)
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(values) - rank) * values[i]))
        found[i] = worst
    return found


def _correct(pairs: list[dict[str, Any]], family: str) -> None:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in pairs:
        row["p_holm"] = None
        if row["p"] is not None:
            groups.setdefault(row["metric"] if family == "metric" else "", []).append(row)
    for group in groups.values():
        for row, p in zip(group, holm([row["p"] for row in group]), strict=True):
            row["p_holm"] = p


def _best(systems: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> list[str]:
    means = {system: row["mean"] for system, row in systems.items() if row["mean"] is not None}
    top = (max if facts["higher_is_better"] else min)(means.values(), default=None)
    return [system for system, mean in means.items() if mean == top]


def _ratio(fractions: np.ndarray) -> float:
    top, bottom = fractions.sum(axis=0)
    return float(top / bottom)


def _middle(drawn: np.ndarray) -> list[float]:
    return [float(edge) for edge in np.nanpercentile(drawn, [2.5, 97.5])]
