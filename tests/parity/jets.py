"""Jets against Amphion: alignment, teacher-forced training, losses, and inference, which in the original differs from training."""

import json

import torch

from models.base.task import fit_weights
from models.tts.jets import Jets, losses
from models.upstream.jets_maps import from_amphion
from modules.aligner import log_prior
from modules.masks import valid
from processors.mel import MelSettings, MelSpectrogram
from tests.parity import close, open_case
from utils.config import build


def jets(path):
    case = open_case(path)
    arguments, facts, state = from_amphion(case.config, case.weights)
    rates = arguments["decoder"]["upsample_rates"]
    facts |= {"sample_rate": 22050, "hop_size": int(torch.tensor(rates).prod())}
    model = build(Jets, json.loads(json.dumps(arguments)), facts).eval()
    fit_weights(model, state, path.name)
    with torch.no_grad():
        made = training(model, case.given) | inference(model, case.given) | mel_loss(case)
    left = case.wanted.keys() - made.keys()
    assert not left, f"outputs that no line here compares: {left}"
    for name, reference in case.wanted.items():
        ours, nowhere = made[name], torch.isinf(reference)
        if name.endswith(("ds", "d_pred", "start_idxs")) and "log" not in name:
            assert torch.equal(ours.to(reference.dtype), reference), name
        else:
            assert torch.equal(torch.isinf(ours), nowhere), name
            close(ours.masked_fill(nowhere, 0.0), reference.masked_fill(nowhere, 0.0), name)


def training(model, given):
    tokens, frames, noise = given["text_len"], given["target_len"], {"slice": given["train.rand_segment"]}
    told = (given["mel"], frames, given["pitch"], given["energy"])
    out = model.teacher_forced(given["texts"], tokens, *told, given.get("spk_id"), noise)
    found, sizes = losses(out, frames), (given["texts"].shape[1], given["mel"].shape[1])
    prior = log_prior(tokens, frames, *sizes, one_more=True)
    inside = valid(frames, prior.shape[1])[:, :, None] & valid(tokens, prior.shape[2])[:, None]
    return {
        "align_prior": prior.masked_fill(~inside, -torch.inf),
        "train.encoder": out["encoder"],
        "train.log_p_attn": out["likely"],
        "train.ds": out["duration"],
        "train.ps": out["pitch_target"][..., None],
        "train.es": out["energy_target"][..., None],
        "train.log_d_pred": out["log_duration"],
        "train.p_pred": out["pitch"],
        "train.e_pred": out["energy"],
        "train.va_out": out["adapted"],
        "train.decoder": out["z"],
        "train.z_start_idxs": out["start"],
        "train.z_segments": out["slice"],
        "train.wav": out["fake"],
        "train.bin_loss": found["binarisation"],
        "loss.bin": found["binarisation"],
        "loss.forwardsum": found["forward_sum"],
        "loss.duration": found["duration"],
        "loss.pitch": found["pitch"],
        "loss.energy": found["energy"],
    }


def inference(model, given):
    out = model.infer(given["texts"], given.get("spk_id"), tokens=given["text_len"])
    whole, longest = model.generator.decode(out["z"].transpose(1, 2)), int(out["frames"].argmax())
    close(out["audio"][longest], whole[longest, 0], "the longest, alone")
    return {
        "infer.log_d_pred": out["log_duration"],
        "infer.d_pred": out["duration"],
        "infer.decoder": out["z"],
        "infer.wav": whole,
    }


def mel_loss(case):
    """The loss that the original was trained with: log10, centred frames."""
    c = case.config["mel_loss"]
    settings = MelSettings(
        sample_rate=c["fs"],
        hop_size=c["hop"],
        n_fft=c["n_fft"],
        win_size=c.get("win") or c["n_fft"],
        n_mel=c["n_mels"],
        fmin=c.get("fmin") or 0,
        fmax=c.get("fmax"),
        convention="parallelwavegan",
    )
    mel = MelSpectrogram(settings)
    real, fake = (mel(case.given[f"melloss.{name}"][:, 0]) for name in ("y", "y_hat"))
    return {"melloss": (real - fake).abs().mean()}


CASES = {"jets__*": jets}
