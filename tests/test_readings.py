"""More of what English and Chinese texts write short, each with its reading."""

import time

import pytest

from processors import chinese_numbers, g2p
from processors.abbreviations import words_of
from processors.duration import silent
from processors.numbers import normalise
from processors.phonemes import phones_of
from processors.script import lines
from processors.text import Phones

READ = [
    ("Wake me on Dec 25.", "Wake me on December twenty-fifth."),
    ("25 Dec 2020", "the twenty-fifth of December twenty twenty"),
    ("05-Jan-2021", "the fifth of January twenty twenty-one"),
    ("Jan 1-Feb 3", "January first to February third"),
    ("Jan-Mar", "January to March"),
    ("Monday-Friday", "Monday to Friday"),
    ("in 1066 William", "in ten sixty-six William"),
    ("in 800 AD, AD 79", "in eight hundred A D, A D seventy-nine"),
    ("10:00-11:30 a.m. daily", "ten to eleven thirty a m daily"),
    ("0900 hours", "oh nine hundred hours"),
    ("24:00", "twenty-four hundred"),
    ("the 2020/21 season", "the twenty twenty twenty-one season"),
    ("the 19th c. was", "the nineteenth century was"),
    ("€5,50 and 7,20 €", "five euros and fifty cents and seven euros and twenty cents"),
    ("€1.000,50", "one thousand euros and fifty cents"),
    ("₹1,00,000", "one hundred thousand rupees"),
    ("a $3.5-million deal", "a three point five million dollar deal"),
    ("CHF 100, 100 CAD", "one hundred Swiss francs, one hundred Canadian dollars"),
    ("R$50", "fifty reais"),
    ("£1,000 p.a. now", "one thousand pounds per annum now"),
    ("5ft 11in", "five feet eleven inches"),
    ("6 ft 2 in tall", "six feet two inches tall"),
    ("9.8 m/s² or 9.8 m/s^2", "nine point eight meters per second squared or nine point eight meters per second squared"),
    ("1,000 sq. ft. big", "one thousand square feet big"),
    ("2 tbsp sugar, 1 tsp. salt", "two tablespoons sugar, one teaspoon salt"),
    ("50 Mb/s", "fifty megabits per second"),
    ('1/4" thick', 'one quarter inch thick'),
    ('1-1/2" thick', 'one and one half inches thick'),
    ("1/2 km, 2 1/2 km", "one half kilometer, two and one half kilometers"),
    ('8.5" x 11"', 'eight point five inches by eleven inches'),
    ("8½ x 11", "eight and one half by eleven"),
    ("5 cm x 10 cm", "five centimeters by ten centimeters"),
    ("40°N", "forty degrees north"),
    ("40° 26′ 46″ N", "forty degrees twenty-six minutes forty-six seconds north"),
    ("BP of 120/80 mmHg", "BP of one hundred twenty over eighty millimeters of mercury"),
    ("1/100 and 3/1000", "one hundredth and three thousandths"),
    ("2/3rds", "two thirds"),
    ("rated 4.5/5", "rated four point five out of five"),
    ("20/40 vision", "twenty forty vision"),
    ("1.234,56", "one thousand two hundred thirty-four point five six"),
    ("100s of them", "hundreds of them"),
    ("5m people", "five million people"),
    ("10 - 3 = 7", "ten minus three equals seven"),
    ("+/-5", "plus or minus five"),
    (">90%, <5", "greater than ninety percent, less than five"),
    (">= 5", "greater than or equal to five"),
    ("~5%", "about five percent"),
    ("x^2 + 2x = 3", "x squared plus two x equals three"),
    ("3x/week", "three times per week"),
    ("1080p", "ten eighty p"),
    ("1920x1080", "nineteen twenty by ten eighty"),
    ("H2SO4, CO₂, C6H12O6", "H two S O four, C O two, C six H twelve O six"),
    ("Fe³⁺", "Fe three plus"),
    ("Boeing 747", "Boeing seven forty-seven"),
    ("Highway 101", "Highway one oh one"),
    ("Room 305", "Room three oh five"),
    ("Python 3.11", "Python three point eleven"),
    ("Ubuntu 22.04", "Ubuntu twenty-two point oh four"),
    ("Psalm 119:105", "Psalm one hundred nineteen one hundred five"),
    ("123 Main St. is", "one twenty-three Main Street is"),
    ("5 E. 42nd St., NY 10017", "five East forty-second Street, NY one zero zero one seven"),
    ("42nd St", "forty-second Street"),
    ("at St. John's St. now", "at Saint John's Street now"),
    ("zip code 90210", "zip code nine zero two one zero"),
    ("1-800-FLOWERS", "one, eight hundred, FLOWERS"),
    ("a 911 call", "a nine one one call"),
    ("555-0199 ext. 12", "five five five, zero one nine nine extension twelve"),
    ("401(k)", "four oh one K"),
    ("1.2.3.4.5", "one point two point three point four point five"),
    ("Eq. (5)", "equation (five)"),
    ("Op. 27 No. 2", "opus twenty-seven number two"),
    ("Vols. I-III", "volumes one to three"),
    ("Type I and II", "Type one and two"),
    ("Elizabeth II's", "Elizabeth the second's"),
    ('two Ph.D.s', "two P H D's"),
    ('the IMF and VIPs', "the I M F and V I P's"),
    ("E. coli", "E coli"),
    ("I.e., this", "that is, this"),
    ("viz. this", "namely this"),
    ("Roe v. Wade", "Roe versus Wade"),
    ("c/o him", "care of him"),
    ("C♯ and B♭", "C sharp and B flat"),
    ("He came - and left", "He came, and left"),
    ("an A- average", "an A minus average"),
]


@pytest.mark.parametrize(("written", "read"), READ)
def test_english_is_read_as_a_careful_speaker_would(written, read):
    assert normalise(written) == read


# Marks and signs of other languages


@pytest.mark.parametrize(
    ("language", "text", "mark"),
    [
        ("am", "ሰላም። ሰላም", "."),
        ("am", "ሰላም፣ ሰላም", ","),
        ("my", "မှာ၊ မှာ", ","),
        ("my", "မှာ။ မှာ", "."),
        ("ur", "گھر۔ گھر", "."),
        ("hy", "տուն։ տուն", "."),
        ("hi", "घर॥ घर", "."),
        ("he", "בית׃ בית", "."),
        ("el", "γάτα· γάτα", ";"),
        ("ru", "кот… кот", "."),
        ("ru", "кот — кот", ","),
        ("fr", "chat – chat", ","),
        ("de", "Katze - Katze", ","),
        ("ja", "ねこ｡ねこ", "."),
    ],
)
def test_marks_of_other_scripts_are_heard(language, text, mark):
    for speak in (g2p.espeak, g2p.characters):
        assert [token for token in speak(text, language) if token in g2p.MARKS] == [mark]


def test_a_hebrew_hyphen_is_not_named():
    assert g2p.espeak("בית־בית", "he") == g2p.espeak("בית בית", "he")


@pytest.mark.parametrize(("language", "text"), [("bn", "বাড়ি"), ("bn", "মেয়ে"), ("as", "যায়"), ("bpy", "বাড়ি")])
def test_a_bengali_letter_in_two_parts_is_the_same_letter(language, text):
    whole = text.replace("ড\u09bc", "\u09dc").replace("য\u09bc", "\u09df")
    assert g2p.espeak(text, language) == g2p.espeak(whole, language)
    assert "bindu" not in "".join(g2p.espeak(text, language))
    assert language != "bn" or g2p.espeak("বাড়ি", "bn")[-1] == "i"


def test_letters_keep_their_vowel_signs_and_tones():
    assert "".join(g2p.characters("लड़की", "hi")) != "".join(g2p.characters("लड़का", "hi"))
    assert "".join(g2p.characters("บ้าน", "th")) == "บ้าน"
    assert not silent("ी") and silent(",") and silent("_")
    assert g2p.characters("I ❤️ you 5️⃣", "de") == list("i_you_5")


@pytest.mark.parametrize("language", ["de", "fr", "ru", "hu", "hi"])
def test_a_power_is_no_longer_number(language):
    assert g2p.espeak("2^10", language) != g2p.espeak("210", language)


def test_phonemes_are_known_composed_or_not():
    phone = Phones()
    phone.restore({"symbols": ["<pad>", "sil", "_", "b", "o\u0303", "ç"]}, None)
    assert phones_of("bõç", "ipa", phone) == phones_of("bo\u0303c\u0327", "ipa", phone) == ["b", "o\u0303", "ç"]


@pytest.mark.parametrize(
    ("language", "text", "count"),
    [
        ("de", "Er wohnt in der Hauptstr. 5. Er ist alt.", 2),
        ("it", "Nacque nel sec. XII. Era povero.", 2),
        ("ru", "— Привет! — сказал он. — Пока.", 2),
        ("en", "The U.K. The U.S. Both are here.", 3),
    ],
)
def test_more_sentences_end_where_they_do(language, text, count):
    assert len(lines(text, language)) == count


def test_lists_of_abbreviations_hold_single_words():
    listed = [("de", "doch", 3), ("de", "die", 3), ("it", "c.so", 0), ("pt", "trad", 0), ("ru", "т.к", 0), ("ru", "после", 3)]
    for language, word, which in listed:
        assert word in words_of(language)[which], word


CHINESE = [
    ("80、90后", "八零,九零后"),
    ("歼-20和长征-5号", "歼二十和长征五号"),
    ("波音747", "波音七四七"),
    ("95折，8.5折", "九五折,八点五折"),
    ("302路", "三零二路"),
    ("打110报警，打120天", "打幺幺零报警,打一百二十天"),
    ("120急救", "幺二零急救"),
    ("身份证号110101199001011234", "身份证号幺幺零幺零幺幺九九零零幺零幺幺二三四"),
    ("以2-1击败", "以二比一击败"),
    ("周一-周五", "周一到周五"),
    ("5'11\"", "五英尺十一英寸"),
    ("α粒子", "阿尔法粒子"),
    ("1米75", "一米七五"),
    ("10万+", "十万加"),
    ("9·11事件", "九一一事件"),
    ("20万km", "二十万公里"),
    ("-10~-5℃", "零下十到零下五摄氏度"),
    ("10:00AM", "上午十点"),
    ("NO.1", "第一"),
    ("2024Q1", "二零二四Q一"),
    ("+86-10-12345678", "八六,幺零,幺二三四五六七八 "),
    ("1次/2天，5kg/袋，元/kg", "一次每两天,五公斤每袋,元每公斤"),
]


@pytest.mark.parametrize(("written", "read"), CHINESE)
def test_chinese_is_read_as_a_careful_speaker_would(written, read):
    pytest.importorskip("cn2an")
    assert chinese_numbers.normalise(g2p.clean(chinese_numbers.unify(written), "cmn")) == read


PIECES = ("80、", "1-", "1/", "9·", "以1-", "123 A", "1'", "+", "1x", "a-", " - ", "--", "H2", "40° ", "1/2 ", "VIP", "10:00", "1万")


@pytest.mark.parametrize("piece", PIECES)
def test_time_of_these_readings_grows_with_the_length_alone(piece):
    def seconds(text):
        begun = time.process_time()
        normalise(text)
        chinese_numbers.normalise(chinese_numbers.unify(text))
        return time.process_time() - begun

    short = piece * (4000 // len(piece))
    long = piece * (32000 // len(piece))
    assert seconds(long) < max(20 * min(seconds(short), seconds(short)), 0.3)
