"""What listeners answered, scored: mean opinions with their intervals, preferences with the binomial test."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.compare import holm
from evaluation.shapes import Answers, Key
from utils.files import check_shape, read_json
from utils.log import log

LEVEL = 0.95
ALLOWED = {"mos": (1, 2, 3, 4, 5), "ab": ("a", "b", "none")}


def score(key: Path, answers: Sequence[Path]) -> dict[str, Any]:
    """The scores of a test, given its key.json and the files that listeners sent back.

    Raises ValueError naming the file when the key or an answer is damaged, belongs to another page, or comes from a listener who
    has answered already. Trials without an answer are counted and told.
    """
    page = _key(key)
    if not answers:
        raise ValueError("no answers: give the files that listeners sent back.")
    given: dict[str, dict[str, Any]] = {}
    for path in answers:
        listener, own = _answers(path, page)
        if listener in given:
            raise ValueError(f"{path}: {listener!r} has answered already; one file a listener.")
        given[listener] = own
    count = len(page["trials"])
    absent = {listener: count - len(own) for listener, own in given.items() if len(own) < count}
    if absent:
        missing = sum(absent.values())
        log.warning(f"{missing} trials are without an answer ({', '.join(absent)}); the others count.")
    about = {"kind": page["kind"], "question": page["question"], "listeners": len(given), "absent": absent}
    trials = {trial["code"]: trial for trial in page["trials"]}
    rated = []
    for listener, own in given.items():
        for code, value in own.items():
            rated.append((listener, trials[code], value))
    scores_of = opinions if page["kind"] == "mos" else preferences
    return about | scores_of(page["systems"], rated)


def opinions(systems: Iterable[str], rated: Sequence[tuple[str, Mapping[str, Any], int]]) -> dict[str, Any]:
    """Mean opinions; rated: (listener, trial, value). `interval` takes all ratings as independent, as papers do.

    `interval_listeners` is over the listeners' own means, which is what holds for other listeners.
    """
    scores = {}
    for system in systems:
        values = []
        by_listener: dict[str, list[int]] = {}
        for listener, trial, value in rated:
            if trial["systems"] == [system]:
                values.append(float(value))
                by_listener.setdefault(listener, []).append(value)
        means = [float(np.mean(own)) for own in by_listener.values()]
        scores[system] = {
            "mean": float(np.mean(values)) if values else None,
            "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "n": len(values),
            "interval": t_interval(values),
            "interval_listeners": t_interval(means),
        }
    return {"systems": scores}


def preferences(systems: Iterable[str], rated: Sequence[tuple[str, Mapping[str, Any], str]]) -> dict[str, Any]:
    """For each pair: how often either was preferred, and the two-sided binomial test of even odds, in which "none" does not count."""
    from scipy.stats import binomtest

    pairs = []
    for first, second in itertools.combinations(systems, 2):
        choices = [_preferred(trial, value) for _, trial, value in rated if set(trial["systems"]) == {first, second}]
        wins = choices.count(first)
        losses = choices.count(second)
        row = {"a": first, "b": second, "prefer_a": wins, "prefer_b": losses, "none": choices.count("")}
        row |= {"share_a": None, "interval": None, "p": None, "p_holm": None}
        n = wins + losses
        if n:
            test = binomtest(wins, n)
            edges = test.proportion_ci(LEVEL)
            row["share_a"] = wins / n
            row["interval"] = [float(edges.low), float(edges.high)]
            row["p"] = float(test.pvalue)
        pairs.append(row)
    tested = [row for row in pairs if row["p"] is not None]
    corrected = holm([row["p"] for row in tested])
    for row, p in zip(tested, corrected, strict=True):
        row["p_holm"] = p
    return {"pairs": pairs}


def t_interval(values: Sequence[float]) -> list[float] | None:
    """Student's 95 % interval of the mean; None for fewer than two values."""
    from scipy.stats import t

    count = len(values)
    if count < 2:
        return None
    quantile = t.ppf((1 + LEVEL) / 2, count - 1)
    deviation = np.std(values, ddof=1)
    half = float(quantile * deviation / np.sqrt(count))
    mean = float(np.mean(values))
    return [mean - half, mean + half]


def table(scores: Mapping[str, Any]) -> str:
    """The scores in Markdown."""
    rows = _opinion_cells(scores["systems"]) if scores["kind"] == "mos" else _preference_cells(scores["pairs"])
    rule = ["---"] * len(rows[0])
    rows.insert(1, rule)
    lines = [f"{scores['question']} ({scores['listeners']} listeners)", ""]
    for row in rows:
        cells = [cell.replace("|", "\\|") for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _opinion_cells(systems: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    rows = [["system", "MOS", "95 % interval", "over listeners", "ratings"]]
    for system, row in systems.items():
        mean = _number(row["mean"], ".2f")
        interval = _span(row["interval"])
        over_listeners = _span(row["interval_listeners"])
        rows.append([system, mean, interval, over_listeners, str(row["n"])])
    return rows


def _preference_cells(pairs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    rows = [["A", "B", "A preferred", "B preferred", "no difference", "share of A", "95 % interval", "p", "p (Holm)"]]
    for row in pairs:
        counts = [str(row[name]) for name in ("prefer_a", "prefer_b", "none")]
        share = _number(row["share_a"], ".2f")
        interval = _span(row["interval"])
        p = _number(row["p"], ".3g")
        p_holm = _number(row["p_holm"], ".3g")
        rows.append([row["a"], row["b"], *counts, share, interval, p, p_holm])
    return rows


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _span(interval: Sequence[float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"


def _preferred(trial: Mapping[str, Any], value: str) -> str:
    return {"a": trial["systems"][0], "b": trial["systems"][1], "none": ""}[value]


def _key(path: Path) -> Key:
    try:
        page = read_json(path, Key)
    except ValueError as error:
        raise ValueError(f"{path} is no key of a listening test: take the key.json that was written beside the page. ({error})") from error
    many = 1 if page["kind"] == "mos" else 2
    for trial in page["trials"]:
        if len(trial["systems"]) != many or not set(trial["systems"]) <= set(page["systems"]):
            raise ValueError(f"{path}: trial {trial['code']} has {trial['systems']}, which are not {many} of its systems.")
    return page


def _answers(path: Path, page: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    try:
        sent = read_json(path)
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error.__cause__ or error}): ask the listener for the file again.") from error
    try:
        check_shape(sent, Answers, path)
    except ValueError as error:
        raise ValueError(f"{path} holds no answers: the file that the page's last button saves is needed. ({error})") from error
    if sent["page"] != page["page"]:
        raise ValueError(f"{path} answers another page ({sent['page'][:12]}…, not {page['page'][:12]}…): take the key of that one.")
    codes = {trial["code"] for trial in page["trials"]}
    answers = sent["answers"]
    for code, value in answers.items():
        # True == 1 in Python, and 3.0 == 3
        if code not in codes or type(value) not in (int, str) or value not in ALLOWED[page["kind"]]:
            raise ValueError(f"{path}: {code} = {value!r} is no answer of this page; it was changed after it was saved.")
    return sent["listener"] or path.stem, answers
