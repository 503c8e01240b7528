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
    names = {"n_mel": "num_mels"}
    mel = mel_section({k: c.get(names.get(k, k)) for k in ("n_fft", "win_size", "n_mel", "fmin", "fmax")}, "hifigan")
    arguments, state = bigvgan(c, strip(read_weights(file), "generator"))
    return card(
        "BigVGAN", c["sampling_rate"], c["hop_size"], {"audio": {}, "mel": mel}, arguments, {"n_mel": c["num_mels"]}
    ), state


def generator_file(folder: Path) -> Path:
    """The released generator, or that of the last step. Raises ValueError when there is none."""
    released = sorted(folder.glob("bigvgan_generator*.pt"), key=lambda f: numbers_of(f.name))
    files = released or sorted((f for f in folder.iterdir() if re.match(r"g_\d+", f.name)), key=lambda f: numbers_of(f.name))
    if not files:
        raise ValueError(f"{folder} holds BigVGAN's config.json, but no bigvgan_generator.pt or g_* file.")
    return files[-1]


def bigvgan(section: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """Our constructor's arguments and our names; the section is NVIDIA's, which Amphion kept."""
    arguments = hifigan_sizes(section) | {"activation": section["activation"]}
    arguments |= {"snake_logscale": section["snake_logscale"]}
    return arguments | {name: section[name] for name in FINAL if name in section}, modern_keys(state)


def amphion_bigvgan(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The generator `bigvgan` of Amphion's GAN vocoders."""
    return bigvgan(config["model"]["bigvgan"], state)
