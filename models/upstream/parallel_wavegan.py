"""ParallelWaveGAN: a checkpoint-*.pkl next to its config.yml and the statistics of its mels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, numbers_of, rename, strip, tuple_of
from modules.norm import modern_keys
from utils.documents import read_yaml
from utils.files import read_array, read_weights
from utils.log import log
from utils.registry import nearest

BESIDE = "config.yml"

PWG_NAMES = (
    (r"\.(?:de)?conv\.(weight|bias)", r".\1"),  # a causal layer holds its convolution inside
    (r"^input_conv\.", "conv_pre."),
    (r"^upsamples\.(\d+)\.1\.", r"ups.\1."),
    (r"^blocks\.(\d+)\.(convs[12])\.(\d+)\.1\.", r"resblocks.\1.\2.\3."),
    (r"^output_conv\.1\.", "conv_post."),
)


def knows(config: Path) -> bool:
    """Whether this configuration is of this program."""
    return "generator_type" in read_yaml(config)


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "HiFiGAN"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A checkpoint-*.pkl of ParallelWaveGAN, next to its config.yml and the stats.npy or stats.h5 of its mels."""
    c = read_yaml(config_path)
    if c.get("generator_type") != "HiFiGANGenerator":
        raise ValueError(f"{config_path}: " + nearest(str(c.get("generator_type")), ["HiFiGANGenerator"], "generator_type"))
    file = path
    if path.is_dir():
        files = sorted(path.glob("*.pkl"), key=lambda f: numbers_of(f.name))
        if not files:
            raise ValueError(f"{path} holds a config.yml, but no checkpoint-*.pkl.")
        file = files[-1]
    statistics = mel_statistics(config_path.parent)
    weights = strip(read_weights(file), "model", "generator")
    params = c["generator_params"]
    arguments, state = pwg_hifigan(params, statistics | weights)
    n_mel = params.get("in_channels", 80)
    mel = {
        "n_fft": c["fft_size"],
        "win_size": c.get("win_length") or c["fft_size"],
        "n_mel": n_mel,
        "fmin": c.get("fmin") or 0,
        "fmax": c.get("fmax"),
        "convention": "parallelwavegan",
    }
    features = {"audio": {}, "mel": mel}
    our_card = card("HiFiGAN", c["sampling_rate"], c["hop_size"], features, arguments, {"n_mel": n_mel})
    return our_card, state


def mel_statistics(folder: Path) -> State:
    """The mean and scale (n_mel,) of a stats.npy or stats.h5; without one, with a warning, nothing."""
    import numpy as np
    import torch

    if (folder / "stats.npy").is_file():
        rows = read_array(folder / "stats.npy")
    elif (folder / "stats.h5").is_file():
        rows = _from_hdf5(folder / "stats.h5")
    else:
        log.warning(f"{folder} has no stats.npy or stats.h5: this vocoder then wants mels that are already normalised.")
        return {}
    return {name: torch.from_numpy(np.float32(row)).flatten() for name, row in zip(("mean", "scale"), rows, strict=False)}


def _from_hdf5(path: Path) -> list[Any]:
    try:
        import h5py
    except ImportError as error:
        raise ValueError(f"{path} needs the package h5py: pip install h5py") from error
    with h5py.File(path) as file:
        rows = [file[name] for name in ("mean", "scale")]
        if any(row.size > 2**16 for row in rows):  # packed, they may be anything
            raise ValueError(f"{path} holds statistics of {rows[0].size} mel bands: it is no stats.h5 of ParallelWaveGAN.")
        return [row[()] for row in rows]


def pwg_hifigan(params: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """HiFiGANGenerator's parameters and names."""
    state = {rename(key, PWG_NAMES): value for key, value in state.items()}
    lean = not params.get("use_additional_convs", True)
    if lean:
        state = {key.replace(".convs1.", ".convs."): value for key, value in state.items()}
    normalised = "mean" in state and "scale" in state
    misspelt = params.get("upsample_kernal_sizes", (16, 16, 4, 4))  # as old files write it
    kernels = params.get("upsample_kernel_sizes", misspelt)
    arguments = {
        "upsample_initial_channel": params.get("channels", 512),
        "upsample_rates": tuple_of(params.get("upsample_scales", (8, 8, 2, 2))),
        "upsample_kernel_sizes": tuple_of(kernels),
        "resblock_kernel_sizes": tuple_of(params.get("resblock_kernel_sizes", (3, 7, 11))),
        "resblock_dilation_sizes": tuple_of(params.get("resblock_dilations", ((1, 3, 5),) * 3)),
        "resblock": "2" if lean else "1",
        "variant": {
            "upsample_padding": "parallelwavegan",
            "kernel_size": params.get("kernel_size", 7),
            "slope": params.get("nonlinear_activation_params", {}).get("negative_slope", 0.1),
            "block_bias": params.get("bias", True),
            "normalise": normalised,
            "causal": params.get("use_causal_conv", False),
        },
    }
    return arguments, modern_keys(state)
