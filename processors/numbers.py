"""English as it is written becomes English as it is read: numbers, money, dates, times, units and abbreviations in words.

Lists of rules, applied in order, each a pattern and what it reads as. Spelling, case and punctuation of everything else stay.
American readings where English differs: 3/5/2024 is March fifth, 101 is "one hundred one". Every repetition in a pattern that
can fail behind it is bounded: the time grows with the text's length, whatever the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache

from processors.forms import plain
from processors.lexicon.english import CODES, CURRENCIES, DOLLARS, MONTHS, PER, POWERS, SCALES, SIGNS, TITLES, UNITS, WHOLE
from processors.spelling import ABBREVIATIONS, ADDRESSES, Rule, any_of

__all__ = ["TITLES", "cardinal", "normalise", "ordinal", "year"]

NUMBER = r"(?:(?:\d{1,3}(?:,\d{3}){1,5}(?!\d)|\d{1,15})(?:\.\d{1,15})?|(?<![\w.])\.\d{1,15})"
START = r"(?<![A-Za-z\d])(?<!\d[.,])"  # "DAj31g" holds no grams
SCALE = r"(?: ?(?:hundred|thousand|million|billion|trillion|[kKmM]|mn|bn|MM)| ?tr?n|[bBtT])\b"
MONTH = "|".join(MONTHS)
DAY = r"(?:0?[1-9]|[12]\d|3[01])"
SYMBOL = f"[{''.join(CURRENCIES)}]"
PER_UNIT = rf"(?: ?/ ?(?P<per>{any_of(PER)}|{WHOLE})(?!\w))?"
HALF = r"(?P<half>[aApP])(?:\.?[mM]\b|\. [mM]\b)(?P<stop>\.?)"
WEEK = {short: TITLES[short] for short in ("Mon", "Tue", "Tues", "Wed", "Thu", "Thurs", "Fri")} | {"Sat": "Saturday", "Sun": "Sunday"}
FRACTIONS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
SENTENCE = re.compile(r"\s*$|\s+(?!Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)[A-Z][a-z]")


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


def _day(month: str, day: str, of_year: str | None) -> str:
    return f"{month} {ordinal(day)}" + (f", {year(of_year)}" if of_year else "")


def _days(match: re.Match) -> str:
    return f"{match[1]} {ordinal(match[2])} to {ordinal(match[3])}" + (f", {year(match[4])}" if match[4] else "")


def _numeric_date(match: re.Match) -> str:
    first, second = int(match["a"]), int(match["b"])
    month, day = (first, second) if first <= 12 and match["sep"] != "." or second > 12 else (second, first)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return re.sub(r"\D", " ", match[0])
    return _day(MONTHS[month - 1], str(day), match["year"])


def _iso_date(match: re.Match) -> str:
    return _day(MONTHS[int(match["month"]) - 1], match["day"], match["year"])


def _time(match: re.Match) -> str:
    hour, minute, half = match["hour"], match["minute"] or "00", match["half"]
    words = _clock(hour, minute, bare=not half)
    if second := match["second"]:
        words += f" and {_counted(second, 'second')}"
    # The stop of "p.m." also ends the sentence when nothing, or a capital, follows.
    stop = "." if match["stop"] and SENTENCE.match(match.string, match.end()) else ""
    return words + (f" {half[0].lower()} m{stop}" if half else "")


def _clock(hour: str, minute: str, *, bare: bool) -> str:
    words = cardinal(str(int(hour)))
    if minute != "00":
        return words + (" oh " if minute[0] == "0" else " ") + cardinal(str(int(minute)))
    return words + ((" o'clock" if int(hour) <= 12 else " hundred") if bare else "")


def _counted(number: str, unit: str) -> str:
    return f"{cardinal(str(int(number)))} {unit}{'' if int(number) == 1 else 's'}"


def _duration(match: re.Match) -> str:
    parts = [_counted(n, unit) for n, unit in zip(match.groups(), ("hour", "minute", "second"), strict=True) if n and int(n)]
    return " ".join(parts) or "zero seconds"


def _money(match: re.Match) -> str:
    one, many, cent, cents = CURRENCIES[match["symbol"]]
    kind = DOLLARS[match["country"]] + " " if match["country"] else ""
    low = _scaled(match["low"], match["lowscale"]) + " to " if match["low"] else ""
    sign = ("plus " if match["sign"] == "+" else "minus ") if match["sign"] else ""
    article, per = match["article"] or "", f" per {PER.get(match['per'], match['per'])}" if match["per"] else ""
    amount, scale = match["amount"], match["scale"]
    whole, _, part = amount.replace(",", "").partition(".")
    if low or scale or article or (part and (len(part) != 2 or not cent)):
        unit = one if article or (amount == "1" and not (low or scale)) else many
        return f"{article}{sign}{low}{_scaled(amount, scale)} {kind}{unit}{per}"
    pieces = [f"{cardinal(whole)} {kind}{one if int(whole) == 1 else many}"] if int(whole or 0) or not int(part or 0) else []
    if int(part or 0):
        pieces.append(f"{cardinal(str(int(part)))} {cent if int(part) == 1 else cents}")
    return sign + " and ".join(pieces) + per


def _scaled(amount: str, scale: str | None) -> str:
    scale = (scale or "").strip()
    return f"{cardinal(amount)} {SCALES.get(scale, scale)}".strip()


def _coded(match: re.Match) -> str:
    """"USD 5" and "5 EUR" as if with signs."""
    code, amount = (match["before"], match["first"]) if match["before"] else (match["after"], match["second"])
    return ("US" if code == "USD" else "") + CODES[code] + amount


def _unit(match: re.Match) -> str:
    one, many = UNITS[match["unit"]]
    sign = ("plus " if match["sign"] == "+" else "minus ") if match["sign"] else ""
    power = POWERS[match["power"]] + " " if match["power"] else ""
    single = match["amount"] == "1" or match["article"] or match["dash"]
    per = f" per {PER.get(match['per'], match['per'])}" if match["per"] else ""
    return f"{match['article'] or ''}{sign}{cardinal(match['amount'])} {power}{one if single else many}{per}"


def _percent(match: re.Match) -> str:
    return f"{'minus ' if match[1] else ''}{cardinal(match[2])} percent"


def _fraction(match: re.Match) -> str:
    top, bottom = int(match["top"]), int(match["bottom"])
    whole = f"{cardinal(match['whole'])} and " if match["whole"] else ""
    if top == bottom and bottom in (5, 10, 100):
        return f"{whole}{cardinal(str(top))} out of {cardinal(str(bottom))}"
    if bottom < 2 or bottom > 100:
        return f"{whole}{cardinal(str(top))} over {cardinal(str(bottom))}"
    one, many = FRACTIONS.get(bottom, (ordinal(str(bottom)), ordinal(str(bottom)) + "s"))
    return f"{whole}{cardinal(str(top))} {one if top == 1 else many}"


def _vulgar(match: re.Match) -> str:
    return f"{match[1] or ''} {unicodedata.normalize('NFKC', match[2])}".replace("\u2044", "/")


def _decade(match: re.Match) -> str:
    words = year(match["years"]) if len(match["years"]) == 4 else cardinal(match["years"])
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def _groups(match: re.Match) -> str:
    """Digits one by one, with a pause where the number is parted."""
    plus = "plus " if match[0][0] == "+" else ""
    return plus + ", ".join(digits(group) for group in re.findall(r"\d+", match[0]))


def _long(match: re.Match) -> str:
    whole, point, decimals = match[0].partition(".")
    return _apart(match, f"{cardinal(whole)} point {digits(decimals)}" if point else digits(whole))


def _apart(match: re.Match, words: str) -> str:
    """`words` with a space to letters beside them."""
    before, after = match.string[max(0, match.start() - 1) : match.start()], match.string[match.end() : match.end() + 1]
    return " " * before.isalnum() + words + " " * after.isalnum()


def _thousands(match: re.Match) -> str:
    return re.sub(r"\D", "", match[0])


def _height(match: re.Match) -> str:
    return f"{_counted(match[1], 'foot').replace('foots', 'feet')} {cardinal(match[2])} {'inch' if match[2] == '1' else 'inches'}"


def _inches(match: re.Match) -> str:
    """A quotation as it is; 12" elsewhere in words."""
    if match["amount"] is None:
        return match[0]
    single = match["amount"] == "1" or match["article"]
    return f"{match['article'] or ''}{cardinal(match['amount'])} {'inch' if single else 'inches'}"


def _power(match: re.Match) -> str:
    exponent = unicodedata.normalize("NFKC", match[2]).replace("\u2212", "-")
    return match[1] + {"2": " squared", "3": " cubed"}.get(exponent, f" to the power of {exponent}")


def _bare(match: re.Match) -> str:
    text = match[0]
    # 1100 to 2099 without a comma is read in pairs, as years are: nobody says "one thousand nine hundred ...".
    return year(text) if re.fullmatch(r"1[1-9]\d\d|20\d\d", text) else cardinal(text)


SPACES: list[Rule] = [
    (r"\s+", " "),
    (r"[\u2018\u2019\u02bc\u2032`\u00b4]", "'"),
    (r"[\u201c\u201d\u00ab\u00bb\u2033]", '"'),
    (r"\u2026", "..."),
    (r"[\u2010\u2011\u2212]|(?<=[\w%°.])\u2013(?=[$£€¥]?\d)", "-"),
    (r" ?[\u2014\u2013\u2015] ?", ", "),
    (r"\u2044", "/"),
    ("\u03bc", "µ"),
    ("\u2116 ?", "No. "),
    ("[\u2080-\u2089]", lambda m: unicodedata.normalize("NFKC", m[0])),
    (r"(\d)? ?([\u00bc-\u00be\u2150-\u215e\u2189])", _vulgar),
    (r"(?<=\d)( ?)\u00ba", r"\1°"),
]
SPANS: list[Rule] = [
    (rf"\b({any_of(WEEK)})[-\u2013]({any_of(WEEK)})\b\.?", lambda m: f"{WEEK[m[1]]} to {WEEK[m[2]]}"),
    (r"\b(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::00(?:\.0{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?(?![\w:])", r"\1 at \2"),
]
LISTED: list[Rule] = [  # what looks like a calculation, and is not
    (r"\d{1,15}\.\d{16,}|\d{16,}", _long),
    (r"\b24/7(?:/365)?\b(?!/)", lambda m: "twenty-four seven" + (" three sixty-five" if len(m[0]) > 4 else "")),
    (r"(?<![\w/.-])9/11(?![\w/]|\.\d)", "nine eleven"),
    (r"(?<![\w/.-])(50[-/]50|20/20|80[-/]20|60[-/]40|70[-/]30)(?![\w/-]|\.\d)", lambda m: re.sub(r"\D", " ", m[0])),
    (r"(?<![\d/])(\d{1,2})/(\d{1,2})(?= time\b)", r"\1 \2"),
    (r"\b((?:[Cc]all|[Dd]ial)(?:s|ed|ing)?) (\d{3})\b(?![-.,]\d)", lambda m: f"{m[1]} {digits(m[2])}"),
    (rf"(?<!\w)({NUMBER})[eE]([+-]?\d{{1,3}})\b", r"\1 times 10 to the power of \2"),
    (rf"\b(?P<year>\d{{4}})(?P<sep>[-/.])(?P<month>0?[1-9]|1[0-2])(?P=sep)(?P<day>{DAY})(?![\w/-]|\.\d)", _iso_date),
    (r"\b(?P<year>\d{4})-(?P<month>0[1-9])(?![\w-])", lambda m: f"{MONTHS[int(m['month']) - 1]} {year(m['year'])}"),
    (r"(?<![\w./-])(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<year>\d{4})(?![\w/-])", _numeric_date),
    (r"(?<![\w./-])(?P<a>\d{1,2})(?P<sep>/)(?P<b>\d{1,2})/(?P<year>\d{2})(?![\w/-])", _numeric_date),
    (rf"\b([Oo]n) (0?[1-9]|1[0-2])/({DAY})(?![\w/])", lambda m: f"{m[1]} {_day(MONTHS[int(m[2]) - 1], m[3], None)}"),
    (rf"\b({MONTH}) (\d{{1,2}}) ?- ?(\d{{1,2}})\b(?:,? (\d{{4}})\b)?", _days),
    (rf"\b({MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (\d{{4}})\b)?", lambda m: _day(m[1], m[2], m[3])),
    (rf"\b(?:the )?(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({MONTH})\b(?:,? (\d{{4}})\b)?",
     lambda m: f"the {ordinal(m[1])} of {m[2]}" + (f" {year(m[3])}" if m[3] else "")),
    (r"(?<![\d.,'-])(?<!\d )[1-9]\d{0,2}(?:(?: \d{3}){1,4}|(?:'\d{3}){1,4}|(?:\.\d{3}){2,4})(?!\d|[-,' ]\d)", _thousands),
    (r"(?<![\w.])(?:\+?\b1[- ])?(?:\(\d{3}\) ?|\b\d{3}[-.])\d{3}[-.]\d{4}\b|\b\d{3} \d{3} \d{4}\b|(?<![\w-])\d{3}-\d{4}\b(?!-)", _groups),
    (r"\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,6}(?!\d)|(?<![\w(])\(?0\d{2,4}\)?(?: \d{3,4}){1,2}\b", _groups),
    (r"\+\d{8,15}\b|(?<!\d )\b\d{4}(?: \d{4}){2,4}\b(?! \d)", _groups),
    (r"(?<![\w-])\d(?:-\d){2,20}(?![\w-])", lambda m: digits(m[0])),
    (r"(?<![\w-])\d{1,7}(?:-\d{1,7}){2,6}(?![\w-])", _groups),
    (r"\b(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\b(?!\.\d)", lambda m: " dot ".join(map(cardinal, m.groups()))),
]
MEASURED: list[Rule] = [
    (rf"\b(?:(?P<before>{'|'.join(CODES)}) ?(?P<first>{NUMBER})|(?P<second>{NUMBER}(?:{SCALE})?) ?(?P<after>{'|'.join(CODES)}))\b", _coded),
    (rf"({NUMBER}) ?({SYMBOL})(?![\d.])", r"\2\1"),
    (rf"(?P<article>\b[Aa]n? )?(?:(?<!\w)(?P<sign>[-+]))?(?:\b(?P<country>{any_of(DOLLARS)})(?=\$))?(?P<symbol>{SYMBOL}) ?"
     rf"(?:(?P<low>{NUMBER})(?P<lowscale>{SCALE})? ?- ?(?P=symbol)?(?=\.?\d))?(?P<amount>{NUMBER})(?P<scale>{SCALE})?{PER_UNIT}", _money),
    (r"(\d(?: ?(?:%|°[CF]?|[kcm]?m|kg|g|[ap]\.?m\.?|[KMBks]|st|nd|rd|th|million|billion))?) ?- ?(?=\.?\d)", r"\1 to "),
    (rf"(?<![\w:])(?P<hour>[01]?\d|2[0-3])(?:[:.](?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)? ?{HALF}", _time),
    (r"(?<![\w:.])(\d{1,3}):([0-5]\d):([0-5]\d)(?![:\d])", _duration),
    (r"\b(\d{1,3}) ?h ?(\d{1,2}) ?m(?:in)?\b(?: ?(\d{1,2}) ?s\b)?", _duration),
    (r"(?<![\w:])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?P<second>)(?P<half>)(?P<stop>)(?![:\d])", _time),
    (r"(?<=\d) ?: ?(?=\d)", " to "),
    (r"(?<![\w'])(\d{1,2})' ?(\d{1,2}(?:\.\d)?)(?:\"|''|(?![\d'\w.]))", _height),
    (r"(?<=\d)'(?= (?:tall|wide|long|high|deep|by|x)\b)", " feet"),
    (rf"\"[^\"]*\"|(?P<article>\b[Aa]n? )?{START}(?P<amount>{NUMBER})\"", _inches),
    (rf"{START}({NUMBER}) ?¢", lambda m: f"{cardinal(m[1])} {'cent' if m[1] == '1' else 'cents'}"),
    (rf"(?:(?<![\w.])(-))?{START}({NUMBER}) ?%", _percent),
    (r"(?:(?<!\w)'|\b)(?P<years>\d{3}0|[2-9]0)'?s\b", _decade),
    (rf"(?P<article>\b[Aa]n? )?(?:(?<![\w.])(?P<sign>[-+]))?{START}(?P<amount>{NUMBER})(?: ?|(?P<dash>-))"
     rf"(?P<unit>{any_of(UNITS)})(?P<power>[²³]?){PER_UNIT}(?![\w/²³'])(?:\.(?= [a-z\d]))?", _unit),
    (rf"{START}({NUMBER})(bn|mn|M)\b", lambda m: _scaled(m[1], m[2])),
    (r"(?:(?<![\w/.])(?P<whole>\d{1,15})[ -])?(?<![\w/.])(?P<top>\d{1,15})/(?P<bottom>\d{1,15})(?![\d/])(?:st|nd|rd|ths?\b)?", _fraction),
    (r"\b(\d{1,3}(?:,\d{3}){1,5}|\d{1,15})(?:st|nd|rd|th|ST|ND|RD|TH)\b", lambda m: ordinal(m[1])),
    (r"(?<!\w)'0(\d)\b", lambda m: "oh " + cardinal(m[1])),
    (r"(?<!\w)'(?=\d\d\b(?!'))", ""),
    (r"(?<![\d.])\d{1,15}(?:\.\d{1,15}){2,}", lambda m: _apart(m, " point ".join(map(cardinal, m[0].split("."))))),
]
REST: list[Rule] = [
    (r"([\w)])(\u207b?[\u00b9\u00b2\u00b3\u2070-\u2079]{1,9})", _power),
    (r"(?<=\d) ?[x×] ?(?=10 to the power)", " times "),
    (r"(?<=\d)(?<!\b0)[x×](?=\d)|(?<=\d) x (?=\d)", " by "),
    (r"(?<=\d)x\b", " times"),
    (f"[{''.join(SIGNS)}]", lambda m: f" {SIGNS[m[0]]} "),
    (r"(?<=\d) ?- ?(?=\d)", " to "),
    (r"(?<![\w.])-(?=\.?\d)", "minus "),
    (r"(?<=[A-Za-z])\+\+", " plus plus"),
    (r"(?<!\w)\+ ?(?=\.?\d)", " plus "),
    (r"(?<=\w) ?\+ ?(?=\w)", " plus "),
    (r"(?<=\w)\+(?![\w+])", " plus"),
    (r"(?<=[\w)]) ?\^ ?(?=[\w(-])", " to the power of "),
    (r"(?<=\d) ?\* ?(?=\d)", " times "),
    (r"(?<=[\w)])(?:=| = )(?=[\w(-])", " equals "),
    (r"(?<=[\w)])(?:<| < )(?=[\w(-])", " less than "),
    (r"(?<=[\w)])(?:>| > )(?=[\w(-])", " greater than "),
    (r"~ ?(?=\d)", "about "),
    (r"\bA(?=\d)", "A-"),
    (r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " "),
    (NUMBER, _bare),
    (r" ?& ?", " and "),
    (r"(?<=\b[A-G])#", " sharp"),
    (r"#(?=\w)", "hashtag "),
    (r"@(?=\w)", " at "),
    (r"(?<=\w) ?%", " percent"),
    (r"(?<=\w)[/_](?=\w)", " "),
    (r"\s+", " "),
]


def _compiled(rules: list[Rule]) -> list[tuple[re.Pattern[str], str | Callable[[re.Match], str]]]:
    return [(re.compile(pattern), to) for pattern, to in rules]


WORDS, NUMBERS, SIGNED = map(_compiled, ([*SPANS, *SPACES, *ADDRESSES, *ABBREVIATIONS], [*LISTED, *MEASURED], REST))
DIGIT = re.compile(r"\d")


def normalise(text: str) -> str:
    """English `text` with everything that is not spelt as a word written out in words."""
    text = plain(text)
    for rules in (WORDS, NUMBERS, SIGNED):
        if rules is NUMBERS and not DIGIT.search(text):
            continue
        for pattern, to in rules:
            text = pattern.sub(to, text)
    return text.strip()
