"""Features small enough to check by hand: what stands in their arrays is the time of it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from preprocessors.base import Utterance
from processors.clock import Clock, Padding, frame_count
from processors.feature import Feature
from processors.features import FEATURES
from utils.audio import Audio

HEARD = 16000  # samples a second that the extractors are given


class Number(Feature):
    """The number of each of the model's frames, (frames,)."""

    def __init__(self, *, hop_size: int, frame_padding: Padding = "same") -> None:
        self.hop_size = hop_size
        self.padding = frame_padding

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        frames = frame_count(len(audio.samples), self.hop_size, self.padding)
        return np.arange(frames, dtype=np.float32)


class Content(Feature):
    """As HuBERT's: 50 frames a second, windows of 25 ms without padding. In each frame its time and a constant, (frames, 2)."""

    kept = True
    dimensions = 2
    gives = ("content_channels",)
    input_rate = HEARD
    clock = Clock(50, Fraction(200, HEARD))
    hop = 320
    window = 400

    @property
    def facts(self):
        return {"content_channels": 2}

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        assert audio.rate == HEARD
        frames = max(0, (len(audio.samples) - self.window) // self.hop + 1)
        times = float(self.clock.first) + np.arange(frames) / float(self.clock.rate)
        return np.stack([times, np.ones(frames)], axis=1).astype(np.float32)


class HalfContent(Content):
    """The same in half floats."""

    gives = ("half_channels",)
    rounded_to = "float16"

    @property
    def facts(self):
        return {"half_channels": 2}


class Line(Content):
    """The same, interpolated."""

    gives = ()
    between = "linear"
    facts = {}


class Codes(Feature):
    """As a codec's at 75 a second, the sound padded to whole frames: the number of each frame, (frames, codebooks)."""

    kept = True
    dimensions = 2
    kind = "i"
    clock = Clock(75, Fraction(1, 150))
    input_rate = 24000

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        assert audio.rate == self.input_rate
        frames = -(-len(audio.samples) // 320)
        return np.stack([np.arange(frames)] * 3, axis=1)


class Slow(Feature):
    """80 frames a second from 16 kHz, centred as librosa does."""

    kept = True
    clock = Clock(80)
    input_rate = HEARD

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        return np.arange(1 + len(audio.samples) // 200, dtype=np.float32) / 80


FEATURES.update({
    "number": "tests.toy_features:Number",
    "content": "tests.toy_features:Content",
    "half": "tests.toy_features:HalfContent",
    "line": "tests.toy_features:Line",
    "codes": "tests.toy_features:Codes",
    "slow": "tests.toy_features:Slow",
})  # fmt: skip
