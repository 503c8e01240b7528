"""A text becomes lines to say one after another, each short enough to be said at once, with the pauses between them.

A text is read as it comes: what is held of it is bounded, and so is what is read before the first line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from processors.markup import LONGEST_PAUSE, End, Pause, Piece, Said, pieces
from processors.sentences import AROUND, BLOCK, KEPT, LONGEST, block, clauses, ends, plain, squeezed

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


def lines(text: str, language: str = "en-us") -> list[Line]:
    """`text`, with mark-up or without, as lines. Raises ValueError when it says nothing, or its mark-up is wrong."""
    return list(stream([text], language))


def stream(chunks: Iterable[str], language: str = "en-us") -> Iterator[Line]:
    """The same of a text that comes in `chunks`: each line when a few thousand characters behind it are read.

    Raises ValueError for wrong mark-up after the lines before it, and at the end for a text that says nothing.
    """
    script = _Script(language)
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

    def __init__(self, language: str) -> None:
        self.language = language
        self.run: list[Said] = []  # what belongs to the sentence so far
        self.size = 0  # characters of it
        self.held: Line | None = None  # the last line, whose pause may change
        self.asked = False  # whether that pause was asked for
        self.tagged = False  # whether a tag parts the last line from what follows
        self.spoke = False

    def take(self, piece: Piece) -> Iterator[Line]:
        """The lines that this piece settles."""
        if isinstance(piece, Said):
            self.run.append(piece)
            self.size += len(_written(piece))
            if self.size >= 2 * BLOCK:
                yield from self._cut(whole=False)
            return
        yield from self._cut(whole=True)
        self.tagged = True
        if isinstance(piece, Pause):
            yield from self._pause(piece.seconds)
        elif self.held and not self.asked:
            usual = PARAGRAPH if piece.paragraph else SENTENCE
            self.held = replace(self.held, pause=max(usual, self.held.pause))

    def last(self) -> Iterator[Line]:
        """What is left when the text is at its end, or cannot be read on."""
        yield from self._cut(whole=True)
        if self.held:
            yield self.held if self.asked else replace(self.held, pause=0.0)

    def _cut(self, *, whole: bool) -> Iterator[Line]:
        made, self.run = _sentences(self.run, self.language, whole)
        self.size = sum(len(_written(part)) for part in self.run)
        for line in made:
            yield from self._add(line)

    def _add(self, line: Line) -> Iterator[Line]:
        """Holds this line, and gives the one before; one of marks alone, "* * *" or "?!", is joined to its neighbour."""
        self.asked, self.spoke = False, True
        if self.held and not self.tagged and not (_says(line) and _says(self.held)):
            self.held = _joined(self.held, line)
            return
        if self.held:
            yield self.held
        self.held, self.tagged = line, False

    def _pause(self, seconds: float) -> Iterator[Line]:
        """Silence after the last line, or a line of its own where that has enough."""
        before = self.held or Line(())
        total = seconds + (before.pause if self.asked or not before.parts else 0.0)
        if self.held and total > LONGEST_PAUSE:
            yield self.held
            before, total = Line(()), seconds
        self.held, self.asked = replace(before, pause=total), True


def _sentences(run: list[Said], language: str, whole: bool) -> tuple[list[Line], list[Said]]:
    """The lines of pieces between two tags, cut where sentences and too long clauses end; what is not settled yet if not `whole`."""
    run = [part if part.phones else replace(part, text=squeezed(part.text)) for part in _merged(run)]
    written = "".join(map(_written, run))
    if not written.strip():
        return [], [] if whole else run
    found, start = [], 0
    for place, paragraph in ends(written, language, whole=whole):
        found += _clauses(written[start:place], start, PARAGRAPH if paragraph else SENTENCE)
        start = place
    while not whole and len(written) - start >= BLOCK + AROUND:  # a sentence without end
        place = block(written[start : start + BLOCK])
        found += _clauses(written[start : start + place], start, CLAUSE)
        start += place
    return _split(run, found)


def _clauses(text: str, start: int, pause: float) -> list[tuple[int, float]]:
    """Where the sentence that begins at `start` is cut, with the pause there; the last is its end."""
    *inner, last = clauses(text)
    return [*((start + place, CLAUSE) for place in inner), (start + last, pause)]


def _written(part: Said) -> str:
    """Its text; where phones have none, or say far more, letters that take as long to say."""
    stand = part.text or "Xx"
    return stand.ljust(len(part.phones), "x") if len(part.phones) > 8 * len(part.text) else stand


def _split(run: list[Said], stops: list[tuple[int, float]]) -> tuple[list[Line], list[Said]]:
    """The run cut at places of what is written, and what is left of it; phones go whole to where they begin."""
    made, left, first = [], deque(run), 0
    for stop, pause in stops:
        parts = []
        while left and first < stop:
            part = left.popleft()
            size = len(_written(part))
            if not part.phones and first + size > stop:
                left.appendleft(replace(part, text=part.text[stop - first :]))
                size = stop - first
                part = replace(part, text=part.text[:size])
            parts.append(part)
            first += size
        if parts := _merged(_trimmed(parts)):
            made.append(Line(parts, pause))
    return made, list(left)


def _trimmed(parts: list[Said]) -> list[Said]:
    """Without parts of spaces alone at either end."""
    heard = [i for i, part in enumerate(parts) if part.phones or part.text.strip()]
    return parts[heard[0] : heard[-1] + 1] if heard else []


def _merged(parts: Iterable[Said]) -> tuple[Said, ...]:
    """Plain neighbours of one tempo as one."""
    found: list[Said] = []
    texts: list[str] = []
    for part in parts:
        if found and not (part.phones or found[-1].phones) and part.rate == found[-1].rate:
            texts.append(part.text)
            continue
        if len(texts) > 1:
            found[-1] = replace(found[-1], text="".join(texts))
        found.append(part)
        texts = [part.text]
    return (*found[:-1], replace(found[-1], text="".join(texts))) if found else ()


def _joined(before: Line, line: Line) -> Line:
    """Two lines as one, of which one holds marks alone: these are left out where they grow too long."""
    parts = _merged(before.parts + line.parts)
    if sum(len(part.text) for part in parts) > LONGEST + 2 * KEPT:
        parts = line.parts if _says(line) else before.parts
    return Line(parts, line.pause)


def _says(line: Line) -> bool:
    return any(part.phones or any(c.isalnum() for c in part.text) for part in line.parts)
