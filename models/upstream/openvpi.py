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
    found = read_json(config, dict[str, Any])
    if "upsample_rates" not in found or "activation" in found:
        return False
    return "mini_nsf" in found or any((config.parent / name).is_file() for name in EXPORTED)


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "NSFHiFiGAN"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """An exported {"generator"} or a Lightning checkpoint, whose names begin with "generator."."""
    c = read_json(config_path, dict[str, Any])
    arguments, state = nsfhifigan(c, _generator(strip(read_weights(_file(path)), "generator", "state_dict")))
    names = {"n_fft": "n_fft", "win_size": "win_size", "n_mel": "num_mels", "fmin": "fmin", "fmax": "fmax"}
    mel = mel_section({ours: c.get(theirs) for ours, theirs in names.items()}, "nsfhifigan")
    # Its F0 is drawn through unvoiced stretches, in training as in use.
    f0 = {"method": "parselmouth", "fmin": c.get("f0_min", 65), "fmax": c.get("f0_max", 1100), "interpolate": True}
    features = {"audio": {}, "mel": mel, "f0": f0}
    facts = {"n_mel": c["num_mels"]}
    return card("NSFHiFiGAN", c["sampling_rate"], c["hop_size"], features, arguments, facts), state


def nsfhifigan(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The generator, whichever of the two kinds."""
    variant = {"kind": "pure" if config.get("mini_nsf") else "harmonic", "noise_sigma": config.get("noise_sigma", 0.0)}
    arguments = hifigan_sizes({"resblock": "1", **config}) | {"variant": variant}
    arguments |= {name: config[name] for name in ("n_fft", "win_size") if name in config}
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
    found = [path / name for name in EXPORTED if (path / name).is_file()]
    found = found or sorted(path.glob("*.ckpt"), key=lambda f: numbers_of(f.name))[::-1]
    if not found:
        raise ValueError(f"{path} holds a config.json, but no model.ckpt.")
    return found[0]
