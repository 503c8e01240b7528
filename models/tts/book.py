"""A book said by a voice: paragraph by paragraph into a folder, from which it goes on, and then one file with chapter marks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.base.frozen import digest_of_weights
from processors.books import Book, Chapter
from processors.markup import literal
from processors.script import PARAGRAPH, check_pause
from utils.audio import Audio
from utils.digest import digest
from utils.files import write_whole
from utils.log import log
from utils.loudness import at_loudness

if TYPE_CHECKING:
    from models.tts.task import TTS

CODECS = {  # container and codec of each ending; marks in Ogg come out up to a second late (findings/av-ogg-chapters.sh)
    ".m4b": ("mp4", "aac"), ".m4a": ("mp4", "aac"), ".mka": ("matroska", "flac"), ".mp3": ("mp3", "libmp3lame"),
}  # fmt: skip
BIT_RATE = 64_000  # of what loses something, a second: enough for one voice
TICK = Fraction(1, 1000)  # seconds, in which chapter marks are told
BLOCK = 2**20  # samples that are coded at a time


@dataclass(frozen=True)
class Pauses:
    """Seconds of silence behind a paragraph, a chapter's title and a chapter. Raises ValueError for what is no pause."""

    paragraph: float = PARAGRAPH
    title: float = 1.0
    chapter: float = 2.0

    def __post_init__(self) -> None:
        check_pause("paragraph_pause", self.paragraph)
        check_pause("chapter_pause", self.chapter)


@dataclass(frozen=True)
class Part:
    """What is said at once: its text, the seconds of silence behind it, and where its sound is kept."""

    text: str
    pause: float
    path: Path


class Reader:
    """Says a book. What is said is kept in `folder` under a name that its text, the voice and its `options` make: the same is not said twice."""

    def __init__(self, voice: TTS, folder: Path, pauses: Pauses = Pauses(), **options: Any) -> None:
        self.voice = voice
        self.folder = folder
        self.pauses = pauses
        self.options = options
        weights = digest_of_weights(voice.model.state_dict())
        self.who = digest([weights, options])

    def parts(self, chapter: Chapter) -> list[Part]:
        """What a chapter is said in."""
        title = [chapter.title] if chapter.title else []
        texts = [*title, *chapter.paragraphs]
        parts = [self._part(text, self.pauses.paragraph) for text in texts]
        if title:
            parts[0] = replace(parts[0], pause=self.pauses.title)
        parts[-1] = replace(parts[-1], pause=self.pauses.chapter)
        return parts

    def _part(self, text: str, pause: float) -> Part:
        name = digest([self.who, text])
        return Part(text, pause, self.folder / f"{name}.flac")

    def say(self, book: Book) -> Iterator[tuple[Part, bool]]:
        """Each part of the book once its sound is there, and whether it was said now. What cannot be said is named and left out."""
        for chapter in book.chapters:
            for part in self.parts(chapter):
                yield part, not part.path.is_file() and self._said(part)

    def _said(self, part: Part) -> bool:
        try:
            sound = self.voice(literal(part.text), **self.options)
        except ValueError as error:
            log.warning(f"not said: {part.text[:60]!r}: {error}")
            return False
        sound.write(part.path)
        return True

    def seconds(self, chapter: Chapter) -> float:
        """How long what was said of a chapter is, with its pauses."""
        import soundfile

        said = [part for part in self.parts(chapter) if part.path.is_file()]
        return sum(soundfile.info(part.path).duration + part.pause for part in said)

    def sound(self, chapter: Chapter, loudness: float | None) -> Audio:
        """All that was said of a chapter, with its pauses, at a loudness."""
        rate = self.voice.rate
        samples = []
        for part in self.parts(chapter):
            if part.path.is_file():
                samples.append(Audio.read(part.path).samples)
                samples.append(np.zeros(round(part.pause * rate), np.float32))
        whole = np.concatenate(samples) if samples else np.zeros(0, np.float32)
        audio = Audio(whole, rate)
        return audio if loudness is None else at_loudness(audio, loudness)


def check_out(path: Path) -> None:
    """Raises ValueError for a file of no format that keeps chapter marks, and for a folder."""
    if path.is_dir():
        raise ValueError(f"--out {path}: it is a folder: name a file in it.")
    if path.suffix.lower() not in CODECS:
        raise ValueError(f"--out {path}: an ending of {', '.join(CODECS)} is needed, for formats that keep chapter marks.")


def write_book(path: Path, book: Book, reader: Reader, loudness: float | None = None) -> Path:
    """One file of what `reader` said of a book, with a mark where each chapter begins, at a loudness. Raises ValueError for another format, and
    where nothing could be said."""
    check_out(path)
    if not any(map(reader.seconds, book.chapters)):
        raise ValueError(f"{path}: nothing of {book.title} could be said: the warnings above tell why.")
    return write_whole(path, lambda place: _write(place, path.suffix.lower(), book, reader, loudness))


def _write(place: Path, suffix: str, book: Book, reader: Reader, loudness: float | None) -> None:
    import av

    form, codec = CODECS[suffix]
    rate = reader.voice.rate
    with av.open(str(place), "w", format=form) as container:
        container.metadata.update({"title": book.title, "artist": book.author, "genre": "Audiobook"})
        stream = container.add_stream(codec, rate=rate, layout="mono", bit_rate=BIT_RATE)
        container.set_chapters(marks(book, reader))  # some formats write them before the first sound
        at = 0
        for chapter in book.chapters:
            samples = reader.sound(chapter, loudness).samples
            _encode(container, stream, samples, at, rate)
            at += len(samples)
        container.mux(stream.encode(None))


def marks(book: Book, reader: Reader) -> list[dict[str, Any]]:
    """Where each chapter begins and ends, as av takes it."""
    found = []
    start = 0
    for number, chapter in enumerate(book.chapters):
        seconds = reader.seconds(chapter)
        end = start + round(seconds / TICK)
        title = chapter.title or f"Part {number + 1}"
        found.append({"id": number, "start": start, "end": end, "time_base": TICK, "metadata": {"title": title}})
        start = end
    return found


def _encode(container: Any, stream: Any, samples: np.ndarray, at: int, rate: int) -> None:
    """Adds `samples` (samples,), which begin at the sample `at` of the whole."""
    import av

    for first in range(0, len(samples), BLOCK):
        block = np.clip(samples[first : first + BLOCK], -1.0, 1.0)
        frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        frame.pts = at + first
        container.mux(stream.encode(frame))
