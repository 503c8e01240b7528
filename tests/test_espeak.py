"""espeak's letters, scripts, tones and limits: one token a sound in every language, and nothing lost in silence."""

import logging
import unicodedata

import pytest

from preprocessors.base import Utterance
from processors import espeak, g2p
from processors.markup import Said
from processors.pronounce import Tokeniser
from processors.text import Phones

# Words in each script; languages that do not read it refuse it, or switch to one that does.
WORDS = [
    "hello", "東京", "かな", "カナ", "한국", "привет", "αβγ", "नमस्ते", "مرحبا", "שלום", "ไทย", "გამარჯობა", "բարեւ", "নমস্কার", "ਪੰਜਾਬ", "வணக்கம்",
    "నమస్తే", "ನಮಸ್ತೆ", "നമസ്തേ", "ආයුබෝ", "નમસ્તે", "ନମସ୍କାର", "မြန်မာ", "ሰላም", "ខ្មែរ", "ລາວ", "བོད",
    "लड़का", "बड़ा", "বড়", "আষাঢ়", "لڑکا", "ਕੋੜਾ", "ଘୋଡ଼ା", "kass", "padi", "qabaa", "tʼanta", "vatn", "куќа", "алма", "тил", "ቀን",
]  # fmt: skip


def syllables(alphabet):
    return " ".join(first + second for first in alphabet for second in alphabet[::5])


LATIN = "abcdefghijklmnopqrstuvwxyzæøåäöõüéñçšž"


def readable(language):
    for word in [*WORDS, *syllables(LATIN).split()]:
        try:
            espeak.check_scripts(word, language)
        except ValueError:
            continue
        yield word


@pytest.mark.parametrize("language", sorted(espeak.languages()))
def test_no_mark_stands_in_a_word_of_any_language(language):
    tokens = g2p.raw_espeak(" ".join(readable(language)), language, flags=False)
    for token in set(tokens) - {g2p.BOUNDARY}:
        assert any(c.isalnum() for c in token), token
        assert all(c.isalnum() or unicodedata.combining(c) for c in token), token


@pytest.mark.parametrize(
    ("language", "text", "phones"),
    [
        ("hi", "लड़का बड़ा.", "l ʌ r\u0323 k aː _ b ʌ r\u0323 aː ."), ("bn", "বড়", "b ɔ r\u0323"), ("ur", "لڑکا", "l ʌ r\u0323 k aː"),
        ("da", "tretten.", "t ʁ ʔa t ə n ."), ("et", "kass?", "k a i sʲ sʲ ?"), ("qu", "tʼanta", "tʼ ʔ a n t a"), ("om", "qabaa", "kʼ a b aː"),
        ("is", "vatn", "ʋ a h d h n\u0325"), ("mk", "куќа", "k u kʲ æ"), ("ky", "тил", "t\u032a i l"), ("pa", "ਘੋੜਾ", "k o\u031f r\u0323 a"),
        ("fr", "je ne sais pas", "ʒ ə _ n ə _ s ɛ _ p a"), ("zh", "是。", "s\u0323 i\u03235 ."),
    ],
)  # fmt: skip
def test_ascii_signs_are_sounds_of_their_own(language, text, phones):
    assert " ".join(g2p.espeak(text, language)) == phones


def test_words_with_such_sounds_have_their_times():
    phone = Phones(language="hi")
    phone.restore({"symbols": ["<pad>", "sil", "_"]}, None)
    assert Tokeniser(phone, "hi").words((Said("लड़का बड़ा है."),)) == [("लड़का", 0, 5), ("बड़ा", 5, 9), ("है", 9, 11)]


@pytest.mark.parametrize("language", ["de", "fr", "es", "hi", "ko"])
def test_a_colon_inside_a_number_is_no_pause(language):
    assert not g2p.MARKS & set(g2p.espeak("10:30", language))
    assert ":" in g2p.espeak("10: 30", language)


# Scripts


@pytest.mark.parametrize("language", ["en-us", "de", "ko", "fr", "ja", "hak"])
@pytest.mark.parametrize("text", ["I like 東京 and pizza", "世界 is"])
def test_kanji_are_refused_where_they_would_be_named(language, text):
    with pytest.raises(ValueError, match="kanji.*'(東京|世界)'.*kana.*pinyin"):
        g2p.espeak(text, language)


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"symbols": "vits"}, {"symbols": "amphion-espeak"}, {"g2p": "lexicon"}, {"g2p": "lexicon", "symbols": "amphion"},
        {"g2p": "characters", "symbols": "amphion"},
    ],
)  # fmt: skip
def test_every_english_front_end_refuses_kanji(settings, tmp_path):
    if settings.get("g2p") == "lexicon":
        lexicon = tmp_path / "words.txt"
        lexicon.write_text("LIKE L AY1 K\n")
        settings = {**settings, "lexicon": str(lexicon)}
    with pytest.raises(ValueError, match="'東京'"):
        Phones(**settings)(Utterance("a", text="I like 東京"))


@pytest.mark.parametrize(
    ("language", "text"), [("en-us", "the кот sat"), ("en-us", "say مرحبا now"), ("de", "かな"), ("fr", "ไทย"), ("ru", "ສະບາຍດີ")]
)
def test_other_scripts_that_would_be_spelt_are_refused(language, text):
    with pytest.raises(ValueError, match="would only name each letter"):
        g2p.raw_espeak(text, language)


@pytest.mark.parametrize(
    ("language", "text"), [("ja", "カナ と かな"), ("cmn", "世界"), ("yue", "世界"), ("ru", "кот"), ("uk", "кіт"), ("en-us", "α and ß and 한국")]
)
def test_scripts_that_are_read_stay(language, text):
    assert g2p.espeak(text, language)


@pytest.mark.parametrize("language", ["en-us", "de", "es"])
def test_refused_scripts_are_those_that_espeak_spells(language, monkeypatch):
    """What READERS refuses is named letter by letter, in more words than were written; what it lets pass is not."""
    for word in WORDS[:27]:
        refused = espeak.script_of(word[0]) in espeak.READERS
        with monkeypatch.context() as patch:
            patch.setattr(espeak, "READERS", {})
            assert (g2p.BOUNDARY in g2p.raw_espeak(word, language)) == refused, word


# Tones, dictionaries, limits


def tones(language, syllables):
    return [" ".join(g2p.espeak(syllable, language)) for syllable in syllables.split()]


@pytest.mark.parametrize(("language", "syllables"), [("yue", "詩 史 試 時 市 事"), ("vi", "ma má mà mả mã mạ")])
def test_tones_that_are_kept_apart_need_no_warning(language, syllables):
    said = tones(language, syllables)
    assert len(set(said)) == len(said)
    assert language not in espeak.ADVICE


@pytest.mark.parametrize(("language", "first", "other", "named"), [("cmn", "妈", "骂", "pinyin"), ("shn", "မႃ", "မႃႇ", "tones")])
def test_merged_tones_are_said_once(caplog, monkeypatch, language, first, other, named):
    monkeypatch.setattr(logging.getLogger("amphion"), "propagate", True)
    espeak._advise.cache_clear()
    assert tones(language, first) == tones(language, other)
    assert sum(named in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("language", ["fo", "kaa"])
def test_a_language_without_its_dictionary_is_refused_before_it_ends_the_process(language):
    with pytest.raises(ValueError, match=f"'{language}'.*Choices"):
        g2p.espeak("hello", language)


@pytest.mark.parametrize(
    ("language", "word"), [("de", "777777777"), ("fi", "777777777"), ("ko", "한국어말"), ("my", "hello"), ("en-us", "straightforward")]
)
def test_long_clauses_lose_nothing(language, word):
    def said(times):
        return [token for token in g2p.espeak(" ".join([word] * times), language) if token != g2p.BOUNDARY]

    assert said(150) == said(1) * 150


def test_control_characters_end_no_text():
    assert g2p.espeak("one\x00two", "de") == g2p.espeak("one two", "de")


def test_letters_in_two_parts_are_the_same_letters():
    assert g2p.espeak("cafe\u0301") == g2p.espeak("café")
    assert g2p.espeak("Fu\u0308ße", "de") == g2p.espeak("Füße", "de")
