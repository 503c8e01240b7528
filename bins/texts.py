"""What `bins.infer` is given to say, and how what was said is written: lists, long texts, streams, subtitles."""

from __future__ import annotations

import codecs
import io
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from utils.files import read_lines

if TYPE_CHECKING:
    from utils.audio import Audio

FORMS = '"text", "id|text" or "id|speaker|text"'
CHUNK = 65536  # bytes of a text that are read together
LONGEST_WAV = 2**31 - 2**9  # samples of 16 bits: its sizes are written in 32
SOUNDS = (".wav", ".flac", ".mp3", ".ogg")  # endings that an id of somebody's file list may have


@dataclass(frozen=True)
class Source:
    """One thing to make sound of: what its file is called, the text or path, options of its own, and where a long text is."""

    name: str
    source: str
    options: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None


def read_list(path: Path) -> tuple[list[Source], list[str]]:
    """The texts of a list file, and its bad lines with the reason of each. Raises ValueError where there is no text at all.

    A line is a text, "id|text" or "id|speaker|text"; an id is a word without spaces, and names the result.
    """
    if not path.is_file():
        raise ValueError(f"--list: no file {path}.")
    sources: dict[str, Source] = {}
    bad: list[tuple[int, str]] = []
    number = 0
    for at, line in read_lines(path, bad):
        if not line.strip():
            continue
        try:
            source = _line(line.strip(), f"{number + len(bad):04d}")
            if source.name in sources:
                raise ValueError(f"the id {source.name!r} was there before.")
            sources[source.name] = source
            number += 1
        except ValueError as error:
            bad.append((at, f"({line.strip()[:60]!r}): {error}"))
    problems = [f"line {at} {reason}" for at, reason in bad]
    if not sources:
        raise ValueError(f"--list: {path} holds no text." + "".join(f"\n  {line}" for line in problems))
    return list(sources.values()), problems


def _line(line: str, number: str) -> Source:
    fields = [part.strip() for part in line.split("|")]
    if len(fields) == 1 or not re.fullmatch(r"\S+", fields[0]):
        if len(fields) > 1 and not fields[0]:
            raise ValueError("no id before the first \"|\".")
        return Source(number, line)
    if len(fields) > 3:
        raise ValueError(f"{len(fields)} fields: a line is {FORMS}.")
    if not fields[-1]:
        raise ValueError(f"no text: a line is {FORMS}.")
    speaker = {"speaker": fields[1]} if len(fields) == 3 and fields[1] else {}
    return Source(_name(fields[0]), fields[-1], speaker)


def _name(identity: str) -> str:
    """An id as the name of a file below the folder of results. Raises ValueError for one that leads elsewhere."""
    path = PurePosixPath(identity.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name or ":" in identity:
        raise ValueError(f"the id {identity!r} cannot be the name of a file below the results: leave out what leads elsewhere.")
    return str(path.with_suffix("") if path.suffix.lower() in SOUNDS else path)


def read_text(path: Path) -> Source:
    """One long text, named like its file, which is read when it is said. Raises ValueError when there is none."""
    if not path.is_file():
        raise ValueError(f"--text-file: no file {path}.")
    return Source(path.stem, str(path), file=path)


def chunks(path: Path) -> Iterator[str]:
    """The text of a file as it is read, its lines ending in \\n. Raises ValueError behind the text before what is not in UTF-8."""
    decoder, line = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")(), translate=True), 1
    with path.open("rb") as file:
        raw = b"-"
        while raw:
            raw = file.read(CHUNK)
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                read = error.object[: error.start].decode("utf-8-sig")
                yield read
                where = f"byte {error.object[error.start]:#04x} in line {line + read.count(chr(10))}"
                raise ValueError(f"--text-file: {path} is not in UTF-8 ({where}): save it again as UTF-8.") from error
            yield text
            line += text.count("\n")


def say(task: Any, source: Source, path: Path, settings: dict[str, Any], options: Any) -> Path:
    """Writes the sound of `source` as `path`, with its times beside it where they are asked for."""
    named = dict(source.options)
    if "speaker" in named and "target" in task.own_options():  # who speaks a line of a list is whose voice a song is to have
        named["target"] = named.pop("speaker")
    settings = {**settings, **named}
    if options.stream and source.file:
        return write_stream(task.stream(chunks(source.file), **settings), path)
    text = "".join(chunks(source.file)) if source.file else source.source
    if options.srt or options.textgrid:
        speech = task.timed(text, **settings)
        if options.srt:
            speech.write_srt(path.with_suffix(".srt"), options.srt)
        if options.textgrid:
            speech.write_textgrid(path.with_suffix(".TextGrid"))
        return speech.write(path)  # last: what has its sound is done
    if not options.stream:
        return task(text, **settings).write(path)
    if task.streams_files:
        return task.stream_file(source.source, **settings).write(path)
    return write_stream(task.stream(text, **settings), path)


def write_stream(pieces: Iterable[Audio], path: Path) -> Path:
    """Writes pieces of sound as they come, 16-bit, and says how long the first took; memory holds one at a time.

    Where a later piece cannot be made, raises its ValueError; the pieces before it are then in the file "<name>.partial.wav".
    """
    import numpy as np
    import soundfile

    from utils.audio import AudioError
    from utils.files import write_whole
    from utils.log import log

    begun, pieces = time.perf_counter(), iter(pieces)
    first = next(pieces)
    log.info(f"{path.stem}: {first.seconds:.1f} s of sound after {1000 * (time.perf_counter() - begun):.0f} ms")
    stopped: list[ValueError] = []

    def write(part: Path) -> None:
        with soundfile.SoundFile(part, "w", first.rate, 1, "PCM_16") as file:
            for piece in _until_error(chain([first], pieces), stopped):
                if not np.isfinite(piece.samples).all():
                    raise AudioError(f"not writing {path}: the samples hold NaN or infinity.")
                file.write(np.clip(piece.samples, -1.0, 1.0))

    partial = write_whole(path.with_stem(f"{path.stem}.partial"), write)
    if stopped:
        raise ValueError(f"{stopped[0]} What was said before it is in {partial}.") from stopped[0]
    return partial.replace(path)


def _until_error(pieces: Iterable[Audio], stopped: list[ValueError]) -> Iterator[Audio]:
    """The pieces before the first that cannot be made, or has no room in a WAV; why goes to `stopped`."""
    size = 0
    try:
        for piece in pieces:
            size += len(piece.samples)
            if size > LONGEST_WAV:
                raise ValueError(f"a WAV file holds {LONGEST_WAV / piece.rate / 3600:.0f} hours of this: cut the text.")
            yield piece
    except ValueError as error:
        stopped.append(error)
