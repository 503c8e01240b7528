"""Sound as the bytes of a format while it comes, for whoever listens already."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np

from utils.audio import Audio
from utils.decode import AudioError

UNKNOWN = 0xFFFFFFFF  # the length of a WAV that has not ended: players then read on as long as something comes


@dataclass(frozen=True)
class Format:
    """How a name is written: its media type, the one `rate` that it has (None: any), and libsndfile's names for it.

    Some programs read it only if its header tells the length: then it is `whole`, and comes when all of it is there.
    """

    media_type: str
    rate: int | None = None
    container: str = ""
    subtype: str = ""
    whole: bool = False


FORMATS = {
    "mp3": Format("audio/mpeg", container="MP3", subtype="MPEG_LAYER_III"),
    "opus": Format("audio/ogg", rate=24000, container="OGG", subtype="OPUS"),
    "flac": Format("audio/flac", container="FLAC", subtype="PCM_16", whole=True),
    "wav": Format("audio/wav"),
    "pcm": Format("audio/pcm", rate=24000),  # 16 bits, the lower byte first, one channel, nothing around
}


class Encoder:
    """Sound of `rate` in one of the `FORMATS`: `encode` gives what bytes there are of what came so far, `finish` the rest."""

    def __init__(self, name: str, rate: int) -> None:
        import soundfile
        import soxr

        wanted = FORMATS[name]
        self._whole = wanted.whole
        self.rate = wanted.rate or rate
        self._resampler = None
        if self.rate != rate:
            self._resampler = soxr.ResampleStream(rate, self.rate, 1, dtype="float32")
        self._begin = wave_header(self.rate) if name == "wav" else b""
        self._pipe = Pipe()
        self._file = None
        if wanted.container:
            self._file = soundfile.SoundFile(
                self._pipe, "w", self.rate, 1, format=wanted.container, subtype=wanted.subtype
            )

    def encode(self, samples: np.ndarray, *, last: bool = False) -> bytes:
        """`samples` (samples,) float32 in [-1, 1]. Raises AudioError for those that are no numbers."""
        if not np.isfinite(samples).all():
            raise AudioError("not sent: the samples hold NaN or infinity.")
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        samples = np.clip(samples, -1.0, 1.0)
        if self._file is None:
            begin, self._begin = self._begin, b""
            return begin + (samples * 32767).round().astype("<i2").tobytes()
        self._file.write(samples)
        return b"" if self._whole else self._pipe.take()

    def finish(self) -> bytes:
        """What was held back."""
        rest = self.encode(np.zeros(0, np.float32), last=True)
        if self._file is None:
            return rest
        self._file.close()
        return rest + self._pipe.take()


def encoded(audio: Audio, name: str) -> bytes:
    """A whole sound in one of the `FORMATS`; other than of an `Encoder`, its header tells its length."""
    import soundfile

    if name == "pcm":
        encoder = Encoder(name, audio.rate)
        return encoder.encode(audio.samples) + encoder.finish()
    wanted = FORMATS[name]
    sound = audio.resample(wanted.rate or audio.rate)
    samples = np.clip(sound.samples, -1.0, 1.0)
    file = io.BytesIO()
    soundfile.write(file, samples, sound.rate, format=wanted.container or "WAV", subtype=wanted.subtype or "PCM_16")
    return file.getvalue()


def wave_header(rate: int) -> bytes:
    """That of a WAV of 16 bits and one channel whose length is not known yet."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    begin = struct.pack("<4sI4s", b"RIFF", UNKNOWN, b"WAVE")
    data = struct.pack("<4sI", b"data", UNKNOWN)
    return begin + form + data


class Pipe:
    """What libsndfile writes to as if it were a file, and what is taken from it on the way.

    Bytes that were taken have gone: where a format corrects its header at the end, that is lost, and the header goes on saying nothing
    of the length.
    """

    def __init__(self) -> None:
        self._place = 0
        self._end = 0
        self._waiting = bytearray()  # up to the end

    def write(self, data: bytes) -> int:
        """Where it stands; returns how many bytes."""
        data = bytes(data)
        first = self._end - len(self._waiting)
        gone = max(0, first - self._place)
        kept = data[gone:]
        if kept:
            begin = max(0, self._place - first)
            end = begin + len(kept)
            self._waiting[begin:end] = kept
        self._place += len(data)
        self._end = max(self._end, self._place)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of a file."""
        origins = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._end}
        self._place = origins[whence] + offset
        return self._place

    def tell(self) -> int:
        """As of a file."""
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Nothing: it is only written to."""
        return b""

    def take(self) -> bytes:
        """What was written since the last time."""
        data = bytes(self._waiting)
        self._waiting.clear()
        return data
