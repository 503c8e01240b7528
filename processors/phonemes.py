"""Phonemes that a user writes, in IPA or ARPAbet, as the tokens that a model was trained on."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from processors.g2p import BOUNDARY, heard
from processors.lexicon.arpabet import FROM_ESPEAK, VOWELS, from_espeak
from processors.text import Phones
from utils.registry import nearest

STRESS = "ˈˌ"
SILENT = ".‿|\u0361\u035c"  # between syllables, words and the halves of an affricate: not a sound
SAME = {"g": "ɡ", "r": "ɹ", "ʧ": "tʃ", "ʤ": "dʒ", "ɝ": "ɜː", "'": "ˈ", ":": "ː"}  # as many people write it, as espeak does


def phones_of(written: str, alphabet: str, phone: Phones) -> list[str]:
    """The tokens of `written`, without silence around; spaces in IPA part words, in "arpabet" and "symbols" phones.

    Raises ValueError for a sound that the model never saw, and for models that read letters.
    """
    if alphabet == "symbols":
        return _symbols(written, phone)
    if phone.symbols in ("letters", "amphion-letters") or (phone.g2p == "characters" and not phone.symbols):
        raise ValueError(f'this model reads letters, not phonemes: respell {written!r}, for example with <sub alias="...">.')
    written = unicodedata.normalize("NFC", written)
    if in_arpabet(phone):
        found = written.upper().split() if alphabet == "arpabet" else _arpabet(written)
        return [_stored(sound, phone) for sound in found]
    words = _from_arpabet(written, phone) if alphabet == "arpabet" else written.split()
    boundary = " " if phone.symbols == "vits" else BOUNDARY
    return [token for word in words for token in [boundary, *_ipa(word, phone)]][1:]


def in_arpabet(phone: Phones) -> bool:
    """True for models whose phones are ARPAbet's; those of Chinese have them for what is written in Latin letters."""
    return phone.g2p in ("lexicon", "pinyin") or phone.symbols in ("amphion", "ming024", "naturalspeech2")


def _symbols(written: str, phone: Phones) -> list[str]:
    """Symbols of the model's own table, checked: parted by spaces, or each a character where all symbols are."""
    characters = phone.symbols in ("vits", "letters", "amphion-letters") or (phone.symbols and phone.g2p == "characters")
    found = list(" ".join(written.split())) if characters and "@" not in written else written.split()
    phone.encode(found)
    return found


def _ipa(word: str, phone: Phones) -> list[str]:
    known = {_parted(symbol): symbol for symbol in phone.table if heard(symbol) or symbol in STRESS}
    letters, word = set("".join(known)), _parted(word)
    word = "".join(SAME.get(c, c) if c not in letters else c for c in word if c not in SILENT or c in letters)
    if phone.symbols == "vits":
        known |= {c: c for c in set(word) & set(phone.table)}  # each character is a symbol
    elif not letters & set(STRESS):
        word = "".join(c for c in word if c not in STRESS)
    return [known[sound] for sound in _longest(word, known)]


def _parted(sound: str) -> str:
    """Letters and diacritics apart: "õ" is one character or two."""
    return unicodedata.normalize("NFD", sound)


def _longest(word: str, known: Collection[str]) -> list[str]:
    """`word` cut into known symbols, the longest first; a vowel that is known only long, or only short, is taken so."""
    found, at, most = [], 0, max(map(len, known), default=1)
    while at < len(word):
        size = next((n for n in range(most, 0, -1) if len(word) >= at + n and word[at : at + n] in known), 0)
        if size:
            found.append(word[at : at + size])
        elif word[at] + "ː" in known:
            found.append(word[at] + "ː")
        elif word[at] != "ː" or not found:
            raise ValueError(f"the phonemes {word!r}: the model never saw this one. " + nearest(word[at], known, "sound"))
        at += size or 1
    return found


def _arpabet(written: str) -> list[str]:
    """ARPAbet with stress digits of IPA; the stress mark before a syllable goes to its vowel."""
    found, mark = [], ""
    for word in written.split():
        word = "".join(SAME.get(c, c) for c in word if c not in SILENT)
        for token in _longest(word, FROM_ESPEAK.keys() | set(STRESS)):
            if token in STRESS:
                mark = token
                continue
            phones = from_espeak(mark + token, stress=True)
            mark = "" if any(p.rstrip("012") in VOWELS for p in phones) else mark
            found += phones
    return found


def _stored(sound: str, phone: Phones) -> str:
    """ARPAbet as the model's table writes it: behind "@" or not, with stress or without. Raises ValueError."""
    bare = sound.lstrip("@")
    plain = bare.rstrip("012")
    for spelling in (bare, plain, *(plain + digit for digit in "102")):
        for mark in ("@", ""):
            if mark + spelling in phone.ids:
                return mark + spelling
    raise ValueError(nearest(sound, [s.lstrip("@") for s in phone.table if s.lstrip("@")[:1].isupper()], "ARPAbet phone"))


def _from_arpabet(written: str, phone: Phones) -> list[str]:
    """One word of IPA from ARPAbet: of each phone the spelling that the model knows."""
    letters, word = set("".join(phone.table)), ""
    for sound in written.upper().split():
        plain, digit = sound.rstrip("012"), sound[-1:]
        spellings = [ipa for ipa, phones in FROM_ESPEAK.items() if phones == plain]
        if not spellings:
            raise ValueError(nearest(sound, {p for phones in FROM_ESPEAK.values() for p in phones.split()}, "ARPAbet phone"))
        weak = {"AH": "ə", "ER": "ɚ"} if digit == "0" else {"AH": "ʌ", "ER": "ɜː"}
        spellings = [weak[plain], *spellings] if plain in weak else spellings
        fitting = [ipa for ipa in spellings if ipa in phone.ids] or [ipa for ipa in spellings if set(ipa) <= letters]
        word += {"1": "ˈ", "2": "ˌ"}.get(digit, "") + (fitting or spellings)[0]
    return [word]
