"""VITS against jaywalnut310 and Amphion: training forward, losses, inference, voice conversion."""

import json

import torch

from models.base.task import fit_weights
from models.tts.vits import VITS
from models.upstream.vits_maps import from_upstream
from modules.alignment import durations, path_of
from modules.noise import Noise
from modules.posterior import divergence
from processors.mel import MelSettings, MelSpectrogram
from tests.parity import close, open_case
from utils.config import build


def vits(path):
    case = open_case(path)
    c, given = case.config, case.given
    sizes = {"n_fft": c["n_fft"], "win_size": c["n_fft"], "mel_bands": c["n_mel"], "slice_frames": c["segment_frames"]}
    arguments, facts, state = from_upstream(c["model"], case.weights, **sizes)
    facts |= {"sample_rate": c["sr"], "hop_size": c["hop"]}
    model = build(VITS, json.loads(json.dumps(arguments)), facts).eval()
    fit_weights(model, state, path.name)
    with torch.no_grad():
        made = training(model, given, c) | voices(model, given)
        for name, options in c["infer"].items():
            made |= {f"{name}.{k}": v for k, v in inference(model, given, name, options).items()}
    left = case.wanted.keys() - made.keys()
    assert not left, f"outputs that no line here compares: {left}"
    for name, reference in case.wanted.items():
        if name.endswith(("attn", "mask", "w_ceil", "ids_slice")):
            assert torch.equal(made[name].to(reference.dtype), reference), name
        else:
            close(made[name], reference, name)


def training(model, given, c):
    phone, tokens, frames = given.get("phone_seq", given.get("x")), given["x_lengths"], given["spec_lengths"]
    linear, speaker = given["spec"].transpose(1, 2), given.get("sid")
    noise = {"posterior": given["train.noise_q"], "slice": given["train.rand_slice"], "duration": given.get("train.noise_sdp")}
    out = model.teacher_forced(phone, tokens, linear, frames, speaker, noise)
    assert torch.equal(durations(out["scores"], frames, tokens), out["duration"])
    back = model.flow.inverse(out["z_p"], out["frame_mask"], model.voice(speaker, len(phone)))
    made = {
        "enc_p.hidden": out["hidden"],
        "enc_p.m": out["m_p"],
        "enc_p.logs": out["logs_p"],
        "x_mask": out["token_mask"],
        "y_mask": out["frame_mask"],
        "flow_roundtrip_z": back,
        "train.z": out["z"],
        "train.m_q": out["m_q"],
        "train.logs_q": out["logs_q"],
        "train.z_p": out["z_p"],
        "train.neg_cent": out["scores"],
        "train.attn": path_of(out["duration"], linear.shape[1])[:, None],
        "train.m_p_expanded": out["m_p_frames"],
        "train.logs_p_expanded": out["logs_p_frames"],
        "train.dp_raw": out["duration_raw"] if model.stochastic else out["duration_raw"][:, None],
        "train.l_length": out["duration_loss"],
        "train.ids_slice": out["start"],
        "train.y_hat": out["fake"],
        "loss.dur": out["duration_loss"].sum(),
        "loss.kl": divergence(out),
    }
    if "mel" in given:
        rate, hop, size = c["sr"], c["hop"], c["segment_frames"]
        sizes = {"n_fft": c["n_fft"], "win_size": c["n_fft"], "n_mel": c["n_mel"]}
        mel = MelSpectrogram(MelSettings(sample_rate=rate, hop_size=hop, **sizes, convention="vits"))
        heard = mel(out["fake"][:, 0]).transpose(1, 2)
        target = torch.stack([m[:, s : s + size] for m, s in zip(given["mel"], out["start"], strict=True)])
        made |= {"train.y_hat_mel": heard, "loss.mel": 45 * (heard - target).abs().mean()}
    return made


def inference(model, given, name, options):
    phone, tokens, speaker = given.get("phone_seq", given.get("x")), given["x_lengths"], given.get("sid")
    noise = {"duration": given.get(f"{name}.noise_sdp"), "prior": given[f"{name}.noise_zp"]}
    draw = Noise(device=phone.device, given=noise)
    out = model.plan(
        phone,
        tokens,
        speaker,
        draw,
        noise_scale=options["noise_scale"],
        duration_noise=options["noise_scale_w"],
        speed=1 / options["length_scale"],
    )
    voice = model.voice(speaker, len(phone))
    longest = int(out["frames"].argmax())
    whole = model.dec.decode(out["z"], voice)
    alone = model._sound(out["z"], out["frames"], voice)
    close(alone["audio"][longest], whole[longest, 0], "the longest, alone")
    return {
        "logw": out["log_duration"][:, None],
        "w_ceil": out["duration"][:, None],
        "attn": path_of(out["duration"], out["z"].shape[2])[:, None],
        "m_p": out["m_p_frames"],
        "logs_p": out["logs_p_frames"],
        "y_mask": out["frame_mask"],
        "z_p": out["z_p"],
        "z": out["z"],
        "wav": whole,
    }


def voices(model, given):
    if "vc.sid_tgt" not in given:
        return {}
    linear, frames, target = given["spec"].transpose(1, 2), given["spec_lengths"], given["vc.sid_tgt"]
    out = model.convert(linear, given["sid"], target, frames=frames, noise={"posterior": given["vc.noise_q"]})
    whole = model.dec.decode(out["z"], model.voice(target, len(linear)))
    longest = int(frames.argmax())
    close(out["audio"][longest], whole[longest, 0], "the longest, alone")
    return {"vc.z_p": out["z_p"], "vc.z_hat": out["z"], "vc.wav": whole}


CASES = {"vits_single__*": vits, "vits_multispeaker__*": vits}
