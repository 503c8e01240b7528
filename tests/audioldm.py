"""A small AudioLDM for tests: random weights, with the autoencoder and the text encoder that it was made with."""

from __future__ import annotations

from pathlib import Path

import torch

from models.base.checkpoint import save_release
from models.tta.audioldm import AudioLDM
from tests import tta
from tests.networks import stirred
from tests.text_encoders import save_encoder
from utils.config import build

WIDTH = 8
FACTS = {"latent_channels": 3, "latent_bins": 4, "caption_channels": WIDTH, "empty_tokens": 2}
SIZES = {"widths": [8, 16], "blocks": 1, "attention": [False, True], "heads": 2, "groups": 4}


def features(folder: Path) -> dict:
    """Settings of its features, an autoencoder and a text encoder that are saved there."""
    return {
        "latent": {"model": tta.release(folder / "autoencoder")},
        "caption": {"model": str(save_encoder(folder / "encoder", "bert", width=WIDTH))},
    }


def release(folder: Path) -> Path:
    """One that is saved, beside an autoencoder and a text encoder."""
    torch.manual_seed(0)
    model = stirred(build(AudioLDM, {"unet": SIZES}, FACTS))
    card = {
        "model_type": "AudioLDM",
        "dataset": [],
        "preprocess": {"sample_rate": tta.RATE, "hop_size": tta.LATENT_HOP, "features": features(folder)},
        "model": {"unet": SIZES},
        "facts": {**FACTS, "sample_rate": tta.RATE, "hop_size": tta.LATENT_HOP, "n_speakers": 1, "statistics": None},
        "learned": {"latent": {}, "caption": {}},
        "speakers": [],
    }
    save_release(folder / "audioldm", card, model.state_dict())
    return folder / "audioldm"
