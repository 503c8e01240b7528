"""fatchord's WaveRNN: a *.pyt file next to the hparams.py that it was trained with, which is read and never run."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, mel_section, numbers_of, strip, tuple_of
from utils.files import read_weights

BESIDE = "hparams.py"


def knows(config: Path) -> bool:
    """Whether this configuration is of this program."""
    return any(name.startswith("voc_") for name in constants(config))


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "WaveRNN"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A *.pyt of fatchord's WaveRNN, or of a folder its latest_weights.pyt or the furthest."""
    c = constants(config_path)
    file = path
    if path.is_dir():
        files = sorted(path.rglob("*.pyt"), key=lambda f: ("latest" in f.name, numbers_of(f.name)))
        files = [f for f in files if "optim" not in f.name]
        if not files:
            raise ValueError(f"{path} holds an hparams.py, but no weights in a *.pyt file.")
        file = files[-1]
    settings = {name: c[name] for name in ("bits", "sample_rate", "hop_length", "num_mels")}
    named = ("mode", "upsample_factors", "pad")
    settings |= {name: c[f"voc_{name}"] for name in named} | {"mu_law": c.get("mu_law", True)}
    arguments, facts, state = wavernn(settings, strip(read_weights(file), "model_state"))
    mel = {
        "n_fft": c["n_fft"],
        "win_size": int(c["win_length"]),
        "n_mel": c["num_mels"],
        "fmin": c["fmin"],
        "convention": "wavernn",
    }
    return card("WaveRNN", c["sample_rate"], c["hop_length"], {"audio": {}, "mel": mel}, arguments, facts), state


def constants(path: Path) -> dict[str, Any]:
    """The names in a Python file that are given numbers, strings, tuples, or sums and products of numbers and such names.

    Nothing is run: other lines are passed over. Raises ValueError when the file is no Python.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{path} is not a Python file of settings ({error}).") from error
    values: dict[str, Any] = {}
    for line in tree.body:
        if isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name):
            value = _value(line.value, values)
            if value is not None:
                values[line.targets[0].id] = value
    return values


def _value(node: ast.expr, known: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        sides = (_value(node.left, known), _value(node.right, known))
        numbers = all(isinstance(side, int | float) for side in sides)
        return OPERATIONS[type(node.op)](*sides) if numbers else None
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


OPERATIONS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b if b else None,
}


def wavernn(c: dict[str, Any], state: State) -> tuple[dict[str, Any], dict[str, Any], State]:
    """Our constructor's arguments and facts, and the weights under our names; sizes that `c` lacks are seen from the weights."""
    classes = 2 ** c["bits"]
    if c["mode"].upper() not in ("MOL", "RAW"):
        raise ValueError(f"voc_mode {c['mode']!r} cannot be read; those that can: RAW, MOL.")
    if c["mode"].upper() == "MOL":
        output = {"kind": "logistic", "mixtures": 10, "log_scale_min": math.log(1e-14)}
    else:
        output = {"kind": "categorical", "classes": classes, "mu_law": c.get("mu_law", True)}
    arguments = sizes(c, state) | {
        "output": output,
        "upsample_factors": tuple_of(c["upsample_factors"]),
        "pad": c["pad"],
        "padding": "zeros",
    }
    facts = {"n_mel": c.get("num_mels") or c["feat_dims"]}
    return arguments, facts, {key: value for key, value in state.items() if key != "step"}


def read_amphion(config: dict[str, Any], state: State, config_path: Path) -> tuple[Card, State]:
    """A run of Amphion's WaveRNN: sizes stand under VOCODER, what the mel is under `preprocess`."""
    p = config["preprocess"]
    arguments, facts, state = amphion(config, state)
    return card(
        "WaveRNN", p["sample_rate"], p["hop_size"], {"audio": {}, "mel": mel_section(p, "hifigan")}, arguments, facts
    ), state


def amphion(config: dict[str, Any], state: State) -> tuple[dict[str, Any], dict[str, Any], State]:
    """Amphion's WaveRNN: fatchord's, of thirty numbers a sample unless MODE is mu_law_quantize."""
    c = {name.lower(): value for name, value in config["VOCODER"].items()}
    c |= {"mode": "RAW" if c["mode"] == "mu_law_quantize" else "MOL", "pad": c["mel_frame_pad"], "feat_dims": c["input_dim"]}
    return wavernn(c, state)


def sizes(c: dict[str, Any], state: State) -> dict[str, int]:
    """Widths as `c` gives them, or as the tensors have them."""
    shapes = {
        "rnn_dims": ("rnn1.weight_hh_l0", 1),
        "fc_dims": ("fc1.weight", 0),
        "compute_dims": ("upsample.resnet.conv_in.weight", 0),
        "res_out_dims": ("upsample.resnet.conv_out.weight", 0),
    }
    arguments = {name: c[name] if name in c else state[key].shape[axis] for name, (key, axis) in shapes.items()}
    blocks = sum(key.endswith("conv1.weight") for key in state)
    return arguments | {"res_blocks": c.get("res_blocks", blocks)}
