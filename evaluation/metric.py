"""What a metric is: a function in a table, the views of sound that it reads, and the settings that it answers to."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import inspect
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from utils.audio import Audio

Align = Literal["cut", "dtw"]
Definition = Literal["correct", "upstream"]
Kind = Literal["frames", "audio", "pair", "generated", "set"]
UPSTREAM_RATE = 22050  # what upstream's loader falls back on when no rate is given


@dataclasses.dataclass(frozen=True)
class Options:
    """What a user may choose. A metric or a view names those that it reads as its keyword-only parameters.

    `length_ratio`: how many times as long as the other one side of a pair may nearly be; see `evaluation.lengths`.
    Models are a file, a folder or a hub id each; for an empty string `utils.pretrained` looks where one of that name lies.
    """

    align: Align = "cut"
    definition: Definition = "correct"
    device: str = "cpu"
    energy_db_scale: bool = True
    f0_subtract_mean: bool = True
    similarity_model: str = "resemblyzer"
    similarity_mode: str = "pairwith"
    intelligibility_mode: str = "gt_audio"
    ltr_path: str = ""
    language: str = "english"
    normaliser: str = "standard"
    length_ratio: float = 2.0
    fad_model: str = "vggish"
    whisper: str = ""
    wavlm: str = ""
    wespeaker: str = ""
    rawnet: str = ""
    vggish: str = ""
    clap: str = ""
    classifier: str = ""
    dnsmos: str = ""


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


class Ratio(NamedTuple):
    """A score that is pooled over a corpus: the sum of numerators over the sum of denominators, as for word errors."""

    numerator: float
    denominator: float
    parts: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A row of METRICS. `rate` None is the reference's own, `settings(rate)` what the definition comes to at that rate.

    `packages` are the distributions that it needs, by the names that pip knows; `needs` says what else is absent, or "".
    `in_time`: it compares what was said at one time, so that files of other lengths have no score.
    """

    name: str
    score: Callable[..., Any]
    kind: Kind
    of: Callable[..., Any] | None
    rate: int | None
    unit: str
    higher_is_better: bool
    packages: tuple[str, ...]
    settings: Callable[[int], dict[str, Any]]
    needs: Callable[..., str]
    definition: Definition
    in_time: bool

    @property
    def doc(self) -> str:
        return " ".join((self.score.__doc__ or "").split())

    @property
    def reads(self) -> tuple[str, ...]:
        """The options that its value depends on."""
        names = {*keywords(self.score), *(keywords(self.of) if self.of else ()), *(("align",) if self.kind == "frames" else ())}
        names |= {"length_ratio"} if self.in_time else set()
        return tuple(sorted(names & {field.name for field in dataclasses.fields(Options)}))

    def rate_for(self, asked: int | None, native: int) -> int:
        """The rate to measure at: its own, the one asked for, or (upstream: 22,050 Hz) the reference's."""
        return self.rate or asked or (UPSTREAM_RATE if self.definition == "upstream" else native)

    def absent(self, options: Options) -> str:
        """Why it cannot run here, with the next step; "" when it can."""
        missing = [package for package in self.packages if version(package) is None]
        if missing:
            return f"needs {' and '.join(missing)}: pip install {' '.join(missing)}"
        return self.needs(**chosen(self.needs, options))


METRICS: dict[str, Metric] = {}
UPSTREAM: dict[str, Metric] = {}  # where upstream's published numbers follow another definition


def metric(
    name: str,
    *,
    kind: Kind | None = None,
    of: Callable[..., Any] | None = None,
    rate: int | None = None,
    unit: str = "",
    higher_is_better: bool,
    packages: tuple[str, ...] = (),
    settings: Callable[[int], dict[str, Any]] = lambda rate: {},
    needs: Callable[..., str] = lambda: "",
    definition: Definition = "correct",
    in_time: bool | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Puts a function into METRICS (or UPSTREAM) under `name`; its docstring is the definition that results quote.

    By `kind` it is given: "frames" two arrays of as many rows, aligned, of the view `of` (the default where there is one);
    "audio" two `Audio` of one rate and length (the default elsewhere); "pair" the `Pair` and the rate; "generated" the
    generated `Audio` alone; "set" the rows of all files of each side, (files, ...), and then it judges the two folders.
    It raises ValueError, saying why, where the number would mean nothing. "frames" and "audio" are compared `in_time`.
    """
    kind = kind or ("frames" if of else "audio")

    def register(score: Callable[..., Any]) -> Callable[..., Any]:
        timed = kind in ("frames", "audio") if in_time is None else in_time
        row = Metric(name, score, kind, of, rate, unit, higher_is_better, packages, settings, needs, definition, timed)
        (METRICS if definition == "correct" else UPSTREAM)[name] = row
        return score

    return register


@functools.cache
def keywords(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of its keyword-only parameters."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)


def chosen(function: Callable[..., Any], options: Options, **more: Any) -> dict[str, Any]:
    """The keyword arguments that `function` reads, from the options and from `more`."""
    return {name: more[name] if name in more else getattr(options, name) for name in keywords(function)}


@functools.cache
def version(package: str) -> str | None:
    """The installed version of a distribution, None where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def refuse_silence(ref: Audio | None, deg: Audio | None) -> None:
    """Raises ValueError naming the side that is silent: to many a metric silence is a fine score."""
    for side, audio in (("reference", ref), ("generated", deg)):
        if audio is not None and audio.silent:
            raise ValueError(f"the {side} file is silent in its first {audio.seconds:.2f} s: the peak is under -60 dB.")
