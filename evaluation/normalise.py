"""Texts brought to one spelling before their words are counted: case, width, punctuation and numbers, but no sign that is heard.

Whisper's own normalisers, which published error rates rest on, are kept under the name "whisper". They turn combining marks
into spaces, so that they know no vowel signs, and drop words in brackets.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable
from decimal import Decimal

import regex

from evaluation import english
from evaluation.letters import bare, unpunctuated
from processors import chinese_numbers
from utils.registry import nearest
from utils.transcription import code_of

KINDS = ("standard", "whisper")
LETTERS = ("zh", "ja", "th", "lo", "my", "yue", "km")  # written without spaces: a letter is a word
ELIDING = ("fr", "it", "ca", "oc")  # where an apostrophe stands between two words
DOTTED = ("tr", "az")  # whose capital I is a dotless one
ALIKE = {  # letters that are typed for one another, or as one pleases
    "fa": str.maketrans("\u064a\u0649\u0643", "\u06cc\u06cc\u06a9"),  # an Arabic keyboard's yeh and kaf
    "ur": str.maketrans("\u064a\u0649\u0643", "\u06cc\u06cc\u06a9"),
    "fr": str.maketrans({"œ": "oe", "æ": "ae"}),
    "ru": str.maketrans({"ё": "е"}),
}
WHISPERS = ("basic", "letters", "no_diacritics")  # ways of Whisper's normaliser that are no language
# Hebrew points and accents, which are written or left out as one pleases.
OPTIONAL_HEBREW = r"\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
LONGEST = 15  # digits that are read as one number


def normaliser(language: str, kind: str = "standard") -> Callable[[str], str]:
    """What brings a text of `language` (a name or code of Whisper's) to one spelling; `kind` is "standard" or "whisper".

    "whisper" also takes "basic", "letters" and "no_diacritics" for a language. Raises ValueError for an unknown one.
    """
    if kind not in KINDS:
        raise ValueError(nearest(kind, KINDS, "normaliser"))
    if kind == "whisper":
        return _whispers(language if language in WHISPERS else code_of(language))
    code = code_of(language)
    if code != "en":
        return functools.partial(standard, code=code)
    return english.normalise


def levelled(target: str, hypothesis: str, language: str, kind: str = "standard") -> tuple[str, str]:
    """Both texts as their words are counted; English numbers of the hypothesis are split as the target's are."""
    level = normaliser(language, kind)
    target = level(target)
    hypothesis = level(hypothesis)
    if kind == "standard" and code_of(language) == "en":
        hypothesis = english.agreed(target, hypothesis)
    return target, hypothesis


@functools.cache
def _whispers(name: str) -> Callable[[str], str]:
    from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

    split = name in ("letters", *LETTERS)
    normalise = EnglishTextNormalizer() if name == "en" else BasicTextNormalizer(name == "no_diacritics", split)
    return lambda text: normalise(text).strip()


def standard(text: str, code: str) -> str:
    """`text` in small letters, without punctuation, each combining mark where it was; words are parted by one space.

    In languages without spaces each letter, with its marks, is a word.
    """
    if code == "zh":  # read as in training: a year by its digits, 2 of a thing as 两
        text = chinese_numbers.normalise(text)
    if code in DOTTED:
        text = unicodedata.normalize("NFC", text).replace("İ", "i").replace("I", "ı")
    text = bare(text).translate(ALIKE.get(code, {}))
    if code != "yi":  # where points tell vowels apart
        text = regex.sub(f"[{OPTIONAL_HEBREW}]", "", text)
    if code == "he":
        text = regex.sub(r'(?<=\p{L})["״](?=\p{L})', "", text)  # within an abbreviation
    text = regex.sub(r"(?<=\w)'(?=\w)", " " if code in ELIDING else "", text)
    text = regex.sub(r"(?<=\p{Latin})·(?=\p{Latin})", "", text)  # Catalan "l·l"
    text = regex.sub(r"\d+(?:\.\d+)?", lambda match: _number(match[0], code), unpunctuated(text))
    return " ".join(regex.findall(r"\X", text.replace(" ", "")) if code in LETTERS else text.split())


@functools.lru_cache(maxsize=4096)
def _number(digits: str, code: str) -> str:
    """A number in words, where they are known: Whisper writes "3" where a transcript has "drei"."""
    from num2words import CONVERTER_CLASSES, num2words

    leading_zero = len(digits) > 1 and digits[0] == "0" and digits[1] != "."
    if code not in CONVERTER_CLASSES or leading_zero or len(digits) > LONGEST:
        return digits
    try:
        words = num2words(Decimal(digits), lang=code)
    except (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError):  # of its many languages
        return digits
    return unpunctuated(bare(words))
