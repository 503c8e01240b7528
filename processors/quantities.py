"""English money, measures, shares and powers in words, each from a match of a rule in `processors.numbers`."""

from __future__ import annotations

import re
import unicodedata

from processors.counting import cardinal, counted, ordinal, two_digits
from processors.lexicon.english import CODES, CURRENCIES, DIRECTIONS, DOLLARS, PER, POWERS, SCALES, UNITS

FRACTIONS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
SIGN_WORDS = {"+": "plus ", "-": "minus "}
NAMED_POWERS = {"2": " squared", "3": " cubed"}


def money(match: re.Match) -> str:
    """"$5.20", "-£3", "a $5 bill", "$1-2 million", "US$10/hour"."""
    return f"{_article(match)}{_sign(match)}{_amount(match)}{_per(match)}"


def _amount(match: re.Match) -> str:
    if match["low"] or match["scale"] or match["article"]:
        return _one_number(match)
    notes, _, coins = match["amount"].replace(",", "").partition(".")
    _, _, hundredth, _ = CURRENCIES[match["symbol"]]
    if coins and not (len(coins) == 2 and hundredth):
        return _one_number(match)
    return _notes_and_coins(match, notes or "0", int(coins or 0))


def _one_number(match: re.Match) -> str:
    """"one to two million dollars"."""
    one, many, _, _ = CURRENCIES[match["symbol"]]
    low = match["low"]
    is_one = match["amount"] == "1" and not (low or match["scale"])
    currency = one if match["article"] or is_one else many
    amount = scaled(match["amount"], match["scale"])
    if low:
        lowest = scaled(low, match["lowscale"])
        amount = f"{lowest} to {amount}"
    return f"{amount} {_country(match)}{currency}"


def _notes_and_coins(match: re.Match, notes: str, coins: int) -> str:
    """"five dollars and twenty cents"."""
    one, many, hundredth, hundredths = CURRENCIES[match["symbol"]]
    amounts = []
    if int(notes) or not coins:
        currency = one if int(notes) == 1 else many
        amounts.append(f"{cardinal(notes)} {_country(match)}{currency}")
    if coins:
        amounts.append(counted(str(coins), hundredth, hundredths))
    return " and ".join(amounts)


def _country(match: re.Match) -> str:
    return f"{DOLLARS[match['country']]} " if match["country"] else ""


def _article(match: re.Match) -> str:
    return match["article"] or ""


def _sign(match: re.Match) -> str:
    return SIGN_WORDS.get(match["sign"], "")


def _per(match: re.Match) -> str:
    """What one amount is for: "/h" is " per hour"."""
    unit = match["per"]
    return f" per {PER.get(unit, unit)}" if unit else ""


def scaled(amount: str, scale: str | None) -> str:
    """"5M" -> "five million"."""
    scale = (scale or "").strip(" -")
    return f"{cardinal(amount)} {SCALES.get(scale, scale)}".strip()


def with_symbol(match: re.Match) -> str:
    """"USD 5" and "5 EUR" as if with signs."""
    if match["before"]:
        return CODES[match["before"]] + match["first"]
    return CODES[match["after"]] + match["second"]


def measure(match: re.Match) -> str:
    """"5 km", "a 3-m", "60 km/h"."""
    one, many = UNITS[match["unit"]]
    is_one = match["amount"] == "1" or match["article"] or match["dash"]
    unit = one if is_one else many
    if match["power"]:
        unit = f"{POWERS[match['power']]} {unit}"
    amount = cardinal(match["amount"])
    return f"{_article(match)}{_sign(match)}{amount} {unit}{_per(match)}"


def share_of_unit(match: re.Match) -> str:
    """"1/2 km": the unit in words."""
    amount, unit = match.groups()
    one, many = UNITS[unit]
    top, bottom = map(int, amount.split()[-1].split("/"))
    is_above_one = " " in amount or top > bottom
    return f"{amount} {many if is_above_one else one}"


def percent(match: re.Match) -> str:
    """"-5 %"."""
    return f"{'minus ' if match[1] else ''}{cardinal(match[2])} percent"


def fraction(match: re.Match) -> str:
    """"3/4" and "2 1/2"."""
    top, bottom = map(int, match.group("top", "bottom"))
    whole = f"{cardinal(match['whole'])} and " if match["whole"] else ""
    return f"{whole}{cardinal(str(top))} {_denominator(top, bottom)}"


def _denominator(top: int, bottom: int) -> str:
    count = cardinal(str(bottom))
    is_named = 2 <= bottom <= 100 or bottom in (1000, 10**6)
    if not is_named or top > bottom >= 20:
        return f"over {count}"
    if top == bottom and bottom in (5, 10, 100):
        return f"out of {count}"
    rank = ordinal(str(bottom)).removeprefix("one ")
    one, many = FRACTIONS.get(bottom, (rank, rank + "s"))
    return one if top == 1 else many


def vulgar_fraction(match: re.Match) -> str:
    """"2½" -> "2 1/2"."""
    figures = unicodedata.normalize("NFKC", match[2])
    return f"{match[1] or ''} {figures}".replace("\u2044", "/")


def version(match: re.Match) -> str:
    """"Python 3.11" -> "three point eleven", "Ubuntu 22.04" -> "twenty-two point oh four"."""
    name, whole, decimals = match.groups()
    return f"{name}{cardinal(whole)} point {two_digits(decimals)}"


def position(match: re.Match) -> str:
    """40°26'46"N."""
    *numbers, letter = match.groups()
    parts = []
    for number, unit in zip(numbers, ("degree", "minute", "second"), strict=True):
        if number:
            parts.append(counted(number, unit, unit + "s"))
    return " ".join([*parts, DIRECTIONS.get(letter, "")]).strip()


def height(match: re.Match) -> str:
    """5'11"."""
    feet, inches = match.groups()
    unit = "inch" if inches == "1" else "inches"
    return f"{counted(feet, 'foot', 'feet')} {cardinal(inches)} {unit}"


def inches(match: re.Match) -> str:
    """A quotation as it is; 12" elsewhere in words."""
    amount = match["amount"]
    if amount is None:
        return match[0]
    is_one = amount == "1" or match["article"] or re.match(r"\d+/", amount)
    words = amount if "/" in amount else cardinal(amount)
    return f"{_article(match)}{words} {'inch' if is_one else 'inches'}"


def power(match: re.Match) -> str:
    """"x²" and "10⁻³"."""
    exponent = unicodedata.normalize("NFKC", match[2]).replace("\u2212", "-")
    return match[1] + NAMED_POWERS.get(exponent, f" to the power of {exponent}")
