"""What lies at a path, ours or another program's: its card, its weights, and the model that they are of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from models import FOREIGN, FOREIGN_TYPE, MODELS
from models.base.bounds import Bounded, check_numbers
from models.base.card import build_model, read_card
from models.base.checkpoint import Checkpoints, is_release, is_run, read_release
from models.base.model import Model
from modules.borrowed import Borrowed
from modules.norm import fold
from utils.hub import fetch
from utils.registry import load_object

OWN_FILES = ("card.json", "model.safetensors", "config.json")  # of a release, a checkpoint and a run


def resolve(path: str | Path, *, which: str = "newest") -> Path:
    """The folder to load from: a release, a checkpoint, or of a run its "newest" or "best" checkpoint; a hub id is fetched.
    A file of ours stands for the folder that it lies in.

    Raises ValueError when nothing is there.
    """
    folder = fetch(path)
    if folder.name in OWN_FILES and folder.is_file() and (is_release(folder.parent) or is_run(folder.parent)):
        folder = folder.parent
    _refuse_recipe(folder)
    if folder.is_dir() and not (folder / "card.json").is_file():
        checkpoints = Checkpoints(folder)
        checkpoint = checkpoints.best() if which == "best" else checkpoints.newest()
        if checkpoint is None and is_run(folder):
            raise ValueError(f"{folder} holds no whole checkpoint yet: train it (run.sh --stage 2), or wait until it has saved one.")
        folder = checkpoint or folder
    return folder


def _refuse_recipe(path: Path) -> None:
    """Raises ValueError for a config to train from, or a recipe's folder: what can be loaded is what a training made of it."""
    from utils.config import load_config

    config = path / "exp_config.json" if path.is_dir() else path
    if not (config.suffix == ".json" and config.is_file()):
        return
    try:
        settings = load_config(config)
    except ValueError:
        return
    if "dataset" in settings and settings.get("model_type") in MODELS and not is_run(config.parent):
        runs = Path(settings.get("log_dir", "ckpts"))
        raise ValueError(f"{path} is a recipe, which says how to train: load a run of it, {runs / '<name>'}, once it has a checkpoint.")


def build_for(card: dict[str, Any], weights: dict[str, Any], source: str, frozen: Mapping[str, Borrowed]) -> Model:
    """The untrained model of a card, around those that are `frozen`. Raises ValueError when its settings make no
    model, or one far larger than the weights."""
    check_numbers(card, source)
    with named(card, source), Bounded(card, weights, source):
        return build_model(card, frozen)


@contextlib.contextmanager
def named(card: dict[str, Any], source: str) -> Iterator[None]:
    """Rewords what settings lead to that fit no constructor, so that the error names their file."""
    try:
        yield
    except (ValueError, RuntimeError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError, MemoryError) as error:
        if source in str(error):
            raise
        raise ValueError(f"{source}: its settings make no {card['model_type']}: {error or 'too large'}") from error


def read(path: str | Path, *, which: str = "newest", model_type: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The card and the weights at `path`, ours or foreign."""
    folder = resolve(path, which=which)
    if is_release(folder):
        return read_release(folder)
    return load_object(FOREIGN)(folder, model_type)


def model_type_at(path: str | Path, *, which: str = "newest") -> str:
    """The name of the model at `path`, ours or foreign, as its card or configuration tells; no weights are read where they do not
    hold the configuration themselves. Raises ValueError as `load` does.
    """
    folder = resolve(path, which=which)
    if is_release(folder):
        return read_card(folder)["model_type"]
    return load_object(FOREIGN_TYPE)(folder)


def fit_weights(model: nn.Module, weights: dict[str, Any], source: str) -> None:
    """Loads `weights`, all of them. Raises ValueError listing missing, unknown and misshapen tensors."""
    problems = misfits(model, weights)
    if problems:
        more = f"\n  ... {len(problems)} in all" if len(problems) > 12 else ""
        shown = "\n  ".join(problems[:12])
        raise ValueError(f"the weights of {source} do not fit {type(model).__name__}; are they another model's?\n  {shown}{more}")
    model.load_state_dict(weights)


def misfits(model: nn.Module, weights: dict[str, Any]) -> list[str]:
    """Missing, unknown and misshapen tensors, a line each. Weights whose norms were multiplied out fold the model's too."""
    own = model.state_dict()
    lacking = own.keys() - weights.keys()
    if any(f"{key.split('.parametrizations.')[0]}.weight" in weights for key in lacking):
        own = fold(model).state_dict()  # published with its norms already multiplied out
    shared = own.keys() & weights.keys()
    problems = [f"missing {name}" for name in own.keys() - shared]
    problems += [f"unknown {name}" for name in weights.keys() - shared]
    for name in shared:
        given = tuple(weights[name].shape)
        wanted = tuple(own[name].shape)
        if given != wanted:
            problems.append(f"{name} is {given}, not {wanted}")
    return sorted(problems)
