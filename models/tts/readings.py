"""Lines of a text as the tokens that a model reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from processors.duration import silent
from processors.markup import Said
from processors.pronounce import Reading, Tokeniser
from processors.script import Line

Item = tuple[Line, Reading | None, bool]  # a line, its tokens (None for silence), and whether it is the last


def tokenised(script: Iterable[Line], tokeniser: Tokeniser, before: tuple[Said, ...] = ()) -> Iterator[Item]:
    """Each line with its tokens, those of what is said `before` it first.

    Raises ValueError naming what cannot be said, and where.
    """
    for i, (line, last) in enumerate(with_last(script)):
        try:
            reading = _read(tokeniser, before, line.parts) if line.parts else None
        except ValueError as error:
            alone = last and not i
            place = "" if alone else f" It is in {line.text[:60]!r}."
            raise ValueError(f"{error}{place}") from error
        yield line, reading, last


def _read(tokeniser: Tokeniser, before: tuple[Said, ...], parts: tuple[Said, ...]) -> Reading:
    """The parts of a line behind what is said before. Raises ValueError where they themselves hold nothing that can be said."""
    reading = tokeniser.tokenise((*before, *parts))
    if before and spoken(reading.tokens) <= spoken(tokeniser.tokenise(before).tokens):
        tokeniser.tokenise(parts)
    return reading


def spoken(tokens: Iterable[str]) -> int:
    """How many tokens sound."""
    return sum(not silent(token) for token in tokens)


def with_last(items: Iterable[Line]) -> Iterator[tuple[Line, bool]]:
    """Each with whether it is the last; an error in the next comes after it."""
    items = iter(items)
    item = next(items)
    while True:
        try:
            ahead = next(items)
        except StopIteration:
            yield item, True
            return
        except ValueError:
            yield item, False
            raise
        yield item, False
        item = ahead


def check_rates(reading: Reading, model: str) -> None:
    """Raises ValueError for mark-up of the tempo, where the `model` of this name has no control of it."""
    if (reading.rates != 1).any():
        raise ValueError(f"rate: {model} has no control of its tempo, leave the mark-up out.")
