"""What models of codes do with a text besides saying it line by line: lines side by side, and sound while codes still come."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from models.tts.readings import Item, check_rates
from models.tts.speech import Speech, fitted
from utils.audio import Audio

if TYPE_CHECKING:
    import torch

    from models.base.model import Model
    from models.tts.task import TTS
    from processors.pronounce import Reading

AT_ONCE = 8  # lines; each further one costs little, as the weights are read once for all
Tensors = dict[str, "torch.Tensor"]


class CodeLines:
    """The lines of a text as sound, of the TTS task around a model that `says_several`. Voices and options are those of the task."""

    def __init__(self, task: TTS) -> None:
        self.task = task

    def together(self, read: list[Item], voice: Tensors, options: dict[str, Any]) -> Iterator[Speech]:
        """Some lines at once: the same as one after the other."""
        task = self.task
        first = True
        for group in groups(read):
            worded = [item for item in group if item[1] is not None]
            spoken = iter(self._spoken(worded, voice, options))
            for line, reading, last in group:
                if reading is None:
                    yield task.silence(line)
                else:
                    audio = task.sound(next(spoken), options)
                    yield Speech(fitted(audio, line.pause, first=first, last=last))
                first = False

    def _spoken(self, group: list[Item], voice: Tensors, options: dict[str, Any]) -> list[dict[str, np.ndarray]]:
        """`codes` (frames, codebooks) of each line."""
        if not group:
            return []
        lines, readings, _ = zip(*group, strict=True)
        texts = [line.text for line in lines]
        rows = len(texts)
        inputs = self._padded(readings)
        for name, value in voice.items():
            shape = value.shape[1:]
            inputs[name] = value.expand(rows, *shape)
        controls = options["controls"]
        out = self.task.inferred(texts, inputs, options, controls)
        codes = out["codes"].cpu().numpy()
        counts = out["frames"].tolist()
        return [{"codes": row[:count]} for row, count in zip(codes, counts, strict=True)]

    def in_chunks(self, read: Iterable[Item], voice: Tensors, options: dict[str, Any]) -> Iterator[Speech]:
        """Each line while it is still being made, `chunk_seconds` at a time."""
        task = self.task
        frames = options["chunk_seconds"] * task.rate / task.features.hop_size
        size = max(1, round(frames))
        for i, (line, reading, last) in enumerate(read):
            if reading is None:
                yield task.silence(line)
                continue
            padded = self._padded([reading])
            controls = options["controls"]
            codes = task.network.pieces(padded["phone"], **voice, chunk_frames=size, **controls)
            values = (piece[0].T.cpu().numpy() for piece in codes)
            sounds = task.codec.stream_sound(values)
            yield from as_line(sounds, line.pause, first=i == 0, last=last)

    def _padded(self, readings: Iterable[Reading]) -> Tensors:
        """`phone` (lines, tokens) and `tokens` (lines,)."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        for reading in readings:
            check_rates(reading, type(self.task.model).__name__)
        ids = [torch.from_numpy(reading.ids) for reading in readings]
        counts = [len(each) for each in ids]
        phone = pad_sequence(ids, batch_first=True)
        tokens = torch.tensor(counts)
        device = self.task.device
        return {"phone": phone.to(device), "tokens": tokens.to(device)}


def check_chunks(seconds: float, model: Model, *, compiled: bool) -> None:
    """Raises ValueError for seconds that are none, where the model gives no pieces of a sentence, and where these were to be `compiled`."""
    if not 0 <= seconds < math.inf:
        raise ValueError(f"chunk_seconds: 0 (sentences) or above, got {seconds:g}.")
    if seconds and not model.says_several:
        name = type(model).__name__
        raise ValueError(f"chunk_seconds: {name} makes all of a sentence at once; leave it out, and it streams sentence by sentence.")
    if seconds and compiled:
        raise ValueError("compile: pieces of a sentence are made without it: leave out compile, or chunk_seconds.")


def groups(read: Iterable[Item]) -> Iterator[list[Item]]:
    """The lines that are spoken together, with the silences between them."""
    group: list[Item] = []
    spoken = 0
    for item in read:
        group.append(item)
        spoken += item[1] is not None
        if spoken == AT_ONCE:
            yield group
            group = []
            spoken = 0
    if group:
        yield group


def as_line(pieces: Iterable[Audio], pause: float, *, first: bool, last: bool) -> Iterator[Speech]:
    """The pieces of one line, `pause` seconds of silence behind the last; faded only where another line or silence touches it."""
    pieces = iter(pieces)
    piece = next(pieces)
    begins = first
    for following in pieces:
        yield Speech(fitted(piece, 0.0, first=begins, last=True))
        begins = True
        piece = following
    yield Speech(fitted(piece, pause, first=begins, last=last))
