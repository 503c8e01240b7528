"""PicoAudio around the UNet of diffusers, against Amphion: one pass, its losses, and sampling with and without guidance."""

from __future__ import annotations

import torch

from models.base.task import fit_weights
from models.tta.picoaudio import Asked, PicoAudio
from models.tta.schedules import to_rows
from models.upstream.picoaudio import published
from modules.noise import Noise
from tests.parity import compare, open_case
from utils.config import build

HALFWAY = 500  # the step at which the reference validates


def asked_of(model, given):
    """What the case tells the network, and the vector of each row alone."""
    onset = model.laid_out(given["onset"].transpose(1, 2))
    info = given["event_info"]
    if model.condition.form == "text":
        context, inside = model.of_text(info[:, None])
        return Asked(onset, context, inside), context
    present = torch.nn.functional.one_hot(info, model.class_emb.num_embeddings).bool()
    context, inside = model.of_classes(present)
    return Asked(onset, context, inside), context[present][:, None]


def check(path):
    case = open_case(path)
    given = case.given
    config = case.config
    arguments, state = published(config["unet"], config["scheduler"], case.weights)
    arguments["condition"]["slots"] = given["onset"].shape[1]
    facts = {"latent_bins": given["latent"].shape[-1], "snr": config["snr_gamma"] or 0.0}
    model = build(PicoAudio, {**arguments, **facts}).eval()
    fit_weights(model, state | {"scale": torch.tensor(1.0)}, path.name)
    asked, alone = asked_of(model, given)
    made = {"onset_emb_item0": asked.onset[0], "text_emb": alone}
    latent = to_rows(given["latent"], "time")
    frames = torch.full((len(latent),), latent.shape[1])
    steps = {"train": given["train.timesteps"], "val": torch.full((len(latent),), HALFWAY)}
    first = asked.rows(torch.tensor([0]))
    with torch.inference_mode():
        made["unet.pred"] = model.on_map(given["latent"], given["unet.timesteps"], asked)
        for name, at in steps.items():
            noise = to_rows(given[f"{name}.noise"], "time")
            made[f"{name}.loss"] = model.loss(latent, asked, frames, at, noise)
        for name, scale in config["guid"].items():
            made[f"{name}.latents"] = sampled(model, first, given, name, config["steps"], scale)
    compare(case, made)


def sampled(model, asked, given, name, steps, scale):
    """Latents from the noise of the case, over the steps of DDPM as diffusers has it."""
    draws = {"0": given[f"{name}.latents"]}
    for number in range(1, steps):
        draws[str(number)] = given[f"{name}.step_noise_{number - 1}"]
    predict = model.guided(asked, scale)
    sizes = draws["0"].shape
    how = {"steps": steps, "sampler": "ddpm", "plain": True, "settings": {"clip_sample": False}}
    return model.diffusion.sample(predict, sizes, Noise(given=draws), **how)


CASES = {"picoaudio__*": check}
