"""A comparison as one HTML file: the table, the distributions, every test, and players for the utterances that went worst.

Nothing outside the file is needed or asked for. It grows by its sounds, which are kept under a limit; what was left out is said.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.audio import Audio
from utils.files import write_whole
from utils.log import log
from utils.recordings import find_audio
from visualization.comparison import Comparison
from visualization.comparison_tables import note, number, p_value, test_name
from visualization.distributions import distributions
from visualization.embed import assemble, picture_uri, sound_uri

REFERENCE = ""  # among the systems, whatever they are called
RATE = 24000  # the highest on the page: pictures and players are for finding faults, not for judging the last octave


def write_page(
    found: Comparison,
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
    for name, value in (("worst", worst), ("seconds", seconds), ("megabytes", megabytes)):
        if value < 0 or (value == 0 and name != "worst"):
            raise ValueError(f"{name} {value}: a positive number is needed.")
    shelf = Shelf(_files(found, reference, folders or {}), seconds, megabytes * 1e6, codec)
    rows = {metric: worst_of(found, metric, worst) for metric in found.metrics}
    for rank in range(worst):
        for ids in rows.values():
            if rank < len(ids):
                shelf.add(ids[rank], [REFERENCE, *found.systems])
    sections = "\n".join(_section(found, metric, rows[metric], shelf, number) for number, metric in enumerate(found.metrics))
    tabs = "\n".join(
        f'<button role="tab" id="tab-{n}" aria-controls="metric-{n}">{html.escape(m)}</button>' for n, m in enumerate(found.metrics)
    )
    text = assemble(
        "compare", title=title, style="style.css", script="compare.js", data=shelf.data(), table=_table(found), tests=_tests(found),
        note=html.escape(note(found)), about=html.escape(_about(found, shelf)), tabs=tabs, sections=sections,
    )  # fmt: skip
    return write_whole(path, lambda p: p.write_text(text, encoding="utf-8"))


def worst_of(found: Comparison, metric: str, many: int) -> list[str]:
    """The utterances with the worst value that any system has, worst first."""
    sign = -1.0 if found.metrics[metric]["higher_is_better"] else 1.0
    badness: dict[str, float] = {}
    for values in found.values[metric].values():
        for name, value in values.items():
            badness[name] = max(badness.get(name, -float("inf")), sign * value)
    return sorted(badness, key=lambda name: (-badness[name], name))[:many]


class Shelf:
    """The sounds of a page and their pictures, each kept once. `files`: {system: {stem: path}}."""

    def __init__(self, files: Mapping[str, Mapping[str, Path]], seconds: float, limit: float, codec: str) -> None:
        self.files, self.seconds, self.limit, self.codec = files, seconds, limit, codec
        self.sounds: list[dict[str, Any]] = []
        self.places: dict[tuple[str, str], int] = {}
        self.size, self.left_out, self.cut = 0, set(), set()
        self.read = functools.lru_cache(maxsize=32)(self._read)

    def add(self, name: str, systems: list[str]) -> None:
        """Takes in utterance `name` of `systems`, all or, when it would not fit any more, none."""
        here = {system: sound for system in systems if (sound := self.read(system, name)) is not None}
        span = max((sound.seconds for sound in here.values()), default=0.0)
        made = {s: self._made(sound, span) for s, sound in here.items() if (s, name) not in self.places}
        more = sum(len(sound["audio"]) + len(sound["picture"]) for sound in made.values())
        if self.size + more > self.limit:
            self.left_out.add(name)
            return
        self.size += more
        for system, sound in made.items():
            self.places[system, name] = len(self.sounds)
            self.sounds.append(sound)

    def data(self) -> dict[str, Any]:
        return {"sounds": self.sounds}

    def _made(self, sound: Audio, span: float) -> dict[str, Any]:
        return {"audio": sound_uri(sound, self.codec), "picture": picture_uri(sound, span), "seconds": round(span, 3)}

    def _read(self, system: str, name: str) -> Audio | None:
        path = self.files.get(system, {}).get(name)
        if path is None:
            return None
        try:
            sound = Audio.read(path, seconds=self.seconds)
        except ValueError as error:
            log.warning(f"no player for {system}: {error}")
            return None
        if sound.seconds >= self.seconds:
            self.cut.add((system, name))
        return sound.resample(RATE) if sound.rate > RATE else sound


def _files(found: Comparison, reference: Path | None, folders: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    told = found.settings
    where = {REFERENCE: reference or told["reference"]}
    where |= {system: folders.get(system) or told["folders"].get(system) for system in found.systems}
    files = {}
    for system, folder in where.items():
        if folder and Path(folder).is_dir():
            files[system] = find_audio(Path(folder))
        else:
            log.warning(f"{system or 'reference'}: there is no folder {folder or ''} here, so that the page has no players for it.")
    return files


def _table(found: Comparison) -> str:
    heads = [_button("system", "text")]
    for name, row in found.metrics.items():
        heads.append(_button(name, "number", row["unit"], "↑" if row["higher_is_better"] else "↓"))
    body = []
    for order, system in enumerate(found.systems):
        cells = [f'<th scope="row" data-value="{html.escape(system)}"><span class="dot s{order % 8}"></span>{html.escape(system)}</th>']
        cells += [_cell(found, metric, system) for metric in found.metrics]
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table class="sortable" id="scores"><thead><tr>{"".join(heads)}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def _cell(found: Comparison, metric: str, system: str) -> str:
    row = found.metrics[metric]["systems"][system]
    if row["mean"] is None:
        return '<td data-value="">–</td>'
    best = system in found.metrics[metric]["best"]
    mark = '<abbr title="worse than the best">†</abbr>' if found.worse(metric, system) else ""
    span = f'<small>{number(row["interval"][0])} – {number(row["interval"][1])}</small>' if row["interval"] else ""
    return f'<td data-value="{row["mean"]!r}"{" class=best" if best else ""}><b>{number(row["mean"])}</b>{mark}{span}</td>'


def _button(name: str, kind: str, unit: str = "", arrow: str = "") -> str:
    small = f"<small>{html.escape(unit)} {arrow}</small>" if unit or arrow else ""
    return f'<th scope="col" aria-sort="none" data-kind="{kind}"><button>{html.escape(name)}{small}</button></th>'


def _tests(found: Comparison) -> str:
    heads = [("metric", "text"), ("systems", "text"), ("difference", "number"), ("95 % interval", "number"), ("utterances", "number")]
    heads += [("test", "text"), ("p", "number"), ("p (Holm)", "number")]
    body = []
    for row in found.pairs:
        low = row["interval"][0] if row["interval"] else ""
        span = "{:.3g} to {:.3g}".format(*row["interval"]) if row["interval"] else "–"
        cells = [(row["metric"],) * 2, (f"{row['a']} − {row['b']}",) * 2, (row["difference"], f"{row['difference']:.3g}"), (low, span)]
        cells += [(row["n"],) * 2, (test_name(row),) * 2]
        cells += [("" if row[key] is None else row[key], p_value(row[key])) for key in ("p", "p_holm")]
        tds = "".join(f'<td data-value="{html.escape(str(value))}">{html.escape(str(shown))}</td>' for value, shown in cells)
        body.append(f"<tr{' class=sure' if found.differ(row) else ''}>{tds}</tr>")
    head = "".join(_button(*column) for column in heads)
    if not body:
        return "<p>There is nothing to test: these are scores of whole folders.</p>"
    return f'<table class="sortable" id="tests"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def _section(found: Comparison, metric: str, ids: list[str], shelf: Shelf, order: int) -> str:
    row = found.metrics[metric]
    parts = [f'<section role="tabpanel" id="metric-{order}" aria-labelledby="tab-{order}" tabindex="0">', f"<h3>{html.escape(metric)}</h3>"]
    picture = distributions(found.values[metric], row, metric)
    if not picture:
        parts.append("<p>A score of whole folders: it has no values of utterances.</p>")
    parts += [f"<figure>{picture}</figure>"] if picture else []
    parts += [_utterance(found, metric, name, shelf, rank) for rank, name in enumerate(ids, 1)]
    return "\n".join([*parts, "</section>"])


def _utterance(found: Comparison, metric: str, name: str, shelf: Shelf, rank: int) -> str:
    shared = "" if name in found.shared[metric] else ' <small class="aside">not in the means: a system has no value</small>'
    columns = []
    for order, system in enumerate([REFERENCE, *found.systems]):
        value = found.values[metric].get(system, {}).get(name) if system else None
        place = shelf.places.get((system, name))
        dot = f'<span class="dot s{(order - 1) % 8}"></span>' if system else ""
        shown = f"<b>{number(value)}</b>" if value is not None else ("" if not system else "<b>–</b>")
        player = f'<div class="player" data-sound="{place}"></div>' if place is not None else '<p class="aside">no player</p>'
        label = html.escape(system or "reference")
        shown += _length(found.lengths.get(system, {}).get(name))
        columns.append(f'<div class="take" data-label="{label}"><p class="who">{dot}<span>{label}</span>{shown}</p>{player}</div>')
    return f'<article><h4><span class="rank">{rank}</span> {html.escape(name)}{shared}</h4><div class="takes">{"".join(columns)}</div></article>'


def _length(both: Mapping[str, float] | None) -> str:
    return f' <small>{both["generated"]:.2f} s, {both["ratio"]:.2f} of the reference</small>' if both else ""


def _about(found: Comparison, shelf: Shelf) -> str:
    words = [f"{len(found.systems)} systems, {len(found.metrics)} metrics."]
    if shelf.sounds:
        words.append(
            f"Sounds are {shelf.codec.upper()} of at most {RATE // 1000} kHz, the first {shelf.seconds:g} s of each"
            f"{f' ({len(shelf.cut)} are longer)' if shelf.cut else ''}; with their pictures they come to {shelf.size / 1e6:.1f} MB of at most "
            f"{shelf.limit / 1e6:g}."
        )
    if shelf.left_out:
        words.append(f"{len(shelf.left_out)} utterances have no players, since they would not have fitted.")
    return " ".join(words)
