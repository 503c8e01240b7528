"""Two folders of recordings become a table: pairs by name, every metric on every pair, nothing hidden.

A metric is a function of two aligned views of sound. What it reads (`of`: an F0 track, mel-cepstra, ...) is computed once
for each file and shared by all metrics that name it.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from utils.audio import Audio
from utils.files import write_json, write_whole
from utils.log import log
from utils.parallel import parallel
from utils.registry import pick

SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"))
BAND_SECONDS = 4.0  # how far dynamic time warping may stray from the straight line between the ends
BAND_CELLS = 2**30  # one byte each
RESAMPLINGS = 1000  # of the bootstrap

Align = Literal["cut", "dtw"]


@dataclasses.dataclass(frozen=True)
class Frames:
    """A view of a sound: `values` (frames, ...), the first at `start` seconds, then one every `step` seconds."""

    values: np.ndarray
    start: float
    step: float

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """The values nearest to these times, (times, ...)."""
        nearest = np.rint((seconds - self.start) / self.step).astype(int)
        return self.values[nearest.clip(0, len(self.values) - 1)]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A row of METRICS. `rate` None is the reference's own, `settings(rate)` what the definition comes to at that rate.

    `packages` are the distributions that it needs, by the names that pip knows.
    """

    name: str
    score: Callable[[Any, Any], float]
    of: Callable[[Audio], Frames] | None
    rate: int | None
    unit: str
    higher_is_better: bool
    packages: tuple[str, ...]
    settings: Callable[[int], dict[str, Any]]

    @property
    def definition(self) -> str:
        return " ".join((self.score.__doc__ or "").split())


METRICS: dict[str, Metric] = {}


def metric(
    name: str,
    *,
    of: Callable[[Audio], Frames] | None = None,
    rate: int | None = None,
    unit: str = "",
    higher_is_better: bool,
    packages: tuple[str, ...] = (),
    settings: Callable[[int], dict[str, Any]] = lambda rate: {},
) -> Callable[[Callable[[Any, Any], float]], Callable[[Any, Any], float]]:
    """Puts `(ref, deg) -> float` into METRICS under `name`; its docstring is the definition that results quote.

    With `of` it is given two arrays of as many rows, aligned; without, two `Audio` of one rate and length.
    It raises ValueError, saying why, where the number would mean nothing.
    """

    def register(score: Callable[[Any, Any], float]) -> Callable[[Any, Any], float]:
        METRICS[name] = Metric(name, score, of, rate, unit, higher_is_better, packages, settings)
        return score

    return register


def all_metrics() -> dict[str, Metric]:
    """METRICS, once every module of this folder has added its rows."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"evaluation.{module.name}")
    return METRICS


def refuse_silence(ref: Audio, deg: Audio) -> None:
    """Raises ValueError naming the side that is silent: to many a metric silence is a fine score."""
    for side, audio in (("reference", ref), ("generated", deg)):
        if audio.silent:
            raise ValueError(f"the {side} file is silent in its first {audio.seconds:.2f} s: the peak is under -60 dB.")


class Pair:
    """A reference and what is compared with it; resampled once for each rate, viewed once in each way, aligned once."""

    def __init__(self, ref: Audio, deg: Audio, align: Align = "cut") -> None:
        refuse_silence(ref, deg)
        self.align = align
        # The cache lives and dies with the pair; on the class it would keep every sound ever read.
        self.sounds = functools.cache(lambda rate: (ref.resample(rate), deg.resample(rate)))
        self.views = functools.cache(lambda of, rate: tuple(map(of, self.sounds(rate))))
        self.path = functools.cache(self._path)

    def score(self, row: Metric, rate: int) -> float:
        """`row` at `rate`. Raises ValueError where it is undefined, and what the libraries raise."""
        ref, deg = self.cut(rate) if row.of is None else self.frames(row.of, rate)
        value = float(row.score(ref, deg))
        if not np.isfinite(value):
            raise ValueError(f"the result is {value}.")
        return value

    def cut(self, rate: int) -> tuple[Audio, Audio]:
        """Both sounds at `rate`, as long as the shorter."""
        ref, deg = self.sounds(rate)
        shorter = min(len(ref.samples), len(deg.samples))
        ref, deg = Audio(ref.samples[:shorter], rate), Audio(deg.samples[:shorter], rate)
        refuse_silence(ref, deg)
        return ref, deg

    def frames(self, of: Callable[[Audio], Frames], rate: int) -> tuple[np.ndarray, np.ndarray]:
        """Both views, row for row: "cut" to the shorter, or "dtw" along the path that brings their spectra together."""
        ref, deg = self.views(of, rate)
        if self.align == "cut":
            shorter = min(len(ref.values), len(deg.values))
            return ref.values[:shorter], deg.values[:shorter]
        path = self.path(rate)
        return ref.at(path[:, 0]), deg.at(path[:, 1])

    def _path(self, rate: int) -> np.ndarray:
        # Always on spectra: F0 aligned with F0, or energy with energy, would warp away the very error to be measured.
        from evaluation.spectrum import mel_cepstra

        ref, deg = self.views(mel_cepstra, rate)
        return warp(ref.values, deg.values, round(BAND_SECONDS / ref.step)) * ref.step + ref.start


def warp(a: np.ndarray, b: np.ndarray, radius: int) -> np.ndarray:
    """Dynamic time warping of `a` (n, size) with `b` (m, size) by Euclidean distance: the path, (steps, 2) indices.

    For each frame of `a` only 2 x `radius` + 1 frames of `b` about the straight line between the corners are tried.
    Raises ValueError when the band would not fit into memory.
    """
    radius = max(radius, -(-len(b) // len(a)))  # the band of one row must reach that of the next
    if len(a) * (2 * radius + 1) > BAND_CELLS:
        raise ValueError(f"{len(a)} frames are too many for dynamic time warping: cut the recording up, or take --align cut.")
    steps, firsts = _compiled_steps()(np.ascontiguousarray(a), np.ascontiguousarray(b), radius)
    i, j = len(a) - 1, len(b) - 1
    path = [(i, j)]
    while i or j:
        step = steps[i, j - firsts[i]]
        i, j = i - (step != 2), j - (step != 1)
        path.append((i, j))
    return np.array(path[::-1])


@functools.cache
def _compiled_steps() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    import numba

    return numba.njit(cache=True)(_steps)


def _steps(a: np.ndarray, b: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    # Step into each cell of the band (0 from both, 1 from the row before, 2 from the column before), and where rows begin.
    n, m = len(a), len(b)
    width = min(2 * radius + 1, m)
    steps = np.zeros((n, width), np.uint8)
    firsts = np.zeros(n, np.int64)
    before, now = np.full(width, np.inf), np.full(width, np.inf)
    for i in range(n):
        firsts[i] = min(max(i * (m - 1) // max(n - 1, 1) - radius, 0), m - width)
        moved = firsts[i] - firsts[i - 1] if i else 0
        for k in range(width):
            j = firsts[i] + k
            distance = 0.0
            for d in range(a.shape[1]):
                distance += (a[i, d] - b[j, d]) ** 2
            up = before[k + moved] if i and k + moved < width else np.inf
            both = before[k + moved - 1] if i and 0 < k + moved <= width else np.inf
            left = now[k - 1] if k else np.inf
            best, step = both, 0
            if up < best:
                best, step = up, 1
            if left < best:
                best, step = left, 2
            now[k] = np.sqrt(distance) + (0.0 if i == 0 and j == 0 else best)
            steps[i, k] = step
        before, now = now, before
    return steps, firsts


@dataclasses.dataclass(frozen=True)
class Result:
    """What `evaluate` found. `metrics`: {name: mean, std, n, interval, ...}; `values` and `failed`: {name: {id: ...}}."""

    metrics: dict[str, dict[str, Any]]
    values: dict[str, dict[str, float]]
    failed: dict[str, dict[str, str]]
    missing: dict[str, list[str]]
    settings: dict[str, Any]
    versions: dict[str, str]

    def table(self) -> str:
        return markdown(dataclasses.asdict(self))

    def save(self, path: Path) -> Path:
        """Writes everything to `path` as JSON, and the table beside it as Markdown."""
        text = self.table() + "\n"
        write_whole(path.with_suffix(".md"), lambda p: p.write_text(text, encoding="utf-8"))
        return write_json(path, dataclasses.asdict(self))


def evaluate(
    reference_dir: str | Path,
    generated_dir: str | Path,
    names: Iterable[str],
    *,
    align: Align = "cut",
    rate: int | None = None,
    jobs: int = 0,
    cluster: str = "",
) -> Result:
    """Every metric of `names` on every pair of the two folders. `rate` replaces the reference's own for metrics that fix none.

    Raises ValueError for an unknown metric, a package that is not installed, a folder without audio, two files of one
    stem, and folders that have no stem in common.
    """
    rows = [pick(all_metrics(), name, "metric") for name in dict.fromkeys(names)]
    _check(rows, align, rate)
    references, generated = find_audio(Path(reference_dir)), find_audio(Path(generated_dir))
    ids = sorted(references.keys() & generated.keys())
    if not ids:
        raise ValueError(
            f"no file of {generated_dir} has the name of one of {reference_dir}: pairs are files of the same stem, "
            f"here e.g. {min(generated)} and {min(references)}."
        )
    missing = {
        "reference": sorted(generated.keys() - references.keys()),
        "generated": sorted(references.keys() - generated.keys()),
    }
    for side, absent in missing.items():
        if absent:
            log.info(
                f"{len(absent)} without a partner in the {side} folder, e.g. {absent[0]}: not evaluated, listed in the result."
            )
    score = functools.partial(_score, names=[row.name for row in rows], align=align, rate=rate)
    items = [(name, references[name], generated[name]) for name in ids]
    outcomes = sorted(parallel(score, items, what="evaluate", jobs=jobs, cluster=cluster), key=lambda o: o["id"])
    return _collect(rows, outcomes, missing, {"reference": str(reference_dir), "generated": str(generated_dir), "align": align})


def _check(rows: list[Metric], align: str, rate: int | None) -> None:
    if not rows:
        raise ValueError(f"no metric asked for. Choices: {', '.join(sorted(METRICS))}.")
    if align not in ("cut", "dtw"):
        raise ValueError(f"align {align!r}: choose cut or dtw.")
    if rate is not None and rate < 8000:
        raise ValueError(f"rate {rate} Hz: 8000 or more is needed.")
    for row in rows:
        absent = [package for package in row.packages if _version(package) is None]
        if absent:
            raise ValueError(f"metric {row.name!r} needs {' and '.join(absent)}: pip install {' '.join(absent)}")


def find_audio(folder: Path) -> dict[str, Path]:
    """The audio files under `folder` by stem. Raises ValueError when there is none, or when two share a stem."""
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}: check the path.")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        if path.stem in found:
            raise ValueError(f"{found[path.stem]} and {path} have the same stem, which pairs files: rename or move one.")
        found[path.stem] = path
    if not found:
        raise ValueError(f"no audio in {folder}, looked for {', '.join(sorted(SUFFIXES))}.")
    return found


def _score(item: tuple[str, Path, Path], *, names: list[str], align: Align, rate: int | None) -> dict[str, Any]:
    rows = [all_metrics()[name] for name in names]
    name, reference, generated = item
    outcome: dict[str, Any] = {"id": name, "values": {}, "failed": {}, "rates": {}}
    try:
        ref, deg = Audio.read(reference), Audio.read(generated)
        pair = Pair(ref, deg, align)
    except ValueError as error:
        outcome["failed"] = dict.fromkeys(names, str(error))
        return outcome
    for row in rows:
        outcome["rates"][row.name] = row.rate or rate or ref.rate
        try:
            outcome["values"][row.name] = pair.score(row, outcome["rates"][row.name])
        # The libraries' own: PESQ and Praat raise kinds of RuntimeError.
        except (ValueError, ArithmeticError, RuntimeError) as error:
            outcome["failed"][row.name] = str(error) or type(error).__name__
    return outcome


def _collect(rows: list[Metric], outcomes: list[dict], missing: dict[str, list[str]], settings: dict[str, Any]) -> Result:
    values = {row.name: {o["id"]: o["values"][row.name] for o in outcomes if row.name in o["values"]} for row in rows}
    failed = {row.name: {o["id"]: o["failed"][row.name] for o in outcomes if row.name in o["failed"]} for row in rows}
    metrics, definitions = {}, {}
    for row in rows:
        about = {"unit": row.unit, "higher_is_better": row.higher_is_better}
        metrics[row.name] = summary(list(values[row.name].values())) | {"failed": len(failed[row.name])} | about
        rates = sorted({o["rates"][row.name] for o in outcomes if row.name in o["values"]})
        if len(rates) > 1:
            log.warning(
                f"{row.name} was measured at {rates} Hz, each reference at its own: give one rate to compare like with like."
            )
        definitions[row.name] = {"definition": row.definition, "rates": {str(r): row.settings(r) for r in rates}}
    packages = sorted({"amphion", "numpy", "soxr", *(package for row in rows for package in row.packages)})
    versions = {package: _version(package) or "not installed" for package in packages}
    return Result(metrics, values, failed, missing, settings | {"metrics": definitions}, versions)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def summary(values: list[float]) -> dict[str, Any]:
    """Mean, sample standard deviation, count, and the bootstrap's 95 % interval of the mean; None where undefined."""
    scores, n = np.array(values), len(values)
    if n < 2:
        return {"mean": float(scores[0]) if n else None, "std": None, "n": n, "interval": None}
    rng = np.random.default_rng(0)
    means = [scores[rng.integers(n, size=n)].mean() for _ in range(RESAMPLINGS)]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"mean": float(scores.mean()), "std": float(scores.std(ddof=1)), "n": n, "interval": [float(low), float(high)]}


def markdown(result: Mapping[str, Any]) -> str:
    """The table of a result (as `Result.save` wrote it): a row for each metric, columns that also line up as plain text."""
    lines = [["metric", "mean", "95 % interval", "std", "n", "failed", "unit", "better"]]
    for name, row in result["metrics"].items():
        low_high = "-" if row["interval"] is None else "{:.4g} to {:.4g}".format(*row["interval"])
        numbers = ["-" if row[key] is None else f"{row[key]:.4g}" for key in ("mean", "std")]
        better = "higher" if row["higher_is_better"] else "lower"
        lines.append([name, numbers[0], low_high, numbers[1], str(row["n"]), str(row["failed"]), row["unit"], better])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines)
