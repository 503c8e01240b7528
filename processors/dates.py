"""English dates, times of the day and spans of time in words, each from a match of a rule in `processors.numbers`."""

from __future__ import annotations

import re

from processors.counting import cardinal, ordinal, year
from processors.lexicon.english import MONTHS

SENTENCE = re.compile(r"\s*$|\s+(?!Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)[A-Z][a-z]")


def day(month: str, number: str, of_year: str | None) -> str:
    """A day of a month, with its year where it has one."""
    return f"{month} {ordinal(number)}" + (f", {year(of_year)}" if of_year else "")


def days(match: re.Match) -> str:
    """May 5-7."""
    return f"{match[1]} {ordinal(match[2])} to {ordinal(match[3])}" + (f", {year(match[4])}" if match[4] else "")


def numeric_date(match: re.Match) -> str:
    """3/5/2024, which is March fifth, and 25/12/2023 or 12.5.2023, where the day comes first."""
    first, second = int(match["a"]), int(match["b"])
    month, number = (first, second) if first <= 12 and match["sep"] != "." or second > 12 else (second, first)
    if not (1 <= month <= 12 and 1 <= number <= 31):
        return re.sub(r"\D", " ", match[0])
    return day(MONTHS[month - 1], str(number), match["year"])


def iso_date(match: re.Match) -> str:
    """2024-03-05."""
    return day(MONTHS[int(match["month"]) - 1], match["day"], match["year"])


def clock_time(match: re.Match) -> str:
    """8:30 a.m. and 17:45."""
    hour, minute, half = match["hour"], match["minute"] or "00", match["half"]
    words = clock(hour, minute, bare=not half)
    if second := match["second"]:
        words += f" and {counted(second, 'second')}"
    # The stop of "p.m." also ends the sentence when nothing, or a capital, follows.
    stop = "." if match["stop"] and SENTENCE.match(match.string, match.end()) else ""
    return words + (f" {half[0].lower()} m{stop}" if half else "")


def clock(hour: str, minute: str, *, bare: bool) -> str:
    """Hour and minute; where nothing follows (`bare`), a full hour says what it is."""
    words = cardinal(str(int(hour)))
    if minute != "00":
        return words + (" oh " if minute[0] == "0" else " ") + cardinal(str(int(minute)))
    return words + ((" o'clock" if 0 < int(hour) <= 12 else " hundred") if bare else "")


def counted(number: str, unit: str) -> str:
    """1 hour, 2 hours."""
    return f"{cardinal(str(int(number)))} {unit}{'' if int(number) == 1 else 's'}"


def duration(match: re.Match) -> str:
    """1:30:00 and 2h 30m."""
    parts = [counted(n, unit) for n, unit in zip(match.groups(), ("hour", "minute", "second"), strict=True) if n and int(n)]
    return " ".join(parts) or "zero seconds"
