"""English that is spelt, not read: addresses, abbreviations with stops, initials, Roman numerals, and the letter A.

The stop of an abbreviation is a pause only where a sentence ends with it.
"""

from __future__ import annotations

import re

from processors.counting import ordinal
from processors.lexicon.english import (
    AFTER_LETTER,
    AT_ENDS,
    CROWNS,
    DEGREES,
    DIRECTIONS,
    ENDINGS,
    HEADINGS,
    IN_ADDRESSES,
    LETTERED,
    NUMBERED,
    RULERS,
    SHORT,
    SPELT,
    STARTERS,
    TITLES,
)  # fmt: skip
from processors.rules import Rule, any_of

FIRST = "|".join(word.capitalize() for word in sorted(STARTERS))  # of a sentence
ROMAN = r"(?!L\b)(?=[IVXL][IVXLC]{0,7}\b)(?:X[CL]|L?X{0,3})(?:IX|IV|V?I{0,3})(?<=[IVXLC])\b(?!'(?!s\b))"
ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
ENDS = re.compile(r"[\"')\]]*\s*$")
ENDS_OR_STARTS = re.compile(rf"[\"')\]]*(?:\s*$|\s+[\"'(]?(?:{FIRST})\b)")
STREET_ENDS = re.compile(r"\s*$|\s+[A-Z]")
STARTER = re.compile(rf" (?:{FIRST})\b")
EIGH = "eigh"  # espeak and ARPAbet say it as the letter's name; "A" alone they take for the article
WORD = r"[\w-]{1,63}"


def stop_after(match: re.Match, ends: re.Pattern[str] = ENDS_OR_STARTS) -> str:
    """The stop of an abbreviation where it also ends a sentence."""
    return "." if ends.match(match.string, match.end()) else ""


def _address(match: re.Match) -> str:
    address = re.sub(r"^[a-z]+://", "", match[0])  # nobody says it
    marks = re.search(r"[.,;:!?)/]*$", address)[0]
    address = address.removesuffix(marks)
    address = re.sub(r"^www\b", "w w w", address)
    words = re.sub(r"[^\w\s]|_", _sign_of_address, address)
    return " ".join(words.split()) + marks.replace("/", "")


def _sign_of_address(match: re.Match) -> str:
    return f" {IN_ADDRESSES.get(match[0], '')} "


def _dotted(match: re.Match) -> str:
    letters = match[1].replace(".", " ")
    if letters.lower() not in ("a m", "p m"):
        letters = letters.upper()
    return letters + (stop_after(match) if match[2] else "")


def _spelt(match: re.Match) -> str:
    """"VIPs" -> "V I P's": espeak says the last as one letter and an s."""
    return " ".join(match[1]) + ("'s" if match[2] else "")


def _degree(match: re.Match) -> str:
    if match[3]:
        return DEGREES[match[1]] + "'s"
    return DEGREES[match[1]] + (stop_after(match) if match[2] else "")


def _street(match: re.Match) -> str:
    ends = STREET_ENDS.match(match.string, match.end())
    return f"{match[1]} Street{'.' if ends else ''}"


def _drive(match: re.Match) -> str:
    return f"{match[1]} Drive{stop_after(match)}"


def _title(match: re.Match) -> str:
    return TITLES[match[1]] + stop_after(match, ENDS_OR_STARTS if match[1] in AT_ENDS else ENDS)


def _short(match: re.Match) -> str:
    return SHORT[match[1].lower()] + stop_after(match, ENDS)


def _initial(match: re.Match) -> str:
    is_name = _word_before(match).lower() in LETTERED  # "plan B. Bob left"
    return match[1] + ("." if is_name else stop_after(match, STARTER))


def roman(numeral: str) -> int:
    """The value of a Roman numeral up to 100."""
    values = [ROMAN_VALUES[letter] for letter in numeral.upper()]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def _counted(match: re.Match) -> str:
    return f"{match[1]} {roman(match[2])}"


def _counted_span(match: re.Match) -> str:
    """"Chapters II and III"."""
    heading, first, link, last = match.groups()
    span = f"{link}{roman(last)}" if last else ""
    return f"{heading} {roman(first)}{span}"


def _ranked(match: re.Match) -> str:
    return f"{match[1]} the {ordinal(str(roman(match[2])))}"


def _century(match: re.Match) -> str:
    return f"{ordinal(str(roman(match[1])))} {match[2]}"


ADDRESSES: list[Rule] = [
    (r"\b(?:https?|ftp)://[^\s\"<>]{1,2000}|\bwww\.[^\s\"<>]{1,2000}", _address),
    (rf"(?<![\w.+-])[\w.+-]{{1,64}}@{WORD}(?:\.{WORD}){{1,5}}", _address),
    (rf"(?<![\w.@-])(?:{WORD}\.){{1,6}}(?:{ENDINGS})\b(?!\.\w)(?:/[^\s\"<>]{{0,2000}})?", _address),
    (r"(?<![\w.])\.(?=[A-Za-z]{2})", "dot "),
]
ABBREVIATIONS: list[Rule] = [
    (rf"\b((?i:{any_of(SHORT)}))\.", _short),
    (r"(?<=\w )v\. (?=[A-Z])", "versus "),
    (r"\b[Nn]o\. (?=of\b)", "number "),
    (r"(?<=\d(?:st|nd|rd|th) )c\.", lambda m: "century" + stop_after(m)),
    (r"\b(et al)\.", lambda m: m[1] + stop_after(m)),
    (r"\b(e\.g|i\.e|vs)\b", lambda m: SHORT[m[1]]),
    (rf"(?:(?<!\d )(?<!\d)|(?=(?i:nos?|ext|op|pp)\.))\b((?i:{any_of(NUMBERED)}))\. ?(?=\(?\d|[IVX]{{2,6}}\b|I-)",
     lambda m: NUMBERED[m[1].lower()] + " "),
    (r"\bca?\. ?(?=\d{3,4}\b)", "circa "),
    (r"#(?=\d)", "number "),
    (rf"(?<![\w.])({any_of(DEGREES)})\b(\.?)(s\b)?", _degree),
    (rf"\b({any_of(SPELT)})(s?)\b", _spelt),
    (r"(?<=\d )AD\b|\bAD(?= \d)", "A D"),
    (r"(?<![\w.])(?!(?<=\d )[AaPp]\.[Mm])([A-Za-z](?:\.[A-Za-z]){1,10})(?![A-Za-z])(\.?)(?!\w)", _dotted),
    # A capital before it makes a street, unless that capital only begins the sentence or a mountain's name.
    (r"\b(?!(?:In|At|On|To|The|From|Near|By|Mount|Mt|And|But|When)\b)([A-Z][a-z]+(?:'s)?|\d+(?:st|nd|rd|th)) (St)\.",
     _street),
    (r"(?<=\d(?:st|nd|rd|th)) (St|Ave)\b(?!\.)", lambda m: " Street" if m[1] == "St" else " Avenue"),
    (r"(?<=\d )([NSEW])\.(?= [A-Z\d])", lambda m: DIRECTIONS[m[1]].capitalize()),
    (rf"\b(?!(?:{FIRST})\b)([A-Z][a-z]+|\d+(?:st|nd|rd|th)) Dr\.(?=\s*$|,| [a-z])", _drive),
    (r"\bSt\.(?=\s+[A-Z])", "Saint"),
    (rf"\b({any_of(TITLES)})\.(?=\s*[\w,;:!?&()\"-]|'s|\s*$)", _title),
    (r"\b([A-HJ-Z])\.(?= [A-Za-z])", _initial),
    (r"\bWW(II?)\b", lambda m: f"World War {len(m[1])}"),
    (rf"\b((?i:{HEADINGS}|vols?\.?)s?) ({ROMAN})(?:( ?- ?| and | to | or |, )({ROMAN}))?", _counted_span),
    (r"\b((?i:chapter|part|page|section|act|scene|book|volume)) ((?=[ivx]{2,8}\b)x{0,3}(?:ix|iv|v?i{0,3})(?<=[ivx]))\b(?!')", _counted),
    (rf"\b((?:{CROWNS}) [A-Z][a-z]+|{RULERS}) ({ROMAN})", _ranked),
    (rf"\b(?!(?:{FIRST}|Give|Get|Size)\b)([A-Z][a-z]+) (?!XX|IV (?:fluid|drip|line|therap|antibiotic|bag))(?=[IVX]{{2}})({ROMAN})", _counted),
    (r"\b(?=[IVX]{2}|[VX] )([IVX]{1,6}) (century|centuries)\b", _century),
    (r"\bw/o\b", "without"),
    (r"\bc/o\b", "care of"),
    (r"\bb/c\b", "because"),
    (r"\bw/(?=\s|[a-z])", "with "),
]
ANY_A = re.compile(r"(?<![\w'])[Aa](?![\w'])")
BEFORE = re.compile(r"([\w']+|,) $")
AFTER = re.compile(r" (\w+)")
AROUND = 20  # characters before and behind an A that say what it is
CLAUSE_ENDS = re.compile(r"[-,;:!?)\]]|\.(?!\.)|[\"']?\s*$")


def _word_before(match: re.Match) -> str:
    """The word or comma before a match, "" where there is none."""
    before = match.string[max(0, match.start() - AROUND) : match.start()]
    word = BEFORE.search(before)
    return word[1] if word else ""


def name_letters(text: str) -> str:
    """`text` with the letter A, where it is no article, written as every phonemizer says its name."""
    return ANY_A.sub(lambda match: EIGH if _is_letter(match) else match[0], text)


def _is_letter(match: re.Match) -> bool:
    """"vitamin A", "A is for", "A B C", "a m", "in A minor"; not "A cat", nor "ONCE UPON A TIME"."""
    after = match.string[match.end() : match.end() + AROUND]
    last = _word_before(match)
    word = AFTER.match(after)
    following = word[1] if word else ""
    ends = bool(CLAUSE_ENDS.match(after))
    if match[0] == "a":
        return _is_small_letter(last, following, ends)
    return _is_capital_letter(last, following, ends)


def _is_small_letter(last: str, following: str, ends: bool) -> bool:
    if last.lower() in ("an", "letter") or _is_consonant(following):
        return True
    return ends and last.islower() and _is_consonant(last)


def _is_capital_letter(last: str, following: str, ends: bool) -> bool:
    if following in AFTER_LETTER:
        return True
    follows_capital = last.isupper() and _is_consonant(last)
    if follows_capital:  # "B A F" is spelt, "plan B A dog" is not
        return not re.match("[a-z]{2}", following)
    if ends or _is_consonant(following) or last.lower() in LETTERED:
        return True
    return last[-1:].islower() and not following[:1].isupper()


def _is_consonant(word: str) -> bool:
    """True for one letter that is spelt by its name, as all but A and I are."""
    return bool(re.fullmatch("[b-hj-zB-HJ-Z]", word))
