"""openvpi's SingingVocoders: a model.ckpt, or a checkpoint of its training, next to config.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, mel_section, numbers_of, strip
from models.upstream.jik876 import hifigan_sizes
from modules.norm import modern_keys
from utils.files import read_json, read_weights

BESIDE = "config.json"
EXPORTED = ("model.ckpt", "model", "model.pt")  # older releases leave out the ending


def knows(config: Path) -> bool:
    """Whether this configuration is of this program: it has all that HiFi-GAN's has, and says so of its source; older
    releases do not, but their weights are called "model", where HiFi-GAN's are a "generator" or "g_*"."""
    settings = read_json(config, dict[str, Any])
    if "upsample_rates" not in settings or "activation" in settings:
        return False
    return "mini_nsf" in settings or any((config.parent / name).is_file() for name in EXPORTED)


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "NSFHiFiGAN"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """An exported {"generator"} or a Lightning checkpoint, whose names begin with "generator."."""
    c = read_json(config_path, dict[str, Any])
    weights = strip(read_weights(_file(path)), "generator", "state_dict")
    arguments, state = nsfhifigan(c, _generator(weights))
    mel = mel_section({**c, "n_mel": c.get("num_mels")}, "nsfhifigan")
    f0 = {
        "method": "parselmouth",
        "fmin": c.get("f0_min", 65),
        "fmax": c.get("f0_max", 1100),
        "interpolate": True,  # its F0 is drawn through unvoiced stretches, in training as in use
    }
    features = {"audio": {}, "mel": mel, "f0": f0}
    facts = {"n_mel": c["num_mels"]}
    our_card = card("NSFHiFiGAN", c["sampling_rate"], c["hop_size"], features, arguments, facts)
    return our_card, state


def nsfhifigan(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The generator, whichever of the two kinds."""
    variant = {
        "kind": "pure" if config.get("mini_nsf") else "harmonic",
        "noise_sigma": config.get("noise_sigma", 0.0),
    }
    arguments = hifigan_sizes({"resblock": "1", **config})
    arguments["variant"] = variant
    for name in ("n_fft", "win_size"):
        if name in config:
            arguments[name] = config[name]
    return arguments, our_names(state)


def our_names(state: State) -> State:
    """HiFi-GAN's part lies under `generator` in ours; the source and where it comes in have their own names."""
    ours = ("m_source.", "noise_convs.", "source_conv.")
    return modern_keys({key if key.startswith(ours) else f"generator.{key}": value for key, value in state.items()})


def _generator(state: State) -> State:
    if any(key.startswith("generator.") for key in state):
        return {key.removeprefix("generator."): v for key, v in state.items() if key.startswith("generator.")}
    return state


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    exported = [path / name for name in EXPORTED if (path / name).is_file()]
    if exported:
        return exported[0]
    trained = list(path.glob("*.ckpt"))
    if not trained:
        raise ValueError(f"{path} holds a config.json, but no model.ckpt.")
    return max(trained, key=lambda f: numbers_of(f.name))
