"""Whose voice it is, as a vector: what a model is told of a speaker where it shall convert to voices that it was not trained with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from preprocessors.base import Utterance
from processors.batched import BatchedFeature
from processors.content import require
from utils import pretrained
from utils.audio import Audio


class SpeakerVector(BatchedFeature):
    """Resemblyzer's d-vector (Wan et al. 2018, https://arxiv.org/abs/1710.10467) of a recording, (256,), of length 1.

    Pauses are left out, where anything is left: of singing its voice detector may take all for music. The weights come with the
    package. Raises ValueError for silence.
    """

    axis = "utterance"
    input_rate = 16000
    padding_changes = False  # each is computed by itself
    channels = 256

    def compute(self, utterances: Sequence[Utterance], audios: Sequence[Audio], device: str) -> list[np.ndarray]:
        require("resemblyzer", "speaker_vector")
        return [d_vector(audio, device) for audio in audios]


def d_vector(audio: Audio, device: str) -> np.ndarray:
    """The d-vector (256,) of a sound at 16 kHz. Raises ValueError for silence."""
    import resemblyzer

    if audio.silent:
        raise ValueError("speaker_vector: the recording is silent, so that it is nobody's voice.")
    spoken = resemblyzer.preprocess_wav(audio.samples)
    samples = spoken if len(spoken) else audio.normalised().samples
    encoder = pretrained.resemblyzer(device)
    return encoder.embed_utterance(samples)
