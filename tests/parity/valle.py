"""VALL-E against Amphion and lifeiteng: both networks when taught, each stage of the second, losses, generation and continuation."""

import json

import torch
import torch.nn.functional as F

from models.base.task import fit_weights
from models.tts.valle import VALLE
from models.tts.valle_networks import Parallel
from models.upstream.valle_maps import from_published
from modules.masks import valid
from tests.parity import close, open_case
from utils.config import build

FACTS = {"sample_rate": 24000, "hop_size": 320}


def valle(path):
    case = open_case(path)
    arguments, facts, state = from_published(case.config, case.weights)
    model = build(VALLE, json.loads(json.dumps(arguments)), facts | FACTS).eval()
    fit_weights(model, state, path.name)
    for network in (model.ar, model.nar):
        if network.text_prenet is not None:
            network.text_prenet.sees_padding = True
    with torch.no_grad():
        made = first(model, case) | stages(model, case) | spoken(model, case)
    left = case.wanted.keys() - made.keys()
    assert not left, f"outputs that no line here compares: {left}"
    for name, reference in case.wanted.items():
        if name.endswith("codes"):
            assert torch.equal(made[name], reference), name
        else:
            close(made[name], reference, name)


def first(model, case):
    given = case.given
    codes, frames = given["y"][..., 0], given["y_lens"]
    scores = model.ar(given["x"], given["x_lens"], codes, frames)
    targets = model.ar.targets(codes, frames)
    inside = targets != model.ar.end
    best = scores.topk(10, -1).indices
    counted = frames.max() if "Amphion" in case.metadata["source"] else frames.sum()  # by what each makes a sum of the mean
    hits = (best == targets[..., None]).any(-1)
    return {
        "ar.logits": scores,
        "ar.decoder_input": model.ar.places(given["x"], given["x_lens"], codes, frames),
        "ar.loss_sum": total(scores, targets, torch.ones_like(inside)),
        "ar.top10acc": (hits & inside).sum() / inside.sum() * counted,
    }


def stages(model, case):
    given, made = case.given, {}
    codes, frames = given["y"], given["y_lens"]
    for stage in range(1, model.codebooks):
        length = int(given.get(f"nar{stage}.prefix_len", torch.tensor(0)))
        inside = valid(frames, codes.shape[1])
        prompt = valid(torch.full_like(frames, length), codes.shape[1]) if model.prefix.mode else None
        asked = (given["x"], given["x_lens"], codes, frames, stage, prompt)
        scores, targets, counts = model.nar(*asked)[:, length:], codes[:, length:, stage], inside[:, length:]
        whole = frames.sum()
        made[f"nar{stage}.logits"] = scores
        made[f"nar{stage}.loss_sum"] = total(scores, targets, counts) * (whole / (whole - length * len(frames)))
        made[f"nar{stage}.decoder_input"] = model.nar.places(given["x"], given["x_lens"], codes, frames, stage, prompt)
    made["stage0.loss"] = (first(model, case)["ar.loss_sum"] + made["nar1.loss_sum"]) / 2
    return made


def total(scores, targets, counts):
    """The sum of a loss; theirs counts what lies behind the end of the first codebook."""
    each = F.cross_entropy(scores.transpose(1, 2), targets, reduction="none")
    return (each * counts).sum()


def spoken(model, case):
    given, made = case.given, {}
    for name in ("gen_eos", "gen_max"):
        if f"{name}.x" in given:
            made[f"{name}.codes"] = model.infer(given[f"{name}.x"], given[f"{name}.prompt"], top_k=1)["codes"]
    if model.prefix.mode == 0:  # there their continuation, and it alone, has the prenet behind the positions
        model.nar.__class__ = Swapped
    made["continual.codes"] = model.continual(given["continual.x"], given["continual.y"])
    return made


class Swapped(Parallel):
    """The second network as the published continuation without a prefix runs it."""

    def embed_codes(self, embedded, places=None):
        return self.audio_prenet(self.audio_position(embedded, places))


CASES = {"valle__*": valle}
