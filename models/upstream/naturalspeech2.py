"""The weights of NaturalSpeech 2 that Amphion released: a plain state dict, without the configuration that it was trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, names_hold, strip
from models.upstream.naturalspeech2_maps import from_amphion
from utils.files import read_weights

BESIDE = "pytorch_model.bin"

RATE = 24_000
HOP = 320  # samples of a frame of EnCodec
BANDWIDTH = 12  # kbit/s, of whose codes the latents are
MARK = b"diffusion.diff_estimator.in_proj.weight"


def knows(weights: Path) -> bool:
    """Whether the names in the file are its."""
    return names_hold(weights, (MARK,))


def makes(weights: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "NaturalSpeech2"


def read(path: Path, weights: Path, model_type: str | None) -> tuple[Card, State]:
    """The released file: its sizes are the defaults of ours."""
    return read_amphion({}, strip(read_weights(weights), "model"), weights)


def read_amphion(config: dict[str, Any], state: State, config_path: Path) -> tuple[Card, State]:
    """A folder of Amphion with its args.json. The codec is EnCodec's of 24 kHz, which is looked for when it is to speak."""
    arguments, facts, weights = from_amphion(config, state)
    features = {
        "phone": {"g2p": "lexicon", "symbols": "naturalspeech2"},
        "duration": {},
        "f0": {"fmin": 50, "fmax": 1100},
        "codec": {"bandwidth": BANDWIDTH},
    }
    return card("NaturalSpeech2", RATE, HOP, features, arguments, facts), weights
