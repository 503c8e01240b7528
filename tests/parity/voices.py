"""Voice conversion by VITS against RVC, so-vits-svc and Amphion: training forward, inference, and the F0 that leads the sound."""

import math
from functools import partial

import torch

from models.base.task import fit_weights
from models.svc.decoding import sound
from models.svc.rvc import RVC
from models.svc.sovits import SoVITS
from models.svc.vits import VitsSVC
from models.upstream.rvc import listed
from models.upstream.rvc import rvc as from_rvc
from models.upstream.sovits import sovits as from_sovits
from models.upstream.vits_svc import from_vitssvc
from modules.conditioning import coarse_f0
from modules.noise import Noise
from tests.parity import close, open_case
from tests.parity.svc import condition_inputs
from utils.config import build


def compare(case, made):
    """Every output of the case, and none forgotten; whole numbers exactly."""
    left = case.wanted.keys() - made.keys()
    assert not left, f"outputs that no line here compares: {left}"
    for name, reference in case.wanted.items():
        if name.endswith(("coarse", "mask", "ids_slice")):
            assert torch.equal(made[name].to(reference.dtype), reference), name
        else:
            close(made[name], reference, name)


def source_of(given, phase, noise):
    """What the source draws: of the phases those of the overtones, as the fundamental begins at zero."""
    drawn = {"phase": given[phase][:, 1:]} if phase in given else {}
    return drawn | ({"source": given[noise]} if noise in given else {})


def rvc(path):
    case = open_case(path)
    given = case.given
    section = listed(case.config["list"])
    arguments, facts, state = from_rvc(section, case.weights)
    model = build(RVC, arguments, facts).eval()
    fit_weights(model, state, path.name)
    phone = given["phone"]
    contents = {"contentvec": phone}
    frames = torch.tensor([phone.shape[1]])
    f0 = given.get("f0", torch.zeros(phone.shape[:2]))
    drawn = {"phase": torch.zeros(1, 0), "prior": given["prior_noise"].transpose(1, 2)}
    if "source_noise" in given:
        drawn["source"] = given["source_noise"]
    draw = Noise(given=drawn)
    with torch.no_grad():
        out = model.plan(contents, f0, None, given["sid"], frames, draw, noise_scale=0.66666)
        wav = sound(model.dec, out["z"], f0, out["voice"], draw)
    if "f0_coarse" in given:
        assert torch.equal(coarse_f0(f0, 256, 50, 1100), given["f0_coarse"])
    made = {"m_p": out["m_p_frames"], "logs_p": out["logs_p_frames"]}
    compare(case, made | {"z_p": out["z_p"], "z": out["z"], "wav": wav})


def sovits(path):
    case = open_case(path)
    given = case.given
    section = case.config["model"]
    n_fft = case.config["n_fft"]
    sizes = {"n_fft": n_fft, "win_size": n_fft, "slice_frames": case.config["segment_frames"], "mel_bands": 4}
    arguments, facts, state = from_sovits(section, case.weights, **sizes)
    facts |= {"sample_rate": section["sampling_rate"], "hop_size": math.prod(section["upsample_rates"])}
    model = build(SoVITS, arguments, facts).eval()
    fit_weights(model, state, path.name)
    assert torch.equal(given["uv"], (given["f0"] > 0).float())
    with torch.no_grad():
        made = sovits_training(model, given)
        for name, options in case.config["infer"].items():
            sung = sovits_inference(model, given, name, options)
            made |= {f"{name}.{key}": value for key, value in sung.items()}
    compare(case, made)


def sovits_training(model, given):
    contents = {"contentvec": given["c"].transpose(1, 2)}
    f0, speaker, frames = given["f0"], given["spk_id"][:, 0], given["lengths"]
    noise = {"posterior": given["train.draw1_randn_like"], "slice": given["train.draw2_rand"]}
    noise |= source_of(given, "train.draw3_rand", "train.draw4_randn_like")
    linear = given["spec"].transpose(1, 2)
    out = model.teacher_forced(contents, f0, given.get("vol"), speaker, linear, frames, noise)
    made = {
        "train.f0_coarse": coarse_f0(f0, 256, 50, 1100),
        "train.ids_slice": out["start"],
        "train.m_p": out["m_p_frames"],
        "train.logs_p": out["logs_p_frames"],
        "train.m_q": out["m_q"],
        "train.logs_q": out["logs_q"],
        "train.z": out["z"],
        "train.z_p": out["z_p"],
        "train.y_hat": out["fake"],
    }
    if model.f0_decoder is not None:
        guess = model.worked_out(out["hidden"], f0, out["frame_mask"], model.voice(speaker))
        made |= {"train.lf0": guess["log_f0"], "train.norm_lf0": guess["outline"], "train.pred_lf0": guess["guess"]}
    return made


def sovits_inference(model, given, name, options):
    contents = {"contentvec": given["c"].transpose(1, 2)}
    f0 = given["f0"]
    speaker = given["spk_id"][:, 0]
    frames = torch.full((len(f0),), f0.shape[1])
    prior = given[f"{name}.draw0_randn_like"]
    noise = source_of(given, f"{name}.draw1_rand", f"{name}.draw2_randn_like")
    noise["prior"] = prior.transpose(1, 2)
    draw = Noise(given=noise)
    own = options["predict_f0"]
    if model.f0_decoder is None:
        own = False
    settings = {"noise_scale": options["noice_scale"], "own_melody": own}
    out = model.plan(contents, f0, given.get("vol"), speaker, frames, draw, **settings)
    wav = sound(model.dec, out["z"], out["f0"], out["voice"], draw)
    return {"f0": out["f0"], "z_in_dec": out["z"], "wav": wav}


def vitssvc(path):
    case = open_case(path)
    given = case.given
    n_fft = case.config["preprocess"]["n_fft"]
    sizes = {"n_fft": n_fft, "win_size": n_fft, "slice_frames": case.config["segment_frames"], "mel_bands": 4}
    config = case.config
    config["preprocess"]["win_size"] = n_fft
    arguments, facts, state = from_vitssvc(config, case.weights, **sizes)
    model = build(VitsSVC, arguments, facts).eval()
    fit_weights(model, state, path.name)
    inputs, named = condition_inputs(given)
    # Which frames are unvoiced was drawn apart from the F0.
    encoder = model.condition_encoder
    encoder.forward = partial(encoder.forward, unvoiced=named["unvoiced"])
    with torch.no_grad():
        made = {"condition": encoder(*inputs, frames=named["frames"])}
        made |= vitssvc_training(model, given, inputs, named["frames"])
        for name, options in config["infer"].items():
            sung = vitssvc_inference(model, given, inputs, name, options["noise_scale"])
            made |= {f"{name}.{key}": value for key, value in sung.items()}
    compare(case, made)


def vitssvc_training(model, given, inputs, frames):
    # What its source drew is of all the F0, not of the slice, and nobody hears it.
    noise = {"posterior": given["train.noise_q"], "slice": given["train.rand_slice"]}
    out = model.teacher_forced(*inputs, given["linear"], frames, noise)
    mask = out["frame_mask"]
    drawn = given["train.noise_p"] * out["logs_p_frames"].exp()
    prior = (out["m_p_frames"] + drawn) * mask
    return {
        "train.enc_p.z": prior,
        "train.ids_slice": out["start"],
        "train.logs_p": out["logs_p_frames"],
        "train.logs_q": out["logs_q"],
        "train.m_p": out["m_p_frames"],
        "train.m_q": out["m_q"],
        "train.x_mask": mask,
        "train.y_hat": out["fake"],
        "train.z": out["z"],
        "train.z_mask": mask,
        "train.z_p": out["z_p"],
    }


def vitssvc_inference(model, given, inputs, name, noise_scale):
    f0 = inputs[1]
    frames = torch.full((len(f0),), f0.shape[1])
    noise = source_of(given, f"{name}.sine_rand_ini", f"{name}.sine_noise")
    noise["prior"] = given[f"{name}.noise_p"].transpose(1, 2)
    draw = Noise(given=noise)
    out = model.plan(*inputs, frames, draw, noise_scale=noise_scale)
    z = out["z"]
    wav = sound(model.dec, z, out["f0"], None, draw)
    return {"z": z, "wav": wav}


CASES = {"rvc_*": rvc, "sovits__*": sovits, "vitssvc_*": vitssvc}
