"""APNet against Amphion and YangAi520: what it draws and the wave, small and at full size."""

import json
import math

import torch

from models.base.task import fit_weights
from models.upstream.yangai520 import amphion_apnet, apnet_sizes
from models.vocoders.apnet import APNet
from modules.norm import modern_keys
from tests.parity import close, old_keys, open_case
from utils.config import build


def apnet(path):
    case = open_case(path)
    if case.metadata["source"] == "amphion":
        arguments, p = amphion_apnet(case.config, {})[0], case.config["preprocess"]
        facts = {"n_mel": p["n_mel"], "hop_size": p["hop_size"]}
    else:
        arguments = apnet_sizes(case.config) | {"padding": "center"}
        facts = {"n_mel": case.config["num_mels"], "hop_size": case.config["hop_size"]}
    model = build(APNet, json.loads(json.dumps(arguments)), facts).eval()
    state = case.state({key: tuple(value.shape) for key, value in old_keys(model.state_dict()).items()})
    fit_weights(model, modern_keys(state), path.name)
    mel = case.given["mel"]
    with torch.no_grad():
        agree(case, model, mel)
        agree(case, model.prepared(), mel)
        frames = mel.shape[2] * facts["hop_size"]
        whole = model.infer(mel.transpose(1, 2))
        assert whole.shape == (len(mel), frames)
        close(whole[:, : case.wanted["wav"].shape[2]], case.wanted["wav"][:, 0, :frames], "infer")


def agree(case, model, mel):
    drawn = model.spectrum(mel)
    names = {"logamp": "log_amplitude", "pha": "phase", "rea": "real", "imag": "imag"}
    made = {name: drawn[ours].transpose(1, 2) for name, ours in names.items()} | {"wav": model.decode(mel)}
    assert made.keys() == case.wanted.keys()
    # A phase near pi may come out near -pi: the nearest turn of it is compared.
    turns = ((case.wanted["pha"] - made["pha"]) / (2 * math.pi)).round()
    made["pha"] = made["pha"] + 2 * math.pi * turns
    for name, reference in case.wanted.items():
        close(made[name], reference, name)


CASES = {"apnet__*": apnet, "fullsize_apnet__*": apnet}
