"""Words become phones: `espeak` for any language it speaks, `lexicon` for English in ARPAbet, `characters` for none.

Chinese has its own file, `processors.chinese`. All give tokens in one form: phones, "_" between words, and punctuation marks
as tokens of their own.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

from processors.espeak import check_scripts, pieces, sounds_of
from processors.forms import plain
from processors.lexicon.arpabet import from_espeak
from processors.spelling import name_letters

BOUNDARY = "_"
MARKS = frozenset(",.!?;:")  # marks that are a pause or a tone in speech; quotes and brackets are not
DASH = re.compile(r"(?<!\d)\s[-–]{1,2}\s|\s[-–]{1,2}\s(?!\d)|\s?[—―]\s?")  # that parts clauses
POWER = {  # what "^" is said as before a number
    "da": "opløftet i", "de": "hoch", "es": "elevado a", "fi": "potenssiin", "fr": "puissance", "it": "elevato a", "nb": "opphøyd i",
    "nl": "tot de macht", "pl": "do potęgi", "pt": "elevado a", "ru": "в степени", "sv": "upphöjt till", "uk": "в степені",
}  # fmt: skip


def clean(text: str, language: str = "en-us") -> str:
    """What is to be spoken: emoji and control characters gone, English numbers and abbreviations in words.

    Raises ValueError when the text is empty, or holds nothing that can be spoken.
    """
    if not text.strip():
        raise ValueError("the text is empty.")
    is_english = language.lower().startswith("en")
    written = _english_words(text) if is_english else _powers_in_words(plain(text), language)
    spoken = "".join(character for character in written if not _unsaid(character))
    if not any(_spoken(character, is_english) for character in spoken):
        raise ValueError(f"the text {text!r} holds nothing that can be spoken in the language {language!r}: write it in words.")
    return spoken


def _english_words(text: str) -> str:
    from processors.numbers import normalise

    return normalise(text)


def _powers_in_words(text: str, language: str) -> str:
    """2^10 in words, or at least not as 210."""
    words = POWER.get(language.lower().split("-")[0], "")
    return re.sub(r"(?<=\w) ?\^ ?(?=\w)", f" {words} ", text)


def paused(text: str) -> str:
    """Dashes between clauses, dots in one character and the Greek raised stop as the marks that our models learn."""
    return re.sub(r"\s?[·•](?=\s)", ";", DASH.sub(", ", text.replace("…", ".")))


def _unsaid(character: str) -> bool:
    return character not in "°№" and unicodedata.category(character) in ("So", "Sk")


def _spoken(character: str, english: bool) -> bool:
    if not english:
        return character.isalnum()
    return character.isdigit() or (character.isalpha() and "LATIN" in unicodedata.name(character, ""))


def raw_espeak(text: str, language: str = "en-us", *, stress: bool = False, flags: bool = True) -> list[str]:
    """Tokens of the text as it is, every mark and boundary kept, and every number whole."""
    tokens: list[str] = []
    if language.lower().startswith("en"):
        text = name_letters(text)
    for said, is_mark in pieces(text, language, stress=stress, flags=flags, word=BOUNDARY, phone="|"):
        first, *others = said.split(BOUNDARY)
        tokens += _tokens_of(first, is_mark)
        for word in others:
            tokens.append(BOUNDARY)
            tokens += _tokens_of(word, is_mark)
    return tokens


def _tokens_of(word: str, is_mark: bool) -> list[str]:
    if is_mark:
        return [mark for mark in word if not mark.isspace()]
    return sounds_of(word)


def espeak(text: str, language: str = "en-us", *, stress: bool = False) -> list[str]:
    """Phones by espeak-ng, "h ə l oʊ _ w ɜː l d ."; without stress marks unless `stress`.

    Raises ValueError for a text without a word, for a language espeak does not speak, and for letters that it would name
    ("Chinese letter") and not read.
    """
    return tidy(raw_espeak(paused(clean(text, language)), language, stress=stress, flags=False))


def characters(text: str, language: str = "en-us") -> list[str]:
    """The letters themselves, in lower case, vowel signs and accents too: for languages written as they sound, or without a phonemizer."""
    written = paused(clean(text, language)).lower()
    letters = unicodedata.normalize("NFC", written)
    return tidy([BOUNDARY if letter.isspace() else letter for letter in letters])


def has_sound(token: str) -> bool:
    """True where it holds a letter, a digit, or a sign that belongs to one (a vowel of Hindi, a tone of Thai)."""
    return any(character.isalnum() or unicodedata.category(character)[0] == "M" for character in token)


def tidy(tokens: list[str]) -> list[str]:
    """Marks that a model learns, once each, and boundaries only where no mark already parts the words."""
    tidied: list[str] = []
    for token in tokens:
        if token in MARKS:
            if tidied and tidied[-1] == BOUNDARY:
                tidied.pop()
            if tidied and tidied[-1] != token:
                tidied.append(token)
        elif token == BOUNDARY:
            if tidied and tidied[-1] not in MARKS and tidied[-1] != BOUNDARY:
                tidied.append(token)
        elif has_sound(token) and (token[0].isalnum() or tidied):
            tidied.append(token)
    while tidied and tidied[-1] == BOUNDARY:
        tidied.pop()
    return tidied


@cache
def read_lexicon(path: str) -> dict[str, list[str]]:
    """Word in lower case -> phones, from lines "WORD P1 P2 ..."; the first line of a word counts.

    Raises ValueError naming a missing file, or a line without phones.
    """
    if not Path(path).is_file():
        raise ValueError(f'phone.lexicon: no file {path}; it holds lines "WORD P1 P2 ...".')
    entries: dict[str, list[str]] = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith((";;;", "#")):
            continue
        word, *phones = line.split()
        if not phones:
            raise ValueError(f'{path}:{number} has no phones: {line!r}; write "WORD P1 P2 ...".')
        entries.setdefault(word.lower(), phones)
    return entries


def cmudict() -> str:
    """The path of the CMUdict (without stress) that the package pocketsphinx brings. Raises ValueError without it."""
    import importlib.util

    spec = importlib.util.find_spec("pocketsphinx")
    if spec is None or spec.origin is None:
        raise ValueError('phone.lexicon: name a file of lines "WORD P1 P2 ...", or pip install pocketsphinx for its CMUdict.')
    return str(Path(spec.origin).parent / "model" / "en-us" / "cmudict-en-us.dict")


def lexicon(text: str, language: str = "en-us", *, path: str | None = None) -> list[str]:
    """ARPAbet phones from a pronunciation lexicon (default: pocketsphinx's CMUdict), marks and "_" as in `espeak`.

    A word the lexicon lacks is spoken by espeak and written in ARPAbet: a name should not stop a run, and the two agree
    in most phones. Stress digits are added where the lexicon has them. Raises ValueError for other languages than English.
    """
    if not language.lower().startswith("en"):
        raise ValueError(f'g2p "lexicon" speaks English only, got language {language!r}: use "espeak" or "characters".')
    entries = read_lexicon(path or cmudict())
    stress = has_stress(path or cmudict())
    tokens: list[str] = []
    for piece in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*|[,.!?;:]", name_letters(clean(text, language))):
        if piece in MARKS:
            tokens.append(piece)
        else:
            tokens += entries.get(piece.lower()) or spell(piece, stress=stress)
        tokens.append(BOUNDARY)
    return tidy(tokens)


@cache
def has_stress(path: str) -> bool:
    """True when the lexicon marks stress ("AH0")."""
    return any(phone[-1].isdigit() for phones in read_lexicon(path).values() for phone in phones)


def spell(word: str, *, stress: bool = False) -> list[str]:
    """ARPAbet for a word no lexicon has, by espeak."""
    phones = []
    for token in raw_espeak(word, "en-us", stress=stress, flags=False):
        if any(map(str.isalnum, token)):
            phones += from_espeak(token, stress=stress)
    return phones


def published_lexicon(text: str, *, path: str | None = None) -> list[str]:
    """Phones and "sp" as released FastSpeech2, Jets and NaturalSpeech2 models were given them; g2p_en's guesses by espeak."""
    from processors.lexicon.published import lexicon_phones, spoken_words

    clean(text)
    check_scripts(text, "en-us")  # what this front end has no letter for, it leaves out
    entries = read_lexicon(path or cmudict())

    def otherwise(piece: str) -> list[str]:
        phones = []
        for word in spoken_words(piece):
            is_mark = not word[0].isalpha()
            phones += [word] if is_mark else entries.get(word) or spell(word, stress=True)
        return phones

    return lexicon_phones(text, entries, otherwise)
