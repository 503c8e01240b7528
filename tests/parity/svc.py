"""Singing voice conversion against Amphion: the condition, and the three models that give a mel."""

from __future__ import annotations

import torch

from models.base.task import fit_weights
from models.svc.diffwavenet import DiffWaveNetSVC
from models.svc.transformer import TransformerSVC
from models.upstream import amphion_svc
from models.upstream.amphion_svc import from_diffwavenet, from_transformer
from models.upstream.common import numbers_of
from modules.conditioning import Conditions, coarse_f0
from modules.diffusion import PLAIN
from tests.parity import compare, open_case
from utils.config import build


def condition_inputs(given):
    """What our condition takes, from what a case gives."""
    contents = {}
    for name in amphion_svc.CONTENTS:
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
    channels = amphion_svc.contents_of(section)
    settings = build(Conditions, amphion_svc.conditions(section, case.weights, {}))
    encoder = settings.network(channels, tuple(channels), amphion_svc.speakers_of(case.weights)).eval()
    fit_weights(encoder, amphion_svc.condition_weights(case.weights, section), path.name)
    inputs, named = condition_inputs(case.given)
    bins = settings.melody_bins or 256
    made = {"f0_coarse": coarse_f0(inputs[1], bins, settings.f0_min, settings.f0_max)}
    if settings.loudness_bins:
        made["energy_bucket"] = torch.bucketize(inputs[2], encoder.loudness_encoder.energy_bins)
    with torch.no_grad():
        made["condition"] = encoder(*inputs, **named)
    compare(case, made)


def conditioned(model, given):
    """The condition of a case by our model."""
    inputs, named = condition_inputs(given)
    return model.condition_encoder(*inputs, **named)


def read_model(cls, translated, name):
    """Our model of a class, of the settings and weights that a reader made of a case."""
    arguments, facts, state = translated
    model = build(cls, arguments, facts).eval()
    fit_weights(model, state, name)
    return model


def diffwavenet(path):
    case = open_case(path)
    made = {}
    model = read_model(DiffWaveNetSVC, from_diffwavenet(case.config, case.weights), path.name)
    with torch.no_grad():
        condition = conditioned(model, case.given)
        made["condition"] = condition
        made |= trained(model, condition, case.given)
        for kind, schedule in (("", None), ("_mild", case.config.get("scheduler_settings_mild"))):
            if schedule is not None:
                case.config["model"]["diffusion"]["scheduler_settings"] = schedule
                model = read_model(DiffWaveNetSVC, from_diffwavenet(case.config, case.weights), path.name)
            made |= sampled(model, condition, case, kind)
    compare(case, made)


def trained(model, condition, given):
    """One step of training on given draws."""
    steps = given["train.timesteps"]
    noise = given["train.noise"]
    noisy = model.diffusion.mix(given["mel"], noise, steps)
    shares = model.denoiser.conditions(condition)
    losses = model.losses(given["mel"], condition, given["target_len"], steps, noise)
    return {
        "step_embedding": model.denoiser.diff_encoder(steps),
        "train.noisy_mel": noisy,
        "train.pred_noise": model.denoiser(noisy, steps, shares),
        "loss": losses["noise"],
    }


def sampled(model, condition, case, kind):
    """Each sampler as it was published, from given noise."""
    made = {}
    for sampler, steps in case.config["steps"].items():
        names = [f"sampler{kind}.initial_noise"]
        added = [name for name in case.given if name.startswith(f"{sampler}{kind}.step_noise_")]
        names += sorted(added, key=numbers_of)
        draws = torch.stack([case.given[name] for name in names])
        how = {"steps": steps, "sampler": sampler, "published": True}
        made[f"{sampler}{kind}.mel"] = model.sample(condition, None, noise=draws, seed=None, **how)
        walk = model.diffusion.walk(PLAIN, sampler, steps, "leading", {})
        positions = torch.as_tensor(walk.positions)
        made[f"{sampler}{kind}.timesteps"] = positions
        made[f"{sampler}{kind}.alphas_cumprod_head"] = torch.tensor(model.diffusion.levels[:5]).float()
    return made


def transformer(path):
    case = open_case(path)
    config = {"model": case.config, "preprocess": {"n_mel": case.config["n_mel"]}}
    model = read_model(TransformerSVC, from_transformer(config, case.weights), path.name)
    given = case.given
    inside = given["mask"][..., 0] > 0
    with torch.no_grad():
        condition = conditioned(model, given)
        losses = model.losses(given["mel"], condition, inside)
        made = {"condition": condition, "mel_pred": model.encoder(condition, inside)}
    made |= {f"loss.{name}": value for name, value in losses.items()}
    compare(case, made)


CASES = {
    "condition_encoder__*": condition_encoder,
    "condition_encoder_conformer__*": condition_encoder,
    "diffwavenetsvc__*": diffwavenet,
    "transformersvc__*": transformer,
    "transformersvc_vanilla__*": transformer,
}
