"""Losses weighed by how far each pulls, and not by how large it is.

`Balancer` is EnCodec's (https://arxiv.org/abs/2210.13438, 3.4), of losses of one sound; `adaptive_weight` is VQGAN's
(https://arxiv.org/abs/2012.09841, 3.1), of an adversarial loss beside another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from utils.registry import nearest

SMALLEST = 1e-30  # of a gradient that is divided by
ADDED = 1e-4  # to the gradient of an adversarial loss before it is divided by


@dataclass(frozen=True)
class AdaptiveWeight:
    """The section `train.adaptive_weight`: the adversarial loss is multiplied until it pulls at the model's last layer as far as another does.

    `against`: that other loss. The factor is kept between `least` and `most`.
    """

    against: str = "reconstruction"
    least: float = 0.0
    most: float = 10.0


class Balancer:
    """Of the gradients that reach a sound, each has the share of its weight, whatever its loss is measured in.

    A gradient is divided by the moving average of its size, whose `decay` is that of an update. `state` is what goes on.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, tuple[float, float]] = {}  # of each loss: a sum of sizes, and of how many, both decayed

    def __call__(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], sound: Tensor, shared: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """A scalar whose gradient is the balanced one: what is minimised. Its value says nothing.

        `sound` (batch, ...) is what the balanced losses are worked out from; the others are added, times their weights. The gradients of an
        item are together as long as 1 / batch. `shared` gives the mean of a tensor over all processes.
        """
        weight = {name: weights.get(name, 1.0) for name in losses}
        gradients, others = self._gradients(losses, sound)
        total = sum(weight[name] for name in gradients)
        pull = torch.zeros_like(sound)
        for name, gradient in gradients.items():
            length = shared(_length(gradient))
            size = self._size(name, length.item())
            share = weight[name] / total
            pull += share / size * gradient
        balanced = (sound * pull).sum() / len(sound)
        for name in others:
            balanced = balanced + weight[name] * losses[name]
        return balanced

    def _gradients(self, losses: Mapping[str, Tensor], sound: Tensor) -> tuple[dict[str, Tensor], list[str]]:
        """The gradient of each loss that the sound has a say in, and the names of the others."""
        gradients = {}
        others = []
        for name, loss in losses.items():
            (gradient,) = torch.autograd.grad(loss, sound, retain_graph=True, allow_unused=True)
            if gradient is None:
                others.append(name)
            else:
                gradients[name] = gradient.detach()
        return gradients, others

    def _size(self, name: str, length: float) -> float:
        """The moving average of a loss's gradient, the present one among it."""
        sizes, updates = self.state.get(name, (0.0, 0.0))
        sizes = self.decay * sizes + length
        updates = self.decay * updates + 1
        self.state[name] = (sizes, updates)
        return max(sizes / updates, SMALLEST)


def _length(gradient: Tensor) -> Tensor:
    """That of an item's gradient, a mean over the batch."""
    return gradient.float().flatten(1).norm(dim=1).mean()


def adaptive_weight(
    losses: Mapping[str, Tensor], adversarial: Tensor, layer: Tensor, how: AdaptiveWeight, shared: Callable[[Tensor], Tensor]
) -> Tensor:
    """What an adversarial loss is multiplied by, a scalar without gradient; `layer` is the weight of the model's last layer.

    `shared` gives the mean of a tensor over all processes. Raises ValueError for a loss that there is none of.
    """
    if how.against not in losses:
        names = [name for name, value in losses.items() if value.ndim == 0]
        raise ValueError("train.adaptive_weight.against: " + nearest(how.against, names, "loss"))
    reference = _pull(losses[how.against], layer)
    pull = _pull(adversarial, layer)
    weight = shared(reference) / (shared(pull) + ADDED)
    return weight.clamp(how.least, how.most)


def _pull(loss: Tensor, layer: Tensor) -> Tensor:
    """How long the gradient of a loss is at a layer's weight."""
    (gradient,) = torch.autograd.grad(loss, layer, retain_graph=True)
    return gradient.detach().float().norm()
