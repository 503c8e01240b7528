"""Chinese text with everything that is not spelt as a word written out: numbers, dates, times, money, telephone numbers.

cn2an says the numbers themselves; which kind of number stands there is found here, by the signs and words around it.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from processors.rules import Rule, any_of, applied, compiled
from processors.spelling import roman

DIGITS = "零一二三四五六七八九"
NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,5}(?!\d)|\d{1,16})(?:\.\d{1,16})?"  # bounded, so that the time grows with the length
YEAR = r"(?!1000)(?:1\d|2[01])\d\d"  # "1000年" is a span of time, "1998年" a year
LONGEST = 16  # digits that cn2an counts; no name for more is in use

CURRENCIES = {"HK$": "港元", "US$": "美元", "$": "美元", "¥": "元", "€": "欧元", "£": "英镑"}
UNITS = {
    "km/h": "公里每小时", "m/s": "米每秒", "km2": "平方公里", "m2": "平方米", "m3": "立方米", "km": "公里", "cm": "厘米", "mm": "毫米",
    "m": "米", "kg": "公斤", "mg": "毫克", "g": "克", "ml": "毫升", "mL": "毫升", "L": "升", "°C": "摄氏度", "°F": "华氏度", "°": "度",
    "kWh": "千瓦时", "kW": "千瓦", "W": "瓦", "V": "伏", "Hz": "赫兹", "kHz": "千赫兹", "MHz": "兆赫兹", "GHz": "吉赫兹", "h": "小时",
    "min": "分钟", "s": "秒", "Ω": "欧姆", "kΩ": "千欧", "µm": "微米", "μm": "微米",
    "nm": "纳米", "dB": "分贝", "GB": "吉字节", "MB": "兆字节", "TB": "太字节",
    "kB": "千字节", "KB": "千字节", "kcal": "千卡", "kPa": "千帕", "mA": "毫安", "mAh": "毫安时",
}  # fmt: skip
# What is counted with 两 and not 二. "2月" is February and "2号" the second: neither is here.
COUNTED = (
    "个|只|条|件|张|本|台|辆|位|名|家|种|次(?!方)|遍|回|天|年(?!级)|周|岁|点|块|元|角|米|公里|公斤|厘米|毫米|倍|杯|瓶|碗|间|座|栋|层|斤|克|吨|"
    "夜|晚|升|小时|分钟|秒|美元|欧元|英镑|港元|平方|立方|头|匹|朵|棵|颗|封|份|场|句|首|把|双|对|套|门|支|根|口|篇|片|万|千|亿"
)
SCALES = {"K": 10**3, "k": 10**3, "M": 10**6, "m": 10**6, "B": 10**9, "bn": 10**9}
SQUARES = {"²": "平方", "³": "立方"}
POWERS = {"2": "平方", "3": "立方"}
LENGTHS = {"km": "公里", "m": "米", "dm": "分米", "cm": "厘米", "mm": "毫米"}
# What is measured, and what it is measured by: 米/秒 and 元/斤, not 男/女.
PER = (
    r"(?<=[米里克斤升元块角个次人度瓦时兆千位])/"
    r"(?=\d{1,3}[天日周月年]|袋|箱|包|支|套|页|间|秒|分|小时|时|天|日|周|月|年|斤|公斤|克|千克|升|毫升|平方|立方|米|人|个|次|件|吨|亩|瓶|张|盒|夜|晚|股|度|kg|L)"
)
SIGNS = {
    "±": "正负", "≥": "大于等于", "≤": "小于等于", "≈": "约等于", "≠": "不等于", ">": "大于", "<": "小于", "√": "根号", "π": "派", "∞": "无穷大",
}  # fmt: skip
GREEK = {
    "α": "阿尔法", "β": "贝塔", "γ": "伽马", "δ": "德尔塔", "ε": "艾普西龙", "θ": "西塔", "λ": "兰姆达", "μ": "缪", "σ": "西格玛",
    "φ": "斐", "ω": "欧米伽", "Ω": "欧米伽", "Δ": "德尔塔", "Σ": "西格玛",
}  # fmt: skip
SERIES = "歼|运|轰|直|苏|米格|东风|长征|神舟|嫦娥|天宫|天舟|巨浪|天问"  # machines that carry a number
WON = "战胜|击败|获胜|取胜|险胜|大胜|完胜|力克|领先|落后|负于|不敌|逆转|打平|战平|淘汰|取得|赢|输|的比分"
CALLED = (
    "拨打|拨|致电|电话|热线|客服|号码|QQ号?|微信号?|账号|卡号|尾号|编号|学号|密码|验证码|邮编|邮政编码|证号码?|订单号|单号|车牌号?|房号|门牌号|"
    r"群号|打(?=1[12][0249](?![\d年月日天个人元块米次分秒小公]))"
)
CIRCLED = r"[\u2460-\u2473\u24ea\u24f5-\u24fe\u2776-\u277f\u3251-\u325f\u32b1-\u32bf]"


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


def _circled(match: re.Match) -> str:
    """①②③ are labels, not 123; a pause parts one from the text behind it."""
    labels = [cardinal(unicodedata.normalize("NFKC", sign)) for sign in match[0]]
    is_long = any(len(label) > 1 for label in labels)
    pause = "," if is_long else ""
    words = pause.join(labels)
    end = match.end()
    after = match.string[end : end + 1]
    return f"{words}," if after.isalnum() else words


def _power(match: re.Match) -> str:
    exponent = unicodedata.normalize("NFKC", match[2]).replace("\u2212", "-")
    words = POWERS.get(exponent, f"{exponent}次方")
    return f"{match[1]}的{words}"


def _scaled(match: re.Match) -> str:
    symbol, amount, scale = match.groups()
    whole = int(Decimal(amount.replace(",", "")) * SCALES[scale])
    return f"{symbol}{whole}"


def _long(match: re.Match) -> str:
    whole, point, part = match[0].partition(".")
    return f"{cardinal(whole)}点{digits(part)}" if point else digits(whole)


def _telephone(match: re.Match) -> str:
    groups = re.findall(r"\d+", match[0])
    if len(groups) == 1 and len(groups[0]) == 11:  # a mobile's eleven digits are said in threes and fours
        groups = [groups[0][:3], groups[0][3:7], groups[0][7:]]
    return ",".join(map(_called_digits, groups)) + " "


def _called(match: re.Match) -> str:
    return match[1] + _called_digits(match[2])


def _called_digits(number: str) -> str:
    """A number that is called has another name for its ones."""
    return digits(number).replace("一", "幺")


def _counted(number: str) -> str:
    """A number of a clock or a calendar: "05" is "五"."""
    return cardinal(str(int(number)))


def _date(match: re.Match) -> str:
    year, _, month, day = match.groups()
    return f"{digits(year)}年{_counted(month)}月{_counted(day)}日"


def _time(match: re.Match) -> str:
    hour, minute, second = match.groups()
    hours = "两" if int(hour) == 2 else _counted(hour)
    words = f"{hours}点"
    if minute != "00" and minute[0] == "0":
        words += "零"
    if minute != "00" or second:
        words += f"{_counted(minute)}分"
    if second:
        words += f"{_counted(second)}秒"
    return words


def _money(match: re.Match) -> str:
    symbol, amount, scale = match.groups()
    if "." in amount:
        amount = re.sub(r"(\.\d*?)0+$", r"\1", amount).rstrip(".")
    return f"{amount}{scale or ''}{CURRENCIES[symbol]}"


def _share(match: re.Match) -> str:
    minus, amount, sign = match.groups()
    whole = "百分之" if sign == "%" else "千分之"
    return f"{'负' if minus else ''}{whole}{cardinal(amount)}"


# Before characters are brought into one form: 3² is not 32, nor ①② 12.
WRITTEN: list[Rule] = [
    (rf"(?<=[{DIGITS}〇十])[○◯]|[○◯](?=[{DIGITS}〇十○◯])", "〇"),
    (rf"{CIRCLED}{{1,50}}", _circled),
    (r"[\u2160-\u216b]{1,6}", lambda m: str(roman(unicodedata.normalize("NFKC", m[0])))),
    (rf"(?<![A-Za-z])({any_of(LENGTHS)})([²³])", lambda m: SQUARES[m[2]] + LENGTHS[m[1]]),
    (r"㎡", "平方米"),
    (r"㎥", "立方米"),
    (r"(\d|(?<![A-Za-z])[A-Za-z]|[)）])(\u207b?[\u00b9\u00b2\u00b3\u2070-\u2079]{1,9})", _power),
    (r"(\d|(?<![A-Za-z])[A-Za-z]|[)）])\^(-?\d{1,9}|[A-Za-z])", _power),
    (r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])", "又"),
    (r"[\u00bc-\u00be\u2150-\u215e]", lambda m: unicodedata.normalize("NFKC", m[0]).replace("\u2044", "/")),
]
RULES: list[Rule] = [
    (rf"((?:{CALLED})(?:是|为)?:?\s?)(\d{{17,24}})(?!\d)", _called),
    (r"\d{1,16}\.\d{17,}|\d{17,}", _long),
    (r"(?<!\d)((?:[1-9]0[、,]){1,5})(?=[1-9]0后)", lambda m: ",".join(map(digits, re.findall(r"\d+", m[0]))) + ","),
    (r"(?<!\d)(1[12][0249])(?=报警|急救|救护|火警|查号|指挥中心)", lambda m: _called_digits(m[1])),
    (r"(?<!\d)(618|520|315|1024)(?=大促|购物节|晚会|活动|表白|当天|年中|告白|程序员节)", lambda m: digits(m[1])),
    (r"双(11|12)(?!\d)", lambda m: "双" + {"11": "十一", "12": "十二"}[m[1]]),
    (r"(?<![\d.])([1-9])([1-9])(?=折)", lambda m: digits(m[0])),
    (r"(?<=\d米)(\d\d)(?!\d|[米元个岁年月日号人分%])", lambda m: digits(m[1])),
    (r"(?<=[\d万亿千百])\+(?!\s?\w)", "加"),
    (r"(?<!\d)(\d{1,2})[·.](\d{1,2})(?=事件|运动|事变|惨案|[大特]?地震|假期|黄金周|劳动节|购物节)", lambda m: digits(m[1] + m[2])),
    (rf"({YEAR})(?=[QqHh][1-4])", lambda m: digits(m[1])),
    (r"(?<!\d)((?:20)?\d\d)[/-](\d\d)(?=赛季)", lambda m: digits(m[1] + m[2])),
    (r"(?<![\d:])([01]?\d:[0-5]\d)\s?([AaPp])\.?[Mm]\b\.?", lambda m: ("上午" if m[2] in "Aa" else "下午") + m[1]),
    (r"(?<=\d)\s*[-~]\s*(?=-\d)", "到"),
    (r"(?<=/)(kg|km|m|L|g)(?![A-Za-z\d])", lambda m: UNITS[m[1]]),
    (r"(?<!\d)7-11(?=便利|店|超市)", "七幺幺"),
    (r"(波音|空客A?|歼|麦道)-?(\d{3})(?!\d)", lambda m: f"{m[1]}{digits(m[2])}"),
    (rf"({SERIES})-(?=\d)", r"\1"),
    (rf"(?<=以)(\d{{1,3}})[-:](\d{{1,3}})(?={WON})", lambda m: f"{cardinal(m[1])}比{cardinal(m[2])}"),
    (r"(?<=[一二三四五六日末初底])\s?[-~]\s?(?=周|星期|礼拜|月)", "到"),
    (r"(?<!\d)(\d{1,2})'(\d{1,2})\"", lambda m: f"{cardinal(m[1])}英尺{cardinal(m[2])}英寸"),
    (r"(?<![\d.,+-])(?<!\d )[1-9]\d{0,2}(?: \d{3}){1,4}(?![\d.-])(?! \d)", lambda m: m[0].replace(" ", "")),
    (r"第([IVX]{1,6})(?=[\u3400-\u9fff]|$)", lambda m: f"第{roman(m[1])}"),
    (r"(?:№|\b(?:No|NO)\.?) ?(?=\d)", "第"),
    (r"(?<![\d/])24/7(?![\d/])", "二十四七"),
    (r"(?<!\d)((?:[0-2]0|[5-9][05]))(?=后(?![天来面边续置]))", lambda m: digits(m[1])),
    (r"(?<!\d)(911(?=事件)|996(?!\d))", lambda m: digits(m[1])),
    (r"(?<!\d)((?:985|211)(?=[高工大院、和])|(?:12306|10086|10010|12315|12333)(?!\d))", lambda m: _called_digits(m[1])),
    (rf"(?<!\d)({YEAR})-(0[1-9]|1[0-2])(?![\d-])", lambda m: f"{digits(m[1])}年{cardinal(str(int(m[2])))}月"),
    (r"(?<!\d)(\d{3,4})(?=室|房间|号房|路公交|路车|路(?![径程人标面线口]))", lambda m: _called_digits(m[1])),
    (r"(比分(?:是|为)?|战成|踢成) ?(\d{1,3})[-:](\d{1,3})", lambda m: f"{m[1]}{cardinal(m[2])}比{cardinal(m[3])}"),
    (rf"({NUMBER}) ?[-~] ?({NUMBER}) ?%", lambda m: f"百分之{cardinal(m[1])}到{cardinal(m[2])}"),
    (r"(\d) ?- ?(\d{1,16}) ?(?==)", r"\1减\2"),
    (rf"((?:{any_of(CURRENCIES)}) ?)({NUMBER}) ?(K|k|M|m|B|bn)(?![A-Za-z])", _scaled),
    (r"(?<=[日号月年点分时天岁元米度]) ?[-~] ?(?=\d)", "到"),
    (r"\bwww\.", "www点"),
    (r"(?<=[A-Za-z0-9])\.(?=(?:com|cn|net|org|edu|gov|io|html|pdf|js|py)\b)", "点"),
    (r"(?<=\w)@(?=\w)", "艾特"),
    (r"(?<![A-Za-z])((?:[A-Za-z]\.){2,10})", lambda m: m[1].replace(".", "").upper()),
    (r"\u2044", "/"),
    (r"[\u2013\u2212\u301c]|(?<=\d)\u2014(?=\d)", "-"),
    (r"\u2014+", ","),
    (rf"(?<!\d)({YEAR})([-./])(0?[1-9]|1[0-2])\2(0?[1-9]|[12]\d|3[01])(?!\d)", _date),
    (rf"(?<![\d.])({YEAR})(?=\s*年|\s*[-~至到]\s*{YEAR}\s*年)", lambda m: digits(m[1])),
    (rf"(?<=[{DIGITS}])\s*[-~]\s*(?=[{DIGITS}]{{4}}\s*年)", "到"),
    (r"(?<![\d.])(0\d|[7-9][1-9])(?=年(?![前后来间级]))", lambda m: digits(m[1])),
    (r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)|(?<!\d)(?:0\d{2,3}|[48]00)-\d{3,4}-?\d{3,4}(?!\d)", _telephone),
    (r"\+86-\d{2,3}-\d{7,8}(?!\d)", _telephone),
    (rf"((?:{CALLED})(?:是|为)?:?\s?)(\d{{3,16}})(?!\d)", _called),
    (r"(?:(?<=[\d%])|(?<=°C))\s*[-~]\s*(?=\d)", "到"),
    (r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])", _time),
    (rf"(?<![\dA-Za-z])-\s?(?={NUMBER}(?:到-?{NUMBER})?\s?(?:°C|度))", "零下"),
    (rf"(?:(?<![\dA-Za-z])(-))?({NUMBER})\s?([%‰])", _share),
    (rf"({any_of(CURRENCIES)})\s?({NUMBER})\s?([千万亿]|百万|千万)?元?", _money),
    (rf"({NUMBER}[千万亿]?)\s?({any_of(UNITS)})(?![A-Za-z]|/[A-Za-z])",
     lambda m: m[1] + UNITS[m[2]]),
    (r"°C(?![A-Za-z])", "摄氏度"),
    (PER, "每"),
    (r"(?<![\d/.])(\d{1,16})又(\d{1,16})/(\d{1,16})(?![\d/])", lambda m: f"{cardinal(m[1])}又{cardinal(m[3])}分之{cardinal(m[2])}"),
    (r"(?<![\d/.])(\d{1,16})/(\d{1,16})(?![\d/])", lambda m: f"{cardinal(m[2])}分之{cardinal(m[1])}"),
    (r"(\d{1,16})\s?:\s?(\d{1,16})", lambda m: f"{cardinal(m[1])}比{cardinal(m[2])}"),
    (r"(?<![\d.])\d{1,16}(?:\.\d{1,16}){2,9}(?![\d.])", lambda m: "点".join(cardinal(part) for part in m[0].split("."))),
    (r"(?<=[A-Za-z])-?(\d{3,16})(?!\d)", lambda m: digits(m[1])),  # a flight, a model: not counted
    (r"(?<![\dA-Za-z])-(?=\.?\d)", "负"),
    (r"(?<![\w)])\+(?=\.?\d)", "正"),
    (f"[{''.join(SIGNS)}]", lambda m: SIGNS[m[0]]),
    (f"[{''.join(GREEK)}]", lambda m: GREEK[m[0]]),
    (rf"(?<![\d.,第])2(?={COUNTED})", "两"),
    (r"(?<!\d)\.(?=\d)", "0."),
    (NUMBER, lambda m: cardinal(m[0])),
    (r"(?<=\w)\s*\+\s*(?=\w)", "加"),
    (r"(?<=\w)\s*[×*]\s*(?=\w)", "乘"),
    (r"(?<=\w)\s*÷\s*(?=\w)", "除以"),
    (r"(?<=\w)\s*=\s*(?=\w)", "等于"),
    (r"(?<=\w)\s*&\s*(?=\w)", "和"),
]
FIRST = compiled(WRITTEN)
THEN = compiled(RULES)


def unify(text: str) -> str:
    """`text` with signs and digits in their half-width form, after those that would become others have been said."""
    text = applied(FIRST, text)
    return unicodedata.normalize("NFKC", text.replace("…", "."))  # "㎏" becomes "kg"


def normalise(text: str) -> str:
    """Chinese `text` as `unify` gives it with no digit left in it."""
    return applied(THEN, applied(FIRST, text))
