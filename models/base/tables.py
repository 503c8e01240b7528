"""Tables whose rows have names: symbols and speakers. A model says in `tables` which of its tensors they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.base.model import Model
from utils.log import log
from utils.names import some

SHOWN = 40  # names in a message


def tables(model: Model) -> dict[str, str]:
    """What the rows stand for, "symbols" or "speakers" -> the tensor's name, of those that this model has."""
    own = model.state_dict()
    return {kind: name for kind, name in model.tables.items() if name in own}


def tells_speakers(model: Model) -> bool:
    """Whether it matters to the model who speaks."""
    return "speakers" in tables(model)


def row_names(card: dict[str, Any]) -> dict[str, list[str]]:
    """The names of the rows, by what they stand for, as far as a card, ours or foreign, knows them."""
    from processors.features import FeatureSet

    p = card["preprocess"]
    features = FeatureSet(p["features"], sample_rate=p["sample_rate"], hop_size=p["hop_size"])
    features.restore(card.get("learned", {}))
    symbols = features.features["phone"].table if "phone" in features.features else []
    return {"symbols": list(symbols), "speakers": list(card.get("speakers") or [])}


def begin_with(path: str, model: Model, card: dict[str, Any]) -> None:
    """Gives `model`, of `card`, what fits of the weights at `path`, and says what. Raises ValueError where nothing does, or there are none."""
    from models.base.task import read

    try:
        theirs, weights = read(path)
        done = inherit(model, card, weights, theirs)
    except ValueError as error:
        raise ValueError(f"train.init_from: {path}: {error}") from error
    for line in done:
        log.info(f"from {path}: {line}")


def inherit(model: Model, card: dict[str, Any], weights: Mapping[str, Tensor], theirs: dict[str, Any]) -> list[str]:
    """Gives `model`, of `card`, what fits of the `weights` that another card, `theirs`, describes: whole tensors, and of tables
    the rows that bear the same name. Returns what was done and what was left as initialised, a line each.

    Raises ValueError where nothing fits.
    """
    own = model.state_dict()
    whole = {name: value for name, value in weights.items() if name in own and value.shape == own[name].shape}
    made, lines = {**own, **whole}, []
    here, there = row_names(card), row_names(theirs)
    for kind, name in tables(model).items():
        if name not in weights or not _by_name(own[name], here[kind], weights[name], there[kind]):
            continue  # the whole table, where it fits
        made[name], lacking = _rows(own[name], here[kind], weights[name], there[kind])
        found = len(here[kind]) - len(lacking)
        whole.pop(name, None)
        if found:
            whole[name] = made[name]
        lines.append(f"{found} of {len(here[kind])} {kind} by name; as initialised: {some(lacking, SHOWN) or 'none'}")
    if not whole:
        raise ValueError(f"it shares no tensor with {type(model).__name__}; is it another model?")
    model.load_state_dict(made)
    left = sorted(own.keys() - whole.keys())
    return [f"{len(whole)} of {len(own)} tensors; as initialised: {some(left, SHOWN) or 'none'}", *lines]


def _by_name(own: Tensor, here: list[str], given: Tensor, there: list[str]) -> bool:
    """Whether rows are to be found by their names: both have some (a foreign voice alone has none of its own), and not the same."""
    same = here == there and own.shape == given.shape
    return bool(here) and len(there) > 1 and own.shape[1:] == given.shape[1:] and not same


def _rows(own: Tensor, here: list[str], given: Tensor, there: list[str]) -> tuple[Tensor, list[str]]:
    """`own` with the rows of `given` that bear its names, and the names that found none."""
    numbers = {name: number for number, name in enumerate(there[: len(given)])}
    made = own.clone()
    for number, name in enumerate(here[: len(own)]):
        if name in numbers:
            made[number] = given[numbers[name]].to(made)
    lacking = [name for name in here if name not in numbers]
    return made, lacking
