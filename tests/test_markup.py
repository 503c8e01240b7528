"""Mark-up, where texts are cut, and how both become the tokens of a model."""

import pytest

from processors.duration import silent
from processors.markup import End, Pause, Said, factor_of, parse, seconds_of
from processors.phonemes import phones_of
from processors.pronounce import Tokeniser, by_sound
from processors.script import CLAUSE, PARAGRAPH, SENTENCE, Line, lines
from processors.sentences import LONGEST, clauses, ends, weight, words
from processors.text import Phones


def cut(text):
    """The sentences of a text."""
    places = [0, *(place for place, _ in ends(text))]
    return [text[a:b].strip() for a, b in zip(places, places[1:], strict=False)]


# Mark-up


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello.", [Said("Hello.")]),
        ('a <break time="500ms"/> b', [Said("a "), Pause(0.5), Said(" b")]),
        ("a <break/> b", [Said("a "), Pause(0.4), Said(" b")]),
        ('<break strength="strong"></break>b', [Pause(0.7), Said("b")]),
        ('a <prosody rate="80%">b <prosody rate="2">c</prosody></prosody> d', [Said("a "), Said("b ", 0.8), Said("c", 1.6), Said(" d")]),
        ("a <prosody rate='slow'>b</prosody>", [Said("a "), Said("b", 0.75)]),
        ('<phoneme alphabet="ipa" ph="həˈloʊ">hi</phoneme>', [Said("hi", 1.0, "həˈloʊ", "ipa")]),
        ('<phoneme alphabet="x-arpabet" ph="HH AY1">hi</phoneme>', [Said("hi", 1.0, "HH AY1", "arpabet")]),
        ('the <sub alias="World Wide Web">WWW</sub>', [Said("the "), Said("World Wide Web")]),
        ("<p><s>a</s> <s>b</s></p>", [End(True), End(False), Said("a"), End(False), Said(" "), End(False), Said("b"), End(False), End(True)]),
        ("a [pause 0.25] b [pause 300ms] c [pause]", [Said("a "), Pause(0.25), Said(" b "), Pause(0.3), Said(" c "), Pause(0.4)]),
        ("[rate 0.5]a [rate 2]b[/rate] c", [Said("a ", 0.5), Said("b", 2.0), Said(" c")]),
        ("[ipa həˈloʊ] [arpabet HH AH0]", [Said("", 1.0, "həˈloʊ", "ipa"), Said(" "), Said("", 1.0, "HH AH0", "arpabet")]),
        ("a[symbols a b]", [Said("a"), Said("", 1.0, "a b", "symbols")]),
        ('<?xml version="1.0"?><speak version="1.0" xml:lang="en"><!-- <b> -->a</speak>', [Said("a")]),
    ],
)  # fmt: skip
def test_what_mark_up_means(text, pieces):
    assert parse(text) == pieces


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("I <3 you, 2 < 3 and AT&T & R&D > [1] [laughs] &c;", "I <3 you, 2 < 3 and AT&T & R&D > [1] [laughs] &c;"),
        ("a &lt;b&gt; &amp; &quot;c&quot; &#91;pause] &#xe9;", 'a <b> & "c" [pause] é'),
    ],
)
def test_what_is_no_mark_up_is_text(text, said):
    assert parse(text) == [Said(said)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('one\ntwo <prosody rate="slow">three', r"character 5 of line 2 \('<prosody rate=.*'\): <prosody> is never closed: put </prosody>"),
        ("<p><s>a</p>", r"character 8 .*</p> closes nothing: <s> is open and ends first"),
        ("a</s>", "closes nothing: no tag is open"),
        ("a <prosdy rate='1'>b</prosdy>", "unknown tag 'prosdy', did you mean 'prosody'"),
        ("I <b>like</b> it", "unknown tag 'b'.*Choices: break, p, phoneme, prosody, s, speak, sub.*&lt;"),
        ("a <break time='half a second'/>", "time 'half a second' is none: write for example \"500ms\""),
        ("a <break time='500'/>", "time '500' is none"),
        ("a <break time='-1s'/>", "time '-1s' is none"),
        ("a <break time='500s'/>", "too long: 60 seconds at most"),
        ("a <break strength='huge'/>", "unknown strength 'huge'"),
        ("a <break time='1s'>b", "character 3 .*<break> holds no text: write <break .../>"),
        ("a [pause long]", "time 'long' is none"),
        ("<prosody rate='quick'>a</prosody>", "rate 'quick' is none.*x-slow"),
        ("<prosody rate='0'>a</prosody>", "rate '0' is out of range: 0.1 to 10"),
        ("<prosody rate='-100%'>a</prosody>", "out of range"),
        ("<prosody rate=80%>a</prosody>", 'written name="value"'),
        ("<prosody pitch='high'>a</prosody>", "unknown attribute 'pitch'.*Choices: rate"),
        ("<prosody>a</prosody>", '<prosody> needs rate="..."'),
        ("<phoneme ph=''>a</phoneme>", '<phoneme> needs ph="..."'),
        ("<phoneme ph='a' alphabet='sampa'>a</phoneme>", "unknown alphabet 'sampa'"),
        ("<phoneme ph='a'>a <break/></phoneme>", "<phoneme> holds no other mark-up, but <break> stands in it"),
        ("[ipa ]", "no phonemes"),
        ("x <y and z", "'<y' is never closed.*&lt;"),
        ("a [pause 0.4", r"'\[pause' is never closed.*&#91;"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>d', "'<!DOCTYPE' is a declaration, which is not read"),
        ("<![CDATA[a]]>", "declaration"),
    ],
)  # fmt: skip
def test_wrong_mark_up_is_named_with_its_place(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_no_entity_is_ever_expanded_but_the_five_and_numbers():
    assert parse("&lol; &nbsp; &copy;") == [Said("&lol; &nbsp; &copy;")]


def test_times_and_rates():
    assert [seconds_of(t) for t in ("500ms", "0.5s", "+1s", " 2 s ", ".5s")] == [0.5, 0.5, 1.0, 2.0, 0.5]
    assert [factor_of(r) for r in ("80%", "+20%", "-10%", "1.5", "default")] == pytest.approx([0.8, 1.2, 0.9, 1.5, 1.0])


# Sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["Hello there.", "How are you?", "Fine!"],
        ["Dr. Smith met Mrs. Jones at 5 p.m. on Jan. 5.", "They ate."],
        ["It costs $3.50 a day.", "No. 5 is 3.14 km away.", "No.", "Never."],
        ["J. R. R. Tolkien and George W. Bush met.", "It was I.", "He left."],
        ["The U.S. Army left at 5 a.m.", "The rest of Acme Inc. stayed with Martin Luther King Jr.", "He slept."],
        ['"Stop!" he cried.', "“Where?”", "(Over there.)", "'Here.'"],
        ["Wait... what?", "Well… yes.", "Really?!", "Yes."],
        ["1. Wash the rice.", "2. Boil it.", "It was 1990.", "We ate."],
        ["See e.g. the list vs. the table, etc.", "It ends."],
        ["visit example.com or a.b.c today", ],
        ["你好。", "今天天气很好！", "你去哪里？", "“走吧。”", "好"],
        ["Ça va?", "Élan vital.", "¿Qué tal?", "¡Bien!"],
        ["यह एक है।", "वह दो है।"],
    ],
)  # fmt: skip
def test_sentences(sentences):
    joint = "" if any("\u4e00" <= c <= "\u9fff" for c in sentences[0]) else " "
    assert cut(joint.join(sentences)) == sentences


def test_paragraphs_end_sentences_without_a_mark():
    text = "A title\n\nOne. Two\nlines.\n \nThree"
    assert cut(text) == ["A title", "One.", "Two\nlines.", "Three"]
    assert [paragraph for _, paragraph in ends(text)] == [True, False, True, False]


def test_long_sentences_are_cut_at_clauses_and_nothing_is_lost():
    comma = "he said that the house by the sea was old, " * 12
    none = "word " * 120
    solid = "x" * 1000
    chinese = "今天天气很好，我们去公园吧，" * 20
    for text in (comma, none, solid, chinese):
        stops = clauses(text)
        pieces = [text[a:b] for a, b in zip([0, *stops], stops, strict=False)]
        assert "".join(pieces) == text and max(map(weight, pieces)) <= LONGEST
        assert min(map(weight, pieces)) > LONGEST / 6, "cut evenly"
        if text is comma:
            assert all(piece.strip().endswith(",") for piece in pieces)
        if text is chinese:
            assert all(piece.endswith("，") for piece in pieces)
        if text is none:
            assert not any(piece.strip().startswith("ord") for piece in pieces)
    assert clauses("short") == [5]


def test_words():
    assert words('He said: "it\'s 5 o\'clock" - (now)!') == ["He", "said", "it's", "5", "o'clock", "now"]
    assert words("你好 world。") == ["你", "好", "world"]


# Lines


def test_a_sentence_is_one_line_without_pause():
    assert lines("Hello there.") == [Line((Said("Hello there."),))]


def test_pauses_between_lines():
    assert [(line.text, line.pause) for line in lines("One. Two.\n\nThree. * * *")] == [
        ("One.", SENTENCE), ("Two.", PARAGRAPH), ("Three. * * *", 0.0),
    ]  # fmt: skip
    assert [line.pause for line in lines("<p>One.</p><p><s>two</s><s>three</s></p>")] == [PARAGRAPH, SENTENCE, 0.0]
    assert [(line.text, line.pause) for line in lines("[pause 1]One. [pause 2] [pause 0.5] Two [pause 0] three.[pause 0.1]")] == [
        ("", 1.0), ("One.", 2.5), ("Two", 0.0), ("three.", 0.1),
    ]  # fmt: skip
    long = lines("it was so cold that day, " * 20)
    assert len(long) > 1 and {line.pause for line in long[:-1]} == {CLAUSE}


def test_mark_up_does_not_hide_where_sentences_end():
    found = lines('Dr. <prosody rate="slow">Smith. He</prosody> said [ipa həˈloʊ]. Then <phoneme ph="ɡoʊ">went</phoneme>.')
    assert [line.text for line in found] == ["Dr. Smith.", "He said həˈloʊ.", "Then went."]
    assert found[0].parts == (Said("Dr. "), Said("Smith.", 0.75))
    assert found[1].parts[0] == Said(" He", 0.75)
    assert lines("Hello <!-- aside -->there.") == [Line((Said("Hello there."),))]


@pytest.mark.parametrize("text", ["", "  \n", "<speak></speak>", "[pause 1]", "<s> </s>"])
def test_nothing_to_say(text):
    with pytest.raises(ValueError, match="the text is empty"):
        lines(text)


# Phonemes and words as a model has them

LETTERS = ["<pad>", "sil", *"_.,;:!?", *"abcdefghijklmnopqrstuvwxyz"]
SOUNDS = [
    "<pad>", "sil", *"_.,;:!?", *"bdfhjklmnpstvwzæɐɑɔəɛɡɪɹʃʊʌʒθðŋɾ", "tʃ", "dʒ", "oʊ", "eɪ", "aɪ", "aʊ",
    "iː", "uː", "ɜː", "ɑː", "ɔː", "ɚ", "ɔːɹ",
]  # fmt: skip


def phones(symbols=None, table=None, **how):
    made = Phones(symbols=symbols, **how)
    if table:
        made.restore({"symbols": table}, None)
    return made


@pytest.mark.parametrize(
    ("written", "alphabet", "tokens"),
    [
        ("təˈmeɪtoʊ", "ipa", "t ə m eɪ t oʊ"),
        ("t͡ʃɜː.t͡ʃ ʧɜːʧ", "ipa", "tʃ ɜː tʃ _ tʃ ɜː tʃ"),
        ("gri:n", "ipa", "ɡ ɹ iː n"),
        ("fɑðəː", "ipa", "f ɑ ð ə"),  # a length that the table does not have
        ("T AH0 M EY1 T OW0", "arpabet", "t ə m eɪ t oʊ"),
        ("t ə _ m", "symbols", "t ə _ m"),
    ],
)
def test_phonemes_of_an_espeak_model(written, alphabet, tokens):
    assert phones_of(written, alphabet, phones(table=SOUNDS)) == tokens.split()


def test_phonemes_of_published_tables():
    vits = phones("vits")
    assert phones_of("təˈmeɪtoʊ", "ipa", vits) == list("təˈmeɪtoʊ")
    assert phones_of("T AH0 M EY1 T OW0", "arpabet", vits) == list("təmˈeɪtoʊ")
    amphion = phones("amphion", g2p="lexicon")
    assert phones_of("təˈmeɪtoʊ", "ipa", amphion) == ["@T", "@AH0", "@M", "@EY1", "@T", "@OW0"]
    assert phones_of("t ah0 m", "arpabet", phones("naturalspeech2", g2p="lexicon")) == ["T", "AH0", "M"]
    plain = phones(table=["<pad>", "sil", "HH", "AH", "L", "OW"], g2p="lexicon")
    assert phones_of("həˈloʊ", "ipa", plain) == phones_of("HH AH0 L OW1", "arpabet", plain) == ["HH", "AH", "L", "OW"]


@pytest.mark.parametrize(
    ("written", "alphabet", "phone", "message"),
    [
        ("tʘ", "ipa", phones(table=SOUNDS), "never saw this one. unknown sound 'ʘ'"),
        ("T QQ", "arpabet", phones(table=SOUNDS), "unknown ARPAbet phone 'QQ'"),
        ("T QQ", "arpabet", phones("amphion", g2p="lexicon"), "unknown ARPAbet phone 'QQ'"),
        ("t qq", "symbols", phones(table=SOUNDS), "never saw 'qq'"),
        ("a", "ipa", phones(table=LETTERS, g2p="characters"), "reads letters, not phonemes.*<sub alias"),
    ],
)
def test_phonemes_that_no_model_knows(written, alphabet, phone, message):
    with pytest.raises(ValueError, match=message):
        phones_of(written, alphabet, phone)


@pytest.mark.parametrize(
    "how", [{}, {"source": "textgrid"}, {"symbols": "vits"}, {"g2p": "characters"}, {"symbols": "letters", "g2p": "characters"}], ids=str
)
def test_a_text_cut_in_tempos_reads_as_it_does_whole(how):
    phone = phones(table=None if how.get("symbols") == "vits" else sorted({*LETTERS, *SOUNDS, " "}), **how)
    tokeniser = Tokeniser(phone, "en-us")
    whole = tokeniser.tokenise((Said("we go home, then sleep."),))
    parts = (Said("we "), Said("go home", 0.5), Said(", then "), Said("sleep."))
    joined = tokeniser.tokenise(parts)
    assert joined.tokens.tolist() == whole.tokens.tolist()
    assert joined.ids.tolist() == whole.ids.tolist()
    slow = joined.tokens[joined.rates == 0.5].tolist()
    assert spoken(slow) == spoken(tokeniser._bare("go home"))
    assert (whole.rates == 1).all()
    named = tokeniser.words(parts)
    assert [word for word, _, _ in named] == ["we", "go", "home", "then", "sleep"]
    assert named == tokeniser.words((Said("we go home, then sleep."),))
    _, first, _ = named[0]
    _, _, last = named[-1]
    assert first == 0
    assert last == len(spoken(joined.tokens))


def spoken(tokens):
    return [token for token in tokens if not silent(token)]


def test_phonemes_stand_among_words():
    tokeniser = Tokeniser(phones(table=SOUNDS), "en-us")
    parts = (Said("we "), Said("said", 1.0, "sɛd", "ipa"), Said(", no."))
    assert " ".join(tokeniser.tokenise(parts).tokens) == "sil w iː _ s ɛ d , n oʊ . sil"
    assert tokeniser.words(parts) == [("we", 0, 2), ("said", 2, 5), ("no", 5, 7)]
    lone = tokeniser.tokenise((Said("", 1.0, "noʊ", "ipa"), Said(".")))
    assert " ".join(lone.tokens) == "sil n oʊ . sil"


def test_a_table_of_phones_keeps_its_pauses():
    tokeniser = Tokeniser(phones("amphion", g2p="lexicon"), "en-us")
    text = 'go, <phoneme alphabet="arpabet" ph="N OW1">no</phoneme>, go.'
    assert " ".join(tokeniser.tokenise(lines(text)[0].parts).tokens) == "@G @OW @sp @N @OW1 @sp @G @OW"
    assert " ".join(tokeniser.tokenise(lines("go [arpabet N OW1].")[0].parts).tokens) == "@G @OW @N @OW1"


@pytest.mark.parametrize("how", [{}, {"source": "textgrid"}, {"symbols": "ming024"}], ids=str)
def test_chinese_among_mark_up(how):
    pytest.importorskip("pypinyin", reason="no pypinyin: pip install -e '.[chinese]'")
    phone = phones(g2p="pinyin", **how)
    if not phone.table:
        pinyin = ["n i2", "n i3", "h ao3", "sh iii4", "j ie4", "ai4"]
        phone.restore({"symbols": ["<pad>", "sil", *"_,.", *sorted(set(" ".join(pinyin).split()))]}, None)
    tokeniser = Tokeniser(phone, "cmn")
    whole = tokeniser.tokenise(lines("你好，世界。")[0].parts)
    parts = lines('你好<prosody rate="slow">，世界</prosody>。')[0].parts
    joined = tokeniser.tokenise(parts)
    assert joined.tokens.tolist() == whole.tokens.tolist()
    assert set(joined.rates) == {1.0, 0.75}
    assert [word for word, _, _ in tokeniser.words(parts)] == ["你", "好", "世", "界"]
    mark = "@" if "symbols" in how else ""
    said = tokeniser.tokenise(lines(f"你好[symbols {mark}ai4]。")[0].parts).tokens.tolist()
    assert f"{mark}ai4" in said and (said[said.index(f"{mark}ai4") - 1] == "_") == (how == {})
    with pytest.raises(ValueError, match="unknown ARPAbet phone|never saw this one"):
        phones_of("ʘ", "ipa", phone)


def test_words_that_run_together_are_told_apart_by_their_sound():
    tokeniser = Tokeniser(phones(table=SOUNDS), "en-us")
    named = tokeniser.words((Said("most of the time"),))
    assert [word for word, _, _ in named] == ["most", "of", "the", "time"]


@pytest.mark.parametrize(
    ("named", "tokens", "expected"),
    [
        ("ab cd", "abxcd", [("ab", 0, 3), ("cd", 3, 5)]),
        ("ab % cd", "abcd", [("ab %", 0, 2), ("cd", 2, 4)]),
        ("% ab", "ab", [("% ab", 0, 2)]),
        ("? !", "abcd", [("? !", 0, 4)]),
    ],
)
def test_a_word_without_a_sound_joins_the_word_before(named, tokens, expected):
    def alone(word):
        return list(word) if word.isalpha() else []

    assert by_sound(named.split(), list(tokens), alone) == expected


def test_a_table_that_is_missing_is_named():
    with pytest.raises(ValueError, match="card has no symbols"):
        Tokeniser(phones(), "en-us").tokenise((Said("hello"),))
