"""What `bins.infer` is given to say, and how what was said is written: lists, long texts, streams, subtitles."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from utils.audio import Audio

FORMS = '"text", "id|text" or "id|speaker|text"'
SOUNDS = (".wav", ".flac", ".mp3", ".ogg")  # endings that an id of somebody's file list may have


@dataclass(frozen=True)
class Source:
    """One thing to make sound of: what its file is called, the text or path, and options of its own."""

    name: str
    source: str
    options: dict[str, Any] = field(default_factory=dict)


def read_list(path: Path) -> tuple[list[Source], list[str]]:
    """The texts of a list file, and its bad lines with the reason of each. Raises ValueError where there is no text at all.

    A line is a text, "id|text" or "id|speaker|text"; an id is a word without spaces, and names the result.
    """
    if not path.is_file():
        raise ValueError(f"--list: no file {path}.")
    found: dict[str, Source] = {}
    bad, number = [], 0
    for at, raw in enumerate(path.read_bytes().splitlines(), 1):
        if not raw.strip():
            continue
        try:
            source = _line(raw.decode("utf-8-sig").strip(), f"{number:04d}")
            if source.name in found:
                raise ValueError(f"the id {source.name!r} was there before.")
            found[source.name] = source
        except ValueError as error:
            reason = "it is not in UTF-8." if isinstance(error, UnicodeDecodeError) else str(error)
            bad.append(f"line {at} ({raw[:60].decode('utf-8', 'replace')!r}): {reason}")
        number += 1
    if not found:
        raise ValueError(f"--list: {path} holds no text." + "".join(f"\n  {line}" for line in bad))
    return list(found.values()), bad


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
    """One long text, named like its file. Raises ValueError when there is none."""
    if not path.is_file():
        raise ValueError(f"--text-file: no file {path}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"--text-file: {path} is not in UTF-8: save it again ({error}).") from error
    return Source(path.stem, text)


def say(task: Any, source: Source, path: Path, settings: dict[str, Any], options: Any) -> Path:
    """Writes the sound of `source` as `path`, with its times beside it where they are asked for."""
    settings = {**settings, **source.options}
    if options.srt or options.textgrid:
        speech = task.timed(source.source, **settings)
        if options.srt:
            speech.write_srt(path.with_suffix(".srt"), options.srt)
        if options.textgrid:
            speech.write_textgrid(path.with_suffix(".TextGrid"))
        return speech.write(path)  # last: what has its sound is done
    if not options.stream:
        return task(source.source, **settings).write(path)
    if hasattr(task, "stream_file"):  # a vocoder
        return task.stream_file(source.source, **settings).write(path)
    return write_stream(task.stream(source.source, **settings), path)


def write_stream(pieces: Iterable[Audio], path: Path) -> Path:
    """Writes pieces of sound as they come, 16-bit, and says how long the first took; memory holds one at a time."""
    import numpy as np
    import soundfile

    from utils.audio import AudioError
    from utils.files import write_whole
    from utils.log import log

    begun, pieces = time.perf_counter(), iter(pieces)
    first = next(pieces)
    log.info(f"{path.stem}: {first.seconds:.1f} s of sound after {1000 * (time.perf_counter() - begun):.0f} ms")

    def write(part: Path) -> None:
        with soundfile.SoundFile(part, "w", first.rate, 1, "PCM_16") as file:
            for piece in chain([first], pieces):
                if not np.isfinite(piece.samples).all():
                    raise AudioError(f"not writing {path}: the samples hold NaN or infinity.")
                file.write(np.clip(piece.samples, -1.0, 1.0))

    return write_whole(path, write)
