"""WaveGlow against Amphion and NVIDIA: noise, scales and determinants of the way in, sound of the way out, both ways closed."""

import json

import torch

from models.base.task import fit_weights
from models.upstream.nvidia_waveglow import amphion_waveglow, nvidia_waveglow
from models.vocoders.waveglow import WaveGlow
from modules.norm import modern_keys
from tests.parity import close, compare, old_keys, open_case
from utils.config import build


def sizes(config):
    """Our arguments and facts for a configuration of either source."""
    if "VOCODER" in config:
        return amphion_waveglow(config, {})[0], {"n_mel": config["VOCODER"]["INPUT_DIM"]}
    return nvidia_waveglow(config, {})


def waveglow(path):
    case = open_case(path)
    arguments, facts = sizes(case.config)
    model = build(WaveGlow, json.loads(json.dumps(arguments)), facts).eval()
    state = case.state({key: tuple(value.shape) for key, value in old_keys(model.state_dict()).items()})
    fit_weights(model, modern_keys(state), path.name)
    mel, audio = case.given["mel"].transpose(1, 2), case.given["audio"]
    with torch.no_grad():
        z, log_scales, log_dets = model.encode(mel, audio)
        made = {"z": z, "log_det_W": log_dets * z.shape[0] * z.shape[2]}  # the reference sums over the batch
        made |= {f"log_s_{i}": value for i, value in enumerate(log_scales)}
        drawn = [case.given[f"infer_z_{i}"] for i in reversed(range(len(case.given))) if f"infer_z_{i}" in case.given]
        options = {"noise_scale": float(case.metadata.get("sigma", 1)), "noise": torch.cat(drawn, 1) if drawn else None}
        if drawn:
            made["infer"] = model.infer(mel, **options)
        compare(case, made)
        close(model.decode(z, mel), audio[:, : z.shape[1] * z.shape[2]], "there and back")
        model.prepared()
        close(model.encode(mel, audio)[0], case.wanted["z"], "folded z")
        if drawn:
            close(model.infer(mel, **options), case.wanted["infer"], "folded infer")


CASES = {"waveglow__*": waveglow, "fullsize_waveglow__*": waveglow}
