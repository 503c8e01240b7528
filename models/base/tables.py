"""Weights to begin with, of another training: what fits, by the names of tensors, and of tables by the names of their rows.

Symbols and speakers have such tables; a model says in `tables` which of its tensors they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from models.base.loading import read
from models.base.model import Model
from models.base.settings import InitFrom, Origin, TrainConfig
from models.base.stages import is_in
from utils.log import log
from utils.names import some

SHOWN = 40  # names in a message
MISFITS = 8  # lines of a message
SHARE = TrainConfig.init_share


def tables(model: Model) -> dict[str, str]:
    """The names of the tensors whose rows stand for something -> for what, "symbols" or "speakers", of those that this model has."""
    own = model.state_dict()
    found = {}
    for kind, named in model.tables.items():
        names = [named] if isinstance(named, str) else named
        found |= {name: kind for name in names if name in own}
    return found


def tells_speakers(model: Model) -> bool:
    """Whether it matters to the model who speaks."""
    return "speakers" in tables(model).values()


def row_names(card: dict[str, Any]) -> dict[str, list[str]]:
    """The names of the rows, by what they stand for, as far as a card, ours or foreign, knows them."""
    from processors.features import FeatureSet

    p = card["preprocess"]
    clock = {"sample_rate": p["sample_rate"], "hop_size": p["hop_size"]}
    features = FeatureSet(p["features"], **clock)
    features.restore(card.get("learned", {}))
    symbols = features.features["phone"].table if "phone" in features.features else []
    speakers = card.get("speakers") or []
    return {"symbols": list(symbols), "speakers": list(speakers)}


def begin_with(source: InitFrom, model: Model, card: dict[str, Any], *, share: float = SHARE, setting: str = "train.init_from") -> None:
    """Gives `model`, of `card`, what fits of the weights that `source` names, and says what: one path, or part -> path.

    Raises ValueError where there are none, and where less than `share` of the model, or of the part, fits. `setting` is the
    name of `source` in the config.
    """
    for part, place in _places(source).items():
        whose = f"{setting}.{part}" if part else setting
        given = part if place.part is None else place.part
        try:
            _check_part(model, part)
            theirs, weights = read(place.path)
            weights = _moved(weights, given, part)
            done = inherit(model, card, weights, theirs, share=share, part=part)
        except ValueError as error:
            raise ValueError(f"{whose}: {place.path}: {error}") from error
        for line in done:
            log.info(f"from {place.path}: {line}")


def _places(source: InitFrom) -> dict[str, Origin]:
    """Where each part begins; "" is the whole model."""
    if isinstance(source, str):
        return {"": Origin(source, "")}
    return {part: Origin(place, part) if isinstance(place, str) else place for part, place in source.items()}


def _check_part(model: Model, part: str) -> None:
    own = model.state_dict()
    if not _inside(own, part):
        raise ValueError(f"{type(model).__name__} has no part {part!r}. Its parts: {_parts(own)}.")


def _moved(weights: Mapping[str, Tensor], given: str, part: str) -> dict[str, Tensor]:
    """The weights of the part `given` under the names of the part `part`; "" is the whole."""
    moved = {}
    for name, value in _inside(weights, given).items():
        inner = name.removeprefix(given).lstrip(".")
        moved[f"{part}.{inner}".strip(".")] = value
    if not moved:
        raise ValueError(f"it has no part {given!r}. Its parts: {_parts(weights)}.")
    return moved


def _inside(weights: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """Those of the tensors that belong to the part; "" is the whole."""
    parts = [part] if part else []
    return {name: value for name, value in weights.items() if is_in(name, parts)}


def _parts(names: Iterable[str]) -> str:
    """The parts that these tensors belong to, as a message gives them."""
    return some(sorted({name.split(".")[0] for name in names}), SHOWN)


def inherit(
    model: Model,
    card: dict[str, Any],
    weights: Mapping[str, Tensor],
    theirs: dict[str, Any],
    *,
    share: float = SHARE,
    part: str = "",
) -> list[str]:
    """Gives `model`, of `card`, or its `part`, what fits of the `weights` that another card, `theirs`, describes: whole
    tensors, and of tables the rows that bear the same name. Returns what was done and what was left as initialised, a line each.

    Raises ValueError where less than `share` of the numbers fits, those of the tables aside.
    """
    state = model.state_dict()
    own = _inside(state, part)
    whole = {name: value for name, value in weights.items() if name in own and value.shape == own[name].shape}
    by_name = _rows_by_name(model, own, row_names(card), weights, row_names(theirs))
    begun = {name: value for name, value in whole.items() if name not in by_name}
    begun |= {name: rows.table for name, rows in by_name.items() if rows.matched}
    if not begun:
        raise ValueError(f"it shares no tensor with {type(model).__name__}; is it another model?")
    beside_tables = {name: value for name, value in own.items() if name not in tables(model)}
    _check_share(beside_tables, weights, share)
    model.load_state_dict({**state, **begun})
    left = sorted(own.keys() - begun.keys())
    summary = f"{len(begun)} of {len(own)} tensors; as initialised: {some(left, SHOWN) or 'none'}"
    return [summary, *(rows.summary for rows in by_name.values())]


def _check_share(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], share: float) -> None:
    """Raises ValueError where less than `share` of the numbers in `own` has a tensor of its name and shape among `weights`."""
    problems = []
    missing = 0
    for name, value in own.items():
        if name not in weights:
            problems.append(f"{name} is missing there")
        elif weights[name].shape != value.shape:
            problems.append(f"{name} is {tuple(weights[name].shape)} there, {tuple(value.shape)} here")
        else:
            continue
        missing += value.numel()
    total = sum(value.numel() for value in own.values())
    if missing <= (1 - share) * total:
        return
    listed = "\n  ".join([*problems[:MISFITS], f"... {len(problems)} in all" if len(problems) > MISFITS else ""]).rstrip()
    raise ValueError(
        f"only {1 - missing / total:.1%} of the numbers fit, and {share:.0%} are asked for; is it another model, or of other "
        f"sizes? Where little is meant to fit, lower train.init_share.\n  {listed}"
    )


@dataclass(frozen=True)
class Rows:
    """A table with what was found by the names of its rows."""

    table: Tensor
    matched: int
    summary: str


def _rows_by_name(
    model: Model, own: Mapping[str, Tensor], here: dict[str, list[str]], weights: Mapping[str, Tensor], there: dict[str, list[str]]
) -> dict[str, Rows]:
    """Those tables of `own` whose rows are found by name, not by number. `here` and `there` are the names of the rows."""
    done = {}
    for name, kind in tables(model).items():
        if name not in own or name not in weights:
            continue
        sides = (own[name], here[kind], weights[name], there[kind])
        if not _by_name(*sides):
            continue  # the whole table, where it fits
        table, lacking = _rows(*sides)
        total = len(here[kind])
        matched = total - len(lacking)
        summary = f"{matched} of {total} {kind} by name; as initialised: {some(lacking, SHOWN) or 'none'}"
        done[name] = Rows(table, matched, summary)
    return done


def _by_name(own: Tensor, here: list[str], given: Tensor, there: list[str]) -> bool:
    """Whether rows are to be found by their names: both have some (a foreign voice alone has none of its own), and not the same."""
    same = here == there and own.shape == given.shape
    return bool(here) and len(there) > 1 and own.shape[1:] == given.shape[1:] and not same


def _rows(own: Tensor, here: list[str], given: Tensor, there: list[str]) -> tuple[Tensor, list[str]]:
    """`own` with the rows of `given` that bear its names, and the names that found none."""
    known = there[: len(given)]
    numbers = {name: number for number, name in enumerate(known)}
    table = own.clone()
    for number, name in enumerate(here[: len(own)]):
        if name not in numbers:
            continue
        row = numbers[name]
        table[number] = given[row].to(table)
    lacking = [name for name in here if name not in numbers]
    return table, lacking
