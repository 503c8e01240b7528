"""NaturalSpeech 2 against Amphion: one step of training, its losses, and sampling, by diffusion and by flow matching."""

from __future__ import annotations

import torch

from models.base.task import fit_weights
from models.tts.naturalspeech2 import NaturalSpeech2
from models.upstream.naturalspeech2_maps import from_amphion
from modules.noise import Noise
from tests.parity import compare, open_case
from utils.config import build


def check(path):
    case = open_case(path)
    arguments, facts, state = from_amphion(case.config, case.weights)
    model = build(NaturalSpeech2, arguments, facts).eval()
    bins = model.prior_encoder.pitch_bins
    torch.testing.assert_close(bins, case.weights["prior_encoder.pitch_bins"], rtol=1e-5, atol=0)
    fit_weights(model, state, path.name)
    with torch.no_grad():
        made = trained(model, case.given)
        for name, settings in case.config["infer"].items():
            made |= sampled(model, case, name, settings)
    compare(case, whole(made))


def whole(made):
    """Counts as the numbers that they are compared as; the others as they are."""
    return {name: value if value.is_floating_point() else value.long() for name, value in made.items()}


def trained(model, given):
    """One step of training on given draws."""
    codes = given["code"]
    frames = given["mask"].sum(1).long()
    tokens = given["phone_mask"].sum(1).long()
    prompt_frames = given["ref_mask"].sum(1).long()
    time = given["train.diffusion_step"].clamp(1e-5, 1 - 1e-5)
    draws = {"time": given["train.diffusion_step"], "noise": given["train.noise"].transpose(1, 2)}
    prompt = model.prompt(given["ref_code"], prompt_frames)
    prior = model.prior(given["phone_id"], tokens, prompt, given["duration"], given["pitch"])
    out = model.denoised(codes, frames, prior["prior"], prompt, Noise(given=draws))
    shares = model.denoiser.conditions(prior["prior"])
    answer = model.denoiser(out["noisy"], time, shares, prompt.voice, given["mask"] > 0)
    made = {
        "latent": out["latent"],
        "ref_latent": model.quantizer.decode(given["ref_code"]),
        "prompt_encoder": prompt.hidden,
        "spk_query_emb": prompt.voice,
        "text_encoder": prior["encoded"],
        "train.wavenet_in_xt": out["noisy"],
        "train.wavenet_out": answer,
        "train.diff.noise": out["drawn"],
        "train.diff.x0_pred": out["clean"],
    }
    if "flow" in out:
        made |= {"train.diff.flow_pred": out["flow"], "train.diff.noise_pred": out["latent"] + out["flow"]}
    else:
        made["train.diff.noise_pred"] = out["noise"]
    made |= predicted("train.prior", prior)
    made |= coded(model, out, codes.shape[1])
    losses = model.prior_losses(prior, given["duration"], given["pitch"]) | model.latent_losses(out, codes)
    short = {"duration": "dur", "pitch": "pitch", "clean": "diff_x0", "noise": "diff_noise", "flow": "diff_flow", "codes": "diff_ce"}
    return made | {f"loss.{short[name]}": value for name, value in losses.items()}


def predicted(begin, out):
    """What the prior says of durations and pitch."""
    lasting = out["log_duration"].exp() - 1
    return {
        f"{begin}.dur_pred_log": out["log_duration"],
        f"{begin}.dur_pred": lasting.clamp(min=0),
        f"{begin}.dur_pred_round": lasting.round().clamp(min=0).long(),
        f"{begin}.mel_len": out["frames"],
        f"{begin}.pitch_pred_log": out["log_pitch"],
        f"{begin}.pitch_token": out["bins"],
        f"{begin}.prior_out": out["prior"],
    }


def coded(model, out, books):
    """The codes that latents are coded by; a codebook comes first."""
    scores, chosen = model.quantizer.scores(out["clean"], books)
    _, own = model.quantizer.scores(out["latent"], books)
    return {
        "latent_to_code.pred_dist": scores.transpose(0, 1),
        "latent_to_code.pred_indices": chosen.transpose(0, 1),
        "latent_to_code.x0_indices": own.transpose(0, 1),
        "latent_to_latent": model.quantizer.decode(own),
    }


def sampled(model, case, name, settings):
    """Speech from given noise, by the solver of the configuration."""
    given = case.given
    codes = given[f"{name}.ref_code"]
    phone = given[f"{name}.phone_id"]
    tokens = torch.tensor([phone.shape[1]])
    prompt_frames = given[f"{name}.ref_mask"].sum(1).long()
    prompt = model.prompt(codes, prompt_frames, training=False)
    out = model.prior(phone, tokens, prompt)
    noise = Noise(given={"noise": given[f"{name}.noise"].transpose(1, 2)})
    solver = case.config["model"]["diffusion"]["ode_solver"]
    how = {"steps": settings["inference_steps"], "solver": solver, "temperature": 1 / 1.2}
    latent = model.sampled(out, prompt, noise, **how)
    return predicted(f"{name}.prior", out) | {f"{name}.x0": latent.transpose(1, 2)}


CASES = {"naturalspeech2__*": check, "naturalspeech2_flow__*": check}
