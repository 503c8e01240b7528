"""What a card holds: how a model and its features are made. And the model that it describes, untrained."""

from __future__ import annotations

import functools
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

from models import MODELS
from processors.mel import MelSettings
from utils.config import build, in_groups
from utils.files import ROOT, check_shape, read_json
from utils.registry import load_object, nearest

if TYPE_CHECKING:
    from models.base.model import Model
    from modules.borrowed import Borrowed

PROGRAM_VERSION = "0.1.0"


def build_model(card: dict[str, Any], frozen: Mapping[str, Borrowed] | None = None) -> Model:
    """The model of a card, with untrained weights, around those that it uses as they are. The settings of the mel are a fact
    beside those that the card has, and so are no `channels`, where no feature says any."""
    section = card["preprocess"]
    facts = {"channels": {}, **card["facts"], **(frozen or {})}
    features = section["features"]
    if "mel" in features:
        clock = {"sample_rate": section["sample_rate"], "hop_size": section["hop_size"]}
        facts["mel"] = MelSettings.of(features["mel"], clock)
    entry = MODELS[card["model_type"]]
    model_class = load_object(entry.model)
    return build(model_class, card["model"], facts)


def settings_in_groups(card: dict[str, Any]) -> dict[str, Any]:
    """The card with its model's settings under the names that they have now."""
    cls = load_object(MODELS[card["model_type"]].model)
    return {**card, "model": in_groups(cls, card["model"])}


def versions() -> dict[str, str]:
    """What a result may depend on: our commit, and the versions of Python and torch."""
    import torch

    git = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {
        "amphion": PROGRAM_VERSION,
        "commit": git.stdout.strip() if git.returncode == 0 else "unknown",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


class FrozenRecord(TypedDict):
    """What a card says of a model that its own uses."""

    path: str
    model_type: str
    digest: str


CARD = {  # what a card holds, by the path to it
    "preprocess": dict[str, Any],
    "preprocess.sample_rate": int,
    "preprocess.hop_size": int,
    "preprocess.features": dict[str, dict[str, Any]],
    "model": dict[str, Any],
    "discriminator": dict[str, Any],
    "train": dict[str, Any],
    "frozen": dict[str, FrozenRecord],
    "facts": dict[str, Any],
    "learned": dict[str, dict[str, Any]],
    "speakers": list[str],
    "registers": dict[str, float],
    "vocoder": str,
    "dataset": list[str],
    "ledger": list[dict[str, Any]],
    "versions": dict[str, str],
    "step": int,
    "parameters": int,
    "progress": dict[str, Any],
}


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a release or checkpoint folder. Raises ValueError when it lacks what a card must hold."""
    path = Path(folder) / "card.json"
    if not path.is_file():
        raise ValueError(f"{folder} holds no card.json: it is neither a release nor a whole checkpoint.")
    card = read_json(path, dict[str, Any])
    missing = [key for key in ("model_type", "preprocess", "model", "facts", "learned") if key not in card]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: it is no card of this toolkit, or an older one.")
    if not isinstance(card["model_type"], str) or card["model_type"] not in MODELS:
        raise ValueError(f"{path}: " + nearest(card["model_type"], MODELS, "model"))
    for name, shape in CARD.items():
        *parents, key = name.split(".")
        part = functools.reduce(dict.__getitem__, parents, card)
        if key in part or parents:
            check_shape(part.get(key), shape, f"{path}, {name},")
    return card
