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
    found = read_yaml(config)
    return {"audio", "model"} <= found.keys() and "n_mel_channels" in (found["audio"] or {})


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


def melgan_of(config: dict[str, Any], found: Any) -> tuple[Card, State]:
    """The card and weights of a checkpoint and its configuration."""
    a = config["audio"]
    arguments, state = park_melgan(strip(found, "model_g"))
    mel = {"n_fft": a["filter_length"], "win_size": a["win_length"], "n_mel": a["n_mel_channels"]}
    mel |= {"fmin": a["mel_fmin"], "fmax": a["mel_fmax"], "convention": "tacotron2"}
    features = {"audio": {}, "mel": mel}
    return card("MelGAN", a["sampling_rate"], a["hop_length"], features, arguments, {"n_mel": a["n_mel_channels"]}), state


def park_melgan(state: State, ngf: int | None = None) -> tuple[dict[str, Any], State]:
    """Our arguments, which the program has no configuration for, and our names; `ngf` None is read from the weights."""
    width = next((v.shape[0] for k, v in state.items() if re.fullmatch(r"generator\.1\.bias", k)), None)
    if ngf is None and width is None:
        raise ValueError(f"no generator.1.bias is among the weights, but {list(state)[:8]}: this is no generator of MelGAN.")
    section = {"ratios": RATIOS, "ngf": ngf or width // 2 ** len(RATIOS), "n_residual_layers": LAYERS}
    arguments, state = melgan(section, {_long(key): value for key, value in state.items()})
    return arguments | {"variant": VARIANT}, state


def _long(key: str) -> str:
    """`generator.<place>...` with a stack for a stage, as the place in descriptinc's list with one entry for a layer."""
    found = re.fullmatch(r"generator\.(\d+)\.(?:(blocks|shortcuts)\.(\d+)\.)?(.+)", key)
    if not found:
        return key
    place, part, layer, rest = int(found[1]), found[2], int(found[3] or 0), found[4]
    stage, inside = divmod(max(place - 2, 0), 3)
    start = 2 + stage * (LAYERS + 2) if place > 1 else place
    if part is None:
        return f"model.{start + (inside if place > 1 else 0)}.{rest}"
    return f"model.{start + 2 + layer}." + (f"block.{rest}" if part == "blocks" else f"shortcut.{rest}")
