"""Amphion's NaturalSpeech 2 under our names: the arguments, facts and state dict that our model takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.upstream.common import State, rename

Parts = tuple[dict[str, Any], dict[str, Any], State]

# With what its weights were trained; what each means is said where our model has it.
PUBLISHED = ("row_positions", "see_padding", "norm_first", "swapped_midpoint", "recoded")
NAMES = (
    (r"^diffusion\.diff_estimator\.", "denoiser."),
    (r"^quantizer\.vq\.layers\.(\d+)\._codebook\.", r"quantizer.layers.\1.codebook."),
)
TABLE = "prior_encoder.enc_emb_tokens.weight"
TWICE = "prior_encoder.encoder.enc_emb_tokens.weight"  # the same table again, which is the one that is read
NOISE = ("beta_min", "beta_max", "sigma", "noise_factor")
COMPUTED = ".position_emb.pe"  # tables of positions, which ours works out


def from_amphion(config: Mapping[str, Any], state: State) -> Parts:
    """Arguments, facts and weights for a configuration of Amphion, whose section `model` may be absent: ours are its sizes."""
    section = config.get("model")
    arguments = settings(section) if section else {}
    arguments["published"] = dict.fromkeys(PUBLISHED, True)
    weights = renamed(state)
    books = [value for key, value in weights.items() if key.endswith("codebook.embed")]
    rows, channels = books[0].shape
    symbols = len(weights[TABLE])
    facts = {"n_vocab": symbols, "codebooks": len(books), "codebook_size": rows, "codec_channels": channels}
    return arguments, facts, weights


def renamed(state: State) -> State:
    """The weights under our names."""
    kept = {key: value for key, value in state.items() if not key.endswith(COMPUTED)}
    kept[TABLE] = kept.pop(TWICE)
    return {rename(key, NAMES): value for key, value in kept.items()}


def settings(section: Mapping[str, Any]) -> dict[str, Any]:
    """Our arguments for the section `model`."""
    prior = section["prior_encoder"]
    diffusion = section["diffusion"]
    wavenet = diffusion["wavenet"]
    queries = section["query_emb"]
    prompt_encoder = encoder(section["prompt_encoder"])
    predictors = {name: predictor(prior[f"{name}_predictor"]) for name in ("duration", "pitch")}
    noise = {name: diffusion[name] for name in NOISE}
    process = diffusion.get("diffusion_type", "diffusion")  # older configurations do not name it
    return {
        "hidden": prior["encoder"]["encoder_hidden"],
        "encoder": encoder(prior["encoder"]),
        "prompt": {"encoder": prompt_encoder, "queries": queries["query_token_num"], "heads": queries["head_num"]},
        "predictors": predictors,
        "denoiser": looking(wavenet) | {"layers": wavenet["num_layers"], "cycle": wavenet["dilation_cycle"]},
        "pitch": {"bins": prior["pitch_bins_num"], "lowest": prior["pitch_min"], "highest": prior["pitch_max"]},
        "diffusion": {"process": process, "noise": noise},
    }


def encoder(section: Mapping[str, Any]) -> dict[str, Any]:
    """Our `StyledSizes`."""
    return {
        "layers": section["encoder_layer"],
        "heads": section["encoder_head"],
        "filter": section["conv_filter_size"],
        "kernel": section["conv_kernel_size"],
        "dropout": section["encoder_dropout"],
    }


def predictor(section: Mapping[str, Any]) -> dict[str, Any]:
    """Our `PredictorSizes`."""
    return looking(section) | {"layers": section["conv_layers"], "kernel": section["kernel_size"]}


def looking(section: Mapping[str, Any]) -> dict[str, Any]:
    """How often layers look at the prompt, and with how many heads."""
    return {
        "heads": section["attn_head"],
        "attention_every": section["cross_attn_per_layer"],
        "dropout": section["drop_out"],
    }
