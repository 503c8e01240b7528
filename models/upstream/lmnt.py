"""lmnt's DiffWave: weights-<step>.pt or diffwave-<corpus>.pt, which hold their own settings; Amphion's is the same network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.upstream.common import Card, State, card, numbers_of, strip, tuple_of
from utils.files import read_weights

BESIDE = "[wd][ei][if]*.pt"  # weights*.pt and diffwave*.pt


def knows(config: Path) -> bool:
    """Whether this file is of this program, by its name."""
    return config.name.startswith(("weights", "diffwave"))


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "DiffWave"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """The file itself, or the furthest of a folder; settings that it does not hold are those of the published program."""
    file = path
    if not path.is_file():
        files = [f for f in path.glob(BESIDE) if knows(f)]
        file = max(files, key=_furthest, default=config_path)
    checkpoint = read_weights(file)
    params = checkpoint.get("params") or {}
    state = strip(checkpoint, "model")
    if "residual_layers.0.dilated_conv.weight" not in state:
        raise ValueError(f"{file} is no DiffWave of lmnt: it has no residual_layers, but {', '.join(list(state)[:5])}.")
    arguments, facts = lmnt_diffwave(params, state)
    rate = params.get("sample_rate", 22050)
    hop = params.get("hop_samples", 256)
    mel = {
        "n_fft": params.get("n_fft", 1024),
        "win_size": 4 * hop,
        "n_mel": facts["n_mel"],
        "fmin": 20,
        "fmax": rate / 2,
        "convention": "diffwave",
    }
    features = {"audio": {}, "mel": mel}
    our_card = card("DiffWave", rate, hop, features, arguments, facts)
    return our_card, state


def _furthest(file: Path) -> tuple[Any, ...]:
    """weights.pt is the last one, or a link to it."""
    return file.stem == "weights", numbers_of(file.name)


def lmnt_diffwave(params: dict[str, Any], state: State) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our constructor's arguments and facts, from the settings as far as there are any, or else from the tensors."""
    same = ("dilation_cycle_length", "noise_schedule", "inference_noise_schedule")
    arguments = {name: tuple_of(params[name]) for name in same if name in params}
    layers = [key for key in state if key.endswith(".dilated_conv.weight")]
    conditioner = state.get("residual_layers.0.conditioner_projection.weight")
    arguments["residual_channels"] = len(state["input_projection.weight"])
    arguments["residual_layers"] = len(layers)
    arguments["conditional"] = conditioner is not None
    n_mel = params.get("n_mels", 80)
    if conditioner is not None:
        n_mel = conditioner.shape[1]
    return arguments, {"n_mel": n_mel}


def amphion_diffwave(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The generator `diffwave` of Amphion: any two upsampling factors, and a schedule that may be given by its ends."""
    c = config["model"]["diffwave"]
    same = ("residual_channels", "residual_layers", "dilation_cycle_length", "upsample_factors", "inference_noise_schedule")
    arguments = {name: tuple_of(c[name]) for name in same if name in c}
    schedule = c.get("noise_schedule")
    if schedule is None:
        first, last, steps = c["noise_schedule_factors"]
        levels = np.linspace(first, last, int(steps))
        schedule = levels.tolist()
    arguments["noise_schedule"] = tuple(schedule)
    return arguments, state
