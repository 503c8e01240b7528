"""Amphion's singing voice conversion under our names: the arguments, facts and state dict that our models take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.upstream.common import State

CONTENTS = ("whisper", "contentvec", "mert", "wenet")  # in the order in which their parts stand side by side
COMPUTED = ("pos_encoder.pe",)  # position tables, which ours works out


def conditions(section: Mapping[str, Any], state: State, preprocess: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Our `Conditions` for a section `condition_encoder`; a part without weights in `state`, under `prefix`, is left out."""

    def width(name: str, switch: str, size: str) -> int:
        there = any(key.startswith(f"{prefix}{name}.") for key in state)
        return section[size] if there and section.get(switch, True) else 0

    low = section.get("f0_min", preprocess.get("f0_min", section.get("pitch_min", 50)))
    high = section.get("f0_max", preprocess.get("f0_max", section.get("pitch_max", 1100)))
    return {
        "merge": section["merge_mode"],
        "content_width": section["content_encoder_dim"],
        "melody_width": width("melody_encoder", "use_f0", "output_melody_dim"),
        "loudness_width": width("loudness_encoder", "use_energy", "output_loudness_dim"),
        "speaker_width": width("singer_encoder", "use_spkid", "output_singer_dim"),
        "unvoiced": section["use_uv"],
        "melody_bins": section["n_bins_melody"],
        "f0_min": float(low),
        "f0_max": float(high),
        "loudness_bins": section["n_bins_loudness"],
        "energy_min": 1e-30,
        "energy_max": 1.5,
        "conformer": section.get("use_conformer_for_content_features", False),
        "see_padding": True,
    }


def contents_of(section: Mapping[str, Any]) -> dict[str, int]:
    """The content features of a section `condition_encoder`, and how wide each is."""
    return {name: section[f"{name}_dim"] for name in CONTENTS if section.get(f"use_{name}", False)}


def condition_weights(state: State, section: Mapping[str, Any]) -> State:
    """The weights of the condition encoder alone, without those that have no effect and that ours does not have."""
    idle = list(COMPUTED)
    if not section["n_bins_melody"]:
        idle += ["melody_encoder."]
    if not section["use_uv"]:
        idle += ["melody_encoder.uv_embedding."]
    switches = {"use_f0": "melody_encoder.", "use_energy": "loudness_encoder.", "use_spkid": "singer_encoder."}
    idle += [part for switch, part in switches.items() if not section.get(switch, True)]
    return {key: value for key, value in state.items() if not any(part in key for part in idle)}


def speakers_of(state: State, prefix: str = "") -> int:
    """How many singers the weights know."""
    table = state.get(f"{prefix}singer_encoder.nn.weight")
    return 1 if table is None else len(table)
