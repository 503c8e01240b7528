"""The autoencoder of a pipeline of diffusers: the folder vae of cvssp/audioldm-*, of a mel of 64 bands at 16 kHz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.upstream.autoencoder_maps import AUDIOLDM_HOP, AUDIOLDM_MEL, RATE, from_diffusers, sizes_of
from models.upstream.common import Card, State, card
from utils.files import read_json, read_weights

BESIDE = "config.json"
WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
BUILT = {"act_fn": "silu", "in_channels": 1, "out_channels": 1, "use_quant_conv": True, "use_post_quant_conv": True, "shift_factor": None}


def knows(config: Path) -> bool:
    """Whether this configuration is of such an autoencoder."""
    return read_json(config, dict[str, Any]).get("_class_name") == "AutoencoderKL"


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "AutoencoderKL"


def read(path: Path, config: Path, model_type: str | None) -> tuple[Card, State]:
    """The folder, or the weights in it. Raises ValueError for weights that are missing, and for a setting that is not built here."""
    settings = read_json(config, dict[str, Any])
    folder = config.parent
    files = [folder / name for name in WEIGHTS]
    present = [file for file in files if file.is_file()]
    if not present:
        raise ValueError(f"{folder} holds no {' or '.join(WEIGHTS)}: download the weights too.")
    theirs = read_weights(present[0])
    return autoencoder(settings, from_diffusers(theirs))


def autoencoder(settings: dict[str, Any], state: State) -> tuple[Card, State]:
    """The card and weights, under our names already, of an autoencoder of diffusers. Raises ValueError for a setting that is not built."""
    for name, built in BUILT.items():
        value = settings.get(name, built)
        if value != built:
            raise ValueError(f"{name} is {value!r}: only {built!r} is built here, as AudioLDM's autoencoder has it.")
    sizes = sizes_of(state)
    sizes["groups"] = settings.get("norm_num_groups", 32)
    arguments = {"sizes": sizes, "height": "time"}
    facts = {"n_mel": AUDIOLDM_MEL["n_mel"]}
    return card("AutoencoderKL", RATE, AUDIOLDM_HOP, {"mel": AUDIOLDM_MEL}, arguments, facts), state
