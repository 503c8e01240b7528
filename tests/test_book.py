"""Books: what is read of them, what is said and kept, and files with chapter marks."""

import zipfile

import numpy as np
import pytest

from bins.book import main
from models.tts.book import CODECS, Pauses, Reader, check_out, write_book
from processors.books import Book, Chapter, read_book
from processors.markup import literal
from processors.script import lines
from tests.conftest import make
from tests.test_tts_task import releases, tasks  # noqa: F401 (fixtures)
from utils.audio import Audio
from utils.loudness import loudness

TEXT = "A note before.\n\nCHAPTER I. The Sea\n\nIt was\ncold.\n\nHe [pause 5] left <b>at</b> 5 & 6.\n\nChapter II\n\nThe end.\n"
CHAPTERS = [
    ("", ("A note before.",)), ("CHAPTER I. The Sea", ("It was cold.", "He [pause 5] left <b>at</b> 5 & 6.")), ("Chapter II", ("The end.",)),
]  # fmt: skip
MARKDOWN = "# One\n\nFirst *words* and a [link](x.md).\n\n```\ncode\n```\n\n### Smaller\n\n- a point\n\n![picture](a.png)\n\n## Two\n\nLast.\n"
BOOK = Book("A title", "A name", (Chapter("One", ("First words.", "More.")), Chapter("", ("Last.",))))


def pairs(book):
    return [(chapter.title, chapter.paragraphs) for chapter in book.chapters]


def epub(path, *chapters):
    """A small EPUB, whose spine is in another order than its files are."""
    numbers = range(len(chapters))
    items = "".join(f'<item id="c{n}" href="c%20{n}.xhtml" media-type="application/xhtml+xml"/>' for n in reversed(numbers))
    spine = "".join(f'<itemref idref="c{n}"/>' for n in numbers)
    head = "<metadata><dc:title>The Book</dc:title><dc:creator>Somebody</dc:creator></metadata>"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", '<container><rootfiles><rootfile full-path="o/content.opf"/></rootfiles></container>')
        archive.writestr(
            "o/content.opf",
            f'<package xmlns:dc="http://purl.org/dc/elements/1.1/">{head}<manifest>{items}</manifest><spine>{spine}</spine></package>',
        )
        for number, (title, words) in enumerate(chapters):
            archive.writestr(f"o/c {number}.xhtml", f"<html><body><h1>{title}</h1><p>{words}</p></body></html>")
    return path


class Voice:
    """Says each letter as a tenth of a second of a tone, and counts what it was asked for."""

    rate = 22050

    def __init__(self):
        import torch

        self.model = make(torch.nn.Linear, in_features=1, out_features=1)
        self.said = []

    def __call__(self, text, **options):
        if "%" in text:
            raise ValueError("a symbol that it does not know")
        self.said.append(text)
        time = np.arange(round(0.1 * len(text) * self.rate)) / self.rate
        return Audio((0.05 * np.sin(2 * np.pi * 300 * time)).astype(np.float32), self.rate)


@pytest.fixture
def voice():
    return Voice()


def test_a_text_is_chapters_of_paragraphs(tmp_path):
    (tmp_path / "sea.txt").write_text(TEXT)
    book = read_book(tmp_path / "sea.txt")
    assert pairs(book) == CHAPTERS and (book.title, book.author) == ("sea", "")


@pytest.mark.parametrize("line, heads", [
    ("CHAPTER IV", True), ("Chapter 4. The Storm", True), ("CHAPTER I\nTHE RIVER BANK", True), ("Part Two: The Sea", True), ("Prologue", True),
    ("PART THE FIRST", True), ("Kapitel 3", True), ("Part of him wanted to stay.", False), ("Book in hand, he left the house.", False),
    ("Part one of the plan was simple.", False), ("Part I played in it is over.", False), ("Introductions were made.", False),
    ("Chapter", False),
])  # fmt: skip
def test_a_sentence_is_no_heading(line, heads, tmp_path):
    (tmp_path / "a.txt").write_text(f"{line}\n\nWords follow.\n")
    words = " ".join(line.split())
    expected = [(words, ("Words follow.",))] if heads else [("", (words, "Words follow."))]
    assert pairs(read_book(tmp_path / "a.txt")) == expected


def test_markdown_is_read_without_its_signs(tmp_path):
    (tmp_path / "a.md").write_text(MARKDOWN)
    assert pairs(read_book(tmp_path / "a.md")) == [("One", ("First words and a link.", "Smaller", "a point")), ("Two", ("Last.",))]


def test_an_epub_is_read_in_the_order_of_its_spine(tmp_path):
    book = read_book(epub(tmp_path / "b.epub", ("One", "First words."), ("Two", "Second words.")))
    assert (book.title, book.author) == ("The Book", "Somebody")
    assert pairs(book) == [("One", ("First words.",)), ("Two", ("Second words.",))]


def test_headings_alone_are_titles_of_what_follows(tmp_path):
    (tmp_path / "a.md").write_text("# Part One\n\n## Chapter 1\n\nWords.\n\n# The End\n")
    assert pairs(read_book(tmp_path / "a.md")) == [("Part One. Chapter 1", ("Words.",))]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", b"", "not a word"), ("a.md", b"![p](x.png)", "not a word"), ("a.epub", b"junk", "no EPUB that can be read"),
        ("a.pdf", b"%PDF", r"ends in \.txt"), ("a.txt", b"\xff\xfe\x00", "UTF"),
    ],
)  # fmt: skip
def test_what_is_no_book_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_book(tmp_path / name)


def test_a_zip_of_something_else_and_no_file_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.epub", "w") as archive:
        archive.writestr("x.txt", "x")
    with pytest.raises(ValueError, match="no EPUB that can be read"):
        read_book(tmp_path / "a.epub")
    with pytest.raises(ValueError, match="no book .*gone.txt"):
        read_book(tmp_path / "gone.txt")


@pytest.mark.parametrize("text", ["He [pause 5] left <b>at</b> 5 & 6.", "[rate 2]a &lt; b[/rate] <speak>c</speak>"])
def test_nothing_in_a_book_is_mark_up(text):
    assert [(line.text, line.pause) for line in lines(literal(text))] == [(text, 0.0)]


def test_a_stopped_book_goes_on_and_a_changed_paragraph_is_said_alone(voice, tmp_path):
    reader = Reader(voice, tmp_path)
    said = reader.say(BOOK)
    next(said), next(said)
    said.close()
    assert voice.said == ["One", "First words."]
    assert [now for _, now in Reader(voice, tmp_path).say(BOOK)] == [False, False, True, True]
    changed = Book("", "", (Chapter("One", ("First words.", "Other.")), BOOK.chapters[1]))
    list(Reader(voice, tmp_path).say(changed))
    assert voice.said == ["One", "First words.", "More.", "Last.", "Other."]
    list(Reader(voice, tmp_path, speed=2.0).say(BOOK))
    assert len(voice.said) == 9, "other options are another reading"


def test_what_cannot_be_said_is_named_and_left_out(voice, tmp_path, caplog):
    book = Book("", "", (Chapter("", ("Five %.", "Six.")),))
    assert [now for _, now in Reader(voice, tmp_path).say(book)] == [False, True]
    assert "not said: 'Five %.': a symbol" in caplog.text


def test_pauses_are_to_the_sample_and_a_chapter_has_one_loudness(voice, tmp_path):
    reader = Reader(voice, tmp_path, Pauses(paragraph=0.5, title=1.0, chapter=2.0))
    list(reader.say(BOOK))
    sound = reader.sound(BOOK.chapters[0], None)
    letters = len("One") + len("First words.") + len("More.")
    assert sound.seconds == pytest.approx(0.1 * letters + 1.0 + 0.5 + 2.0, abs=1e-3) == reader.seconds(BOOK.chapters[0])
    assert loudness(reader.sound(BOOK.chapters[0], -20.0)) == pytest.approx(-20.0, abs=0.2)


@pytest.mark.parametrize("suffix", CODECS)
def test_a_file_has_the_marks_of_its_chapters(voice, tmp_path, suffix):
    import av

    reader = Reader(voice, tmp_path / "parts")
    list(reader.say(BOOK))
    path = write_book(tmp_path / f"book{suffix}", BOOK, reader, -20.0)
    seconds = [reader.seconds(chapter) for chapter in BOOK.chapters]
    with av.open(str(path)) as container:
        marks = [(float(mark["start"] * mark["time_base"]), mark["metadata"]["title"]) for mark in container.chapters()]
        frames = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
        titles = [container.metadata.get("title"), container.streams[0].metadata.get("title")]
    assert marks == [(0.0, "One"), (pytest.approx(seconds[0], abs=0.01), "Part 2")] and "A title" in titles
    assert frames == pytest.approx(sum(seconds), abs=0.2)


def test_another_ending_is_named_before_anything_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"--out .*book.wav: an ending of \.m4b, .* keep chapter marks"):
        check_out(tmp_path / "book.wav")
    with pytest.raises(ValueError, match="it is a folder"):
        check_out(tmp_path)


def test_a_book_that_cannot_be_said_makes_no_file(voice, tmp_path):
    book = Book("Signs", "", (Chapter("", ("Five %.",)),))
    reader = Reader(voice, tmp_path / "parts")
    list(reader.say(book))
    with pytest.raises(ValueError, match="nothing of Signs could be said"):
        write_book(tmp_path / "a.m4b", book, reader)
    assert not (tmp_path / "a.m4b").exists()


@pytest.mark.parametrize("pause", [{"paragraph": -1.0}, {"chapter": float("nan")}, {"paragraph": 1e9}])
def test_what_is_no_pause_is_named(pause):
    with pytest.raises(ValueError, match=f"{next(iter(pause))}_pause: 0 to 60 seconds"):
        Pauses(**pause)


def test_the_program_says_a_book(tasks, releases, tmp_path, capsys, caplog):  # noqa: F811
    (tmp_path / "sea.txt").write_text("CHAPTER ONE\n\nHello there.\n\nHow are you?")
    words = ["--checkpoint", str(releases["VITS"]), "--text-file", str(tmp_path / "sea.txt"), "--out", str(tmp_path / "sea.m4b"), "--seed", "1"]
    assert main([*words, "--chapters"]) == 0
    assert "CHAPTER ONE: 2 paragraphs" in capsys.readouterr().out and not (tmp_path / "sea.m4b").exists()
    assert main([*words, "--speed", "2"]) == 0
    assert (tmp_path / "sea.m4b").is_file() and "3 paragraphs said now" in caplog.text
    assert main([*words, "--speed", "2"]) == 0
    assert "0 paragraphs said now, 3 were there" in caplog.text
    with pytest.raises(ValueError, match="loudness: -60 to -6 LUFS"):
        main([*words, "--loudness", "5"])
