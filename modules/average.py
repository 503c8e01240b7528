"""Moving averages of weights: of a whole model, to be released, and of its parts, for use within a training step."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from modules.borrowed import Borrowed


class Target(Borrowed):
    """A copy of a module that follows it slowly: `decay` of itself and the rest of the module at each update."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__(copy.deepcopy(module))
        self.decay = decay

    @torch.no_grad()
    def begin(self, module: nn.Module) -> None:
        """Becomes equal to `module`."""
        self.module.load_state_dict(module.state_dict())

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Takes one step towards `module`; buffers, such as the statistics of a batch norm, are taken as they are."""
        parameters = zip(self.module.parameters(), module.parameters(), strict=True)
        buffers = zip(self.module.buffers(), module.buffers(), strict=True)
        for average, value in parameters:
            average.lerp_(value, 1 - self.decay)
        for average, value in buffers:
            average.copy_(value)


def averaged(model: nn.Module, decay: Callable[[], float]) -> AveragedModel:
    """The average of `model`; `decay` is asked at each update."""

    def average(averages: list[Tensor], values: list[Tensor], updates: Any) -> None:
        get_ema_multi_avg_fn(decay())(averages, values, updates)

    return AveragedModel(model, multi_avg_fn=average)
