"""Small autoencoders of mels for tests: random weights, saved in a tenth of a second."""

from __future__ import annotations

from pathlib import Path

import torch

from models.base.checkpoint import save_release
from models.tta.autoencoderkl import AutoencoderKL
from models.tta.autoencoding import MelAutoencoder
from processors.features import FeatureSet
from tests.conftest import make

RATE = 16000
HOP = 160
BANDS = 16
SIZES = {"channels": 4, "multipliers": (1, 2, 2), "blocks": 1, "latent": 3, "groups": 2}
LATENT_HOP = 4 * HOP  # of a frame of the latents
FEATURES = {"mel": {"n_fft": 512, "win_size": 400, "n_mel": BANDS}}


def network(**settings: object) -> AutoencoderKL:
    """In eval mode: latents of 3 x 4 for each four frames, of a mel of 16 bands."""
    torch.manual_seed(0)
    sizes = SIZES | settings.pop("sizes", {})
    return make(AutoencoderKL, n_mel=BANDS, sizes=sizes, **settings).eval()


def card(**settings: object) -> dict:
    """A card for such a network."""
    return {
        "model_type": "AutoencoderKL",
        "dataset": [],
        "preprocess": {"sample_rate": RATE, "hop_size": HOP, "features": FEATURES},
        "model": {"sizes": SIZES, **settings},
        "facts": {"sample_rate": RATE, "hop_size": HOP, "n_mel": BANDS, "n_speakers": 1, "statistics": None},
        "learned": {"mel": {}},
        "speakers": [],
    }


def task(**settings: object) -> MelAutoencoder:
    """The task of such a network."""
    features = FeatureSet(FEATURES, sample_rate=RATE, hop_size=HOP)
    return MelAutoencoder(network(**settings), features, card(**settings))


def release(folder: Path, **settings: object) -> str:
    """One that is saved."""
    save_release(folder, card(**settings), network(**settings).state_dict())
    return str(folder)
