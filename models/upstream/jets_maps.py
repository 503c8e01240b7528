"""Amphion's Jets under our names: the arguments, facts and state dict that `models.tts.jets.Jets` takes."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from modules.norm import modern_keys

State = dict[str, Tensor]

# Stored, but part of no output: tables that are computed here, and what was left over from FastSpeech2.
IDLE = re.compile(
    r"(encoder|decoder)\.position_enc|variance_adaptor\.(pitch|energy)_(bins|embedding\.weight)|mel_linear\..*|postnet\..*"
)

# The vocoder recipe that Amphion's Jets takes its generator from, by path: an args.json does not hold it.
GENERATOR = {
    "resblock": "2",
    "upsample_rates": [8, 8, 4],
    "upsample_kernel_sizes": [16, 16, 8],
    "upsample_initial_channel": 256,
    "resblock_kernel_sizes": [3, 5, 7],
    "resblock_dilation_sizes": [[1, 2], [2, 6], [3, 12]],
}


def from_amphion(config: dict[str, Any], state: State) -> tuple[dict[str, Any], dict[str, Any], State]:
    """From a merged args.json; a section `hifigan` in it says what the generator is, where it is not that of the recipe.

    Pitch and energy stay z-scores: what they were normalised by is not released.
    """
    from models.upstream.fastspeech2_maps import upstream_sizes, upstream_speakers
    from models.upstream.jik876 import hifigan_sizes

    state = {k: v for k, v in modern_keys(state).items() if not IDLE.fullmatch(k)}
    state |= {f"{name}_mean": torch.tensor(0.0) for name in ("f0", "energy")}
    state |= {f"{name}_std": torch.tensor(1.0) for name in ("f0", "energy")}
    arguments = {
        **upstream_sizes(config["model"]),
        "embed_kernel": state["pitch_embed.0.weight"].shape[2],
        "upsampling": "repeat",
        "decoder": hifigan_sizes(config.get("hifigan") or config.get("_hifigan") or GENERATOR),
        "slice_frames": config.get("train", {}).get("segment_size", 64),
        "as_amphion": True,
    }
    facts = {
        "n_vocab": len(state["encoder.src_word_emb.weight"]),
        "n_mel": state["alignment_module.f_conv1.weight"].shape[1],
        "n_speakers": upstream_speakers(state),
    }
    return arguments, facts, state
