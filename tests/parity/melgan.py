"""MelGAN against descriptinc's, Amphion's and seungwonpark's, small and at full size."""

import json
import re

import torch

from models.base.task import fit_weights
from models.base.upstream.descriptinc import RATIOS, amphion_melgan
from models.base.upstream.descriptinc import melgan as descript_melgan
from models.base.upstream.seungwonpark import park_melgan
from models.vocoders.melgan import MelGAN
from tests.parity import close, compare, old_keys, open_case
from utils.config import build


def translate(source, config, state):
    """Our arguments, weights and bands, in the dialect of each program."""
    if source == "amphion":
        return *amphion_melgan(config, state), config["preprocess"]["n_mel"]
    if source == "seungwonpark":
        return *park_melgan(state, config.get("widths", [32])[-1]), config["mel_channel"]
    return *descript_melgan({"ratios": RATIOS} | config, state), config["input_size"]


def melgan(path):
    case = open_case(path)
    source = case.metadata["source"]
    arguments, _, bands = translate(source, case.config, {})
    model = build(MelGAN, json.loads(json.dumps(arguments)), {"n_mel": bands}).eval()
    state = case.state({key: tuple(value.shape) for key, value in reference_names(model, source).items()})
    fit_weights(model, translate(source, case.config, state)[1], path.name)
    mel = case.given["mel"]
    with torch.no_grad():
        compare(case, {"wav": model.decode(mel)} | {key: pcm(model, mel, case) for key in case.wanted if key.startswith("pcm")})
        model.fold()
        close(model.decode(mel), case.wanted["wav"], "folded wav")


def pcm(model, mel, case):
    """The first item as 16-bit integers. Cutting takes a rounding error across a step, so one step is allowed for."""
    ours = (model.infer(mel[:1].transpose(1, 2))[0] * 32768).clamp(-32768, 32767).short()
    theirs = next(value for key, value in case.wanted.items() if key.startswith("pcm"))
    assert ours.shape == theirs.shape
    off = (ours.int() - theirs.int()).abs()
    assert off.max() <= 1 and (off > 0).float().mean() < 0.02
    return theirs


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
