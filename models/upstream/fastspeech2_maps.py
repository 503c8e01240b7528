"""FastSpeech2 of Amphion and of ming024 under our names: the arguments, facts and state dict that ours takes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.tts.fastspeech2 import spread


def from_upstream(
    model: dict[str, Any], state: dict[str, Tensor], statistics: dict[str, dict[str, float]] | None = None, **changes: Any
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """Our constructor's arguments, facts and weights from the `model` section and state dict of Amphion or ming024.

    Position tables are left out, being computed here. Without `statistics` pitch and energy stay z-scores.
    """
    e = model["variance_embedding"]
    state = {k.removeprefix("module."): v for k, v in state.items() if not k.endswith("position_enc")}
    known = {name: (statistics or {}).get(name, {"mean": 0.0, "std": 1.0}) for name in ("f0", "energy")}
    state |= {f"{name}_mean": torch.tensor(float(s["mean"])) for name, s in known.items()}
    state |= {f"{name}_std": torch.tensor(spread(s)) for name, s in known.items()}
    first = state["postnet.convolutions.0.0.conv.weight"]
    arguments = {
        **upstream_sizes(model),
        "pitch_scale": e["pitch_quantization"],
        "energy_scale": e["energy_quantization"],
        "n_bins": e["n_bins"],
        "postnet_channels": first.shape[0],
        "postnet_kernel": first.shape[2],
        "postnet_layers": 1 + max(int(k.split(".")[2]) for k in state if k.startswith("postnet.convolutions.")),
        "max_frames": model["max_seq_len"],
        "see_padding": True,
        "truncate_durations": True,
        **changes,
    }
    facts = {
        "n_vocab": state["encoder.src_word_emb.weight"].shape[0],
        "n_mel": state["mel_linear.weight"].shape[0],
        "n_speakers": upstream_speakers(state),
        "statistics": statistics,
    }
    return arguments, facts, state


def upstream_sizes(model: dict[str, Any]) -> dict[str, Any]:
    """The sizes of encoder, decoder and predictors as our arguments; Jets has the same."""
    t, p = model["transformer"], model["variance_predictor"]
    return {
        "hidden": t["encoder_hidden"],
        "encoder_layers": t["encoder_layer"],
        "encoder_heads": t["encoder_head"],
        "decoder_layers": t["decoder_layer"],
        "decoder_heads": t["decoder_head"],
        "conv_filter": t["conv_filter_size"],
        "conv_kernels": tuple(t["conv_kernel_size"]),
        "encoder_dropout": t["encoder_dropout"],
        "decoder_dropout": t["decoder_dropout"],
        "predictor_filter": p["filter_size"],
        "predictor_kernel": p["kernel_size"],
        "predictor_dropout": p["dropout"],
    }


def upstream_speakers(state: dict[str, Tensor]) -> int:
    """How many speakers the weights have. A table of a single voice becomes one of two equal ones: ours has none for one."""
    speakers = state.get("speaker_emb.weight")
    if speakers is not None and len(speakers) == 1:
        speakers = state["speaker_emb.weight"] = speakers.repeat(2, 1)
    return 1 if speakers is None else len(speakers)


def from_amphion(config: dict[str, Any], state: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """From a merged args.json of Amphion; see `from_upstream`."""
    frame = {name: config["preprocess"].get(f"use_frame_{name}", False) for name in ("pitch", "energy")}
    levels = {f"{name}_level": "frame" if frame[name] else "phone" for name in frame}
    return from_upstream(config["model"], state, **levels)


def from_ming024(config: dict[str, Any], state: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """From ming024's yaml and stats.json, as {"preprocess", "model", "stats.json"}; see `from_upstream`."""
    preprocessing = config["preprocess"]["preprocessing"]
    levels = {}
    for name in ("pitch", "energy"):
        is_of_phones = preprocessing[name]["feature"] == "phoneme_level"
        levels[f"{name}_level"] = "phone" if is_of_phones else "frame"
    statistics = None
    ranges = config.get("stats.json")
    if ranges:
        f0 = from_z_scores(*ranges["pitch"])
        energy = from_z_scores(*ranges["energy"])
        statistics = {"f0": f0, "energy": energy}
    return from_upstream(config["model"], state, statistics, energy_follows_pitch_control=True, **levels)


def from_z_scores(least: float, greatest: float, mean: float, std: float) -> dict[str, float]:
    """Our statistics from ming024's, whose range is of normalised values."""
    return {"mean": mean, "std": std, "min": least * std + mean, "max": greatest * std + mean}
