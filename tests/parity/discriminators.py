"""Discriminators against Amphion, jik876, NVIDIA and descriptinc, small and at full size; and their published names."""

import json
import re

import torch

from models.base.discriminators import DISCRIMINATORS
from models.base.task import fit_weights
from modules.norm import modern_keys
from tests.parity import compare, old_keys, open_case, statistics
from utils.config import build


def mpd(config, source):
    c = config.get("model", {}).get("mpd", config)
    multiplier = c.get("discriminator_channel_mult_factor", c.get("discriminator_channel_mult", 1))
    return {
        "periods": c.get("mpd_reshapes", c.get("periods", (2, 3, 5, 7, 11))),
        "channel_multiplier": multiplier / c.get("channel_divisor", 1),
        "last_stride": 3 if source == "amphion" else 1,
        "use_spectral_norm": c.get("use_spectral_norm", False),
    }


def msd(config, source):
    return {"channel_multiplier": 1 / config.get("channel_divisor", 1), "groups_divisor": config.get("groups_divisor", 1)}


def mrd(config, source):
    c = config.get("model", {}).get("mrd", config)
    multiplier = c.get("discriminator_channel_mult_factor", c.get("discriminator_channel_mult", 1))
    override = source == "nvidia" or c.get("mrd_override", False)  # the section may have sizes of its own under other names
    return {
        "resolutions": c["resolutions"],
        "channel_multiplier": c.get("mrd_channel_mult", multiplier) if override else multiplier,
        "use_spectral_norm": c.get("mrd_use_spectral_norm", c["use_spectral_norm"]) if override else c["use_spectral_norm"],
    }


def msstftd(config, source):
    c = {**config["model"]["msstftd"], **config.get("kwargs", {})}
    assert c.pop("in_channels", 1) == 1 and c.pop("norm", "weight_norm") == "weight_norm" and c.pop("activation", "LeakyReLU") == "LeakyReLU"
    slope = c.pop("activation_params", {}).get("negative_slope")
    return c if slope is None else {**c, "slope": slope}


def mssbcqtd(config, source):
    found = config["model"]["mssbcqtd"] if source == "amphion" else config
    c = {key.removeprefix("cqtd_"): value for key, value in found.items()}
    c["sample_rate"] = c.pop("sampling_rate", None) or config["preprocess"]["sample_rate"]
    assert c.pop("in_channels", 1) == 1, "a wave has one channel"
    return c


def mbd(config, source):
    return {key.removeprefix("mbd_"): value for key, value in config.items()}


def melgan(config, source):
    names = {"num_D": "scales", "ndf": "filters", "n_layers": "layers", "downsampling_factor": "stride"}
    return {names[key]: value for key, value in config.items()}


SETTINGS = {f.__name__: f for f in (mpd, msd, mrd, msstftd, mssbcqtd, mbd, melgan)}


def ours(name, config, source):
    """Our discriminator for a reference's configuration."""
    settings = json.loads(json.dumps(SETTINGS[name](config, source)))
    facts = {"sample_rate": settings.pop("sample_rate")} if "sample_rate" in settings else {}
    return build(DISCRIMINATORS[name], settings, facts)


MELGAN_NAMES = (
    (r"^model\.disc_(\d+)\.model\.layer_(\d+)\.[01]\.", r"discriminators.\1.convs.\2."),
    (r"^model\.disc_(\d+)\.model\.layer_\d+\.", r"discriminators.\1.conv_post."),
)


def our_names(state):
    """Published weights under our names: Amphion wraps each convolution once more, MelGAN counts its layers."""
    renamed = {}
    for key, value in state.items():
        key = re.sub(r"\.conv\.(?=weight|bias)", ".", key)
        for pattern, replacement in MELGAN_NAMES:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    return modern_keys(renamed)


def their_names(model, name, source):
    """Our state dict under the names of the reference, for weights that are drawn by name."""
    state = old_keys(model.state_dict())
    if name == "melgan":
        return {_as_melgan(key, len(model.discriminators[0].convs)): value for key, value in state.items()}
    if source == "amphion" and name in ("msstftd", "mssbcqtd"):
        pattern = r"(convs\.\d+|conv_pres\.\d+|conv_post)\."
        return {re.sub(pattern, r"\1.conv.", key): value for key, value in state.items()}
    return state


def _as_melgan(key, layers):
    _, scale, part, *rest = key.split(".")
    if part == "conv_post":
        return f"model.disc_{scale}.model.layer_{layers}.{rest[0]}"
    inner = "1" if rest[0] == "0" else "0"  # the first layer's padding is a layer there
    return f"model.disc_{scale}.model.layer_{rest[0]}.{inner}.{rest[1]}"


def discriminator(path):
    """Scores, statistics and shapes of every feature map, of real and fake."""
    case = open_case(path)
    source = case.metadata["source"]
    name = case.metadata["model"].removesuffix("_discriminator")
    model = ours(name, case.config, source).eval()
    theirs = their_names(model, name, source)
    buffers = {key for key, _ in model.named_buffers()}
    kept = {key: value for key, value in theirs.items() if not key.endswith(("weight_u", "weight_v")) and key in buffers}
    state = case.state({key: tuple(value.shape) for key, value in theirs.items()}, kept)
    for key in kept:
        torch.testing.assert_close(state[key], kept[key], rtol=0, atol=1e-6, msg=f"{key} is computed otherwise")
    fit_weights(model, our_names(state), path.name)
    alone = case.given.get("wav")
    with torch.no_grad():
        scores_real, scores_fake, real, fake = model(case.given.get("y", alone), case.given.get("y_hat", alone))
    sides = (("_r", scores_real, real), ("_g", scores_fake, fake)) if alone is None else (("", scores_real, real),)
    made, shapes = {}, {}
    for side, scores, features in sides:
        for i, (score, maps) in enumerate(zip(scores, features, strict=True)):
            made[f"logits{side}_{i}"] = score
            made[f"fmap_stats{side}_{i}"] = torch.stack([statistics(m) for m in maps])
            shapes[f"fmap{side}_{i}"] = [list(m.shape) for m in maps]
    compare(case, made)
    if "fmap_shapes" in case.metadata:
        assert shapes == json.loads(case.metadata["fmap_shapes"])


NAMES = ("mpd", "msd", "mrd", "msstftd", "mssbcqtd", "mbd", "melgan_discriminator")
CASES = {f"{prefix}{name}__*": discriminator for name in NAMES for prefix in ("", "fullsize_")}
