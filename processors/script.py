"""A text becomes lines to say one after another, each short enough to be said at once, with the pauses between them.

A text is read as it comes: what is held of it is bounded, and so is what is read before the first line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from processors.markup import LONGEST_PAUSE, End, Pause, Piece, Said, pieces
from processors.sentences import AROUND, BLOCK, KEPT, LONGEST, block, clauses, ends, plain, squeezed

SENTENCE = 0.2  # seconds, beside the silence that a model itself puts at an end
PARAGRAPH = 0.6
CLAUSE = 0.05


@dataclass(frozen=True)
class Pauses:
    """Seconds of silence behind a sentence, and behind a paragraph. Raises ValueError for what is no pause."""

    sentence: float = SENTENCE
    paragraph: float = PARAGRAPH

    def __post_init__(self) -> None:
        check_pause("sentence_pause", self.sentence)
        check_pause("paragraph_pause", self.paragraph)


def check_pause(name: str, seconds: float) -> None:
    """Raises ValueError for what is no pause."""
    if not 0 <= seconds <= LONGEST_PAUSE:
        raise ValueError(f"{name}: 0 to {LONGEST_PAUSE:g} seconds, got {seconds:g}.")


@dataclass(frozen=True)
class Line:
    """What is said in one go, and the seconds of silence after it. No `parts`: silence alone."""

    parts: tuple[Said, ...]
    pause: float = 0.0

    @property
    def text(self) -> str:
        """As a reader would see it."""
        return " ".join("".join(part.text or part.phones for part in self.parts).split())


def lines(text: str, language: str = "en-us") -> list[Line]:
    """`text`, with mark-up or without, as lines. Raises ValueError when it says nothing, or its mark-up is wrong."""
    return list(stream([text], language))


def stream(chunks: Iterable[str], language: str = "en-us", pauses: Pauses = Pauses()) -> Iterator[Line]:
    """The same of a text that comes in `chunks`: each line when a few thousand characters behind it are read.

    Raises ValueError for wrong mark-up after the lines before it, and at the end for a text that says nothing.
    """
    script = _Script(language, pauses)
    try:
        for piece in pieces(map(plain, chunks)):
            yield from script.take(piece)
    except ValueError:
        yield from script.last()
        raise
    yield from script.take(End(False))
    if not script.spoke:
        raise ValueError("the text is empty: it says nothing.")
    yield from script.last()


class _Script:
    """What of a text is not settled yet."""

    def __init__(self, language: str, pauses: Pauses) -> None:
        self.language = language
        self.pauses = pauses
        self.run: list[Said] = []  # what belongs to the sentence so far
        self.size = 0  # characters of it
        self.held: Line | None = None  # the last line, whose pause may change
        self.asked = False  # whether that pause was asked for
        self.tagged = False  # whether a tag parts the last line from what follows
        self.spoke = False  # whether there was a line at all

    def take(self, piece: Piece) -> Iterator[Line]:
        """The lines that this piece settles."""
        if isinstance(piece, Said):
            self.run.append(piece)
            self.size += len(_written(piece))
            if self.size >= 2 * BLOCK:
                yield from self._settle(whole=False)
            return
        yield from self._settle(whole=True)
        self.tagged = True
        if isinstance(piece, Pause):
            yield from self._pause(piece.seconds)
        elif self.held and not self.asked:
            usual = self.pauses.paragraph if piece.paragraph else self.pauses.sentence
            self.held = replace(self.held, pause=max(usual, self.held.pause))

    def last(self) -> Iterator[Line]:
        """What is left when the text is at its end, or cannot be read on."""
        yield from self._settle(whole=True)
        if self.held:
            yield self.held if self.asked else replace(self.held, pause=0.0)

    def _settle(self, *, whole: bool) -> Iterator[Line]:
        """The lines of the run; where it is not `whole`, those that more of it cannot change."""
        settled, self.run = _sentences(self.run, self.language, self.pauses, whole)
        self.size = sum(len(_written(part)) for part in self.run)
        for line in settled:
            yield from self._add(line)

    def _add(self, line: Line) -> Iterator[Line]:
        """Holds this line, and gives the one before; one of marks alone, "* * *" or "?!", is joined to its neighbour."""
        self.asked = False
        self.spoke = True
        if self.held and not self.tagged and not (_says(line) and _says(self.held)):
            self.held = _joined(self.held, line)
            return
        if self.held:
            yield self.held
        self.held = line
        self.tagged = False

    def _pause(self, seconds: float) -> Iterator[Line]:
        """Silence after the last line, or a line of its own where that has enough."""
        before = self.held or Line(())
        total = seconds + (before.pause if self.asked or not before.parts else 0.0)
        if self.held and total > LONGEST_PAUSE:
            yield self.held
            before = Line(())
            total = seconds
        self.held = replace(before, pause=total)
        self.asked = True


def _sentences(run: list[Said], language: str, pauses: Pauses, whole: bool) -> tuple[list[Line], list[Said]]:
    """The lines of what stands between two tags, and what of it is not settled yet if it is not `whole`.

    They end where sentences do, and where clauses of too long ones do.
    """
    merged = _merged(run)
    run = [part if part.phones else replace(part, text=squeezed(part.text)) for part in merged]
    written = "".join(map(_written, run))
    if not written.strip():
        rest = [] if whole else run
        return [], rest
    stops = _stops(written, language, pauses, whole)
    return _split(run, stops)


def _stops(written: str, language: str, pauses: Pauses, whole: bool) -> list[tuple[int, float]]:
    """The places where lines end, each with the pause behind it."""
    stops = []
    start = 0
    for place, is_paragraph in ends(written, language, whole=whole):
        pause = pauses.paragraph if is_paragraph else pauses.sentence
        stops += _clauses(written[start:place], start, pause)
        start = place
    while not whole and len(written) - start >= BLOCK + AROUND:  # a sentence without end
        size = block(written[start : start + BLOCK])
        stops += _clauses(written[start : start + size], start, CLAUSE)
        start += size
    return stops


def _clauses(text: str, start: int, pause: float) -> list[tuple[int, float]]:
    """Where the sentence that begins at `start` is parted, with the pause there; the last is its end."""
    *inner, last = clauses(text)
    return [*((start + place, CLAUSE) for place in inner), (start + last, pause)]


def _written(part: Said) -> str:
    """Its text; where phones have none, or say far more, letters that take as long to say."""
    stand = part.text or "Xx"
    return stand.ljust(len(part.phones), "x") if len(part.phones) > 8 * len(part.text) else stand


def _split(run: list[Said], stops: list[tuple[int, float]]) -> tuple[list[Line], list[Said]]:
    """The lines of the run up to each place of what is written, and what is left of it; phones go whole to where they begin."""
    lines = []
    rest = deque(run)
    place = 0
    for stop, pause in stops:
        parts = []
        while rest and place < stop:
            part = _next_part(rest, stop - place)
            parts.append(part)
            place += len(_written(part))
        spoken = _merged(_trimmed(parts))
        if spoken:
            lines.append(Line(spoken, pause))
    return lines, list(rest)


def _next_part(rest: deque[Said], size: int) -> Said:
    """Takes the first part, of text no more than `size` characters."""
    part = rest.popleft()
    if part.phones or len(part.text) <= size:
        return part
    rest.appendleft(replace(part, text=part.text[size:]))
    return replace(part, text=part.text[:size])


def _trimmed(parts: list[Said]) -> list[Said]:
    """Without parts of spaces alone at either end."""
    spoken = [place for place, part in enumerate(parts) if part.phones or part.text.strip()]
    return parts[spoken[0] : spoken[-1] + 1] if spoken else []


def _merged(parts: Iterable[Said]) -> tuple[Said, ...]:
    """Plain neighbours of one tempo as one."""
    merged: list[Said] = []
    groups = groupby(enumerate(parts), key=lambda pair: _kind(*pair))
    for _, group in groups:
        neighbours = [part for _, part in group]
        text = "".join(part.text for part in neighbours)
        merged.append(replace(neighbours[0], text=text))
    return tuple(merged)


def _kind(place: int, part: Said) -> tuple[float, int]:
    """What parts have in common that may become one: their tempo; phones stand alone."""
    return part.rate, place if part.phones else -1


def _joined(before: Line, line: Line) -> Line:
    """Two lines as one, of which one holds marks alone: these are left out where they grow too long."""
    parts = _merged(before.parts + line.parts)
    if sum(len(part.text) for part in parts) > LONGEST + 2 * KEPT:
        parts = line.parts if _says(line) else before.parts
    return Line(parts, line.pause)


def _says(line: Line) -> bool:
    return any(part.phones or any(map(str.isalnum, part.text)) for part in line.parts)
