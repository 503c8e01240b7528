"""PicoAudio as its program keeps it: one file of weights, the UNet of diffusers under `unet.` and a vector for each class, and beside it
diffusion_model_config.json, the UNet's; scheduler_config.json, where there is one; classes.json, the names of the classes, if they are known.

Its latents are those of AudioLDM's autoencoder, which is looked for in the folder AMPHION_MODELS.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from models.upstream.common import Card, State, card, strip
from models.upstream.unet_maps import Published, from_diffusers
from utils.files import read_json, read_weights

BESIDE = "diffusion_model_config.json"
SCHEDULER = "scheduler_config.json"
CLASS_NAMES = "classes.json"
WEIGHTS = ("best.pt", "pytorch_model*.bin", "*.pt", "*.bin", "*.safetensors")
UNET = "unet."
CLASSES = "class_emb.weight"
TEXT_CHANNELS = 512  # of CLAP's text
SLOTS = 32  # of the map of onsets
BINS = 16  # of a latent
RATE = 16000
HOP = 640  # samples of a latent
# Stable Diffusion 2.1's, by which it was trained.
NOISE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
}


def knows(config: Path) -> bool:
    """Whether this configuration is that of a UNet as PicoAudio has it."""
    return read_json(config, dict[str, Any]).get("_class_name", "") in ("UNet2DConditionModel", "")


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "PicoAudio"


def read(path: Path, config: Path, model_type: str | None) -> tuple[Card, State]:
    """The folder, or one file of weights in it. Raises ValueError where there are no weights, or more names than classes."""
    folder = config.parent
    unet = read_json(config, dict[str, Any])
    beside = folder / SCHEDULER
    scheduler = read_json(beside, dict[str, Any]) if beside.is_file() else NOISE
    is_named = path.is_file() and path != config
    file = path if is_named else weights_in(folder)
    checkpoint = read_weights(file)
    state = strip(checkpoint, "model", "state_dict")
    arguments, weights = published(unet, scheduler, state)
    arguments["condition"]["slots"] = SLOTS
    facts = {name: arguments.pop(name) for name in ("latent_channels", "n_events", "caption_channels") if name in arguments}
    facts["latent_bins"] = BINS
    names = class_names(folder / CLASS_NAMES, facts["n_events"])
    features: dict[str, Any] = {"latent": {}, "events": {"classes": names}}
    if arguments["condition"]["form"] == "text":
        features["caption"] = {"pooled": True}
    weights["scale"] = torch.tensor(1.0)
    return card("PicoAudio", RATE, HOP, features, arguments, facts), weights


def weights_in(folder: Path) -> Path:
    """The file of weights. Raises ValueError where there is none."""
    for pattern in WEIGHTS:
        files = sorted(folder.glob(pattern))
        if files:
            return files[0]
    raise ValueError(f"{folder} holds {BESIDE}, but no weights ({', '.join(WEIGHTS)}): put the file beside it.")


def class_names(path: Path, count: int) -> list[str]:
    """The names of so many classes, numbers where nothing says them. Raises ValueError for another count of names."""
    if not path.is_file():
        return [f"event_{number}" for number in range(count)]
    names = read_json(path, list[str])
    if len(names) != count:
        raise ValueError(f"{path} names {len(names)} classes, and the weights have {count}.")
    return names


def published(unet: Mapping[str, Any], scheduler: Mapping[str, Any], state: State) -> Published:
    """Arguments of `models.tta.picoaudio.PicoAudio` and its weights, of the configs that diffusers has for a UNet and a scheduler."""
    own = {key.removeprefix(UNET): value for key, value in state.items() if key.startswith(UNET)}
    built, renamed = from_diffusers(unet, own)
    weights = {f"{UNET}{key}": value for key, value in renamed.items()}
    condition = {"width": built["condition"]["context"], "form": "text"}
    facts = {"n_events": SLOTS, "caption_channels": TEXT_CHANNELS}
    if CLASSES in state:
        weights[CLASSES] = state[CLASSES]
        condition["form"] = "class"
        facts = {"n_events": len(state[CLASSES])}
    arguments = {
        "latent_channels": built["out_channels"],
        "condition": condition,
        "unet": built["sizes"],
        "noise": schedule_of(scheduler),
    }
    return arguments | facts, weights


def schedule_of(scheduler: Mapping[str, Any]) -> dict[str, Any]:
    """The noise of training, by the config of a scheduler of diffusers."""
    return {
        "steps": scheduler["num_train_timesteps"],
        "beta_start": scheduler["beta_start"],
        "beta_end": scheduler["beta_end"],
        "schedule": scheduler["beta_schedule"],
        "prediction": scheduler["prediction_type"],
    }
