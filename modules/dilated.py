"""A network that takes noise out of a mel: gated convolutions that see ever further, told the step and the condition.

It is DiffWave's (https://arxiv.org/abs/2009.09761) on frames, as DiffSVC and CoMoSVC have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from modules.diffusion import geometric_frequencies, waves_of
from modules.gated import gate, masked, plus
from modules.planes import planes, run
from modules.windows import windows

KEPT = 2**30  # bytes that what the layers make of a condition may take to be kept from step to step
LONG = 4000  # frames; more are worked out window by window, so that the memory does not grow with the song
CHUNK = 2000  # frames that a window gives


@dataclass(frozen=True, kw_only=True)
class StepSizes:
    """Of what makes a vector of a step of diffusion: `waves` cosines and sines together, then `layers` as wide as `hidden`."""

    waves: int = 128
    hidden: int = 512
    layers: int = 2
    activation: Literal["SiLU", "ReLU", "GELU", "Mish"] = "SiLU"
    period: float = 10_000.0  # steps, of the slowest wave


@dataclass(frozen=True, kw_only=True)
class DilatedSizes:
    """Of the convolutions: the dilation doubles from layer to layer, and begins again with each cycle."""

    channels: int = 384
    layers: int = 20
    kernel: int = 3
    cycle: int = 4


class DilatedDenoiser(nn.Module):
    """A noisy mel (batch, frames, n_mel) at a step, under a condition, to what is asked of it, of the same shape."""

    def __init__(
        self, *, n_mel: int, condition_channels: int, steps: StepSizes = StepSizes(), stack: DilatedSizes = DilatedSizes()
    ) -> None:
        super().__init__()
        self.diff_encoder = StepEncoder(steps, stack.channels)
        self.neural_network = DilatedStack(n_mel, condition_channels, stack)

    @property
    def reach(self) -> int:
        """Frames on either side that have a say in one."""
        blocks = self.neural_network.residual_blocks
        return sum(block.gau.conv.padding[0] for block in blocks)

    def forward(self, noisy: Tensor, steps: Tensor, shares: Shares, mask: Tensor | None = None) -> Tensor:
        """`steps` (batch,) or (1,), whole or between two; `shares` are what `conditions` gives. `mask` (batch, frames) is False beyond
        the end of an utterance, which then comes out as it does alone."""
        frames = noisy.shape[1]
        if frames <= LONG or torch.is_grad_enabled():
            return self._predicted(noisy, steps, shares, mask)
        parts = []
        for window in windows(frames, CHUNK, self.reach):
            read = slice(window.first, window.last)
            inside = None if mask is None else mask[:, read]
            part = self._predicted(noisy[:, read], steps, shares.of(read), inside)
            start = window.start - window.first
            stop = window.stop - window.first
            parts.append(part[:, start:stop])
        return torch.cat(parts, 1)

    def _predicted(self, noisy: Tensor, steps: Tensor, shares: Iterable[Tensor], mask: Tensor | None) -> Tensor:
        x = planes(noisy.transpose(1, 2))
        inside = None
        if mask is not None:
            inside = mask[:, None, None].to(x.dtype)
        vector = self.diff_encoder(steps)
        vector = vector[:, :, None, None]
        out = self.neural_network(x, vector, shares, inside)
        prediction = out[:, :, 0]
        return prediction.transpose(1, 2)

    def conditions(self, condition: Tensor) -> Shares:
        """What each layer makes of a condition (batch, frames, channels); the same at every step."""
        layers = [block.gau.context_proj for block in self.neural_network.residual_blocks]
        return Shares(layers, planes(condition.transpose(1, 2)))

    def kept_conditions(self, condition: Tensor) -> Shares:
        """As `conditions`, but worked out once for all steps, where there is room to keep them."""
        shares = self.conditions(condition)
        channels = len(shares.layers) * shares.layers[0].out_channels
        numbers = condition.shape[0] * condition.shape[1] * channels
        if numbers * condition.element_size() <= KEPT:
            shares.keep()
        return shares


class Shares:
    """What each of the `layers` makes of a condition in planes, one after another: kept, or worked out again each time."""

    def __init__(self, layers: Sequence[nn.Module], condition: Tensor, kept: list[Tensor] | None = None) -> None:
        self.layers = layers
        self.condition = condition
        self.kept = kept

    def __iter__(self) -> Iterator[Tensor]:
        if self.kept is not None:
            return iter(self.kept)
        return (run(layer, self.condition) for layer in self.layers)

    def keep(self) -> None:
        """Works them out now."""
        self.kept = list(self)

    def of(self, frames: slice) -> Shares:
        """Those of some frames."""
        kept = None
        if self.kept is not None:
            kept = [share[..., frames] for share in self.kept]
        return Shares(self.layers, self.condition[..., frames], kept)


class StepEncoder(nn.Module):
    """Steps of diffusion (batch,) to vectors (batch, width)."""

    def __init__(self, sizes: StepSizes, width: int) -> None:
        super().__init__()
        frequencies = geometric_frequencies(sizes.waves // 2, period=sizes.period)
        self.register_buffer("frequencies", frequencies, persistent=False)
        layers: list[nn.Module] = []
        inputs = sizes.waves
        for _ in range(sizes.layers):
            activation = getattr(nn, sizes.activation)
            layers += [nn.Linear(inputs, sizes.hidden), activation()]
            inputs = sizes.hidden
        layers.append(nn.Linear(inputs, width))
        self.out = nn.Sequential(*layers)

    def forward(self, steps: Tensor) -> Tensor:
        return self.out(waves_of(steps, self.frequencies, cosine_first=True))


class DilatedStack(nn.Module):
    """Planes (batch, n_mel, 1, frames) to planes of the same shape."""

    def __init__(self, n_mel: int, condition_channels: int, sizes: DilatedSizes) -> None:
        super().__init__()
        if sizes.kernel % 2 == 0:
            raise ValueError(f"kernel: {sizes.kernel} must be odd, for example 3 or 5.")
        width = sizes.channels
        self.input = nn.Sequential(nn.Conv1d(n_mel, width, 1), nn.ReLU())
        self.residual_blocks = nn.ModuleList()
        for number in range(sizes.layers):
            dilation = 2 ** (number % sizes.cycle)
            block = DilatedBlock(width, sizes.kernel, dilation, condition_channels)
            self.residual_blocks.append(block)
        last = nn.Conv1d(width, n_mel, 1)
        self.out_proj = nn.Sequential(nn.Conv1d(width, width, 1), nn.ReLU(), last)
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.normal_(last.weight, 0.0, 1e-4)  # no guess at first, but gradients for all

    def forward(self, x: Tensor, step: Tensor, shares: Iterable[Tensor], mask: Tensor | None) -> Tensor:
        x = run(self.input[0], x).relu()
        total: Tensor | None = None
        first, _, last = self.out_proj
        for block, share in zip(self.residual_blocks, shares, strict=True):
            x, skip = block(x, step, share, mask)
            total = skip if total is None else plus(total, skip)
        blocks = len(self.residual_blocks)
        mean = total / blocks**0.5
        hidden = run(first, mean).relu()
        return run(last, hidden)


class DilatedBlock(nn.Module):
    """One gated convolution, and what passes it by."""

    def __init__(self, channels: int, kernel: int, dilation: int, condition_channels: int) -> None:
        super().__init__()
        self.gau = Gate(channels, kernel, dilation, condition_channels)
        self.out_proj = nn.Conv1d(channels, 2 * channels, 1)

    def forward(self, x: Tensor, step: Tensor, share: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """What goes on to the next block, and what goes to the end; `x` is used up."""
        stepped = masked(x + step, mask)
        hidden = run(self.gau.conv, stepped)
        gated = gate(plus(hidden, share))
        out = run(self.out_proj, gated)
        residual, skip = out.chunk(2, 1)
        following = plus(x, residual) * 0.5**0.5
        return following, skip


class Gate(nn.Module):
    """The two convolutions that are added before the gate: of the signal, and of the condition."""

    def __init__(self, channels: int, kernel: int, dilation: int, condition_channels: int) -> None:
        super().__init__()
        padding = (kernel - 1) * dilation // 2
        self.conv = nn.Conv1d(channels, 2 * channels, kernel, padding=padding, dilation=dilation)
        self.context_proj = nn.Conv1d(condition_channels, 2 * channels, 1)


def as_step(position: float, like: Tensor) -> Tensor:
    """Where in training a sampler stands, as a step (1,) on the device of `like`."""
    return torch.tensor([position], device=like.device)
