"""What the voices of RVC, so-vits-svc and Amphion's VitsSVC have in common: VITS's names, and sizes that stand in the weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from models.upstream.common import State, rename
from models.upstream.jik876 import hifigan_sizes

# The prior's encoder is `enc_` in ours, and what stands before it is the model's own.
NAMES = ((r"^enc_p\.encoder\.", "enc_p.enc_."), (r"^enc_p\.(emb_phone|emb_pitch|f0_emb)\.", r"\1."))
SOURCE = re.compile(r"dec\.(?!m_source\.|noise_convs\.|source_conv\.)")


def our_names(state: State, *, led: bool) -> State:
    """The weights under our names; `led`: the decoder is an NSF-HiFiGAN, whose HiFi-GAN is a part of its own in ours."""
    renamed = {rename(key, NAMES): value for key, value in state.items()}
    if not led:
        return renamed
    return {SOURCE.sub("dec.generator.", key): value for key, value in renamed.items()}


def sizes_of(state: State, dropout: float) -> dict[str, Any]:
    """Our `LatentSizes`, from weights under our names: what a configuration says of them may be of another voice."""
    layer = "enc_p.enc_.attn_layers.0"
    distances = state[f"{layer}.emb_rel_k"].shape
    filters = state["enc_p.enc_.ffn_layers.0.conv_1.weight"].shape
    moments, hidden, _ = state["enc_p.proj.weight"].shape
    encoder = {
        "layers": count(state, r"enc_p\.enc_\.attn_layers\.(\d+)\."),
        "heads": hidden // distances[2],
        "filter": filters[0],
        "kernel": filters[2],
        "dropout": float(dropout),
        "window": distances[1] // 2,
    }
    return {
        "hidden": hidden,
        "latent": moments // 2,
        "speaker_channels": state["emb_g.weight"].shape[1],
        "encoder": encoder,
        "posterior": _posterior(state),
    }


def _posterior(state: State) -> dict[str, Any] | None:
    """None for a voice that was published without."""
    layers = count(state, r"enc_q\.enc\.in_layers\.(\d+)\.")
    return {"layers": layers, "separable": separable(state, "enc_q.")} if layers else None


def flow_of(state: State) -> dict[str, Any]:
    """How many couplings, and layers of a gated stack in each. Raises ValueError for weights without a coupling."""
    places = count(state, r"flow\.flows\.(\d+)\.pre\.bias")
    if not places:
        raise ValueError("its weights hold no flow.flows.0.pre.bias: they are cut down, or another program's.")
    layers = count(state, r"flow\.(?:flows\.0\.enc|wn)\.in_layers\.(\d+)\.")
    found: dict[str, Any] = {"flows": (places + 1) // 2}
    if layers:
        found |= {"layers": layers, "separable": separable(state, "flow.")}
    return found


def separable(state: State, prefix: str) -> bool:
    """Whether the convolutions of this part of the network are in two steps."""
    return any(key.startswith(prefix) and ".depth_conv." in key for key in state)


def generator_of(section: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of HiFi-GAN, as a section of a config."""
    return {"generator": hifigan_sizes(dict(section))}


def count(state: State, pattern: str) -> int:
    """One more than the greatest number at that place of a name; 0 for no such name."""
    numbers = [int(met[1]) for met in (re.match(pattern, key) for key in state) if met]
    return max(numbers, default=-1) + 1
