"""Where a text can be cut: at its paragraphs and sentences, and at clauses where a sentence is too long to be said at once.

A full stop ends a sentence unless it belongs to a title, an initial, an abbreviation or a number in a list, or the text goes on in small
letters. Chinese and Japanese stops need no space behind them.
"""

from __future__ import annotations

import re

from processors.numbers import TITLES

LONGEST = 220  # letters said at once, some fifteen seconds; ten seconds and 187 letters are what most models were trained on
HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # with the Japanese syllables
CLOSERS = "\"'”’»›)\\]」』）】》"
OPENERS = "\"'“‘«‹(\\[「『（【《¿¡—–-"
STOP = re.compile(rf"(?:[.!?…؟।]+[{CLOSERS}]*(?=\s|$))|(?:[。！？｡][。！？｡…]*[{CLOSERS}]*)|(?:\n[^\S\n]*(?:\n\s*)+)")
CLAUSES = (r"[.!?;:；：—–…]+[%s]*(?=\s|$)|[；：—–]", r"[,、，،][%s]*(?=\s|$)|[、，]", r"\s")  # the better places first


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


NUMBERED = _set("no nos fig figs vol vols p pp ch sec")  # abbreviations before a number, words otherwise
AT_ENDS_TOO = _set("jr sr co ltd inc ave blvd rd dept jan feb mar apr jun jul aug sept sep oct nov dec etc al bros corp est")
ALWAYS = {title.lower() for title in TITLES} | _set("e.g i.e vs cf viz approx st messrs mme mlle")
ALWAYS = frozenset(ALWAYS - AT_ENDS_TOO - NUMBERED)
STARTERS = _set(  # words that begin many sentences and follow few abbreviations
    "a after all also an and as at before but by did do during each every few for from had has have he her here his how i if in "
    "is it its many most my no not now of on once one only or our she since so some such that the their then there these they "
    "this those to today two under until was we were what when where which while who why with yes yet you your"
)


def ends(text: str) -> list[tuple[int, bool]]:
    """The places where a sentence ends, with True where a paragraph does; the last is the end of the text."""
    found: dict[int, bool] = {}
    for match in STOP.finditer(text):
        paragraph = match[0].startswith("\n")
        if paragraph or _is_end(text, match):
            found[match.end()] = paragraph
    marks = [place for place in sorted(found) if text[:place].strip() and text[place:].strip()]
    return [(place, found[place]) for place in marks if not _bare(text, place, marks, found)] + [(len(text), False)]


def _bare(text: str, place: int, marks: list[int], found: dict[int, bool]) -> bool:
    """True for the end of a sentence that a blank line follows: the paragraph's end stands for both."""
    later = marks[marks.index(place) + 1 :]
    return bool(later) and found[later[0]] and not text[place : later[0]].strip() and not found[place]


def _is_end(text: str, match: re.Match[str]) -> bool:
    after = re.match(rf"\s*[{OPENERS}]*(\w*)", text[match.end() :])
    following = after[1] if after else ""
    if match[0][0] in "。！？｡":
        return True
    if following[:1].islower():
        return False
    return match[0][0] != "." or match[0].startswith("..") or not _abbreviated(text[: match.start()], following)


def _abbreviated(before: str, following: str) -> bool:
    """True when the full stop after `before` belongs to its last word."""
    words = before.rsplit(maxsplit=1)
    word = words[-1].lstrip("\"'“‘«([") if words else ""
    low = word.lower()
    if low in NUMBERED:
        return following[:1].isdigit()
    if low in ALWAYS:
        return True
    if word.isdigit() and len(word) < 4 and (len(words) < 2 or _ended(words[0])):  # "1. Wash the rice."
        return True
    if re.fullmatch(r"(?:[A-Za-z]\.)+[A-Za-z]", word) or low in AT_ENDS_TOO:
        return following.lower() not in STARTERS
    # An initial, but for "It was I. He left."
    return len(word) == 1 and word.isupper() and not (word == "I" and words[0][-1:].islower() and following.lower() in STARTERS)


def _ended(before: str) -> bool:
    """True when a sentence may end with `before`: by a mark, and not that of an abbreviation ("on Jan. 5. They")."""
    last = before.split()[-1].lower()
    return last[-1] in ".!?:;" and last.strip(".") not in ALWAYS | AT_ENDS_TOO | NUMBERED


def weight(text: str) -> int:
    """How long a text takes to say, in letters; a Chinese character takes as long as three."""
    return len(text) + 2 * len(re.findall(f"[{HAN}]", text))


def clauses(text: str, longest: int = LONGEST) -> list[int]:
    """Places to cut a sentence that is too long to be said at once, the last its end; halves, as even as its marks allow."""
    if weight(text) <= longest:
        return [len(text)]
    place = _middle(text)
    return clauses(text[:place], longest) + [place + further for further in clauses(text[place:], longest)]


def _middle(text: str) -> int:
    """The best place near the middle: within its middle two thirds a mark, else a space, else the middle itself."""
    middle, reach = len(text) / 2, len(text) / 3
    for kind in CLAUSES:
        pattern = kind.replace("%s", CLOSERS)
        places = [m.end() for m in re.finditer(pattern, text) if abs(m.end() - middle) <= reach and _pronounceable(text, m.end())]
        if places:
            return min(places, key=lambda place: abs(place - middle))
    return round(middle)


def _pronounceable(text: str, place: int) -> bool:
    return all(any(c.isalnum() for c in side) for side in (text[:place], text[place:]))


def words(text: str) -> list[str]:
    """The words of a text without their marks; each Chinese character is one."""
    found = re.findall(rf"[{HAN}]|[^\s{HAN}]+", text)
    return [word.strip(".,;:!?…\"'()[]“”‘’«»。，、！？；：") for word in found if any(c.isalnum() for c in word)]
