"""Symbol tables and text cleaners of published models, rebuilt by rule, so that their weights get the ids they were trained on.

Tacotron (keithito), FastSpeech2 (ming024), VITS (jaywalnut310) and Amphion's own share one family of cleaners. Their
oddities are kept (a `£` becomes "PS" before any rule for pounds can see it): they are what the weights have learnt.
New models use `processors.numbers.normalise`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
CONSONANTS = (
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH", "V", "W",
    "Y", "Z", "ZH",
)  # fmt: skip
SILENCES = ("sp", "spn", "sil")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
INITIALS = ("b", "c", "ch", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "q", "r", "s", "sh", "t", "w", "x", "y", "z", "zh")  # fmt: skip
FINALS = (
    "a", "ai", "an", "ang", "ao", "e", "ei", "en", "eng", "er", "i", "ia", "ian", "iang", "iao", "ie",
    "ii", "iii", "in", "ing", "iong", "iou", "o", "ong", "ou", "u", "ua", "uai", "uan", "uang", "uei", "uen", "uo", "v", "van", "ve", "vn",
)  # fmt: skip

# The IPA block of jaywalnut310/vits. The apostrophe occurs twice: the later place is the one that counts.
VITS_PUNCTUATION = ';:,.!?¡¿—…"«»“” '
VITS_IPA = (
    "ɑɐɒæɓʙβɔɕçɗɖðʤəɘɚɛɜɝɞɟʄɡɠɢʛɦɧħɥʜɨɪʝɭɬɫɮʟɱɯɰŋɳɲɴøɵɸθœɶʘɹɺɾɻʀʁɽʂʃʈʧʉʊʋⱱʌɣɤʍχʎʏʑʐʒʔʡʕʢǀǁǂǃˈˌːˑʼʴʰʱʲʷˠˤ˞↓↑→↗↘"
    "'\u0329'ᵻ"
)


PIPER_BEGIN = "^"
PIPER_END = "$"
PIPER_MARKS = ("_", PIPER_BEGIN, PIPER_END)


def arpabet() -> list[str]:
    """The 84 phones of CMUdict: vowels plain and with stress 0, 1, 2, and consonants, sorted."""
    return sorted([*CONSONANTS, *(vowel + stress for vowel in VOWELS for stress in ("", "0", "1", "2"))])


def pinyin() -> list[str]:
    """Pinyin initials, finals with tones 1 to 5, and the suffix rr."""
    return [*INITIALS, *(final + tone for final in FINALS for tone in "12345"), "rr"]


def amphion() -> list[str]:
    """151 symbols: Tacotron's characters, then phones behind "@". FastSpeech2 and Jets of Amphion."""
    return ["_", "-", *"!'(),.:;? ", *LETTERS, *("@" + p for p in [*arpabet(), *SILENCES])]


def ming024() -> list[str]:
    """360 symbols: Amphion's with pinyin before the silences."""
    return [*amphion()[:-3], *("@" + p for p in [*pinyin(), *SILENCES])]


def vits() -> list[str]:
    """178 symbols of characters and IPA."""
    return ["_", *VITS_PUNCTUATION, *LETTERS, *VITS_IPA]


def naturalspeech2() -> list[str]:
    """89 symbols: phones without "@"; id 0 is both the phone AA and the padding."""
    return [*arpabet(), *SILENCES, "<s>", "</s>"]


def piper_table(symbols: Iterable[str]) -> list[str]:
    """Piper's order for characters found in the data: the blank, what begins and what ends a text, then the others sorted."""
    return [*PIPER_MARKS, *sorted(set(symbols) - {*PIPER_MARKS})]


def espeak_table(symbols: Iterable[str]) -> list[str]:
    """Amphion's order for tokens found in the data (VITS, VALL-E): three marks, then the symbols sorted."""
    return ["<pad>", "<bos>", "<eos>", *sorted(set(symbols) | {"<eps>"})]


def read_symbols_dict(text: str) -> list[str]:
    """The table behind a released `symbols.dict` ("<symbol> <id>" a line). Its ids are not those of the model."""
    return espeak_table(line.rsplit(maxsplit=1)[0] for line in text.splitlines() if line.strip())


TABLES: dict[str, Callable[[], list[str]]] = {
    "amphion": amphion,
    "ming024": ming024,
    "vits": vits,
    "naturalspeech2": naturalspeech2,
}


def index(symbols: list[str]) -> dict[str, int]:
    """Symbol -> id. Where a symbol occurs twice, the later place counts."""
    return {symbol: i for i, symbol in enumerate(symbols)}


ABBREVIATIONS = {
    "mrs": "misess", "mr": "mister", "dr": "doctor", "st": "saint", "co": "company", "jr": "junior", "maj": "major",
    "gen": "general", "drs": "doctors", "rev": "reverend", "lt": "lieutenant", "hon": "honorable", "sgt": "sergeant",
    "capt": "captain", "esq": "esquire", "ltd": "limited", "col": "colonel", "ft": "fort",
}  # fmt: skip


def _american(number: int) -> str:
    from num2words import num2words

    return num2words(number).replace(" and ", " ")


def _published_number(match: re.Match) -> str:
    number = int(match[0])
    if not 1000 < number < 3000:
        return _american(number)
    if number == 2000:
        return "two thousand"
    if 2000 < number < 2010:
        return "two thousand " + _american(number % 100)
    if number % 100 == 0:
        return _american(number // 100) + " hundred"
    tens = number % 100
    return f"{_american(number // 100)} {'oh ' if tens < 10 else ''}{_american(tens)}"


def _published_dollars(match: re.Match) -> str:
    amount = match[1].replace(",", "")
    if amount.count(".") > 1:
        return amount + " dollars"
    dollars, _, cents = amount.partition(".")
    coins = []
    if int(dollars or 0):
        coins.append(_counted(int(dollars), "dollar"))
    if int(cents or 0):
        coins.append(_counted(int(cents), "cent"))
    return ", ".join(coins) or "zero dollars"


def _counted(number: int, coin: str) -> str:
    return f"{number} {coin}" if number == 1 else f"{number} {coin}s"


def _published_ordinal(match: re.Match) -> str:
    from num2words import num2words

    return num2words(int(re.match(r"\d+", match[0])[0]), to="ordinal")


def expand_numbers(text: str) -> str:
    """Numbers as the published cleaners read them: every decimal as one number ("3.14": three point fourteen)."""
    text = re.sub(r"[0-9][0-9,]+[0-9]", lambda m: m[0].replace(",", ""), text)
    text = re.sub(r"£([0-9,]*[0-9]+)", r"\1 pounds", text)
    text = re.sub(r"\$([0-9.,]*[0-9]+)", _published_dollars, text)
    text = re.sub(r"[0-9]+\.[0-9]+", lambda m: m[0].replace(".", " point "), text)
    text = re.sub(r"[0-9]+(st|nd|rd|th)", _published_ordinal, text)
    return re.sub(r"[0-9]+", _published_number, text)


def _ascii(text: str) -> str:
    from unidecode import unidecode

    return unidecode(text)


def _english_ascii(text: str) -> str:
    """Raises ValueError for letters of other scripts: of kanji unidecode knows the Chinese reading alone."""
    from processors.espeak import check_scripts

    check_scripts(text, "en-us")
    return _ascii(text)


def expand_abbreviations(text: str) -> str:
    """Titles and the like in words, in lower case."""
    return re.sub(rf"\b({'|'.join(ABBREVIATIONS)})\.", lambda m: ABBREVIATIONS[m[1].lower()], text, flags=re.IGNORECASE)


def collapse(text: str) -> str:
    """Each run of white space as one space."""
    return re.sub(r"\s+", " ", text)


def basic_cleaners(text: str) -> str:
    """Lower case, single spaces."""
    return collapse(text.lower())


def transliteration_cleaners(text: str) -> str:
    """ASCII, lower case, single spaces."""
    return collapse(_ascii(text).lower())


def english_cleaners(text: str) -> str:
    """ASCII, lower case, numbers and abbreviations in words."""
    return collapse(expand_abbreviations(expand_numbers(_english_ascii(text).lower())))


def english_cleaners2(text: str) -> str:
    """ASCII, lower case, abbreviations in words, numbers as espeak reads them, in IPA with stress: VITS."""
    from processors.espeak import as_published
    from processors.spelling import name_letters

    written = expand_abbreviations(_english_ascii(name_letters(text)).lower())
    return collapse(" ".join(as_published(written, "en-us", stress=True, word=" ", phone="")))


def piper(text: str, language: str, *, phones: bool) -> list[str]:
    """Characters, with diacritics apart, of espeak's phones with stress and punctuation, or of the text itself."""
    from processors.espeak import as_published

    written = " ".join(as_published(text, language, stress=True, word=" ", phone="")) if phones else text.casefold()
    letters = unicodedata.normalize("NFD", collapse(written))
    return [letter for letter in letters if letter not in PIPER_MARKS]


def espeak_tokens(text: str) -> list[str]:
    """Phones, "_" between words, and every mark, as Amphion's VITS and VALL-E were given them.

    Amphion takes the first of the strings that phonemizer returns. Where phonemizer parts a text at a number's point ("in 9.58
    seconds."), this is all of it up to there: write numbers in words, as `processors.numbers.normalise` does.
    """
    from phonemizer.punctuation import Punctuation

    from processors.espeak import as_published, sounds_of
    from processors.spelling import name_letters

    strings = as_published(name_letters(text), "en-us", stress=False, word="_", phone="|")
    signs = re.escape(Punctuation.default_marks() + "_")
    tokens = []
    for sign, sound in re.findall(rf"([{signs}])|([^{signs}]+)", strings[0] if strings else ""):
        tokens += [sign] if sign else sounds_of(sound)
    return tokens


CLEANERS: dict[str, Callable[[str], str]] = {
    f.__name__: f for f in (basic_cleaners, transliteration_cleaners, english_cleaners, english_cleaners2)
}


def characters(text: str, cleaner: str = "english_cleaners") -> list[str]:
    """The symbols of a text for the tables "amphion" and "ming024": letters of the cleaned text, and phones in {braces}."""
    from utils.registry import pick

    clean = pick(CLEANERS, cleaner, "cleaner")
    tokens = []
    for i, piece in enumerate(re.split(r"\{(.+?)\}", text)):
        in_braces = i % 2 == 1
        tokens += ["@" + phone for phone in piece.split()] if in_braces else clean(piece)
    known = set(ming024()) - {"_"}  # the padding cannot be said
    return [token for token in tokens if token in known]


def split_words(text: str) -> list[str]:
    """The pieces that ming024's front end looks up: words, and the marks and spaces between them."""
    return [piece for piece in re.split(r"([,;.\-?!\s+])", text.rstrip("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")) if piece]


def lexicon_phones(text: str, lexicon: dict[str, list[str]], otherwise: Callable[[str], list[str]]) -> list[str]:
    """Phones and "sp" as ming024's front end gives them: the raw pieces in the lexicon, the rest through `otherwise`.

    Nothing is normalised before the split, so "5.20" is read as two numbers with a pause: so were the models trained.
    """
    phones: list[str] = []
    for piece in split_words(text):
        entry = lexicon.get(piece.lower())
        if entry is None:
            entry = otherwise(piece)
        for phone in entry:
            is_mark = re.fullmatch(r"[^\w\s]", phone)
            phones.append("sp" if is_mark else phone)
    return phones


def spoken_words(piece: str) -> list[str]:
    """What g2p_en looks up for one piece: numbers in words, accents gone, single marks kept."""
    text = unicodedata.normalize("NFD", expand_numbers(piece))
    text = "".join(character for character in text if unicodedata.category(character) != "Mn").lower()
    text = re.sub(r"[^ a-z'.,?!\-]", "", text).replace("i.e.", "that is").replace("e.g.", "for example")
    return re.findall(r"[a-z](?:[a-z'\-]*[a-z])?|\.\.\.|[.,?!'\-]", text)
