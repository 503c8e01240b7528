"""Chinese text with everything that is not spelt as a word written out: numbers, dates, times, money, telephone numbers.

cn2an says the numbers themselves; which kind of number stands there is found here, by the signs and words around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

DIGITS = "零一二三四五六七八九"
NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
YEAR = r"(?!1000)(?:1\d|2[01])\d\d"  # "1000年" is a span of time, "1998年" a year
LONGEST = 16  # digits that cn2an counts; no name for more is in use

CURRENCIES = {"HK$": "港元", "US$": "美元", "$": "美元", "¥": "元", "€": "欧元", "£": "英镑"}
UNITS = {
    "km/h": "公里每小时", "m/s": "米每秒", "km2": "平方公里", "m2": "平方米", "m3": "立方米", "km": "公里", "cm": "厘米", "mm": "毫米",
    "m": "米", "kg": "公斤", "mg": "毫克", "g": "克", "ml": "毫升", "mL": "毫升", "L": "升", "°C": "摄氏度", "°F": "华氏度", "°": "度",
    "kWh": "千瓦时", "kW": "千瓦", "W": "瓦", "V": "伏", "Hz": "赫兹", "kHz": "千赫兹", "MHz": "兆赫兹", "GHz": "吉赫兹", "h": "小时",
    "min": "分钟", "s": "秒",
}  # fmt: skip
# What is counted with 两 and not 二. "2月" is February and "2号" the second: neither is here.
COUNTED = (
    "个|只|条|件|张|本|台|辆|位|名|家|种|次(?!方)|遍|回|天|年(?!级)|周|岁|点|块|元|角|米|公里|公斤|厘米|毫米|倍|杯|瓶|碗|间|座|栋|层|斤|克|吨|"
    "升|小时|分钟|秒|美元|欧元|英镑|港元|平方|立方|头|匹|朵|棵|颗|封|份|场|句|首|把|双|对|套|门|支|根|口|篇|片|万|千|亿"
)


def digits(number: str) -> str:
    """The digits one by one: "2024" -> "二零二四"."""
    return "".join(DIGITS[int(c)] for c in number if c.isdigit())


def cardinal(number: str) -> str:
    """A whole or decimal number as it is counted: "1,203.5" -> "一千二百零三点五"."""
    import cn2an

    whole, _, part = number.replace(",", "").partition(".")
    if len(whole) > LONGEST or (len(whole) > 1 and whole[0] == "0"):
        words = digits(whole)
    else:
        words = re.sub(r"(?<![十零百])二(?=[千万亿])", "两", cn2an.an2cn(str(int(whole)), "low"))
    return words + ("点" + digits(part) if part else "")


def _telephone(match: re.Match) -> str:
    groups = re.findall(r"\d+", match[0])
    if len(groups) == 1 and len(groups[0]) == 11:  # a mobile's eleven digits are said in threes and fours
        groups = [groups[0][:3], groups[0][3:7], groups[0][7:]]
    return ",".join(digits(group).replace("一", "幺") for group in groups) + " "


def _called(match: re.Match) -> str:
    return match[1] + digits(match[2]).replace("一", "幺")


def _date(match: re.Match) -> str:
    return f"{digits(match[1])}年{cardinal(str(int(match[3])))}月{cardinal(str(int(match[4])))}日"


def _time(match: re.Match) -> str:
    hour, minute, second = int(match[1]), match[2], match[3]
    words = ("两" if hour == 2 else cardinal(str(hour))) + "点"
    if minute != "00" or second:
        words += ("零" if minute[0] == "0" and minute != "00" else "") + cardinal(str(int(minute))) + "分"
    return words + (cardinal(str(int(second))) + "秒" if second else "")


def _money(match: re.Match) -> str:
    amount = re.sub(r"(\.\d*?)0+$", r"\1", match[2]).rstrip(".") if "." in match[2] else match[2]
    return f"{amount}{match[3] or ''}{CURRENCIES[match[1]]}"


def _share(match: re.Match) -> str:
    of = "百分之" if match[3] == "%" else "千分之"
    return ("负" if match[1] else "") + of + cardinal(match[2])


RULES: list[tuple[str, str | Callable[[re.Match], str]]] = [
    (r"\u2044", "/"),
    (r"[\u2013\u2212\u301c]|(?<=\d)\u2014(?=\d)", "-"),
    (r"\u2014+", ","),
    (rf"(?<!\d)({YEAR})([-./])(0?[1-9]|1[0-2])\2(0?[1-9]|[12]\d|3[01])(?!\d)", _date),
    (rf"(?<![\d.])({YEAR})(?=\s*年|\s*[-~至到]\s*{YEAR}\s*年)", lambda m: digits(m[1])),
    (rf"(?<=[{DIGITS}])\s*[-~]\s*(?=[{DIGITS}]{{4}}\s*年)", "到"),
    (r"(?<![\d.])(0\d|[7-9][1-9])(?=年(?![前后来间级]))", lambda m: digits(m[1])),
    (r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)|(?<!\d)(?:0\d{2,3}|[48]00)-\d{3,4}-?\d{3,4}(?!\d)", _telephone),
    (r"((?:拨打|拨|电话|热线|号码)(?:是|为)?:?\s*)(\d{3,8})(?!\d)", _called),
    (r"(?:(?<=[\d%])|(?<=°C))\s*[-~]\s*(?=\d)", "到"),
    (r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])", _time),
    (rf"(?<![\dA-Za-z])-\s?(?={NUMBER}\s?(?:°C|度))", "零下"),
    (rf"(?:(?<![\dA-Za-z])(-))?({NUMBER})\s?([%‰])", _share),
    (rf"({'|'.join(map(re.escape, CURRENCIES))})\s?({NUMBER})\s?([千万亿]|百万|千万)?元?", _money),
    (rf"({NUMBER})\s?({'|'.join(map(re.escape, sorted(UNITS, key=len, reverse=True)))})(?![A-Za-z/])", lambda m: m[1] + UNITS[m[2]]),
    (r"(?<![\d/.])(\d+)/(\d+)(?![\d/])", lambda m: f"{cardinal(m[2])}分之{cardinal(m[1])}"),
    (r"(\d+)\s?:\s?(\d+)", lambda m: f"{cardinal(m[1])}比{cardinal(m[2])}"),
    (r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])", lambda m: "点".join(cardinal(part) for part in m[0].split("."))),
    (r"(?<=[A-Za-z])-?(\d{3,})(?!\d)", lambda m: digits(m[1])),  # a flight, a model: not counted
    (r"(?<![\dA-Za-z])-(?=\.?\d)", "负"),
    (rf"(?<![\d.,第])2(?={COUNTED})", "两"),
    (r"(?<!\d)\.(?=\d)", "0."),
    (NUMBER, lambda m: cardinal(m[0])),
    (r"(?<=\w)\s*\+\s*(?=\w)", "加"),
    (r"(?<=\w)\s*[×*]\s*(?=\w)", "乘"),
    (r"(?<=\w)\s*÷\s*(?=\w)", "除以"),
    (r"(?<=\w)\s*=\s*(?=\w)", "等于"),
    (r"(?<=\w)\s*&\s*(?=\w)", "和"),
]
COMPILED = [(re.compile(pattern), to) for pattern, to in RULES]


def normalise(text: str) -> str:
    """Chinese `text` (signs and digits in their half-width form) with no digit left in it."""
    for pattern, to in COMPILED:
        text = pattern.sub(to, text)
    return text
