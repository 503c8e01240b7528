"""Numbers in words, words in phones, phones in ids."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from preprocessors.base import Utterance
from processors import g2p
from processors.features import FeatureSet
from processors.lexicon import published
from processors.lexicon.arpabet import FROM_ESPEAK, from_espeak
from processors.numbers import normalise
from processors.text import Phones, as_textgrid, interspersed
from utils.textgrid import write_textgrid

WRITTEN = [
    ("It is 7.", "It is seven."),
    ("1,234,567 people", "one million two hundred thirty-four thousand five hundred sixty-seven people"),
    ("0, 10, 100, 1000 and 3000", "zero, ten, one hundred, one thousand and three thousand"),
    ("the 1st, 2nd, 3rd and 21st", "the first, second, third and twenty-first"),
    ("3.14 and 0.5 and .25", "three point one four and zero point five and point two five"),
    ("-5 to 10-20", "minus five to ten to twenty"),
    (
        "in 1998, 1905, 2000, 2005 and 2024",
        "in nineteen ninety-eight, nineteen oh five, two thousand, two thousand five and twenty twenty-four",
    ),
    ("the 1990s and the '80s", "the nineteen nineties and the eighties"),
    ("1914-1918", "nineteen fourteen to nineteen eighteen"),
    ("$5, $1 and $5.20", "five dollars, one dollar and five dollars and twenty cents"),
    ("$0.99, £1.50, €20, 75¢", "ninety-nine cents, one pound and fifty pence, twenty euros, seventy-five cents"),
    ("$1.5 million and £3bn", "one point five million dollars and three billion pounds"),
    ("-$3", "minus three dollars"),
    ("March 3rd", "March third"),
    ("July 4, 1776", "July fourth, seventeen seventy-six"),
    ("4 July 1776", "the fourth of July seventeen seventy-six"),
    ("3/5/2024 and 2024-03-05", "March fifth, twenty twenty-four and March fifth, twenty twenty-four"),
    ("25/12/2023", "December twenty-fifth, twenty twenty-three"),
    ("5:30 p.m. today", "five thirty p m today"),
    ("Come at 5 p.m. Then go.", "Come at five p m. Then go."),
    ("9:05, 5:00 and 17:45", "nine oh five, five o'clock and seventeen forty-five"),
    ("50% or 2.5 %", "fifty percent or two point five percent"),
    ("5 km, 1 kg, 60 km/h, 20°C", "five kilometers, one kilogram, sixty kilometers per hour, twenty degrees Celsius"),
    ("1/2, 3/4, 2/3, 2 1/2, 3½", "one half, three quarters, two thirds, two and one half, three and one half"),
    ("$.00 and $.05", "zero dollars and five cents"),
    ("555-0123", "five five five, zero one two three"),
    ("(555) 123-4567", "five five five, one two three, four five six seven"),
    ("agent 007", "agent zero zero seven"),
    ("Henry VIII in Chapter IV", "Henry the eighth in Chapter four"),
    ("I am in World War II", "I am in World War two"),
    ("Mr. and Mrs. Smith, Dr. Jones", "Mister and Missus Smith, Doctor Jones"),
    ("St. Paul on Main St. in town", "Saint Paul on Main Street in town"),
    ("e.g. this, i.e. that, etc.", "for example this, that is that, et cetera."),
    ("salt & pepper", "salt and pepper"),
    ("221B and mp3", "two hundred twenty-one B and mp three"),
    ("No. 5, #7", "number five, number seven"),
    ("version 3.1.4", "version three point one point four"),
    ("wait\u2026 \u201cwhat\u201d \u2014 it\u2019s", 'wait... "what", it\'s'),
    ("The NASA", "The NASA"),  # acronyms are left to the phonemizer
]


@pytest.mark.parametrize(("written", "read"), WRITTEN)
def test_numbers(written, read):
    assert normalise(written) == read


def test_numbers_leave_no_digit():
    rng = np.random.default_rng(0)
    symbols = list("0123456789.,-/:$£%°#& abcdXVIpm'")
    for _ in range(500):
        text = "".join(rng.choice(symbols, 24))
        assert not any(c.isdigit() for c in normalise(text)), text


def test_espeak_gives_words_marks_and_boundaries():
    assert g2p.espeak("Hello, big world.") == ["h", "ə", "l", "oʊ", ",", "b", "ɪ", "ɡ", "_", "w", "ɜː", "l", "d", "."]
    assert "ˈ" in "".join(g2p.espeak("hello", stress=True))
    assert g2p.espeak("5") == g2p.espeak("five")
    assert g2p.espeak("hello \U0001f600") == g2p.espeak("hello")


def test_espeak_reads_all_of_a_sentence_that_phonemizer_parts():
    tokens = g2p.raw_espeak("in 9.58 seconds.")
    assert tokens == g2p.raw_espeak("in nine point five eight seconds.")
    assert tokens[-8:] == ["s", "ɛ", "k", "ə", "n", "d", "z", "."]


@pytest.mark.parametrize("text", ["in 9.58 seconds.", "Version 3.14 costs $0.99.", 'at 10:30, "sharp" (or later)?', "...", "hello"])
def test_published_espeak_models_are_given_what_phonemizer_gives(text):
    from phonemizer import phonemize
    from phonemizer.separator import Separator

    g2p.espeak("hello")  # names the library that comes with espeakng-loader
    separator = Separator(word="_", phone="|")
    how = {"language": "en-us", "strip": True, "preserve_punctuation": True, "language_switch": "keep-flags"}
    strings = phonemize([text], separator=separator, **how)
    assert "".join(published.espeak_tokens(text)) == strings[0].replace("|", ""), "Amphion takes the first"
    stressed = phonemize([text.lower()], with_stress=True, **how)
    assert published.english_cleaners2(text) == published.collapse(" ".join(stressed))


def test_published_espeak_models_are_given_numbers_in_words():
    said = Phones(symbols="amphion-espeak").published("in 9.58 seconds.")
    assert said[-9:] == ["s", "ɛ", "k", "ə", "n", "d", "z", ".", "<eos>"]


def test_espeak_in_threads_equals_espeak_alone():
    texts = [f"sentence number {i} of the garden" for i in range(20)]
    alone = [g2p.espeak(text) for text in texts]
    barrier = threading.Barrier(4)

    def run(_):
        barrier.wait(timeout=20)
        return [g2p.espeak(text) for text in texts]

    with ThreadPoolExecutor(4) as pool:
        assert all(result == alone for result in pool.map(run, range(4)))


def test_another_language_and_an_unknown_one():
    assert "ʏ" in g2p.espeak("fünf", "de")
    with pytest.raises(ValueError, match="'xx'.*Choices:.*en-us"):
        g2p.espeak("hello", "xx")
    with pytest.raises(ValueError, match="English only"):
        g2p.lexicon("hallo", "de")


def test_a_region_without_a_voice_is_read_as_its_language():
    assert g2p.espeak("Meer weten?", "nl-BE") == g2p.espeak("Meer weten?", "nl")
    assert g2p.espeak("Bonjour.", "fr-ca") == g2p.espeak("Bonjour.", "fr")
    with pytest.raises(ValueError, match="'xx-be'"):
        g2p.espeak("hello", "xx-be")


@pytest.mark.parametrize("speak", [g2p.espeak, g2p.lexicon, g2p.characters])
@pytest.mark.parametrize("text", ["\U0001f600 \U0001f600", "!?", "\u4f60\u597d", "--- ***"])
def test_text_without_a_word_is_refused(speak, text):
    with pytest.raises(ValueError, match="nothing that can be spoken"):
        speak(text)


@pytest.mark.parametrize("text", ["", "  \n "])
def test_empty_text_is_refused(text):
    with pytest.raises(ValueError, match="the text is empty"):
        Phones()(Utterance("a", text=text))


@pytest.fixture
def lexicon_file(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text("HELLO HH AH0 L OW1\nHELLO HH EH0 L OW1\nWORLD W ER1 L D\n")
    return str(path)


def test_lexicon_first_line_counts_and_espeak_helps_out(lexicon_file):
    assert g2p.lexicon("Hello, world!", path=lexicon_file) == ["HH", "AH0", "L", "OW1", ",", "W", "ER1", "L", "D", "!"]
    assert g2p.lexicon("big", path=lexicon_file) == ["B", "IH1", "G"]


def test_lexicon_without_stress_stays_without():
    pytest.importorskip("pocketsphinx")
    assert g2p.lexicon("The big zyphorim") == ["DH", "AH", "_", "B", "IH", "G", "_", "Z", "AY", "F", "AO", "R", "IH", "M"]


def test_lexicon_names_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match="no file"):
        g2p.lexicon("hello", path=str(tmp_path / "none.txt"))
    bad = tmp_path / "bad.txt"
    bad.write_text("HELLO\n")
    with pytest.raises(ValueError, match=r"bad\.txt:1 has no phones"):
        g2p.lexicon("hello", path=str(bad))


def test_arpabet_map_holds_only_arpabet():
    known = set(published.arpabet())
    assert all(phone in known for phones in FROM_ESPEAK.values() for phone in phones.split())
    assert from_espeak("ˈɑːɹ", stress=True) == ["AA1", "R"] and from_espeak("əl", stress=True) == ["AH0", "L"]
    with pytest.raises(ValueError, match="no ARPAbet phone"):
        from_espeak("ʏ")


def test_published_tables_have_their_sizes():
    sizes = {name: len(table()) for name, table in published.TABLES.items()}
    assert sizes == {"amphion": 151, "ming024": 360, "vits": 178, "naturalspeech2": 89}
    assert published.index(published.vits())["'"] == 176, "the later apostrophe counts"
    assert published.read_symbols_dict("<eps> 0\nb 1\na 2\n") == ["<pad>", "<bos>", "<eos>", "<eps>", "a", "b"]


def test_published_cleaners():
    assert published.english_cleaners("In 1999 Dr. Who paid $5.20 and £3") == (
        "in nineteen ninety-nine doctor who paid five dollars, twenty cents and psthree"
    )
    assert published.english_cleaners("1905, 3.14, 21st") == "nineteen oh five, three point fourteen, twenty-first"
    assert published.characters("Hi {HH AY1}!") == ["h", "i", " ", "@HH", "@AY1", "!"]


@pytest.mark.parametrize(
    ("settings", "first", "last"),
    [
        ({"symbols": "vits", "blanks": True}, "h", "."),
        ({"symbols": "amphion-espeak"}, "<bos>", "<eos>"),
        ({"symbols": "amphion", "g2p": "characters"}, "h", "."),
        ({"symbols": "ming024", "g2p": "lexicon"}, "@HH", "@D"),
        ({"symbols": "naturalspeech2", "g2p": "lexicon"}, "HH", "D"),
        ({}, "sil", "sil"),
        ({"g2p": "characters"}, "sil", "sil"),
    ],
)
def test_tokens_of_every_kind_encode(settings, first, last, lexicon_file):
    if settings.get("g2p") == "lexicon":
        settings = {**settings, "lexicon": lexicon_file}
    feature = Phones(**settings)
    tokens = feature(Utterance("a", text="Hello world."))
    assert (tokens[0], tokens[-1]) == (first, last)
    assert tokens.dtype.kind == "U"
    if not feature.table:
        symbols = sorted(set(tokens.tolist()))
        feature.restore({"symbols": ["<pad>", *symbols]}, None)
    ids = feature.encode(tokens)
    assert ids.dtype == np.int64
    assert feature.facts["n_vocab"] > ids.max()
    n_blanks = len(tokens) + 1 if settings.get("blanks") else 0
    assert len(ids) == len(tokens) + n_blanks


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"symbols": "vits", "g2p": "lexicon"}, "made with espeak"),
        ({"symbols": "vits", "source": "textgrid"}, "come from text"),
        ({"lexicon": "x.txt"}, 'only g2p "lexicon"'),
    ],
)
def test_settings_that_contradict(settings, message):
    with pytest.raises(ValueError, match=message):
        Phones(**settings)


def test_encode_names_the_symbol_and_the_cure():
    feature = Phones()
    with pytest.raises(ValueError, match="extract stage"):
        feature.encode(np.array(["a"]))
    feature.restore({"symbols": ["<pad>", "oʊ", "sil"]}, None)
    with pytest.raises(ValueError, match="'oː', did you mean 'oʊ'.*reword the text"):
        feature.encode(np.array(["sil", "oː"]))


def test_blanks_stand_around_every_id():
    assert interspersed(np.array([5, 6])).tolist() == [0, 5, 0, 6, 0]


def grid(path, labels):
    write_textgrid(path, {"phones": [(label, i / 10, (i + 1) / 10) for i, label in enumerate(labels)]})
    return str(path)


def test_textgrid_tokens_have_the_form_of_text_tokens(tmp_path):
    feature = Phones(source="textgrid")
    path = grid(tmp_path / "a.TextGrid", ["h", "ə", "l", "oʊ", "", "", "b", "ɪ", "ɡ", "w", "ɜː", "l", "d"])
    timed = feature(Utterance("a", text="Hello, big world.", textgrid=path))
    assert timed.tolist() == ["sil", "h", "ə", "l", "oʊ", "sil", "b", "ɪ", "ɡ", "w", "ɜː", "l", "d", "sil"]
    assert feature(Utterance("a", text="Hello, big world.")).tolist() == timed.tolist()
    assert as_textgrid([",", "a", "_", "b", "."]) == ["sil", "a", "b", "sil"]


@pytest.mark.parametrize("settings", [{}, {"symbols": "amphion-espeak"}])
def test_fit_learns_the_table_and_keeps_the_tokens(tmp_path, settings):
    features = FeatureSet({"phone": settings}, sample_rate=16000, hop_size=256, store=tmp_path)
    texts = ["Hello world.", "", "A big dog."]
    utterances = [Utterance(f"u{i}", "demo", text=text) for i, text in enumerate(texts)]
    features.fit(utterances, ["demo"], jobs=1)
    table = features.features["phone"].table
    assert table[0] == "<pad>"
    assert {"h", "ə", "d", "ɡ"} <= set(table)
    assert len(set(table)) == len(table)
    assert features.path("phone", utterances[0]).is_file()
    again = FeatureSet({"phone": settings}, sample_rate=16000, hop_size=256)
    again.restore(features.learned(["demo"]))
    for utterance in (utterances[0], utterances[2]):
        assert again(utterance)["phone"].tolist() == features(utterance)["phone"].tolist()


def test_fit_without_any_text_says_so(tmp_path):
    features = FeatureSet({"phone": {}}, sample_rate=16000, hop_size=256, store=tmp_path)
    with pytest.raises(ValueError, match="do the manifests hold text"):
        features.fit([Utterance("a", "demo")], ["demo"], jobs=1)
