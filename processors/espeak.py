"""espeak-ng through phonemizer: which languages it reads, which scripts, which tones, and how its letters become sounds.

It comes with the package espeakng-loader: nothing is to be installed on the system.
"""

from __future__ import annotations

import os
import re
import threading
import unicodedata
from functools import cache
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

from utils.log import log
from utils.registry import nearest

# What people call a language where espeak has another code.
CODES = {"en": "en-us", "fr": "fr-fr", "zh": "cmn", "zh-cn": "cmn", "no": "nb"}
# espeak writes some sounds in ASCII ("r." for ड़, "?" for a Danish stød, "s^" for an Estonian ś). Here they are IPA's letters and
# diacritics, so that no sound is taken for a mark and none is lost.
SIGNS = str.maketrans({
    "?": "ʔ", ":": "ː", "!": "ǃ", "^": "ʲ", ";": "ʲ", "`": "ʼ", "'": "ʼ", ".": "\u0323", "#": "\u0325", "[": "\u032a",
    "+": "\u031f", "-": "\u0320", '"': "\u0308", "~": "\u0303",
})  # fmt: skip
# Cut out before espeak reads. Full stop, comma and colon between two digits ("9.58", "10:30") belong to the number.
MARK = r'(?:[;!?¡¿—…"«»“”(){}\[\]]|(?<![0-9])[:,.]|[:,.](?![0-9]))'
PUNCTUATION = re.compile(rf"( ?(?:{MARK} ?)+)")
# What one call may hold, in letters: past a thousand phonemes espeak drops words without a sound. A digit can be a long word.
LONGEST = 200
DIGIT = 4
WIDE_LETTER = 2
# espeak reads these Bengali letters in one part, and loses the vowel behind them in two, as Unicode's usual form has them.
WHOLE = {"\u09a1\u09bc": "\u09dc", "\u09a2\u09bc": "\u09dd", "\u09af\u09bc": "\u09df"}
BENGALI = re.compile("[\u09a1\u09a2\u09af]\u09bc")
PARTED_LETTERS = {"as": BENGALI, "bn": BENGALI, "bpy": re.compile("[\u09a1\u09a2]\u09bc")}
CYRILLIC = "ab ba be bg bs ce chv cv hr kaa kk ky lfn ltg lv mk mn nog os ru sah sr tg tt udm uk uz"
READERS = {  # script: the languages that read it; in others espeak names each letter ("Chinese letter", "Arabic meem")
    "CJK": "cmn yue", "HIRAGANA": "ja", "KATAKANA": "ja", "CYRILLIC": CYRILLIC, "ARABIC": "ar fa ks ku ps sd ug ur", "HEBREW": "he yi",
    "THAI": "th", "TELUGU": "te", "ORIYA": "or", "MYANMAR": "my shn", "ETHIOPIC": "am ti", "KHMER": "", "LAO": "", "TIBETAN": "",
}  # fmt: skip
NAMES = {"CJK": "kanji (Chinese characters)", "HIRAGANA": "kana", "KATAKANA": "kana"}
ADVICE = {
    "cmn": 'espeak says the first and the fourth tone of Mandarin alike (妈 and 骂): for Chinese use phone.g2p "pinyin".',
    "shn": "espeak says most tones of Shan alike: words that differ by them alone become one.",
    "th": "espeak's Thai loses vowels and tones: letters (phone.g2p \"characters\") tell more words apart.",
    "my": "espeak's Burmese loses vowels and tones: letters (phone.g2p \"characters\") tell more words apart.",
}
_LOCK = threading.Lock()  # espeak-ng keeps its state in globals


@cache
def languages() -> frozenset[str]:
    """The codes of all languages that espeak can read here; one whose dictionary is absent would end the process."""
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    _library()
    wrapper = EspeakWrapper()
    return frozenset(voice.language for voice in wrapper.available_voices() if _has_dictionary(voice, Path(wrapper.data_path)))


def _has_dictionary(voice: Any, data: Path) -> bool:
    file = data / "lang" / voice.identifier
    content = file.read_text(encoding="utf-8") if file.is_file() else ""
    entry = re.search(r"^dictionary\s+(\S+)", content, re.MULTILINE)
    base = voice.language.split("-")[0]
    dictionary = data / f"{entry[1] if entry else base}_dict"
    return dictionary.is_file()


def _library() -> None:
    import espeakng_loader
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    if not os.environ.get("PHONEMIZER_ESPEAK_LIBRARY"):  # phonemizer's own way to name another espeak
        EspeakWrapper.set_library(espeakng_loader.get_library_path())
        EspeakWrapper.set_data_path(espeakng_loader.get_data_path())


@cache
def code(language: str) -> str:
    """The language as espeak calls it: "zh" is "cmn", and "nl-be", for which it has no voice, "nl". Raises ValueError."""
    asked = CODES.get(language.lower(), language)
    base = language.split("-")[0].lower()
    whole = CODES.get(base, base)
    if asked in languages():
        return asked
    if whole in languages():
        log.warning(f"espeak has no voice for {language!r}: it is read as {whole!r}.")
        return whole
    raise ValueError(f"espeak: {nearest(language, sorted(languages()), 'language')}")


@cache
def _backend(language: str, stress: bool, flags: bool, process: int) -> Any:
    """One espeak for each language in each process (`process` is its id: a fork gets its own)."""
    import logging

    from phonemizer.backend import EspeakBackend

    _library()
    quiet = logging.getLogger("amphion.phonemizer")
    quiet.setLevel(logging.ERROR)
    switch = "keep-flags" if flags else "remove-flags"  # "(fr)" before a word that espeak takes for French
    return EspeakBackend(language, with_stress=stress, language_switch=switch, logger=quiet)


@cache
def _advise(language: str) -> None:
    """Says once what espeak cannot do in a language."""
    if advice := ADVICE.get(language.split("-")[0]):
        log.warning(advice)


def check_scripts(text: str, language: str) -> None:
    """Raises ValueError for letters that espeak would name, not read, in `language`, with what to do."""
    base = CODES.get(language.lower(), language).split("-")[0].lower()
    for script, run in groupby(text, script_of):
        if script not in READERS or base in READERS[script].split():
            continue
        letters = "".join(run)
        raise ValueError(
            f"espeak reads no {_named(script)} in {language!r}, it would only name each letter: {letters!r}. {_cure(script)}"
        )


def script_of(character: str) -> str:
    """The script of a letter as READERS writes it; "" for what is no letter."""
    if character <= "\u02ff" or not character.isalpha():
        return ""
    return unicodedata.name(character, "").split(" ", 1)[0]


def _named(script: str) -> str:
    return NAMES.get(script, f"{script.capitalize()} letters")


def _cure(script: str) -> str:
    if script == "CJK":
        return 'Write Japanese in kana, and Chinese words in Latin letters; a text in Chinese is read by phone.g2p "pinyin".'
    readers = READERS[script].split()
    others = f"; the language {' or '.join(map(repr, readers))} reads them" if readers else ""
    return f"Write the words in the letters of the text's own language{others}."


def pieces(text: str, language: str, *, stress: bool, flags: bool, word: str, phone: str) -> list[tuple[str, bool]]:
    """What espeak says between the text's marks, and these, in order: (phones or mark, whether it is a mark)."""
    check_scripts(text, language)
    language = code(language)
    if language in PARTED_LETTERS:
        text = PARTED_LETTERS[language].sub(lambda letter: WHOLE[letter[0]], text)
    _advise(language)
    parted = PUNCTUATION.split(" ".join(text.split()))
    marks = parted[1::2]
    first, *others = _phonemized(parted[::2], language, _separator(word, phone), stress=stress, flags=flags)
    pieces = [(first, False)]
    for mark, phones in zip(marks, others, strict=True):
        last, _ = pieces[-1]
        if not last and len(pieces) > 1:  # a lone apostrophe between two marks: one boundary, not two
            mark_before, _ = pieces[-2]
            pieces[-2] = (mark_before.removesuffix(word), True)
        pieces.append((mark.replace(" ", word), True))
        pieces.append((phones, False))
    return pieces


def as_published(text: str, language: str, *, stress: bool, word: str, phone: str) -> list[str]:
    """The strings that phonemizer gives for one text whose punctuation it preserves: those that published models were trained on.

    There are several where it takes the point of a number ("9.58") for the mark that it looks for.
    """
    from phonemizer.punctuation import Punctuation

    check_scripts(text, language)
    separator = _separator(word, phone)
    parts, marks = Punctuation().preserve(" ".join(text.split()))
    phones = _phonemized(parts, code(language), separator, stress=stress, flags=True)
    return Punctuation.restore(phones, marks, separator, True)


def _phonemized(parts: list[str], language: str, separator: Any, *, stress: bool, flags: bool) -> list[str]:
    """The phones of each part; a long part is given to espeak in several."""
    short = [_short(part.strip()) for part in parts]
    texts = list(chain.from_iterable(short))
    with _LOCK:
        process = os.getpid()
        backend = _backend(language, stress, flags, process)
        phones = backend.phonemize(texts, separator=separator, strip=True)
    remaining = iter(phones)
    return [separator.word.join(islice(remaining, len(own))) for own in short]


def _separator(word: str, phone: str) -> Any:
    from phonemizer.separator import Separator

    return Separator(word=word, syllable="-" if phone else "", phone=phone)


def _short(text: str) -> list[str]:
    """`text` in stretches that espeak reads whole, parted at spaces where there are any."""
    stretches = []
    start = 0
    last_space = 0
    weight = 0
    for place, character in enumerate(text):
        weight += _weight(character)
        if character == " ":
            last_space = place
        if weight > LONGEST:
            end = last_space if last_space > start else place
            stretches.append(text[start:end].strip())
            start = end
            weight = 0
    rest = text[start:].strip()
    return [*stretches, rest] if rest else stretches


def _weight(character: str) -> int:
    if character.isdigit():
        return DIGIT
    return WIDE_LETTER if character > "\u2e80" else 1


def sounds_of(word: str) -> list[str]:
    """The tokens of one word of espeak's, phones parted by "|": a sound each; a language's flag, "(en)", is three."""
    sounds: list[str] = []
    for phone in word.split("|"):
        for flag, sound in re.findall(r"(\([\w-]+\))|([^()]+)", phone):
            sounds += re.findall(r"\w+|[^\w\s]", flag) if flag else [_sound(sound)]
    return [sound for sound in sounds if sound]


def _sound(phone: str) -> str:
    if phone.endswith("ə-"):  # the French e that may be left out
        phone = phone.removesuffix("-")
    return "".join(filter(_belongs_to_sound, phone.translate(SIGNS)))


def _belongs_to_sound(sign: str) -> bool:
    return sign.isalnum() or bool(unicodedata.combining(sign)) or sign in "ˈˌ"
