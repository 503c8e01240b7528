"""Text to audio: a step of AudioLDM-S's UNet beside that of diffusers with the same weights, on two cores, and the memory that a clip takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bins.benches.measure import Row, row

if TYPE_CHECKING:
    from torch import nn

CORES = 2
SHAPE = (2, 8, 256, 16)  # of ten seconds, with guidance
VECTOR = 512  # channels of CLAP's
STEPS = 2  # of a clip, whose memory does not grow with more
TIMES = 12
SIZES = {  # of cvssp/audioldm-s-full-v2
    "in_channels": 8,
    "out_channels": 8,
    "block_out_channels": (128, 256, 384, 640),
    "down_block_types": ("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
    "up_block_types": (*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "cross_attention_dim": (128, 256, 384, 640),
    "attention_head_dim": (4, 8, 12, 20),
    "class_embed_type": "simple_projection",
    "projection_class_embeddings_input_dim": VECTOR,
    "class_embeddings_concat": True,
}


def benches() -> dict[str, Callable[[], list[Row]]]:
    """A step in either precision, and a clip by ours and by diffusers' UNet, each in a process of its own for its memory."""
    return {
        "unet-fp32": lambda: steps("float32"),
        "unet-bf16": lambda: steps("bfloat16"),
        "unet-clip": lambda: clip(untrained(), is_ours=True),
        "unet-clip-diffusers": lambda: clip(theirs(), is_ours=False),
    }


def theirs() -> nn.Module:
    """diffusers' UNet, with random weights."""
    import diffusers
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(CORES)
    return diffusers.UNet2DConditionModel(**SIZES).eval()


def ours(reference: Any) -> nn.Module:
    """Our UNet, with the weights of that."""
    from models.upstream.unet_maps import from_diffusers

    config = dict(reference.config)
    arguments, weights = from_diffusers(config, reference.state_dict())
    network = built(arguments)
    network.load_state_dict(weights)
    return network


def untrained() -> nn.Module:
    """Our UNet of these sizes, with random weights."""
    from models.upstream.unet_maps import from_diffusers

    arguments, _ = from_diffusers(SIZES, {})
    return built(arguments)


def built(arguments: dict[str, Any]) -> nn.Module:
    """Our UNet, on as many cores."""
    import torch

    from modules.unet import UNet
    from utils.config import build

    torch.set_num_threads(CORES)
    return build(UNet, arguments).eval()


def caller(network: nn.Module, *, is_ours: bool) -> Callable[..., Any]:
    """`network` called with a batch, steps and vectors."""
    if is_ours:
        return lambda batch, steps, vector: network(batch, steps, vector=vector)
    return lambda batch, steps, vector: network(batch, steps, encoder_hidden_states=None, class_labels=vector).sample


def steps(kind: str) -> list[Row]:
    """Seconds that a step takes, the two measured in turn, and how many times as fast ours is."""
    import time

    import torch

    dtype = getattr(torch, kind)
    reference = theirs()
    both = {"diffusers": caller(reference.to(dtype), is_ours=False), "ours": caller(ours(reference).to(dtype), is_ours=True)}
    batch = torch.randn(SHAPE).to(dtype)
    vector = torch.randn(2, VECTOR).to(dtype)
    position = torch.tensor([500, 500])
    seconds: dict[str, list[float]] = {name: [] for name in both}
    with torch.inference_mode():
        for _ in range(TIMES):
            for name, call in both.items():
                begun = time.perf_counter()
                call(batch, position, vector)
                seconds[name].append(time.perf_counter() - begun)
    fastest = {name: min(taken[1:]) for name, taken in seconds.items()}
    rows = [row(f"unet {kind}: {name}", taken, "s a step") for name, taken in fastest.items()]
    ratio = fastest["diffusers"] / fastest["ours"]
    return [*rows, row(f"unet {kind}: ours against diffusers", ratio, "x as fast", target="1.2")]


def clip(network: nn.Module, *, is_ours: bool) -> list[Row]:
    """The latents of ten seconds, guided: the row of their memory is added by the program."""
    import torch

    from modules.diffusion import Diffusion, betas_of, guided
    from modules.noise import Noise

    betas = betas_of("scaled_linear", steps=1000, start=0.0015, end=0.0195)
    call = caller(network, is_ours=is_ours)
    asked, avoided = torch.randn(2, 1, VECTOR)

    def predict(batch: Any, position: float, vector: Any) -> Any:
        places = torch.full((len(batch),), position)
        return call(batch, places, vector)

    led = guided(predict, asked, avoided, 3.0)
    with torch.inference_mode():
        made = Diffusion(betas).sample(led, (1, *SHAPE[1:]), Noise(0), steps=STEPS, sampler="ddim")
    return [row("unet clip: latents", made.numel(), "numbers")]
