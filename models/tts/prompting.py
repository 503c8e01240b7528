"""Spoken prompts: a few seconds of somebody, cleaned and checked, in whose voice a model that never heard them speaks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from processors.markup import Said
from utils.audio import Audio
from utils.log import log
from utils.slicing import Slicing, trimmed

if TYPE_CHECKING:
    from models.base.model import Model

SHORTEST = 1.0  # seconds of speech in which there is a voice
LONGEST = 20.0  # of which a model was trained on few
OWN = 3.0  # seconds of a recording that a model is to go on from
LEVEL = -3.0  # dB of full scale that the peak is brought to
AROUND = Slicing(edge=0.1)  # what counts as silence, and how much of it stays before and after
WANTED = f"3 to 10 seconds of one voice are best, {SHORTEST:g} to {LONGEST:g} can be"


@dataclass(frozen=True)
class Prompt:
    """What was said, and how: `audio` without the silence around it and at one level, `text` "" where nobody told; `name` is of its file."""

    audio: Audio
    name: str
    text: str = ""

    @property
    def parts(self) -> tuple[Said, ...]:
        """The text as what stands before the parts of a line."""
        return (Said(self.text), Said(" ")) if self.text else ()


def read_prompt(source: str | Path | Audio, rate: int, text: str | None = None) -> Prompt:
    """The recording `source`, of any rate, as a prompt at `rate`.

    Raises ValueError naming the file: one that cannot be read, is silent, or holds too little or too much speech.
    """
    audio = Audio.of(source)
    name = "the prompt" if isinstance(source, Audio) else str(source)
    if not np.isfinite(audio.samples).all():
        raise ValueError(f"prompt: {name} holds NaN or infinity: {WANTED}.")
    if audio.silent:
        raise ValueError(f"prompt: {name} ({audio.seconds:.1f} s) is silent: give another recording; {WANTED}.")
    speech = trimmed(audio, AROUND)
    _check_length(name, audio.seconds, speech.seconds)
    if audio.clipped:
        log.warning(f"prompt: {name} is clipped, and so will sound what is said in its voice: take a cleaner recording.")
    resampled = speech.resample(rate)
    return Prompt(resampled.normalised(LEVEL), name, (text or "").strip())


def _check_length(name: str, whole: float, speech: float) -> None:
    """Raises ValueError where there are not enough seconds of speech, or too many."""
    told = f"{name} is {whole:.1f} s long"
    if speech < whole - 0.1:
        told += f", {speech:.1f} s without the silence around"
    if speech < SHORTEST:
        raise ValueError(f"prompt: {told}, which is too short to hear a voice in: {WANTED}.")
    if speech > LONGEST:
        raise ValueError(f"prompt: {told}, which is too long: cut a part out of it; {WANTED}.")


def beginning(recording: Audio) -> Audio:
    """How a recording begins: `OWN` seconds of it, and no more than half."""
    seconds = min(OWN, recording.seconds / 2)
    samples = round(seconds * recording.rate)
    return Audio(recording.samples[:samples], recording.rate)


def check_speaker(model: type[Model], speaker: str | None) -> None:
    """Raises ValueError where a speaker is named to a model whose voice is that of its prompt."""
    if speaker is not None and model.prompted_by:
        raise ValueError(f"speaker: {model.__name__} speaks in the voice of its prompt, and of no trained speaker: leave {speaker!r} out.")


def check_prompt(model: type[Model], prompt: object, text: str | None) -> None:
    """Raises ValueError where a model that is spoken to by a prompt has none, or not its text, and where another one has."""
    name = model.__name__
    if prompt is None and text is not None:
        raise ValueError(f"prompt_text: {text[:60]!r} is said in no recording: give it as prompt, or leave its text out.")
    if not model.prompted_by:
        if prompt is not None:
            raise ValueError(f"prompt: {name} speaks in the voices that it was trained on, leave it out; VALLE speaks like a recording.")
        return
    if prompt is None:
        raise ValueError(f"prompt: {name} speaks in the voice of a recording, and none is given: prompt, a sound file; {WANTED}.")
    if "phone" in model.prompted_by and not (text or "").strip():
        raise ValueError(f"prompt_text: {name} must know what is said in the prompt: give its words, as they are said.")
