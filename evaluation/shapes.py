"""What the files that this folder reads must look like: results, lines of a journal, keys and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, with_config
from typing_extensions import NotRequired, TypedDict

STRICT = ConfigDict(strict=True, allow_inf_nan=False)
Named = dict[str, Any]
ByMetric = dict[str, dict[str, float]]  # {metric: {utterance: value}}


@with_config(STRICT)
class Length(TypedDict):
    reference: Annotated[float, Field(gt=0)]
    generated: Annotated[float, Field(gt=0)]


@with_config(STRICT)
class Measured(Length):
    ratio: Annotated[float, Field(gt=0)]


@with_config(STRICT)
class Mean(TypedDict):
    mean: float | None
    unit: str
    higher_is_better: bool
    interval: NotRequired[Annotated[list[float], Field(min_length=2, max_length=2)] | None]


@with_config(STRICT)
class Row(Mean):
    n: int
    std: NotRequired[float | None]
    failed: NotRequired[int]
    pooled: NotRequired[bool]
    over: NotRequired[str]


@with_config(STRICT)
class Tabled(Row):
    interval: Annotated[list[float], Field(min_length=2, max_length=2)] | None
    std: float | None
    failed: int


@with_config(STRICT)
class TableFile(TypedDict):
    metrics: dict[str, Tabled]
    lengths: NotRequired[dict[str, Measured]]


@with_config(STRICT)
class Settings(TypedDict):
    reference: NotRequired[str]
    generated: NotRequired[str]
    metrics: NotRequired[dict[str, Named]]


@with_config(STRICT)
class Means(TypedDict):
    metrics: dict[str, Mean]


@with_config(STRICT)
class ResultFile(TypedDict):
    metrics: dict[str, Row]
    values: ByMetric
    settings: Settings
    counts: NotRequired[dict[str, dict[str, Annotated[list[float | dict[str, float]], Field(min_length=3, max_length=3)]]]]
    lengths: NotRequired[dict[str, Measured]]


@with_config(STRICT)
class Line(TypedDict):
    id: str
    files: list[Any]
    keys: dict[str, str]
    values: dict[str, float]
    counts: dict[str, Annotated[list[float | dict[str, float]], Field(min_length=3, max_length=3)]]
    rows: dict[str, list[Annotated[list[list[int] | str], Field(min_length=2, max_length=2)] | None]]
    rates: dict[str, int]
    seconds: NotRequired[Length | Annotated[dict[str, float], Field(max_length=0)]]  # of one side alone there are none


@with_config(STRICT)
class Trial(TypedDict):
    code: str
    utterance: str
    systems: Annotated[list[str], Field(min_length=1, max_length=2)]


@with_config(STRICT)
class Key(TypedDict):
    page: str
    kind: Literal["mos", "ab"]
    question: str
    systems: list[str]
    trials: list[Trial]


@with_config(STRICT)
class Answers(TypedDict):
    page: str
    listener: str
    answers: Named
