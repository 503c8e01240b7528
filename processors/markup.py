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

SHORT = "pause|/?rate|ipa|arpabet|symbols"
TOKEN = re.compile(
    r"(?P<aside><!--.*?-->|<\?xml\b[^>]*\?>)"
    r"|<(?P<close>/?)(?P<tag>[A-Za-z][\w:.-]*)(?P<rest>(?:\s(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)?)(?P<empty>/?)>"
    rf"|\[(?P<short>{SHORT})(?P<value>\s[^\[\]]*)?\]",
    re.DOTALL,
)
TORN = re.compile(rf"<[A-Za-z/!?]\S*|\[(?:{SHORT})\b")
ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|#\d+|#x[0-9a-fA-F]+);")


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
    reader, at = _Reader(text), 0
    for match in TOKEN.finditer(text):
        reader.say(text[at : match.start()], at)
        at = match.end()
        if not match["aside"]:
            reader.obey(match)
    reader.say(text[at:], at)
    reader.finish()
    return reader.pieces


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
    value = float(match[1] + match[2]) / (100 if match[3] else 1) + bool(match[1])
    if not RATE_LIMITS[0] <= value <= RATE_LIMITS[1]:
        raise ValueError(f"the rate {rate!r} is out of range: {RATE_LIMITS[0]:g} to {RATE_LIMITS[1]:g} times the usual.")
    return value


class _Reader:
    """Follows the tags that are open, and collects the pieces."""

    def __init__(self, text: str) -> None:
        self.text, self.pieces = text, []
        self.open: list[tuple[str, dict[str, str], int]] = []  # tag, what it carries, where it stands
        self.rates, self.by_hand = [1.0], 1.0
        self.held = ""  # what stands inside <phoneme> or <sub>

    def say(self, text: str, at: int) -> None:
        if torn := TORN.search(text):
            kind = "is a declaration, which is not read: leave it out" if torn[0][1] in "!?" else "is never closed by its bracket"
            raise self._error(at + torn.start(), f"{torn[0][:20]!r} {kind}; for the sign itself write &lt; or &#91;")
        text = ENTITY.sub(lambda m: html.unescape(m[0]), text)
        if self._inside("break") and text.strip():
            raise self._error(self.open[-1][2], "<break> holds no text: write <break .../>")
        if self._inside("phoneme", "sub"):
            self.held += text
        elif text:
            self.pieces.append(Said(text, self.rates[-1] * self.by_hand))

    def obey(self, match: re.Match[str]) -> None:
        at = match.start()
        try:
            if match["short"]:
                self._short(match["short"], (match["value"] or "").strip())
            elif match["tag"] not in ATTRIBUTES:
                raise ValueError(nearest(match["tag"], ATTRIBUTES, "tag") + " Write &lt; for the sign itself.")
            elif match["close"]:
                self._close(match["tag"])
            else:
                self._open(match["tag"], _attributes(match["tag"], match["rest"]), at)
                if match["empty"]:
                    self._close(match["tag"])
        except ValueError as error:
            raise self._error(at, str(error)) from error

    def finish(self) -> None:
        if self.open:
            tag, _, at = self.open[-1]
            raise self._error(at, f"<{tag}> is never closed: put </{tag}> where it ends")

    def _open(self, tag: str, carried: dict[str, str], at: int) -> None:
        if self._inside("phoneme", "sub", "break"):
            raise ValueError(f"<{self.open[-1][0]}> holds no other mark-up, but <{tag}> stands in it.")
        self.open.append((tag, carried, at))
        self.held = ""
        if tag == "prosody":
            self.rates.append(self.rates[-1] * factor_of(_needed(tag, carried, "rate")))
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
            self.pieces.append(Said(_needed(tag, carried, "alias"), self.rates[-1] * self.by_hand))

    def _short(self, name: str, value: str) -> None:
        if self._inside("phoneme", "sub", "break"):
            raise ValueError(f"<{self.open[-1][0]}> holds no other mark-up, but [{name}] stands in it.")
        self.held = ""
        if name == "pause":
            self.pieces.append(Pause(seconds_of(value, bare=True) if value else STRENGTHS["medium"]))
        elif name.endswith("rate"):
            self.by_hand = factor_of(value) if name == "rate" else 1.0
        else:
            self._phones(name, value)

    def _phones(self, alphabet: str, phones: str) -> None:
        if alphabet not in ALPHABETS:
            raise ValueError(nearest(alphabet, ALPHABETS, "alphabet"))
        if not phones.strip():
            raise ValueError("it holds no phonemes.")
        self.pieces.append(Said(self.held.strip(), self.rates[-1] * self.by_hand, phones.strip(), alphabet))

    def _inside(self, *tags: str) -> bool:
        return bool(self.open) and self.open[-1][0] in tags

    def _error(self, at: int, why: str) -> ValueError:
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        place = f"character {column}" + (f" of line {line}" if line > 1 else "")
        return ValueError(f"mark-up, {place} ({self.text[at : at + 20]!r}): {why.rstrip('.')}.")


def _attributes(tag: str, rest: str) -> dict[str, str]:
    """name -> value of the inside of a tag. Raises ValueError for what the tag cannot carry."""
    written = r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')"
    if re.sub(written, "", rest).strip():
        raise ValueError(f'what <{tag}> carries is written name="value", got {rest.strip()!r}.')
    found = {name: html.unescape(double or single) for name, double, single in re.findall(written, rest)}
    for name in found.keys() - set(ATTRIBUTES[tag]):
        raise ValueError(f"<{tag}> " + nearest(name, ATTRIBUTES[tag], "attribute"))
    return found


def _needed(tag: str, carried: dict[str, str], name: str) -> str:
    if not carried.get(name, "").strip():
        raise ValueError(f'<{tag}> needs {name}="...".')
    return carried[name]


def _pause(carried: dict[str, str]) -> float:
    strength = carried.get("strength", "medium")
    if strength not in STRENGTHS:
        raise ValueError(nearest(strength, STRENGTHS, "strength"))
    return seconds_of(carried["time"]) if "time" in carried else STRENGTHS[strength]
