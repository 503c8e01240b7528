"""How periodic a sound is, frame by frame, as the pitch network CREPE hears it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metric import Frames
from processors import crepe
from utils.audio import Audio

if TYPE_CHECKING:
    from torch import Tensor

HOP_SIZE = 256
FMIN = 0.0
FMAX = 1500.0
SILENCE_DB = -60


def periodicity(audio: Audio, *, device: str) -> Frames:
    """CREPE's confidence in the pitch of its best path, 0 where the sound is silent (under -60 dB, A-weighted), (frames,)."""
    import torch
    import torchcrepe

    sound = torch.from_numpy(audio.samples)[None]
    hop = HOP_SIZE
    if audio.rate != crepe.RATE:
        sound = torchcrepe.resample(sound, audio.rate)
        hop = int(HOP_SIZE * crepe.RATE / audio.rate)
    frames = 1 + sound.shape[1] // hop
    salience = crepe.salience(sound[0].numpy(), np.arange(frames) * hop, device=device)
    path = crepe.path(salience, FMIN, FMAX)
    confidence = torch.from_numpy(crepe.confidence(salience, path))[None]
    margin = crepe.WINDOW // 2
    padded = torch.nn.functional.pad(sound, (margin, margin))
    blocks = []
    for first in range(0, confidence.shape[1], crepe.BLOCK):
        block = confidence[:, first : first + crepe.BLOCK]
        blocks.append(_without_silence(block, padded, first, hop))
    return Frames(np.concatenate(blocks), 0.0, hop / crepe.RATE)


def _without_silence(confidence: Tensor, padded: Tensor, first: int, hop: int) -> np.ndarray:
    """`confidence` (1, frames) from frame `first` on, with zeros where the sound is silent."""
    import torchcrepe

    begin = first * hop
    end = begin + (confidence.shape[1] - 1) * hop + crepe.WINDOW
    silence = torchcrepe.threshold.Silence(SILENCE_DB)
    audible = silence(confidence, padded[:, begin:end], crepe.RATE, hop, pad=False)
    return audible[0].numpy()


def periodicity_settings(rate: int) -> dict[str, Any]:
    """What the periodicity is computed with."""
    return {"model": "full", "hop_size": HOP_SIZE, "fmin": FMIN, "fmax": FMAX, "silence_db": SILENCE_DB}


CREPE = {"of": periodicity, "packages": ("torchcrepe",), "settings": periodicity_settings}
