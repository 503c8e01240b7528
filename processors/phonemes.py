"""Phonemes that a user writes, in IPA or ARPAbet, as the tokens that a model was trained on."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from processors.g2p import BOUNDARY, has_sound
from processors.lexicon.arpabet import FROM_ESPEAK, VOWELS, from_espeak
from processors.text import Phones
from utils.registry import nearest

IN_CHARACTERS = ("vits", "piper")  # symbols that are characters of IPA, one by one
STRESS = "ˈˌ"
WITHOUT_STRESS = str.maketrans("", "", STRESS)
STRESS_MARKS = {"1": "ˈ", "2": "ˌ"}
DIGITS = "012"  # of stress, behind a vowel
WEAK = {"AH": "ə", "ER": "ɚ"}
STRONG = {"AH": "ʌ", "ER": "ɜː"}
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
        phones = written.upper().split() if alphabet == "arpabet" else _arpabet_of(written)
        return [_stored(name, phone) for name in phones]
    words = [_ipa_of(written, phone)] if alphabet == "arpabet" else written.split()
    boundary = " " if phone.symbols in IN_CHARACTERS else BOUNDARY
    tokens = []
    for word in words:
        tokens += [boundary, *_ipa_tokens(word, phone)]
    return tokens[1:]


def in_arpabet(phone: Phones) -> bool:
    """True for models whose phones are ARPAbet's; those of Chinese have them for what is written in Latin letters."""
    return phone.g2p in ("lexicon", "pinyin") or phone.symbols in ("amphion", "ming024", "naturalspeech2")


def _symbols(written: str, phone: Phones) -> list[str]:
    """Symbols of the model's own table, checked: parted by spaces, or each a character where all symbols are."""
    are_letters = phone.symbols in (*IN_CHARACTERS, "letters", "amphion-letters") or (phone.symbols and phone.g2p == "characters")
    symbols = written.split()
    if are_letters and "@" not in written:
        symbols = list(" ".join(symbols))
    phone.encode(symbols)
    return symbols


def _ipa_tokens(word: str, phone: Phones) -> list[str]:
    """One word in IPA as tokens of the model."""
    known = {_parted(symbol): symbol for symbol in phone.table if has_sound(symbol) or symbol in STRESS}
    letters = set("".join(known))
    spelt = [_spelt(letter, letters) for letter in _parted(word)]
    word = "".join(spelt)
    if phone.symbols in IN_CHARACTERS:
        known |= {letter: letter for letter in word if letter in phone.ids}  # each character is a symbol
    elif letters.isdisjoint(STRESS):
        word = word.translate(WITHOUT_STRESS)
    sounds = _longest(word, known)
    return [known[sound] for sound in sounds]


def _spelt(letter: str, letters: Collection[str]) -> str:
    """The letter as espeak writes it, unless the model has it as it is; "" for what is no sound."""
    if letter in letters:
        return letter
    return "" if letter in SILENT else SAME.get(letter, letter)


def _parted(sound: str) -> str:
    """Letters and diacritics apart: "õ" is one character or two."""
    return unicodedata.normalize("NFD", sound)


def _longest(word: str, known: Collection[str]) -> list[str]:
    """`word` parted into known symbols, the longest first; a vowel that is known only long, or only short, is taken so."""
    sounds = []
    place = 0
    longest = max(map(len, known), default=1)
    while place < len(word):
        letter = word[place]
        beginnings = (word[place : place + size] for size in range(longest, 0, -1))
        sound = next((beginning for beginning in beginnings if beginning in known), "")
        if sound:
            sounds.append(sound)
        elif letter + "ː" in known:
            sounds.append(letter + "ː")
        elif letter != "ː" or not sounds:
            raise ValueError(f"the phonemes {word!r}: the model never saw this one. " + nearest(letter, known, "sound"))
        place += len(sound) or 1
    return sounds


def _arpabet_of(written: str) -> list[str]:
    """ARPAbet with stress digits of IPA; the stress mark before a syllable goes to its vowel."""
    phones: list[str] = []
    mark = ""
    for word in written.split():
        word = "".join(_spelt(letter, ()) for letter in word)
        for token in _longest(word, FROM_ESPEAK.keys() | set(STRESS)):
            if token in STRESS:
                mark = token
                continue
            syllable = from_espeak(mark + token, stress=True)
            phones += syllable
            if any(phone.rstrip(DIGITS) in VOWELS for phone in syllable):
                mark = ""
    return phones


def _stored(name: str, phone: Phones) -> str:
    """An ARPAbet phone as the model's table writes it: behind "@" or not, with stress or without. Raises ValueError."""
    bare = name.lstrip("@")
    plain = bare.rstrip(DIGITS)
    for spelling in (bare, plain, plain + "1", plain + "0", plain + "2"):
        for mark in ("@", ""):
            if mark + spelling in phone.ids:
                return mark + spelling
    names = [symbol.lstrip("@") for symbol in phone.table]
    raise ValueError(nearest(name, [name for name in names if name[:1].isupper()], "ARPAbet phone"))


def _ipa_of(written: str, phone: Phones) -> str:
    """One word in IPA of ARPAbet: of each phone the spelling that the model knows."""
    return "".join(_ipa_phone(name, phone) for name in written.upper().split())


def _ipa_phone(name: str, phone: Phones) -> str:
    plain = name.rstrip(DIGITS)
    digit = name[-1:]
    spellings = [ipa for ipa, phones in FROM_ESPEAK.items() if phones == plain]
    if not spellings:
        names = set(" ".join(FROM_ESPEAK.values()).split())
        raise ValueError(nearest(name, names, "ARPAbet phone"))
    if plain in STRONG:
        usual = WEAK if digit == "0" else STRONG
        spellings = [usual[plain], *spellings]
    letters = set("".join(phone.table))
    known = [ipa for ipa in spellings if ipa in phone.ids]
    spelt = [ipa for ipa in spellings if letters.issuperset(ipa)]
    best = [*known, *spelt, *spellings][0]
    return STRESS_MARKS.get(digit, "") + best
