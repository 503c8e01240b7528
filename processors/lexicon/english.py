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
    "₣": ("Swiss franc", "Swiss francs", "centime", "centimes"), "₺": ("lira", "lira", "", ""), "₴": ("hryvnia", "hryvnias", "", ""),
    "₱": ("peso", "pesos", "centavo", "centavos"), "฿": ("baht", "baht", "", ""), "₫": ("dong", "dong", "", ""),
    "₦": ("naira", "naira", "kobo", "kobo"), "R$": ("real", "reais", "centavo", "centavos"),
}  # fmt: skip
CODES = {
    "USD": "US$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "RUB": "₽", "KRW": "₩", "CHF": "₣", "CAD": "C$", "AUD": "A$",
    "NZD": "NZ$", "HKD": "HK$", "SGD": "S$", "BRL": "R$", "TRY": "₺",
}  # fmt: skip
DOLLARS = {
    "US": "U S", "C": "Canadian", "CA": "Canadian", "A": "Australian", "AU": "Australian", "NZ": "New Zealand", "HK": "Hong Kong",
    "S": "Singapore",
}  # fmt: skip
SCALES = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "MM": "million", "b": "billion", "B": "billion",
    "bn": "billion", "t": "trillion", "T": "trillion", "tn": "trillion", "trn": "trillion",
}  # fmt: skip
PER = {
    "h": "hour", "hr": "hour", "s": "second", "sec": "second", "min": "minute", "d": "day", "wk": "week", "mo": "month", "yr": "year",
    "kg": "kilogram", "g": "gram", "lb": "pound", "l": "liter", "L": "liter", "m": "meter", "km": "kilometer", "mi": "mile", "ft": "foot",
    "m²": "square meter", "m³": "cubic meter", "sqft": "square foot", "ml": "milliliter", "mL": "milliliter", "dl": "deciliter",
    "dL": "deciliter", "cm²": "square centimeter", "kWh": "kilowatt hour", "s²": "second squared", "in²": "square inch",
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
    "sq. ft": ("square foot", "square feet"),
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
    "tbsp": ("tablespoon", "tablespoons"), "tsp": ("teaspoon", "teaspoons"), "qt": ("quart", "quarts"), "gal": ("gallon", "gallons"),
    "fl oz": ("fluid ounce", "fluid ounces"), "fl. oz": ("fluid ounce", "fluid ounces"), "mpg": ("mile per gallon", "miles per gallon"),
    "mcg": ("microgram", "micrograms"), "kbit": ("kilobit", "kilobits"), "Mbit": ("megabit", "megabits"), "Gbit": ("gigabit", "gigabits"),
    "Kbps": ("kilobit per second", "kilobits per second"), "mbps": ("megabit per second", "megabits per second"),
    "Mb": ("megabit", "megabits"), "Gb": ("gigabit", "gigabits"), "PB": ("petabyte", "petabytes"), "µV": ("microvolt", "microvolts"),
    "mW": ("milliwatt", "milliwatts"), "MWh": ("megawatt hour", "megawatt hours"), "GWh": ("gigawatt hour", "gigawatt hours"),
    "TWh": ("terawatt hour", "terawatt hours"), "mmHg": ("millimeter of mercury", "millimeters of mercury"), "kN": ("kilonewton", "kilonewtons"),
    "mol": ("mole", "moles"), "GPa": ("gigapascal", "gigapascals"),
    "ppm": ("part per million", "parts per million"), "dpi": ("D P I", "D P I"), "px": ("pixel", "pixels"),
}  # fmt: skip
POWERS = {"²": "square", "³": "cubic"}
TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Dr": "Doctor", "Prof": "Professor", "Gen": "General", "Col": "Colonel",
    "Capt": "Captain", "Lt": "Lieutenant", "Sgt": "Sergeant", "Rev": "Reverend", "Gov": "Governor", "Sen": "Senator",
    "Jr": "Junior", "Sr": "Senior", "Ft": "Fort", "Mt": "Mount", "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road",
    "Co": "Company", "Ltd": "Limited", "Inc": "Incorporated", "Fig": "Figure", "Vol": "Volume", "Dept": "Department",
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Jun": "June", "Jul": "July", "Aug": "August", "Sept": "September",
    "Sep": "September", "Oct": "October", "Nov": "November", "Dec": "December",
    "Maj": "Major", "Adm": "Admiral", "Cpl": "Corporal", "Cmdr": "Commander", "Hon": "Honorable", "Pres": "President",
    "Rep": "Representative", "Corp": "Corporation", "Bros": "Brothers", "Univ": "University", "Hwy": "Highway", "Pkwy": "Parkway",
    "Apt": "Apartment", "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Thur": "Thursday",
    "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Messrs": "Messieurs", "Esq": "Esquire",
}  # fmt: skip
# Of these, those whose stop may end a sentence too.
AT_ENDS = _set(
    "Jr Sr Ave Blvd Rd Co Ltd Inc Dept Corp Bros Univ Hwy Pkwy Mon Tue Tues Wed Thu Thur Thurs Fri Sat Esq Jan Feb Mar Apr Jun Jul Aug Sept "
    "Sep Oct Nov Dec"
)
SHORT = {
    "e.g": "for example", "i.e": "that is", "etc": "et cetera", "vs": "versus", "approx": "approximately", "cf": "compare",
    "viz": "namely", "avg": "average", "dept": "department", "p.a": "per annum", "y.o": "years old",
}  # fmt: skip
NUMBERED = {  # before a number, or a Roman one
    "no": "number", "nos": "numbers", "p": "page", "pp": "pages", "fig": "figure", "figs": "figures", "vol": "volume", "vols": "volumes",
    "ch": "chapter", "sec": "section", "eq": "equation", "art": "article", "ext": "extension", "op": "opus",
    "para": "paragraph", "eqs": "equations", "secs": "sections", "chs": "chapters", "min": "minimum", "max": "maximum",
    "est": "established", "ste": "suite",
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
STARTERS = _set(
    "a after all also an and as at before but by did do does during each every few for from had has have he her here his how i if in is it "
    "its many most my no not now of on once one only or our she since so some such that the their then there these they this those to today "
    "two under until was we were what when where which while who why with yes yet you your both however because although though even "
    "another everyone nobody somebody perhaps maybe meanwhile later finally instead thus never nothing please let"
)
ENDINGS = (  # of names of sites and of files
    "com|org|net|edu|gov|mil|info|biz|io|ai|app|dev|tv|eu|uk|ca|de|fr|es|nl|ch|au|jp|cn|ru|br|se|pl|co|"
    "pdf|txt|doc|docx|xls|xlsx|py|js|html|htm|css|json|csv|xml|mp3|mp4|wav|flac|jpg|jpeg|png|gif|zip|gz|exe|md"
)
IN_ADDRESSES = {".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", ":": "colon", "?": "question mark", "=": "equals",
                "&": "and", "#": "hash", "%": "percent", "+": "plus", "~": "tilde"}  # fmt: skip
SIGNS = {
    "±": "plus or minus", "§§": "sections", "×": "times", "÷": "divided by", "≈": "about", "≠": "is not equal to", "≤": "less than or equal to",
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
# Capitals that are spelt, and that espeak would read.
SPELT = _set("ACLU APR ASL ECB ECG EKG EPA EPL ESL ETA ETF FAA ICU IMF IOC IPO IQ MBA NGO UAE VIP IED IVF EIN EMT UFC AFC AKA IEC")
# Chemical elements, those of two letters first.
ELEMENTS = (
    "He|Li|Be|Ne|Na|Mg|Al|Si|Cl|Ar|Ca|Sc|Ti|Cr|Mn|Fe|Co|Ni|Cu|Zn|Ga|Ge|As|Se|Br|Kr|Rb|Sr|Zr|Nb|Mo|Ag|Cd|Sn|Sb|Te|Xe|Cs|Ba|Pt|Au|Hg|Pb|Bi|"
    "H|B|C|N|O|F|P|S|K|V|I|U|W|Y"
)
BOOKS = (  # of the Bible: what follows is chapter and verse
    "Genesis|Exodus|Leviticus|Deuteronomy|Joshua|Judges|Ruth|Samuel|Kings|Chronicles|Job|Psalms?|Proverbs|Ecclesiastes|Isaiah|Jeremiah|"
    "Ezekiel|Daniel|Matthew|Mark|Luke|John|Acts|Romans|Corinthians|Galatians|Ephesians|Philippians|Colossians|Timothy|Hebrews|James|Peter|"
    "Revelation|Surah?"
)
# What carries a number that is said in pairs: "Room 305" is "three oh five".
PAIRED = (
    "Form|Room|Route|Highway|Hwy|Interstate|Flight|Boeing|Airbus|Suite|Apartment|Apt|Unit|Bus|Platform|Gate|Area code|Extension|Locker|Channel"
)
# Whose versions go on after 3.9 with 3.10.
VERSIONED = "[Vv]ersion|[Rr]elease|Python|iOS|macOS|Android|Ubuntu|Java|PHP|Node|Django|Firefox|Chrome|Kubernetes"
STREETS = "Street|Avenue|Road|Boulevard|Drive|Lane|Court|Place|Square|Way|Parkway|Terrace|Highway"
STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|DC|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA|RI|SC|SD|TN|TX|"
    "UT|VT|VA|WA|WV|WI|WY"
)
# Before these, "5m" is five million.
COUNTED = "people|users|views|viewers|followers|subscribers|copies|customers|visitors|jobs|homes|votes|miles|years|downloads|likes|dollars|euros"
DIRECTIONS = {"N": "north", "S": "south", "E": "east", "W": "west"}
