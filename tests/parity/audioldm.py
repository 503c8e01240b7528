"""AudioLDM's UNets against Amphion and the original: one pass, a step of training, and guided sampling from given noise."""

from __future__ import annotations

import torch

from models.base.task import fit_weights
from models.tta.schedules import as_published, leading
from models.upstream.unet_maps import from_original
from modules.diffusion import Course, Diffusion, betas_of, guided
from modules.noise import Noise
from modules.unet import UNet
from tests.parity import compare, open_case
from utils.config import build


def network_of(params, weights, name):
    """Our UNet of a case."""
    arguments, state = from_original(params, weights)
    network = build(UNet, arguments).eval()
    fit_weights(network, state, name)
    return network


def sequence(network):
    """`network` as a sampler calls it, its condition a sequence."""

    def predict(batch, position, context):
        steps = torch.full((len(batch),), position)
        return network(batch, steps, context=context)

    return predict


def vector(network):
    """`network` as a sampler calls it, its condition a vector."""

    def predict(batch, position, condition):
        steps = torch.full((len(batch),), position)
        return network(batch, steps, vector=condition)

    return predict


def amphion(path):
    case = open_case(path)
    given = case.given
    weights = {key.removeprefix("unet."): value for key, value in case.weights.items()}
    network = network_of(case.config["audioldm"], weights, path.name)
    betas = betas_of("scaled_linear", steps=1000, start=0.00085, end=0.012)
    diffusion = Diffusion(betas)
    steps = given["timesteps"]
    how = {"steps": case.config["num_steps"], "sampler": "pndm", "plain": True, "settings": as_published("pndm")}
    with torch.inference_mode():
        noisy = diffusion.mix(given["x"], given["train.noise"], steps)
        error = network(noisy, steps, context=given["context"]) - given["train.noise"]
        made = {
            "eps": network(given["x"], steps, context=given["context"]),
            "time_embed": network.embedded(steps),
            "train.noisy": noisy,
            "train.loss": error.square().mean(),
        }
        unconditional, condition = given["pndm.context_uncond_cond"].chunk(2)
        predict = guided(sequence(network), condition, unconditional, case.config["guidance"])
        begin = given["pndm.latents"]
        noise = Noise(given={"0": begin})
        made["pndm.latents_out"] = diffusion.sample(predict, begin.shape, noise, **how)
    walk = diffusion.walk(*walked(how))
    made["pndm.timesteps"] = torch.as_tensor(walk.timesteps)
    compare(case, made)


def walked(how):
    """What `Diffusion.walk` takes, for a sampler as published."""
    from modules.diffusion import PLAIN

    return PLAIN, how["sampler"], how["steps"], "leading", how["settings"]


def original(path):
    case = open_case(path)
    given = case.given
    config = case.config
    network = network_of(config["unet"], case.weights, path.name)
    betas = betas_of("scaled_linear", steps=1000, start=config["linear_start"], end=config["linear_end"])
    diffusion = Diffusion(betas)
    respacing = leading(diffusion, config["ddim_steps"])
    inner = respacing.positions[1:]
    made = {
        "ddim.timesteps": torch.as_tensor(inner),
        "ddim.alphas_cumprod": torch.as_tensor(respacing.levels[1:]).float(),
        "schedule.betas_first_last": torch.tensor(betas)[[0, -1]].float(),
    }
    with torch.inference_mode():
        made["eps"] = network(given["x"], given["timesteps"], vector=given["film_y"])
        for name, sampler, scale in (("ddim", "ddim", 2.5), ("ddim_eta1", "ddpm", 1.5)):
            made[f"{name}.x0"] = sampled(diffusion, network, given, respacing, name, sampler, scale)
    compare(case, made)


def sampled(diffusion, network, given, respacing, name, sampler, scale):
    """Guided sampling over the original's steps, from the noise of the case."""
    begin = given["ddim.x_T"]
    draws = {"0": begin}
    for number in range(len(respacing.levels) - 1):
        draw = given.get(f"{name}.noise_{number}")
        if draw is not None:
            draws[str(number + 1)] = draw
    conditions = (given["ddim.cond"][:, 0], given["ddim.uncond"][:, 0])
    predict = guided(vector(network), *conditions, scale)
    noise = Noise(given=draws)
    return diffusion.sample(predict, begin.shape, noise, steps=respacing, sampler=sampler, course=Course(leave=1))


CASES = {"audioldm__*": amphion, "audioldm_unet__*": original}
