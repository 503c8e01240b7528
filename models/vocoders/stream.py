"""Streaming = offline: a convolutional vocoder piece by piece gives the samples of the whole utterance.

A frame's samples depend on `receptive_field_frames` frames on either side (its reach). A window reads that many frames
beyond those that it gives, so what it gives is what the whole utterance would have given there:

    |<- reach ->|<========= gives =========>|<- reach ->|       a window in the middle
    |<============= gives ==============>|<- reach ->|          the first: nothing lies before it, and it knows that

All windows of one utterance are of one length (the last is moved back to end where the utterance ends), so windows of
several utterances stand side by side in one batch, whatever the lengths of the utterances.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from modules.windows import Window, windows

Inputs = Mapping[str, Tensor]  # "mel" (batch, frames, n_mel), and what runs along with it: f0, a source, noise
Network = Callable[..., Tensor]  # such inputs by name -> (batch, frames * hop_size)


def cut(inputs: Inputs, first: int, last: int) -> dict[str, Tensor]:
    """The frames from `first` to `last` of everything. Raises ValueError for what does not run along with the mel."""
    frames = inputs["mel"].shape[1]
    pieces = {}
    for name, value in inputs.items():
        axis = _time(name)
        per_frame, rest = divmod(value.shape[axis], frames)
        if rest or not per_frame:
            shape = tuple(value.shape)
            raise ValueError(f"{name} of shape {shape} does not run along with a mel of {frames} frames.")
        start = first * per_frame
        length = (last - first) * per_frame
        pieces[name] = value.narrow(axis, start, length)
    return pieces


def _time(name: str) -> int:
    """The axis of time: networks have their sources and noises as (batch, channels, time)."""
    return 1 if name in ("mel", "f0") else -1


def in_windows(network: Network, inputs: Inputs, *, hop_size: int, chunk: int, reach: int) -> Iterator[Tensor]:
    """The samples (batch, ...) of a mel window by window; joined they are those of the whole."""
    frames = inputs["mel"].shape[1]
    for window in windows(frames, chunk, reach):
        piece = cut(inputs, window.first, window.last)
        samples = network(**piece)
        yield _trimmed(samples, window, frames, hop_size)


def side_by_side(
    network: Network, utterances: list[Inputs], *, hop_size: int, chunk: int, reach: int, at_once: int = 16
) -> list[Tensor]:
    """The samples (samples,) of each utterance (its inputs with a batch axis of 1); `at_once` windows share a pass."""
    parts: list[dict[int, Tensor]] = [{} for _ in utterances]
    waiting: dict[tuple, list[tuple[int, Window, dict[str, Tensor]]]] = {}

    def flush(group: list) -> None:
        pieces = [piece for _, _, piece in group]
        batch = {}
        for name in pieces[0]:
            batch[name] = torch.cat([piece[name] for piece in pieces])
        waves = network(**batch)
        for (index, window, _), wave in zip(group, waves, strict=True):
            frames = utterances[index]["mel"].shape[1]
            samples = _trimmed(wave[None], window, frames, hop_size)
            # A copy, so that the margins of the pass are not kept alive by a view of it.
            parts[index][window.start] = samples[0].clone()
        group.clear()

    for index, inputs in enumerate(utterances):
        frames = inputs["mel"].shape[1]
        for window in windows(frames, chunk, reach):
            piece = cut(inputs, window.first, window.last)
            shapes = tuple((name, value.shape[1:]) for name, value in piece.items())
            group = waiting.setdefault(shapes, [])
            group.append((index, window, piece))
            if len(group) == at_once:
                flush(group)
    for group in waiting.values():
        if group:
            flush(group)
    return [torch.cat([by_start[start] for start in sorted(by_start)]) for by_start in parts]


def _trimmed(samples: Tensor, window: Window, frames: int, hop_size: int) -> Tensor:
    """Of a window's samples those that it gives; at the end of the utterance all that there are."""
    start = (window.start - window.first) * hop_size
    if window.stop == frames:
        return samples[:, start:]
    stop = (window.stop - window.first) * hop_size
    return samples[:, start:stop]


@dataclass(frozen=True)
class Latency:
    """How long after its first frame a sound begins, in ms: what must have arrived, and what is computed then."""

    chunk_ms: float
    lookahead_ms: float
    compute_ms: float

    def __str__(self) -> str:
        algorithmic = f"{self.chunk_ms:.0f} ms of chunk and {self.lookahead_ms:.0f} ms of lookahead"
        total = self.chunk_ms + self.lookahead_ms + self.compute_ms
        return f"first sound after {total:.0f} ms: {algorithmic}, and {self.compute_ms:.1f} ms of computing"


class Stream:
    """Iterates over the samples (batch, ...) of a mel that comes in pieces of any length.

    `pieces` are inputs with a batch axis. A chunk is given as soon as it and its lookahead are there. `latency` is known from
    the first samples on. Memory does not grow with the utterance.
    """

    def __init__(
        self, network: Network, pieces: Iterable[Inputs], *, sample_rate: int, hop_size: int, chunk: int, reach: int
    ) -> None:
        if chunk < 1:
            raise ValueError(f"a chunk must hold one frame or more, got {chunk}: choose more chunk_seconds.")
        self.network = network
        self.pieces = pieces
        self.hop_size = hop_size
        self.chunk = chunk
        self.reach = reach
        self.frame_ms = 1000 * hop_size / sample_rate
        self.latency: Latency | None = None

    def __iter__(self) -> Iterator[Tensor]:
        buffer: dict[str, Tensor] = {}
        behind = 0  # frames at the front of `buffer` that were given before: the context of the next ones
        frames = 0
        for piece in self.pieces:
            buffer = _joined(buffer, piece)
            frames = buffer["mel"].shape[1]
            while frames >= behind + self.chunk + self.reach:
                stop = behind + self.chunk
                context = cut(buffer, 0, stop + self.reach)
                yield self._decode(context, behind, stop)
                behind = min(self.reach, stop)
                buffer = cut(buffer, stop - behind, frames)
                frames = buffer["mel"].shape[1]
        if frames > behind:
            yield self._decode(buffer, behind, frames)

    def _decode(self, buffer: Inputs, start: int, stop: int) -> Tensor:
        """The samples of the frames from `start` to `stop` of `buffer`."""
        begun = time.perf_counter()
        frames = buffer["mel"].shape[1]
        window = Window(0, frames, start, stop)
        wave = self.network(**buffer)
        samples = _trimmed(wave, window, frames, self.hop_size)
        if self.latency is None:
            seconds = time.perf_counter() - begun
            chunk_ms = (stop - start) * self.frame_ms
            lookahead_ms = (frames - stop) * self.frame_ms
            self.latency = Latency(chunk_ms, lookahead_ms, compute_ms=1000 * seconds)
        return samples


def _joined(buffer: Inputs, piece: Inputs) -> dict[str, Tensor]:
    if not buffer:
        return dict(piece)
    if buffer.keys() != piece.keys():
        first = ", ".join(buffer)
        second = ", ".join(piece)
        raise ValueError(f"each piece of a stream must bring the same: first {first}, then {second}.")
    joined = {}
    for name, value in buffer.items():
        joined[name] = torch.cat([value, piece[name]], dim=_time(name))
    return joined
