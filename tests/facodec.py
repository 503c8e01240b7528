"""Small FACodecs for tests: random weights, 8 kHz, frames of 8 samples."""

from __future__ import annotations

import torch

from models.codec.facodec import FACodec
from models.codec.task import Codec
from processors.features import FeatureSet
from tests.codec import SPECTRAL
from tests.conftest import make
from tests.networks import stirred

RATE = 8000
HOP = 8
SETTINGS = {
    "dac": {"filters": 4, "decoder_filters": 16, "ratios": (4, 2), "latent": 8, "lstm": 1},
    "books": {"rows": (16, 32, 32), "row_channels": 4},
    "spectrogram": {"n_fft": 64, "win_size": 64, "n_mel": 20},
    "prosody": {"bands": 8, "hidden": 8, "layers": 2},
    "timbre": {"hidden": 8},
    "predictors": {"antialiased": False, "phones": False},
    "windows": (64,),
}
SIZES = {"layers": 1, "heads": 2, "filter": 16}
PHONES = {"predictors": {"antialiased": False}, "n_vocab": 4}
KINDS = {  # where prosody and voice are found
    "mel": {},
    "latent": {"prosody": {"source": "latent"}, "timbre": {"source": "latent", "transformer": SIZES}},
    "transformer": {"prosody": {"encoder": "transformer", "bands": 8, "transformer": SIZES}},
    "redecoder": {"redecoder": {"decoder_filters": 32, "prosody": SIZES}},
    "spectral": {"dac": {"latent": 8, "spectral": SPECTRAL["spectral"]}},
    "plain": {"dac": SETTINGS["dac"] | {"padding": "zero", "antialiased": True, "lstm": 0}, "books": {"unit_rows": False}},
}


def untrained(**settings: object) -> FACodec:
    """As it begins."""
    torch.manual_seed(0)
    facts = {"sample_rate": RATE, "hop_size": HOP, "n_speakers": 3}
    return make(FACodec, **{**facts, **SETTINGS, **settings})


def network(**settings: object) -> FACodec:
    """In eval mode, away from where it begins."""
    return stirred(untrained(**settings), 0.3)


def codec(**settings: object) -> Codec:
    """The task around it."""
    features = FeatureSet({"audio": {}}, sample_rate=RATE, hop_size=HOP)
    return Codec(network(**settings), features, {"model_type": "FACodec"})
