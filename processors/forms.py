"""One form for what Unicode writes in several."""

from __future__ import annotations

import unicodedata
from functools import cache

# Kinds of characters that are only another form of others, as Unicode names them, and those of its mixed kind that are.
FORMS = frozenset(("<wide>", "<narrow>", "<font>", "<circle>", "<square>", "<initial>", "<medial>", "<final>", "<isolated>"))
LETTERLIKE = frozenset(map(chr, (*range(0x2100, 0x2116), *range(0x2117, 0x2500), *range(0x3200, 0x3400), *range(0xFB00, 0xFB07))))
# The same marks in other scripts: East Asia's, Arabic's, India's, Ethiopia's, Burma's, Armenia's, Hebrew's and the Khmer's.
WIDE = str.maketrans("，、。！？；：؟،؛۔।॥፡፣።፤፥፦፧၊။՝։־׃។", ",,.!?;:?,;... ,.;::?,.,. ..")


def plain(text: str) -> str:
    """One form for what is written in several: "Ａ", "①", "℃", "Ⅲ" and letters in two parts become "A", "1", "°C", "III" and one letter."""
    text = "".join(map(_plain, text)).translate(WIDE)
    return unicodedata.normalize("NFC", text)


@cache
def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":  # a zero would end the text for espeak
        return " "
    if category in ("Cs", "Co", "Cn", "Cf", "Me") or "\ufe00" <= character <= "\ufe0f":  # what makes an emoji of a sign, too
        return ""
    kind = unicodedata.decomposition(character).partition(" ")[0]
    same = kind in FORMS or (kind == "<compat>" and character in LETTERLIKE)
    return unicodedata.normalize("NFKC", character) if same else character
