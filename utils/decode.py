"""Sound files become samples: sections that equal the cut of the whole, and headers that are not believed.

A header may promise hours that the file does not hold, a rate that no sound has, or call integers floats. What is wrong is refused
by name before memory is taken; what is only odd is said as a doubt.
"""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SUFFIXES = (".wav", ".flac", ".w64", ".aiff", ".aif", ".caf", ".au", ".ogg", ".opus", ".mp3")  # the lossless ones first
RATES = (1000, 1_000_000)  # Hz; a telephone has 8,000, a recorder of bats 500,000
MOST_SAMPLES = 2**30  # of one recording: 6 hours at 48 kHz, 4 GiB of memory
SMALL_FILE, SAMPLES_A_BYTE = 2**26, 256  # a file that unfolds to more samples than these allow is an accident or an attack
BLOCK = 2**16  # samples that are decoded at once
HIGHEST = 8.0  # float sound may go beyond 1; integers called floats go to 127, 32,767 or 8,388,607
CANCELLED = 0.15  # power of the channels' sum, 1 if they have nothing to do with one another: codecs leave some of what cancels
TOLERATED, CUT = 0.01, 0.1  # seconds missing: some programs count the header as sound; beyond CUT, words are
UNKNOWN = 0x7FF00000  # bytes; programs that write to a pipe give such sizes, or 0, because they do not know the end yet
EXACT = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")  # codings that are entered anywhere without what came before
PROMISE = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)

REST = re.compile(r"(?:Unknown chunk marker \(\w+\)|Have 0 marker) at position (\d+)")
UNREAD = 0.02  # share of the file behind its sound that is no chunk of its format


class AudioError(ValueError):
    """A file that cannot serve as sound; the message says which and why."""


@dataclass
class Sound:
    """Mono `samples`, float32 (samples,), at `rate` Hz, and what is odd about the file."""

    samples: np.ndarray
    rate: int
    doubts: list[str] = field(default_factory=list)


def decode(path: str | Path, start: float = 0.0, seconds: float | None = None) -> Sound:
    """The sound in `path` from `start` on, for `seconds` or to its end; channels averaged. Raises AudioError naming the file."""
    import soundfile

    for name, value in (("start", start), ("seconds", seconds)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise AudioError(f"{name}={value} for {path}: a section begins at 0 s or later and lasts 0 s or more.")
    try:
        return _sound(path, start, seconds)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        missing = "" if Path(path).exists() else " (no such file)"
        raise AudioError(f"cannot read audio {path}{missing}: {error}") from error


def check_rate(what: str, rate: float) -> None:
    """Raises AudioError when `what` is at a rate that no sound has."""
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioError(f"{what} is at {rate} samples a second, sound has {RATES[0]} to {RATES[1]}: is its header damaged?")


def check_length(what: str, samples: float, most: int = MOST_SAMPLES) -> None:
    """Raises AudioError when `what` would take more memory than a recording should."""
    if samples > most:
        raise AudioError(f"{what} would be {samples:.3g} samples long, at most {most} are read: is it damaged? Else cut it into parts.")


def _sound(path: str | Path, start: float, seconds: float | None) -> Sound:
    with _opened(path) as file:
        rate, log, promised = file.samplerate, file.extra_info, _promised(path, file)
        check_rate(f"audio {path}", rate)
        first, count = round(start * rate), None if seconds is None else round(seconds * rate)
        mono, power, highest = _gathered(path, file, first, count, lambda block: block.mean(axis=1))
    _check(path, mono, highest, start)
    doubts = _cut_short(path, len(mono), promised - first, count, rate) if promised else []
    doubts += _oddities(path, log)
    if len(power) * np.dot(mono, mono) < CANCELLED * power.mean():
        loudest = int(power.argmax())
        with _opened(path) as file:
            mono, *_ = _gathered(path, file, first, count, lambda block: block[:, loudest])
        doubts.append(f"its {len(power)} channels cancel one another: channel {loudest + 1} alone is read")
    return Sound(mono, rate, doubts)


def _check(path: str | Path, mono: np.ndarray, highest: float, start: float) -> None:
    if not len(mono):
        beyond = f"has nothing from {start} s on" if start else "is empty: it holds no samples"
        raise AudioError(f"audio {path} {beyond}.")
    if not math.isfinite(highest):
        raise AudioError(f"audio {path} holds NaN or infinite samples: export it again.")
    if highest > HIGHEST:
        raise AudioError(
            f"audio {path} reaches {highest:.6g}, and float sound goes from -1 to 1: it seems to hold integers. Divide them by what is "
            "full scale (32768 for 16 bits) and export it again."
        )


def _oddities(path: str | Path, log: str) -> list[str]:
    """What libsndfile noticed about the file, as doubts."""
    doubts, unread = [], REST.search(log)
    if "lacks an end-of-stream bit" in log:
        doubts.append("it may be cut short: an Ogg file ends with a mark, this one does not")
    size = Path(path).stat().st_size
    if unread and size - int(unread[1]) > UNREAD * size:
        doubts.append(f"its header may promise too little: {size - int(unread[1])} bytes after its sound are not read")
    return doubts


@functools.cache
def _forward() -> Any:
    import soundfile

    class Forward(soundfile.SoundFile):
        """Reads on where it is. soundfile seeks after each read, which damages MP3, and fails where the length is unknown."""

        def seekable(self) -> bool:
            return False

    return Forward


def _opened(path: str | Path) -> Any:
    """The file, open. A WAV that says 0 for its length, as one from a pipe may, is read to its end."""
    if Path(path).exists() and not Path(path).is_file():
        raise AudioError(f"audio {path} is no file.")
    file = _forward()(str(path))
    if file.frames or file.format not in ("WAV", "WAVEX") or "\nEnd\n" in file.extra_info:
        return file
    file.close()
    return _forward()(io.BytesIO(Path(path).read_bytes().replace(b"data\0\0\0\0", b"data\xff\xff\xff\xff", 1)))


def _promised(path: str | Path, file: Any) -> int:
    """Frames that the file says it has; 0 where it does not say. libsndfile already lowers those of a WAV to what there is."""
    said = PROMISE.search(file.extra_info)
    if said:
        promised, held = int(said[1]), int(said[2])
        return round(file.frames * promised / held) if held and promised < UNKNOWN else 0
    if file.format == "MP3":  # without this mark the length is a guess
        with open(path, "rb") as raw:
            return file.frames if re.search(b"Xing|Info", raw.read(2**20)) else 0
    return 0 if file.format == "OGG" or file.frames > 2**62 else file.frames


def _gathered(
    path: str | Path, file: Any, first: int, count: int | None, mix: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Frames `first` to `first + count` mixed to (samples,); the power of each channel; the highest sample of all."""
    exact = file.format == "FLAC" or file.subtype.startswith(EXACT)
    most = min(MOST_SAMPLES, SMALL_FILE + SAMPLES_A_BYTE * Path(path).stat().st_size)
    if file.frames < 2**62:
        check_length(f"audio {path}", file.frames - first if count is None else min(count, file.frames - first), most)
    if exact and first:
        file.seek(min(first, file.frames))
    parts, length, power, highest = [np.zeros(0, np.float32)], 0, np.zeros(file.channels), 0.0
    for block in _blocks(file, 0 if exact else first, count):
        parts.append(mix(block))
        length += len(block)
        check_length(f"audio {path}", length, most)
        power += np.square(block, dtype=np.float64).sum(axis=0)
        highest = float(np.maximum(highest, np.abs(block).max()))
    return np.concatenate(parts), power, highest


def _blocks(file: Any, skip: int, count: int | None) -> Iterator[np.ndarray]:
    """Blocks of (frames, channels) from where `file` is, without the first `skip` frames, `count` in all."""
    size, end = max(1, BLOCK // file.channels), None if count is None else skip + count
    at = 0
    while end is None or at < end:
        block = file.read(size if end is None else min(size, end - at), dtype="float32", always_2d=True)
        if not len(block):
            return
        if at + len(block) > skip:
            yield block[max(0, skip - at) :]
        at += len(block)


def _cut_short(path: str | Path, held: int, promised: int, count: int | None, rate: int) -> list[str]:
    """A doubt where a little of what was promised is missing. Raises AudioError where words are."""
    wanted = promised if count is None else min(count, promised)
    missing = (wanted - held) / rate
    said = f"its header promises {wanted / rate:.2f} s, and it holds {held / rate:.2f} s"
    if missing > CUT:
        raise AudioError(f"audio {path} is cut short: {said}. Copy or export it again.")
    return [f"it is cut short: {said}"] if missing > TOLERATED else []
