"""The autoencoders of Amphion, AudioLDM and diffusers under our names: the first two have them already, and tell their sizes by shapes."""

from __future__ import annotations

import re
from typing import Any

from models.upstream.common import State, rename

RATE = 16_000
# The mel of AudioLDM: 64 bands to 8 kHz, 100 frames a second.
AUDIOLDM_HOP = 160
AUDIOLDM_MEL = {"n_fft": 1024, "win_size": 1024, "n_mel": 64, "fmin": 0, "fmax": 8000, "convention": "tacotron2"}
# Those of Amphion: 80 bands, 624 frames in ten seconds.
AMPHION_HOP = 256
AMPHION_MEL = {"n_fft": 1024, "win_size": 1024, "n_mel": 80, "fmin": 0, "fmax": 8000, "convention": "hifigan"}

DIFFUSERS_NAMES = (
    (r"\bconv_norm_out\.", "norm_out."),
    (r"\bmid_block\.resnets\.0\.", "mid.block_1."),
    (r"\bmid_block\.resnets\.1\.", "mid.block_2."),
    (r"\bmid_block\.attentions\.0\.group_norm\.", "mid.attn_1.norm."),
    (r"\bmid_block\.attentions\.0\.to_([qkv])\.", r"mid.attn_1.\1."),
    (r"\bmid_block\.attentions\.0\.to_out\.0\.", "mid.attn_1.proj_out."),
    (r"\bdown_blocks\.(\d+)\.resnets\.", r"down.\1.block."),
    (r"\bdown_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample."),
    (r"\bup_blocks\.(\d+)\.resnets\.", r"up.\1.block."),
    (r"\bup_blocks\.(\d+)\.upsamplers\.0\.", r"up.\1.upsample."),
    (r"\bconv_shortcut\.", "nin_shortcut."),
)


def sizes_of(state: State) -> dict[str, Any]:
    """Our `sizes` for weights under our names, as far as shapes tell. Raises KeyError for weights of something else."""
    first = state["encoder.conv_in.weight"]
    channels = first.shape[0]
    levels = _count(state, r"encoder\.down\.(\d+)\.")
    widths = [state[f"encoder.down.{level}.block.0.conv1.weight"].shape[0] for level in range(levels)]
    attended = {int(level) for level in _numbers(state, r"encoder\.down\.(\d+)\.attn\.")}
    latent = state["decoder.conv_in.weight"].shape[1]
    if state["encoder.conv_out.weight"].shape[0] != 2 * latent:
        raise ValueError("an encoder that gives no variances (double_z false) has no posterior: train with double_z true.")
    embedding = state["post_quant_conv.weight"].shape[1]
    return {
        "channels": channels,
        "multipliers": [width // channels for width in widths],
        "blocks": _count(state, r"encoder\.down\.0\.block\.(\d+)\."),
        "latent": latent,
        "embedding": None if embedding == latent else embedding,
        "mid_attention": "encoder.mid.attn_1.q.weight" in state,
        "attention_levels": sorted(attended),
    }


def bands_of(mel: dict[str, Any], sizes: dict[str, Any]) -> int:
    """How many a mel has. Raises ValueError where the levels of an autoencoder cannot halve them."""
    factor = 2 ** (len(sizes["multipliers"]) - 1)
    if mel["n_mel"] % factor:
        raise ValueError(f"n_mel is {mel['n_mel']}, no multiple of {factor}, which the levels of the weights ask for: is it another's?")
    return mel["n_mel"]


def _numbers(state: State, pattern: str) -> list[str]:
    """What the group of a pattern is in the names that it begins."""
    matches = [re.match(pattern, key) for key in state]
    return [match[1] for match in matches if match]


def _count(state: State, pattern: str) -> int:
    """How many there are of what the pattern numbers from 0."""
    numbers = [int(number) for number in _numbers(state, pattern)]
    return max(numbers, default=-1) + 1


def from_diffusers(state: State) -> State:
    """Weights of diffusers' AutoencoderKL under our names: its levels upwards are counted from the other end, its attention is linear."""
    renamed = {rename(key, DIFFUSERS_NAMES): value for key, value in state.items()}
    last = _count(renamed, r"decoder\.up\.(\d+)\.") - 1
    ours = {}
    for key, value in renamed.items():
        name = re.sub(r"^decoder\.up\.(\d+)\.", lambda match: f"decoder.up.{last - int(match[1])}.", key)
        is_linear = ".attn_1." in name and value.ndim == 2
        ours[name] = value[:, :, None, None] if is_linear else value
    return ours
