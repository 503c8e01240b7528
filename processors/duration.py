"""Frames per phone: from TextGrids where the corpus has them, else from the built-in aligner."""

from __future__ import annotations

import numpy as np

from preprocessors.base import Utterance
from processors.features import Feature
from processors.textgrid import read_textgrid, write_srt, write_textgrid
from utils.audio import Audio

__all__ = ["Durations", "read_textgrid", "write_srt", "write_textgrid"]


class Durations(Feature):
    axis = "token"
    kept = True
    needs = ("phone",)

    def __init__(self, *, sample_rate: int, hop_size: int) -> None:
        self.sample_rate, self.hop_size = sample_rate, hop_size

    def __call__(self, utterance: Utterance, audio: Audio, phone: np.ndarray) -> np.ndarray:
        ends, at = [], 0
        rows = read_textgrid(utterance.textgrid)
        for token in phone:
            if token == "sil" and (at >= len(rows) or rows[at][0]):
                ends.append(rows[at][1] if at < len(rows) else rows[-1][2])
            else:
                assert token == (rows[at][0] or "sil"), (token, rows[at])
                ends.append(rows[at][2])
                at += 1
                while token == "sil" and at < len(rows) and not rows[at][0]:
                    ends[-1] = rows[at][2]
                    at += 1
        frames = np.round(np.array(ends) * self.sample_rate / self.hop_size).astype(np.int32)
        frames[-1] = len(audio.samples) // self.hop_size
        return np.diff(frames, prepend=0)
