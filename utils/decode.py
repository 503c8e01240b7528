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
NO_LENGTH = 2**62  # frames that libsndfile gives for what it cannot measure
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


@dataclass(frozen=True)
class Section:
    """`count` frames of a file from frame `first` on; None: to its end."""

    first: int
    count: int | None

    @classmethod
    def of(cls, start: float, seconds: float | None, rate: int) -> Section:
        return cls(round(start * rate), None if seconds is None else round(seconds * rate))

    def within(self, frames: int) -> int:
        """How many frames of it a file of `frames` has; less than 0 where it begins behind the end."""
        rest = frames - self.first
        return rest if self.count is None else min(self.count, rest)


@dataclass(frozen=True)
class Mono:
    """A section mixed to `samples` (samples,), with the sum of squares of each channel and the highest sample of all."""

    samples: np.ndarray
    energies: np.ndarray
    highest: float

    @property
    def cancelled(self) -> bool:
        """Whether the channels cancel one another in the mix."""
        mixed = np.dot(self.samples, self.samples)
        return bool(len(self.energies) * mixed < CANCELLED * self.energies.mean())


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
    with opened(path) as file:
        rate = file.samplerate
        check_rate(f"audio {path}", rate)
        log = file.extra_info
        promised = promised_frames(path, file)
        section = Section.of(start, seconds, rate)
        mono = _mixed(path, file, section, lambda block: block.mean(axis=1))
    check_samples(path, mono.samples, mono.highest, start)
    doubts = []
    if promised:
        doubts += _cut_short(path, len(mono.samples), section.within(promised), rate)
    doubts += _oddities(path, log)
    if not mono.cancelled:
        return Sound(mono.samples, rate, doubts)
    loudest = int(mono.energies.argmax())
    doubts.append(f"its {len(mono.energies)} channels cancel one another: channel {loudest + 1} alone is read")
    with opened(path) as file:
        mono = _mixed(path, file, section, lambda block: block[:, loudest])
    return Sound(mono.samples, rate, doubts)


def check_samples(path: str | Path, samples: np.ndarray, highest: float, start: float) -> None:
    """Raises AudioError naming the file when its samples are none, not finite, or integers called floats."""
    if not len(samples):
        reason = f"has nothing from {start} s on" if start else "is empty: it holds no samples"
        raise AudioError(f"audio {path} {reason}.")
    if not math.isfinite(highest):
        raise AudioError(f"audio {path} holds NaN or infinite samples: export it again.")
    if highest > HIGHEST:
        raise AudioError(
            f"audio {path} reaches {highest:.6g}, and float sound goes from -1 to 1: it seems to hold integers. Divide them by what is "
            "full scale (32768 for 16 bits) and export it again."
        )


def _oddities(path: str | Path, log: str) -> list[str]:
    """What libsndfile noticed about the file, as doubts."""
    doubts = []
    if "lacks an end-of-stream bit" in log:
        doubts.append("it may be cut short: an Ogg file ends with a mark, this one does not")
    end = REST.search(log)
    if end:
        size = Path(path).stat().st_size
        unread = size - int(end[1])
        if unread > UNREAD * size:
            doubts.append(f"its header may promise too little: {unread} bytes after its sound are not read")
    return doubts


@functools.cache
def _forward() -> Any:
    import soundfile

    class Forward(soundfile.SoundFile):
        """Reads on where it is. soundfile seeks after each read, which damages MP3, and fails where the length is unknown."""

        def seekable(self) -> bool:
            return False

    return Forward


def opened(path: str | Path) -> Any:
    """The file, open. A WAV that says 0 for its length, as one from a pipe may, is read to its end."""
    if Path(path).exists() and not Path(path).is_file():
        raise AudioError(f"audio {path} is no file.")
    file = _forward()(str(path))
    if file.frames or file.format not in ("WAV", "WAVEX") or "\nEnd\n" in file.extra_info:
        return file
    file.close()
    content = Path(path).read_bytes()
    endless = content.replace(b"data\0\0\0\0", b"data\xff\xff\xff\xff", 1)
    return _forward()(io.BytesIO(endless))


def promised_frames(path: str | Path, file: Any) -> int:
    """Frames that the file says it has; 0 where it does not say. libsndfile already lowers those of a WAV to what there is."""
    said = PROMISE.search(file.extra_info)
    if said:
        promised = int(said[1])
        held = int(said[2])
        return round(file.frames * promised / held) if held and promised < UNKNOWN else 0
    if file.format == "MP3":  # without this mark the length is a guess
        with open(path, "rb") as raw:
            return file.frames if re.search(b"Xing|Info", raw.read(2**20)) else 0
    return 0 if file.format == "OGG" or not has_length(file) else file.frames


def entered_anywhere(file: Any) -> bool:
    """Whether an open file may be read from any sample on, without what comes before it."""
    return file.format == "FLAC" or file.subtype.startswith(EXACT)


def has_length(file: Any) -> bool:
    """Whether an open file says how long it is."""
    return file.frames < NO_LENGTH


def _mixed(path: str | Path, file: Any, section: Section, mix: Callable[[np.ndarray], np.ndarray]) -> Mono:
    """The section of `file`; `mix` makes a block (frames, channels) one of (frames,)."""
    most = min(MOST_SAMPLES, SMALL_FILE + SAMPLES_A_BYTE * Path(path).stat().st_size)
    if has_length(file):
        check_length(f"audio {path}", section.within(file.frames), most)
    parts = [np.zeros(0, np.float32)]
    length = 0
    energies = np.zeros(file.channels)
    highest = 0.0
    for block in _blocks(file, section):
        parts.append(mix(block))
        length += len(block)
        check_length(f"audio {path}", length, most)
        energies += np.square(block, dtype=np.float64).sum(axis=0)
        highest = float(np.maximum(highest, np.abs(block).max()))
    return Mono(np.concatenate(parts), energies, highest)


def _blocks(file: Any, section: Section) -> Iterator[np.ndarray]:
    """The section in blocks (frames, channels); where a file cannot be entered in the middle, it is decoded from its beginning."""
    size = max(1, BLOCK // file.channels)
    skip = section.first
    if skip and entered_anywhere(file):
        file.seek(min(skip, file.frames))
        skip = 0
    end = math.inf if section.count is None else skip + section.count
    at = 0
    while at < end:
        block = file.read(int(min(size, end - at)), dtype="float32", always_2d=True)
        if not len(block):
            return
        if at + len(block) > skip:
            yield block[max(0, skip - at) :]
        at += len(block)


def _cut_short(path: str | Path, held: int, promised: int, rate: int) -> list[str]:
    """A doubt where a little of the promised frames is missing. Raises AudioError where words are."""
    missing = (promised - held) / rate
    if missing <= TOLERATED:
        return []
    lengths = f"its header promises {promised / rate:.2f} s, and it holds {held / rate:.2f} s"
    if missing > CUT:
        raise AudioError(f"audio {path} is cut short: {lengths}. Copy or export it again.")
    return [f"it is cut short: {lengths}"]
