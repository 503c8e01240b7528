"""A book as chapters of paragraphs, of a plain text, Markdown or an EPUB.

In a `.txt` a blank line parts paragraphs, and a line of its own such as "CHAPTER IV. The Storm" begins a chapter; in Markdown headings of
the first two levels do; of an EPUB markitdown makes Markdown, in the order of its spine. Blocks of code and pictures are not read out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from utils.files import read_text

SUFFIXES = (".txt", ".md", ".markdown", ".epub")
HEADING_LENGTH = 80  # letters of a line that may head a chapter
NUMBER = r"(?:\d+|[ivxlc]+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|the \w+)"
# "CHAPTER IV", "Part 2: The Sea", "Prologue", and not "Part of him wanted to stay."
HEADING = re.compile(
    rf"(?i:(?:chapter|part|book|section|kapitel|teil|chapitre|partie|cap[ií]tulo|hoofdstuk) {NUMBER}|prologue|epilogue|preface|introduction)"
    r"(?:[.:]? ?[-–—]? ?|[.:]? (?=[A-Z]).*[^.!?]|[.:] .+)"
)
TOP_LEVELS = ("h1", "h2")
FACT = re.compile(r"\*\*(\w+):\*\* (.+)")  # as markitdown tells a title and authors


@dataclass(frozen=True)
class Chapter:
    """Its title, "" where it has none, and its paragraphs in plain words."""

    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Book:
    """What is read out. `author` is "" where nobody is named."""

    title: str
    author: str
    chapters: tuple[Chapter, ...]

    @property
    def paragraphs(self) -> int:
        """How many there are in all."""
        return sum(len(chapter.paragraphs) for chapter in self.chapters)


def read_book(path: str | Path) -> Book:
    """The book in a file. Raises ValueError for another kind of file, one that cannot be read, and one without a word."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no book {path}: check the path.")
    readers = {".txt": _of_text, ".epub": _of_epub}
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: a book is a file that ends in {', '.join(SUFFIXES)}.")
    book = readers.get(suffix, _of_markdown_file)(path)
    if not book.paragraphs:
        raise ValueError(f"{path}: there is not a word to read in it.")
    return book


def _of_text(path: Path) -> Book:
    blocks = re.split(r"\n\s*\n", read_text(path))
    pairs = [(_is_heading(block), " ".join(block.split())) for block in blocks if block.strip()]
    return Book(path.stem, "", _chapters(pairs))


def _is_heading(block: str) -> bool:
    line = " ".join(block.split())
    return len(line) <= HEADING_LENGTH and bool(HEADING.fullmatch(line))


def _of_markdown_file(path: Path) -> Book:
    return _of_markdown(read_text(path), path.stem, "")


def _of_epub(path: Path) -> Book:
    try:
        from markitdown import StreamInfo
        from markitdown.converters import EpubConverter  # its front door reads a damaged EPUB as if it were a text
    except ImportError as error:
        raise ValueError(f'{path}: EPUBs are read by markitdown: pip install "markitdown>=0.1", or install .[book].') from error
    try:
        with path.open("rb") as file:
            text = EpubConverter().convert(file, StreamInfo(extension=".epub")).markdown
    except Exception as error:  # noqa: BLE001 (of zip, XML and its own: whatever is wrong with the file)
        reason = type(error).__name__
        raise ValueError(f"{path}: this is no EPUB that can be read ({reason}): is it whole, and without copy protection?") from error
    head, _, body = text.partition("\n\n")
    facts = dict(FACT.findall(head))
    return _of_markdown(body if facts else text, facts.get("Title", path.stem), facts.get("Authors", ""))


def _of_markdown(text: str, title: str, author: str) -> Book:
    return Book(title, author, _chapters(_blocks(text)))


def _blocks(text: str) -> Iterator[tuple[bool, str]]:
    """Whether it heads a chapter, and the words, of each block of Markdown that has words."""
    from markdown_it import MarkdownIt

    heading = ""
    for token in MarkdownIt().parse(text):
        if token.type == "heading_open":
            heading = token.tag
        elif token.type == "inline":
            words = " ".join(_words(token.children or []).split())
            if words:
                yield heading in TOP_LEVELS, words
            heading = ""


def _words(tokens: list) -> str:
    """What of the parts of a line is read out."""
    said = []
    for token in tokens:
        if token.type in ("text", "code_inline"):
            said.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            said.append(" ")
    return "".join(said)


def _chapters(blocks: Iterator[tuple[bool, str]] | list[tuple[bool, str]]) -> tuple[Chapter, ...]:
    """Chapters of their blocks; a heading with nothing behind it is a title over the next one."""
    chapters: list[Chapter] = []
    title = ""
    paragraphs: list[str] = []
    for is_heading, words in blocks:
        if not is_heading:
            paragraphs.append(words)
            continue
        if paragraphs:
            chapters.append(Chapter(title, tuple(paragraphs)))
            title, paragraphs = "", []
        title = f"{title}. {words}" if title else words
    if paragraphs:
        chapters.append(Chapter(title, tuple(paragraphs)))
    return tuple(chapters)
