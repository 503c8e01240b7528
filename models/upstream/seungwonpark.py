"""seungwonpark's MelGAN: a checkpoint with `model_g` next to its yaml configuration, which it also holds as text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, numbers_of, strip
from models.upstream.descriptinc import RATIOS, melgan
from utils.documents import read_yaml
from utils.files import read_weights

BESIDE = "*.yaml"

LAYERS = 3  # of a residual stack; not in the configuration
# Silence on its scale; ten such frames follow every mel.
VARIANT = {"mean": -5.0, "scale": 5.0, "tail_frames": 10, "tail_value": -11.5129}


def knows(config: Path) -> bool:
    """Whether this configuration is of this program."""
    settings = read_yaml(config)
    return {"audio", "model"} <= settings.keys() and "n_mel_channels" in (settings["audio"] or {})


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "MelGAN"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """The last <name>_<commit>_<epoch>.pt, next to its yaml."""
    file = path
    if path.is_dir():
        files = sorted(path.glob("*.pt"), key=lambda f: numbers_of(f.stem.rsplit("_", 1)[-1]))
        if not files:
            raise ValueError(f"{path} holds a yaml of MelGAN, but no <name>_<epoch>.pt.")
        file = files[-1]
    return melgan_of(read_yaml(config_path), read_weights(file))


def melgan_of(config: dict[str, Any], checkpoint: Any) -> tuple[Card, State]:
    """The card and weights of a checkpoint and its configuration."""
    a = config["audio"]
    arguments, state = park_melgan(strip(checkpoint, "model_g"))
    n_mel = a["n_mel_channels"]
    mel = {
        "n_fft": a["filter_length"],
        "win_size": a["win_length"],
        "n_mel": n_mel,
        "fmin": a["mel_fmin"],
        "fmax": a["mel_fmax"],
        "convention": "tacotron2",
    }
    features = {"audio": {}, "mel": mel}
    our_card = card("MelGAN", a["sampling_rate"], a["hop_length"], features, arguments, {"n_mel": n_mel})
    return our_card, state


def park_melgan(state: State, ngf: int | None = None) -> tuple[dict[str, Any], State]:
    """Our arguments, which the program has no configuration for, and our names; `ngf` None is read from the weights."""
    bias = state.get("generator.1.bias")
    if ngf is None and bias is None:
        raise ValueError(f"no generator.1.bias is among the weights, but {list(state)[:8]}: this is no generator of MelGAN.")
    section = {
        "ratios": RATIOS,
        "ngf": ngf or len(bias) // 2 ** len(RATIOS),
        "n_residual_layers": LAYERS,
    }
    renamed = {_long(key): value for key, value in state.items()}
    arguments, state = melgan(section, renamed)
    return arguments | {"variant": VARIANT}, state


def _long(key: str) -> str:
    """`generator.<place>...` with a stack for a stage, as the place in descriptinc's list with one entry for a layer."""
    match = re.fullmatch(r"generator\.(\d+)\.(?:(blocks|shortcuts)\.(\d+)\.)?(.+)", key)
    if not match:
        return key
    place = int(match[1])
    part = match[2]
    rest = match[4]
    if place < 2:
        start = place
        inside = 0
    else:  # each stage has three entries here, and there two and one for each layer
        stage, inside = divmod(place - 2, 3)
        start = 2 + stage * (LAYERS + 2)
    if part is None:
        return f"model.{start + inside}.{rest}"
    layer = int(match[3])
    branch = "block" if part == "blocks" else "shortcut"
    return f"model.{start + 2 + layer}.{branch}.{rest}"
