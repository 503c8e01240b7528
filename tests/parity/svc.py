"""Singing voice conversion against Amphion: the condition, and the three models that give a mel."""

from __future__ import annotations

import copy

import torch

from models.base.task import fit_weights
from models.svc.como import DiffComoSVC
from models.svc.diffwavenet import DiffWaveNetSVC
from models.svc.transformer import TransformerSVC
from models.upstream import amphion_svc
from models.upstream.amphion_svc import from_como, from_diffwavenet, from_transformer
from models.upstream.common import numbers_of
from modules.average import Target
from modules.conditioning import Conditions, coarse_f0
from modules.diffusion import PLAIN
from modules.noise import Noise
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


def como(path):
    case = open_case(path)
    given = case.given
    arguments, facts, state = from_como(case.config, case.weights)
    if "v0.1" in path.name:
        arguments["karras"]["output_alone"] = False
    model = read_model(DiffComoSVC, (arguments, facts, state), path.name)
    inside = given["mask"][..., 0] > 0
    with torch.no_grad():
        condition = conditioned(model, given)
        guess = model.encoder(condition, inside)
        made = {"condition": condition, "encoder_out": guess}
        made |= como_losses(model, case, guess, inside)
        made |= como_samples(model, case, guess)
    compare(case, made)


def como_losses(model, case, guess, inside):
    """One step of training on given draws, and the network at one level."""
    given = case.given
    mel = given["mel"]
    follower = followed(model, case)
    noisy = given["precond.x"].transpose(1, 2)
    level = given["precond.sigma"].flatten()
    denoised = model.denoiser(follower, guess, inside)(noisy, level)
    losses = model.guess_losses(mel, guess, inside)
    levels = model.karras.sigmas(model.distil_levels)
    made = {
        "precond.denoised": denoised.transpose(1, 2),
        "loss.prior": losses["prior"] / mel.shape[2],  # divided by the bands twice
        "loss.ssim": losses["ssim"],
        "t_steps_training": levels.flip(0),
    }
    if "loss.rnd_normal" in given:
        drawn = given["loss.rnd_normal"].flatten()
        sigma = (model.karras.log_mean + model.karras.log_std * drawn).exp()
        noise = given["loss.noise"].transpose(1, 2)
        made["loss.diffusion"] = model.diffusion_loss(mel, guess, inside, sigma, noise)
    if "loss.n" in given:
        made |= distilled(model, case, guess, inside)
    return made


def followed(model, case):
    """The network that training moves: the teacher, or in a distilled model the one that its student follows."""
    if model.student is None:
        return model.teacher
    begin = "1.decoder.denoise_fn."
    network = copy.deepcopy(model.student)
    weights = {key.removeprefix(begin): value for key, value in case.weights.items() if key.startswith(begin)}
    network.load_state_dict(weights)
    return network


def distilled(model, case, guess, inside):
    """A step of distillation: the slow copy moves before it, as ours does after the step before."""
    slow = Target(model.student, decay=0.95)
    training = copy.deepcopy(model)
    training.student = followed(model, case)
    slow.update(training.student)
    training.averages = {"student": slow}
    index = case.given["loss.n"] - 1  # of Amphion's levels the first is 0
    noise = case.given["loss.noise"].transpose(1, 2)
    made = {"loss.distill": training.distil_loss(case.given["mel"], guess, inside, index, noise)}
    for name, value in slow.module.state_dict().items():
        made[f"loss.ema_after.{name}"] = value
    return made


def como_samples(model, case, guess):
    """The teacher's steps, the student's one, and its several."""
    made = {}
    for name, draw in case.given.items():
        kind, _, what = name.partition(".")
        if what not in ("noise", "latents"):
            continue
        start = draw.transpose(1, 2)
        if what == "noise" and kind.startswith("teacher"):
            steps = int(kind.removeprefix("teacher"))
            noise = Noise(given={"0": start})
            made[f"{kind}.mel"] = model.sample(guess, None, noise, steps=steps + 1, sampler="euler")
            old = old_teacher(model, guess, start, steps)
            made[f"{kind}.mel_chan_first"] = old.transpose(1, 2)
        elif name == "onestep.noise":
            noise = Noise(given={"0": start})
            made["onestep.mel"] = model.sample(guess, None, noise, steps=None, sampler="auto")
        elif what == "latents":
            made |= several_steps(model, case, guess, kind)
    return made


def old_teacher(model, guess, start, steps):
    """As v0.1 walked: from the level above the least to the end."""
    begin = model.karras.sigma_max * (start + guess)
    teacher = model.denoiser(model.teacher, guess, None)
    return model.karras.sample(teacher, begin, steps, "euler", least=False)


def several_steps(model, case, guess, kind):
    """The student in more than one step, from latents that have no guess in them."""
    start = model.karras.sigma_max * case.given[f"{kind}.latents"].transpose(1, 2)
    steps = int(kind[2:])
    draws = {}
    for number in range(1, steps):
        draws[str(number)] = case.given[f"{kind}.noise_{number - 1}"].transpose(1, 2)
    student = model.denoiser(model.student, guess, None)
    noise = Noise(given=draws)
    mel = model.karras.sample_consistently(student, start, steps, noise, around=guess)
    levels = model.karras.sigmas(steps + 1)[:-1]
    return {f"{kind}.mel_chan_first": mel.transpose(1, 2), f"{kind}.t_steps": levels}


CASES = {
    "condition_encoder__*": condition_encoder,
    "condition_encoder_conformer__*": condition_encoder,
    "diffwavenetsvc__*": diffwavenet,
    "diffcomosvc_*": como,
    "transformersvc__*": transformer,
    "transformersvc_vanilla__*": transformer,
}
