"""Plain sentences become events, by rules: "a dog barks twice, then rain for five seconds".

What is joined by "then", "and", "before", "followed by" or a comma comes one after the other, what is joined by "while", "as", "with" or
"during" or "in the" begins together. A phrase is a class in words, whatever their endings ("a dog barks", "barking"), and may say how
often, how long or when: "twice", "3 times", "two beeps", "for 5 seconds", "2 s of rain", "for 500 ms", "for a minute", "at 1.5 s",
"at 1.0-1.5, 3.0-3.6", "from 2 to 4 s", "throughout". How often within a time spreads over it: "twice between 2 and 4 s".
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
MOST = 1000  # times of one phrase
DIGITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
)
WORDS = {word: str(number) for number, word in enumerate(DIGITS.split())}
OFTEN = {"once": "1 times", "twice": "2 times", "thrice": "3 times"}
NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"
UNIT = r"(?:seconds|second|secs|sec|s)\b"
MINUTES = r"(?:minutes|minute|mins|min)\b"
MILLISECONDS = r"(?:milliseconds|millisecond|msec|ms)\b"
SIGNED = re.compile(r"(?<!\d)(?<!\d )[-+\u2212](?:\d*\.)?\d+")
SPAN = rf"{NUMBER}(?: ?- ?{NUMBER})?"
PLACES = re.compile(rf"\bat ({SPAN}(?:(?:,? and |, ?){SPAN})*)(?: ?{UNIT})?")
BETWEEN = re.compile(rf"\bbetween {NUMBER}(?: ?{UNIT})? and {NUMBER}")
LARGER = re.compile(rf"((?:{NUMBER}(?: ?- ?| to | until |,? and |, ?))*{NUMBER}) ?(?:{MINUTES}|{MILLISECONDS})")
IN_TURN = re.compile(r"\s*(?:[,;.]\s*)?\b(?:and then|then|followed by|before|and)\b\s*|\s*[,;](?!\s*after\b)\s*|\.\s+|\.$")
AFTER = re.compile(r"^(?P<later>.+?)\s+after\s+(?P<earlier>.+)$")
TOGETHER = re.compile(r"\s*\b(?:while|as|with|during|in the)\b\s*")
COUNT = re.compile(rf"(?<![\d.]){NUMBER} ?(?:times|time|x)\b")
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
JOINING_WORDS = "and then followed by before after while as with during in for from at between"  # that a class may have in its name
UNITS_AND_TIMES = "for lasting from between to until second seconds secs sec s minute minutes mins min ms"
HOW_LONG = "lengths and times are told in seconds, minutes or ms: for 2 s, 500 ms of rain, at 1.5 s, from 2 to 4 s."
IN_ORDER = 'say what sounds in order of time: "a dog barks, then rain".'
HINTS = dict.fromkeys(UNITS_AND_TIMES.split(), HOW_LONG)
HINTS |= {"after": IN_ORDER, "times": 'how often is told once: "3 times".', "time": 'how often is told once: "1 time".'}


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
    known = {name: _stems(_words(name)) for name in classes}
    events: list[Event] = []
    start = 0.0
    for part in _in_turn(_plain(text, known)):
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


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def _plain(text: str, classes: Iterable[str]) -> str:
    """Lower case, numbers in digits, seconds, and times and classes in a form that no comma and no "and" divides.

    Raises ValueError for a number with a sign.
    """
    words = _undivided(text.strip().lower(), classes)
    words = re.sub(r"\bhalf an? (second|minute)\b", r"0.5 \1", words)
    words = re.sub(r"\ban? (second|minute)\b", r"1 \1", words)
    words = re.sub(r"\b[a-z]+\b", _in_digits, words)
    signed = SIGNED.search(words)
    if signed:
        raise ValueError(f"events: in {text.strip()!r}, {signed[0]!r} has a sign: counts and times begin at 0.")
    words = LARGER.sub(_in_seconds, words)
    words = BETWEEN.sub(r"from \1 to \2", words)
    return PLACES.sub(lambda match: f"at {_listed(match[1])}", words)


def _in_digits(match: re.Match[str]) -> str:
    """ "two" -> "2", "twice" -> "2 times"."""
    word = match[0]
    return (OFTEN | WORDS).get(word, word)


def _undivided(text: str, classes: Iterable[str]) -> str:
    """Classes that have a joining word in their name as one word: "thunder and lightning" -> "thunder_and_lightning"."""
    for name in classes:
        words = _words(name)
        if set(JOINING_WORDS.split()).intersection(words):
            starts = [re.escape(_stem(word).removesuffix("i")) for word in words]
            said = r"[a-z]*[\s_-]+".join(starts)
            text = re.sub(rf"\b{said}[a-z]*\b", "_".join(words), text)
    return text


def _in_seconds(match: re.Match[str]) -> str:
    """Numbers before "minutes" or "ms" as seconds: "1 to 2 minutes" -> "60 to 120 s"."""
    factor = 60 if re.search(MINUTES, match[0]) else 0.001
    return re.sub(NUMBER, lambda number: _decimal(float(number[0]) * factor), match[1]) + " s"


def _decimal(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _listed(places: str) -> str:
    """Times in a list as one word: "1.0-1.5, 3" -> "1.0-1.5_3"."""
    spans = re.findall(SPAN, places)
    return "_".join("-".join(filter(None, span)) for span in spans)


def _in_turn(text: str) -> list[str]:
    """The parts of a sentence in order of time."""
    parts = []
    for part in IN_TURN.split(text.removeprefix("after ")):
        match = AFTER.match(part)
        parts += [match["earlier"], match["later"]] if match else [part]
    parts = [part for part in parts if part]
    if text.startswith("before "):  # what is said first comes after the next: "before a dog barks, rain"
        parts[:2] = reversed(parts[:2])
    return parts


def _phrase(text: str, known: Mapping[str, frozenset[str]]) -> Phrase:
    """What a part of a sentence says. Raises ValueError naming a word that belongs to no class, and for what says one thing twice."""
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
    phrase.count = _count(found, text)
    lasting = _only(found, ("duration", "amount"), text)
    phrase.seconds = None if lasting is None else float(lasting)
    if "places" in found:
        phrase.places = [_place(place, text) for place in found["places"][1].split("_")]
    if "period" in found:
        phrase.places.append((float(found["period"][1]), float(found["period"][2])))
    _check_agreement(phrase, text)
    return phrase


def _only(found: Mapping[str, re.Match[str]], rules: Iterable[str], text: str) -> str | None:
    """The number that one of the rules found. Raises ValueError where two did."""
    said = [found[rule][1] for rule in rules if rule in found]
    if len(said) > 1:
        raise ValueError(f"events: {text.strip()!r} says two numbers of one thing, {said[0]} and {said[1]}: say one.")
    return said[0] if said else None


def _count(found: Mapping[str, re.Match[str]], text: str) -> int | None:
    """How often. Raises ValueError for what is no whole number, and for more than anybody hears."""
    rules = ["count", "leading"]
    is_article = "leading" in found and found["leading"][1] == "1"  # "one dog barks twice", "one bell rings at 1 and 3 s"
    if is_article and found.keys() & {"count", "places"}:
        rules.remove("leading")
    said = _only(found, rules, text)
    if said is None:
        return None
    place = f"events: in {text.strip()!r}, {said} times"
    if not said.isdecimal():
        raise ValueError(f"{place} is no whole number.")
    if int(said) > MOST:
        raise ValueError(f"{place} do not fit into a clip: say {MOST} or fewer.")
    return int(said)


def _place(place: str, text: str) -> tuple[float, float | None]:
    match = re.fullmatch(SPAN, place)
    if match is None:
        raise ValueError(f"events: in {text.strip()!r}, {place!r} is no time in seconds: write it like 1.5 or 1.0-1.5.")
    return float(match[1]), float(match[2]) if match[2] else None


def _check_agreement(phrase: Phrase, text: str) -> None:
    """Raises ValueError where a phrase says its length or its times twice, or a count beside another number of times."""
    place = f"events: {text.strip()!r}"
    ends = [end for _, end in phrase.places if end is not None]
    has_end = phrase.always or bool(ends)
    if has_end and phrase.seconds is not None:
        raise ValueError(f"{place} says how long and until when: say one of them.")
    if phrase.always and phrase.places:
        raise ValueError(f"{place} says throughout and when: say one of them.")
    told = len(phrase.places)
    if told > 1 and phrase.count not in (None, told):
        raise ValueError(f"{place} says {phrase.count} times, and when for {told}: say as many.")


def _stems(words: Iterable[str]) -> frozenset[str]:
    return frozenset(map(_stem, words))


def _stem(word: str) -> str:
    """A word without its ending: bark, barks, barking and barked are one, and so are cry, cries and crying."""
    match = ENDING.fullmatch(word)
    bare = match["bare"] if match else word
    if len(bare) > 3:
        bare = bare.removesuffix("e")
    is_doubled = len(bare) > 3 and bare[-1] == bare[-2]
    bare = bare[:-1] if is_doubled else bare
    return re.sub(r"(?<=[^aeiou])y$", "i", bare)


IDLE = _stems(IDLE_WORDS.split())


def _class_of(rest: str, text: str, known: Mapping[str, frozenset[str]]) -> str:
    """The class that words mean. Raises ValueError naming the word that none has."""
    stems = {_stem(word): word for word in _words(rest)}
    every = frozenset().union(*known.values())
    place = f"events: in {text.strip()!r}"
    for stem, word in stems.items():
        if stem not in every | IDLE:
            raise ValueError(f"{place}, {_unknown(word, known)}")
    number = re.search(r"\d[\d.]*", rest)
    if number:
        raise ValueError(f"{place}, {number[0]!r} is neither a count (3 times) nor a time (for 3 s, at 3 s).")
    said = {stem: word for stem, word in stems.items() if stem in every}
    return _named(said, text, known)


def _unknown(word: str, names: Iterable[str]) -> str:
    """What to say instead of a word that is in the name of no class."""
    if word in HINTS:
        return f"{word!r}: {HINTS[word]}"
    of_classes = set(_words("_".join(names)))
    return f"{nearest(word, of_classes, 'word')} The events are {_listed_names(names)}."


def _listed_names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _named(said: Mapping[str, str], text: str, known: Mapping[str, frozenset[str]]) -> str:
    """The class with the most of its words said, or the only one of which all words that are said are part.

    `said`: the words of classes by their stems. Raises ValueError for no class, for several, and for a word of another besides.
    """
    place = f"events: {text.strip()!r}"
    whole = {name: stems for name, stems in known.items() if stems <= said.keys()}
    if whole:
        return _largest(whole, said, place)
    parts = [name for name, stems in known.items() if said.keys() <= stems]
    if not said or not parts:
        choices = _listed_names(known)
        raise ValueError(f"{place} names no event. Choices: {choices}.")
    if len(parts) > 1:
        meant = _listed_names(parts)
        raise ValueError(f"{place} may mean {meant}: say which.")
    return parts[0]


def _largest(whole: Mapping[str, frozenset[str]], said: Mapping[str, str], place: str) -> str:
    """The class of which all others are part. Raises ValueError where none is, and for a word that is not in it."""
    largest = max(whole, key=lambda name: len(whole[name]))
    own = whole[largest]
    rivals = [name for name, stems in whole.items() if stems == own or not stems <= own]
    if len(rivals) > 1:
        names = _listed_names(rivals)
        raise ValueError(f'{place} names {names}: join them by "and" or "while".')
    others = said.keys() - own - IDLE
    if others:
        word = said[min(others)]
        cure = 'join two sounds by "and" or "while", or leave it out'
        raise ValueError(f"{place} names {largest}, and {word!r} besides: {cure}.")
    return largest


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
    places = phrase.places or [(start, None)]
    if phrase.always:
        places = [(0.0, seconds)]
    if phrase.count not in (None, len(places)):
        return _repeated(phrase, *places[0], lasts)
    own = lasts if phrase.seconds is None else phrase.seconds
    events = []
    for first, last in places:
        end = first + own if last is None else last
        events.append(Event(phrase.name, first, end))
    return events


def _repeated(phrase: Phrase, first: float, last: float | None, lasts: float) -> list[Event]:
    """The events of a phrase that has a count, from one time on or spread over a period."""
    count = phrase.count or 0
    period = phrase.seconds if last is None else last - first
    own = lasts
    step = own + GAP
    if period is not None:
        step = period / max(1, count)
        own = min(lasts, 0.7 * step)
    starts = [first + number * step for number in range(count)]
    return [Event(phrase.name, begin, begin + own) for begin in starts]
