"""Texts of any length: what is read, held and waited for does not grow with them, whatever they are made of."""

import contextlib
import itertools
import re
import time

import pytest

from bins.texts import CHUNK, chunks, read_list, read_text
from models.tts.readings import with_last
from processors import script
from processors.markup import DEEPEST, LONGEST_PHONES, LONGEST_TAG, parse, pieces
from processors.pronounce import Tokeniser
from processors.script import lines, stream
from processors.sentences import AROUND, BLOCK, LONGEST, clauses, ends, weight
from processors.text import Phones

USUAL = "It was a cold day, and the clocks struck. Dr. Smith said nothing at 5 p.m. to J. R. Jones. He left! Did he?\n\nYes. "
MARKS = [*".,;:!?…—–-\"'()[]{}<>&*_~|/\\。，；：！？．（）［］｛｝＜＞＆＊＿～｜／＼“”‘’«»„", *" \n\t\r\0\x85\u2028\u2029\u3000"]
MARKS += [*"17a字あ한कé½\u0301\u200b\u200d\ufeff😀$%#@+=^°", "e\u0301", "कि", ". ", "! ", "a. ", "A.", "1. ", "1,", "- ", "a.b ", "* * * "]
KINDS = {
    "plain": USUAL, "no end": "word and another one ", "commas": "word, and, another, ", "one word": "abcdefgh",
    "initials": "A. B. C. ",
    "tempo": '<prosody rate="80%">b c.</prosody> [rate 0.5]x[/rate] &amp; ', "tags": "<p>Next.</p><break/> ", "phones": "[ipa ə] ",
    "asides": "a <!-- x --> ",
}  # fmt: skip


@pytest.fixture(scope="module")
def tokeniser():
    return Tokeniser(Phones(symbols="vits"), "en-us")


def speaks(text):
    """The lines of a text that may say nothing, or be wrong."""
    try:
        yield from stream([text])
    except ValueError as error:
        assert "says nothing" in str(error) or "mark-up" in str(error)


def scanned(text, monkeypatch):
    """The characters that each look at the text for sentences had before it."""
    sizes = []
    lines_of = script._sentences

    def measured(run, *others):
        sizes.append(sum(len(part.text) for part in run))
        return lines_of(run, *others)

    monkeypatch.setattr(script, "_sentences", measured)
    for _ in speaks(text):
        pass
    return sizes


# Work


@pytest.mark.parametrize("text", [*MARKS, *KINDS.values()], ids=lambda text: ascii(text)[:20])
def test_what_is_looked_at_grows_with_the_text_alone(text, monkeypatch):
    for form in ("{}", "Hello {} there. Bye."):
        whole = form.format(text * (40_000 // len(text)))
        sizes = scanned(whole, monkeypatch)
        assert max(sizes, default=0) <= 4 * BLOCK and sum(sizes) <= 4 * len(whole)


def seconds(text):
    begun = time.process_time()
    for _ in speaks(text):
        pass
    return time.process_time() - begun


@pytest.mark.parametrize("text", [*".!?(—", " ", "\n", "\u0301", "a. ", "<!-- x -->", *KINDS.values()], ids=lambda text: ascii(text)[:20])
def test_four_times_the_text_takes_four_times_as_long(text):
    few = text * (30_000 // len(text))
    many = text * (120_000 // len(text))
    assert min(seconds(many) for _ in range(2)) < 9 * max(min(seconds(few) for _ in range(3)), 0.005)


@pytest.mark.parametrize("part", [ends, clauses], ids=["ends", "clauses"])
def test_marks_before_a_letter_take_no_longer_than_others(part):
    def wait(size):
        begun = time.process_time()
        part("a" + "!" * size + "b")
        return time.process_time() - begun

    assert wait(16_000) < 9 * max(wait(4000), 0.02)


@pytest.mark.parametrize("wrong", ["<a ", '<p a="', "<!--", "<?xml ", "<p " + "a" * 50, "[pause ", "&#1"], ids=str)
def test_a_tag_that_nobody_closes_is_named_at_once(wrong):
    few = wrong * (100_000 // len(wrong))
    many = wrong * (400_000 // len(wrong))
    for text in (few, many):
        if wrong != "&#1":
            with pytest.raises(ValueError, match="mark-up, character 1 "):
                parse(text)
    assert seconds(many) < 9 * max(seconds(few), 0.005)


# Waiting, and memory


def counted(text, taken):
    """The pieces of an endless text; an error where too many are read before a line is given, which would be waiting for ever."""
    for piece in text:
        taken.append(len(piece))
        assert sum(taken) <= 32 * BLOCK, "no line came of all that was read"
        yield piece


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_line_waits_for_a_few_thousand_characters(kind):
    taken = []
    pieces_read = 0
    endless = stream(counted(itertools.repeat(KINDS[kind] * 10), taken))
    for line in itertools.islice(endless, 2000):
        assert 0 < weight(line.text) <= LONGEST + AROUND
        pieces_read += len(taken)
        taken.clear()
    assert pieces_read > 10 and endless.gi_frame is not None
    held = endless.gi_frame.f_locals["script"]
    assert held.size <= 2 * BLOCK and len(held.run) <= 2 * BLOCK


@pytest.mark.parametrize("mark", MARKS, ids=ascii)
def test_a_model_never_gets_more_than_a_line(mark, tokeniser):
    for text in (mark * 20_000, f"Hello {mark * 20_000} there."):
        for line in itertools.islice(speaks(text), 3):
            assert len(line.text) <= LONGEST + 2 * AROUND
            with contextlib.suppress(ValueError):  # what an English model does not read
                assert len(tokeniser.tokenise(line.parts).ids) <= 8 * LONGEST


def test_a_word_is_not_cut_from_its_accents():
    for letter in ("e\u0301", "कि"):
        text = letter * 1000
        stops = clauses(text)
        assert stops[-1] == len(text) and all(stop % len(letter) == 0 for stop in stops)


# The same, whole and in pieces


@pytest.mark.parametrize("size", [1, 7, 1000, 5000])
def test_a_text_in_pieces_gives_the_same_lines(size):
    marked = 'See <break time="200ms"/> [ipa həˈloʊ] &amp; [rate 0.5]slow[/rate]. * * *\n\n'
    text = (USUAL + marked + "one, two three " * 700) * (1 if size == 1 else 4)
    assert list(stream(text[i : i + size] for i in range(0, len(text), size))) == lines(text)


def test_a_sentence_without_end_is_cut_as_it_would_be_with_one():
    endless = "it was so cold that day, " * 1000
    one = [line.text for line in lines(endless)]
    assert one[:20] == [line.text for line in lines(endless[: 2 * len(endless) // 3])][:20]
    assert " ".join(one) == endless.strip() and all(text.endswith(",") for text in one[:-1])


def test_ends_that_more_text_may_change_are_not_told():
    text = "One two. Three four. " + "X" * (AROUND - 5)
    assert ends(text, whole=False) == [(8, False)] and ends(text)[:2] == [(8, False), (20, False)]
    assert ends(text + " More. ", whole=False)[:2] == [(8, False), (20, False)]


# Bounds of mark-up


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<speak>" * (DEEPEST + 1), f"{DEEPEST} tags are open already"),
        ("<prosody rate='10'>" * 3, "rates inside one another make 1000 times the usual"),
        ("[rate 0.1]<prosody rate='0.1'><prosody rate='0.1'>a", "rates inside one another make 0.001"),
        (f"[ipa {'ə' * (LONGEST_PHONES + 1)}]", f"more than {LONGEST_PHONES} characters of phonemes"),
        (f"<phoneme ph='ə'>{'a' * (LONGEST_PHONES + 1)}</phoneme>", f"holds more than {LONGEST_PHONES} characters"),
        (f"<p{' ' * (LONGEST_TAG + 5000)}>", "never closed by its bracket"),
        ("a <!-- b", "character 3 .*<!-- is never closed: put -->"),
    ],
)  # fmt: skip
def test_mark_up_has_bounds_that_it_names(text, message):
    with pytest.raises(ValueError, match=message):
        lines(text)


def test_a_comment_may_be_long_and_entities_cannot_be_numbers_without_end():
    assert lines("a <!--" + "b" * 100_000 + "--> c.")[0].text == "a c."
    assert "".join(piece.text for piece in parse("&#" + "1" * 5000 + ";")) == "&#" + "1" * 5000 + ";"


def test_pauses_add_up_to_a_minute_and_go_on_in_the_next_line():
    found = lines("One. [pause 40][pause 40][pause 40] Two.")
    assert [(line.text, line.pause) for line in found] == [("One.", 40.0), ("", 40.0), ("", 40.0), ("Two.", 0.0)]
    assert max(line.pause for line in lines("One. " + "[pause 7]" * 1000 + " Two.")) <= 60


def test_many_phones_make_more_than_a_line(tokeniser):
    text = "".join(f'<phoneme ph="{"ə" * 900}">x</phoneme> ' for _ in range(20))
    assert max(len(tokeniser.tokenise(line.parts).ids) for line in lines(text)) <= 2 * LONGEST_PHONES + LONGEST


# Errors come after what is before them


def test_what_is_wrong_is_told_when_it_is_reached():
    found = []
    with pytest.raises(ValueError, match="character 26 .*unknown tag 'b'"):
        for line in stream(["One two. Three four. And <b>."]):
            found.append(line.text)  # noqa: PERF402
    assert found == ["One two.", "Three four.", "And"]
    told = []
    with pytest.raises(ValueError, match="unknown tag"):
        for item in with_last(stream(["One. Two <b>"])):
            told.append((item[0].text, item[1]))  # noqa: PERF401
    assert told == [("One.", False), ("Two", False)]
    with pytest.raises(ValueError, match="character 4097 .*<p> is never closed"):
        list(pieces(["a" * 4096, "<p>", "b" * 9000]))


# Files


def test_a_text_file_is_read_piece_by_piece(tmp_path):
    path = tmp_path / "book.txt"
    text = "Größe – 東京 \u2028 a\0b.\n" * 10_000
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    found = list(chunks(path))
    assert "".join(found) == text and max(map(len, found)) <= CHUNK
    source = read_text(path)
    assert (source.name, source.file) == ("book", path) and len(source.source) < 1000


def test_a_text_file_of_another_encoding_is_named_with_its_line(tmp_path):
    path = tmp_path / "book.txt"
    path.write_bytes(b"good\n" * 50_000 + "Gr\u00f6\u00dfe".encode("latin1"))
    found = []
    with pytest.raises(ValueError, match=re.escape(f"{path} is not in UTF-8 (byte 0xf6 in line 50001)")):
        found.extend(chunks(path))
    with pytest.raises(ValueError, match="0xff in line 1"):
        path.write_text("a", encoding="utf-16")
        list(chunks(path))


def test_lines_of_a_list_end_at_newlines_alone(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("a|one\u2028two\x85three\x0cfour\0five\nb|six\r\n", encoding="utf-8", newline="")
    found, bad = read_list(path)
    assert [(s.name, s.source) for s in found] == [("a", "one\u2028two\x85three\x0cfour\0five"), ("b", "six")] and not bad
