"""FastSpeech2 against Amphion and ming024: teacher-forced, losses, and inference with controls."""

import json

import torch
from safetensors import safe_open

from models.base.task import fit_weights
from models.tts.fastspeech2 import FastSpeech2, losses
from models.upstream.fastspeech2_maps import from_amphion, from_ming024
from utils.config import build


def open_case(path):
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no dict)
        config = json.loads(file.metadata()["config"])
    pick = lambda prefix: {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}  # noqa: E731
    return config, pick("w/"), pick("in/"), pick("out/")


def check(path, translate):
    config, state, given, wanted = open_case(path)
    arguments, facts, state = translate(config, state)
    model = build(FastSpeech2, arguments, facts)
    fit_weights(model, state, path.name)
    model.eval()
    made = {}
    with torch.no_grad():
        targets = {"pitch": given["pitch"], "energy": given["energy"]}
        out = model.teacher_forced(given["texts"], given["text_len"], given["durations"], targets, given.get("spk_id"))
        made |= {f"tf.{k}": v for k, v in names(out, given).items()}
        found = losses(out, given["durations"], targets, given["mel"], model.variance_adaptor.levels)
        made |= loss_names(found)
        for prefix, controls in config["controls"].items():
            p, e, d = (controls[k] for k in ("p_control", "e_control", "d_control")) if isinstance(controls, dict) else controls
            out = model.infer(given["texts"], given.get("spk_id"), tokens=given["text_len"], pitch=p, energy=e, speed=1 / d)
            scales = {"pitch": p, "energy": p if model.energy_follows_pitch_control else e}
            made |= {f"{prefix}.{k}": v for k, v in names(out, given, scales).items()}
    left = [name for name in wanted if name not in made]
    assert not left, f"outputs that no line here compares: {left}"
    for name, reference in wanted.items():
        ours = made[name]
        if name.endswith("duration_rounded"):  # the reference truncates only where it repeats, after scaling
            reference = reference.floor()
        assert ours.shape == reference.shape, f"{name}: {tuple(ours.shape)} for {tuple(reference.shape)}"
        if not reference.is_floating_point() or name.endswith(("mask", "rounded")):
            assert torch.equal(ours.to(reference.dtype), reference), name
        else:
            scale = max(1.0, reference.std().item() if reference.numel() > 1 else 1.0)
            assert (ours - reference).abs().max() <= 1e-4 * scale, f"{name}: {(ours - reference).abs().max()}"


def names(out, given, scales=None):
    """Our outputs under the names of the reference; its masks are True where padded, its predictions come scaled."""
    scales = scales or {}
    return {
        "encoder": out.get("encoder"),
        "decoder": out["decoder"],
        "variance_adaptor": out["adapted"],
        "mel": out.get("raw_mel", out["mel"]),
        "postnet_mel": out["postnet_mel"],
        "pitch_pred": out["pitch"] * scales.get("pitch", 1.0),
        "energy_pred": out["energy"] * scales.get("energy", 1.0),
        "log_duration_pred": out["log_duration"],
        "duration_rounded": out["duration"],
        "mel_len": out["frames"],
        "src_len": given["text_len"],
        "mel_pad_mask": ~out["frame_mask"],
        "src_pad_mask": torch.arange(given["texts"].shape[1])[None] >= given["text_len"][:, None],
    }


def loss_names(found):
    total = sum(found.values())
    short = {"mel": "mel", "postnet": "postnet_mel", "duration": "duration", "pitch": "pitch", "energy": "energy"}
    amphion = {f"loss.{short[k]}_loss": v for k, v in found.items()} | {"loss.loss": total}
    return amphion | {f"loss.{short[k]}": v for k, v in found.items()} | {"loss.total": total}


CASES = {
    "fastspeech2__amphion.safetensors": lambda path: check(path, from_amphion),
    "fastspeech2__ming024.safetensors": lambda path: check(path, from_ming024),
}
