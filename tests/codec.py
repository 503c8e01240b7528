"""Small codecs for tests: random weights that make sound of everything, in 0.1 s."""

from __future__ import annotations

from pathlib import Path

import torch

from models.base.checkpoint import save_release
from models.codec.encodec import EnCodec
from models.codec.task import Codec
from processors.features import FeatureSet
from tests.conftest import make

RATE = 8000
HOP = 8
SETTINGS = {
    "bandwidths": (5.0, 10.0, 20.0),
    "seanet": {"filters": 4, "ratios": (4, 2), "hidden": 8, "lstm": 1},
    "quantizer": {"codebook_size": 32, "kmeans": 5},
    "windows": (64,),
}

SPECTRAL = {  # of frames of a mel, in the place of SEANet
    "seanet": {"hidden": 8},
    "spectral": {
        "n_fft": 32,
        "n_mel": 6,
        "encoder": {"dim": 12, "intermediate_dim": 16, "num_layers": 2},
        "decoder": {"dim": 12, "intermediate_dim": 16, "num_layers": 2},
    },
}


def network(**settings: object) -> EnCodec:
    """In eval mode: four codebooks of 32 rows, 1000 frames a second."""
    torch.manual_seed(0)
    model = make(EnCodec, sample_rate=RATE, hop_size=HOP, **{**SETTINGS, **settings}).eval()
    with torch.no_grad():
        noise = sound(4000, model.audio_channels)
        model.quantizer.train()(model.encoder(noise))  # its rows lie where what is coded does
    return model.eval()


def speech_release(folder: Path) -> str:
    """One of 24 kHz and 75 frames a second, saved: where recipes name a trained one."""
    facts = {"sample_rate": 24000, "hop_size": 320}
    settings = {**SETTINGS, "bandwidths": (1.5,), "seanet": {**SETTINGS["seanet"], "ratios": (8, 5, 4, 2)}}
    torch.manual_seed(0)
    model = make(EnCodec, **facts, **settings)
    model.quantizer.train()(model.encoder(sound(24000)))
    card = {"model_type": "EnCodec", "preprocess": {**facts, "features": {"audio": {}}}, "model": settings, "facts": facts, "learned": {}}
    save_release(folder, card, model.state_dict())
    return str(folder)


def codec(**settings: object) -> Codec:
    """The task around it."""
    features = FeatureSet({"audio": {}}, sample_rate=RATE, hop_size=HOP)
    return Codec(network(**settings), features, {"model_type": "EnCodec"})


def sound(samples: int, channels: int = 1) -> torch.Tensor:
    """(1, channels, samples)."""
    random = torch.Generator().manual_seed(samples)
    return 0.5 * torch.randn(1, channels, samples, generator=random)
