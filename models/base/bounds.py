"""Bounds on what a card may ask for before its weights are seen to fit: a few wrong bytes must not cost minutes or gigabytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

GREATEST = 2**20  # of any size or count in a card but those of a mel's frequencies and the seed
ENTRIES = 2**16  # of all lists of a card's settings together
# Beyond what the weights hold: tables that are computed, and norms that were multiplied out.
SPARE_NUMBERS, SPARE_TENSORS = 2**26, 2000
MAKERS = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.linspace, torch.eye}


def check_numbers(card: dict[str, Any], source: str) -> None:
    """Raises ValueError naming a setting of the model or its features that is too large to be one."""
    entries = 0
    sections = {name: card[name] for name in ("model", "preprocess", "facts") if name in card}
    for at, value in _settings(sections):
        if isinstance(value, list | tuple):
            entries += len(value)
        elif isinstance(value, int | float) and not abs(value) <= GREATEST:
            raise ValueError(f"{source}: {at} is {value!r}, and {GREATEST} at most can be: the settings are damaged.")
        if entries > ENTRIES:
            raise ValueError(f"{source}: {at} and the other lists have more than {ENTRIES} entries: the settings are damaged.")


def _settings(sections: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every value of `sections`, and of the dicts and lists in them, with the path to it; a dict is given by its values alone."""
    todo = list(sections.items())
    while todo:
        at, value = todo.pop()
        if isinstance(value, dict):
            todo += [(f"{at}.{key}", inner) for key, inner in value.items()]
            continue
        yield at, value  # a list before its entries: who counts them may stop
        if isinstance(value, list | tuple):
            todo += [(f"{at}[{i}]", inner) for i, inner in enumerate(value)]


class Bounded(TorchFunctionMode):
    """While a model is built: raises ValueError once it has asked for far more tensors, or numbers, than its weights hold."""

    def __init__(self, card: dict[str, Any], weights: dict[str, Any], source: str) -> None:
        super().__init__()
        tensors = [value for value in weights.values() if isinstance(value, torch.Tensor)]
        count = len(tensors)
        numbers = sum(tensor.numel() for tensor in tensors)
        # What may still be asked for.
        self.tensors = SPARE_TENSORS + 8 * count
        self.numbers = SPARE_NUMBERS + 4 * numbers
        self.card = card
        self.source = source

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        if function in MAKERS:
            self.tensors -= 1
            self.numbers -= _wanted(function, args, kwargs or {})
        if self.tensors < 0 or self.numbers < 0:
            raise ValueError(
                f"{self.source}: the settings describe a far larger model than the weights are of: see {', '.join(_largest(self.card))}."
            )
        return function(*args, **(kwargs or {}))


def _wanted(function: Any, args: tuple, kwargs: dict[str, Any]) -> float:
    """How many numbers a call will make; of a shape, the product of its sizes."""
    named = [kwargs[name] for name in ("size", "end", "steps", "n") if name in kwargs]
    arguments = [*args, *named]
    if function is torch.full:
        arguments = arguments[:1]
    sizes: list[Any] = []
    for argument in arguments:
        sizes += argument if isinstance(argument, tuple | list) else [argument]
    shape = [abs(size) for size in sizes if isinstance(size, int | float)]
    if function in (torch.arange, torch.linspace):
        return max(shape, default=0)
    numbers = math.prod(shape)
    return numbers**2 if function is torch.eye else numbers


def _largest(card: dict[str, Any]) -> list[str]:
    """The model's largest settings, as "name = value"."""
    sizes = []
    section = {"model": card.get("model", {})}
    for at, value in _settings(section):
        if isinstance(value, list | tuple):
            entries = len(value)
            sizes.append((entries, f"{at} with {entries} entries"))
        elif isinstance(value, int) and not isinstance(value, bool):
            sizes.append((value, f"{at} = {value}"))
    sizes.sort(reverse=True)
    return [description for _, description in sizes[:3]]
