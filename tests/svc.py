"""Singing voice conversion for tests over all models: small ones on small content features, whose widths need no network."""

from __future__ import annotations

import tests.toy_features  # noqa: F401 (registers the content features)

CHANNELS = {"content": 2, "half": 2}  # of those in tests/toy_features.py
CONDITION = {"content_width": 16, "melody_width": 16, "loudness_width": 16, "speaker_width": 16}
DENOISER = {"steps": {"waves": 8, "hidden": 16}, "stack": {"channels": 16, "layers": 4, "cycle": 2}}
PREPROCESS = {
    "sample_rate": 22050,
    "hop_size": 256,
    "features": {"mel": {"n_mel": 80}, "f0": {}, "energy": {}, "content": {}, "half": {}},
}


def tiny(name: str, **settings: object) -> dict:
    """A config of a small model of that name."""
    model = {"contents": list(CHANNELS), "condition": CONDITION, **settings}
    return {"model_type": name, "preprocess": PREPROCESS, "model": model}


TINY = {
    "DiffWaveNetSVC": tiny("DiffWaveNetSVC", **DENOISER),
    "TransformerSVC": tiny("TransformerSVC", encoder={"layers": 2, "filter": 16}),
}
