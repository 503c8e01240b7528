"""The register of each speaker: the median of the F0 of voiced frames, to which a song is moved before another voice sings it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from preprocessors.base import Utterance
from processors.manifest import Manifest
from processors.melody import median

if TYPE_CHECKING:
    from processors.features import FeatureSet

ENOUGH = 30  # utterances of a speaker; more would not move the median


def registers(features: FeatureSet, utterances: Manifest, numbers: np.ndarray, names: list[str]) -> dict[str, float]:
    """Speaker -> Hz. `numbers` has for each utterance the place of its speaker among `names`.

    A speaker without a voiced frame has none.
    """
    medians = {}
    for name in sorted(set(names)):
        rows = [row for row, number in enumerate(numbers) if names[number] == name]
        every = max(1, len(rows) // ENOUGH)
        voiced = [voiced_f0(features, utterances[row]) for row in rows[::every]]
        pitch = np.concatenate(voiced)
        if len(pitch):
            medians[name] = round(median(pitch), 3)
    return medians


def voiced_f0(features: FeatureSet, utterance: Utterance) -> np.ndarray:
    """The F0 in Hz of its voiced frames, (voiced,)."""
    pitch = features(utterance, ["f0"])["f0"]
    return pitch[pitch > 0]
