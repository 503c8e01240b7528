"""A comparison as one HTML file: the table, the distributions, every test, and players for the utterances that went worst.

Nothing outside the file is needed or asked for. It grows by its sounds, which are kept under a limit; what was left out is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from utils.files import write_whole
from utils.log import log
from utils.recordings import find_audio
from visualization.comparison import Comparison
from visualization.comparison_tables import note, number, p_value, test_name
from visualization.distributions import distributions
from visualization.embed import assemble
from visualization.players import RATE, Players

REFERENCE = ""  # among the systems, whatever they are called
COLOURS = 8  # that the style sheet has for systems
TEST_COLUMNS = {
    "metric": "text",
    "systems": "text",
    "difference": "number",
    "95 % interval": "number",
    "utterances": "number",
    "test": "text",
    "p": "number",
    "p (Holm)": "number",
}


def write_page(
    comparison: Comparison,
    path: Path,
    *,
    reference: Path | None = None,
    folders: Mapping[str, Path] | None = None,
    title: str = "Comparison",
    worst: int = 20,
    seconds: float = 12.0,
    megabytes: float = 48.0,
    codec: str = "mp3",
) -> Path:
    """Writes the page. Sounds come from the folders that the results name, or from `reference` and `folders` {system: folder}.

    The `worst` utterances of each metric get players, each cut to `seconds`, the worst of all metrics first, for as long as sounds
    and pictures fit into `megabytes`. Raises ValueError for an unknown codec and for limits that are not positive.
    """
    _check_limits(worst, seconds, megabytes)
    files = _files(comparison, reference, folders or {})
    players = Players(files, seconds, megabytes * 1e6, codec)
    shown = {metric: worst_of(comparison, metric, worst) for metric in comparison.metrics}
    _fill(players, shown, [REFERENCE, *comparison.systems])
    page = assemble(
        "compare",
        title=title,
        style="style.css",
        script="compare.js",
        data=players.data(),
        table=_table(comparison),
        tests=_tests(comparison),
        note=escape(note(comparison)),
        about=escape(_about(comparison, players)),
        tabs=_tabs(comparison),
        sections=_sections(comparison, shown, players),
    )
    return write_whole(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))


def worst_of(comparison: Comparison, metric: str, count: int) -> list[str]:
    """The utterances with the worst value that any system has, worst first."""
    higher = comparison.metrics[metric]["higher_is_better"]
    sign = -1.0 if higher else 1.0
    badness: dict[str, float] = {}
    for values in comparison.values[metric].values():
        for utterance, value in values.items():
            before = badness.get(utterance, -float("inf"))
            badness[utterance] = max(before, sign * value)
    by_badness = sorted(badness, key=lambda utterance: (-badness[utterance], utterance))
    return by_badness[:count]


def _check_limits(worst: int, seconds: float, megabytes: float) -> None:
    if worst < 0:
        raise ValueError(f"worst {worst}: a positive number is needed.")
    for name, value in {"seconds": seconds, "megabytes": megabytes}.items():
        if value <= 0:
            raise ValueError(f"{name} {value}: a positive number is needed.")


def _files(comparison: Comparison, reference: Path | None, folders: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """{system: {utterance: path}} of the folders that are there."""
    evaluated = comparison.settings["folders"]
    places = {REFERENCE: reference or comparison.settings["reference"]}
    for system in comparison.systems:
        places[system] = folders.get(system) or evaluated.get(system)
    files = {}
    for system, folder in places.items():
        if folder and Path(folder).is_dir():
            files[system] = find_audio(Path(folder))
        else:
            name = system or "reference"
            log.warning(f"{name}: there is no folder {folder or ''} here, so that the page has no players for it.")
    return files


def _fill(players: Players, shown: Mapping[str, Sequence[str]], systems: Sequence[str]) -> None:
    """Adds the worst utterance of each metric, then the second of each, and so on."""
    longest = max(map(len, shown.values()), default=0)
    for rank in range(longest):
        for utterances in shown.values():
            if rank < len(utterances):
                players.add(utterances[rank], systems)


def _about(comparison: Comparison, players: Players) -> str:
    sentences = [f"{len(comparison.systems)} systems, {len(comparison.metrics)} metrics."]
    if players.sounds:
        longer = f" ({len(players.cut)} are longer)" if players.cut else ""
        sentences.append(
            f"Sounds are {players.codec.upper()} of at most {RATE // 1000} kHz, the first {players.seconds:g} s of each{longer}; "
            f"with their pictures they come to {players.size / 1e6:.1f} MB of at most {players.limit / 1e6:g}."
        )
    if players.left_out:
        sentences.append(f"{len(players.left_out)} utterances have no players, since they would not have fitted.")
    return " ".join(sentences)


# --- tables


def _table(comparison: Comparison) -> str:
    heads = [_head("system", "text")]
    for metric, row in comparison.metrics.items():
        arrow = "↑" if row["higher_is_better"] else "↓"
        heads.append(_head(metric, "number", f"{row['unit']} {arrow}"))
    rows = []
    for order, system in enumerate(comparison.systems):
        name = escape(system)
        cells = [f'<th scope="row" data-value="{name}">{_dot(order)}{name}</th>']
        cells += [_score(comparison, metric, system) for metric in comparison.metrics]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return _sortable("scores", heads, rows)


def _score(comparison: Comparison, metric: str, system: str) -> str:
    row = comparison.metrics[metric]["systems"][system]
    mean = row["mean"]
    if mean is None:
        return _cell("", "–")
    text = f"<b>{number(mean)}</b>"
    if comparison.worse(metric, system):
        text += '<abbr title="worse than the best">†</abbr>'
    if row["interval"]:
        low, high = row["interval"]
        text += f"<small>{number(low)} – {number(high)}</small>"
    best = system in comparison.metrics[metric]["best"]
    return _cell(repr(mean), text, best=best)


def _tests(comparison: Comparison) -> str:
    if not comparison.pairs:
        return "<p>There is nothing to test: these are scores of whole folders.</p>"
    heads = [_head(name, kind) for name, kind in TEST_COLUMNS.items()]
    rows = []
    for pair in comparison.pairs:
        cells = "".join(_cell(escape(str(value)), escape(str(text))) for value, text in _test(pair))
        significant = " class=sure" if comparison.differ(pair) else ""
        rows.append(f"<tr{significant}>{cells}</tr>")
    return _sortable("tests", heads, rows)


def _test(pair: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """The cells of a test in the order of TEST_COLUMNS: the value that a column is sorted by, and what is read."""
    systems = f"{pair['a']} − {pair['b']}"
    test = test_name(pair)
    low = ""
    interval = "–"
    if pair["interval"]:
        low, high = pair["interval"]
        interval = f"{low:.3g} to {high:.3g}"
    return [
        (pair["metric"], pair["metric"]),
        (systems, systems),
        (pair["difference"], f"{pair['difference']:.3g}"),
        (low, interval),
        (pair["n"], pair["n"]),
        (test, test),
        *((_or_empty(p), p_value(p)) for p in (pair["p"], pair["p_holm"])),
    ]


def _or_empty(value: float | None) -> Any:
    return "" if value is None else value


def _sortable(name: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(heads)
    body = "".join(rows)
    return f'<table class="sortable" id="{name}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _head(name: str, kind: str, small: str = "") -> str:
    """The head of a column that a button sorts; `kind`: text or number."""
    below = f"<small>{escape(small)}</small>" if small else ""
    return f'<th scope="col" aria-sort="none" data-kind="{kind}"><button>{escape(name)}{below}</button></th>'


def _cell(value: str, text: str, *, best: bool = False) -> str:
    mark = " class=best" if best else ""
    return f'<td data-value="{value}"{mark}>{text}</td>'


def _dot(order: int) -> str:
    return f'<span class="dot s{order % COLOURS}"></span>'


# --- one section a metric


def _tabs(comparison: Comparison) -> str:
    tabs = []
    for order, metric in enumerate(comparison.metrics):
        tabs.append(f'<button role="tab" id="tab-{order}" aria-controls="metric-{order}">{escape(metric)}</button>')
    return "\n".join(tabs)


def _sections(comparison: Comparison, shown: Mapping[str, Sequence[str]], players: Players) -> str:
    sections = []
    for order, (metric, utterances) in enumerate(shown.items()):
        sections.append(f'<section role="tabpanel" id="metric-{order}" aria-labelledby="tab-{order}" tabindex="0">')
        sections.append(f"<h3>{escape(metric)}</h3>")
        picture = distributions(comparison.values[metric], comparison.metrics[metric], metric)
        if picture:
            sections.append(f"<figure>{picture}</figure>")
        else:
            sections.append("<p>A score of whole folders: it has no values of utterances.</p>")
        for rank, utterance in enumerate(utterances, 1):
            sections.append(_article(comparison, metric, utterance, players, rank))
        sections.append("</section>")
    return "\n".join(sections)


def _article(comparison: Comparison, metric: str, utterance: str, players: Players, rank: int) -> str:
    """An utterance: the reference and every system beside one another."""
    remark = ""
    if utterance not in comparison.shared[metric]:
        remark = ' <small class="aside">not in the means: a system has no value</small>'
    head = f'<h4><span class="rank">{rank}</span> {escape(utterance)}{remark}</h4>'
    takes = [_take("reference", "", players.positions.get((REFERENCE, utterance)))]
    for order, system in enumerate(comparison.systems):
        values = comparison.values[metric].get(system, {})
        score = f"<b>{number(values[utterance])}</b>" if utterance in values else "<b>–</b>"
        lengths = comparison.lengths.get(system, {})
        score += _lengths(lengths.get(utterance))
        position = players.positions.get((system, utterance))
        takes.append(_take(system, score, position, _dot(order)))
    players_of_all = "".join(takes)
    return f'<article>{head}<div class="takes">{players_of_all}</div></article>'


def _take(name: str, score: str, position: int | None, dot: str = "") -> str:
    """One sound with its score, and the place for its player, which the script fills."""
    label = escape(name)
    player = '<p class="aside">no player</p>'
    if position is not None:
        player = f'<div class="player" data-sound="{position}"></div>'
    return f'<div class="take" data-label="{label}"><p class="who">{dot}<span>{label}</span>{score}</p>{player}</div>'


def _lengths(lengths: Mapping[str, float] | None) -> str:
    if lengths is None:
        return ""
    return f" <small>{lengths['generated']:.2f} s, {lengths['ratio']:.2f} of the reference</small>"
