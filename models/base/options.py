"""The types of options that a user may name when a model generates, and the values that they may have."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from inspect import Parameter
from numbers import Integral, Real
from typing import Annotated, Any

UNIONS = (typing.Union, types.UnionType)
NOUNS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
PLAIN = (str, bool, Real, list, tuple, dict, types.NoneType)


@dataclass(frozen=True)
class Range:
    """The values that an option may have: from `least`, or `above` it alone, to less than `below`; `said` to users."""

    said: str
    least: float = 0.0
    below: float = 100.0
    above: bool = False

    def holds(self, value: float) -> bool:
        """Whether `value` is among them; NaN never is."""
        begins = value > self.least if self.above else value >= self.least
        return begins and value < self.below


Factor = Annotated[float, Range("above 0 (1 changes nothing)", above=True)]
Deviation = Annotated[float, Range("0 (always the same) or above")]


def problem_of(parameter: Parameter, value: Any) -> str | None:
    """What is wrong with a value that a user named, or None: "must be a whole number, got 2.5."."""
    return of_another_kind(parameter, value) or not_among_words(parameter, value) or out_of_range(parameter, value)


def of_another_kind(parameter: Parameter, value: Any) -> str | None:
    """What is wrong with the type of a value, or None. An array or a tensor is for the model to look at."""
    if not isinstance(value, PLAIN):
        return None
    nouns = []
    possible = kinds(parameter.annotation)
    if value is None and types.NoneType in possible:
        return None
    for kind in possible:
        is_word = typing.get_origin(kind) is typing.Literal
        plain = str if is_word else kind
        if plain is types.NoneType:
            continue
        if plain not in NOUNS or is_of_kind(value, plain):
            return None
        nouns.append(NOUNS[plain])
    choices = " or ".join(nouns)
    return f"must be {choices}, got {value!r}."


def not_among_words(parameter: Parameter, value: Any) -> str | None:
    """What is wrong with a text where only some words may stand, or None: "must be heun or euler, got 'ddim'."."""
    words = words_of(parameter.annotation)
    if not words or not isinstance(value, str) or value in words:
        return None
    choices = " or ".join(words)
    return f"must be {choices}, got {value!r}."


def is_of_kind(value: Any, kind: type) -> bool:
    """Whether a value may stand where `kind`, one of `NOUNS`, is expected: 2 for a float, and never True for a number."""
    numbers = {int: Integral, float: Real}
    if kind in numbers:
        return isinstance(value, numbers[kind]) and not isinstance(value, bool)
    return isinstance(value, kind)


def out_of_range(parameter: Parameter, value: Any) -> str | None:
    """What is wrong with a value of a right type, or None: "must be above 0, got -1.". What has axes is for the model to look at."""
    axes = getattr(value, "ndim", 0)
    if value is None or axes:
        return None
    allowed = [note for note in notes(parameter.annotation) if isinstance(note, Range)]
    wrong = [limit for limit in allowed if not limit.holds(value)]
    return f"must be {wrong[0].said}, got {value}." if wrong else None


def kinds(annotation: Any) -> list[Any]:
    """The plain types in an annotation: `float` and `None` of `Annotated[float, ...] | None`."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return kinds(typing.get_args(annotation)[0])
    if origin in UNIONS:
        return [kind for part in typing.get_args(annotation) for kind in kinds(part)]
    return [annotation]


def words_of(annotation: Any) -> list[str]:
    """The words that may stand where it says `Literal`, none where it does not."""
    return [word for kind in kinds(annotation) for word in typing.get_args(kind)]


def notes(annotation: Any) -> list[Any]:
    """What an annotation adds to its plain types."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return list(annotation.__metadata__)
    if origin in UNIONS:
        return [note for part in typing.get_args(annotation) for note in notes(part)]
    return []
