"""Mark-up that every engine understands: a subset of SSML, and the same by hand in brackets.

    <speak> <p> <s>                          what SSML stands in; paragraphs and sentences
    <break time="500ms"/>   [pause 0.5]      silence; or strength="none|x-weak|weak|medium|strong|x-strong"
    <prosody rate="80%">..  [rate 0.8]       tempo: a factor, a percentage, +20%, or x-slow to x-fast; [rate] holds until [/rate]
    <phoneme alphabet="ipa" ph="..">..       [ipa təˈmeɪtoʊ]  [arpabet T AH0 M EY1 T OW0]  [symbols t ə m eɪ t oʊ]
    <sub alias="World Wide Web">WWW</sub>    says the alias

No XML parser is at work, so there are no entities to define, no DTD and nothing to fetch. "<" before a space or a digit, "&" alone and
brackets of any other kind are text; `&lt;` `&gt;` `&amp;` `&quot;` `&apos;` and `&#91;` write what would be taken for mark-up.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from utils.registry import nearest

ATTRIBUTES = {  # tag -> what it may carry
    "speak": ("version", "xmlns", "xmlns:xsi", "xsi:schemaLocation", "xml:lang"),
    "p": (),
    "s": (),
    "break": ("time", "strength"),
    "prosody": ("rate",),
    "phoneme": ("ph", "alphabet"),
    "sub": ("alias",),
}
STRENGTHS = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.2}  # seconds
RATES = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.6}
ALPHABETS = ("ipa", "arpabet", "symbols")
LONGEST_PAUSE = 60.0  # seconds: a slip of the pen must not fill the memory with silence
RATE_LIMITS = (0.1, 10.0)

CHUNK = 4096  # characters that are looked at together
LONGEST_TAG = 20_000  # characters from "<" to ">": a sign that nobody closed must not make the whole text wait
LONGEST_PHONES = 1000  # characters that one tag may say
DEEPEST = 1000  # tags inside one another

SHORT = "pause|/?rate|ipa|arpabet|symbols"
START = re.compile(rf"<[A-Za-z/!?]|\[(?:{SHORT})\b")  # what is no text, whatever follows
TAG = re.compile(
    r"(?P<aside><\?xml\b[^>]*\?>)"
    r"|<(?P<close>/?)(?P<tag>[A-Za-z][\w:.-]*)(?P<rest>(?:\s(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)?)(?P<empty>/?)>"
    rf"|\[(?P<short>{SHORT})(?P<value>\s[^\[\]]*)?\]",
    re.DOTALL,
)
ATTRIBUTE = re.compile(r"\s*([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});")
HELD = max(map(len, SHORT.split("|"))) + 8  # characters at a chunk's end that what follows may turn into mark-up or an entity


def literal(text: str) -> str:
    """`text` in which nothing is mark-up, as a book has it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("[", "&#91;")


@dataclass(frozen=True)
class Said:
    """A stretch of text at one tempo. Where `phones` are given, in `alphabet`, they are said instead."""

    text: str
    rate: float = 1.0
    phones: str = ""
    alphabet: str = ""


@dataclass(frozen=True)
class Pause:
    """Silence that was asked for."""

    seconds: float


@dataclass(frozen=True)
class End:
    """A sentence or paragraph ends here, whatever its text looks like."""

    paragraph: bool


Piece = Said | Pause | End


def parse(text: str) -> list[Piece]:
    """What `text` asks for, in order. Raises ValueError naming the tag, its place, and what would be right."""
    return list(pieces([text]))


def pieces(chunks: Iterable[str]) -> Iterator[Piece]:
    """The same of a text that comes in `chunks`; a long stretch of text may be several pieces.

    What is wrong raises ValueError when its place is reached, and what is left open when the text ends.
    """
    reader = _Reader(chunks)
    while reader.step():
        yield from reader.pieces
        reader.pieces.clear()
    yield from reader.pieces
    reader.finish()


def seconds_of(time: str, *, bare: bool = False) -> float:
    """"500ms" or "0.5s" in seconds, where `bare` "0.5" too. Raises ValueError."""
    match = re.fullmatch(r"\+?(\d+\.?\d*|\.\d+)\s*(ms|s)?", time.strip())
    if not match or not (bare or match[2]):
        raise ValueError(f'the time {time!r} is none: write for example "500ms" or "0.5s".')
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1)
    if seconds > LONGEST_PAUSE:
        raise ValueError(f"the time {time!r} is too long: {LONGEST_PAUSE:.0f} seconds at most.")
    return seconds


def factor_of(rate: str) -> float:
    """"slow", "80%", "+20%" or "0.8" as a factor. Raises ValueError."""
    rate = rate.strip()
    match = re.fullmatch(r"([+-]?)(\d+\.?\d*|\.\d+)(%?)", rate)
    if rate in RATES:
        return RATES[rate]
    if not match or (match[1] and not match[3]):
        raise ValueError(f'the rate {rate!r} is none: write a factor ("0.8"), a percentage ("80%", "+20%"), or {", ".join(RATES)}.')
    sign, number, percent = match.groups()
    value = float(sign + number)
    if percent:
        value /= 100
    if sign:
        value += 1
    slowest, fastest = RATE_LIMITS
    if not slowest <= value <= fastest:
        raise ValueError(f"the rate {rate!r} is out of range: {slowest:g} to {fastest:g} times the usual.")
    return value


@dataclass(frozen=True)
class Place:
    """Where a tag stands, and how it begins."""

    line: int
    column: int
    begin: str

    def error(self, why: str) -> ValueError:
        """What is wrong there."""
        place = f"character {self.column}" + (f" of line {self.line}" if self.line > 1 else "")
        return ValueError(f"mark-up, {place} ({self.begin!r}): {why.rstrip('.')}.")


class _Feed:
    """A text that comes in chunks: as much of it as is looked at, and where that stands."""

    def __init__(self, chunks: Iterable[str]) -> None:
        self.chunks = (chunk[i : i + CHUNK] for chunk in chunks for i in range(0, len(chunk), CHUNK))
        self.text = ""
        self.at = 0
        self.ahead = next(self.chunks, None)
        self.line = 1
        self.column = 1

    def more(self) -> bool:
        """Takes a chunk more; False where there is none."""
        if self.whole:
            return False
        self.text = self.text[self.at :] + self.ahead
        self.at = 0
        self.ahead = next(self.chunks, None)
        return True

    def take(self, stop: int) -> str:
        """The text up to `stop`, which is then behind."""
        taken = self.text[self.at : stop]
        line_ends = taken.count("\n")
        if line_ends:
            self.line += line_ends
            self.column = len(taken) - taken.rfind("\n")
        else:
            self.column += len(taken)
        self.at = stop
        return taken

    @property
    def whole(self) -> bool:
        """True when the text ends where what was taken of it ends."""
        return self.ahead is None

    @property
    def place(self) -> Place:
        return Place(self.line, self.column, self.text[self.at : self.at + 20])


class _Reader:
    """Follows the tags that are open, and collects the pieces."""

    def __init__(self, chunks: Iterable[str]) -> None:
        self.feed = _Feed(chunks)
        self.pieces: list[Piece] = []
        self.open: list[tuple[str, dict[str, str], Place]] = []  # tag, what it carries, where it stands
        self.rates = [1.0]  # of the tags that are open, multiplied
        self.by_hand = 1.0  # by [rate]
        self.held = ""  # what stands inside <phoneme>

    def step(self) -> bool:
        """Reads a tag or up to the next; False when the text is at its end."""
        feed = self.feed
        start = START.search(feed.text, feed.at)
        if start and (start.end() < len(feed.text) or feed.whole):
            if feed.at == start.start():
                self._tag()
            else:
                self._say(feed.take(start.start()))
            return True
        self._say(feed.take(len(feed.text) if feed.whole else self._settled()))
        return feed.more()

    def _settled(self) -> int:
        """Where the text ends that what follows cannot turn into mark-up or an entity."""
        text = self.feed.text
        first = max(self.feed.at, len(text) - HELD)
        opened = max(text.rfind(sign, first) for sign in "<[&")
        return len(text) if opened < 0 else opened

    def _say(self, text: str) -> None:
        text = ENTITY.sub(lambda m: html.unescape(m[0]), text)
        if self._inside("break") and text.strip():
            raise self.open[-1][2].error("<break> holds no text: write <break .../>")
        if self._inside("phoneme"):
            self.held += text
            if len(self.held) > LONGEST_PHONES:
                raise self.open[-1][2].error(f"<phoneme> holds more than {LONGEST_PHONES} characters: put one around each word")
        elif text and not self._inside("sub"):
            self.pieces.append(Said(text, self._rate()))

    def _tag(self) -> None:
        """Obeys the tag that begins here."""
        feed = self.feed
        place = feed.place
        while not (match := TAG.match(feed.text, feed.at)):
            if feed.text.startswith("<!--", feed.at):
                return self._skip(place)
            if len(feed.text) - feed.at > LONGEST_TAG or not feed.more():
                raise self._torn(place)
        feed.take(match.end())
        if match["aside"]:
            return None
        try:
            self._obey(match, place)
        except ValueError as error:
            raise place.error(str(error)) from error

    def _skip(self, place: Place) -> None:
        """Passes over the comment that begins here."""
        feed = self.feed
        begin = len("<!--")
        while (end := feed.text.find("-->", feed.at + begin)) < 0:
            feed.take(max(feed.at + begin, len(feed.text) - 2))
            begin = 0
            if not feed.more():
                raise place.error("<!-- is never closed: put --> where the comment ends")
        feed.take(end + 3)

    def _torn(self, place: Place) -> ValueError:
        begin = re.match(rf"<.[^\s<\[]*|\[(?:{SHORT})", place.begin)[0]
        kind = "is a declaration, which is not read: leave it out" if begin[1] in "!?" else "is never closed by its bracket"
        return place.error(f"{begin!r} {kind}; for the sign itself write &lt; or &#91;")

    def _obey(self, match: re.Match[str], place: Place) -> None:
        if match["short"]:
            self._short(match["short"], (match["value"] or "").strip())
        elif match["tag"] not in ATTRIBUTES:
            raise ValueError(nearest(match["tag"], ATTRIBUTES, "tag") + " Write &lt; for the sign itself.")
        elif match["close"]:
            self._close(match["tag"])
        else:
            self._open(match["tag"], _attributes(match["tag"], match["rest"]), place)
            if match["empty"]:
                self._close(match["tag"])

    def finish(self) -> None:
        """Raises ValueError where a tag is still open."""
        if self.open:
            tag, _, place = self.open[-1]
            raise place.error(f"<{tag}> is never closed: put </{tag}> where it ends")

    def _open(self, tag: str, carried: dict[str, str], place: Place) -> None:
        if self._inside("phoneme", "sub", "break"):
            raise ValueError(f"<{self.open[-1][0]}> holds no other mark-up, but <{tag}> stands in it.")
        if len(self.open) == DEEPEST:
            raise ValueError(f"{DEEPEST} tags are open already: close some before more are opened.")
        self.open.append((tag, carried, place))
        self.held = ""
        if tag == "prosody":
            self.rates.append(self.rates[-1] * factor_of(_needed(tag, carried, "rate")))
            self._rate()
        elif tag == "break":
            self.pieces.append(Pause(_pause(carried)))
        elif tag in ("p", "s"):
            self.pieces.append(End(tag == "p"))

    def _close(self, tag: str) -> None:
        if not self.open or self.open[-1][0] != tag:
            expected = f"<{self.open[-1][0]}> is open and ends first" if self.open else "no tag is open"
            raise ValueError(f"</{tag}> closes nothing: {expected}.")
        _, carried, _ = self.open.pop()
        if tag == "prosody":
            self.rates.pop()
        elif tag in ("p", "s"):
            self.pieces.append(End(tag == "p"))
        elif tag == "phoneme":
            self._phones(carried.get("alphabet", "ipa").removeprefix("x-"), _needed(tag, carried, "ph"))
        elif tag == "sub":
            self.pieces.append(Said(_needed(tag, carried, "alias"), self._rate()))

    def _short(self, name: str, value: str) -> None:
        if self._inside("phoneme", "sub", "break"):
            raise ValueError(f"<{self.open[-1][0]}> holds no other mark-up, but [{name}] stands in it.")
        self.held = ""
        if name == "pause":
            self.pieces.append(Pause(seconds_of(value, bare=True) if value else STRENGTHS["medium"]))
        elif name.endswith("rate"):
            self.by_hand = factor_of(value) if name == "rate" else 1.0
            self._rate()
        else:
            self._phones(name, value)

    def _phones(self, alphabet: str, phones: str) -> None:
        if alphabet not in ALPHABETS:
            raise ValueError(nearest(alphabet, ALPHABETS, "alphabet"))
        if not phones.strip():
            raise ValueError("it holds no phonemes.")
        if len(phones) > LONGEST_PHONES:
            raise ValueError(f"it holds more than {LONGEST_PHONES} characters of phonemes: give each word its own.")
        self.pieces.append(Said(self.held.strip(), self._rate(), phones.strip(), alphabet))

    def _rate(self) -> float:
        """The tempo of what is said here."""
        rate = self.rates[-1] * self.by_hand
        slowest, fastest = (limit**2 for limit in RATE_LIMITS)
        if not slowest <= rate <= fastest:
            raise ValueError(f"the rates inside one another make {rate:g} times the usual: {slowest:g} to {fastest:g}.")
        return rate

    def _inside(self, *tags: str) -> bool:
        return bool(self.open) and self.open[-1][0] in tags


def _attributes(tag: str, rest: str) -> dict[str, str]:
    """name -> value of the inside of a tag. Raises ValueError for what the tag cannot carry."""
    carried = {}
    at = 0
    while match := ATTRIBUTE.match(rest, at):
        carried[match[1]] = html.unescape(match[2] or match[3] or "")
        at = match.end()
    other = rest[at:].strip()
    if other:
        raise ValueError(f'what <{tag}> carries is written name="value", got {other[:60]!r}.')
    for name in carried.keys() - set(ATTRIBUTES[tag]):
        raise ValueError(f"<{tag}> " + nearest(name, ATTRIBUTES[tag], "attribute"))
    return carried


def _needed(tag: str, carried: dict[str, str], name: str) -> str:
    if not carried.get(name, "").strip():
        raise ValueError(f'<{tag}> needs {name}="...".')
    return carried[name]


def _pause(carried: dict[str, str]) -> float:
    strength = carried.get("strength", "medium")
    if strength not in STRENGTHS:
        raise ValueError(nearest(strength, STRENGTHS, "strength"))
    return seconds_of(carried["time"]) if "time" in carried else STRENGTHS[strength]
