"""jaywalnut310's VITS: pretrained_ljs.pth, pretrained_vctk.pth or G_<step>.pth next to its json (ljs_base.json, config.json)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, numbered, numbers_of, strip
from utils.files import read_json, read_weights

BESIDE = "*.json"


def knows(config: Path) -> bool:
    """Whether this configuration, or one that lies beside it, is of this program."""
    return _config(config) is not None


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "VITS"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A .pth of VITS. Raises ValueError for a front end that is not here."""
    from models.upstream.vits_maps import from_jaywalnut310

    config_path = _config(config_path)
    c = read_json(config_path, dict[str, Any])
    data = c["data"]
    arguments, facts, state = from_jaywalnut310(c, strip(read_weights(_weights(path)), "model"))
    phone, learned = _text(c, facts["n_vocab"], config_path)
    linear = {"n_fft": data["filter_length"], "win_size": data["win_length"], "convention": "vits"}
    speakers = _speakers(c, facts["n_speakers"])
    our_card = card(
        "VITS",
        data["sampling_rate"],
        data["hop_length"],
        {"phone": phone, "linear": linear, "audio": {}},
        arguments,
        facts,
        speakers,
    )
    return our_card | {"learned": learned}, state


def _config(beside: Path) -> Path | None:
    for path in [beside, *sorted(beside.parent.glob("*.json"))]:
        try:
            config = read_json(path, dict[str, Any])
        except ValueError:
            continue  # another program's
        model = config.get("model") or {}
        data = config.get("data") or {}
        if "inter_channels" in model and "text_cleaners" in data:
            return path
    return None


def _weights(path: Path) -> Path:
    if path.is_file():
        return path
    files = [f for f in path.glob("*.pth") if not f.name.startswith("D_")]
    if not files:
        raise ValueError(f"{path} holds the configuration of a VITS, but no pretrained_*.pth or G_*.pth.")
    return max(files, key=lambda f: numbers_of(f.name))


def _text(c: dict[str, Any], n_vocab: int, config_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the feature "phone", and the symbols where the file brings its own."""
    from processors.lexicon.published import vits

    cleaners = c["data"]["text_cleaners"]
    if cleaners != ["english_cleaners2"]:
        raise ValueError(f"data.text_cleaners in {config_path} is {cleaners}: only ['english_cleaners2'] is known here.")
    symbols = list(c.get("symbols") or vits())
    if len(symbols) != n_vocab:
        raise ValueError(
            f"the weights know {n_vocab} symbols, and the table has {len(symbols)}: give {config_path} a list \"symbols\", in "
            "the order of the program that trained them."
        )
    return {"symbols": "vits", "blanks": c["data"].get("add_blank", False)}, {"phone": {"symbols": symbols}}


def _speakers(c: dict[str, Any], count: int) -> list[str] | None:
    """Names where a fork writes them, in order of their numbers; else numbers."""
    names = c.get("speakers")
    if isinstance(names, dict):
        names = sorted(names, key=names.get)
    if count > 1 and isinstance(names, list) and len(names) == count:
        return names
    return numbered(count)
