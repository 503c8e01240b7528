"""WaveRNN against fatchord and Amphion: conditions, teacher-forced outputs, and generation whole and in folds."""

import json
import math
import re

import numpy as np
import torch
from torch import Tensor

from models.base.task import fit_weights
from models.upstream import fatchord
from models.vocoders.autoregression import run
from models.vocoders.distributions import mu_law_decode
from models.vocoders.folding import Folds, unfold
from models.vocoders.wavernn import WaveRNN
from tests.parity import compare, open_case
from utils.config import build

FADE = 20  # frames at the end that the reference fades out


def check(path):
    case = open_case(path)
    translate = fatchord.amphion if case.metadata["source"] == "amphion" else fatchord.wavernn
    arguments, facts, _ = translate(case.config, case.weights)
    hop = math.prod(arguments["upsample_factors"])
    model = build(WaveRNN, json.loads(json.dumps(arguments)), {**facts, "sample_rate": 22050, "hop_size": hop}).eval()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    fit_weights(model, translate(case.config, case.state(shapes))[2], path.name)
    with torch.no_grad():
        compare(case, outputs(model, case))


def outputs(model: WaveRNN, case) -> dict[str, Tensor]:
    mel, aux = model.upsample(case.given["mel"])
    y = model.predict(case.given["x"], torch.cat([mel, aux], 2))
    every = re.search(r"\[:, ::(\d+)\]", case.metadata["recipe"])
    made = {"upsampled_mel": mel, "aux": aux, "y": y[:, :: int(every[1])] if every else y}
    for name in case.wanted.keys() - made.keys():
        if name == "greedy":
            loop = model.loop(1, 0.0)
            made[name] = torch.from_numpy(loop(torch.cat([mel, aux], 2)[:1], halves(model, 1)(mel.shape[1])))[0]
        else:
            made[name] = generated(model, name, case.given)
    return {name: value for name, value in made.items() if name in case.wanted}


def generated(model: WaveRNN, name: str, given: dict[str, Tensor]) -> Tensor:
    """`name` says how: sampled or not, mu-law or not, and the sizes of folds."""
    mel = given["gen_mel"].transpose(1, 2)
    samples = mel.shape[1] * model.hop_size
    sizes = re.search(r"_t(\d+)_o(\d+)", name)
    folds = Folds(samples, int(sizes[1]), int(sizes[2])) if sizes else None
    starts, length = (folds.starts, folds.length) if folds else ([0], samples)
    sampled = "sampled" in name
    draw = given_draws(given) if sampled else halves(model, len(starts))
    values = torch.from_numpy(run(model, mel, starts, length, draw, model.loop(len(starts), float(sampled))))
    if name.endswith("mulaw1"):
        values = mu_law_decode(values, model.output.classes)
    sound = unfold(values, folds, "power") if folds else values[0]
    sound = sound[: (mel.shape[1] - 1) * model.hop_size].clone()
    fade = torch.linspace(1, 0, FADE * model.hop_size)
    sound[-len(fade) :] *= fade
    return sound


def halves(model: WaveRNN, rows: int):
    return lambda samples: np.full((samples, rows, model.output.draws), 0.5, np.float32)


def given_draws(given: dict[str, Tensor]):
    together = torch.cat([given["u_mixture"], given["u_logistic"][:, None]], 1)[:, None].contiguous().numpy()
    gone = 0

    def draw(samples: int) -> np.ndarray:
        nonlocal gone
        gone += samples
        return together[gone - samples : gone]

    return draw


CASES = {"wavernn__*": check, "wavernn_raw__*": check, "fullsize_wavernn*": check}
