"""BigVGAN against NVIDIA's and Amphion's, small and at full size."""

import json
import zlib

import numpy as np
import torch

from models.base.task import fit_weights
from models.upstream.nvidia_bigvgan import amphion_bigvgan
from models.upstream.nvidia_bigvgan import bigvgan as nvidia_bigvgan
from models.vocoders.bigvgan import BigVGAN
from tests.parity import close, compare, old_keys, open_case
from utils.config import build


def translate(config, state):
    """Our arguments, bands and weights, whichever of the two programs the configuration is of."""
    if "model" in config:
        return *amphion_bigvgan(config, state), config["preprocess"]["n_mel"]
    return *nvidia_bigvgan(config, state), config["num_mels"]


def bigvgan(path):
    case = open_case(path)
    arguments, _, bands = translate(case.config, {})
    model = build(BigVGAN, json.loads(json.dumps(arguments)), {"n_mel": bands}).eval()
    state = weights(case, model)
    fit_weights(model, translate(case.config, state)[1], path.name)
    mel = case.given["mel"]
    with torch.no_grad():
        compare(case, {"wav": model.decode(mel)})
        model.prepared()
        close(model.decode(mel), case.wanted["wav"], "folded wav")
    samples = mel.shape[2] * model.samples_per_frame
    close(model.infer(mel.transpose(1, 2)), case.wanted["wav"][:, 0, :samples], "infer")


def weights(case, model):
    """Those in the file, whose filters must be the ones that we compute; or those that its rules make."""
    own = old_keys(model.state_dict())
    filters = {key: value for key, value in own.items() if key.endswith("filter")}
    state = case.state({key: tuple(value.shape) for key, value in own.items()}, filters)
    for key, value in state.items():
        if key in filters:
            close(filters[key], value, key, 1e-6)
        elif case.procedural and key.endswith((".alpha", ".beta")):
            draw = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(value.shape).astype(np.float32)
            state[key] = 0.2 * torch.from_numpy(draw)
            state[key] = state[key] if case.metadata["snake"] == "log" else state[key].exp()
    return state


CASES = {"bigvgan*": bigvgan, "fullsize_bigvgan*": bigvgan}
