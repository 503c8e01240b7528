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
    file = path if path.is_file() else max((f for f in path.glob(BESIDE) if knows(f)), key=_furthest, default=config_path)
    found = read_weights(file)
    params = found.get("params") or {}
    state = strip(found, "model")
    if "residual_layers.0.dilated_conv.weight" not in state:
        raise ValueError(f"{file} is no DiffWave of lmnt: it has no residual_layers, but {', '.join(list(state)[:5])}.")
    arguments, facts = lmnt_diffwave(params, state)
    rate, hop = params.get("sample_rate", 22050), params.get("hop_samples", 256)
    mel = {"n_fft": params.get("n_fft", 1024), "win_size": 4 * hop, "n_mel": facts["n_mel"], "fmin": 20, "fmax": rate / 2}
    return card("DiffWave", rate, hop, {"audio": {}, "mel": mel | {"convention": "diffwave"}}, arguments, facts), state


def _furthest(file: Path) -> tuple[Any, ...]:
    """weights.pt is the last one, or a link to it."""
    return file.stem == "weights", numbers_of(file.name)


def lmnt_diffwave(params: dict[str, Any], state: State) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our constructor's arguments and facts, from the settings as far as there are any, or else from the tensors."""
    same = ("dilation_cycle_length", "noise_schedule", "inference_noise_schedule")
    arguments = {name: tuple_of(params[name]) for name in same if name in params}
    conditioner = state.get("residual_layers.0.conditioner_projection.weight")
    arguments["residual_channels"] = state["input_projection.weight"].shape[0]
    arguments["residual_layers"] = len([key for key in state if key.endswith(".dilated_conv.weight")])
    arguments["conditional"] = conditioner is not None
    return arguments, {"n_mel": params.get("n_mels", 80) if conditioner is None else conditioner.shape[1]}


def amphion_diffwave(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The generator `diffwave` of Amphion: any two upsampling factors, and a schedule that may be given by its ends."""
    c = config["model"]["diffwave"]
    same = ("residual_channels", "residual_layers", "dilation_cycle_length", "upsample_factors", "inference_noise_schedule")
    arguments = {name: tuple_of(c[name]) for name in same if name in c}
    schedule = c.get("noise_schedule")
    if schedule is None:
        first, last, steps = c["noise_schedule_factors"]
        schedule = np.linspace(first, last, int(steps)).tolist()
    return arguments | {"noise_schedule": tuple(schedule)}, state
