"""Words as they are counted: what two texts may differ in without an error, and what they may not."""

import pytest

pytest.importorskip("whisper")

from evaluation.intelligibility import character_errors, word_errors
from evaluation.normalise import code_of, levelled, normaliser


def errors(target, heard, language="english", kind="standard"):
    """(wrong, of how many) words."""
    found = word_errors(*levelled(target, heard, language, kind))
    return int(found.numerator), int(found.denominator)


SIGNS = [  # language, a word, another that only its marks tell from it, how many words that is
    ("hindi", "लड़की", "लड़का", 1),
    ("hindi", "की", "के", 1),
    ("marathi", "नमस्ते", "नमस्ता", 1),
    ("bengali", "কি", "কী", 1),
    ("tamil", "பல்", "பால்", 1),
    ("telugu", "కల", "కాల", 1),
    ("malayalam", "കല", "കാല", 1),
    ("gujarati", "દિન", "દીન", 1),
    ("thai", "กิน", "กัน", 2),
    ("thai", "น้ำ", "นำ", 1),
    ("lao", "ກິນ", "ກັນ", 2),
    ("khmer", "កិន", "កាន", 2),
    ("yiddish", "פּאַן", "פּאָן", 1),
    ("vietnamese", "mà", "má", 1),
    ("turkish", "ısı", "isi", 1),
    ("german", "schon", "schön", 1),
    ("french", "pêcher", "pécher", 1),
    ("spanish", "año", "ano", 1),
    ("japanese", "か", "が", 1),
    ("korean", "물", "말", 1),
    ("chinese", "马", "妈", 1),
    ("russian", "мой", "мои", 1),
    ("hebrew", "שלום", "שלוש", 1),
    ("arabic", "كتاب", "كاتب", 1),
]


@pytest.mark.parametrize(("language", "word", "other", "many"), SIGNS)
def test_signs_that_are_heard_count(language, word, other, many):
    assert errors(word, word, language) == (0, many)
    assert errors(word, other, language)[0] >= 1
    assert character_errors(*levelled(word, other, language)).numerator >= 1


ALIKE = [
    ("chinese", "三二一", "3 2 1", 3),
    ("chinese", "我有三十个苹果", "我有30个苹果。", 7),
    ("chinese", "二零二四年五月三日", "2024年5月3日", 9),
    ("chinese", "两个人", "2个人", 3),
    ("chinese", "百分之五十", "50%", 5),
    ("chinese", "下午三点半", "下午3点半", 5),
    ("persian", "كتاب علي", "کتاب علی", 2),
    ("french", "Le cœur", "le coeur", 2),
    ("russian", "Ёлка", "елка", 1),
    ("hindi", "नमस्ते, दुनिया।", "नमस्ते दुनिया", 2),
    ("hindi", "क़लम", "क\u093cलम", 1),
    ("hindi", "१२३ घर", "123 घर", 2),
    ("bengali", "ড়", "ড\u09bc", 1),
    ("arabic", "كَتَبَ الوَلَدُ", "كتب الولد", 2),
    ("arabic", "مُحَمَّد", "محـــمد", 1),
    ("arabic", "أهلاً، كيف الحال؟", "أهلا كيف الحال", 3),
    ("hebrew", "שָׁלוֹם עֲלֵיכֶם", "שלום עליכם", 2),
    ("hebrew", 'צה"ל', "צה״ל", 1),
    ("persian", "می\u200cخواهم", "میخواهم", 1),
    ("vietnamese", "Tiếng Việt", "tie\u0302\u0301ng vie\u0323\u0302t", 2),
    ("turkish", "İSTANBUL'DA IŞIK", "istanbul'da ışık", 2),
    ("turkish", "I\u0307stanbul", "istanbul", 1),
    ("german", "Straße", "STRASSE", 1),
    ("german", "Drei, zwei, eins!", "3, 2, 1", 3),
    ("french", "L’eau, c'est peut-être bon !", "l'eau c'est peut être bon", 7),
    ("french", "trois", "3", 1),
    ("italian", "dell'arte", "dell’ arte", 2),
    ("ukrainian", "п'ять", "пʼять", 1),
    ("spanish", "¿Qué? ¡Sí!", "qué sí", 2),
    ("german", "1.000 Leute", "1000 Leute", 2),
    ("german", "3,5 Meter", "3.5 Meter", 4),
    ("greek", "ΟΔΟΣ", "οδός".replace("ό", "ο"), 1),
    ("japanese", "ｶﾞﾝﾀﾞﾑ、です。", "ガンダムです", 6),
    ("japanese", "三", "3", 1),
    ("chinese", "你好，世界！", "你好世界", 4),
    ("chinese", "ＡＢ", "ab", 2),
    ("korean", "한국어", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165", 1),
    ("thai", "น้ำ", "น้\u0e4d\u0e32", 1),
    ("catalan", "col·lega", "COL·LEGA", 1),
]


@pytest.mark.parametrize(("language", "target", "heard", "many"), ALIKE)
def test_what_is_spelt_otherwise_and_sounds_alike(language, target, heard, many):
    assert errors(target, heard, language) == (0, many) == (errors(heard, target, language)[0], many)


SPOKEN = [  # English: target, heard, words in the target
    ("three, two, one", "3, 2, 1", 3),
    ("3, 2, 1", "three, two, one", 3),
    ("three, two, one", "321", 3),
    ("nineteen oh five", "1905", 3),
    ("one thousand nine hundred and five", "1905", 1),
    ("twenty twenty-four", "two thousand and twenty four", 2),
    ("one oh one", "101", 3),
    ("(All men) are equal.", "all men are equal", 4),
    ("[All men] are <created> equal.", "all men are created equal", 5),
    ("Oh, I see!", "O I see", 3),
    ("six o'clock", "6 o'clock", 2),
    ("six o’clock", "6:00", 2),
    ("an hour and a half", "an hour and a half", 5),
    ("two and a half", "2.5", 1),
    ("two and a half million", "2.5 million", 1),
    ("seven thirty p.m.", "7:30 PM", 3),
    ("$2.50", "two dollars and fifty cents", 5),
    ("fifty per cent", "50%", 2),
    ("Dr. Smith", "Doctor Smith", 2),
    ("The U.S. Army", "the US army", 3),
    ("her Ph.D., i.e. a degree", "her PhD, that is a degree", 6),
    ("the U.S.A. at 8 a.m.", "the USA at eight AM", 5),
    ("O.K., Plan A. I like it", "okay plan A, I like it", 6),
    ("J. R. R. Tolkien's colour", "JRR Tolkiens color", 3),
    ("I cannot; it's well-known", "I can't, it is well known", 7),
    ("a hundred and one", "101", 1),
    ("the twenty-first", "the 21st", 3),
    ("a naïve café", "a naive cafe", 3),
    ("the dogs' tails", "the dogs tails", 3),
    ("um, yes", "yes", 1),
    *((spelt, figures, 1) for spelt, figures in (("twelve", "12"), ("ninety-eight", "98"), ("two hundred thirty-four", "234"))),
]


@pytest.mark.parametrize(("target", "heard", "many"), SPOKEN)
def test_english_as_it_is_spoken(target, heard, many):
    assert errors(target, heard) == (0, many)


def test_english_numbers_that_are_wrong_are_wrong():
    assert errors("three, two, one", "3, 2, 4") == (1, 3)
    assert errors("nineteen oh five", "1906") == (1, 3)
    assert errors("two", "too") == (1, 1) and errors("one two", "one too") == (1, 2)
    assert errors("two and a half", "two") != (0, 1)
    assert errors("an hour and a half", "an hour") == (3, 5)
    assert errors("one hundred", "one thousand") == (1, 1)
    assert errors("Oh no", "zero no") == (1, 2) and errors("Oh no", "0 no") == (1, 2)
    assert errors("ten", "twelve") == (1, 1) and errors("two million", "two billion") == (1, 1)
    assert errors("", "words") == (1, 0)


def test_whispers_normaliser_is_kept_by_its_name():
    assert normaliser("english", "whisper")("Mr. O'Neill paid $2.50 (once)") == "mister 0 neill paid $2.50"
    assert errors("लड़की", "लड़का", "hindi", "whisper")[0] == 0 and errors("(all) men", "men", kind="whisper") == (0, 1)
    with pytest.raises(ValueError, match="did you mean 'whisper'"):
        normaliser("english", "wisper")


def test_languages_go_by_every_name_that_whisper_knows():
    names = {"Thai": "th", "german": "de", "de-AT": "de", "en_US": "en", "mandarin": "zh", "yue": "yue", " Hindi ": "hi"}
    assert {name: code_of(name) for name in names} == names
    with pytest.raises(ValueError, match="did you mean 'german'"):
        code_of("germann")
