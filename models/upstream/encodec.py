"""The package encodec: `encodec_24khz-*.th` and `encodec_48khz-*.th`, whose sizes it knows by their names alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, rename, strip
from modules.norm import modern_keys
from utils.files import read_weights

BESIDE = "encodec_*.th"
HOP = 320
PUBLISHED: dict[str, tuple[int, dict[str, Any]]] = {
    "encodec_24khz": (24000, {"bandwidths": (1.5, 3.0, 6.0, 12.0, 24.0)}),
    "encodec_48khz": (
        48000,
        {
            "audio_channels": 2,
            "bandwidths": (3.0, 6.0, 12.0, 24.0),
            "seanet": {"causal": False, "norm": "time_group_norm"},
            "chunking": {"seconds": 1.0, "overlap": 0.01, "normalised": True},
        },
    ),
}
NAMES = (
    (r"^(encoder|decoder)\.model\.", r"\1.layers."),
    (r"\.(conv|convtr)\.(conv|convtr)\.", ".conv."),
    (r"\.(conv|convtr)\.norm\.", ".norm."),
    (r"^quantizer\.vq\.layers\.", "quantizer.layers."),
    (r"\._codebook\.", ".codebook."),
)


def knows(config: Path) -> bool:
    """Whether this file is of this program."""
    return _published(config) in PUBLISHED


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "EnCodec"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """The file, or the folder that it is in."""
    name = _published(config_path)
    rate, arguments = PUBLISHED[name]
    checkpoint = read_weights(config_path)
    state = modern_keys(strip(checkpoint))
    renamed = {rename(key, NAMES): value for key, value in state.items()}
    our_card = card("EnCodec", rate, HOP, {"audio": {}}, arguments, {})
    return our_card, renamed


def _published(config: Path) -> str:
    """The model that a file's name begins with."""
    return config.stem.split("-")[0]
