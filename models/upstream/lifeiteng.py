"""lifeiteng's VALL-E: `epoch-<n>.pt`, `best-valid-loss.pt` or `checkpoint-<n>.pt`, which holds its sizes itself, beside the table of its
phones, unique_text_tokens.k2symbols. Amphion's released VALL-E is the same network, and is read here too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, strip
from models.upstream.valle_maps import from_published
from models.upstream.vits_maps import amphion_text
from utils.files import read_weights

BESIDE = "*.pt"
SYMBOLS = "unique_text_tokens.k2symbols"
RATE = 24000
HOP = 320
BANDWIDTH = 0.75  # kbit/s of a codebook


def knows(config: Path) -> bool:
    """Whether this file is of this program: weights beside the sizes of VALL-E."""
    try:
        found = read_weights(config)
    except ValueError:
        return False
    return isinstance(found, dict) and {"model", "decoder_dim", "num_quantizers"} <= found.keys()


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "VALLE"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """The file, or one of the folder that it is in. Raises ValueError where the table of phones is missing."""
    file = path if path.is_file() else config_path
    found = read_weights(file)
    sizes = {"nar_scale_factor": found.get("scale_factor", 1.0)} | found
    state = strip(found["model"])
    text = {"phone_extractor": "espeak", "symbols_dict": SYMBOLS}
    return valle(sizes, state, text, file)


def read_amphion(config: Mapping[str, Any], state: State, config_path: Path) -> tuple[Card, State]:
    """Amphion's folder."""
    return valle(config["model"], state, config["preprocess"], config_path)


def valle(sizes: Mapping[str, Any], state: State, text: Mapping[str, Any], config_path: Path) -> tuple[Card, State]:
    """Card and weights. The sound is that of EnCodec of 24 kHz, by as many codebooks as it was trained on."""
    arguments, facts, weights = from_published(sizes, state)
    phone, learned = amphion_text(dict(text), config_path)
    codebooks = facts["codebooks"]
    codec = {"bandwidth": BANDWIDTH * codebooks}
    features = {"phone": phone, "codec": codec}
    our_card = card("VALLE", RATE, HOP, features, arguments, facts)
    our_card["learned"] = learned
    return our_card, weights
