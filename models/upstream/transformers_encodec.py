"""transformers' EncodecModel: a folder with config.json and model.safetensors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, strip, transformers_weights
from modules.norm import modern_keys
from utils.files import read_json, read_weights

BESIDE = "config.json"
SIZES = {  # theirs, ours
    "num_filters": "filters",
    "upsampling_ratios": "ratios",
    "hidden_size": "hidden",
    "num_residual_layers": "residual",
    "dilation_growth_rate": "dilation_base",
    "compress": "compress",
    "kernel_size": "kernel_size",
    "last_kernel_size": "last_kernel_size",
    "residual_kernel_size": "residual_kernel_size",
    "num_lstm_layers": "lstm",
    "use_causal_conv": "causal",
    "norm_type": "norm",
    "use_conv_shortcut": "shortcut",
    "trim_right_ratio": "trim_right",
}


def knows(config: Path) -> bool:
    """Whether this configuration is of this program."""
    return read_json(config, dict[str, Any]).get("model_type") == "encodec"


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "EnCodec"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A folder that `save_pretrained` wrote. Raises ValueError for a padding, or sizes of the codebooks, that are not here."""
    c = read_json(config_path, dict[str, Any])
    checkpoint = read_weights(transformers_weights(path))
    state = modern_keys(strip(checkpoint))
    arguments = from_transformers(c, state)
    rate = c["sampling_rate"]
    hop = math.prod(c["upsampling_ratios"])
    our_card = card("EnCodec", rate, hop, {"audio": {}}, arguments, {})
    return our_card, state


def from_transformers(c: dict[str, Any], state: State) -> dict[str, Any]:
    """The arguments of our model; of the number of codebooks the weights tell."""
    if c.get("pad_mode", "reflect") != "reflect":
        raise ValueError(f'pad_mode is {c["pad_mode"]!r}: only "reflect", as published, is here.')
    if c.get("codebook_dim") not in (None, c["hidden_size"]):
        raise ValueError(f"codebook_dim is {c['codebook_dim']}, and hidden_size {c['hidden_size']}: they are equal in what was published.")
    books = {key.split(".")[2] for key in state if key.startswith("quantizer.layers.")}
    arguments: dict[str, Any] = {
        "audio_channels": c["audio_channels"],
        "bandwidths": [float(bandwidth) for bandwidth in c["target_bandwidths"]],
        "seanet": {ours: c[theirs] for theirs, ours in SIZES.items() if theirs in c},
        "quantizer": {"codebooks": len(books), "codebook_size": c["codebook_size"]},
    }
    normalised = bool(c.get("normalize"))
    seconds = c.get("chunk_length_s")
    arguments["chunking"] = {"seconds": seconds, "overlap": c.get("overlap") or 0.0, "normalised": normalised}
    return arguments
