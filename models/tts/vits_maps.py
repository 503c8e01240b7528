"""Published VITS weights under our names: the arguments, facts and state dict that `models.tts.vits.VITS` takes.

jaywalnut310's and Amphion's names are ours; transformers renamed everything.
"""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from modules.norm import modern_keys

State = dict[str, Tensor]
Parts = tuple[dict[str, Any], dict[str, Any], State]


def from_jaywalnut310(config: dict[str, Any], state: State) -> Parts:
    """From the original's config.json: the sections `model` and `data`."""
    data = config["data"]
    sizes = {"n_fft": data["filter_length"], "win_size": data["win_length"]}
    sizes |= {"mel_bands": data["n_mel_channels"], "fmax": data["mel_fmax"]}
    slice_frames = config.get("train", {}).get("segment_size", 8192) // data["hop_length"]
    return from_upstream(config["model"], state, slice_frames=slice_frames, **sizes)


def from_amphion(config: dict[str, Any], state: State) -> Parts:
    """From a merged args.json of Amphion."""
    p = config["preprocess"]
    sizes = {"n_fft": p["n_fft"], "win_size": p["win_size"], "mel_bands": p["n_mel"], "fmax": p.get("fmax")}
    return from_upstream(config["model"], state, slice_frames=p.get("segment_size", 8192) // p["hop_size"], **sizes)


def from_upstream(model: dict[str, Any], state: State, **sizes: Any) -> Parts:
    """From a section `model` in the original's words. What it states wrongly or not at all is read off the weights.

    (`n_layers_q` and the filter of the stochastic predictor have no effect there; Amphion's `n_speakers` says 0 for models of
    many.) A table of one speaker becomes one of two equal ones: ours has none for a single voice.
    """
    from models.base.upstream.jik876 import hifigan_sizes

    state = modern_keys(state)
    if "emb_g.weight" in state and len(state["emb_g.weight"]) == 1:
        state["emb_g.weight"] = state["emb_g.weight"].repeat(2, 1)
    speakers = state.get("emb_g.weight")
    arguments = {
        "hidden": model["hidden_channels"],
        "latent": model["inter_channels"],
        "encoder_layers": model["n_layers"],
        "encoder_heads": model["n_heads"],
        "encoder_filter": model["filter_channels"],
        "encoder_kernel": model["kernel_size"],
        "encoder_dropout": model["p_dropout"],
        "decoder": hifigan_sizes(model),
        **measured(state),
        **sizes,
    }
    idle = speakers is None and "dec.cond.weight" in state
    if speakers is not None or idle:
        arguments |= {"speaker_channels": state["dec.cond.weight"].shape[1], "idle_speaker_layers": idle}
    return arguments, facts_of(state), state


def facts_of(state: State) -> dict[str, Any]:
    """How many symbols and speakers the weights know."""
    speakers = state.get("emb_g.weight")
    return {"n_vocab": len(state["enc_p.emb.weight"]), "n_speakers": 1 if speakers is None else len(speakers)}


def measured(state: State) -> dict[str, Any]:
    """Sizes that stand in the weights, under the original's names, but in no configuration."""
    weight = "parametrizations.weight.original1" if any("parametrizations" in key for key in state) else "weight"
    stochastic = "dp.proj.weight" in state and "dp.post_pre.weight" in state
    found = {
        "encoder_window": state["enc_p.encoder.attn_layers.0.emb_rel_k"].shape[1] // 2,
        "posterior_layers": _count(state, r"enc_q\.enc\.in_layers\.(\d+)\.bias"),
        "posterior_kernel": state[f"enc_q.enc.in_layers.0.{weight}"].shape[2],
        "flows": (_count(state, r"flow\.flows\.(\d+)\.pre\.bias") + 1) // 2,
        "flow_layers": _count(state, r"flow\.flows\.0\.enc\.in_layers\.(\d+)\.bias"),
        "flow_kernel": state[f"flow.flows.0.enc.in_layers.0.{weight}"].shape[2],
        "stochastic_durations": stochastic,
    }
    if stochastic:
        more = {"duration_kernel": state["dp.convs.convs_sep.0.weight"].shape[2]}
        return found | more | {"duration_flows": _count(state, r"dp\.flows\.(\d+)\.pre\.bias") // 2}
    first = state["dp.conv_1.weight"]
    return found | {"duration_filter": first.shape[0], "duration_kernel": first.shape[2]}


def _count(state: State, pattern: str) -> int:
    """One more than the largest number that `pattern` finds in a key."""
    return 1 + max(int(found[1]) for key in state if (found := re.fullmatch(pattern, key)))
