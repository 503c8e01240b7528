"""Singing voice conversion against Amphion: the condition, and the three models that give a mel."""

from __future__ import annotations

import torch

from models.base.task import fit_weights
from models.upstream.amphion_svc import CONTENTS, condition_weights, conditions, contents_of, speakers_of
from modules.conditioning import Conditions, coarse_f0
from tests.parity import compare, open_case
from utils.config import build


def condition_inputs(given):
    """What our condition takes, from what a case gives."""
    contents = {}
    for name in CONTENTS:
        feature = given.get(f"{name}_feat")
        if feature is not None:
            contents[name] = feature
    speaker = given["spk_id"][:, 0] if "spk_id" in given else None
    inputs = (contents, given.get("frame_pitch"), given.get("frame_energy"), speaker)
    named = {"unvoiced": given.get("frame_uv"), "frames": given["target_len"]}
    return inputs, named


def condition_encoder(path):
    case = open_case(path)
    section = case.config
    channels = contents_of(section)
    settings = build(Conditions, conditions(section, case.weights, {}))
    encoder = settings.network(channels, tuple(channels), speakers_of(case.weights)).eval()
    fit_weights(encoder, condition_weights(case.weights, section), path.name)
    inputs, named = condition_inputs(case.given)
    bins = settings.melody_bins or 256
    made = {"f0_coarse": coarse_f0(inputs[1], bins, settings.f0_min, settings.f0_max)}
    if settings.loudness_bins:
        made["energy_bucket"] = torch.bucketize(inputs[2], encoder.loudness_encoder.energy_bins)
    with torch.no_grad():
        made["condition"] = encoder(*inputs, **named)
    compare(case, made)


CASES = {"condition_encoder__*": condition_encoder, "condition_encoder_conformer__*": condition_encoder}
