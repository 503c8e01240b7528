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

from evaluation.lengths import TOLERANCE, unlike
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
    systems: dict[str, Path] = {}
    for word in pairs:
        name, equals, path = word.partition("=")
        place = Path(path if equals else word)
        name = name.strip() if equals else _last_part(place)
        if not name or not str(place).strip() or (equals and not path):
            raise ValueError(f"{word!r}: NAME=FOLDER is needed, such as ours=out/wavs.")
        if name in systems:
            raise ValueError(f"two systems are called {name!r} ({systems[name]} and {place}): give each a name, NAME=FOLDER.")
        systems[name] = place
    return systems


def _last_part(place: Path) -> str:
    """The name of a folder, or of that of a result.json."""
    whole = Path(os.path.abspath(place))  # a link goes by its own name
    return whole.parent.name if place.suffix == ".json" else whole.name


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
        result = evaluate(reference, path, names, keep=at.with_suffix(".parts.jsonl"), **choices)
        result.save(at)
        results[name] = dataclasses.asdict(result)
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
    if test not in TESTS:
        raise ValueError(nearest(test, TESTS, "test"))
    if family not in FAMILIES:
        raise ValueError(nearest(family, FAMILIES, "family"))
    every = list(dict.fromkeys(name for result in results.values() for name in result["metrics"]))
    names = [name for asked in metrics for name in _named(asked, every)] or every
    _same_reference(results)
    rows = {}
    pairs = []
    values = {}
    shared = {}
    for name in dict.fromkeys(names):
        _same_definition(name, results)
        rows[name], tested, shared[name] = _metric(name, results, test, resamplings)
        pairs += tested
        values[name] = {system: dict(result["values"].get(name, {})) for system, result in results.items()}
    if not any(row["n"] or row["over"] == "folders" for row in rows.values()):
        raise ValueError(f"{', '.join(results)} share no utterance with a value: were they evaluated against the same reference?")
    _correct(pairs, family)
    settings = {
        "test": test, "family": family, "resamplings": resamplings, "level": LEVEL, "fewest": FEWEST, "length_tolerance": TOLERANCE,
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
    references = {str(result["settings"].get("reference", "")) for result in results.values()}
    if len(references) > 1:
        names = ", ".join(sorted(references))
        log.warning(f"the results name different references ({names}): what follows holds only if they are the same.")


def _same_definition(name: str, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises ValueError when two systems were measured in different ways: another rate, alignment, model or definition."""
    first = ""
    first_way: dict[str, Any] = {}
    for system, result in results.items():
        row = result["metrics"].get(name)
        if row is None or not row["n"]:
            continue
        way = _way_of(name, row, result)
        if not first:
            first = system
            first_way = way
        elif way != first_way:
            differing = " and ".join(key for key in way if way[key] != first_way.get(key))
            raise ValueError(f"{name} of {first} and of {system} were measured differently ({differing}): evaluate both in one way.")


def _way_of(name: str, row: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """How a metric was measured: its settings, and the options that its value depends on."""
    settings = result["settings"].get("metrics", {})
    way = dict(settings.get(name, {}))
    options = way.get("options", {})
    decisive = {option: value for option, value in options.items() if option not in CHANGELESS}
    way["options"] = decisive
    for key in ("unit", "higher_is_better", "definition"):
        way[key] = row.get(key)
    return way


def _metric(name: str, results: Mapping[str, Any], test: str, times: int) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """The row of a metric, its tests between two systems each, and the utterances that all systems have a value for."""
    own = {system: result["metrics"].get(name) or {"n": 0, "mean": None} for system, result in results.items()}
    row = _facts(own)
    ids: list[str] = []
    left_out = 0
    pairs: list[dict[str, Any]] = []
    means = {}
    if row["over"] == "folders":
        means = {system: {"mean": score["mean"], "interval": score.get("interval")} for system, score in own.items()}
    else:
        names, ids, left_out, fractions = _shared(name, results, row["pooled"])
        denominators = fractions[..., 1].sum(axis=1)
        if ids and (denominators > 0).all():
            redrawn = resampled(fractions, times)
            means = _means(names, fractions, redrawn)
            how = "bootstrap" if row["pooled"] else test
            pairs = _tests(name, names, fractions, redrawn, how)
    systems = {}
    for system, score in own.items():
        mean = means.get(system, {"mean": None, "interval": None})
        systems[system] = mean | {"own_n": score["n"], "failed": score.get("failed", 0)}
    row["n"] = len(ids)
    row["left_out"] = left_out
    row["systems"] = systems
    row["best"] = _best(systems, row)
    return row, pairs, ids


def _facts(own: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What is the same for all systems; {system: its row}, of which one may lack."""
    first = next(row for row in own.values() if "unit" in row)
    return {
        "unit": first["unit"],
        "higher_is_better": first["higher_is_better"],
        "pooled": any(row.get("pooled") for row in own.values()),
        "over": first.get("over", "utterances"),
    }


def _shared(name: str, results: Mapping[str, Any], pooled: bool) -> tuple[list[str], list[str], int, np.ndarray]:
    """Systems that have values, the utterances that all of these have, how many others there are, and (systems, utterances, 2)."""
    scores = {}
    for system, result in results.items():
        fractions = _fractions(result, name, pooled)
        if fractions:
            scores[system] = fractions
    utterances = [set(fractions) for fractions in scores.values()]
    every = set().union(*utterances)
    ids = sorted(every.intersection(*utterances))
    left_out = len(every) - len(ids)
    rows = []
    for fractions in scores.values():
        row = [fractions[i] for i in ids]
        rows.append(row)
    array = np.array(rows, dtype=float)
    return list(scores), ids, left_out, array.reshape(len(scores), len(ids), 2)


def _means(names: list[str], fractions: np.ndarray, redrawn: np.ndarray) -> dict[str, dict[str, Any]]:
    several = fractions.shape[1] > 1
    means = {}
    for system, own, drawn in zip(names, fractions, redrawn, strict=True):
        mean = _ratio(own)
        interval = _middle(drawn) if several else None
        means[system] = {"mean": mean, "interval": interval}
    return means


def _tests(metric: str, names: list[str], fractions: np.ndarray, redrawn: np.ndarray, test: str) -> list[dict[str, Any]]:
    pairs = []
    for i, j in itertools.combinations(range(len(names)), 2):
        differences = redrawn[i] - redrawn[j]
        outcome = _tested(fractions[i], fractions[j], differences, test)
        first = names[i]
        second = names[j]
        pair = {"metric": metric, "a": first, "b": second}
        pairs.append(pair | outcome)
    return pairs


def _fractions(result: Mapping[str, Any], name: str, pooled: bool) -> dict[str, tuple[float, float]]:
    """{id: (numerator, denominator)}: a mean is a sum of fractions over 1."""
    if pooled:
        return {i: (count[0], count[1]) for i, count in result.get("counts", {}).get(name, {}).items()}
    return {i: (value, 1.0) for i, value in result["values"].get(name, {}).items()}


def resampled(fractions: np.ndarray, times: int = RESAMPLINGS, seed: int = 0) -> np.ndarray:
    """The scores (systems, times) of redrawn utterances, the same draw for all: fractions (systems, utterances, 2)."""
    rng = np.random.default_rng(seed)
    n = fractions.shape[1]
    step = max(1, CHUNK // n)
    parts = []
    for start in range(0, times, step):
        count = min(step, times - start)
        rows = rng.integers(n, size=(count, n))
        numbered = rows + n * np.arange(count)[:, None]  # another range of numbers for each draw: all are counted at once
        counts = np.bincount(numbered.ravel(), minlength=count * n)
        drawn = counts.reshape(count, n).astype(float)  # how often each utterance was drawn
        numerators = fractions[..., 0] @ drawn.T
        denominators = fractions[..., 1] @ drawn.T
        scores = np.full_like(numerators, np.nan)
        np.divide(numerators, denominators, out=scores, where=denominators > 0)
        parts.append(scores)
    return np.concatenate(parts, axis=1)


def _tested(a: np.ndarray, b: np.ndarray, drawn: np.ndarray, test: str) -> dict[str, Any]:
    n = len(a)
    difference = _ratio(a) - _ratio(b)
    differences = a[:, 0] - b[:, 0]
    interval = _middle(drawn) if n > 1 else None
    outcome = {"n": n, "difference": difference, "interval": interval, "test": test, "p": None}
    outcome["contrary"] = test == "wilcoxon" and signed_ranks(differences) * difference < 0
    if n < FEWEST:
        return outcome
    if test == "bootstrap":
        outcome["p"] = bootstrap_p(drawn, difference)
    else:
        outcome["p"] = wilcoxon_p(differences)
    return outcome


def bootstrap_p(drawn: np.ndarray, difference: float) -> float:
    """Two-sided p of no difference: how often redrawing, centred on nothing, goes as far from it as what was seen."""
    finite = drawn[np.isfinite(drawn)]
    distances = np.abs(finite - difference)
    tolerance = 1e-12 * max(1.0, abs(difference))  # so that sums in another order count as equal
    as_far = distances >= abs(difference) - tolerance
    share = (1 + as_far.sum()) / (1 + len(distances))
    return float(share)


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
    worst = 0.0
    corrected = [0.0] * len(values)
    for rank, i in enumerate(np.argsort(values)):
        tests_left = len(values) - rank
        worst = max(worst, min(1.0, tests_left * values[i]))
        corrected[i] = worst
    return corrected


def _correct(pairs: list[dict[str, Any]], family: str) -> None:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in pairs:
        row["p_holm"] = None
        if row["p"] is not None:
            key = row["metric"] if family == "metric" else ""
            groups.setdefault(key, []).append(row)
    for group in groups.values():
        corrected = holm([row["p"] for row in group])
        for row, p in zip(group, corrected, strict=True):
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
