"""Features that are networks: the extract stage computes them many utterances at a time, on a GPU where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from preprocessors.base import Utterance
from processors.feature import Feature
from utils.audio import Audio


class BatchedFeature(Feature):
    """A feature that is computed in batches. Subclasses set what follows and define `compute`.

    It holds no network: `utils.pretrained` loads one once a process, on the device that `compute` names. The extract stage sends the
    feature to the process of each device.
    """

    batched = True
    kept = True
    # Whether silence behind a shorter sound changes its array, as where a norm runs over time. Its batches are of equal lengths.
    padding_changes: ClassVar[bool] = True
    # Where one utterance alone is computed: in training and at inference.
    device: str = "cpu"

    def compute(
        self, utterances: Sequence[Utterance], audios: Sequence[Audio], device: str, **needed: list[np.ndarray]
    ) -> list[np.ndarray]:
        """The array of each utterance, computed together on `device` ("cpu", "cuda:1"); an array must not depend on the others.

        `audios` are cut by `input_length`, and of one length where `padding_changes`; else `padded` brings them to one. `needed` has
        the arrays of each feature of `needs`. Raises ValueError where one cannot be computed: it is then found out which.
        """
        raise NotImplementedError

    def input_length(self, samples: int) -> int:
        """How many of so many samples are read, from the first on.

        A network of frames may leave off the samples that fill none: far more sounds are then of equal lengths.
        """
        return samples

    def cut(self, audio: Audio) -> Audio:
        """The part of a sound that `input_length` counts."""
        samples = len(audio.samples)
        length = max(0, self.input_length(samples))
        return audio if length >= samples else replace(audio, samples=audio.samples[:length])

    def __call__(self, utterance: Utterance, audio: Audio, **needed: np.ndarray) -> np.ndarray:
        listed = {name: [array] for name, array in needed.items()}
        (array,) = self.compute([utterance], [self.cut(audio)], self.device, **listed)
        return array


def padded(audios: Sequence[Audio]) -> tuple[np.ndarray, np.ndarray]:
    """Sounds with silence behind them, (sounds, samples of the longest), and the samples that each has, (sounds,)."""
    counts = [len(audio.samples) for audio in audios]
    lengths = np.array(counts)
    longest = lengths.max()
    samples = np.zeros((len(audios), longest), dtype=np.float32)
    for row, audio in zip(samples, audios, strict=True):
        row[: len(audio.samples)] = audio.samples
    return samples, lengths
