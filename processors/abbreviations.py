"""Which full stops belong to the word before them: abbreviations, initials and ordinal numbers, in the languages that espeak speaks.

`lexicon/abbreviations.json` has four lists for a language, in small letters, without the last stop and without spaces ("z. B." is
"z.b"): abbreviations `inside` a sentence, those `numbered`, before a number, those that may end a sentence too (`ends`), and
`starters`, words that begin many sentences. One of `inside` and `ends` at once ends a sentence only before such a word. "*" has what
most languages share. What no list knows is told by its form: one letter, letters parted by stops, or no vowel.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from processors.lexicon.english import STARTERS, TITLES
from utils.files import read_json

LISTS = Path(__file__).parent / "lexicon/abbreviations.json"
SHARED = "*"


class Words(NamedTuple):
    """The lists of a language."""

    inside: frozenset[str] = frozenset()
    numbered: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()
    starters: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Stop:
    """A full stop behind `word`, of a sentence that is `earlier` up to that word; `following` is the word behind it."""

    word: str
    earlier: str
    following: str
    code: str
    known: Words

    @property
    def before_number(self) -> bool:
        return self.following[:1].isdigit()

    @property
    def before_starter(self) -> bool:
        return self.following.lower() in self.known.starters


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


SAME = {"gl": "pt", "an": "es", "no": "nb", "nn": "nb", "fo": "da", "sh": "hr", "ltg": "lv", "hak": "cmn", "yue": "cmn", "zh": "cmn"}
ORDINAL = _set("az de lb tr")  # where a capital may follow "3.", the third
MONTHS = frozenset(  # of Danes and Norwegians who write them with one
    ["januar", "februar", "marts", "mars", "april", "maj", "mai", "juni", "juli", "august", "september", "oktober", "november", "december"]
)
RULERS = ORDINAL | _set("bs cs da et eu fi hr hu is lv nb sk sl sr")  # where a king is "IV."
SYLLABIC = re.compile("[rlрл]")  # sounds that can stand for a vowel: "krk", "vlk"
ROMAN = re.compile("[IVXL]{2,}")
SLAVIC = _set("bg bs cs hr mk sk sl sr")
VOWELS = re.compile("[aeiouywœæøıəаеиоуыэюяєіαεηιουω]")
WRITTEN = re.compile("[a-zß-ʯͰ-ԯἀ-῿-]+")  # scripts that write their vowels
UNITS = _set("km m cm mm kg g mg t l ml h s kw v w hz mhz ghz b kb mb gb км м см мм кг г мг т л мл ч с кв")
SPELT = _set("tv cd dvd pc sms mms wc gps usb lp vm hm hmm brr pst psst sh shh")  # words without a vowel
SINGLE = frozenset("яő")  # words of one letter that end sentences
UNCUT = re.compile("[\u0e00-\u0eff]")  # Thai and Lao end no sentence with a full stop
SOLID = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")  # a character is a syllable or a word
SPACED = re.compile(r"(?:(?<!\w)[^\W\d_]{1,4}\.\s?){1,4}$")  # letters with stops and spaces between them
DOTTED = re.compile(r"(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}")
LETTERS = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]")
COUNT = re.compile(r"(?:\d|\b[IVXLC]+)\s*$")
OPEN = "\"'“”„‚‘«»‹›([¿¡"


def base(language: str) -> str:
    """"pt-br" is "pt"; what shares a table with another has that one's name."""
    code = language.lower().split("-")[0]
    return SAME.get(code, code)


@cache
def tables() -> dict[str, Words]:
    """The lists of all languages as they are written, by the languages' codes, and under "*" what most share."""
    content = read_json(LISTS, dict[str, dict[str, str]])
    return {code: Words(**{kind: _set(words) for kind, words in lists.items()}) for code, lists in content.items()}


@cache
def words_of(code: str) -> Words:
    """The lists of a language, with what it shares. English has its own titles and starters."""
    own = tables().get(code, Words())
    listed = own.inside | own.numbered | own.ends
    if code == "en":
        titles = frozenset(map(str.lower, TITLES))
        return own._replace(inside=own.inside | (titles - listed), starters=STARTERS)
    shared = tables()[SHARED]
    pairs = zip(own, shared, strict=True)
    return Words(*(words | (more - listed) for words, more in pairs))


def belongs(before: str, following: str, language: str) -> bool:
    """True when the full stop after `before`, the sentence so far, belongs to its last word.

    `following` is the word behind it, with the stop of an initial ("S.").
    """
    code = base(language)
    sentence = before.rstrip()
    word = sentence.split()[-1].lstrip(OPEN) if sentence else ""
    earlier = sentence.removesuffix(word).rstrip(OPEN).rstrip()
    stop = _Stop(word, earlier, following, code, words_of(code))
    if word.isdigit():
        return _is_ordinal(stop)
    return _is_english(stop) if code == "en" else _is_abbreviation(stop)


def _is_ordinal(stop: _Stop) -> bool:
    """Whether it numbers what follows, "1. Wash the rice.", or is an ordinal."""
    if len(stop.word) > 3:
        return False
    if _has_ended(stop) or (stop.code in RULERS and stop.before_number):
        return True
    if stop.code in ("da", "nb"):
        return stop.following.lower() in MONTHS or stop.earlier.endswith("den")
    return stop.code in ORDINAL and not stop.before_starter


def _has_ended(stop: _Stop) -> bool:
    """True where nothing is before the word, or a mark that is not an abbreviation's ("on Jan. 5. They")."""
    if not stop.earlier:
        return True
    last = stop.earlier.split()[-1].lower()
    bare = last.strip(".")
    if last[-1] not in ".!?:;" or len(bare) == 1:
        return False
    if stop.code == "de" and bare.endswith("str"):  # "Hauptstr. 5"
        return False
    return not any(bare in words for words in (stop.known.inside, stop.known.ends, stop.known.numbered))


def _is_english(stop: _Stop) -> bool:
    word = stop.word
    small = word.lower()
    if small in stop.known.numbered and (stop.before_number or word != small.upper()):  # "p. 5", and not "J. P. Morgan"
        return stop.before_number
    if small in stop.known.inside:
        return True
    if LETTERS.fullmatch(word) or small in stop.known.ends:
        return not stop.before_starter
    return len(word) == 1 and word.isupper() and not _is_pronoun(stop)


def _is_pronoun(stop: _Stop) -> bool:
    """"It was I. He left.", where other capitals are initials."""
    return stop.word == "I" and stop.earlier[-1:].islower() and stop.before_starter


def _is_abbreviation(stop: _Stop) -> bool:
    word = re.sub(r".*['’]", "", stop.word)  # "l'avv."
    small = _listed(word, stop)
    is_counted = bool(COUNT.search(stop.earlier))
    if stop.before_number and (small in stop.known.numbered or (stop.code == "de" and small.endswith("str"))):
        return True
    if small in stop.known.ends:  # "В 1812 г. Наполеон вошёл"
        may_go_on = small in stop.known.inside and not stop.before_starter
        return may_go_on and (not is_counted or len(stop.earlier.split()) < 3)
    if small in UNITS and is_counted:
        return False
    return small in stop.known.inside or _looks_short(word, is_counted, stop)


def _listed(word: str, stop: _Stop) -> str:
    """The word as the lists have it, in small letters, with those before it where it is spaced: "z. B."."""
    spaced = SPACED.search(stop.earlier)
    letters = spaced[0].split() if spaced else []
    whole = "".join([*letters, word]).lower()
    return whole if whole in stop.known.inside or whole in stop.known.ends else word.lower()


def _looks_short(word: str, is_counted: bool, stop: _Stop) -> bool:
    """Whether a word that no list knows looks like an abbreviation."""
    if UNCUT.search(word[-1:]):
        return True
    if SOLID.search(word) or not word:
        return False
    if _is_one_letter(word):
        is_word = stop.before_starter and (is_counted or word.isupper())
        return word not in SINGLE and not is_word
    if stop.before_starter:
        return False
    is_ruler = stop.code in RULERS and ROMAN.fullmatch(word)
    return bool(DOTTED.fullmatch(word) or is_ruler) or _is_unvoiced(word, stop.code)


def _is_one_letter(word: str) -> bool:
    letters = [character for character in word if unicodedata.category(character)[0] == "L"]
    return len(letters) == 1 and not any(character.isdigit() for character in word)


def _is_unvoiced(word: str, code: str) -> bool:
    """True for a word that nobody can say, in a script that writes its vowels."""
    parted = unicodedata.normalize("NFD", word).lower()
    letters = "".join(character for character in parted if not unicodedata.combining(character))
    if word.isupper() or len(letters) > 5 or letters in SPELT:
        return False
    if not WRITTEN.fullmatch(letters) or VOWELS.search(letters):
        return False
    return not (code in SLAVIC and SYLLABIC.search(letters))
