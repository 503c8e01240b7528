"""PicoAudio around the UNet of diffusers, against Amphion: one pass, its losses, and sampling with and without guidance."""

from __future__ import annotations

import torch

from models.base.task import fit_weights
from models.tta.picoaudio import PicoAudio
from models.upstream.picoaudio import published
from modules.noise import Noise
from tests.parity import compare, open_case
from utils.config import build


def check(path):
    case = open_case(path)
    given = case.given
    arguments, state = published(case.config["unet"], case.config["scheduler"], case.weights)
    bins = given["latent"].shape[-1]
    facts = {"latent_bins": bins, "slots": given["onset"].shape[1], "snr": case.config["snr_gamma"] or 0.0}
    model = build(PicoAudio, {**arguments, **facts}).eval()
    fit_weights(model, state, path.name)
    network = model.network
    info = given["event_info"]
    onset = network.laid_out(given["onset"])
    if info.ndim == 1:
        present = torch.zeros(len(info), len(network.class_emb.weight), dtype=torch.bool)
        present[torch.arange(len(info)), info] = True
        context, mask = network.of_classes(present)
        alone = context[present][:, None]
    else:
        context, mask = network.of_text(info)
        alone = context
    with torch.inference_mode():
        made = {"onset_emb_item0": onset[0], "text_emb": alone}
        made["unet.pred"] = network(given["latent"], given["unet.timesteps"], onset, context, mask)
        inside = torch.ones(onset.shape[0], onset.shape[2], dtype=torch.bool)
        losses = {"train.loss": given["train.timesteps"], "val.loss": torch.full((len(info),), 500)}
        for name, steps in losses.items():
            noise = given[f"{name.partition('.')[0]}.noise"]
            made[name] = model.loss(given["latent"], noise, steps, (onset, context, mask), inside)
        first = (onset[:1], context[:1], mask[:1])
        for name, scale in case.config["guid"].items():
            begin = given[f"{name}.latents"]
            draws = {"0": begin}
            for number in range(case.config["steps"] - 1):
                draws[str(number + 1)] = given[f"{name}.step_noise_{number}"]
            made[f"{name}.latents"] = model.sample(first, begin.shape, Noise(given=draws), steps=case.config["steps"], guidance=scale)
    compare(case, made)


CASES = {"picoaudio__*": check}
