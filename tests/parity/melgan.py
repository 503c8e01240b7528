"""MelGAN against descriptinc's, Amphion's and seungwonpark's, small and at full size."""

import json
import re

import torch

from models.base.task import fit_weights
from models.upstream.descriptinc import RATIOS, amphion_melgan
from models.upstream.descriptinc import melgan as descript_melgan
from models.upstream.seungwonpark import park_melgan
from models.vocoders.melgan import MelGAN
from tests.parity import close, old_keys, open_case
from utils.config import build


def translate(source, config, state):
    """Our arguments, weights and bands, in the dialect of each program."""
    if source == "amphion":
        return *amphion_melgan(config, state), config["preprocess"]["n_mel"]
    if source == "seungwonpark":
        narrowest = config.get("widths", [32 // config.get("width_divisor", 1)])[-1]
        return *park_melgan(state, narrowest), config["mel_channel"]
    return *descript_melgan({"ratios": RATIOS} | config, state), config["input_size"]


def melgan(path):
    case = open_case(path)
    source = case.metadata["source"]
    arguments, _, bands = translate(source, case.config, {})
    model = build(MelGAN, json.loads(json.dumps(arguments)), {"n_mel": bands}).eval()
    state = case.state({key: tuple(value.shape) for key, value in reference_names(model, source).items()})
    fit_weights(model, translate(source, case.config, state)[1], path.name)
    mel, allowed = case.given["mel"], tolerance(model)
    assert case.wanted.keys() <= {"wav", "pcm_int16", "pcm_int16_item0"}, case.wanted.keys()
    with torch.no_grad():
        close(model.decode(mel), case.wanted["wav"], "wav", allowed)
        for name in case.wanted.keys() - {"wav"}:
            pcm(model, mel, case.wanted[name], allowed)
        close(model.prepared().decode(mel), case.wanted["wav"], "folded wav", allowed)
        exact = model.double().decode(mel.double()).float()
    close(exact, case.wanted["wav"], "wav in double precision", allowed)


def tolerance(model):
    """The kit's own, unless the last layer adds numbers whose rounding alone is larger.

    The small files scale that layer until its sums, taken before the tanh, cancel from about 900 to about 1. In single
    precision the reference is then 2.5e-4 from the same network in double precision, as we are. Four steps of the
    largest term are allowed for.
    """
    return max(1e-4, 4 * torch.finfo(torch.float32).eps * model.conv_post.bias.abs().item())


def pcm(model, mel, theirs, allowed):
    """The first item as 16-bit integers. Cutting takes a rounding error across a step, so one step more is allowed for."""
    ours = (model.infer(mel[:1].transpose(1, 2))[0] * 32768).clamp(-32768, 32767).short()
    assert ours.shape == theirs.shape
    off = (ours.int() - theirs.int()).abs()
    assert off.max() <= 1 + allowed * 32768 and off.float().mean() < 1


def reference_names(model, source):
    """Our state dict under the names of the reference."""
    stages, layers = len(model.ups), len(model.blocks[0])
    long = source != "seungwonpark"
    names, per_stage = ("model" if long else "generator"), (layers + 2 if long else 3)
    inner = {"dilated": "2", "mixed": "4"}

    def theirs(key):
        part, *rest = key.split(".")
        if part == "conv_pre":
            return ".".join([names, "1", *rest])
        if part == "conv_post":
            return ".".join([names, str(4 + stages * per_stage), *rest])
        place = 3 + int(rest[0]) * per_stage
        if part == "ups":
            return ".".join([names, str(place), *rest[1:]])
        layer, kind = int(rest[1]), rest[2]
        if long:
            inside = ["shortcut"] if kind == "shortcut" else ["block", inner[kind]]
            return ".".join([names, str(place + 1 + layer), *inside, *rest[3:]])
        inside = ["shortcuts", str(layer)] if kind == "shortcut" else ["blocks", str(layer), inner[kind]]
        return ".".join([names, str(place + 1), *inside, *rest[3:]])

    state = {theirs(key): value for key, value in old_keys(model.state_dict()).items()}
    assert all(re.match(rf"{names}\.\d+\.", key) for key in state)
    return state


CASES = {"melgan__*": melgan, "fullsize_melgan__*": melgan}
