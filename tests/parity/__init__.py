"""Reference weights in, reference outputs out: what the checkers of each family share."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor


@dataclass
class Case:
    """One file: the configuration it was made with, weights by their reference names, inputs and outputs."""

    config: dict
    metadata: dict[str, str]
    weights: dict[str, Tensor]
    given: dict[str, Tensor]
    wanted: dict[str, Tensor]

    @property
    def procedural(self) -> bool:
        return self.metadata.get("weights") == "procedural"

    def state(self, reference_shapes: dict[str, tuple[int, ...]], buffers: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The weights in the file, or made by its rule for keys and shapes of the reference."""
        if not self.procedural:
            return self.weights
        return procedural_state(reference_shapes, json.loads(self.metadata["multipliers"]), buffers or {})


def open_case(path: Path) -> Case:
    """Reads a file of the parity kit."""
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
        metadata = file.metadata()
    groups = [{k[len(p) :]: v for k, v in tensors.items() if k.startswith(p)} for p in ("w/", "in/", "out/")]
    return Case(json.loads(metadata.get("config", "{}")), metadata, *groups)


def procedural_state(
    shapes: dict[str, tuple[int, ...]], multipliers: dict[str, float], buffers: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Weights by the rules in the metadata of the full-size files: each drawn from a seed that its name gives."""
    state = {key: _draw(key, shape, shapes, buffers) for key, shape in shapes.items()}
    for key in [k for k in state if k.endswith("weight_orig")]:
        matrix = state[key].flatten(1)
        v = torch.ones(matrix.shape[1]) / matrix.shape[1] ** 0.5
        base = key.removesuffix("orig")
        state[f"{base}u"], state[f"{base}v"] = torch.nn.functional.normalize(matrix @ v, dim=0), v
    return {key: value * multipliers.get(key, 1.0) if key in multipliers else value for key, value in state.items()}


def _draw(key: str, shape: tuple[int, ...], shapes: dict, buffers: dict[str, Tensor]) -> Tensor:
    last = key.rsplit(".", 1)[-1]
    if last == "num_batches_tracked" or key in buffers:
        return buffers.get(key, torch.tensor(0))
    z = torch.from_numpy(np.random.RandomState(zlib.crc32(key.encode())).standard_normal(tuple(shape)).astype(np.float32))
    fan = float(np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 1.0
    if last == "running_mean":
        return 0.1 * z
    if last == "running_var":
        return 1 + 0.1 * z.abs()
    if last == "weight_g":
        return (1 + 0.1 * z).abs()
    if last == "weight_v" and key.replace("weight_v", "weight_g") in shapes:
        return z
    if last == "weight_orig":
        return z / fan
    if re.search(r"convinv\.\d+\.conv\.weight$", key):
        return torch.eye(shape[0])[:, :, None] + 0.1 * z
    if "bias" in last:
        return 0.1 * z
    return 1 + 0.1 * z if len(shape) <= 1 or last == "gamma" else z / fan


def old_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of torch's parametrizations under the old names of weight and spectral norm, as references have them."""
    places = {"original0": "weight_g", "original1": "weight_v", "original": "weight_orig", "0._u": "weight_u", "0._v": "weight_v"}
    renamed = {}
    for key, value in state.items():
        base, found, place = key.partition(".parametrizations.weight.")
        renamed[f"{base}.{places[place]}" if found else key] = value
    return renamed


def close(ours: Tensor, reference: Tensor, name: str, tolerance: float = 1e-4) -> None:
    """Within `tolerance` of the largest value of the reference, or of 1 where that is greater."""
    assert ours.shape == reference.shape, f"{name}: {tuple(ours.shape)} for {tuple(reference.shape)}"
    furthest = (ours - reference).abs().max().item()
    bound = tolerance * max(1.0, reference.abs().max().item())
    assert furthest <= bound, f"{name}: off by {furthest:.3g}, {bound:.3g} allowed"


def statistics(x: Tensor) -> Tensor:
    """What the kit keeps of a feature map: mean, deviation, mean size, first, last and middle value."""
    flat = x.flatten()
    return torch.stack([x.mean(), x.std(correction=0), x.abs().mean(), flat[0], flat[-1], flat[flat.numel() // 2]])


def compare(case: Case, made: dict[str, Tensor]) -> None:
    """Every output of the case, and none forgotten."""
    assert made.keys() >= case.wanted.keys(), f"not compared: {case.wanted.keys() - made.keys()}"
    for name, reference in case.wanted.items():
        close(made[name], reference, name)
