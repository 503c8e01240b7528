"""AudioLDM as its authors released it: one audioldm*.ckpt with the UNet, the autoencoder, the vocoder and CLAP.

CLAP's text half is read from transformers' layout: name its folder, such as text_encoder of the same release for diffusers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.upstream.audioldm_maps import Parts, read_parts, within
from models.upstream.autoencoder_maps import AUDIOLDM_HOP, AUDIOLDM_MEL
from models.upstream.common import Card, State, numbers_of, strip
from models.upstream.unet_maps import from_original
from utils.files import read_weights

BESIDE = "audioldm*.ckpt"
UNET = "model.diffusion_model."
FIRST_STAGE = "first_stage_model."
CONDITION = "cond_stage_model."
AVERAGE = "model_ema."
AVERAGED = "diffusion_model"
HEAD_CHANNELS = 32
GROUPS = 32
TEXT_ENCODER = "laion/clap-htsat-unfused"
NOISE = {"beta_start": 0.0015, "beta_end": 0.0195, "schedule": "scaled_linear"}
SAMPLING = {"sampler": "ddpm", "walk": "original"}  # DDIM of eta 1
VOCODER = {  # the HiFi-GAN of 64 bands at 16 kHz
    "resblock": "1",
    "upsample_rates": [5, 4, 2, 2, 2],
    "upsample_kernel_sizes": [16, 16, 8, 4, 4],
    "upsample_initial_channel": 1024,
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
}


def knows(config: Path) -> bool:
    """Whether this is this program's: nobody else calls a file so."""
    return True


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "AudioLDM"


def read(path: Path, config: Path, model_type: str | None) -> tuple[Card, State]:
    """The released checkpoint, by the moving averages of its UNet, as it was sampled."""
    return from_checkpoint(strip(read_weights(config), "state_dict"))


def from_checkpoint(state: State) -> tuple[Card, State]:
    """The card and weights of a state dict. Raises ValueError for one that holds no AudioLDM."""
    first_stage = within(FIRST_STAGE, state)
    network = within(UNET, state)
    if not network or not first_stage:
        raise ValueError(f"it holds no {UNET}* or no {FIRST_STAGE}*: it is no released AudioLDM.")
    vocoder = within("vocoder.", first_stage)
    autoencoder = {key: value for key, value in first_stage.items() if not key.startswith("vocoder.")}
    averaged = {key: state.get(average_of(key), value) for key, value in network.items()}
    scale = state.get("scale_factor")
    arguments, weights = from_original(params_of(network), averaged)
    arguments["sizes"]["groups"] = GROUPS
    parts = Parts(
        unet=(arguments, weights),
        mel=AUDIOLDM_MEL,
        hop_size=AUDIOLDM_HOP,
        height="time",
        text_encoder=TEXT_ENCODER,
        noise=NOISE,
        sampling=SAMPLING,
        bins=AUDIOLDM_MEL["n_mel"] // factor_of(autoencoder),
        scale=1.0 if scale is None else float(scale),
        autoencoder=autoencoder,
        autoencoder_groups=GROUPS,
        vocoder=vocoder,
        vocoder_sizes=VOCODER,
    )
    return read_parts(parts)


def average_of(key: str) -> str:
    """The name of the moving average of a weight of the UNet."""
    flat = key.replace(".", "")
    return f"{AVERAGE}{AVERAGED}{flat}"


def factor_of(autoencoder: State) -> int:
    """How many bands of the mel a bin of the latent is for."""
    levels = {numbers_of(key)[0] for key in autoencoder if key.startswith("encoder.down.")}
    return 2 ** (len(levels) - 1)


def params_of(network: State) -> dict[str, Any]:
    """The original's settings of a UNet, as far as its shapes tell; all released ones have heads of 32 channels."""
    first = network["input_blocks.0.0.weight"]
    channels = first.shape[0]
    stages = 1 + max(numbers_of(key)[0] for key in network if key.startswith("input_blocks."))
    ends = [number for number in range(stages) if f"input_blocks.{number}.0.op.weight" in network]
    blocks = (ends[0] if ends else stages) - 1
    multipliers = []
    resolutions = []
    for level in range(len(ends) + 1):
        stage = 1 + level * (blocks + 1)
        width = network[f"input_blocks.{stage}.0.out_layers.3.weight"].shape[0]
        multipliers.append(width // channels)
        if f"input_blocks.{stage}.1.proj_in.weight" in network:
            resolutions.append(2**level)
    film = network["film_emb.weight"]
    embedding = network["input_blocks.1.0.emb_layers.1.weight"].shape[1]
    return {
        "in_channels": first.shape[1],
        "out_channels": network["out.2.weight"].shape[0],
        "model_channels": channels,
        "channel_mult": multipliers,
        "attention_resolutions": resolutions,
        "num_res_blocks": blocks,
        "num_head_channels": HEAD_CHANNELS,
        "extra_film_condition_dim": film.shape[1],
        "extra_film_use_concat": embedding == 2 * film.shape[0],
    }
