"""A comparison as tables for a paper: Markdown and LaTeX, the best in bold, 95 % intervals, marks of significance."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from visualization.comparison import Comparison

LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {c: "\\" + c for c in "&%$#_{}"}
NAMES = {"wilcoxon": "Wilcoxon's signed ranks", "bootstrap": "the paired bootstrap"}


def markdown(found: Comparison) -> str:
    """A row for each system, a column for each metric, then what the marks mean, then every test."""
    heads = ["system", *(_head(name, row, "↑", "↓") for name, row in found.metrics.items())]
    lines = [heads, ["---", *["---:"] * len(found.metrics)]]
    for system in found.systems:
        lines.append([system, *(cell(found, metric, system, bold="**{}**".format, mark=" †") for metric in found.metrics)])
    head = "| metric | systems | difference | 95 % interval | n | test | p | p (Holm) |"
    tests = [[row["metric"], f"{row['a']} − {row['b']}", *_numbers(row)] for row in found.pairs]
    tests = ["", head, _line(["---", "---", *["---:"] * 3, "---", *["---:"] * 2]), *map(_line, tests)] if tests else []
    return "\n".join([*map(_line, lines), "", note(found), *tests])


def latex(found: Comparison) -> str:
    """The same table for \\usepackage{booktabs}, without the list of tests."""
    rows = []
    for system in found.systems:
        looks = {"bold": r"\textbf{{{}}}".format, "mark": r"$^{\dagger}$", "small": r"{{\scriptsize [{}]}}"}
        cells = [cell(found, metric, system, **looks) for metric in found.metrics]
        rows.append(" & ".join([escaped(system), *cells]) + r" \\")
    heads = [escaped(_head(name, row, "↑", "↓")) for name, row in found.metrics.items()]
    heads = [head.replace("↑", r"$\uparrow$").replace("↓", r"$\downarrow$") for head in heads]
    columns = "l" + "r" * len(heads)
    text = escaped(note(found)).replace("†", r"$^{\dagger}$")
    return "\n".join(
        [
            f"% {note(found)}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(["System", *heads]) + r" \\", r"\midrule",
            *rows, r"\bottomrule", r"\end{tabular}", rf"% \caption{{{text}}}",
        ]  # fmt: skip
    )


def cell(
    found: Comparison, metric: str, system: str, *, bold: Callable[[str], str] = str, mark: str = "", small: str = "[{}]"
) -> str:
    """The mean of one system with its interval, "-" where there is none."""
    row = found.metrics[metric]["systems"][system]
    if row["mean"] is None:
        return "-"
    mean = bold(number(row["mean"])) if system in found.metrics[metric]["best"] else number(row["mean"])
    interval = " " + small.format(", ".join(map(number, row["interval"]))) if row["interval"] else ""
    return f"{mean}{interval}{mark if found.worse(metric, system) else ''}"


def note(found: Comparison) -> str:
    """In a few sentences: what the means are over, and what the mark says."""
    counts = {row["n"] for row in found.metrics.values() if row["over"] == "utterances"}
    many = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else str(next(iter(counts), 0))
    words = [f"Means over the {many} utterances that all systems share, with 95 % bootstrap intervals."] if counts else []
    words.append("The best is bold.")
    tests = list(dict.fromkeys(row["test"] for row in found.pairs))
    if tests:
        over = "all tests of the table" if found.settings["family"] == "table" else "the tests of each metric"
        how = " or, for pooled scores, ".join(NAMES[test] for test in tests)
        words.append(f"† worse than the best, p < {found.settings['level']} by {how}, after Holm's correction over {over}.")
    if any(row["p"] is None for row in found.pairs):
        words.append(f"With fewer than {found.settings['fewest']} utterances no test is made.")
    folders = [name for name, row in found.metrics.items() if row["over"] == "folders"]
    if folders:
        words.append(f"Of whole folders, and not tested: {', '.join(folders)}.")
    if lengths := [_lengths(found, system) for system, both in found.lengths.items() if both]:
        words.append(f"Lengths of generated over reference: {', '.join(lengths)}.")
    left = {name: row["left_out"] for name, row in found.metrics.items() if row["over"] == "utterances"}
    if any(left.values()):
        each = [f"{n} of {name}" for name, n in left.items() if n]
        told = ", ".join(each) if len(set(left.values())) > 1 else f"{max(left.values())} of each metric"
        words.append(f"Utterances left out, since some system has no value: {told}.")
    return " ".join(words)


def _lengths(found: Comparison, system: str) -> str:
    lengths = found.lengths[system]
    ratios = [both["ratio"] for both in lengths.values()]
    many = len(found.unlike.get(system, []))
    off = f"; {many} of {len(lengths)} differ by more than {found.settings['length_tolerance']:.0%}" if many else ""
    return f"{system} {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}{off})"


def escaped(text: str) -> str:
    """`text` as LaTeX prints it."""
    return "".join(LATEX.get(character, character) for character in " ".join(text.split("\n")))


def number(value: float) -> str:
    """Four digits, zeros too, so that the numbers of a column end alike."""
    return f"{value:#.4g}".rstrip(".")


def p_value(p: float | None) -> str:
    """Two digits, "-" where there was no test."""
    if p is None:
        return "-"
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def test_name(row: Mapping[str, Any]) -> str:
    """The test of a pair, and a warning where its ranks say the opposite of the means."""
    return f"{row['test']}{', ranks the other way' if row['contrary'] else ''}"


def _numbers(row: Mapping[str, Any]) -> list[str]:
    interval = "{:.3g} to {:.3g}".format(*row["interval"]) if row["interval"] else "-"
    return [f"{row['difference']:.3g}", interval, str(row["n"]), test_name(row), p_value(row["p"]), p_value(row["p_holm"])]


def _head(name: str, row: Mapping[str, Any], up: str, down: str) -> str:
    return f"{name}{' (' + row['unit'] + ')' if row['unit'] else ''} {up if row['higher_is_better'] else down}"


def _line(cells: list[str]) -> str:
    # A "<" before a letter would begin a tag.
    return "| " + " | ".join(re.sub(r"<(?=[^\s\d])", "&lt;", cell.replace("|", "\\|").replace("\n", " ")) for cell in cells) + " |"
