"""How periodic a sound is, frame by frame, as the pitch network CREPE hears it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metric import Frames
from processors import crepe
from utils.audio import Audio

if TYPE_CHECKING:
    from torch import Tensor

HOP_SIZE, FMIN, FMAX, SILENCE_DB = 256, 0.0, 1500.0, -60


def periodicity(audio: Audio, *, device: str) -> Frames:
    """CREPE's confidence in the pitch of its best path, 0 where the sound is silent (under -60 dB, A-weighted), (frames,)."""
    import torch
    import torchcrepe

    sound, hop = torch.from_numpy(audio.samples)[None], HOP_SIZE
    if audio.rate != crepe.RATE:
        sound, hop = torchcrepe.resample(sound, audio.rate), int(HOP_SIZE * crepe.RATE / audio.rate)
    heard = crepe.salience(sound[0].numpy(), np.arange(1 + sound.shape[1] // hop) * hop, device=device)
    found = torch.from_numpy(crepe.confidence(heard, crepe.path(heard, FMIN, FMAX)))[None]
    padded = torch.nn.functional.pad(sound, (crepe.WINDOW // 2, crepe.WINDOW // 2))
    loud = [_where_heard(found[:, i : i + crepe.BLOCK], padded, i, hop) for i in range(0, found.shape[1], crepe.BLOCK)]
    return Frames(np.concatenate(loud), 0.0, hop / crepe.RATE)


def _where_heard(found: Tensor, padded: Tensor, first: int, hop: int) -> np.ndarray:
    """`found` (1, frames) from frame `first` on, with zeros where the sound is silent."""
    import torchcrepe

    stop = (first + found.shape[1] - 1) * hop + crepe.WINDOW
    silence = torchcrepe.threshold.Silence(SILENCE_DB)
    return silence(found, padded[:, first * hop : stop], crepe.RATE, hop, pad=False)[0].numpy()


def periodicity_settings(rate: int) -> dict[str, Any]:
    """What the periodicity is computed with."""
    return {"model": "full", "hop_size": HOP_SIZE, "fmin": FMIN, "fmax": FMAX, "silence_db": SILENCE_DB}


CREPE = {"of": periodicity, "packages": ("torchcrepe",), "settings": periodicity_settings}
