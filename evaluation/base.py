"""Two folders of recordings become a table: pairs by name, every metric on every pair, nothing hidden.

What a metric reads of a file (its F0 track, its mel-cepstra, its words, ...) is computed once and shared by all that read it.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from evaluation.journal import PARTS, Journal, digest, fingerprint, pack, unpack
from evaluation.lengths import lengths_of, warn_of_lengths
from evaluation.metric import METRICS, UPSTREAM, Align, Metric, Options, Ratio, refuse_silence, version
from evaluation.models import SOURCES
from evaluation.pair import Pair, Recording
from evaluation.result import Result, pooled_summary, set_summary, summary
from utils import pretrained
from utils.log import log
from utils.parallel import parallel
from utils.recordings import find_audio
from utils.registry import nearest, pick

ERRORS = (ValueError, ArithmeticError, RuntimeError)  # the libraries' own: PESQ and Praat raise kinds of RuntimeError
Item = tuple[str, "Path | None", "Path | None", list[str]]  # stem, reference, generated, names of metrics


def all_metrics() -> dict[str, Metric]:
    """METRICS, once every module of this folder has added its rows."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name != "loops":  # holds no metric, and imports the compiler
            importlib.import_module(f"evaluation.{module.name}")
    return METRICS


def find_metric(name: str, options: Options) -> Metric:
    """The row for what a user calls `name`. Raises ValueError with the nearest name and the choices."""
    all_metrics()
    whole = "_overall" if options.similarity_mode == "overall" else ""
    short = {"similarity": f"similarity_{options.similarity_model}{whole}", "fad": f"fad_{options.fad_model}"}
    if name not in METRICS and name not in short:
        raise ValueError(nearest(name, [*METRICS, *short], "metric"))
    full_name = short.get(name, name)
    row = pick(METRICS, full_name, f"{name} model")
    return UPSTREAM.get(row.name, row) if options.definition == "upstream" else row


def measurable(names: Iterable[str], options: Options) -> list[str]:
    """Those of the metrics `names` for which everything is here; the log names the others, and what they lack."""
    here = []
    for name in names:
        lack = find_metric(name, options).absent(options)
        if lack:
            log.info(f"{name} is left out: it {lack}")
        else:
            here.append(name)
    return here


def evaluate(
    reference_dir: str | Path,
    generated_dir: str | Path,
    names: Iterable[str],
    *,
    align: Align = "cut",
    rate: int | None = None,
    jobs: int = 0,
    cluster: str = "",
    keep: Path | None = None,
    **choices: Any,
) -> Result:
    """Every metric of `names` on every pair of the two folders; "all" are those that this machine has the models for.

    `rate` replaces the reference's own for metrics that fix none. `keep` is the file where each pair's values are kept while the
    run goes on: the same call then goes on where one was stopped. `choices` are fields of `metric.Options`.
    Raises ValueError for an unknown metric, a package or model that is not here, a folder without audio, two files of one
    stem, and folders that have no stem in common.
    """
    options = _options(align, rate, choices)
    rows, skipped = _rows(list(names), options)
    references = find_audio(Path(reference_dir))
    generated = find_audio(Path(generated_dir))
    paired = any(row.kind != "set" for row in rows)
    missing = _missing(references, generated, reference_dir, generated_dir, paired)
    journal = Journal(keep, {row.name: digest(row, options, rate) for row in rows})
    items = []
    outcomes = {}
    for name in sorted(references.keys() | generated.keys()):
        paths = references.get(name), generated.get(name)
        wanted = [row.name for row in rows if row.kind == "set" or all(paths)]
        files = [fingerprint(path) for path in paths]
        outcomes[name] = {"id": name, "files": files, "failed": {}} | journal.done(name, files)
        todo = [metric for metric in wanted if metric not in outcomes[name]["rates"]]
        if todo or (all(paths) and not outcomes[name]["seconds"]):
            items.append((name, *paths, todo))
    for outcome, todo in _run(items, options, rate, jobs, cluster):
        journal.write(outcome | {"files": outcomes[outcome["id"]]["files"]}, todo)
        for part in (*PARTS, "failed"):
            outcomes[outcome["id"]][part] |= outcome[part]
    settings = {"reference": str(reference_dir), "generated": str(generated_dir), **dataclasses.asdict(options)}
    return _collect(rows, list(outcomes.values()), missing, skipped, settings)


def _options(align: str, rate: int | None, choices: dict[str, Any]) -> Options:
    fields = {field.name for field in dataclasses.fields(Options)}
    for name in choices:
        if name not in fields:
            raise ValueError(nearest(name, fields, "option"))
    allowed = {
        "align": ("cut", "dtw"),
        "definition": ("correct", "upstream"),
        "similarity_mode": ("pairwith", "overall"),
        "intelligibility_mode": ("gt_audio", "gt_content"),
        "normaliser": ("standard", "whisper"),
    }
    for name, value in {"align": align, **choices}.items():
        if value not in allowed.get(name, (value,)):
            raise ValueError(f"{name} {value!r}: choose {' or '.join(allowed[name])}.")
    bound = choices.get("length_ratio", Options.length_ratio)
    if bound != 0 and not 1 < bound < math.inf:
        raise ValueError(f"length_ratio {bound}: a number above 1 is needed, such as 2, or 0 for no bound.")
    if rate is not None and rate < 8000:
        raise ValueError(f"rate {rate} Hz: 8000 or more is needed.")
    options = Options(align=align, **choices)
    # Said once where each model lies: results tell it, and what was kept of another model is not taken for this one's.
    places = {source.name: pretrained.locate(source, getattr(options, source.name)) for source in SOURCES}
    return dataclasses.replace(options, **places)


def _rows(names: list[str], options: Options) -> tuple[list[Metric], dict[str, str]]:
    """The metrics that are asked for, each once, and of all those that cannot run here: {name: why}."""
    if not names:
        raise ValueError(f"no metric asked for. Choices: {', '.join(sorted(all_metrics()))}, or all.")
    every = names == ["all"]
    asked = [find_metric(name, options) for name in (sorted(all_metrics()) if every else names)]
    rows = {}
    skipped = {}
    for row in asked:
        why = row.absent(options)
        if not why:
            rows[row.name] = row
        elif every:
            skipped[row.name] = why
            log.info(f"{row.name} is left out: it {why}")
        else:
            raise ValueError(f"metric {row.name!r} {why}")
    return list(rows.values()), skipped


def _missing(
    references: dict[str, Path], generated: dict[str, Path], reference_dir: Any, generated_dir: Any, paired: bool
) -> dict[str, list[str]]:
    if paired and not references.keys() & generated.keys():
        raise ValueError(
            f"no file of {generated_dir} has the name of one of {reference_dir}: pairs are files of the same stem, "
            f"here e.g. {min(generated)} and {min(references)}."
        )
    missing = {
        "reference": sorted(generated.keys() - references.keys()),
        "generated": sorted(references.keys() - generated.keys()),
    }
    for side, absent in missing.items():
        if absent and paired:
            log.info(
                f"{len(absent)} without a partner in the {side} folder, e.g. {absent[0]}: not compared, listed in the result."
            )
    return missing


def _run(
    items: list[Item], options: Options, rate: int | None, jobs: int, cluster: str
) -> Iterator[tuple[dict[str, Any], list[str]]]:
    if not items:
        return
    todo = {item[0]: item[3] for item in items}
    # Forked workers cannot share a GPU that their parent has opened; there the networks are the work, and one process feeds them.
    jobs = jobs if options.device == "cpu" else 1
    score = functools.partial(_score, options=options, rate=rate)
    for outcome in parallel(score, items, what="evaluate", jobs=jobs, cluster=cluster, lost=_failed):
        yield outcome, todo[outcome["id"]]


def _failed(item: Item, reason: str) -> dict[str, Any]:
    """The outcome of a pair that no metric could be worked out for."""
    name, *_, names = item
    return {"id": name, "failed": dict.fromkeys(names, reason)} | {part: {} for part in PARTS}


def _score(item: Item, *, options: Options, rate: int | None) -> dict[str, Any]:
    name, *paths, names = item
    outcome = _failed(item, "") | {"failed": {}}
    try:
        sides = [Recording.read(path, options) if path else None for path in paths]
    except ValueError as error:
        return _failed(item, str(error))
    native = next(side.audio.rate for side in sides if side)
    if all(sides):
        outcome["seconds"] = {"reference": sides[0].audio.seconds, "generated": sides[1].audio.seconds}
    for row in (find_metric(name, options) for name in names):
        at = row.rate_for(rate, native)
        try:
            if row.kind == "set":
                outcome["rows"][row.name] = [_packed(side, row, at) for side in sides]
            else:
                _enter(outcome, row.name, Pair(*sides, options, name).score(row, at))
            outcome["rates"][row.name] = at
        except ERRORS as error:
            outcome["failed"][row.name] = str(error) or type(error).__name__
    return outcome


def _enter(outcome: dict[str, Any], name: str, value: float | Ratio) -> None:
    if isinstance(value, Ratio):
        outcome["counts"][name] = list(value)
        if not value.denominator:
            return
        value = value.numerator / value.denominator
    outcome["values"][name] = value


def _packed(side: Recording | None, row: Metric, rate: int) -> list[Any] | None:
    if side is None:
        return None
    refuse_silence(None, side.audio)
    return pack(side.view(row.of, rate).values)


def _collect(
    rows: list[Metric], outcomes: list[dict], missing: dict[str, list[str]], skipped: dict[str, str], settings: dict[str, Any]
) -> Result:
    parts = {}
    for part in ("values", "counts", "failed", "rates"):
        parts[part] = {row.name: _by_utterance(outcomes, part, row.name) for row in rows}
    metrics = {}
    definitions = {}
    for row in rows:
        scores = _summary(row, parts, outcomes)
        scores["failed"] = len(parts["failed"][row.name])
        scores |= {"unit": row.unit, "higher_is_better": row.higher_is_better, "definition": row.definition}
        metrics[row.name] = scores
        rates = sorted(set(parts["rates"][row.name].values()))
        definitions[row.name] = _definition(row, rates, settings)
    lengths = lengths_of(outcomes)
    warn_of_lengths(lengths, settings["align"])
    counts = {name: by_utterance for name, by_utterance in parts["counts"].items() if by_utterance}
    settings = settings | {"metrics": definitions}
    return Result(metrics, parts["values"], parts["failed"], missing, settings, _versions(rows), counts, skipped, lengths)


def _by_utterance(outcomes: list[dict], part: str, metric: str) -> dict[str, Any]:
    return {outcome["id"]: outcome[part][metric] for outcome in outcomes if metric in outcome[part]}


def _definition(row: Metric, rates: list[int], settings: dict[str, Any]) -> dict[str, Any]:
    """How a metric was measured, so that another result can be compared with it."""
    if len(rates) > 1:
        log.warning(f"{row.name} was measured at {rates} Hz, each reference at its own: give one rate to compare like with like.")
    by_rate = {}
    for rate in rates:
        by_rate[str(rate)] = row.settings(rate)
    options = {name: settings[name] for name in row.reads}
    return {"definition": row.doc, "rates": by_rate, "options": options}


def _versions(rows: list[Metric]) -> dict[str, str]:
    packages = {"amphion", "numpy", "soxr"}
    for row in rows:
        packages.update(row.packages)
    return {package: version(package) or "not installed" for package in sorted(packages)}


def _summary(row: Metric, parts: dict[str, Any], outcomes: list[dict]) -> dict[str, Any]:
    if row.kind != "set":
        counts = [Ratio(*count) for count in parts["counts"][row.name].values()]
        if counts:
            return pooled_summary(counts)
        values = parts["values"][row.name]
        return summary(list(values.values()))
    ref = []
    deg = []
    for reference, generated in _by_utterance(outcomes, "rows", row.name).values():
        if reference:
            ref.append(unpack(reference))
        if generated:
            deg.append(unpack(generated))
    try:
        if not (ref and deg):
            raise ValueError("no file of one of the folders could be used.")
        return set_summary(row.score, ref, deg)
    except ValueError as error:
        parts["failed"][row.name]["(all files)"] = str(error)
        return summary([])
