"""DiffWave against Amphion and lmnt: the noise at whole and fractional steps, the fast and the full sampler on given noise."""

import json

import torch

from models.base.task import fit_weights
from models.upstream.lmnt import amphion_diffwave, lmnt_diffwave
from models.vocoders.diffwave import DiffWave
from tests.parity import compare, open_case
from utils.config import build


def sizes(config, state):
    """Our arguments and facts for a configuration of either source."""
    if "model" in config:
        return amphion_diffwave(config, {})[0], {"n_mel": config["preprocess"]["n_mel"]}
    arguments, facts = lmnt_diffwave(config, state) if state else ({}, {"n_mel": config["n_mels"]})
    same = ("residual_channels", "residual_layers", "dilation_cycle_length", "noise_schedule", "inference_noise_schedule")
    told = {name: config[name] for name in same} | {"conditional": not config["unconditional"]}
    assert all(
        arguments.get(name, value) in (value, tuple(value) if isinstance(value, list) else value) for name, value in told.items()
    )
    return told, facts


def diffwave(path):
    case = open_case(path)
    arguments, facts = sizes(case.config, case.weights)
    model = build(DiffWave, json.loads(json.dumps(arguments)), facts).eval()
    fit_weights(model, case.state({key: tuple(value.shape) for key, value in model.state_dict().items()}), path.name)
    given, made = case.given, {}
    audio, mel = given["audio"], given["mel"].transpose(1, 2) if "mel" in given else None
    with torch.no_grad():
        for kind in ("int", "float"):
            made[f"eps_{kind}"] = model.denoise(audio, given[f"step_{kind}"], mel)[:, None]
        for kind, steps in (("fast", None), ("full", len(model.diffusion.levels))):
            if f"{kind}_x_T" in given:
                noise = torch.cat([given[f"{kind}_x_T"][None], given[f"{kind}_noise"]])
                made[f"{kind}_sample"] = model.infer(mel[: noise.shape[1]], steps=steps, noise=noise)
    compare(case, made)


CASES = {"diffwave__*": diffwave, "fullsize_diffwave__*": diffwave}
