"""PicoAudio as it is published: the UNet of diffusers under `unet.`, a vector for each class, the configs of UNet and scheduler beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.upstream.common import State
from models.upstream.unet_maps import Published, from_diffusers

UNET = "unet."
CLASSES = "class_emb.weight"
TEXT_CHANNELS = 512  # of CLAP's text


def published(unet: Mapping[str, Any], scheduler: Mapping[str, Any], state: State) -> Published:
    """Arguments of `models.tta.picoaudio.PicoAudio` and its weights, of the configs that diffusers has for a UNet and a scheduler."""
    own = {key.removeprefix(UNET): value for key, value in state.items() if key.startswith(UNET)}
    built, renamed = from_diffusers(unet, own)
    weights = {f"network.unet.{key}": value for key, value in renamed.items()}
    arguments = {
        "latent_channels": built["out_channels"],
        "context": built["condition"]["context"],
        "sizes": built["sizes"],
        "noise": schedule_of(scheduler),
    }
    if CLASSES in state:
        weights[f"network.{CLASSES}"] = state[CLASSES]
        return arguments | {"condition": "class", "n_events": len(state[CLASSES])}, weights
    return arguments | {"condition": "text", "n_events": 1, "channels": {"caption": TEXT_CHANNELS}}, weights


def schedule_of(scheduler: Mapping[str, Any]) -> dict[str, Any]:
    """The noise of training, by the config of a scheduler of diffusers."""
    return {
        "steps": scheduler["num_train_timesteps"],
        "beta_start": scheduler["beta_start"],
        "beta_end": scheduler["beta_end"],
        "schedule": scheduler["beta_schedule"],
        "prediction": scheduler["prediction_type"],
    }
