"""English as it is written becomes English as it is read: numbers, money, dates, times, units and abbreviations in words.

Lists of rules, applied in order, each a pattern and what it reads as. Spelling, case and punctuation of everything else stay.
American readings where English differs: 3/5/2024 is March fifth, 101 is "one hundred one". Every repetition in a pattern that
can fail behind it is bounded: the time grows with the text's length, whatever the text.
"""

from __future__ import annotations

import re
import unicodedata

from processors.counting import cardinal, digits, ordinal, paired, year
from processors.dates import clock_time, day, day_of, days, duration, iso_date, numeric_date
from processors.forms import plain
from processors.lexicon.english import (
    BOOKS,
    CODES,
    COUNTED,
    CURRENCIES,
    DIRECTIONS,
    DOLLARS,
    ELEMENTS,
    MONTHS,
    PAIRED,
    PER,
    SIGNS,
    STATES,
    STREETS,
    TITLES,
    UNITS,
    VERSIONED,
    WHOLE,
)  # fmt: skip
from processors.quantities import (
    fraction,
    height,
    inches,
    measure,
    money,
    percent,
    position,
    power,
    scaled,
    share_of_unit,
    version,
    vulgar_fraction,
    with_symbol,
)  # fmt: skip
from processors.rules import Rule, any_of, applied, compiled
from processors.spelling import ABBREVIATIONS, ADDRESSES

NUMBER = r"(?:(?:\d{1,3}(?:,\d{3}){1,5}(?!\d)|\d{1,15})(?:\.\d{1,15})?|(?<![\w.])\.\d{1,15})"
START = r"(?<![A-Za-z\d])(?<!\d[.,/])"  # "DAj31g" holds no grams
SCALE = r"(?:[ -]?(?:hundred|thousand|million|billion|trillion)| ?(?:[kKmM]|mn|bn|MM)| ?tr?n|[bBtT])\b"
MONTH = "|".join(MONTHS)
DAY = r"(?:0?[1-9]|[12]\d|3[01])"
SYMBOL = f"(?:{any_of(CURRENCIES)})"
PER_UNIT = rf"(?: ?/ ?(?P<per>{any_of(PER)}|{WHOLE})(?!\w))?"
HALF = r"(?P<half>[aApP])(?:\.?[mM]\b|\. [mM]\b)(?P<stop>\.?)"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WEEK = {short: name for short, name in TITLES.items() if name in DAYS} | {"Sat": "Saturday", "Sun": "Sunday"}
YEAR = {short: name for short, name in TITLES.items() if name in MONTHS}
NAMED = WEEK | YEAR | {name: name for name in (*DAYS, *MONTHS)}


def _formula(match: re.Match) -> str:
    """"H2SO4" -> "H2 S O4": its letters one by one."""
    return re.sub(r"(?<=[A-Za-z])(?=[A-Za-z])|(?<=\d)(?=[A-Z])", " ", match[0]).upper()


def _decade(match: re.Match) -> str:
    number = match["years"]
    words = year(number) if len(number) == 4 else cardinal(number)
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def _groups(match: re.Match) -> str:
    """Digits one by one, with a pause where the number is parted."""
    plus = "plus " if match[0][0] == "+" else ""
    groups = re.findall(r"\d+", match[0])
    return plus + ", ".join(map(digits, groups))


def _long(match: re.Match) -> str:
    whole, point, decimals = match[0].partition(".")
    words = f"{cardinal(whole)} point {digits(decimals)}" if point else digits(whole)
    return _apart(match, words)


def _points(match: re.Match) -> str:
    """"3.1.4"."""
    parts = map(cardinal, match[0].split("."))
    return _apart(match, " point ".join(parts))


def _apart(match: re.Match, words: str) -> str:
    """`words` with a space to letters beside them."""
    start, end = match.span()
    before = match.string[max(0, start - 1) : start]
    after = match.string[end : end + 1]
    return " " * before.isalnum() + words + " " * after.isalnum()


def _thousands(match: re.Match) -> str:
    return re.sub(r"\D", "", match[0])


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
    (r"(\d)? ?([\u00bc-\u00be\u2150-\u215e\u2189])", vulgar_fraction),
    (r"(?<=\d)( ?)\u00ba", r"\1°"),
    (r"\+ ?/ ?-", "±"),
    (r"(?<=[\w)])\^([23])\b(?!\.\d)", lambda m: "²³"[int(m[1]) - 2]),
    (r"\b([A-F])-(?= (?:average|grade|student)\b)|(?<=grade )([A-F])-(?!\w)", lambda m: f"{m[1] or m[2]} minus"),
    (r"(?<![<>=!-])(?:>=|<=|!=|->|=>)(?![<>=!-])", lambda m: {">=": "≥", "<=": "≤", "!=": "≠"}.get(m[0], "→")),
]
SPANS: list[Rule] = [
    (rf"\b(\d{{1,2}})-({any_of(YEAR)}|{MONTH})-(\d{{4}})\b", r"\1 \2 \3"),
    (rf"\b({any_of(NAMED)})\.?[-\u2013]({any_of(NAMED)})\b\.?(?![-'])", lambda m: f"{NAMED[m[1]]} to {NAMED[m[2]]}"),
    (rf"\b({any_of(YEAR)})(?= \d{{1,4}}\b)", lambda m: YEAR[m[1]]),
    (rf"(?<=\d )({any_of(YEAR)})\b(?!\.|-)", lambda m: YEAR[m[1]]),
    (rf"(?<=\d) ?[-\u2013] ?(?=(?:{MONTH}) \d)", " to "),
    (r"\b(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::00(?:\.0{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?(?![\w:])", r"\1 at \2"),
]
LISTED: list[Rule] = [  # what looks like a calculation, and is not
    (r"\d{1,15}\.\d{16,}|\d{16,}", _long),
    (r"\b24/7(?:/365)?\b(?!/)", lambda m: "twenty-four seven" + (" three sixty-five" if len(m[0]) > 4 else "")),
    (r"(?<![\w/.-])9/11(?![\w/]|\.\d)", "nine eleven"),
    (r"(?<![\w/.-])(50[-/]50|20/20|80[-/]20|60[-/]40|70[-/]30)(?![\w/-]|\.\d)", lambda m: re.sub(r"\D", " ", m[0])),
    (r"(?<![\d/])(\d{1,2})/(\d{1,2})(?= time\b)", r"\1 \2"),
    (r"(?<![\w.,])911(?= (?:call|operator|dispatch|emergenc|responder))", "nine one one"),
    (r"(?<![\w-])(1-)?([89])00-(?=[A-Z]{3})", lambda m: ("one, " if m[1] else "") + cardinal(m[2]) + " hundred, "),
    (rf"\b((?:{STATES})|[Zz][Ii][Pp](?: [Cc]ode)?:?) (\d{{5}})(?:-(\d{{4}}))?(?![\w-]|[.,]\d)",
     lambda m: f"{m[1]} {digits(m[2])}" + (f", {digits(m[3])}" if m[3] else "")),
    (rf"\b({PAIRED}) ([1-9]\d{{2,3}})(?!\w|[,.:/]\d|%)", lambda m: f"{m[1]} {paired(m[2])}"),
    (rf"(?<![\w.,$-])([1-9]\d{{2,3}})(?= (?:[A-Z][a-z]+ ){{1,3}}(?:{STREETS})\b)", lambda m: paired(m[1])),
    (rf"\b((?:{VERSIONED}) v?)(\d{{1,3}})\.(\d\d)(?![\w%]|\.\d)", version),
    (rf"\b({BOOKS}) (\d{{1,3}}):(\d{{1,3}})(?![:\d])", lambda m: f"{m[1]} {cardinal(m[2])} {cardinal(m[3])}"),
    (r"\b([Ii]n|[Ss]ince|[Uu]ntil|[Cc]irca|[Yy]ear) (10[1-9]\d)\b(?![.,]\d|%)", lambda m: f"{m[1]} {year(m[2])}"),
    (r"\b(240|360|480|720|1080|1440|2160)([pi])\b", lambda m: f"{paired(m[1])} {m[2]}"),
    (r"\b(\d{3,4}) ?[x×] ?(\d{3,4})\b", lambda m: f"{paired(m[1])} by {paired(m[2])}"),
    (rf"\b(?=[A-Za-z]{{1,12}}\d)(?:(?:{ELEMENTS})\d{{0,3}}){{2,12}}\b", _formula),
    (r"(?<![\w)<>=-])> ?(?=[$£€]?\d)", "greater than "),
    (r"(?<![\w)<>=-])< ?(?=[$£€]?\d)", "less than "),
    (r"\b(10|100|1,?000)s(?= of\b)", lambda m: {"10": "tens", "100": "hundreds"}.get(m[1], "thousands")),
    (r"(€ ?\d{1,3}),(\d\d)(?![\d,])|(?<![\d,.])(\d{1,3}),(\d\d ?€)", lambda m: f"{m[1] or m[3]}.{m[2] or m[4]}"),
    (r"(?<![\d.])(\d{1,3})° ?(\d{1,2})' ?(?:(\d{1,2})(?:\"|''))?(?: ?([NSEW])\b)?", position),
    (r"(\d)x/(?=(?:day|week|month|year)\b)", r"\1 times per "),
    (r"(?<![\d/])20/(\d{2,3})(?= vision)", r"20 \1"),
    (r"\b((?:19|20)\d\d)/(\d\d)(?![\d/])", lambda m: f"{year(m[1])} {cardinal(m[2])}"),
    (r"(?<![\d./])(\d{1,3}\.\d{1,2})/(\d{1,3})(?![\d/.])", lambda m: f"{cardinal(m[1])} out of {cardinal(m[2])}"),
    (r"(?<![\d.,])(\d{1,3}(?:[. ]\d{3}){1,4}),(\d{1,2})(?![\d,])", lambda m: re.sub("[. ]", "", m[1]) + "." + m[2]),
    (r"(?<![\d.,])\d{1,2}(?:,\d\d){1,3},\d{3}(?![\d,])", _thousands),
    (r"\b(401|403|501)\(([a-z])\)(?:\((\d)\))?", lambda m: f"{paired(m[1])} {m[2].upper()} {m[3] or ''}"),
    (r"\b0(\d)([0-5]\d) ?(?:hours|hrs)\b", lambda m: f"oh {paired(m[1] + m[2])} hours"),
    (r"\b(1[1-9]|2[0-3])([0-5]\d) ?(?:hours|hrs)\b", lambda m: f"{paired(m[1] + m[2])} hours"),
    (r"~ ?(?=[$£€]?\.?\d)", "about "),
    (r"(?<=\d)([xyz])(?= ?[-+=*^])", r" \1"),
    (rf"({NUMBER})° ?([NSEW])\b", lambda m: f"{cardinal(m[1])} degree{'s' * (m[1] != '1')} {DIRECTIONS[m[2]]}"),
    (r"\b((?:[Cc]all|[Dd]ial)(?:s|ed|ing)?) (\d{3})\b(?![-.,]\d)", lambda m: f"{m[1]} {digits(m[2])}"),
    (rf"(?<!\w)({NUMBER})[eE]([+-]?\d{{1,3}})\b", r"\1 times 10 to the power of \2"),
    (rf"\b(?P<year>\d{{4}})(?P<sep>[-/.])(?P<month>0?[1-9]|1[0-2])(?P=sep)(?P<day>{DAY})(?![\w/-]|\.\d)", iso_date),
    (r"\b(?P<year>\d{4})-(?P<month>0[1-9])(?![\w-])", lambda m: f"{MONTHS[int(m['month']) - 1]} {year(m['year'])}"),
    (r"(?<![\w./-])(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<year>\d{4})(?![\w/-])", numeric_date),
    (r"(?<![\w./-])(?P<a>\d{1,2})(?P<sep>/)(?P<b>\d{1,2})/(?P<year>\d{2})(?![\w/-])", numeric_date),
    (rf"\b([Oo]n) (0?[1-9]|1[0-2])/({DAY})(?![\w/])", lambda m: f"{m[1]} {day(MONTHS[int(m[2]) - 1], m[3], None)}"),
    (rf"\b({MONTH}) (\d{{1,2}}) ?- ?(\d{{1,2}})\b(?:,? (\d{{4}})\b)?", days),
    (rf"\b({MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (\d{{4}})\b)?", lambda m: day(m[1], m[2], m[3])),
    (rf"\b(?:the )?(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({MONTH})\b(?:,? (\d{{4}})\b)?",
     day_of),
    (r"(?<![\d.,'-])(?<!\d )[1-9]\d{0,2}(?:(?: \d{3}){1,4}|(?:'\d{3}){1,4}|(?:\.\d{3}){2,4})(?!\d|[-,' ]\d)", _thousands),
    (r"(?<![\w.])(?:\+?\b1[- ])?(?:\(\d{3}\) ?|\b\d{3}[-.])\d{3}[-.]\d{4}\b|\b\d{3} \d{3} \d{4}\b|(?<![\w-])\d{3}-\d{4}\b(?!-)", _groups),
    (r"\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,6}(?!\d)|(?<![\w(])\(?0\d{2,4}\)?(?: \d{3,4}){1,2}\b", _groups),
    (r"\+\d{8,15}\b|(?<!\d )\b\d{4}(?: \d{4}){2,4}\b(?! \d)", _groups),
    (r"(?<![\w-])\d(?:-\d){2,20}(?![\w-])", lambda m: digits(m[0])),
    (r"(?<![\w-])\d{1,7}(?:-\d{1,7}){2,6}(?![\w-])", _groups),
    (r"(?<![\d.])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\b(?!\.\d)", lambda m: " dot ".join(map(cardinal, m.groups()))),
]
MEASURED: list[Rule] = [
    (rf"\b(?:(?P<before>{'|'.join(CODES)}) ?(?P<first>{NUMBER})|(?P<second>{NUMBER}(?:{SCALE})?) ?(?P<after>{'|'.join(CODES)}))\b", with_symbol),
    (rf"({NUMBER}) ?({SYMBOL})(?![\d.])", r"\2\1"),
    (r"(?<=\d[\"']) ?[x×] ?(?=\d)|(?<=/\d) x (?=\d)", " by "),
    (r"(?<=\d)( ?(?:[ckm]?m|ft|feet|in|inch|inches)) ?[x×] ?(?=\d)", r"\1 by "),
    (rf"({NUMBER})([kmb])(?= (?:{COUNTED})\b)", lambda m: scaled(m[1], m[2])),
    (r"(?<![\d/.,-])(\d{1,3})-(?=\d{1,2}/\d{1,3}(?![\d/]))", r"\1 "),
    (rf"(?<=\d) ?- ?(?={NUMBER}(?: ?[-+*×÷/] ?\d{{1,15}}){{0,3}} ?=)", " minus "),
    (r"(?<![\w:])(\d{1,2}):00 ?- ?(?=\d{1,2}(?::\d\d)? ?[aApP]\.?[mM]\b)", r"\1 to "),
    (rf"(?P<article>\b[Aa]n? )?(?:(?<!\w)(?P<sign>[-+]))?(?:\b(?P<country>{any_of(DOLLARS)})(?=\$))?(?P<symbol>{SYMBOL}) ?"
     rf"(?:(?P<low>{NUMBER})(?P<lowscale>{SCALE})? ?- ?(?P=symbol)?(?=\.?\d))?(?P<amount>{NUMBER})(?P<scale>{SCALE})?{PER_UNIT}", money),
    (r"(\d(?: ?(?:%|°[CF]?|[kcm]?m|kg|g|[ap]\.?m\.?|[KMBks]|st|nd|rd|th|million|billion))?) ?- ?(?=\.?\d)", r"\1 to "),
    (rf"(?<![\w:])(?P<hour>[01]?\d|2[0-3])(?:[:.](?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)? ?{HALF}", clock_time),
    (r"(?<![\w:.])(\d{1,3}):([0-5]\d):([0-5]\d)(?![:\d])", duration),
    (r"\b(\d{1,3}) ?h ?(\d{1,2}) ?m(?:in)?\b(?: ?(\d{1,2}) ?s\b)?", duration),
    (r"(?<![\w:])(?P<hour>[01]?\d|2[0-3]|24(?=:00)):(?P<minute>[0-5]\d)(?P<second>)(?P<half>)(?P<stop>)(?![:\d])", clock_time),
    (r"(?<=\d) ?: ?(?=\d)", " to "),
    (r"(?<![\w'])(\d{1,2})' ?(\d{1,2}(?:\.\d)?)(?:\"|''|(?![\d'\w.]))", height),
    (r"(?<![\w.,])(\d{1,2}) ?(?:ft|feet|foot)\.? ?(\d{1,2}(?:\.\d)?) ?in(?:ch(?:es)?)?\b(?! the\b)(?:\.(?= [a-z]))?", height),
    (rf"(?<![\w/.])((?:\d{{1,3}} )?\d{{1,3}}/\d{{1,3}}) ?({any_of(UNITS)})(?![\w/²³'])(?:\.(?= [a-z\d]))?", share_of_unit),
    (r"(?<=\d)'(?= (?:tall|wide|long|high|deep|by|x)\b)", " feet"),
    (rf"\"[^\"]*\"|(?P<article>\b[Aa]n? )?{START}(?P<amount>{NUMBER}|(?:\d{{1,3}} )?\d{{1,2}}/\d{{1,2}})\"", inches),
    (rf"{START}({NUMBER}) ?¢", lambda m: f"{cardinal(m[1])} {'cent' if m[1] == '1' else 'cents'}"),
    (rf"(?:(?<![\w.])(-))?{START}({NUMBER}) ?%", percent),
    (r"(?:(?<!\w)'|\b)(?P<years>\d{3}0|[2-9]0)'?s\b", _decade),
    (rf"(?P<article>\b[Aa]n? )?(?:(?<![\w.])(?P<sign>[-+]))?{START}(?P<amount>{NUMBER})(?: ?|(?P<dash>-))"
     rf"(?P<unit>{any_of(UNITS)})(?P<power>[²³]?){PER_UNIT}(?![\w/²³'])(?:\.(?= [a-z\d]))?", measure),
    (rf"{START}({NUMBER})(bn|mn|M)\b", lambda m: scaled(m[1], m[2])),
    (r"(?:(?<![\w/.])(?P<whole>\d{1,15})[ -])?(?<![\w/.])(?P<top>\d{1,15})/(?P<bottom>\d{1,15})(?![\d/])(?:st|nd|rds?|ths?)?\b", fraction),
    (r"\b(\d{1,3}(?:,\d{3}){1,5}|\d{1,15})(?:st|nd|rd|th|ST|ND|RD|TH)\b", lambda m: ordinal(m[1])),
    (r"(?<!\w)'0(\d)\b", lambda m: "oh " + cardinal(m[1])),
    (r"(?<!\w)'(?=\d\d\b(?!'))", ""),
    (r"(?<![\d.])\d{1,15}(?:\.\d{1,15}){2,}", _points),
]
REST: list[Rule] = [
    (r"(?<=\w)([\u2070-\u2079\u00b2\u00b3\u00b9]?)([\u207a\u207b])(?![\u2070-\u2079\u00b2\u00b3\u00b9])",
     lambda m: f" {unicodedata.normalize('NFKC', m[1])} {'plus' if m[2] == chr(0x207A) else 'minus'}"),
    (r"([\w)])(\u207b?[\u00b9\u00b2\u00b3\u2070-\u2079]{1,9})", power),
    (r"(?<=\d) ?[x×] ?(?=10 to the power)", " times "),
    (r"(?<=\d)(?<!\b0)[x×](?=\d)|(?<=\d) x (?=\d)", " by "),
    (r"(?<=\d)x\b", " times"),
    (any_of(SIGNS), lambda m: f" {SIGNS[m[0]]} "),
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
    (r"\bA(?=\d)", "A-"),
    (r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " "),
    (NUMBER, _bare),
    (r"(?<=[\w.,!?\"')]) -{1,3} (?=\S)|(?<=\w)--+(?=\w)", ", "),
    (r" ?& ?", " and "),
    (r"(?<=\b[A-G])[#\u266f]", " sharp"),
    (r"(?<=\b[A-G])\u266d", " flat"),
    (r"#(?=\w)", "hashtag "),
    (r"@(?=\w)", " at "),
    (r"(?<=\w) ?%", " percent"),
    (r"(?<=\w)[/_](?=\w)", " "),
    (r"\s+", " "),
]
WORDS = compiled([*SPANS, *SPACES, *ADDRESSES, *ABBREVIATIONS])
NUMBERS = compiled([*LISTED, *MEASURED])
SIGNED = compiled(REST)
DIGIT = re.compile(r"\d")


def normalise(text: str) -> str:
    """English `text` with everything that is not spelt as a word written out in words."""
    text = plain(text)
    text = applied(WORDS, text)
    if DIGIT.search(text):
        text = applied(NUMBERS, text)
    return applied(SIGNED, text).strip()
