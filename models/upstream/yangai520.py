"""YangAi520's APNet: a `g_*` file next to its config.json; Amphion's `apnet` has the same network and names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, mel_section, numbers_of, strip, tuple_of
from modules.norm import modern_keys
from utils.files import read_json, read_weights

BESIDE = "config.json"

SIZES = {
    "asp_channels": "ASP_channel",
    "asp_kernel_size": "ASP_input_conv_kernel_size",
    "asp_output_kernel_size": "ASP_output_conv_kernel_size",
    "asp_resblock_kernel_sizes": "ASP_resblock_kernel_sizes",
    "asp_resblock_dilation_sizes": "ASP_resblock_dilation_sizes",
    "psp_channels": "PSP_channel",
    "psp_kernel_size": "PSP_input_conv_kernel_size",
    "psp_real_kernel_size": "PSP_output_R_conv_kernel_size",
    "psp_imag_kernel_size": "PSP_output_I_conv_kernel_size",
    "psp_resblock_kernel_sizes": "PSP_resblock_kernel_sizes",
    "psp_resblock_dilation_sizes": "PSP_resblock_dilation_sizes",
}


def knows(config: Path) -> bool:
    """Whether this configuration is of this program."""
    return "ASP_channel" in read_json(config, dict[str, Any])


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "APNet"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A `g_*` file of APNet, next to its config.json."""
    c = read_json(config_path, dict[str, Any])
    file = path
    if path.is_dir():
        files = sorted((f for f in path.iterdir() if re.match(r"g_\d+", f.name)), key=lambda f: numbers_of(f.name))
        if not files:
            raise ValueError(f"{path} holds a config.json of APNet, but no g_* file.")
        file = files[-1]
    state = modern_keys(strip(read_weights(file), "generator"))
    n_mel = c["num_mels"]
    mel = mel_section({**c, "n_mel": n_mel}, "apnet")
    features = {"audio": {}, "mel": mel}
    arguments = apnet_sizes(c) | {"padding": "center"}
    our_card = card("APNet", c["sampling_rate"], c["hop_size"], features, arguments, {"n_mel": n_mel})
    return our_card, state


def apnet_sizes(c: dict[str, Any]) -> dict[str, Any]:
    """Our constructor's sizes from a section that names them as YangAi520 does."""
    return {ours: tuple_of(c[theirs]) for ours, theirs in SIZES.items()} | {"n_fft": c["n_fft"], "win_size": c["win_size"]}


def amphion_apnet(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The generator `apnet` of Amphion's GAN vocoders."""
    p = config["preprocess"]
    return apnet_sizes({**config["model"]["apnet"], "n_fft": p["n_fft"], "win_size": p["win_size"]}), modern_keys(state)
