"""English as it is written becomes English as it is read: numbers, money, dates, times, units and abbreviations in words.

One list of rules, applied in order, each a pattern and what it reads as. Spelling, case and punctuation of
everything else stay. American readings where English differs: 3/5/2024 is March fifth, 101 is "one hundred one".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|(?<![\d.])\.\d+"
SCALE = r"(?:\s?(?P<scale>hundred|thousand|million|billion|trillion|bn|k|m)\b)?"
SCALES = {"bn": "billion", "k": "thousand", "m": "million"}
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
MONTH = "|".join(MONTHS)
CURRENCIES = {  # symbol: (one, many, one hundredth, many hundredths)
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""),
}
UNITS = {  # unit: (one, many); only what nobody takes for a word
    "km/h": ("kilometer per hour", "kilometers per hour"), "mph": ("mile per hour", "miles per hour"),
    "km": ("kilometer", "kilometers"), "cm": ("centimeter", "centimeters"), "mm": ("millimeter", "millimeters"),
    "m": ("meter", "meters"), "kg": ("kilogram", "kilograms"), "mg": ("milligram", "milligrams"), "g": ("gram", "grams"),
    "lbs": ("pound", "pounds"), "lb": ("pound", "pounds"), "oz": ("ounce", "ounces"), "ft": ("foot", "feet"),
    "ml": ("milliliter", "milliliters"), "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"), "°": ("degree", "degrees"), "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"), "Hz": ("hertz", "hertz"),
    "dB": ("decibel", "decibels"), "kB": ("kilobyte", "kilobytes"), "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"), "GB": ("gigabyte", "gigabytes"), "TB": ("terabyte", "terabytes"),
    "ms": ("millisecond", "milliseconds"), "min": ("minute", "minutes"), "hrs": ("hour", "hours"), "sec": ("second", "seconds"),
}  # fmt: skip
TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Dr": "Doctor", "Prof": "Professor", "Gen": "General", "Col": "Colonel",
    "Capt": "Captain", "Lt": "Lieutenant", "Sgt": "Sergeant", "Rev": "Reverend", "Gov": "Governor", "Sen": "Senator",
    "Jr": "Junior", "Sr": "Senior", "Ft": "Fort", "Mt": "Mount", "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road",
    "Co": "Company", "Ltd": "Limited", "Inc": "Incorporated", "Fig": "Figure", "Vol": "Volume", "Dept": "Department",
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Aug": "August", "Sept": "September",
    "Sep": "September", "Oct": "October", "Nov": "November", "Dec": "December",
}  # fmt: skip
SHORT = {"e.g.": "for example", "i.e.": "that is", "etc.": "et cetera", "vs.": "versus", "approx.": "approximately"}
PARTS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}
FRACTIONS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
HEADINGS = "Chapter|Part|Volume|Book|Act|Scene|Section|Phase|Stage|Type|World War|Super Bowl"
RULERS = "Henry|Louis|Edward|George|Charles|James|Richard|William|Elizabeth|Mary|Philip|Pius|Paul|Napoleon|Alexander|Leo"


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
    """The number as a year: "1905" -> "nineteen oh five", "2000" -> "two thousand"."""
    return _convert(text, "year")


def _full_stop(match: re.Match) -> str:
    """The stop of an abbreviation also ends the text."""
    return "." if not match.string[match.end() :].strip() else ""


def _street(match: re.Match) -> str:
    ends = re.match(r"\s*$|\s+[A-Z]", match.string[match.end() :])
    return f"{match[1]} Street{'.' if ends else ''}"


def _day(month: str, day: str, of_year: str | None) -> str:
    return f"{month} {ordinal(day)}" + (f", {year(of_year)}" if of_year else "")


def _numeric_date(match: re.Match) -> str:
    first, second = int(match["a"]), int(match["b"])
    month, day = (first, second) if first <= 12 else (second, first)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0].replace("/", " ")
    return _day(MONTHS[month - 1], str(day), match["year"])


def _iso_date(match: re.Match) -> str:
    return _day(MONTHS[int(match["month"]) - 1], match["day"], match["year"])


def _time(match: re.Match) -> str:
    hour, minute, half = match["hour"], match["minute"] or "00", match["half"]
    words = cardinal(str(int(hour)))
    if minute != "00":
        words += (" oh " if minute[0] == "0" else " ") + cardinal(str(int(minute)))
    elif not half:
        words += " o'clock" if int(hour) <= 12 else " hundred"
    # The stop of "p.m." also ends the sentence when nothing, or a capital, follows.
    stop = "." if match["stop"] and re.match(r"\s*$|\s+[A-Z]", match.string[match.end() :]) else ""
    return words + (f" {half[0].lower()} m{stop}" if half else "")


def _money(match: re.Match) -> str:
    one, many, cent, cents = CURRENCIES[match["symbol"]]
    amount, scale = match["amount"], match["scale"]
    sign = "minus " if match["sign"] else ""
    if scale:
        return f"{sign}{cardinal(amount)} {SCALES.get(scale, scale)} {many}"
    whole, _, part = amount.replace(",", "").partition(".")
    if part and (len(part) != 2 or not cent):
        return f"{sign}{cardinal(amount)} {many}"
    pieces = [f"{cardinal(whole)} {one if int(whole) == 1 else many}"] if int(whole or 0) or not int(part or 0) else []
    if int(part or 0):
        pieces.append(f"{cardinal(str(int(part)))} {cent if int(part) == 1 else cents}")
    return sign + " and ".join(pieces)


def _unit(match: re.Match) -> str:
    one, many = UNITS[match["unit"]]
    return f"{match['amount']} {one if match['amount'] == '1' else many}"


def _fraction(match: re.Match) -> str:
    top, bottom = int(match["top"]), int(match["bottom"])
    whole = f"{cardinal(match['whole'])} and " if match["whole"] else ""
    if bottom < 2 or bottom > 100:
        return f"{whole}{cardinal(str(top))} over {cardinal(str(bottom))}"
    one, many = FRACTIONS.get(bottom, (ordinal(str(bottom)), ordinal(str(bottom)) + "s"))
    return f"{whole}{cardinal(str(top))} {one if top == 1 else many}"


def _decade(match: re.Match) -> str:
    words = year(match["years"]) if len(match["years"]) == 4 else cardinal(match["years"])
    return (words[:-1] + "ies" if words.endswith("y") else words + "s") + match["end"]


def _roman(numeral: str) -> int:
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[letter] for letter in numeral]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def _phone(match: re.Match) -> str:
    return ", ".join(digits(group) for group in re.findall(r"\d+", match[0]))


def _bare(match: re.Match) -> str:
    text = match[0]
    # 1100 to 2099 without a comma is read in pairs, as years are: nobody says "one thousand nine hundred ...".
    return year(text) if re.fullmatch(r"1[1-9]\d\d|20\d\d", text) else cardinal(text)


RULES: list[tuple[str, str | Callable[[re.Match], str]]] = [
    (r"[\u2018\u2019\u02bc]", "'"),
    (r"[\u201c\u201d\u00ab\u00bb]", '"'),
    (r"\u2026", "..."),
    (r"(?<=\d)[\u2013\u2212](?=\d)|\u2212", "-"),
    (r"\s*[\u2014\u2013]\s*", ", "),
    (r"(\d+)?\s?([½¼¾⅓⅔])", lambda m: f"{m[1] or ''} {PARTS[m[2]]}"),
    (r"\b(" + "|".join(re.escape(s[:-1]) for s in SHORT) + r")\.", lambda m: SHORT[m[0]] + _full_stop(m)),
    (r"\bNo\.\s?(?=\d)|#(?=\d)", "number "),
    # A capital before it makes a street, unless that capital only begins the sentence or a mountain's name.
    (r"\b(?!(?:In|At|On|To|The|From|Near|By|Mount|Mt|And|But|When)\b)([A-Z][a-z]+|\d+(?:st|nd|rd|th)) St\.", _street),
    (r"\bSt\.(?=\s+[A-Z])", "Saint"),
    (r"\b(" + "|".join(TITLES) + r")\.(?=\s*[\w,;:!?]|'s|\s*$)", lambda m: TITLES[m[1]] + _full_stop(m)),
    (rf"\b({HEADINGS}) ([IVXLC]+)\b", lambda m: f"{m[1]} {cardinal(str(_roman(m[2])))}"),
    (rf"\b({RULERS}) ([IVX]+)\b(?!')", lambda m: f"{m[1]} the {ordinal(str(_roman(m[2])))}"),
    (r"\b(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12]\d|3[01])\b", _iso_date),
    (r"\b(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<year>\d{4})\b", _numeric_date),
    (rf"\b({MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (\d{{4}})\b)?", lambda m: _day(m[1], m[2], m[3])),
    (rf"\b(?:the )?(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({MONTH})\b(?:,? (\d{{4}})\b)?",
     lambda m: f"the {ordinal(m[1])} of {m[2]}" + (f" {year(m[3])}" if m[3] else "")),
    (r"\b(?P<hour>[01]?\d|2[0-3])(?::(?P<minute>[0-5]\d))?\s?(?P<half>[aApP])\.?[mM]\b(?P<stop>\.?)", _time),
    (r"\b(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?P<half>)(?P<stop>)(?![:\d])", _time),
    (r"(?:\+?\b1[- ])?(?:\(\d{3}\) ?|\b\d{3}[-.])\d{3}[-.]\d{4}\b|\b\d{3}-\d{4}\b", _phone),
    (rf"(?P<sign>(?<!\w)-)?(?P<symbol>[$£€¥])\s?(?P<amount>{NUMBER}){SCALE}", _money),
    (rf"({NUMBER})\s?¢", lambda m: f"{cardinal(m[1])} {'cent' if m[1] == '1' else 'cents'}"),
    (rf"({NUMBER})\s?%", r"\1 percent"),
    (rf"(?P<amount>{NUMBER})\s?(?P<unit>{'|'.join(map(re.escape, UNITS))})(?![\w/])", _unit),
    (r"(?:\b(?P<whole>\d+)[ -])?\b(?P<top>\d+)/(?P<bottom>\d+)\b", _fraction),
    (r"(?:'|\b)(?P<years>\d{3}0|[2-9]0)'?s\b(?P<end>)", _decade),
    (r"\b(\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b", lambda m: ordinal(m[1])),
    (r"\b\d+(?:\.\d+){2,}\b", lambda m: " point ".join(map(cardinal, m[0].split(".")))),
    (r"(?<=\d)\s?-\s?(?=\d)", " to "),
    (r"(?<![\w.])-(?=\.?\d)", "minus "),
    (r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " "),
    (NUMBER, _bare),
    (r"\s*&\s*", " and "),
    (r"(?<=\w)@(?=\w)", " at "),
    (r"\s+\+\s+", " plus "),
    (r"\s+=\s+", " equals "),
    (r"(?<=\w)/(?=\w)", " "),
    (r"\s+", " "),
]
COMPILED = [(re.compile(pattern), to) for pattern, to in RULES]


def normalise(text: str) -> str:
    """English `text` with everything that is not spelt as a word written out in words."""
    text = re.sub(r"(?<=\d)(?=(?:[A-Z])\b)", " ", text)  # 221B is "two hundred twenty-one B"
    for pattern, to in COMPILED:
        text = pattern.sub(to, text)
    return text.strip()
