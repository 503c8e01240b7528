"""Singing voice conversion for tests over all models: small ones on small content features, whose widths need no network."""

from __future__ import annotations

from processors.features import FEATURES
from tests.toy_features import Content


class Words(Content):
    """A content feature of which models are told how wide it is."""

    gives = ()
    facts = {}
    channels = 2


class Sounds(Words):
    """Another."""


CHANNELS = {"words": Words.channels, "sounds": Sounds.channels}
FEATURES.update({"words": "tests.svc:Words", "sounds": "tests.svc:Sounds"})

CONDITION = {"content_width": 16, "melody_width": 16, "loudness_width": 16, "speaker_width": 16}
DENOISER = {"steps": {"waves": 8, "hidden": 16}, "stack": {"channels": 16, "layers": 4, "cycle": 2}}
PREPROCESS = {
    "sample_rate": 22050,
    "hop_size": 256,
    "features": {"mel": {"n_mel": 80}, "f0": {}, "energy": {}, "words": {}, "sounds": {}},
}


def tiny(name: str, **settings: object) -> dict:
    """A config of a small model of that name."""
    model = {"contents": list(CHANNELS), "condition": CONDITION, **settings}
    return {"model_type": name, "preprocess": PREPROCESS, "model": model}


def voice(name: str, vocoder: dict, **settings: object) -> dict:
    """A config of a small model of that name that makes sound at once."""
    encoder = {"layers": 1, "filter": 16}
    model = {
        "contents": list(CHANNELS),
        "sizes": {"hidden": 16, "latent": 8, "speaker_channels": 8, "encoder": encoder, "posterior": {"layers": 2}},
        "flow": {"flows": 2, "layers": 1},
        "decoding": {"sizes": vocoder, "mel_bands": 40},
        **settings,
    }
    features = {**PREPROCESS["features"], "linear": {}, "audio": {}}
    return {"model_type": name, "preprocess": {**PREPROCESS, "features": features}, "model": model}


GENERATOR = {
    "upsample_rates": [16, 16],
    "upsample_kernel_sizes": [32, 32],
    "upsample_initial_channel": 16,
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3]],
}
TINY = {
    "DiffWaveNetSVC": tiny("DiffWaveNetSVC", **DENOISER),
    "DiffComoSVC": tiny("DiffComoSVC", encoder={"layers": 2, "filter": 16}, **DENOISER),
    "TransformerSVC": tiny("TransformerSVC", encoder={"layers": 2, "filter": 16}),
    "VitsSVC": voice("VitsSVC", {"generator": GENERATOR}, condition=CONDITION),
    "SoVITS": voice("SoVITS", {"generator": GENERATOR}, loud=True),
    "RVC": voice("RVC", {"generator": GENERATOR, "harmonics": 0, "variant": {"plain_ends": True}}),
}
