"""English texts brought to one spelling: as they are read, contractions in full, American spelling, spoken numbers in figures.

Numbers from ten on stand in figures, since one number has several readings: "nineteen oh five" and "one thousand nine hundred and
five" are both 1905. `agreed` then splits those of the hypothesis as the target splits them.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Iterator
from fractions import Fraction

import regex

from evaluation.letters import bare, unpunctuated
from processors import numbers

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ONES = {word: value for value, word in enumerate(DIGITS + TEENS)}
SMALL = ONES | {word: 10 * value for value, word in enumerate(TENS, 2)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
LARGE = ("hundred", *SCALES)
MOST_DECIMALS = 15
NUMBER = "|".join((*SMALL, *LARGE))
ORDINAL = r"(?:first|second|third|\w*(?:fth|nth|ieth|fourth|sixth|seventh|eighth|hundredth|thousandth|millionth))"
TITLES = {title.lower(): word.lower() for title, word in numbers.TITLES.items()
          if title in ("Mr", "Mrs", "Ms", "Dr", "Prof", "Gen", "Col", "Capt", "Lt", "Sgt", "Rev", "Gov", "Sen", "Jr", "Sr")}  # fmt: skip
WHOLE = {
    "won't": "will not", "can't": "can not", "cannot": "can not", "shan't": "shall not", "let's": "let us", "ain't": "aint",
    "y'all": "you all", "ma'am": "madam", "'em": "them", "'tis": "it is", "'twas": "it was", "gonna": "going to", "wanna": "want to",
    "gotta": "got to", "woulda": "would have", "coulda": "could have", "shoulda": "should have", "ok": "okay", "st": "saint", "o": "oh",
} | TITLES  # fmt: skip
WHOLE_WORDS = rf"(?<!\w)(?:{'|'.join(sorted(WHOLE, key=len, reverse=True))})\b(?!['\w])"
# "It's" is "it is", but "John's" is mostly his: such an apostrophe is dropped, as nobody hears it.
PRONOUNS = "it|he|she|that|this|there|here|what|who|where|how|when|why|everything|everyone|nothing|something"
RULES = [
    (rf"\b({PRONOUNS})'s (been|got|gone|done|had)\b", r"\1 has \2"),
    (rf"\b({PRONOUNS})'s\b", r"\1 is"),
    (r"'d (been|gone|done|had|better)\b", r" had \1"),
    (r"(?<=\w)n't\b", " not"),
    (r"(?<=\w)'re\b", " are"),
    (r"(?<=\w)'ll\b", " will"),
    (r"(?<=\w)'ve\b", " have"),
    (r"\bi'm\b", "i am"),
    (r"(?<=\w)'d\b", " would"),
    (r"(?<=\w)'(?=\w)", ""),
]
# Letters with stops, but for those that have a reading of their own.
INITIALS = r"(?i)\b(?!(?:i\.e|e\.g|[ap]\.\s?m)\b)(?:\p{L}|ph)\.(?:\s?\p{L}\.)*(?:\s?\p{L}\b)?"
FILLERS = r"\b(?:uh|um|hm+|mm+|mhm)\b"
SPOKEN = [  # of what is words alone
    (r"\b([ap]) m\b", r"\1m"),
    (r"\bper cent\b", "percent"),
    (rf"\b({NUMBER}) and a half\b", r"\1 point five"),
    (r"\ba (?=(?:hundred|thousand|million|billion|trillion)\b)", "one "),
    (rf"\b({'|'.join(LARGE)}) and (?=(?:{NUMBER}|{ORDINAL})\b)", r"\1 "),
    # "Oh" is a nought between numbers, and before three of them.
    (rf"(?<=\b(?:{'|'.join(SMALL)}) )(?:oh|o)(?= (?:(?:oh|o) )*(?:{'|'.join(SMALL)})\b)", "zero"),
    (rf"\b(?:oh|o)(?= (?:{'|'.join(DIGITS)}) (?:{'|'.join(DIGITS)}) (?:{'|'.join(DIGITS)})\b)", "zero"),
]
LATIN_MARKS = regex.compile(r"(?<=\p{Latin}\p{M}*)\p{M}")


def normalise(text: str) -> str:
    """English `text` as its words are counted: small letters, no punctuation, numbers under ten in words, others in figures."""
    text = regex.sub(INITIALS, _initials, text)
    text = bare(numbers.normalise(text))
    text = regex.sub(WHOLE_WORDS, lambda match: WHOLE[match[0]], text)
    for pattern, replacement in RULES:
        text = regex.sub(pattern, replacement, text)
    text = regex.sub(FILLERS, " ", unpunctuated(_plain(text)))
    text = " ".join(text.split())
    for pattern, replacement in SPOKEN:
        text = regex.sub(pattern, replacement, text)
    words = [_word(word) for word in _figures(text.split())]
    return _spelling()(" ".join(words))


def agreed(target: str, hypothesis: str) -> str:
    """`hypothesis` with its numbers split as those of `target`: "321" is "three two one" where that was asked for. Both are normalised."""
    by_figures: dict[str, list[str]] = {}
    by_length: dict[int, list[str]] = {}
    for run in _runs(target.split()):
        if isinstance(run, list):
            figures = "".join(run)
            by_figures[figures] = run
            by_length.setdefault(len(figures), run)  # the first of that length
    words: list[str] = []
    for run in _runs(hypothesis.split()):
        if isinstance(run, str):
            words.append(run)
            continue
        figures = "".join(run)
        split = by_figures.get(figures) or by_length.get(len(figures)) or run
        words += _split_as(figures, split)
    return " ".join(words)


def _split_as(figures: str, split: list[str]) -> list[str]:
    """The words of `figures` in parts as long as those of `split`."""
    words = []
    begin = 0
    for part in split:
        end = begin + len(part)
        words.append(_word(figures[begin:end]))
        begin = end
    return words


def _runs(words: list[str]) -> Iterator[str | list[str]]:
    """The words, with those that are whole numbers next to one another as one list of their figures."""
    run: list[str] = []
    for word in words:
        figures = str(DIGITS.index(word)) if word in DIGITS else word
        if figures.isdigit():
            run.append(figures)
            continue
        if run:
            yield run
            run = []
        yield word
    if run:
        yield run


def _word(word: str) -> str:
    return DIGITS[int(word)] if len(word) == 1 and word in "0123456789" else word


def _initials(match: regex.Match) -> str:
    """"U.S." and "J. R. R." as one word, before they are read letter by letter; a letter that ends a sentence stays."""
    text = match[0]
    letters = regex.findall(r"\p{L}+", text)
    stops = text.count(".")
    if stops > 1 or (len(letters) > 1 and " " not in text):
        return f"{''.join(letters)} "
    return text


def _plain(text: str) -> str:
    """Latin letters without their accents, which English leaves out as it likes; other scripts as they are."""
    text = LATIN_MARKS.sub("", unicodedata.normalize("NFD", text)).replace("œ", "oe").replace("æ", "ae")
    return unicodedata.normalize("NFC", text)


def _figures(words: list[str]) -> Iterator[str]:
    """The words with each number, as it is spoken, in figures: "two thousand and five" is 2005; others pass as they are."""
    at = 0
    while at < len(words):
        value, end = _cardinal(words, at)
        if value is None:
            yield words[at]
            at += 1
            continue
        if words[end : end + 1] == ["point"]:
            value, end = _decimal(words, end + 1, value)
        yield str(value) if value.denominator == 1 else f"{float(value):.15g}"
        at = end


def _decimal(words: list[str], at: int, whole: Fraction) -> tuple[Fraction, int]:
    """`whole` with the digits that are spoken from word `at` on, and a scale after them; unchanged where there are none."""
    figures = ""
    for word in words[at : at + MOST_DECIMALS]:
        if word not in DIGITS:
            break
        figures += str(ONES[word])
    if not figures:
        return whole, at - 1
    end = at + len(figures)
    value = whole + Fraction(int(figures), 10 ** len(figures))
    scale = SCALES.get(words[end]) if end < len(words) else None
    if scale:
        return value * scale, end + 1
    return value, end


def _cardinal(words: list[str], at: int) -> tuple[Fraction | None, int]:
    """The number that is spoken from word `at` on, and where it ends; None where there is none."""
    begin = at
    total = 0
    group: int | None = None  # hundreds, tens and ones, before a scale
    scale = 10**15  # scales that follow are smaller
    while at < len(words):
        word = words[at]
        if word in SMALL:
            joined = _joined(group, SMALL[word])
            if joined is None:
                break
            group = joined
        elif word == "hundred" and group and group < 100:
            group *= 100
        elif word in SCALES and group is not None and SCALES[word] < scale:
            scale = SCALES[word]
            total += group * scale
            group = None
        else:
            break
        at += 1
    if at == begin:
        return None, at
    return Fraction(total + (group or 0)), at


def _joined(group: int | None, value: int) -> int | None:
    """A group of hundreds with what is said next, or None where that begins another number ("twenty" and then "twenty")."""
    if group is None:
        return value
    room = 0
    if group >= 100 and group % 100 == 0:
        room = 100
    elif group % 100 >= 20 and group % 10 == 0:
        room = 10
    return group + value if 0 < value < room else None


@functools.cache
def _spelling() -> Callable[[str], str]:
    from whisper.normalizers.english import EnglishSpellingNormalizer

    return EnglishSpellingNormalizer()
