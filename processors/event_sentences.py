"""Plain sentences become events, by rules: "a dog barks twice, then rain for five seconds".

What is joined by "then", "and", "before", "followed by" or a comma comes one after the other, what is joined by "while", "as", "with" or
"during" begins together. A phrase is a class in words, whatever their endings ("a dog barks", "barking"), and may say how often, how long
or when: "twice", "3 times", "two beeps", "for 5 seconds", "2 s of rain", "at 1.5 s", "at 1.0-1.5, 3.0-3.6", "from 2 to 4 s", "throughout".
Where it does not, a sound comes once and lasts as long as its class mostly does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from utils.events import Event, check, ordered
from utils.registry import nearest

GAP = 0.5  # seconds between two sounds that come one after the other
LASTS = 1.0  # seconds of a sound of which nothing is known
LONGEST = 1000  # characters of a sentence
DIGITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
)
WORDS = {word: str(number) for number, word in enumerate(DIGITS.split())}
OFTEN = {"once": "1 times", "twice": "2 times", "thrice": "3 times"}
NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"
UNIT = r"(?:seconds|second|secs|sec|s)\b"
SPAN = rf"{NUMBER}(?: ?- ?{NUMBER})?"
PLACES = re.compile(rf"\bat ({SPAN}(?:(?:,? and |, ?){SPAN})*)(?: ?{UNIT})?")
BETWEEN = re.compile(rf"\bbetween {NUMBER}(?: ?{UNIT})? and {NUMBER}")
IN_TURN = re.compile(r"\s*(?:[,;.]\s*)?\b(?:and then|then|followed by|before|and)\b\s*|\s*[,;]\s*|\.\s+|\.$")
AFTER = re.compile(r"^(?P<later>.+?)\s+after\s+(?P<earlier>.+)$")
TOGETHER = re.compile(r"\s*\b(?:while|as|with|during)\b\s*")
COUNT = re.compile(r"\b(\d+) ?(?:times|time|x)\b")
LEADING = re.compile(rf"^(\d+) (?!{UNIT})")
DURATION = re.compile(rf"\b(?:for|lasting) {NUMBER} ?{UNIT}")
AMOUNT = re.compile(rf"^{NUMBER} ?{UNIT} of\b")
PERIOD = re.compile(rf"\bfrom {NUMBER}(?: ?{UNIT})? (?:to|until) {NUMBER}(?: ?{UNIT})?")
ALWAYS = re.compile(r"\b(?:throughout|all the time|the whole time)\b")
ENDING = re.compile(r"(?P<bare>(?=[^aeiouy]*[aeiouy]).{3,}?)(?:ing|ed|es|(?<!s)s|e)")
IDLE_WORDS = (
    "a an the some one someone somebody something of on in at is are be can heard there it its his her their sound play start go come make "
    "run fall blow ring wail pass begin occur happen hear repeatedly"
)


@dataclass
class Phrase:
    """What a part of a sentence says of one class: how often, for how long, or exactly when (start, and end where it is told)."""

    name: str
    count: int | None = None
    seconds: float | None = None
    places: list[tuple[float, float | None]] = field(default_factory=list)
    always: bool = False


def events_of(text: str, classes: Iterable[str], *, seconds: float, lengths: Mapping[str, float] | None = None) -> list[Event]:
    """The events of a sentence in a clip of so many seconds. `lengths`: how long a sound of a class mostly lasts.

    Raises ValueError naming the word that belongs to no class, and saying how long the clip would have to be where it is too short.
    """
    if len(text) > LONGEST:
        raise ValueError(f"events: the sentence has {len(text)} characters, and {LONGEST} at most are read: say fewer events.")
    known = {name: _stems(name.split("_")) for name in classes}
    events: list[Event] = []
    start = 0.0
    for part in _in_turn(_plain(text)):
        pieces = filter(None, TOGETHER.split(part))
        phrases = [_phrase(piece, known) for piece in pieces]
        own = _together(phrases, start, seconds, lengths or {})
        events += own
        ends = [event.end for event in own]
        start = max([start, *ends]) + GAP
    end = max((event.end for event in events), default=0.0)
    if end > seconds + 1e-6:
        cure = "ask for more seconds, or say fewer events"
        raise ValueError(f"events: {text!r} takes {end:.1f} s, and the clip has {seconds:g} s: {cure}.")
    exact = list(map(_in_milliseconds, events))
    check(exact, known, seconds)
    return ordered(exact)


def _in_milliseconds(event: Event) -> Event:
    start = round(event.start, 3)
    end = round(event.end, 3)
    return Event(event.name, start, end)


def _plain(text: str) -> str:
    """Lower case, numbers in digits, and times in a form that no comma and no "and" divides."""
    words = text.strip().lower().replace("half a second", "0.5 s")
    words = re.sub(r"\b[a-z]+\b", lambda match: OFTEN.get(match[0], WORDS.get(match[0], match[0])), words)
    words = BETWEEN.sub(r"from \1 to \2", words)
    return PLACES.sub(lambda match: f"at {_listed(match[1])}", words)


def _listed(places: str) -> str:
    """Times in a list as one word: "1.0-1.5, 3" -> "1.0-1.5_3"."""
    spans = re.findall(SPAN, places)
    return "_".join("-".join(filter(None, span)) for span in spans)


def _in_turn(text: str) -> list[str]:
    """The parts of a sentence in order of time."""
    parts = []
    for part in IN_TURN.split(text):
        match = AFTER.match(part)
        parts += [match["earlier"], match["later"]] if match else [part]
    return [part for part in parts if part]


def _phrase(text: str, known: Mapping[str, frozenset[str]]) -> Phrase:
    """What a part of a sentence says. Raises ValueError naming a word that belongs to no class."""
    found: dict[str, re.Match[str]] = {}
    rest = text
    rules = {"places": re.compile(r"\bat ([\d._-]+)"), "period": PERIOD, "duration": DURATION, "amount": AMOUNT}
    rules |= {"always": ALWAYS, "count": COUNT, "leading": LEADING}
    for rule, pattern in rules.items():
        match = pattern.search(rest)
        if match:
            found[rule] = match
            rest = f"{rest[: match.start()]} {rest[match.end() :]}".strip()
    phrase = Phrase(_class_of(rest, text, known), always="always" in found)
    counted = found.get("count") or found.get("leading")
    if counted:
        phrase.count = int(counted[1])
    lasting = found.get("duration") or found.get("amount")
    if lasting:
        phrase.seconds = float(lasting[1])
    if "places" in found:
        phrase.places = [_place(place) for place in found["places"][1].split("_")]
    if "period" in found:
        phrase.places.append((float(found["period"][1]), float(found["period"][2])))
    return phrase


def _place(text: str) -> tuple[float, float | None]:
    start, _, end = text.partition("-")
    return float(start), float(end) if end else None


def _stems(words: Iterable[str]) -> frozenset[str]:
    return frozenset(map(_stem, words))


def _stem(word: str) -> str:
    """A word without its ending: bark, barks, barking and barked are one."""
    match = ENDING.fullmatch(word)
    bare = match["bare"] if match else word
    if len(bare) > 3:
        bare = bare.removesuffix("e")
    is_doubled = len(bare) > 3 and bare[-1] == bare[-2]
    return bare[:-1] if is_doubled else bare


IDLE = _stems(IDLE_WORDS.split())


def _class_of(rest: str, text: str, known: Mapping[str, frozenset[str]]) -> str:
    """The class that words mean. Raises ValueError naming the word that none has."""
    words = re.findall(r"[^\W\d_]+", rest)
    stems = {_stem(word): word for word in words}
    every = frozenset().union(*known.values())
    place = f"events: in {text.strip()!r}"
    for stem, word in stems.items():
        if stem not in every | IDLE:
            of_classes = "_".join(known).split("_")
            raise ValueError(f"{place}, {nearest(word, set(of_classes), 'word')} The events are {_listed_names(known)}.")
    number = re.search(r"\d[\d.]*", rest)
    if number:
        raise ValueError(f"{place}, {number[0]!r} is neither a count (3 times) nor a time (for 3 s, at 3 s).")
    return _named(every & stems.keys(), text, known)


def _listed_names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _named(said: frozenset[str], text: str, known: Mapping[str, frozenset[str]]) -> str:
    """The class with the most of its words said, or the only one of which all words that are said are part."""
    whole = [name for name, stems in known.items() if stems <= said]
    sizes = {len(known[name]): name for name in whole}
    if sizes:
        return sizes[max(sizes)]
    parts = [name for name, stems in known.items() if said <= stems]
    place = f"events: {text.strip()!r}"
    if not said or not parts:
        raise ValueError(f"{place} names no event. Choices: {_listed_names(known)}.")
    if len(parts) > 1:
        raise ValueError(f"{place} may mean {_listed_names(parts)}: say which.")
    return parts[0]


def _together(phrases: list[Phrase], start: float, seconds: float, lengths: Mapping[str, float]) -> list[Event]:
    """The events of phrases that begin together at `start`; what has no length of its own lasts as long as those that have."""
    events: list[Event] = []
    open_ended = []
    for phrase in phrases:
        lasts = lengths.get(phrase.name, LASTS)
        is_open = phrase.count is None and phrase.seconds is None and not phrase.places and not phrase.always
        if is_open:
            open_ended.append(phrase)
        else:
            events += _laid_out(phrase, start, seconds, lasts)
    end = max((event.end for event in events), default=start)
    for phrase in open_ended:
        lasts = lengths.get(phrase.name, LASTS)
        last = max(end, start + lasts)
        events.append(Event(phrase.name, start, last))
    return events


def _laid_out(phrase: Phrase, start: float, seconds: float, lasts: float) -> list[Event]:
    """The events of one phrase."""
    name = phrase.name
    if phrase.always:
        return [Event(name, 0.0, seconds)]
    if phrase.places:
        own = lasts if phrase.seconds is None else phrase.seconds
        return [Event(name, first, first + own if last is None else last) for first, last in phrase.places]
    count = 1 if phrase.count is None else phrase.count
    if phrase.seconds is None or count < 2:
        own = lasts if phrase.seconds is None else phrase.seconds
        step = own + GAP
    else:  # so many times within so many seconds
        step = phrase.seconds / count
        own = min(lasts, 0.7 * step)
    starts = [start + number * step for number in range(count)]
    return [Event(name, first, first + own) for first in starts]
