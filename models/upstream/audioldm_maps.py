"""What the readers of published AudioLDMs share: the card, and the weights of all parts under our names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from models.upstream.autoencoder_maps import RATE, sizes_of
from models.upstream.common import Card, State, card

UNET = "unet."
AUTOENCODER = "autoencoder."
VOCODER = "vocoder."
NO_WORDS = "no_words"


@dataclass(frozen=True)
class Parts:
    """What a published AudioLDM consists of, weights under our names.

    `unet` are the arguments and weights of its UNet, `autoencoder` and `vocoder` weights, None where they were published apart,
    `vocoder_sizes` the arguments of the latter. `text_encoder` is where it lies, `noise` the section of the schedule, `sampling` how it
    was sampled, and `scale` what latents are multiplied by.
    """

    unet: tuple[dict[str, Any], State]
    mel: dict[str, Any]
    hop_size: int
    height: str
    text_encoder: str
    noise: dict[str, Any]
    sampling: dict[str, Any]
    bins: int
    scale: float = 1.0
    sees_padding: bool = False
    autoencoder: State | None = None
    autoencoder_groups: int = 32
    vocoder: State | None = None
    vocoder_sizes: dict[str, Any] | None = None


def read_parts(parts: Parts) -> tuple[Card, State]:
    """A card of ours, and one state dict."""
    unet, weights = parts.unet
    condition = unet["condition"]
    vector = condition.get("vector")
    width = vector or condition["context"]
    text = {"form": "vector" if vector else "sequence", "sees_padding": parts.sees_padding}
    if vector:
        text["joined"] = condition["joined"]
    arguments = {
        "unet": unet["sizes"],
        "text": text,
        "noise": parts.noise,
        "height": parts.height,
        "published": parts.sampling,
        "decoding": decoding_of(parts),
    }
    channels = unet["in_channels"]
    facts = {"latent_channels": channels, "latent_bins": parts.bins, "caption_channels": width, "empty_tokens": 1}
    features = {"mel": parts.mel, "caption": {"model": parts.text_encoder}}
    state = prefixed(UNET, weights)
    state |= prefixed(AUTOENCODER, parts.autoencoder or {})
    state |= prefixed(VOCODER, parts.vocoder or {})
    state["scale"] = torch.tensor(float(parts.scale))
    state[NO_WORDS] = torch.zeros(1, width)
    return card("AudioLDM", RATE, parts.hop_size, features, arguments, facts), state


def decoding_of(parts: Parts) -> dict[str, Any] | None:
    """The section `decoding` of a model that comes with its autoencoder."""
    if parts.autoencoder is None:
        return None
    sizes = sizes_of(parts.autoencoder) | {"groups": parts.autoencoder_groups}
    autoencoder = {"sizes": sizes, "height": parts.height}
    section = {"n_mel": parts.mel["n_mel"], "hop_size": parts.hop_size, "autoencoder": autoencoder}
    if parts.vocoder is not None:
        section["vocoder"] = parts.vocoder_sizes
    return section


def prefixed(prefix: str, state: State) -> State:
    """Each name with `prefix` before it."""
    return {f"{prefix}{key}": value for key, value in state.items()}


def within(prefix: str, state: State) -> State:
    """What begins with `prefix`, without it."""
    found = {}
    for key, value in state.items():
        if key.startswith(prefix):
            found[key.removeprefix(prefix)] = value
    return found
