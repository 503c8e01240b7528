"""Sound as a value: float32 mono samples in [-1, 1] with their rate. The one place that reads, writes and resamples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.decode import AudioError, check_length, check_rate, decode
from utils.files import write_whole

WRITTEN = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".opus": "OGG", ".mp3": "MP3", ".aiff": "AIFF", ".w64": "W64"}  # libsndfile's names
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)  # Hz; Opus knows no others
SILENCE = 10 ** (-60 / 20)  # a peak under -60 dB of full scale is no recording
HIGHPASS_ORDER = 5  # there, and again on the way back
HIGHPASS_EDGE = 3 * (HIGHPASS_ORDER + 1)  # samples that are put before and behind a sound to be filtered


@dataclass(frozen=True, eq=False, repr=False)
class Audio:
    """Mono sound. `samples`: float32 (samples,); `rate`: samples per second; `doubts`: what is odd about the file it was read from."""

    samples: np.ndarray
    rate: int
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        samples = np.ascontiguousarray(self.samples, dtype=np.float32)
        if samples.ndim != 1:
            raise AudioError(f"audio must be (samples,), got shape {samples.shape}: average its channels first.")
        object.__setattr__(self, "samples", samples)

    @classmethod
    def read(cls, path: str | Path, rate: int | None = None, *, start: float = 0.0, seconds: float | None = None) -> Audio:
        """The sound in `path` (utils.decode.SUFFIXES), channels averaged, brought to `rate`.

        `start` and `seconds` cut a part: at once in wav, flac and their like, whereas mp3, ogg and opus are decoded from their
        beginning, because a section entered in the middle comes damaged or late. Raises AudioError naming the file when it is
        missing, unreadable, empty, cut short, no sound by its header, or holds NaN or integers called floats.
        """
        sound = decode(path, start, seconds)
        audio = cls(sound.samples, sound.rate, tuple(sound.doubts))
        return audio if rate is None else audio.resample(rate)

    @classmethod
    def of(cls, source: Audio | np.ndarray | str | Path, rate: int | None = None) -> Audio:
        """What users hand over as a sound: one as it is, the file at a path, or samples (samples,) of `rate` Hz.

        Raises AudioError for samples without their rate, and for a rate beside what has one of its own.
        """
        if isinstance(source, Audio | str | Path):
            if rate is not None:
                raise AudioError(f"rate={rate}: a file and an Audio have their own: leave it out; .resample({rate}) changes it.")
            return source if isinstance(source, Audio) else cls.read(source)
        if rate is None:
            raise AudioError("samples say nothing of how fast they follow one another: give their rate too, in Hz, as in (samples, 22050).")
        check_rate("the sound given", rate)
        return cls(np.asarray(source), rate)

    def write(self, path: str | Path) -> Path:
        """Writes the sound in the format of the suffix, one of `WRITTEN`, whole or not at all; 16-bit where that is a choice.

        Opus has five rates: another one is brought to the next higher. Raises AudioError for another suffix, and for NaN.
        """
        import soundfile

        path = Path(path)
        form = WRITTEN.get(path.suffix.lower())
        if form is None:
            raise AudioError(f"not writing {path}: an ending of {', '.join(WRITTEN)} is needed, for formats that can be written here.")
        if not np.isfinite(self.samples).all():
            raise AudioError(f"not writing {path}: the samples hold NaN or infinity.")
        opus = path.suffix.lower() == ".opus"
        sound = self.resample(_opus_rate(self.rate)) if opus else self
        samples = np.clip(sound.samples, -1.0, 1.0)
        coding = "OPUS" if opus else None
        return write_whole(path, lambda p: soundfile.write(p, samples, sound.rate, format=form, subtype=coding))

    def resample(self, rate: int) -> Audio:
        """The same sound at `rate` (soxr, high quality)."""
        if rate == self.rate:
            return self
        import soxr

        check_rate("the sound to resample", self.rate)
        check_rate("the resampled sound", rate)
        length = len(self.samples) * rate / self.rate
        check_length(f"{self.seconds:.1f} s brought from {self.rate} Hz to {rate} Hz", length)
        samples = soxr.resample(self.samples, self.rate, rate, "HQ")
        return Audio(samples, rate, self.doubts)

    def highpassed(self, frequency: float) -> Audio:
        """The same sound without what is below `frequency` Hz, nothing of it moved in time (a Butterworth filter, there and back).

        0 leaves it as it is.
        """
        if not frequency or not len(self.samples):
            return self
        from scipy.signal import butter, sosfiltfilt

        sections = butter(HIGHPASS_ORDER, frequency, "highpass", fs=self.rate, output="sos")
        around = min(HIGHPASS_EDGE, len(self.samples) - 1)
        samples = sosfiltfilt(sections, self.samples, padlen=max(0, around))
        return Audio(samples, self.rate, self.doubts)

    def __repr__(self) -> str:
        return f"<Audio: {self.seconds:.2f} s, {self.rate} Hz>"

    def _repr_html_(self) -> str:
        """A player and the length, in a notebook."""
        import base64
        import io

        import soundfile

        file = io.BytesIO()
        soundfile.write(file, np.clip(self.samples, -1.0, 1.0), self.rate, format="WAV", subtype="PCM_16")
        sound = base64.b64encode(file.getvalue()).decode()
        return f'<audio controls src="data:audio/wav;base64,{sound}"></audio> {self.seconds:.2f} s, {self.rate} Hz'

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    @property
    def peak(self) -> float:
        return float(np.abs(self.samples).max(initial=0.0))

    @property
    def silent(self) -> bool:
        return self.peak < SILENCE

    @property
    def clipped(self) -> bool:
        """True when more than one sample in a thousand lies flat at full scale."""
        return bool((np.abs(self.samples) > 0.999).mean() > 1e-3)

    def scaled(self, factor: float) -> Audio:
        """The same sound, so many times as large."""
        return Audio(self.samples * np.float32(factor), self.rate, self.doubts)

    def normalised(self, peak_db: float = -1.0) -> Audio:
        """The same sound with its peak at `peak_db` of full scale; silence stays as it is."""
        if self.silent:
            return self
        return self.scaled(10 ** (peak_db / 20) / self.peak)


def _opus_rate(rate: int) -> int:
    """The least of Opus's rates that keeps all of a sound at `rate`."""
    return next((known for known in OPUS_RATES if known >= rate), OPUS_RATES[-1])


def check_highpass(frequency: float, setting: str, rate: int) -> None:
    """Raises ValueError naming the setting for a frequency that no sound of this rate can be filtered at."""
    if not 0 <= frequency < rate / 2:
        raise ValueError(f"{setting}: from 0 (none) to less than half the rate, {rate / 2:g} Hz, got {frequency}.")


def join(parts: list[Audio], gap_seconds: float = 0.0) -> Audio:
    """One sound from several of the same rate, with `gap_seconds` of silence between."""
    rates = {part.rate for part in parts}
    if len(rates) != 1:
        raise AudioError(f"cannot join sounds of rates {sorted(rates)}: resample them first.")
    rate = parts[0].rate
    gap = np.zeros(round(gap_seconds * rate), dtype=np.float32)
    samples = [parts[0].samples]
    for part in parts[1:]:
        samples += [gap, part.samples]
    return Audio(np.concatenate(samples), rate)


def pieces(samples: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Windows of `size` samples every `hop`, (windows, size); what is shorter is repeated up to one window."""
    if len(samples) < size:
        repeats = -(-size // max(len(samples), 1))
        samples = np.tile(samples, repeats)[:size]
    last = len(samples) - size
    starts = range(0, last + 1, hop)
    windows = [samples[start : start + size] for start in starts]
    return np.stack(windows)
