"""Other trained models that a model uses as they are: an autoencoder's codes, a teacher's answers. Found, checked and held.

The section `frozen` of a config says by name where each lies; the model's constructor takes them by these names. A card keeps
the place and a digest of the weights, by which they are known again wherever they lie later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.base.loading import build_for, fit_weights, read, resolve
from modules.borrowed import Borrowed
from utils.digest import digest_of_bytes
from utils.pretrained import Source, locate

FOLDER = "frozen"  # beside a release, for what it needs


class Frozen(Borrowed):
    """Another trained model: `module` is the network, in eval mode and without gradients of its own; `card` tells all about it.

    `facts` are those of its card, such as n_mel. It lies at `path`; `digest` stands for its weights.
    """

    def __init__(self, module: nn.Module, card: dict[str, Any], path: str, digest: str) -> None:
        super().__init__(module)
        self.card = card
        self.path = path
        self.digest = digest

    @property
    def facts(self) -> dict[str, Any]:
        return self.card["facts"]

    @property
    def record(self) -> dict[str, str]:
        """What the card of a model that uses it says of it."""
        return {"path": self.path, "model_type": self.card["model_type"], "digest": self.digest}


def load_frozen(paths: Mapping[str, str]) -> dict[str, Frozen]:
    """The models of a section `frozen`: name -> release, checkpoint, run, hub id or foreign checkpoint. Raises ValueError naming
    the one that cannot be loaded."""
    loaded = {}
    for name, path in paths.items():
        try:
            place = str(resolve(path)) if Path(path).expanduser().exists() else path
            card, weights = read(place)
            loaded[name] = _built(card, weights, place)
        except ValueError as error:
            raise ValueError(f"frozen.{name}: {error}") from error
    return loaded


def find_frozen(card: dict[str, Any], source: Path) -> dict[str, Frozen]:
    """The models that the one of `card`, which lies at `source`, was trained with. Raises ValueError saying what is missing, where
    it was looked for, and where to put it."""
    return {name: _find(name, record, card, source) for name, record in card.get("frozen", {}).items()}


def _find(name: str, record: dict[str, str], user: dict[str, Any], source: Path) -> Frozen:
    looked = []
    for place in _places(name, record["path"], source):
        try:
            card, weights = read(place)
        except ValueError as error:
            looked.append(f"{place}: {error}")
            continue
        if digest_of_weights(weights) == record["digest"]:
            return _built(card, weights, place)
        looked.append(f"{place}: a {card['model_type']}, but its weights are others (digest {digest_of_weights(weights)})")
    wanted = f"a {record['model_type']} whose weights have the digest {record['digest']}"
    raise ValueError(
        f"{source}: this {user['model_type']} uses another trained model, its {name}, {wanted}. It is none of\n  "
        + "\n  ".join(looked)
        + f"\nPut its release or checkpoint into {source / FOLDER / name}."
    )


def _places(name: str, path: str, source: Path) -> Iterator[str]:
    """Where a frozen model may lie: where it lay, beside its user, in the models folder, and on the hub."""
    own_name = Path(path).name
    folders = [Path(path).expanduser(), source / path, source / FOLDER / name, source.parent / own_name]
    yield from dict.fromkeys(str(folder) for folder in folders if folder.exists())
    in_models_folder = locate(Source(own_name, "a release"))
    if in_models_folder:
        yield in_models_folder
    if not folders[0].exists():
        yield path


def _built(card: dict[str, Any], weights: Mapping[str, Tensor], place: str) -> Frozen:
    model = build_for(card, weights, place, find_frozen(card, resolve(place)))
    fit_weights(model, weights, place)
    return Frozen(model.prepared(), card, place, digest_of_weights(weights))


def digest_of_weights(weights: Mapping[str, Tensor]) -> str:
    """The name of these weights: the same whatever file holds them."""
    parts = []
    for name, value in sorted(weights.items()):
        description = f"{name} {value.dtype} {tuple(value.shape)}"
        parts.append(description.encode())
        numbers = value.detach().cpu().contiguous().view(-1)
        parts.append(numbers.view(torch.uint8).numpy().data)
    return digest_of_bytes(*parts)
