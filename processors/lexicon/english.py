"""What English writes short, and how it is read: months, money, units, titles, headings, signs."""

from __future__ import annotations


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
CURRENCIES = {  # symbol: (one, many, one hundredth, many hundredths)
    "$": ("dollar", "dollars", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"), "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""), "₹": ("rupee", "rupees", "paisa", "paise"), "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "₩": ("won", "won", "", ""), "₪": ("shekel", "shekels", "", ""), "₿": ("bitcoin", "bitcoins", "", ""),
}  # fmt: skip
CODES = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "RUB": "₽", "KRW": "₩"}
DOLLARS = {"US": "U S", "C": "Canadian", "CA": "Canadian", "A": "Australian", "AU": "Australian", "NZ": "New Zealand", "HK": "Hong Kong"}
SCALES = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "MM": "million", "b": "billion", "B": "billion",
    "bn": "billion", "t": "trillion", "T": "trillion", "tn": "trillion", "trn": "trillion",
}  # fmt: skip
PER = {
    "h": "hour", "hr": "hour", "s": "second", "sec": "second", "min": "minute", "d": "day", "wk": "week", "mo": "month", "yr": "year",
    "kg": "kilogram", "g": "gram", "lb": "pound", "l": "liter", "L": "liter", "m": "meter", "km": "kilometer", "mi": "mile", "ft": "foot",
    "m²": "square meter", "m³": "cubic meter", "sqft": "square foot", "ml": "milliliter", "mL": "milliliter", "dl": "deciliter",
    "dL": "deciliter", "cm²": "square centimeter", "kWh": "kilowatt hour",
}  # fmt: skip
WHOLE = "hour|second|minute|day|week|month|year|night|person|head|unit|share|barrel|ton|ounce|pound|gallon|mile|capita|cent"
UNITS = {  # unit: (one, many); only what nobody takes for a word
    "kph": ("kilometer per hour", "kilometers per hour"), "mph": ("mile per hour", "miles per hour"), "rpm": ("R P M", "R P M"),
    "bpm": ("B P M", "B P M"), "fps": ("frame per second", "frames per second"), "kbps": ("kilobit per second", "kilobits per second"),
    "Mbps": ("megabit per second", "megabits per second"), "Gbps": ("gigabit per second", "gigabits per second"),
    "km": ("kilometer", "kilometers"), "cm": ("centimeter", "centimeters"), "mm": ("millimeter", "millimeters"),
    "µm": ("micrometer", "micrometers"), "nm": ("nanometer", "nanometers"), "dm": ("decimeter", "decimeters"), "m": ("meter", "meters"),
    "kg": ("kilogram", "kilograms"), "mg": ("milligram", "milligrams"), "µg": ("microgram", "micrograms"), "g": ("gram", "grams"),
    "lbs": ("pound", "pounds"), "lb": ("pound", "pounds"), "oz": ("ounce", "ounces"), "ft": ("foot", "feet"), "yd": ("yard", "yards"),
    "yds": ("yard", "yards"), "mi": ("mile", "miles"), "in.": ("inch", "inches"), "sq ft": ("square foot", "square feet"),
    "sq km": ("square kilometer", "square kilometers"), "sq mi": ("square mile", "square miles"), "ha": ("hectare", "hectares"),
    "ml": ("milliliter", "milliliters"), "mL": ("milliliter", "milliliters"), "cl": ("centiliter", "centiliters"),
    "dl": ("deciliter", "deciliters"), "l": ("liter", "liters"), "L": ("liter", "liters"), "cc": ("cc", "cc"),
    "°C": ("degree Celsius", "degrees Celsius"), "° C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"), "° F": ("degree Fahrenheit", "degrees Fahrenheit"), "°": ("degree", "degrees"),
    "kHz": ("kilohertz", "kilohertz"), "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"), "Hz": ("hertz", "hertz"),
    "dB": ("decibel", "decibels"), "kB": ("kilobyte", "kilobytes"), "KB": ("kilobyte", "kilobytes"), "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"), "TB": ("terabyte", "terabytes"), "ns": ("nanosecond", "nanoseconds"),
    "µs": ("microsecond", "microseconds"), "ms": ("millisecond", "milliseconds"), "min": ("minute", "minutes"), "hrs": ("hour", "hours"),
    "hr": ("hour", "hours"), "h": ("hour", "hours"), "sec": ("second", "seconds"), "secs": ("second", "seconds"),
    "Ω": ("ohm", "ohms"), "kΩ": ("kilohm", "kilohms"), "MΩ": ("megohm", "megohms"), "mV": ("millivolt", "millivolts"),
    "V": ("volt", "volts"), "kV": ("kilovolt", "kilovolts"), "mA": ("milliamp", "milliamps"), "mAh": ("milliamp hour", "milliamp hours"),
    "W": ("watt", "watts"), "kW": ("kilowatt", "kilowatts"), "MW": ("megawatt", "megawatts"), "GW": ("gigawatt", "gigawatts"),
    "Wh": ("watt hour", "watt hours"), "kWh": ("kilowatt hour", "kilowatt hours"), "kJ": ("kilojoule", "kilojoules"),
    "kcal": ("kilocalorie", "kilocalories"), "cal": ("calorie", "calories"), "hPa": ("hectopascal", "hectopascals"),
    "kPa": ("kilopascal", "kilopascals"), "MPa": ("megapascal", "megapascals"), "psi": ("P S I", "P S I"), "hp": ("horsepower", "horsepower"),
    "ppm": ("part per million", "parts per million"), "dpi": ("D P I", "D P I"), "px": ("pixel", "pixels"),
}  # fmt: skip
POWERS = {"²": "square", "³": "cubic"}
TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Dr": "Doctor", "Prof": "Professor", "Gen": "General", "Col": "Colonel",
    "Capt": "Captain", "Lt": "Lieutenant", "Sgt": "Sergeant", "Rev": "Reverend", "Gov": "Governor", "Sen": "Senator",
    "Jr": "Junior", "Sr": "Senior", "Ft": "Fort", "Mt": "Mount", "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road",
    "Co": "Company", "Ltd": "Limited", "Inc": "Incorporated", "Fig": "Figure", "Vol": "Volume", "Dept": "Department",
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Aug": "August", "Sept": "September",
    "Sep": "September", "Oct": "October", "Nov": "November", "Dec": "December",
    "Maj": "Major", "Adm": "Admiral", "Cpl": "Corporal", "Cmdr": "Commander", "Hon": "Honorable", "Pres": "President",
    "Rep": "Representative", "Corp": "Corporation", "Bros": "Brothers", "Univ": "University", "Hwy": "Highway", "Pkwy": "Parkway",
    "Apt": "Apartment", "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Thur": "Thursday",
    "Thurs": "Thursday", "Fri": "Friday",
}  # fmt: skip
# Of these, those whose stop may end a sentence too.
AT_ENDS = _set(
    "Jr Sr Ave Blvd Rd Co Ltd Inc Dept Corp Bros Univ Hwy Pkwy Mon Tue Tues Wed Thu Thur Thurs Fri Jan Feb Mar Apr Aug Sept Sep Oct Nov Dec"
)
SHORT = {"e.g": "for example", "i.e": "that is", "etc": "et cetera", "vs": "versus", "approx": "approximately", "cf": "compare"}
NUMBERED = {  # before a number, or a Roman one
    "no": "number", "nos": "numbers", "p": "page", "pp": "pages", "fig": "figure", "figs": "figures", "vol": "volume", "vols": "volumes",
    "ch": "chapter", "sec": "section", "eq": "equation", "art": "article", "ext": "extension", "op": "opus",
    "para": "paragraph",
}  # fmt: skip
DEGREES = {
    "Ph.D": "P H D", "B.Sc": "B S C", "M.Sc": "M S C", "Ed.D": "E D D", "D.Phil": "D Phil", "LL.B": "L L B", "LL.M": "L L M",
    "B.Tech": "B Tech", "M.Eng": "M Eng", "Pharm.D": "Pharm D",
}  # fmt: skip
HEADINGS = (
    "Chapter|Part|Volume|Book|Act|Scene|Section|Phase|Stage|Type|World War|Super Bowl|Episode|Article|Appendix|Title|Level|Grade|Class|"
    "Group|Round|Lesson|Unit|Table|Figure|Page|Canto|Psalm|Division|Mark|Exhibit|Annex|Movement|Season|Category|Tier|Schedule|Stanza"
)
RULERS = (
    "Henry|Louis|Edward|George|Charles|James|Richard|William|Elizabeth|Mary|Philip|Pius|Paul|Napoleon|Alexander|Leo|Benedict|Nicholas|"
    "Catherine|Frederick|Ivan|Peter|Ferdinand|Francis|Gregory|Clement|Innocent|Urban|Wilhelm|Otto|Isabella|Margaret|Anne|Umberto|Emmanuel|"
    "Ramses|Darius|Xerxes|Constantine|Justinian|Harald|Olaf|Gustav|Christian|Leopold|Joseph|Sixtus|Julius|Boniface|Alfonso|Ptolemy"
)
CROWNS = "King|Queen|Pope|Emperor|Empress|Tsar|Czar|Kaiser|Sultan|Pharaoh|Prince|Princess|Duke"
# Words that begin many sentences and follow few abbreviations.
STARTERS = (
    "A|After|All|Also|An|And|As|At|Before|But|By|Did|Do|Does|During|Each|Every|Few|For|From|Had|Has|Have|He|Her|Here|His|How|I|If|In|Is|It|"
    "Its|Many|Most|My|No|Not|Now|Of|On|Once|One|Only|Or|Our|She|Since|So|Some|Such|That|The|Their|Then|There|These|They|This|Those|To|Today|"
    "Two|Under|Until|Was|We|Were|What|When|Where|Which|While|Who|Why|With|Yes|Yet|You|Your"
)
ENDINGS = (  # of names of sites and of files
    "com|org|net|edu|gov|mil|info|biz|io|ai|app|dev|tv|eu|uk|ca|de|fr|es|nl|ch|au|jp|cn|ru|br|se|pl|co|"
    "pdf|txt|doc|docx|xls|xlsx|py|js|html|htm|css|json|csv|xml|mp3|mp4|wav|flac|jpg|jpeg|png|gif|zip|gz|exe|md"
)
IN_ADDRESSES = {".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", ":": "colon", "?": "question mark", "=": "equals",
                "&": "and", "#": "hash", "%": "percent", "+": "plus", "~": "tilde"}  # fmt: skip
SIGNS = {
    "±": "plus or minus", "×": "times", "÷": "divided by", "≈": "about", "≠": "is not equal to", "≤": "less than or equal to",
    "≥": "greater than or equal to", "∞": "infinity", "√": "square root of", "→": "to", "§": "section", "‰": "per mille",
}  # fmt: skip
# What A names where it is a letter: "vitamin A", "plan A".
LETTERED = _set(
    "vitamin plan type group grade class hepatitis influenza section part appendix exhibit annex option point team side level schedule "
    "figure table room gate terminal block building platform unit column row string note key letter capital category tier series model "
    "question answer step phase zone wing formula protein case version product company person player variable item choice route line "
    "straight double triple big an the"
)
# What follows the letter, and never the article.
AFTER_LETTER = _set("is was and or to has had will can in of for with on by are were at as from the than but versus plus minus")
