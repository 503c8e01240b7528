"""Cepstra of the mel: content that needs no network, to try a recipe out with and to compare networks with."""

from __future__ import annotations

from typing import Any

import numpy as np

from preprocessors.base import Utterance
from processors.feature import Feature
from utils.audio import Audio


class MFCC(Feature):
    """The outline of each frame's spectrum, (frames, coefficients) float32: the cosine transform of the mel's bands.

    The first coefficient, which is how loud a frame is, is left out; `coefficients` that follow are kept. They tell vowels apart, and
    voices too: a converter that is led by them keeps more of the source's voice than with a network's content.
    """

    needs = ("mel",)
    dimensions = 2

    def __init__(self, *, coefficients: int = 20) -> None:
        if coefficients < 1:
            raise ValueError(f"mfcc.coefficients: 1 or more are needed, got {coefficients}.")
        self.coefficients = coefficients

    @property
    def channels(self) -> int:
        return self.coefficients

    def __call__(self, utterance: Utterance, audio: Audio, mel: np.ndarray) -> np.ndarray:
        from scipy.fft import dct

        bands = mel.shape[1]
        if bands <= self.coefficients:
            raise ValueError(f"mfcc.coefficients: a mel of {bands} bands has {bands - 1} at most, got {self.coefficients}.")
        cepstra = dct(mel, norm="ortho", axis=1)
        return cepstra[:, 1 : self.coefficients + 1].astype(np.float32)


class MFCCDelta(Feature):
    """How the cepstra move, (frames, coefficients) float32 a frame: the slope of each over nine frames. A voice shows less in it."""

    needs = ("mfcc",)
    dimensions = 2
    window = 9

    def __init__(self, *, coefficients: int = 20) -> None:
        self.coefficients = coefficients

    @property
    def channels(self) -> int:
        return self.coefficients

    def __call__(self, utterance: Utterance, audio: Audio, mfcc: np.ndarray) -> np.ndarray:
        import librosa

        if mfcc.shape[1] != self.coefficients:
            raise ValueError(f"mfcc_delta.coefficients: those of mfcc, {mfcc.shape[1]}, are needed, got {self.coefficients}.")
        slopes: Any = librosa.feature.delta(mfcc, width=self.window, axis=0, mode="nearest")
        return slopes.astype(np.float32)
