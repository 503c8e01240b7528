"""Letters, digits and marks brought to one form, in any language."""

from __future__ import annotations

import unicodedata

import regex

APOSTROPHES = regex.compile("[’‘ʼʻ＇`´ʹ′]")
# Written or left out as one pleases: Arabic vowel signs and the long stroke.
OPTIONAL_ARABIC = r"\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08d3-\u08ff"


def bare(text: str) -> str:
    """`text` composed and in small letters: one width, one apostrophe, one kind of digits, nothing that is invisible or optional."""
    text = unicodedata.normalize("NFKC", APOSTROPHES.sub("'", text))
    folded = text.casefold()
    text = unicodedata.normalize("NFKC", folded).replace("i̇", "i")
    # Composing takes the Thai and Lao vowels am apart, around a tone.
    text = regex.sub("\u0e4d([\u0e48-\u0e4b]?)\u0e32", "\\1\u0e33", text)
    text = regex.sub("\u0ecd([\u0ec8-\u0ecb]?)\u0eb2", "\\1\u0eb3", text)
    text = regex.sub(f"[{OPTIONAL_ARABIC}]|\\p{{Cf}}", "", text)
    return regex.sub(r"\p{Nd}", lambda match: str(unicodedata.decimal(match[0])), text)


def unpunctuated(text: str) -> str:
    """`text` with a space for each mark of punctuation, symbol and control; numbers keep a decimal point, which a comma may be."""
    text = regex.sub(r"(?<=\d)[.,](?=\d{3}(?!\d))", "", text)
    text = regex.sub(r"(?<=\d),(?=\d)", ".", text)
    return regex.sub(r"[^\P{P}.]|\p{S}|\p{Cc}|(?<!\d)\.|\.(?!\d)", " ", text)
