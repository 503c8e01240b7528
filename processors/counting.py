"""English numbers in words: counted, ranked, as years, in pairs and digit by digit."""

from __future__ import annotations

from functools import cache

LONGEST = 15  # digits of a number that is counted: no name for more is in use


@cache
def _in_words(number: str, kind: str) -> str:
    from num2words import num2words

    words = num2words(int(number), to=kind)
    return words.replace(",", "").replace(" and ", " ").replace("oh-", "oh ")


def digits(text: str) -> str:
    """Each digit by itself: "007" -> "zero zero seven"."""
    return " ".join(_in_words(character, "cardinal") for character in text if character.isdigit())


def cardinal(text: str) -> str:
    """A number in words: "1,234" -> "one thousand two hundred thirty-four", "3.14" -> "three point one four"."""
    whole, _, decimals = text.replace(",", "").partition(".")
    words = _whole(whole)
    return f"{words} point {digits(decimals)}".strip() if decimals else words


def _whole(number: str) -> str:
    is_code = len(number) > LONGEST or (len(number) > 1 and number.startswith("0"))  # no quantity is written so
    if is_code:
        return digits(number)
    return _in_words(number, "cardinal") if number else ""


def ordinal(text: str) -> str:
    """The number as a rank: "21" -> "twenty-first"."""
    return _in_words(text.replace(",", ""), "ordinal")


def year(text: str) -> str:
    """The number as a year: "1905" -> "nineteen oh five", "2000" -> "two thousand"; "24" is 2024, "99" is 1999."""
    if len(text) > 2:
        return _in_words(text, "year")
    century = "20" if text < "50" else "19"
    return _in_words(century + text, "year")


def paired(number: str) -> str:
    """A number of two to four digits in pairs: "305" -> "three oh five", "1600" -> "sixteen hundred", "2000" as it is counted."""
    first = number[:-2]
    last = number[-2:]
    if not first or number.endswith("000"):
        return cardinal(number)
    if last == "00":
        return f"{cardinal(first)} hundred"
    return f"{cardinal(first)} {two_digits(last)}"


def two_digits(number: str) -> str:
    """The second half of a number or of a time: "05" -> "oh five", "30" -> "thirty"."""
    words = cardinal(str(int(number)))
    return f"oh {words}" if number[0] == "0" else words


def counted(number: str, one: str, many: str) -> str:
    """A whole number of things: "1 hour", "02 hours"."""
    thing = one if int(number) == 1 else many
    return f"{cardinal(str(int(number)))} {thing}"
