"""A network that a module uses without owning it: none of its parameters, its state, its mode or its copies."""

from __future__ import annotations

from typing import Any

from torch import nn


class Borrowed:
    """Holds `module` outside the registry of the nn.Module that has this object as an attribute.

    The module stays in eval mode and takes no gradients itself; they pass through it to its inputs. Copies of the owner
    borrow the same module.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module.eval().requires_grad_(False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Borrowed:
        return self
