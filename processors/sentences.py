"""Where a text can be parted: at its paragraphs and sentences, and at clauses where a sentence is too long to be said at once.

A full stop ends a sentence unless it belongs to a title, an initial, an abbreviation or a number (`processors.abbreviations`), or the
text goes on in small letters. Stops of scripts that have no other use for them need no space behind them. All of it takes time in
proportion to the text: what is looked at around a mark is bounded, and so is what is parted into clauses together.
"""

from __future__ import annotations

import re
import unicodedata

from processors.abbreviations import OPEN, base, belongs

LONGEST = 220  # letters said at once, some fifteen seconds; ten seconds and 187 letters are what most models were trained on
BLOCK = 4096  # characters of one sentence that are parted into clauses together: few sentences are longer
AROUND = 256  # characters before and behind a mark that say whether a sentence ends there
KEPT = 32  # of longer runs of marks and spaces, so many at either end are kept
HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # with the Japanese syllables
CLOSERS = "\"'”’»›)\\]」』）】》"
RAISED = CLOSERS + "“‘«‹"  # German and others close with what opens elsewhere
OPENERS = re.escape(OPEN) + "「『（【《—–-"
SPACED = ".!?…؟\u0589\u203c\u203d\u2047-\u2049"  # with the Armenian stop
SOLID = "。！？｡।॥۔\u1362\u1367\u104b\u17d4"  # Chinese and Japanese, Indic, Urdu, Ethiopic, Burmese and Khmer stops
STOPS = (
    rf"(?:[{SPACED}](?<![{SPACED}].)[{SPACED}]*[{RAISED}]*(?=\s|$))"
    rf"|(?:(?:[{SOLID}]|．(?=[\s{HAN}]|$))[{SOLID}．…]*[{CLOSERS}]*)"
    r"|(?:\n[^\S\n]*\n\s*)"
)
STOP = re.compile(STOPS)
GREEK = re.compile(STOPS.replace(SPACED, SPACED + ";\u037e"))  # whose ";" asks
BEHIND = re.compile(rf"\s*[{OPENERS}]*(?:(?<=[—–]) )?(\w*)(\.?)")
BLANK = re.compile(r"\s*")
QUOTED = re.compile("[ \u00a0\u202f]»(?=\\s|$)")  # a French quotation's end
CLAUSES = [  # the better places first
    re.compile(pattern)
    for pattern in (
        rf"[.!?;:；：—–…](?<![.!?;:；：—–…].)[.!?;:；：—–…]*[{CLOSERS}]*(?=\s|$)|[；：—–]",
        rf"[,、，،][{CLOSERS}]*(?=\s|$)|[、，]",
        r"\s",
    )
]
COMPANY = frozenset(["inc", "ltd", "corp", "llc", "co", "gmbh", "ag", "plc"])  # "Yahoo! Inc."
NAMES = frozenset(["yahoo", "jeopardy", "joomla"])  # whose mark is part of them
FULL_WIDTH = re.compile(f"[{SOLID}．]")
MARKS = ".,;:!?…\"'()[]“”‘’«»。，、！？；："  # around words
LINE_ENDS = (11, 12, 28, 29, 30, 31, 0x85, 0x2028)
CONTROL = dict.fromkeys([*range(9), *range(14, 28), 127], " ") | dict.fromkeys(LINE_ENDS, "\n") | {0x2029: "\n\n"}


def plain(text: str) -> str:
    """`text` with every sign that ends a line as "\\n", and other control characters as spaces."""
    return text.translate(CONTROL)


def squeezed(text: str) -> str:
    """`text` with long runs of marks, spaces, emoji and the like shortened to what stands at their ends."""
    return re.sub(rf"[\W_](?<!\W.)(?<!_.)[\W_]{{{2 * KEPT},}}", _shortened, text, flags=re.DOTALL)


def _shortened(run: re.Match[str]) -> str:
    paragraph = "\n\n" if re.search(r"\n\s*\n", run[0][KEPT:-KEPT]) else ""
    return run[0][:KEPT] + paragraph + run[0][-KEPT:]


def ends(text: str, language: str = "en-us", *, whole: bool = True) -> list[tuple[int, bool]]:
    """The places where a sentence ends, with True where a paragraph does; the last is the end of the text.

    Where the text is not `whole`: those that more of it cannot change, without its end.
    """
    places = []
    start = BLANK.match(text).end()
    at = 0
    last = len(text.rstrip()) if whole else len(text)
    stops = GREEK if base(language) == "el" else STOP
    while match := stops.search(text, at):
        at = match.end()
        if not whole and at + AROUND > len(text):
            break
        place, paragraph = _end(text, match, start, language)
        if start < place < last:
            places.append((place, paragraph))
            start = place
            at = place
    return [*places, (len(text), False)] if whole else places


def _end(text: str, match: re.Match[str], start: int, language: str) -> tuple[int, bool]:
    """Where the sentence from `start` ends by this match, and whether a paragraph does; 0 where it goes on."""
    if match[0][0] == "\n":
        return match.end(), True
    place = _behind_quotation(text, match.end(), language)
    behind = BEHIND.match(text, place)
    begin = max(start, match.start() - AROUND)
    before = text[begin : match.start()]
    if not _is_end(match[0], before, behind, language):
        return 0, False
    blank = BLANK.match(text, place).end()
    paragraph = text.count("\n", place, blank) > 1
    return (blank if paragraph else place), paragraph


def _behind_quotation(text: str, place: int, language: str) -> int:
    """`place`, or in French the end of a quotation that closes there, behind its space."""
    quoted = QUOTED.match(text, place) if base(language) == "fr" else None
    return quoted.end() if quoted else place


def _is_end(marks: str, before: str, behind: re.Match[str], language: str) -> bool:
    following, stop = behind.groups()
    if FULL_WIDTH.match(marks):
        is_quoted = marks[-1] in "」』" and following[:1] in ("と", "っ")  # 「行こう。」と言った
        return not is_quoted
    if _is_small(following):
        return False
    if marks[0] == ".":
        initial = following + stop if len(following) == 1 else following
        return marks.startswith("..") or not belongs(before, initial, language)
    last = before.split()[-1:]
    is_name = bool(last) and last[0].lower() in NAMES
    return not is_name and following.lower() not in COMPANY


def _is_small(word: str) -> bool:
    """True for a word in small letters; Georgian has these alone, and begins sentences with them."""
    first = word[:1]
    return first.islower() and not "\u10d0" <= first <= "\u10ff"


def weight(text: str) -> int:
    """How long a text takes to say, in letters; a Chinese character takes as long as three."""
    return len(text) + 2 * len(re.findall(f"[{HAN}]", text))


def clauses(text: str, longest: int = LONGEST) -> list[int]:
    """Where to part a sentence that is too long to be said at once, the last its end; halves, as even as its marks allow."""
    places = []
    start = 0
    while len(text) - start > BLOCK:
        size = block(text[start : start + BLOCK])
        inner = _halves(text[start : start + size], longest)
        places += [start + place for place in inner]
        start += size
    rest = _halves(text[start:], longest)
    return places + [start + place for place in rest]


def block(text: str) -> int:
    """The last place in the last third of `text` where an endless sentence may be parted: at a mark, else at a space, else anywhere."""
    return _place(text, len(text) * 5 / 6, len(text) / 6, len(text))


def _halves(text: str, longest: int) -> list[int]:
    size = len(text)
    if weight(text) <= longest:
        return [size]
    place = _place(text, size / 2, size / 3, size / 2)
    first = _halves(text[:place], longest)
    second = _halves(text[place:], longest)
    return first + [place + further for further in second]


def _place(text: str, middle: float, reach: float, best: float) -> int:
    """The place nearest to `best` within `reach` of `middle`: at a mark, else at a space, else where no letter is torn."""
    first = _first_letter(text)
    behind = _first_letter(text[::-1])
    last = len(text) - behind - 1
    for kind in CLAUSES:
        ends_of_marks = [match.end() for match in kind.finditer(text)]
        places = [place for place in ends_of_marks if abs(place - middle) <= reach and first < place <= last]
        if places:
            return min(places, key=lambda place: abs(place - best))
    return _untorn(text, round(best))


def _first_letter(text: str) -> int:
    """The place of the first letter or digit; the text's end where there is none."""
    return next((place for place, character in enumerate(text) if character.isalnum()), len(text))


def _untorn(text: str, place: int) -> int:
    """`place`, or before the letter whose accents, vowel signs or joiners it would part from it."""
    first = place
    while 1 < first < len(text) and place - first < KEPT and _tears(text, first):
        first -= 1
    return first if first > 1 and place - first < KEPT else place


def _tears(text: str, place: int) -> bool:
    return _joins(text[place]) or text[place - 1] == "\u200d"


def _joins(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character == "\u200d"


def words(text: str) -> list[str]:
    """The words of a text without their marks; each Chinese character is one."""
    parts = re.findall(rf"[{HAN}]|[^\s{HAN}]+", text)
    return [word.strip(MARKS) for word in parts if any(map(str.isalnum, word))]
