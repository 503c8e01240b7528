"""Weight and spectral norm by torch's parametrizations, their old key names, and folding them away for use."""

from __future__ import annotations

import re

from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

OLD_WEIGHT = re.compile(r"(.*)\.weight_([gv])$")
OLD_SPECTRAL = re.compile(r"(.*)\.weight_(orig|u|v)$")


def weight_norm(layer: nn.Module) -> nn.Module:
    """`layer` with its weight as length times direction (arXiv 1602.07868)."""
    return parametrizations.weight_norm(layer)


def spectral_norm(layer: nn.Module) -> nn.Module:
    """`layer` with its weight divided by its largest singular value (arXiv 1802.05957)."""
    return parametrizations.spectral_norm(layer)


def fold(network: nn.Module) -> nn.Module:
    """Multiplies normalised weights out, once, for use: the same outputs, faster. `network` can then not be trained on."""
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            # A copy shares its class with its original, and torch takes the property `weight` off the class.
            cls = type(module)
            module.__class__ = type(cls.__name__, cls.__bases__, dict(cls.__dict__))
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return network


def modern_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of old-style norms under the names of torch's parametrizations; other keys stay."""
    spectral = {key.removesuffix(".weight_orig") for key in state if key.endswith(".weight_orig")}
    renamed = {}
    for key, value in state.items():
        match = OLD_SPECTRAL.match(key)
        if match and match[1] in spectral:
            name = {"orig": "original", "u": "0._u", "v": "0._v"}[match[2]]
            key = f"{match[1]}.parametrizations.weight.{name}"
        elif match := OLD_WEIGHT.match(key):
            number = "gv".index(match[2])
            key = f"{match[1]}.parametrizations.weight.original{number}"
        renamed[key] = value
    return renamed


