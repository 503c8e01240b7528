"""A comparison as tables for a paper: Markdown and LaTeX, the best in bold, 95 % intervals, marks of significance."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from visualization.comparison import Comparison

BACKSLASHED = {character: "\\" + character for character in "&%$#_{}"}
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", **BACKSLASHED}
SYMBOLS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"$^{\dagger}$"}
NAMES = {"wilcoxon": "Wilcoxon's signed ranks", "bootstrap": "the paired bootstrap"}
TEST_HEAD = "| metric | systems | difference | 95 % interval | n | test | p | p (Holm) |"
TEST_RULE = "| --- | --- | ---: | ---: | ---: | --- | ---: | ---: |"


def markdown(comparison: Comparison) -> str:
    """A row for each system, a column for each metric, then what the marks mean, then every test."""
    metrics = comparison.metrics
    heads = [_head(name, row) for name, row in metrics.items()]
    lines = [
        _line(["system", *heads]),
        _line(["---", *["---:"] * len(heads)]),
    ]
    for system in comparison.systems:
        cells = [cell(comparison, metric, system, bold="**{}**".format, mark=" †") for metric in metrics]
        lines.append(_line([system, *cells]))
    lines += ["", note(comparison)]
    if comparison.pairs:
        lines += ["", TEST_HEAD, TEST_RULE]
        lines += [_line(_test(pair)) for pair in comparison.pairs]
    return "\n".join(lines)


def latex(comparison: Comparison) -> str:
    """The same table for \\usepackage{booktabs}, without the list of tests."""
    heads = [_latex(_head(name, row)) for name, row in comparison.metrics.items()]
    sentences = note(comparison)
    lines = [
        f"% {sentences}",
        rf"\begin{{tabular}}{{l{'r' * len(heads)}}}",
        r"\toprule",
        " & ".join(["System", *heads]) + r" \\",
        r"\midrule",
    ]
    looks = {"bold": r"\textbf{{{}}}".format, "mark": SYMBOLS["†"], "small": r"{{\scriptsize [{}]}}"}
    for system in comparison.systems:
        cells = [cell(comparison, metric, system, **looks) for metric in comparison.metrics]
        lines.append(" & ".join([escaped(system), *cells]) + r" \\")
    caption = rf"% \caption{{{_latex(sentences)}}}"
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", caption])


def cell(
    comparison: Comparison,
    metric: str,
    system: str,
    *,
    bold: Callable[[str], str] = str,
    mark: str = "",
    small: str = "[{}]",
) -> str:
    """The mean of one system with its interval, "-" where there is none."""
    row = comparison.metrics[metric]["systems"][system]
    if row["mean"] is None:
        return "-"
    text = number(row["mean"])
    if system in comparison.metrics[metric]["best"]:
        text = bold(text)
    if row["interval"]:
        edges = ", ".join(map(number, row["interval"]))
        text += " " + small.format(edges)
    return text + mark if comparison.worse(metric, system) else text


def note(comparison: Comparison) -> str:
    """In a few sentences: what the means are over, and what the mark says."""
    sentences = [
        _counts(comparison),
        "The best is bold.",
        _mark(comparison),
        _untested(comparison),
        _lengths(comparison),
        _left_out(comparison),
    ]
    return " ".join(filter(None, sentences))


def _counts(comparison: Comparison) -> str:
    counts = {row["n"] for row in comparison.metrics.values() if row["over"] == "utterances"}
    if not counts:
        return ""
    least = min(counts)
    most = max(counts)
    count = f"{least} to {most}" if least < most else str(most)
    return f"Means over the {count} utterances that all systems share, with 95 % bootstrap intervals."


def _mark(comparison: Comparison) -> str:
    tests = list(dict.fromkeys(pair["test"] for pair in comparison.pairs))
    if not tests:
        return ""
    settings = comparison.settings
    tested = " or, for pooled scores, ".join(NAMES[test] for test in tests)
    family = "all tests of the table" if settings["family"] == "table" else "the tests of each metric"
    return f"† worse than the best, p < {settings['level']} by {tested}, after Holm's correction over {family}."


def _untested(comparison: Comparison) -> str:
    """Which scores no test is made of."""
    sentences = []
    if any(pair["p"] is None for pair in comparison.pairs):
        sentences.append(f"With fewer than {comparison.settings['fewest']} utterances no test is made.")
    folders = [name for name, row in comparison.metrics.items() if row["over"] == "folders"]
    if folders:
        sentences.append(f"Of whole folders, and not tested: {', '.join(folders)}.")
    return " ".join(sentences)


def _lengths(comparison: Comparison) -> str:
    tolerance = comparison.settings["length_tolerance"]
    systems = []
    for system, lengths in comparison.lengths.items():
        if not lengths:
            continue
        ratios = [both["ratio"] for both in lengths.values()]
        unlike = len(comparison.unlike.get(system, []))
        off = f"; {unlike} of {len(lengths)} differ by more than {tolerance:.0%}" if unlike else ""
        systems.append(f"{system} {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}{off})")
    return f"Lengths of generated over reference: {', '.join(systems)}." if systems else ""


def _left_out(comparison: Comparison) -> str:
    counts = {name: row["left_out"] for name, row in comparison.metrics.items() if row["over"] == "utterances"}
    if not any(counts.values()):
        return ""
    if len(set(counts.values())) == 1:
        text = f"{max(counts.values())} of each metric"
    else:
        text = ", ".join(f"{count} of {name}" for name, count in counts.items() if count)
    return f"Utterances left out, since some system has no value: {text}."


def escaped(text: str) -> str:
    """`text` as LaTeX prints it."""
    one_line = " ".join(text.split("\n"))
    return "".join(LATEX.get(character, character) for character in one_line)


def number(value: float) -> str:
    """Four digits, zeros too, so that the numbers of a column end alike."""
    return f"{value:#.4g}".rstrip(".")


def p_value(p: float | None) -> str:
    """Two digits, "-" where there was no test."""
    if p is None:
        return "-"
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def test_name(pair: Mapping[str, Any]) -> str:
    """The test of a pair, and a warning where its ranks say the opposite of the means."""
    warning = ", ranks the other way" if pair["contrary"] else ""
    return f"{pair['test']}{warning}"


def _test(pair: Mapping[str, Any]) -> list[str]:
    """The cells of a test, under TEST_HEAD."""
    interval = "-"
    if pair["interval"]:
        low, high = pair["interval"]
        interval = f"{low:.3g} to {high:.3g}"
    return [
        pair["metric"],
        f"{pair['a']} − {pair['b']}",
        f"{pair['difference']:.3g}",
        interval,
        str(pair["n"]),
        test_name(pair),
        p_value(pair["p"]),
        p_value(pair["p_holm"]),
    ]


def _head(name: str, row: Mapping[str, Any]) -> str:
    unit = f" ({row['unit']})" if row["unit"] else ""
    arrow = "↑" if row["higher_is_better"] else "↓"
    return f"{name}{unit} {arrow}"


def _latex(text: str) -> str:
    """Words of ours as LaTeX prints them, arrows and marks too."""
    text = escaped(text)
    for symbol, command in SYMBOLS.items():
        text = text.replace(symbol, command)
    return text


def _line(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    plain = []
    for text in cells:
        text = text.replace("|", "\\|").replace("\n", " ")
        # A "<" before a letter would begin a tag.
        plain.append(re.sub(r"<(?=[^\s\d])", "&lt;", text))
    return f"| {' | '.join(plain)} |"
