"""What the readers of foreign checkpoints share: configurations in YAML and JSON5, containers, cards and names."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

from torch import Tensor

from utils import documents
from utils.config import merge
from utils.files import read_json
from utils.pretrained import WEIGHT_FILES

State = dict[str, Tensor]
Card = dict[str, Any]


def read_json5(path: Path, chain: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A configuration as upstream writes it: JSON with trailing commas, already merged; a base that still exists lies under it."""
    own = documents.read_json5(path)
    if not isinstance(own, dict):
        raise ValueError(f"{path} holds no settings: download it again.")
    base = own.pop("base_config", None)
    base_path = path.parent / str(base)
    if base_path in chain:
        raise ValueError(f"{path}: base_config leads back to {base_path.name}: download it again.")
    if not base or not base_path.is_file():
        return own
    return merge(read_json5(base_path, (*chain, base_path)), own)


def card(
    model_type: str, rate: int, hop: int, features: dict, arguments: dict, facts: dict, speakers: list[str] | None = None
) -> Card:
    """A card of ours for foreign weights."""
    return {
        "model_type": model_type,
        "dataset": [],
        "preprocess": {"sample_rate": rate, "hop_size": hop, "features": features},
        "model": json.loads(json.dumps(arguments)),
        "facts": {"sample_rate": rate, "hop_size": hop, "n_speakers": 1, "statistics": None, **facts},
        "learned": {},
        "speakers": speakers or ["foreign_default"],
    }


def mel_section(p: dict[str, Any], convention: str) -> dict[str, Any]:
    """The settings of our mel from a section that names them as Amphion does."""
    section = {name: p[name] for name in ("n_fft", "win_size", "n_mel", "fmin", "fmax") if p.get(name) is not None}
    return section | {"convention": convention}


def strip(checkpoint: Any, *wrappers: str) -> State:
    """The state dict inside the containers that training wrapped around it, without DDP's prefix."""
    if not isinstance(checkpoint, dict):
        raise ValueError(f"no state dict was found inside the checkpoint: it holds {type(checkpoint).__name__}.")
    for wrapper in wrappers:
        content = checkpoint.get(wrapper)
        if isinstance(content, dict):
            checkpoint = content
    are_tensors = [isinstance(value, Tensor) for value in checkpoint.values()]
    if not all(are_tensors):
        raise ValueError(f"no state dict was found inside the checkpoint: it holds {list(checkpoint)[:8]}.")
    return {key.removeprefix("module."): value for key, value in checkpoint.items()}


def speaker_table(path: Path) -> list[str] | None:
    """Speaker names in the order of their numbers, where the file exists."""
    if not path.is_file():
        return None
    table = read_json(path, dict[str, int])
    return sorted(table, key=table.get)


def numbered(speakers: int) -> list[str] | None:
    """Names for speakers that were published without: speaker_0, speaker_1, ...; None for one alone."""
    if not 0 <= speakers <= 2**16:
        raise ValueError(f"{speakers} speakers cannot be: the settings are damaged.")
    return [f"speaker_{i}" for i in range(speakers)] if speakers > 1 else None


def rename(key: str, names: tuple[tuple[str, str], ...]) -> str:
    """`key` after every (pattern, replacement) in turn."""
    for pattern, replacement in names:
        key = re.sub(pattern, replacement, key)
    return key


def numbers_of(name: str) -> tuple[int, ...]:
    """The numbers in a file name, to sort by."""
    return tuple(int(n) for n in re.findall(r"\d+", name))


def tuple_of(value: Any) -> Any:
    """Lists as tuples, all the way down."""
    return tuple(tuple_of(v) for v in value) if isinstance(value, list | tuple) else value


def transformers_weights(path: Path) -> Path:
    """The weights of a folder that transformers' `save_pretrained` wrote, or the file itself. Raises ValueError where there are none."""
    if path.is_file() and path.suffix != ".json":
        return path
    folder = path if path.is_dir() else path.parent
    files = [folder / name for name in WEIGHT_FILES if (folder / name).is_file()]
    if not files:
        raise ValueError(f"{folder} holds a configuration of transformers, but no {' or '.join(WEIGHT_FILES)}: download the weights too.")
    return files[0]


def names_hold(weights: Path, marks: tuple[bytes, ...]) -> bool:
    """Whether the names in a file of torch's hold all of the `marks`: they stand in the pickle within the archive, and no tensor is read."""
    if not zipfile.is_zipfile(weights):
        return False
    with zipfile.ZipFile(weights) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
        contents = [archive.read(name) for name in pickles]
    return any(all(mark in content for mark in marks) for content in contents)


def newest_step(folder: Path) -> Path:
    """Of the files step-<n>*.pt in a folder that of the greatest number. Raises ValueError where there is none."""
    files = [file for file in folder.glob("*.pt") if numbers_of(file.name)]
    if not files:
        raise ValueError(f"{folder} holds no step-<n>.pt.")
    return max(files, key=lambda file: numbers_of(file.name))
