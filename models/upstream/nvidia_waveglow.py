"""NVIDIA's WaveGlow: waveglow_256channels*.pt, a pickled module; Amphion's is the same network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from models.upstream.common import Card, State, card, mel_section, numbers_of, strip
from modules.norm import modern_keys
from utils.files import read_json, read_weights

BESIDE = "waveglow*"
SIZES = {"n_flows": 12, "n_group": 8, "n_early_every": 4, "n_early_size": 2}
WN_SIZES = {"n_layers": 8, "n_channels": 256, "kernel_size": 3}
NECESSARY = ("upsample.bias", "convinv.0.conv.weight", "WN.0.start.bias")


def knows(config: Path) -> bool:
    """Whether this file is of this program, by its name."""
    return config.suffix in (".pt", ".pth", ".ckpt", ".safetensors", "")


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "WaveGlow"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A released file, or one that holds a `state_dict`. A config.json of NVIDIA's beside it says the sizes.

    Raises ValueError, with the cure, for a module that was pickled in the format before torch 1.6.
    """
    file = path
    if not path.is_file():
        files = [f for f in path.glob(BESIDE) if f.is_file() and knows(f)]
        file = max(files, key=lambda f: numbers_of(f.name), default=config_path)
    state = modern_keys(merge_old(state_of(file)))
    beside = file.parent / "config.json"
    config = read_json(beside, dict[str, Any]) if beside.is_file() else {}
    arguments, facts = nvidia_waveglow(config.get("waveglow_config", {}), state)
    training = config.get("train_config", {})
    arguments["sigma"] = float(training.get("sigma", 1.0))
    data = config.get("data_config", {})
    mel = {
        "n_fft": data.get("filter_length", 1024),
        "win_size": data.get("win_length", 1024),
        "n_mel": facts["n_mel"],
        "fmin": data.get("mel_fmin", 0.0),
        "fmax": data.get("mel_fmax", 8000.0),
    }
    features = {"audio": {}, "mel": mel_section(mel, "tacotron2")}
    rate = data.get("sampling_rate", 22050)
    hop = data.get("hop_length", 256)
    our_card = card("WaveGlow", rate, hop, features, arguments, facts)
    return our_card, state


def state_of(file: Path) -> State:
    """The tensors of a file, also where a whole module was pickled."""
    try:
        return strip(read_weights(file), "state_dict", "model")
    except ValueError as error:
        if "is refused" not in str(error):
            raise
        raise ValueError(
            f"{file} is a module that was pickled whole, in a way that cannot be read without running code. If you trust it, "
            "do that once yourself, where NVIDIA's glow.py can be imported: "
            'm = torch.load(FILE, map_location="cpu", weights_only=False)["model"]; '
            'torch.save({"state_dict": m.state_dict()}, "waveglow_weights.pt"), and load that file. '
            f"({str(error).splitlines()[0]})"
        ) from error


def merge_old(state: State) -> State:
    """The layers of the first release, of which some were two or one a layer where later ones are one."""
    state = dict(state)
    old_keys = [key for key in state if re.match(r"WN\.\d+\.(skip|cond)_layers\.", key)]
    networks = {key.split(".")[1] for key in old_keys}
    for network in sorted(networks):
        prefix = f"WN.{network}"
        skips = [int(key.split(".")[3]) for key in state if key.startswith(f"{prefix}.skip_layers.")]
        count = 1 + max(skips)
        layers = range(count)
        for tensor in ("weight_g", "weight_v", "bias"):
            conditions = [state.pop(f"{prefix}.cond_layers.{i}.{tensor}") for i in layers]
            state[f"{prefix}.cond_layer.{tensor}"] = torch.cat(conditions)
            for i in layers:
                skip = state.pop(f"{prefix}.skip_layers.{i}.{tensor}")
                residual = state.pop(f"{prefix}.res_layers.{i}.{tensor}", None)  # the last layer has none
                merged = skip if residual is None else torch.cat([residual, skip])
                state[f"{prefix}.res_skip_layers.{i}.{tensor}"] = merged
    return state


def nvidia_waveglow(config: dict[str, Any], state: State) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our constructor's arguments and facts, from `waveglow_config` as far as it is there, and from the tensors if any."""
    inner = config.get("WN_config", {})
    arguments = {name: config.get(name, default) for name, default in SIZES.items()}
    arguments |= {name: inner.get(name, default) for name, default in WN_SIZES.items()}
    if not state:
        return arguments, {"n_mel": config.get("n_mel_channels", 80)}
    missing = [key for key in NECESSARY if key not in state]
    if missing:
        raise ValueError(f"this is no WaveGlow of NVIDIA's: it has no {', '.join(missing)}, but {', '.join(list(state)[:5])}.")
    kernels = [v for k, v in state.items() if re.match(r"WN\.0\.in_layers\.\d+\..*(weight|original1)$", k)]
    mixers = [key for key in state if key.startswith("convinv.")]
    arguments |= {
        "n_layers": len(kernels),
        "n_channels": len(state["WN.0.start.bias"]),
        "kernel_size": kernels[0].shape[2],
        "n_flows": len(mixers),
        "upsample_kernel_size": state["upsample.weight"].shape[2],
        "n_group": len(state["convinv.0.conv.weight"]),
    }
    facts = {"n_mel": len(state["upsample.bias"])}
    return arguments, facts


def amphion_waveglow(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """Amphion's copy, whose settings are written in capitals."""
    c = config["VOCODER"]
    names = ("n_flows", "n_group", "n_early_every", "n_early_size", "n_layers", "n_channels", "kernel_size")
    arguments = {name: c[name.upper()] for name in names if name.upper() in c}
    arguments["sigma"] = 1.0
    state = modern_keys(state)
    return arguments, state
