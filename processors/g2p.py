"""Words become phones: `espeak` for any language it speaks, `lexicon` for English in ARPAbet, `characters` for none.

Chinese has its own file, `processors.chinese`. All give tokens in one form: phones, "_" between words, and punctuation marks
as tokens of their own.
espeak-ng comes with the package espeakng-loader: nothing is to be installed on the system.
"""

from __future__ import annotations

import os
import re
import threading
import unicodedata
from functools import cache
from pathlib import Path

from processors.lexicon.arpabet import from_espeak
from utils.log import log
from utils.registry import nearest

BOUNDARY = "_"
MARKS = frozenset(",.!?;:")  # marks that can be heard as a pause or a tone; quotes and brackets cannot
WIDE = str.maketrans("，、。！？；：؟،؛।", ",,.!?;:?,;.")  # the same marks in other scripts
# What people call a language where espeak has another code.
CODES = {"en": "en-us", "fr": "fr-fr", "zh": "cmn", "zh-cn": "cmn", "no": "nb"}
_LOCK = threading.Lock()  # espeak-ng keeps its state in globals


def clean(text: str, language: str = "en-us") -> str:
    """What is to be spoken: emoji and control characters gone, English numbers and abbreviations in words.

    Raises ValueError when the text is empty, or holds nothing that can be spoken.
    """
    if not text.strip():
        raise ValueError("the text is empty.")
    english = language.lower().startswith("en")
    kept = "".join(
        c for c in text.translate(WIDE) if c == "°" or unicodedata.category(c) not in ("So", "Sk", "Cs", "Co", "Cn", "Cf")
    )
    if english:
        from processors.numbers import normalise

        kept = normalise(kept)
    if not any(_spoken(c, english) for c in kept):
        raise ValueError(f"the text {text!r} holds nothing that can be spoken in the language {language!r}: write it in words.")
    return kept


def _spoken(character: str, english: bool) -> bool:
    if not english:
        return character.isalnum()
    return character.isdigit() or (character.isalpha() and "LATIN" in unicodedata.name(character, ""))


@cache
def _backend(language: str, stress: bool, flags: bool, process: int):
    """One espeak for each language in each process (`process` is its id: a fork gets its own)."""
    import logging

    import espeakng_loader
    from phonemizer.backend import EspeakBackend
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    if not os.environ.get("PHONEMIZER_ESPEAK_LIBRARY"):  # phonemizer's own way to name another espeak
        EspeakWrapper.set_library(espeakng_loader.get_library_path())
        EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    quiet = logging.getLogger("amphion.phonemizer")
    quiet.setLevel(logging.ERROR)
    switch = "keep-flags" if flags else "remove-flags"  # "(fr)" before a word that espeak takes for French
    try:
        return EspeakBackend(language, preserve_punctuation=True, with_stress=stress, language_switch=switch, logger=quiet)
    except RuntimeError as error:
        base = language.split("-")[0].lower()  # "nl-be" is spoken as "nl" where espeak has no voice of its own for it
        whole = CODES.get(base, base)
        if whole != language and whole in EspeakBackend.supported_languages():
            log.warning(f"espeak has no voice for {language!r}: it is read as {whole!r}.")
            return _backend(whole, stress, flags, process)
        known = nearest(language, EspeakBackend.supported_languages(), "language")
        raise ValueError(f"espeak: {known}") from error


def _phonemize(text: str, language: str, *, stress: bool, flags: bool, word: str, phone: str) -> list[str]:
    from phonemizer.separator import Separator

    with _LOCK:
        backend = _backend(CODES.get(language.lower(), language), stress, flags, os.getpid())
        return backend.phonemize([text], separator=Separator(word=word, syllable="-" if phone else "", phone=phone), strip=True)


def ipa(text: str, language: str = "en-us") -> str:
    """`text` as espeak's IPA with stress marks, words parted by spaces, punctuation kept; the text is taken as it is."""
    return " ".join(_phonemize(text, language, stress=True, flags=True, word=" ", phone=""))


def raw_espeak(text: str, language: str = "en-us", *, stress: bool = False, flags: bool = True) -> list[str]:
    """Tokens of the text as it is, every mark and boundary kept: the form that published Amphion models read."""
    tokens: list[str] = []
    # One sentence may come back in several pieces (phonemizer 3.4 parts "9.58"): a word ends where a piece does.
    spoken = "_".join(_phonemize(text, language, stress=stress, flags=flags, word="_", phone="|"))
    if CODES.get(language.lower(), language).startswith("cmn"):  # "s.|i.5": this dot curls the tongue, it ends no sentence
        spoken = re.sub(r"(?<=[^\W\d_])\.", "\u0323", spoken)
    for word in spoken.split("_"):
        tokens += [*re.findall(r"[^\W_]+(?:[\u0300-\u036f]+[^\W_]*)*|[^\w\s|]", word), BOUNDARY]
    return tokens[:-1]


def espeak(text: str, language: str = "en-us", *, stress: bool = False) -> list[str]:
    """Phones by espeak-ng, "h ə l oʊ _ w ɜː l d ."; without stress marks unless `stress`.

    Raises ValueError for a text without a word, for a language espeak does not speak, and for kanji, which it names
    ("Chinese letter") and does not read.
    """
    if language.lower().startswith("ja") and any("CJK" in unicodedata.name(c, "") and c.isalpha() for c in text):
        raise ValueError(f"espeak reads no kanji, write kana: {text!r}.")
    return tidy(raw_espeak(clean(text, language), language, stress=stress, flags=False))


def characters(text: str, language: str = "en-us") -> list[str]:
    """The letters themselves, in lower case: for languages written as they sound, or without a phonemizer."""
    return tidy([BOUNDARY if c.isspace() else c for c in unicodedata.normalize("NFC", clean(text, language).lower())])


def tidy(tokens: list[str]) -> list[str]:
    """Marks that are heard, once each, and boundaries only where no mark already parts the words."""
    kept: list[str] = []
    for token in tokens:
        if token in MARKS:
            if kept and kept[-1] == BOUNDARY:
                kept.pop()
            if kept and kept[-1] != token:
                kept.append(token)
        elif token == BOUNDARY:
            if kept and kept[-1] not in MARKS and kept[-1] != BOUNDARY:
                kept.append(token)
        elif any(c.isalnum() for c in token):
            kept.append(token)
    while kept and kept[-1] == BOUNDARY:
        kept.pop()
    return kept


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
    for piece in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*|[,.!?;:]", clean(text, language)):
        phones = [piece] if piece in MARKS else entries.get(piece.lower()) or spell(piece, stress=stress)
        tokens += [*phones, BOUNDARY]
    return tidy(tokens)


@cache
def has_stress(path: str) -> bool:
    """True when the lexicon marks stress ("AH0")."""
    return any(phone[-1].isdigit() for phones in read_lexicon(path).values() for phone in phones)


def spell(word: str, *, stress: bool = False) -> list[str]:
    """ARPAbet for a word no lexicon has, by espeak."""
    tokens = raw_espeak(word, "en-us", stress=stress, flags=False)
    return [phone for token in tokens if any(c.isalnum() for c in token) for phone in from_espeak(token, stress=stress)]


def published_lexicon(text: str, *, path: str | None = None) -> list[str]:
    """Phones and "sp" as released FastSpeech2, Jets and NaturalSpeech2 models were given them; g2p_en's guesses by espeak."""
    from processors.lexicon.published import lexicon_phones, spoken_words

    clean(text)
    entries = read_lexicon(path or cmudict())

    def otherwise(piece: str) -> list[str]:
        words = spoken_words(piece)
        return [p for w in words for p in ([w] if not w[0].isalpha() else entries.get(w) or spell(w, stress=True))]

    return lexicon_phones(text, entries, otherwise)
