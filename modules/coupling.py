"""Invertible layers that leave half of the channels as they are and move the other half by what they see in the first.

Each has `forward(x, mask, condition) -> (y, log-determinant (batch,))` and `inverse(y, mask, condition) -> x`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from modules.gated import GatedStack
from modules.planes import planes


@dataclass(frozen=True, kw_only=True)
class FlowSizes:
    """Of a `Flow` of residual couplings with gated stacks; the defaults are those of VITS."""

    flows: int = 4
    layers: int = 4
    kernel: int = 5
    separable: bool = False

    def network(self, latent: int, hidden: int, condition_channels: int) -> Flow:
        """The flow over latent frames, between the posterior and the prior."""
        return Flow.flipping(lambda: ResidualCoupling(latent, hidden, self.inside(hidden, condition_channels)), self.flows)

    def inside(self, hidden: int, condition_channels: int) -> nn.Module:
        """The network of a coupling."""
        return GatedStack(
            channels=hidden,
            kernel_size=self.kernel,
            dilations=(1,) * self.layers,
            condition_channels=condition_channels,
            separable=self.separable,
        )


class ResidualCoupling(nn.Module):
    """Shifts (and, unless `mean_only`, scales) the second half of the channels, by a network over the first.

    `network` maps (batch, hidden, places), a mask and a condition to (batch, hidden, places); one that several couplings share
    is `owned` by none of them. A `GatedStack` works on planes instead.
    """

    def __init__(
        self, channels: int, hidden: int, network: nn.Module, *, mean_only: bool = True, owned: bool = True
    ) -> None:
        super().__init__()
        if channels % 2:
            raise ValueError(f"a coupling halves its channels: {channels} must be even.")
        self.half = channels // 2
        self.mean_only = mean_only
        self.pre = nn.Conv1d(self.half, hidden, 1)
        self.enc = network if owned else None
        self.shared = None if owned else (network,)  # in a tuple, it is no part of this module
        moments = 1 if mean_only else 2
        self.post = almost_zero(nn.Conv1d(hidden, moments * self.half, 1))

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        first, second = x.split(self.half, 1)
        shift, log_scale = self._terms(first, mask, condition)
        second = shift + second * log_scale.exp() * mask
        return torch.cat([first, second], 1), log_scale.sum((1, 2))

    def inverse(self, y: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        first, second = y.split(self.half, 1)
        shift, log_scale = self._terms(first, mask, condition)
        return torch.cat([first, (second - shift) * (-log_scale).exp() * mask], 1)

    def _terms(self, first: Tensor, mask: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        network = self.enc if self.shared is None else self.shared[0]
        hidden = inside(network, self.pre(first), mask, condition)
        moments = self.post(hidden) * mask
        moments = moments.float()  # what is undone later must not have been rounded by autocast
        if self.mean_only:
            return moments, torch.zeros_like(moments)
        return moments.split(self.half, 1)


class Flip(nn.Module):
    """Turns the order of the channels round, so that the next coupling moves the other half."""

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x.flip(1), x.new_zeros(len(x))

    def inverse(self, y: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        return y.flip(1)


class Flow(nn.Module):
    """Invertible layers one after the other. `shared` is a network that some of them use and none owns."""

    def __init__(self, layers: list[nn.Module], shared: nn.Module | None = None) -> None:
        super().__init__()
        self.flows = nn.ModuleList(layers)
        self.wn = shared

    @classmethod
    def flipping(cls, coupling: Callable[[], nn.Module], count: int, shared: nn.Module | None = None) -> Flow:
        """So many couplings, after each of which the channels are turned round."""
        layers: list[nn.Module] = []
        for _ in range(count):
            layers.append(coupling())
            layers.append(Flip())
        return cls(layers, shared)

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return through(self.flows, x, mask, condition)

    def inverse(self, y: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        return back(self.flows, y, mask, condition)


def inside(network: nn.Module, x: Tensor, mask: Tensor, condition: Tensor | None) -> Tensor:
    """What the network of a coupling makes of `x` (batch, hidden, places)."""
    if isinstance(network, GatedStack):
        return on_planes(network, x, mask, condition)
    return network(x, mask, condition)


def on_planes(stack: GatedStack, x: Tensor, mask: Tensor, condition: Tensor | None) -> Tensor:
    """A stack of planes over (batch, channels, places); `condition` (batch, channels, 1 or places)."""
    if condition is not None:
        condition = planes(condition)
    out = stack(planes(x), condition, mask.unsqueeze(2))
    return out.squeeze(2) * mask


def through(flows: nn.ModuleList, x: Tensor, mask: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
    """`x` after every layer, and the sum of the log-determinants (batch,)."""
    total = x.new_zeros(len(x))
    for flow in flows:
        x, log_det = flow(x, mask, condition)
        total = total + log_det
    return x, total


def back(flows: nn.ModuleList, y: Tensor, mask: Tensor, condition: Tensor | None) -> Tensor:
    """What `through` made `y` of."""
    for flow in reversed(flows):
        y = flow.inverse(y, mask, condition)
    return y


def almost_zero(layer: nn.Module) -> nn.Module:
    """`layer` with next to no weight, so that a flow begins as no change at all, and yet every layer learns from the first step."""
    nn.init.normal_(layer.weight, 0.0, 1e-4)
    nn.init.zeros_(layer.bias)
    return layer
