"""Speech at a loudness: all of it by one gain, or while it comes, each piece by the gain that what was said lately asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from models.tts.speech import Speech
from utils.audio import Audio
from utils.loudness import at_loudness, gain_to, loudness

SECONDS = 30.0  # of what was said last, by which a stream is brought to a loudness


def whole_at(speech: Speech, wanted: float | None) -> Speech:
    """All of it by one gain; as it is where no loudness is wanted."""
    return speech if wanted is None else replace(speech, audio=at_loudness(speech.audio, wanted))


def levelled(pieces: Iterable[Speech], wanted: float | None) -> Iterator[Speech]:
    """The pieces, each by one gain that keeps its peak within full scale; as they are where no loudness is wanted."""
    if wanted is None:
        yield from pieces
        return
    said: list[np.ndarray] = []
    for piece in pieces:
        audio = piece.audio
        said.append(audio.samples)
        recent = np.concatenate(said)[-round(SECONDS * audio.rate) :]
        said = [recent]
        level = loudness(Audio(recent, audio.rate))
        gain = gain_to(level, wanted, audio.peak)
        yield replace(piece, audio=audio.scaled(gain))
