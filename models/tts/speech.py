"""Speech with the times of its lines, words and phones, and how pieces of it become one sound without a click."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from processors.duration import silent
from processors.text import places_of
from utils.audio import Audio, join
from utils.textgrid import Interval, write_srt, write_textgrid

FADE = 0.005  # seconds: too short to be heard as a fade, long enough that a step is no click


@dataclass(frozen=True)
class Speech:
    """A sound and when what is heard in it: (label, start, end) in seconds; "" among `phones` is silence."""

    audio: Audio
    lines: list[Interval] = field(default_factory=list)
    words: list[Interval] = field(default_factory=list)
    phones: list[Interval] = field(default_factory=list)

    def write(self, path: str | Path) -> Path:
        """Writes the sound."""
        return self.audio.write(path)

    def write_srt(self, path: str | Path, each: Literal["lines", "words"] = "lines") -> Path:
        """Writes subtitles, a cue for each line said at once, or each word."""
        return write_srt(path, getattr(self, each))

    def write_textgrid(self, path: str | Path) -> Path:
        """Writes the tiers lines, words and phones for Praat."""
        return write_textgrid(path, {"lines": self.lines, "words": self.words, "phones": self.phones})


def joined(pieces: list[Speech]) -> Speech:
    """The pieces one after another, their times moved to where they now are."""
    audio = join([piece.audio for piece in pieces])
    tiers = {"lines": [], "words": [], "phones": []}
    at = 0
    for piece in pieces:
        for name, tier in tiers.items():
            tier += moved(getattr(piece, name), at / audio.rate)
        at += len(piece.audio.samples)
    return Speech(audio, **tiers)


def moved(tier: list[Interval], seconds: float) -> list[Interval]:
    """The tier, so much later."""
    return [(label, start + seconds, end + seconds) for label, start, end in tier]


def fitted(audio: Audio, pause: float, *, first: bool, last: bool) -> Audio:
    """A piece with `pause` seconds of silence behind it; faded at the ends where another piece or silence touches it."""
    samples = audio.samples.copy()
    longest = len(samples) // 2
    fade = min(round(FADE * audio.rate), longest)
    places = (np.arange(fade) + 0.5) / max(fade, 1)
    ramp = 0.5 - 0.5 * np.cos(np.pi * places)
    ramp = ramp.astype(np.float32)
    if not first:
        samples[:fade] *= ramp
    if fade and (pause or not last):
        samples[-fade:] *= ramp[::-1]
    silence = np.zeros(round(pause * audio.rate), np.float32)
    lengthened = np.append(samples, silence)
    return Audio(lengthened, audio.rate)


def token_times(duration: np.ndarray, seconds_per_frame: float, seconds: float) -> list[tuple[float, float]]:
    """Start and end of each token from `duration` (tokens,) in frames, within a sound of so many `seconds`."""
    ends = np.minimum(np.cumsum(duration) * seconds_per_frame, seconds).tolist()
    return list(zip([0.0, *ends[:-1]], ends, strict=True))


def with_times(
    audio: Audio, text: str, tokens: np.ndarray, duration: np.ndarray, words: list[tuple[str, int, int]], seconds_per_frame: float
) -> Speech:
    """The times of one line. `duration` is of the tokens, or of tokens and blanks; `words` count spoken tokens."""
    times = token_times(duration, seconds_per_frame, audio.seconds)
    places = places_of(len(tokens), len(times))
    phones = [("", *times[0])] if places.start else []  # a first blank is the silence before speech
    for token, place in zip(tokens.tolist(), places, strict=True):
        behind = place + places.step
        lasting = times[place:behind]  # a blank sounds on from the phone before it
        start, _ = lasting[0]
        _, end = lasting[-1]
        phones.append((_label(token), start, end))
    spoken = [phone for phone in phones if phone[0]]
    line = []
    if spoken:
        line = [(text, spoken[0][1], spoken[-1][2])]
    of_words = []
    for word, first, last in words:
        of_words.append((word, spoken[first][1], spoken[last - 1][2]))
    return Speech(audio, line, of_words, phones)


def _label(token: str) -> str:
    """What Praat shows of a token: nothing of a silent one."""
    return "" if silent(token) else token.lstrip("@") or token
