"""What real English texts write short, each with its reading; the letter A by its name; time that grows with the length."""

import time

import pytest

from preprocessors.base import Utterance
from processors import g2p
from processors.numbers import normalise
from processors.spelling import name_letters
from processors.text import Phones

READ = {
    "times": [
        ("8 a.m.", "eight a m."),
        ("8 a.m. or 9 p.m. Monday", "eight a m or nine p m Monday"),
        ("5.30 pm, 10 AM", "five thirty p m, ten a m"),
        ("9 a.m.\u20135 p.m.", "nine a m to five p m."),
        ("8-10 a.m.", "eight to ten a m."),
        ("9am-5pm", "nine a m to five p m"),
        ("5:30:15 p.m. sharp", "five thirty and fifteen seconds p m sharp"),
        ("1:30:00", "one hour thirty minutes"),
        ("2:05:09", "two hours five minutes nine seconds"),
        ("2h 30m", "two hours thirty minutes"),
        ("in the a.m.", "in the a m."),
        ("24/7", "twenty-four seven"),
        ("Open 24/7.", "Open twenty-four seven."),
        ("John 3:16", "John three sixteen"),
    ],
    "dates": [
        ("2023/12/25", "December twenty-fifth, twenty twenty-three"),
        ("12.5.2023", "May twelfth, twenty twenty-three"),
        ("5/4/99", "May fourth, nineteen ninety-nine"),
        ("on 12/25", "on December twenty-fifth"),
        ("May 5-7", "May fifth to seventh"),
        ("2023-01", "January twenty twenty-three"),
        ("9/11", "nine eleven"),
        ("9/11/2001", "September eleventh, two thousand one"),
        ("2024-03-05T14:30:00Z", "March fifth, twenty twenty-four at fourteen thirty"),
        ("class of '99", "class of ninety-nine"),
        ("'05", "oh five"),
        ("the 90's", "the nineties"),
        ("mid-1960s", "mid-nineteen sixties"),
        ("Mon-Fri", "Monday to Friday"),
        ("2019-20", "twenty nineteen to twenty"),
        ("c. 1900", "circa nineteen hundred"),
        ("the XX century", "the twentieth century"),
    ],
    "money": [
        ("$1.5M", "one point five million dollars"),
        ("$1-2 million", "one to two million dollars"),
        ("$10-$20", "ten to twenty dollars"),
        ("$1.5\u20132.5bn", "one point five to two point five billion dollars"),
        ("$5K and $3T", "five thousand dollars and three trillion dollars"),
        ("-$1.5M", "minus one point five million dollars"),
        ("a $5 bill", "a five dollar bill"),
        ("$5/hour", "five dollars per hour"),
        ("5\u20ac, USD 5, 5 GBP", "five euros, five U S dollars, five pounds"),
        ("HK$5, \u20b9200", "five Hong Kong dollars, two hundred rupees"),
    ],
    "numbers": [
        ("10 000 km", "ten thousand kilometers"),
        ("10\u202f000 km", "ten thousand kilometers"),
        ("10\u00a0000\u2009km", "ten thousand kilometers"),
        ("1 000 000 people", "one million people"),
        ("1'000'000", "one million"),
        ("9-1-1", "nine one one"),
        ("call 911", "call nine one one"),
        ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
        ("020 7946 0958", "zero two zero, seven nine four six, zero nine five eight"),
        ("555 123 4567", "five five five, one two three, four five six seven"),
        ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
        ("978-0-306-40615-7", "nine seven eight, zero, three zero six, four zero six one five, seven"),
        ("\u2116 5 and No. 5", "number five and number five"),
        ("10-20% and 10%-20%", "ten to twenty percent and ten percent to twenty percent"),
        ("16:9", "sixteen to nine"),
        ("won 3-2", "won three to two"),
        ("50/50", "fifty fifty"),
        ("10/10", "ten out of ten"),
        ("2\u00bd, \u215e", "two and one half, seven eighths"),
        ("\u00b15, ~5, 18+, +5", "plus or minus five, about five, eighteen plus, plus five"),
        ("5+3=8", "five plus three equals eight"),
        ("x\u00b2, 10\u2076, 2^10", "x squared, ten to the power of six, two to the power of ten"),
        ("1.5\u00d710\u2076", "one point five times ten to the power of six"),
        ("5e-3", "five times ten to the power of minus three"),
        ("H\u2082O", "H two O"),
        ("DAj31g, ZT5pM, v2.5", "DAj thirty-one g, ZT five pM, v two point five"),
        ("4x4, 3 \u00d7 4", "four by four, three times four"),
        ("192.168.0.1", "one hundred ninety-two dot one hundred sixty-eight dot zero dot one"),
        ("v1.2.3", "v one point two point three"),
        (
            "3.14159265358979323846",
            "three point one four one five nine two six five three five eight nine seven nine three two three eight four six",
        ),
    ],
    "units": [
        ("5'11\"", "five feet eleven inches"),
        ("5\u203211\u2033 tall", "five feet eleven inches tall"),
        ("6' tall", "six feet tall"),
        ('a 12" pizza', "a twelve inch pizza"),
        ('"I am 12" he said', '"I am twelve" he said'),
        ("-5\u00b0F, 20\u00b0C-30\u00b0C", "minus five degrees Fahrenheit, twenty degrees Celsius to thirty degrees Celsius"),
        ("5 k\u03a9, 10 \u00b5m, 10 \u03bcs", "five kilohms, ten micrometers, ten microseconds"),
        ("30 m\u00b2, 1 m\u00b3", "thirty square meters, one cubic meter"),
        ("5 m/s, 3 mg/kg", "five meters per second, three milligrams per kilogram"),
        ("a 5-km run", "a five kilometer run"),
        ("5 ft. tall", "five feet tall"),
        ("1905 km", "one thousand nine hundred five kilometers"),
    ],
    "Roman": [
        ("Rocky III", "Rocky three"),
        ("Apollo XIII", "Apollo thirteen"),
        ("King Charles III", "King Charles the third"),
        ("WWII", "World War two"),
        ("Episode IV", "Episode four"),
        ("chapter xii", "chapter twelve"),
        ("Pope Benedict XVI", "Pope Benedict the sixteenth"),
        ("Type C", "Type C"),
        ("Size XL", "Size XL"),
        ("the IV drip", "the IV drip"),
        ("I am", "I am"),
    ],
    "abbreviations": [
        ("The U.S. and the U.K. are", "The U S and the U K are"),
        ("in the U.S.", "in the U S."),
        ("the U.S. Then", "the U S. Then"),
        ("the U.S. Army", "the U S Army"),
        ("a Ph.D. student", "a P H D student"),
        ("J.K. and J. K. Rowling", "J K and J K Rowling"),
        ("George W. Bush", "George W Bush"),
        ("plan B. Bob left", "plan B. Bob left"),
        ("e.g., this; i.e., that", "for example, this; that is, that"),
        ("Washington D.C. is", "Washington D C is"),
        ("Acme Inc. The", "Acme Incorporated. The"),
        ("Acme Inc. said", "Acme Incorporated said"),
        ("Mulholland Dr. is", "Mulholland Drive is"),
        ("Dr. No", "Doctor No"),
        ("No. They", "No. They"),
        ("No. I think", "No. I think"),
        ("pp. 5-10", "pages five to ten"),
        ("30 sec. ago", "thirty seconds ago"),
        ("A vs B", "A versus B"),
        ("w/o milk", "without milk"),
    ],
    "addresses": [
        ("visit example.com today", "visit example dot com today"),
        ("See www.example.com/a-b.", "See w w w dot example dot com slash a dash b."),
        ("https://example.com", "example dot com"),
        ("a.b@c.co.uk", "a dot b at c dot co dot uk"),
        ("report.pdf, Node.js", "report dot pdf, Node dot js"),
        ("@user #winning", "at user hashtag winning"),
        ("C#, C++", "C sharp, C plus plus"),
    ],
}


@pytest.mark.parametrize(("written", "read"), [case for cases in READ.values() for case in cases])
def test_what_is_written_short_is_read_in_words(written, read):
    assert normalise(written) == read


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("\uff21\uff22\uff23 \uff11\uff12", "ABC 12"),
        ("25 \u2103", "25 degrees Celsius"),
        ("100\u2109", "100 degrees Fahrenheit"),
        ("Rocky \u2162", "Rocky 3"),
        ("\u2460 and \u3397", "1 and dl"),
        ("\U0001d400lpha", "Alpha"),
        ("\ufb01re", "fire"),
        ("cafe\u0301", "café"),
        ("it\u00b4s", "it's"),
        ("zero\u200bwidth", "zerowidth"),
        ("one\x00two", "one two"),
        ("10\u207b\u00b3", "ten to the power of minus three"),
    ],
)
def test_characters_in_another_form_are_read_as_the_plain_ones(written, same):
    assert g2p.espeak(written) == g2p.espeak(same)


PAUSED = [
    "The U.S. and us",
    "a Ph.D. student",
    "at example.com now",
    "at 8 a.m. sharp",
    "J. K. Rowling",
    "Mr. Smith et al. say",
    "No. 5 is",
    "5 ft. tall",
    "10:30",
    "9-1-1 now",
]


@pytest.mark.parametrize("text", PAUSED)
@pytest.mark.parametrize("settings", [{}, {"symbols": "vits"}, {"symbols": "amphion-espeak"}, {"g2p": "lexicon"}])
def test_no_pause_inside(text, settings):
    if settings.get("g2p"):
        pytest.importorskip("pocketsphinx")
    tokens = Phones(**settings)(Utterance("a", text=text)).tolist()
    assert not g2p.MARKS & set(tokens), tokens


# The letter A

LETTERS = [
    "vitamin A",
    "Vitamin A is good",
    "plan A",
    "A is for apple",
    "I got an A on it",
    "A B C",
    "eight a m",
    "the U S A",
    "in A minor",
    "A, B and C",
    "A4",
    "group A.",
    "from A to Z",
]
ARTICLES = [
    "A cat",
    "Once Upon A Time",
    "THIS IS A TEST",
    "A minor problem",
    "twice a day",
    "vitamin C a day",
    "a",
    "What is a?",
    "A's",
]


@pytest.mark.parametrize("text", LETTERS)
@pytest.mark.parametrize("settings", [{}, {"symbols": "vits"}, {"symbols": "amphion-espeak"}, {"g2p": "lexicon"}])
def test_the_letter_has_its_name(text, settings):
    if settings.get("g2p"):
        pytest.importorskip("pocketsphinx")
    said = "".join(Phones(**settings)(Utterance("a", text=text)))
    assert ("EY" if settings.get("g2p") else "eɪ") in said.replace("ˈ", "")


@pytest.mark.parametrize("text", LETTERS)
def test_a_letter_is_found(text):
    assert name_letters(normalise(text)) != normalise(text)


@pytest.mark.parametrize("text", ARTICLES)
def test_an_article_is_none(text):
    assert name_letters(normalise(text)) == normalise(text) or text == "a"


# Time


REPEATED = [
    " ",
    "\n",
    "1",
    "12 ",
    "1,",
    "1,111",
    "1.",
    "1-",
    "1/",
    "1:",
    "1'",
    '"',
    '1"',
    "-",
    "\u2014",
    " \u2014 ",
    "(",
    "a",
    "A ",
    "A. ",
    "a.b",
    "a@",
    "a/",
    "www.",
    "$1",
    "+1 ",
    "1 000 ",
    "etc.",
    "U.S. ",
    "St. ",
    "IV ",
    "#",
    "x\u00b2",
    "\u00bd1",
    "1%",
    "1 km",
    "'",
    "...",
    "!",
    "e.g.",
    "example.com ",
    "May 5-",
    "8 a.m. ",
    "0800 ",
    "a" * 70 + "@",
]


def seconds(text):
    begun = time.process_time()
    name_letters(normalise(text))
    return time.process_time() - begun


@pytest.mark.parametrize("piece", REPEATED)
def test_time_grows_with_the_length_alone(piece):
    short = piece * (4000 // len(piece))
    long = piece * (32000 // len(piece))
    assert seconds(long) < max(20 * min(seconds(short), seconds(short)), 0.3), piece
