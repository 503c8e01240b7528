"""Published VITS weights under our names: the arguments, facts and state dict that `models.tts.vits.VITS` takes.

jaywalnut310's and Amphion's names are ours; transformers renamed everything.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from models.upstream.common import State, rename
from modules.norm import modern_keys

Parts = tuple[dict[str, Any], dict[str, Any], State]


def from_jaywalnut310(config: dict[str, Any], state: State) -> Parts:
    """From the original's config.json: the sections `model` and `data`."""
    data = config["data"]
    sizes = {"n_fft": data["filter_length"], "win_size": data["win_length"]}
    sizes |= {"mel_bands": data["n_mel_channels"], "fmax": data["mel_fmax"]}
    samples = config.get("train", {}).get("segment_size", 8192)
    slice_frames = samples // data["hop_length"]
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
    from models.upstream.jik876 import hifigan_sizes

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
    stochastic = "dp.flows.0.m" in state
    sizes = {
        "encoder_window": state["enc_p.encoder.attn_layers.0.emb_rel_k"].shape[1] // 2,
        "flows": (_count(state, r"flow\.flows\.(\d+)\.pre\.bias") + 1) // 2,
        "flow_layers": _count(state, r"flow\.flows\.0\.enc\.in_layers\.(\d+)\.bias"),
        "flow_kernel": state[f"flow.flows.0.enc.in_layers.0.{weight}"].shape[2],
        "stochastic_durations": stochastic,
    }
    if "enc_q.proj.bias" in state:  # weights that only speak have none
        sizes |= {
            "posterior_layers": _count(state, r"enc_q\.enc\.in_layers\.(\d+)\.bias"),
            "posterior_kernel": state[f"enc_q.enc.in_layers.0.{weight}"].shape[2],
        }
    if stochastic:
        return sizes | {
            "duration_kernel": state["dp.convs.convs_sep.0.weight"].shape[2],
            "duration_layers": _count(state, r"dp\.convs\.convs_sep\.(\d+)\.bias"),
            "duration_flows": _count(state, r"dp\.flows\.(\d+)\.pre\.bias") // 2,
        }
    first = state["dp.conv_1.weight"]
    return sizes | {"duration_filter": first.shape[0], "duration_kernel": first.shape[2]}


def _count(state: State, pattern: str) -> int:
    """One more than the largest number that `pattern` finds in a key."""
    matches = [re.fullmatch(pattern, key) for key in state]
    return 1 + max(int(match[1]) for match in matches if match)


def amphion_text(p: dict[str, Any], config_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the feature "phone" for a released folder of Amphion, and what it has learnt: the symbols."""
    from processors.lexicon.published import read_symbols_dict
    from utils.registry import nearest

    blanks = {"blanks": bool(p.get("add_blank", False))}
    kind = p.get("phone_extractor", "lexicon")
    if kind == "lexicon":
        return {"g2p": "lexicon", "symbols": "amphion-letters"} | blanks, {}
    if kind != "espeak":
        raise ValueError(nearest(kind, ["espeak", "lexicon"], f"preprocess.phone_extractor in {config_path}"))
    path = config_path.parent / p.get("symbols_dict", "symbols.dict")
    if not path.is_file():
        raise ValueError(f"{path} is missing: it holds the symbols of this model, download it from the same release.")
    symbols = read_symbols_dict(path.read_text(encoding="utf-8"))
    return {"g2p": "espeak", "symbols": "amphion-espeak"} | blanks, {"phone": {"symbols": symbols}}


RENAMED = (  # transformers' names as the original's, in this order
    (r"^text_encoder\.embed_tokens\.", "enc_p.emb."),
    (r"^text_encoder\.project\.", "enc_p.proj."),
    (r"^text_encoder\.encoder\.layers\.(\d+)\.attention\.emb_rel_([kv])", r"enc_p.encoder.attn_layers.\1.emb_rel_\2"),
    (r"^text_encoder\.encoder\.layers\.(\d+)\.attention\.([qkv])_proj\.", r"enc_p.encoder.attn_layers.\1.conv_\2."),
    (r"^text_encoder\.encoder\.layers\.(\d+)\.attention\.out_proj\.", r"enc_p.encoder.attn_layers.\1.conv_o."),
    (r"^text_encoder\.encoder\.layers\.(\d+)\.feed_forward\.", r"enc_p.encoder.ffn_layers.\1."),
    (r"^text_encoder\.encoder\.layers\.(\d+)\.layer_norm\.", r"enc_p.encoder.norm_layers_1.\1."),
    (r"^text_encoder\.encoder\.layers\.(\d+)\.final_layer_norm\.", r"enc_p.encoder.norm_layers_2.\1."),
    (r"^posterior_encoder\.", "enc_q."),
    (r"^decoder\.upsampler\.", "dec.ups."),
    (r"^decoder\.", "dec."),
    (r"^embed_speaker\.", "emb_g."),
    (r"^duration_predictor\.", "dp."),
    (r"^((?:enc_q|flow|dp)\..*|(?:enc_q|dp)\.)conv_(pre|post|proj)\.", r"\1\2."),
    (r"post_conv_(pre|proj)\.", r"post_\1."),
    (r"\.wavenet\.", ".enc."),
    (r"post_conv_dds\.", "post_convs."),
    (r"conv_dds\.", "convs."),
    (r"convs_dilated\.", "convs_sep."),
    (r"convs_pointwise\.", "convs_1x1."),
    (r"\.translate$", ".m"),
    (r"\.log_scale$", ".logs"),
    (r"((?:norms?|norm_layers)_\d(?:\.\d+)?)\.weight$", r"\1.gamma"),
    (r"((?:norms?|norm_layers)_\d(?:\.\d+)?)\.bias$", r"\1.beta"),
)
AS_WE_BUILD = {  # settings of transformers' VITS that ours has no argument for
    "hidden_act": "relu", "use_bias": True, "leaky_relu_slope": 0.1, "layer_norm_eps": 1e-5, "wavenet_dilation_rate": 1,
    "depth_separable_channels": 2, "duration_predictor_flow_bins": 10, "duration_predictor_tail_bound": 5.0,
}  # fmt: skip


def from_transformers(config: dict[str, Any], state: State) -> Parts:
    """From the config.json and weights of transformers' VitsModel. Raises ValueError for settings that nobody published."""
    other = [f"{name} is {config[name]!r}, not {ours!r}" for name, ours in AS_WE_BUILD.items() if config.get(name, ours) != ours]
    if other:
        raise ValueError(f"this VitsModel is built in another way than any published one: {', '.join(other)}.")
    state = {_original(key): value for key, value in folded(modern_keys(state)).items()}
    for key, value in state.items():
        if re.search(r"conv_[qkvo]\.weight$", key) and value.ndim == 2:  # a linear layer there, a convolution here
            state[key] = value[..., None]
    model = {
        "hidden_channels": config["hidden_size"],
        "inter_channels": config["flow_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": config["num_attention_heads"],
        "filter_channels": config["ffn_dim"],
        "kernel_size": config["ffn_kernel_size"],
        "p_dropout": config["hidden_dropout"],
        "resblock": "1",
        **{name: config[name] for name in SAME},
    }
    size = 2 * (config["spectrogram_bins"] - 1)
    return from_upstream(model, state, n_fft=size, win_size=size)


SAME = (
    "upsample_rates",
    "upsample_kernel_sizes",
    "upsample_initial_channel",
    "resblock_kernel_sizes",
    "resblock_dilation_sizes",
)


def _original(key: str) -> str:
    """The original's name for a weight of transformers; flips have a number there, and none here."""
    key = rename(key, RENAMED)
    flow = re.match(r"flow\.flows\.(\d+)\.", key)
    if flow:
        place = 2 * int(flow[1])
        return f"flow.flows.{place}.{key[flow.end() :]}"
    predictor_flow = re.match(r"(dp\.(?:post_)?flows)\.([1-9]\d*)\.", key)
    if predictor_flow:
        place = 2 * int(predictor_flow[2]) - 1
        return f"{predictor_flow[1]}.{place}.{key[predictor_flow.end() :]}"
    return key


def folded(state: State) -> State:
    """Weight norms multiplied out: transformers' files have them in some parts of the network and not in others."""
    state = dict(state)
    norm = ".parametrizations.weight.original"
    for key in list(state):
        if not key.endswith(f"{norm}0"):
            continue
        layer = key.removesuffix(f"{norm}0")
        length = state.pop(f"{layer}{norm}0")
        direction = state.pop(f"{layer}{norm}1")
        others = tuple(range(1, direction.ndim))
        state[f"{layer}.weight"] = length * direction / direction.norm(dim=others, keepdim=True)
    return state
