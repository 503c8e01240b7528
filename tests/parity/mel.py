"""Mel spectrograms of twenty published programs against ours: same sound, same numbers.

The file holds sounds (in/wav_<rate>), what each program made of them (out/<name>, bands x frames), and a sentence on each.
Sizes are read from that sentence where it states them, so that a file with other sizes passes through as well; what it
leaves out stands in PUBLISHED. One tolerance serves all: digital silence is cut off by a floor before any logarithm.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from processors.filters import filter_bank
from processors.mel import STFT, AmplitudePhase, MelConvention, MelSettings, MelSpectrogram

TOLERANCE = 1e-4  # of the largest value, or of 1

LONG = {"n_fft": 2048, "win_size": 2048, "hop_size": 512, "n_mel": 128}
POWER_DB = MelConvention(
    padding="center", pad_mode="constant", epsilon=0.0, power=2, log="dB", floor=1e-10, range_db=80.0
)  # librosa.power_to_db

PUBLISHED: dict[str, dict[str, Any]] = {  # what a name begins with -> settings that its sentence may leave out
    "amphion_extract_mel_features": {"n_mel": 80},
    "amphion_extract_linear_features": {},
    "amphion_amplitude_phase": {},
    "amphion_mel_spectrogram_torch": {"convention": "vits", "n_mel": 100, "fmax": 12000},
    "amphion_tts_taco": {"convention": "tacotron2", "fmax": 8000},
    "amphion_ns3_facodec": {"hop_size": 200, "win_size": 800, "fmax": 8000},
    "amphion_vevo_vocos_24k_raw": {"hop_size": 480, "n_fft": 1920, "win_size": 1920, "n_mel": 128, "fmax": 12000},
    "amphion_vevo_vocos_24k_normalized": {
        "convention": "vevo", "hop_size": 480, "n_fft": 1920, "win_size": 1920, "n_mel": 128, "fmax": 12000,
    },
    "amphion_facodec_preprocess": {"convention": "facodec", "hop_size": 300, "n_fft": 2048, "win_size": 1200},
    "filterbank_librosa_slaney": {},
    "jik876_hifigan": {"fmax": 8000},
    "jik876_hifigan_22k_loss_fmaxnull": {"fmax": None},
    "nvidia_bigvgan_22khz": {"fmax": 8000},
    "nvidia_bigvgan_24khz": {"fmax": 12000},
    "nvidia_bigvgan_v2": {"n_fft": 2048, "win_size": 2048, "fmax": None},
    "vocos_mel": {"convention": "vocos", "n_mel": 100},
    "vocos_mel_24khz_same": {"convention": MelConvention(epsilon=0.0, mel_scale="htk", norm="none", floor=1e-7), "n_mel": 100},
    "descript_melgan": {"convention": "melgan"},
    "seungwonpark_melgan": {"convention": "tacotron2", "fmax": 8000},
    "lmnt_diffwave": {"convention": "diffwave", "fmin": 20},
    "yangai520_apnet": {"convention": "apnet", "hop_size": 80, "win_size": 320},
    "openvpi_nsfhifigan": {"convention": "nsfhifigan", **LONG, "fmin": 40, "fmax": 16000},
    "fatchord_wavernn": {"convention": "wavernn", "hop_size": 275, "n_fft": 2048, "win_size": 1100, "fmin": 40},
    "r9y9_wavenet": {"convention": "parallelwavegan", "fmin": 125, "fmax": 7600},
    "pwg_": {"convention": "parallelwavegan", "fmin": 80, "fmax": 7600},
    "librosa_default_power": {"convention": "librosa", **LONG},
    "librosa_default_db": {"convention": POWER_DB, **LONG},
}  # fmt: skip

WORDS = {  # how the sentences, and some names, state a size
    "n_fft": r"\bn?_?fft[ =](\d+)",
    "hop_size": r"\bhop[ =](\d+)|_(\d+)x$",
    "win_size": r"\bwin[ =](\d+)|hann (\d+) in n_fft",
    "n_mel": r"\bn_mels?[ =](\d+)|(\d+) mels\b|_(\d+)band",
    "fmin": r"\bf_?min[ =](\d+)|\b(\d+)\.\.\d+",
    "fmax": r"\bf_?max[ =](\d+)|\b\d+\.\.(\d+)",
}


def settings_of(name: str, said: str, rates: list[int]) -> dict[str, Any]:
    """The arguments of `MelSpectrogram` for one output. Raises AssertionError for a name that is not in PUBLISHED."""
    known = [start for start in PUBLISHED if name.startswith(start)]
    assert known, f"out/{name}: no definition is known by this name; add it to PUBLISHED."
    settings = {"hop_size": 256, **PUBLISHED[max(known, key=len)]}
    for key, pattern in WORDS.items():
        found = re.search(pattern, name) or re.search(pattern, said)
        if found:
            settings[key] = int(next(group for group in found.groups() if group))
    stated = re.search(r"\{.*\}", said)
    settings |= json.loads(stated[0]) if stated else {}
    thousands = re.search(r"_(\d+)k(?:hz)?(?:_|$)", name)
    if "sample_rate" not in settings:
        settings["sample_rate"] = next(rate for rate in rates if thousands and rate // 1000 == int(thousands[1]))
    return settings


def compute(name: str, settings: dict[str, Any], sounds: dict[int, Tensor]) -> Tensor:
    """Ours for one output, (bands, frames) like theirs."""
    samples = sounds[settings["sample_rate"]].clamp(-1, 1)[None]
    sizes = {key: settings[key] for key in ("hop_size", "n_fft", "win_size") if key in settings}
    if name.startswith("filterbank"):
        return filter_bank(**{key: v for key, v in settings.items() if key not in ("hop_size", "convention")}).T
    if name.startswith("amphion_amplitude_phase"):
        part = re.match(r"amphion_amplitude_phase_(log_amplitude|phase|real|imag)", name)
        return AmplitudePhase(**sizes)(samples)[part[1]][0].T
    if "energy" in name:
        return STFT(**sizes, padding="center")(samples)[0].abs().norm(dim=1)
    module = MelSpectrogram(MelSettings(**settings))
    if "linear" in name:
        return module.linear(samples)[0].T
    shift = re.search(r"keyshift(-?\d+)", name)
    return module(samples, float(shift[1]) if shift else 0.0)[0].T


def check_one(name: str, said: str, theirs: Tensor, sounds: dict[int, Tensor]) -> str:
    """What is wrong with one output, or ""."""
    settings = settings_of(name, said, list(sounds))
    ours = compute(name, settings, sounds)
    if "first" in name or "first" in said or "cut to int(L/" in said:
        ours = ours[..., : theirs.shape[-1]]
    if ours.shape != theirs.shape:
        return f"{name}: ours {tuple(ours.shape)}, theirs {tuple(theirs.shape)} with {settings}"
    distance = (ours - theirs).abs()
    if "_phase_phase" in name:
        distance = torch.minimum(distance, 2 * torch.pi - distance)  # -pi is pi
    error, allowed = float(distance.max()), TOLERANCE * max(1.0, float(theirs.abs().max()))
    return "" if error <= allowed else f"{name}: off by {error:.2e}, {allowed:.2e} allowed, with {settings}"


def check(path: Path) -> None:
    with safe_open(path, "pt") as file:
        said = json.loads(file.metadata()["descriptions"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    sounds = {int(key.removeprefix("in/wav_")): value for key, value in tensors.items() if key.startswith("in/wav_")}
    theirs = {key.removeprefix("out/"): value for key, value in tensors.items() if key.startswith("out/")}
    assert theirs, f"{path} holds no outputs"
    with torch.inference_mode():
        wrong = [check_one(name, said.get(name, ""), value, sounds) for name, value in theirs.items()]
    assert not any(wrong), "\n".join(line for line in wrong if line)


CASES = {"mel_definitions.safetensors": check}
