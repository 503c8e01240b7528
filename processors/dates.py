"""English dates, times of the day and spans of time in words, each from a match of a rule in `processors.numbers`."""

from __future__ import annotations

import re

from processors.counting import cardinal, counted, ordinal, two_digits, year
from processors.lexicon.english import MONTHS

SENTENCE = re.compile(r"\s*$|\s+(?!Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)[A-Z][a-z]")


def day(month: str, number: str, of_year: str | None) -> str:
    """A day of a month, with its year where it has one."""
    return f"{month} {ordinal(number)}{_in_year(of_year)}"


def days(match: re.Match) -> str:
    """May 5-7."""
    month, first, last, of_year = match.groups()
    return f"{month} {ordinal(first)} to {ordinal(last)}{_in_year(of_year)}"


def day_of(match: re.Match) -> str:
    """5 May 2024."""
    number, month, of_year = match.groups()
    return f"the {ordinal(number)} of {month}" + (f" {year(of_year)}" if of_year else "")


def _in_year(number: str | None) -> str:
    return f", {year(number)}" if number else ""


def numeric_date(match: re.Match) -> str:
    """3/5/2024, which is March fifth, and 25/12/2023 or 12.5.2023, where the day comes first."""
    first = int(match["a"])
    second = int(match["b"])
    month_is_first = (first <= 12 and match["sep"] != ".") or second > 12
    month = first if month_is_first else second
    number = second if month_is_first else first
    if not (1 <= month <= 12 and 1 <= number <= 31):
        return re.sub(r"\D", " ", match[0])
    return day(MONTHS[month - 1], str(number), match["year"])


def iso_date(match: re.Match) -> str:
    """2024-03-05."""
    return day(MONTHS[int(match["month"]) - 1], match["day"], match["year"])


def clock_time(match: re.Match) -> str:
    """8:30 a.m. and 17:45."""
    half = match["half"]
    words = clock(match["hour"], match["minute"] or "00", bare=not half)
    if match["second"]:
        words += f" and {counted(match['second'], 'second', 'seconds')}"
    if not half:
        return words
    # The stop of "p.m." also ends the sentence when nothing, or a capital, follows.
    ends_sentence = match["stop"] and SENTENCE.match(match.string, match.end())
    return f"{words} {half[0].lower()} m{'.' if ends_sentence else ''}"


def clock(hour: str, minute: str, *, bare: bool) -> str:
    """Hour and minute; where nothing follows (`bare`), a full hour says what it is."""
    words = cardinal(str(int(hour)))
    if minute != "00":
        return f"{words} {two_digits(minute)}"
    if not bare:
        return words
    return f"{words} o'clock" if 0 < int(hour) <= 12 else f"{words} hundred"


def duration(match: re.Match) -> str:
    """1:30:00 and 2h 30m."""
    parts = []
    for number, unit in zip(match.groups(), ("hour", "minute", "second"), strict=True):
        if number and int(number):
            parts.append(counted(number, unit, unit + "s"))
    return " ".join(parts) or "zero seconds"
