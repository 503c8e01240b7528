"""jik876's HiFi-GAN: a `generator` or `g_*` file next to its config.json; Amphion's text to audio ships the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, mel_section, numbers_of, strip, tuple_of
from modules.norm import modern_keys
from utils.files import read_json, read_weights

BESIDE = "config.json"


def knows(config: Path) -> bool:
    """Whether this configuration is of this program: BigVGAN has all that HiFi-GAN has, and an activation."""
    settings = read_json(config, dict[str, Any])
    return "upsample_rates" in settings and "activation" not in settings


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "HiFiGAN"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A `generator` or `g_*` file of the original HiFi-GAN, next to its config.json."""
    c = read_json(config_path, dict[str, Any])
    file = path
    if path.is_dir():
        files = sorted((f for f in path.iterdir() if re.match(r"(g_|generator)", f.name)), key=lambda f: numbers_of(f.name))
        if not files:
            raise ValueError(f"{path} holds a config.json, but no generator or g_* file.")
        file = files[-1]
    state = modern_keys(strip(read_weights(file), "generator"))
    n_mel = c.get("num_mels", 80)
    names = {"sample_rate": "sampling_rate", "n_mel": "num_mels"}
    mel = mel_section(
        {k: c.get(names.get(k, k)) for k in ("n_fft", "win_size", "n_mel", "fmin", "fmax")} | {"n_mel": n_mel}, "hifigan"
    )
    return card(
        "HiFiGAN", c["sampling_rate"], c["hop_size"], {"audio": {}, "mel": mel}, hifigan_sizes(c), {"n_mel": n_mel}
    ), state


def hifigan_sizes(c: dict[str, Any]) -> dict[str, Any]:
    """Our constructor's sizes from a section that names them as jik876 does."""
    same = (
        "upsample_rates",
        "upsample_kernel_sizes",
        "upsample_initial_channel",
        "resblock_kernel_sizes",
        "resblock_dilation_sizes",
    )
    return {name: tuple_of(c[name]) for name in same} | {"resblock": str(c["resblock"])}
