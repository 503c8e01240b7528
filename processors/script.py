"""A text becomes lines to say one after another, each short enough to be said at once, with the pauses between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate

from processors.markup import End, Pause, Said, parse
from processors.sentences import clauses, ends

SENTENCE, PARAGRAPH, CLAUSE = 0.2, 0.6, 0.05  # seconds, beside the silence that a model itself puts at an end


@dataclass(frozen=True)
class Line:
    """What is said in one go, and the seconds of silence after it. No `parts`: silence alone."""

    parts: tuple[Said, ...]
    pause: float = 0.0

    @property
    def text(self) -> str:
        """As a reader would see it."""
        return " ".join("".join(part.text or part.phones for part in self.parts).split())


def lines(text: str) -> list[Line]:
    """`text`, with mark-up or without, as lines. Raises ValueError when it says nothing, or its mark-up is wrong."""
    found: list[Line] = []
    asked, run = False, []  # whether the last line's pause was asked for; what belongs to the sentence so far
    for piece in [*parse(text), End(False)]:
        if isinstance(piece, Said):
            run.append(piece)
            continue
        cut = _sentences(run)
        run, asked = [], asked and not cut
        found += cut
        if isinstance(piece, Pause):
            before = found.pop() if found else Line(())
            found.append(replace(before, pause=piece.seconds + (before.pause if asked or not before.parts else 0.0)))
            asked = True
        elif found and not asked:
            usual = PARAGRAPH if piece.paragraph else SENTENCE
            found[-1] = replace(found[-1], pause=max(usual, found[-1].pause))
    if not any(line.parts for line in found):
        raise ValueError("the text is empty: it says nothing.")
    return found if asked else [*found[:-1], replace(found[-1], pause=0.0)]


def _sentences(run: list[Said]) -> list[Line]:
    """The pieces between two tags, cut where its text ends sentences and, where these are too long, clauses."""
    written = "".join(_written(part) for part in run)
    if not written.strip():
        return []
    made, start = [], 0
    for place, paragraph in ends(written):
        inner = [start + cut for cut in clauses(written[start:place])]
        for stop in inner:
            pause = CLAUSE if stop != inner[-1] else PARAGRAPH if paragraph else SENTENCE
            made.append(Line(_between(run, start, stop), pause))
            start = stop
    return _audible([line for line in made if line.parts])


def _written(part: Said) -> str:
    """Its text; a stand-in of the length of one letter for phones without text."""
    return part.text or "0"


def _between(run: list[Said], start: int, stop: int) -> tuple[Said, ...]:
    """The parts of [start, stop) of what is written; phones go whole to where they begin."""
    found = []
    firsts = accumulate((len(_written(part)) for part in run[:-1]), initial=0)
    for part, first in zip(run, firsts, strict=True):
        if part.phones:
            if start <= first < stop:
                found.append(part)
            continue
        text = part.text[max(0, start - first) : max(0, stop - first)]
        if text and not (text.isspace() and not found):
            found.append(replace(part, text=text))
    while found and not found[-1].phones and found[-1].text.isspace():
        found.pop()
    return _merged(found)


def _merged(parts: Iterable[Said]) -> tuple[Said, ...]:
    """Plain neighbours of one tempo as one."""
    found: list[Said] = []
    for part in parts:
        if found and not (part.phones or found[-1].phones) and part.rate == found[-1].rate:
            found[-1] = replace(part, text=found[-1].text + part.text)
        else:
            found.append(part)
    return tuple(found)


def _audible(made: list[Line]) -> list[Line]:
    """Lines of marks alone, "* * *" or "?!", are joined to the line before; where nothing else is, they stay to be refused."""
    kept: list[Line] = []
    for line in made:
        if kept and not (_says(line) and _says(kept[-1])):
            kept[-1] = Line(_merged(kept[-1].parts + line.parts), line.pause)
        else:
            kept.append(line)
    return kept


def _says(line: Line) -> bool:
    return any(part.phones or any(c.isalnum() for c in part.text) for part in line.parts)
