"""NVIDIA's BigVGAN, versions 1 and 2: a `bigvgan_generator.pt` or `g_*` file next to its config.json."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, mel_section, numbers_of, strip
from models.upstream.jik876 import hifigan_sizes
from modules.norm import modern_keys
from utils.files import read_json, read_weights

BESIDE = "config.json"

FINAL = ("use_tanh_at_final", "use_bias_at_final")  # since version 2; before it, both are true


def knows(config: Path) -> bool:
    """Whether this configuration is of this program: HiFi-GAN's sizes and an activation."""
    return {"upsample_rates", "activation"} <= read_json(config, dict[str, Any]).keys()


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "BigVGAN"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A `bigvgan_generator.pt` or the last `g_*` file, next to its config.json."""
    c = read_json(config_path, dict[str, Any])
    file = generator_file(path) if path.is_dir() else path
    weights = strip(read_weights(file), "generator")
    arguments, state = bigvgan(c, weights)
    mel = mel_section({**c, "n_mel": c.get("num_mels")}, "hifigan")
    features = {"audio": {}, "mel": mel}
    facts = {"n_mel": c["num_mels"]}
    our_card = card("BigVGAN", c["sampling_rate"], c["hop_size"], features, arguments, facts)
    return our_card, state


def generator_file(folder: Path) -> Path:
    """The released generator, or that of the last step. Raises ValueError when there is none."""
    files = list(folder.glob("bigvgan_generator*.pt"))
    if not files:
        files = [f for f in folder.iterdir() if re.match(r"g_\d+", f.name)]
    if not files:
        raise ValueError(f"{folder} holds BigVGAN's config.json, but no bigvgan_generator.pt or g_* file.")
    return max(files, key=lambda f: numbers_of(f.name))


def bigvgan(section: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """Our constructor's arguments and our names; the section is NVIDIA's, which Amphion kept."""
    arguments = hifigan_sizes(section)
    arguments["activation"] = section["activation"]
    arguments["snake_logscale"] = section["snake_logscale"]
    arguments |= {name: section[name] for name in FINAL if name in section}
    state = modern_keys(state)
    return arguments, state


def amphion_bigvgan(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The generator `bigvgan` of Amphion's GAN vocoders."""
    return bigvgan(config["model"]["bigvgan"], state)
