"""WaveNet against r9y9 and Amphion: conditions, teacher-forced outputs, and generation by the compiled loop."""

import json
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.base.task import fit_weights
from models.upstream import r9y9
from models.vocoders.wavenet import WaveNet
from tests.parity import compare, old_keys, open_case
from utils.config import build


def check(path):
    case = open_case(path)
    amphion = case.metadata["source"] == "amphion"
    translate = r9y9.amphion if amphion else r9y9.wavenet
    arguments, facts, _ = translate(case.config, {})
    hop = math.prod(arguments["upsampling"]["factors"])
    model = build(WaveNet, json.loads(json.dumps(arguments)), {**facts, "sample_rate": 22050, "hop_size": hop}).eval()
    state = case.state({key: tuple(value.shape) for key, value in old_keys(model.state_dict()).items()})
    fit_weights(model, translate(case.config, state)[2], path.name)
    with torch.no_grad():
        compare(case, outputs(model, case.given, case.wanted, amphion))
        model.prepared()
        compare(case, outputs(model, case.given, case.wanted, amphion))


def outputs(model: WaveNet, given: dict[str, Tensor], wanted: dict[str, Tensor], amphion: bool) -> dict[str, Tensor]:
    told = given["mel"] if model.upsample_net is None else model.upsample_net(given["mel"])
    labels = given.get("x_labels")
    x = given["x"] if labels is None else F.one_hot(labels, model.output.classes).float().transpose(1, 2)
    who = next((value for name, value in given.items() if name in ("g", "speaker", "speakers", "speaker_id", "spk_id")), None)
    y = model.predict(x, told, who)
    made = {"upsampled_mel": told, "y": y, "softmax_y": F.softmax(y, 1)}
    options = {} if who is None else {"speaker": who[:1]}
    for name in wanted.keys() - made.keys():
        made[name] = generated(model, name, told[:1].transpose(1, 2), given, amphion, options)
    return {name: value for name, value in made.items() if name in wanted}


def generated(model: WaveNet, name: str, told: Tensor, given: dict[str, Tensor], amphion: bool, options: dict) -> Tensor:
    """What the compiled loop makes of the condition; where the reference starts differs by program."""
    classes = model.output.classes
    first = torch.zeros(1)
    if amphion:
        first = given["first_input"].flatten()
    elif model.one_hot:
        first = F.one_hot(torch.tensor(classes // 2), classes).float()
    sampled = name == "generate_sampled"
    loop = model.loop(1, 1.0 if sampled else 0.0, first=first, **options)
    values = torch.from_numpy(loop(told, draws(model, given, told.shape[1], sampled)))
    if model.output.kind != "categorical":
        return values[0] if amphion else values[None]
    labels = ((values + 1) / 2 * (classes - 1)).round().long()
    return labels[0] if amphion else labels


def draws(model: WaveNet, given: dict[str, Tensor], samples: int, sampled: bool) -> np.ndarray:
    """(samples, 1, draws) as the file gives them: of the mixture first, of the value last."""
    if not sampled:
        return np.full((samples, 1, model.output.draws), 0.5, np.float32)
    noise = {name: value for name, value in given.items() if name not in ("mel", "x", "x_labels", "first_input")}
    last = next(value for name, value in noise.items() if name != "u_mixture" and value.numel() == samples)
    mixture = noise.get("u_mixture", torch.full((samples, model.output.draws - 1), 0.5))
    together = torch.cat([mixture.reshape(samples, -1), last.reshape(samples, 1)], 1)
    return np.ascontiguousarray(together[:, None].numpy())


CASES = {"wavenet__*": check, "wavenet_mulaw*__*": check, "fullsize_wavenet*": check}
