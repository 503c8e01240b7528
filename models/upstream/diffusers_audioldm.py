"""AudioLDM as a folder of diffusers' pipeline, such as cvssp/audioldm-s-full-v2: a folder for each part beside model_index.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.upstream.audioldm_maps import Parts, read_parts
from models.upstream.autoencoder_maps import AUDIOLDM_MEL
from models.upstream.autoencoder_maps import from_diffusers as autoencoder_of
from models.upstream.common import Card, State, rename, tuple_of
from models.upstream.unet_maps import from_diffusers
from modules.norm import modern_keys
from utils.files import read_json, read_weights
from utils.registry import pick

BESIDE = "model_index.json"
PIPELINE = "AudioLDMPipeline"
WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "model.safetensors", "pytorch_model.bin")
SCHEDULERS = {
    "DDIMScheduler": "ddim",
    "PNDMScheduler": "pndm",
    "DPMSolverMultistepScheduler": "dpmsolver++",
    "UniPCMultistepScheduler": "unipc",
}
NOISE = {  # theirs, ours
    "num_train_timesteps": "steps",
    "beta_start": "beta_start",
    "beta_end": "beta_end",
    "beta_schedule": "schedule",
    "prediction_type": "prediction",
}
VOCODER_NAMES = ((r"^upsampler\.", "ups."),)
VOCODER_SIZES = ("upsample_rates", "upsample_kernel_sizes", "upsample_initial_channel", "resblock_kernel_sizes", "resblock_dilation_sizes")
STATISTICS = ("mean", "scale")  # of the mel


def knows(config: Path) -> bool:
    """Whether this configuration is of an AudioLDM."""
    return read_json(config, dict[str, Any]).get("_class_name") == PIPELINE


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "AudioLDM"


def read(path: Path, config: Path, model_type: str | None) -> tuple[Card, State]:
    """The folder of a pipeline. Raises ValueError naming the part that is missing."""
    folder = config.parent
    unet_config, unet = part(folder, "unet")
    autoencoder_config, autoencoder = part(folder, "vae")
    vocoder_config, vocoder = part(folder, "vocoder")
    noise, sampling = schedule(folder / "scheduler/scheduler_config.json")
    levels = len(autoencoder_config["block_out_channels"])
    mel = AUDIOLDM_MEL | {"n_mel": vocoder_config["model_in_dim"]}
    parts = Parts(
        unet=from_diffusers(unet_config, unet),
        mel=mel,
        hop_size=hop_of(vocoder_config),
        height="time",
        text_encoder=str(folder),
        noise=noise,
        sampling=sampling,
        bins=mel["n_mel"] // 2 ** (levels - 1),
        scale=autoencoder_config["scaling_factor"],
        autoencoder=autoencoder_of(autoencoder),
        autoencoder_groups=autoencoder_config.get("norm_num_groups", 32),
        vocoder=vocoder_weights(vocoder_config, vocoder),
        vocoder_sizes=vocoder_sizes(vocoder_config),
    )
    return read_parts(parts)


def part(folder: Path, name: str) -> tuple[dict[str, Any], State]:
    """The configuration and weights of a part. Raises ValueError where either is missing."""
    place = folder / name
    config = place / "config.json"
    weights = first_file(place, WEIGHTS)
    if not config.is_file() or weights is None:
        needed = f"{config.name} and {WEIGHTS[0]} or {WEIGHTS[2]}"
        raise ValueError(f"{place} lacks {needed}: download the whole folder of the pipeline.")
    settings = read_json(config, dict[str, Any])
    return settings, read_weights(weights)


def first_file(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of these names that is there."""
    files = (folder / name for name in names)
    return next(filter(Path.is_file, files), None)


def schedule(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The noise of training, and how the pipeline samples. Raises ValueError for a scheduler that we do not have."""
    config = read_json(path, dict[str, Any])
    name = config["_class_name"]
    sampler = pick(SCHEDULERS, name, f"scheduler in {path}")
    lines = filter(of_sampling, config.items())
    settings = dict(lines)
    sampling = {"sampler": sampler, "settings": settings}
    return noise_of(config), sampling


def noise_of(config: dict[str, Any]) -> dict[str, Any]:
    """The noise of training that a scheduler's configuration says."""
    given = NOISE.keys() & config.keys()
    return {NOISE[theirs]: config[theirs] for theirs in given}


def of_sampling(line: tuple[str, object]) -> bool:
    """Whether a line of a scheduler's configuration says how to sample."""
    key, value = line
    return key not in NOISE and key != "trained_betas" and not key.startswith("_") and value is not None


def hop_of(vocoder: dict[str, Any]) -> int:
    """Samples of a frame."""
    hop_size = 1
    for rate in vocoder["upsample_rates"]:
        hop_size *= rate
    return hop_size


def vocoder_sizes(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of our HiFiGAN for a SpeechT5HifiGan."""
    sizes = {name: tuple_of(config[name]) for name in VOCODER_SIZES}
    variant = {"normalise": bool(config.get("normalize_before")), "slope": config.get("leaky_relu_slope", 0.1)}
    return sizes | {"resblock": "1", "variant": variant}


def vocoder_weights(config: dict[str, Any], state: State) -> State:
    """Its weights under our names, without the statistics of one that does not normalise its mel."""
    unused = () if config.get("normalize_before") else STATISTICS
    kept = {rename(key, VOCODER_NAMES): value for key, value in state.items() if key not in unused}
    return modern_keys(kept)
