"""HiFi-GAN against Amphion, jik876 and ParallelWaveGAN, small and at full size."""

import json

import torch

from models.base.task import fit_weights
from models.upstream.amphion_vocoders import hifigan as amphion_hifigan
from models.upstream.jik876 import hifigan_sizes
from models.upstream.parallel_wavegan import pwg_hifigan
from models.vocoders.hifigan import HiFiGAN
from modules.norm import modern_keys
from tests.parity import close, compare, old_keys, open_case
from utils.config import build


def vits_hifigan(config, state):
    """Arguments and weights of the decoder of Amphion's VITS: plain ends and a speaker vector."""
    ends = {"variant": {"plain_ends": True}, "speaker_channels": config.get("gin_channels", 0)}
    return hifigan_sizes(config) | ends, modern_keys(state)


def hifigan(path):
    """Any HiFi-GAN: which dialect its configuration speaks is seen from the file's source and name."""
    case = open_case(path)
    source = case.metadata["source"]
    if source == "kan-bayashi":
        bands, translate = case.config.get("in_channels", 80), lambda state: pwg_hifigan(case.config, state)
    elif "vits" in case.metadata["model"]:
        bands, translate = case.config["initial_channel"], lambda state: vits_hifigan(case.config, state)
    elif source == "amphion":
        bands, translate = case.config["preprocess"]["n_mel"], lambda state: amphion_hifigan(case.config, state)
    else:
        bands = case.given["mel"].shape[1]
        sizes = hifigan_sizes(case.config)
        translate = lambda state: (sizes, modern_keys(state))  # noqa: E731
    arguments, _ = translate({})
    if source == "kan-bayashi":
        arguments["variant"]["normalise"] = "mean" in case.weights
    model = build(HiFiGAN, json.loads(json.dumps(arguments)), {"n_mel": bands}).eval()
    state = case.state({key: tuple(value.shape) for key, value in reference_names(model.state_dict(), source, model.variant.causal).items()})
    fit_weights(model, translate(state)[1], path.name)
    with torch.no_grad():
        made = {"wav": model.decode(case.given.get("mel", case.given.get("z")), case.given.get("g"))}
        if "inference_item0_normalized" in case.wanted:
            made["inference_item0_normalized"] = model.infer(case.given["mel"][:1].transpose(1, 2)).T
        compare(case, made)
        model.prepared()
        close(model.decode(case.given.get("mel", case.given.get("z")), case.given.get("g")), case.wanted["wav"], "folded wav")


def reference_names(state, source, causal=False):
    """Our state dict under the names of the reference, for weights that are drawn by name."""
    state = old_keys(state)
    if source != "kan-bayashi":
        return state
    pairs = (("conv_pre.", "input_conv."), ("conv_post.", "output_conv.1."))
    out = {}
    for key, value in state.items():
        for ours, theirs in pairs:
            key = key.replace(ours, theirs)
        parts = key.split(".")
        if parts[0] == "ups":
            key = ".".join(["upsamples", parts[1], "1", *parts[2:]])
        elif parts[0] == "resblocks":
            inner = "convs1" if parts[2] == "convs" else parts[2]
            key = ".".join(["blocks", parts[1], inner, parts[3], "1", *parts[4:]])
        if causal and "." in key:
            base, last = key.rsplit(".", 1)
            key = f"{base}.{'deconv' if parts[0] == 'ups' else 'conv'}.{last}"
        out[key] = value
    return out


CASES = {
    "hifigan__*": hifigan,
    "hifigan_rb1__*": hifigan,
    "hifigan_vits__*": hifigan,
    "hifigan_causal__*": hifigan,
    "hifigan_v[123]__*": hifigan,
    "fullsize_hifigan*": hifigan,
    "fullsize_tfr_enhanced_hifigan*": hifigan,
}
