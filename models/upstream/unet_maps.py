"""UNets of latent diffusion as other programs publish them, under our names: the arguments of `modules.unet.UNet`, and its state dict.

The original's names are ours. diffusers has others, and counts blocks within levels where the original counts them through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from models.upstream.common import State, rename
from utils.registry import pick

Published = tuple[dict[str, Any], State]

POINTWISE = re.compile(r"\.proj_(in|out)\.weight$")  # convolutions of one place, in some of the files: linear layers here
# What the original's UNet has besides, which no published AudioLDM uses, and what it is where it is not used.
IDLE = {
    "conv_resample": True,
    "dims": 2,
    "num_classes": None,
    "n_embed": None,
    "use_scale_shift_norm": False,
    "resblock_updown": False,
    "use_spatial_transformer": True,
}
# The same of diffusers.
IDLE_IN_DIFFUSERS = {
    "center_input_sample": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "only_cross_attention": False,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "act_fn": "silu",
    "norm_eps": 1e-5,
    "dual_cross_attention": False,
    "addition_embed_type": None,
    "encoder_hid_dim": None,
    "resnet_time_scale_shift": "default",
    "resnet_skip_time_act": False,
    "resnet_out_scale_factor": 1.0,
    "time_embedding_type": "positional",
    "time_embedding_dim": None,
    "time_embedding_act_fn": None,
    "timestep_post_act": None,
    "time_cond_proj_dim": None,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "attention_type": "default",
    "cross_attention_norm": None,
    "mid_block_only_cross_attention": None,
}
DOWN = {"DownBlock2D": False, "CrossAttnDownBlock2D": True}  # whether a level has transformers
UP = {"UpBlock2D": False, "CrossAttnUpBlock2D": True}
RESIDUAL_NAMES = (
    (r"^norm1\.", "in_layers.0."),
    (r"^conv1\.", "in_layers.2."),
    (r"^time_emb_proj\.", "emb_layers.1."),
    (r"^norm2\.", "out_layers.0."),
    (r"^conv2\.", "out_layers.3."),
    (r"^conv_shortcut\.", "skip_connection."),
)
OUTER_NAMES = (
    (r"^time_embedding\.linear_1\.", "time_embed.0."),
    (r"^time_embedding\.linear_2\.", "time_embed.2."),
    (r"^class_embedding\.", "film_emb."),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
    (r"^mid_block\.attentions\.0\.", "middle_block.1."),
)
MIDDLE = re.compile(r"^mid_block\.resnets\.([01])\.(.+)$")
STAGE = re.compile(r"^(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)$")


def from_original(params: Mapping[str, Any], state: State) -> Published:
    """Of the original's `UNetModel`, as Amphion and AudioLDM have it. Raises ValueError for a part that we have not built."""
    refuse_others(params, IDLE)
    multipliers = params["channel_mult"]
    widths = [params["model_channels"] * factor for factor in multipliers]
    resolutions = params["attention_resolutions"]
    attention = [2**level in resolutions for level in range(len(widths))]
    sizes = {
        "widths": widths,
        "blocks": params["num_res_blocks"],
        "attention": attention,
        "depth": params.get("transformer_depth", 1),
        "dropout": float(params.get("dropout", 0.0)),
        "keep_less": bool(params.get("use_checkpoint", False)),
    }
    sizes |= heads_of(params)
    arguments = {
        "in_channels": params["in_channels"],
        "out_channels": params["out_channels"],
        "sizes": sizes,
        "condition": {"context": params.get("context_dim"), **film_of(params)},
    }
    return arguments, squeezed(state)


def heads_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """How many heads, or how wide they are: -1 says that the other one counts."""
    if params.get("num_head_channels", -1) == -1:
        return {"heads": params["num_heads"], "head_channels": None}
    return {"heads": None, "head_channels": params["num_head_channels"]}


def film_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """The vector that goes with the step, where there is one."""
    width = params.get("extra_film_condition_dim")
    if width is None:
        return {}
    return {"vector": width, "joined": "concat" if params.get("extra_film_use_concat") else "add"}


def from_diffusers(config: Mapping[str, Any], state: State) -> Published:
    """Of a `UNet2DConditionModel`. Raises ValueError for a part that we have not built."""
    refuse_others(config, IDLE_IN_DIFFUSERS)
    widths = list(config["block_out_channels"])
    levels = len(widths)
    attention = attention_of(config)
    blocks = one_of(config["layers_per_block"], "layers_per_block")
    heads = config.get("num_attention_heads") or config["attention_head_dim"]  # which for diffusers is a number of heads
    sizes = {
        "widths": widths,
        "blocks": blocks,
        "attention": attention,
        "depth": one_of(config.get("transformer_layers_per_block", 1), "transformer_layers_per_block"),
        "heads": heads,
        "groups": config["norm_num_groups"],
        "dropout": float(config.get("dropout", 0.0)),
        "crop": "before",
    }
    arguments = {
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "sizes": sizes,
        "condition": {"context": context_of(config), **class_of(config)},
    }
    renamed = {our_name(key, levels, blocks, attention): value for key, value in state.items()}
    return arguments, squeezed(renamed)


def attention_of(config: Mapping[str, Any]) -> list[bool]:
    """Which levels have transformers. Raises ValueError where the way down and the way up disagree, or have other blocks."""
    down = [pick(DOWN, name, "down_block_types of the UNet") for name in config["down_block_types"]]
    up = [pick(UP, name, "up_block_types of the UNet") for name in config["up_block_types"]]
    if up[::-1] != down:
        raise ValueError(f"up_block_types {config['up_block_types']} do not mirror down_block_types, as those of a UNet here do.")
    return down


def context_of(config: Mapping[str, Any]) -> int | None:
    """The width of what cross attention reads; None where its width is that of each level, which then sees itself."""
    width = config["cross_attention_dim"]
    if isinstance(width, Sequence) and list(width) == list(config["block_out_channels"]):
        return None
    return one_of(width, "cross_attention_dim")


def class_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The vector that goes with the step, which diffusers calls a class."""
    kind = config.get("class_embed_type")
    if kind is None and config.get("num_class_embeds") is None:
        return {}
    if kind != "simple_projection":
        raise ValueError(f"class_embed_type is {kind!r}: simple_projection, as AudioLDM has it, is what we have built.")
    width = config["projection_class_embeddings_input_dim"]
    return {"vector": width, "joined": "concat" if config.get("class_embeddings_concat") else "add"}


def our_name(key: str, levels: int, blocks: int, attention: Sequence[bool]) -> str:
    """A name of diffusers' state dict under ours."""
    middle = MIDDLE.match(key)
    if middle:
        place = 2 * int(middle[1])
        return f"middle_block.{place}.{rename(middle[2], RESIDUAL_NAMES)}"
    stage = STAGE.match(key)
    if not stage:
        return rename(key, OUTER_NAMES)
    way = stage[1]
    block = int(stage[2])
    part = stage[3]
    number = int(stage[4])
    rest = stage[5]
    if part == "downsamplers":
        return f"input_blocks.{(block + 1) * (blocks + 1)}.0.op.{rest.removeprefix('conv.')}"
    if part == "upsamplers":
        place = 2 if attention[levels - 1 - block] else 1
        return f"output_blocks.{(block + 1) * (blocks + 1) - 1}.{place}.{rest}"
    place = block * (blocks + 1) + number
    name = f"input_blocks.{1 + place}" if way == "down" else f"output_blocks.{place}"
    if part == "attentions":
        return f"{name}.1.{rest}"
    return f"{name}.0.{rename(rest, RESIDUAL_NAMES)}"


def squeezed(state: State) -> State:
    """The layers before and after a transformer, which some files have as convolutions of one place, as linear ones."""
    linear = {}
    for key, value in state.items():
        pointwise = POINTWISE.search(key) and value.ndim == 4
        linear[key] = value[:, :, 0, 0] if pointwise else value
    return linear


def one_of(value: Any, name: str) -> int:
    """A number that a file may give for each level, where all are the same. Raises ValueError where they are not."""
    numbers = set(value) if isinstance(value, Sequence) else {value}
    if len(numbers) != 1:
        raise ValueError(f"{name} is {value}: one number for all levels is what we have built.")
    return int(numbers.pop())


def refuse_others(config: Mapping[str, Any], idle: Mapping[str, Any]) -> None:
    """Raises ValueError for a setting that is not what it is where it is not used."""
    for name, unused in idle.items():
        value = config.get(name, unused)
        if value != unused:
            raise ValueError(f"{name} is {value!r}: only {unused!r} is built here, as in the published AudioLDMs.")
