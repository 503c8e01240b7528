"""English numbers in words: counted, ranked, as years, in pairs and digit by digit."""

from __future__ import annotations

from functools import cache


@cache
def _convert(number: str, to: str) -> str:
    from num2words import num2words

    return num2words(int(number), to=to).replace(",", "").replace(" and ", " ").replace("oh-", "oh ")


def digits(text: str) -> str:
    """Each digit by itself: "007" -> "zero zero seven"."""
    return " ".join(_convert(d, "cardinal") for d in text if d.isdigit())


def cardinal(text: str) -> str:
    """A number in words: "1,234" -> "one thousand two hundred thirty-four", "3.14" -> "three point one four"."""
    whole, _, decimals = text.replace(",", "").partition(".")
    code = len(whole) > 1 and whole.startswith("0") or len(whole) > 15  # no quantity is written so
    words = digits(whole) if code else _convert(whole, "cardinal") if whole else ""
    return f"{words} point {digits(decimals)}".strip() if decimals else words


def ordinal(text: str) -> str:
    """The number as a rank: "21" -> "twenty-first"."""
    return _convert(text.replace(",", ""), "ordinal")


def year(text: str) -> str:
    """The number as a year: "1905" -> "nineteen oh five", "2000" -> "two thousand"; "24" is 2024, "99" is 1999."""
    whole = text if len(text) > 2 else ("20" if text < "50" else "19") + text
    return _convert(whole, "year")


def paired(number: str) -> str:
    """A number of two to four digits in pairs: "305" -> "three oh five", "1600" -> "sixteen hundred", "2000" as it is counted."""
    first, second = number[:-2], number[-2:]
    if not first or number[-3:] == "000":
        return cardinal(number)
    return cardinal(first) + (" hundred" if second == "00" else (" oh " if second[0] == "0" else " ") + cardinal(str(int(second))))
