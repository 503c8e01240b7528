"""A sound that comes in pieces, converted window by window: each window overlaps the one before, and they are faded into one another.

    |<- context ->|<==== chunk ====>|<- ahead ->|            what a window reads
                  |<fade>|                                   the end of the chunk before, and the beginning of this one
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from utils.audio import Audio
from utils.log import log

Convert = Callable[[Audio], Audio]


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """How much of a stream is converted at once, in seconds. More context and lookahead sound better; the lookahead, which is never
    less than `fade`, and the chunk delay what is heard."""

    chunk: float = 1.0
    context: float = 2.0
    ahead: float = 0.2
    fade: float = 0.05

    def __post_init__(self) -> None:
        for name in ("chunk", "context", "ahead", "fade"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"conversion.{name}: a number of seconds is needed, got {getattr(self, name)}.")
        for name in ("chunk", "fade"):
            if not getattr(self, name) > 0:
                raise ValueError(f"conversion.{name}: more than 0 seconds are needed, got {getattr(self, name)}.")
        if self.fade > min(self.ahead, self.chunk):
            raise ValueError(f"conversion.fade: it lies within chunk and lookahead, {self.chunk} and {self.ahead} s; got {self.fade}.")
        if self.context < 0:
            raise ValueError(f"conversion.context: 0 seconds or more are needed, got {self.context}.")


def in_chunks(convert: Convert, pieces: Iterable[Audio], rate: int, how: Conversion, *, name: str) -> Iterator[Audio]:
    """The converted chunks of a sound whose `pieces` have one rate; `convert` gives, of a window, as much sound at `rate`.

    Joined they are as long as what came in. Raises ValueError where nothing comes.
    """
    windows = _windows(pieces, how)
    faded: np.ndarray | None = None  # of the chunk before, what is faded out
    came = 0  # samples
    given = 0  # and those that became of them
    first = True
    for window, before, chunk, last in windows:
        begun = time.perf_counter()
        samples = convert(window).samples
        start = round(before * rate / window.rate)
        came += chunk
        size = round(came * rate / window.rate) - given  # of the whole stream: what is rounded off a chunk adds up
        given += size
        fade = 0 if last else round(how.fade * rate)
        part = _fitted(samples, start + size + fade)[start:]
        if faded is not None:
            part = _crossed(faded, part)
        faded = part[len(part) - fade :] if fade else None
        if first:
            seconds = time.perf_counter() - begun
            log.info(f"{name}: {_latency(how, seconds)}")
            first = False
        yield Audio(part[: len(part) - fade], rate)
    if first:
        raise ValueError("the stream ended before its first sample.")


def _windows(pieces: Iterable[Audio], how: Conversion) -> Iterator[tuple[Audio, int, int, bool]]:
    """(the window, samples of its context, samples of its chunk, whether it is the last)."""
    held = np.zeros(0, dtype=np.float32)
    behind = 0  # samples at the front of `held` that were given before
    rate = 0
    for piece in pieces:
        if rate and piece.rate != rate:
            raise ValueError(f"the pieces of a stream are of one rate, but after {rate} Hz came {piece.rate} Hz.")
        rate = piece.rate
        held = np.concatenate([held, piece.samples])
        chunk = round(how.chunk * rate)
        ahead = round(how.ahead * rate)
        while len(held) >= behind + chunk + ahead:
            yield Audio(held[: behind + chunk + ahead], rate), behind, chunk, False
            done = behind + chunk
            behind = min(done, round(how.context * rate))
            held = held[done - behind :]
    if len(held) > behind:
        yield Audio(held, rate), behind, len(held) - behind, True


def _fitted(samples: np.ndarray, size: int) -> np.ndarray:
    """`samples` cut, or filled with silence, to `size`: a model makes whole frames."""
    missing = max(0, size - len(samples))
    return np.pad(samples, (0, missing))[:size]


def _crossed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """`after`, which begins where `before` does, faded in while that fades out."""
    size = min(len(before), len(after))
    rising = np.linspace(0, 1, size, dtype=np.float32)
    fading_out = before[:size] * (1 - rising)
    fading_in = after[:size] * rising
    crossed = fading_out + fading_in
    rest = after[size:]
    return np.concatenate([crossed, rest])


def _latency(how: Conversion, seconds: float) -> str:
    total = how.chunk + how.ahead + seconds
    parts = f"{1000 * how.chunk:.0f} ms of chunk, {1000 * how.ahead:.0f} ms of lookahead, {1000 * seconds:.0f} ms of computing"
    return f"first sound after {1000 * total:.0f} ms: {parts}"
