"""What generators that stretch frames to samples in stages share: their start, and what must fit together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import nn


@dataclass(frozen=True, kw_only=True)
class UpsampleSizes:
    """A generator like HiFi-GAN's, under the names of its published configurations; the defaults are the paper's V1.

    Each stage makes `upsample_rates` places of one and halves the channels; then blocks of each kernel size are averaged.
    """

    upsample_rates: tuple[int, ...] = (8, 8, 2, 2)
    upsample_kernel_sizes: tuple[int, ...] = (16, 16, 4, 4)
    upsample_initial_channel: int = 512
    resblock: Literal["1", "2"] = "1"
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))

    @property
    def samples_per_frame(self) -> int:
        return math.prod(self.upsample_rates)

    @property
    def channels(self) -> list[int]:
        """Before the first stage, and after each."""
        return [self.upsample_initial_channel // 2**stage for stage in range(len(self.upsample_rates) + 1)]

    @property
    def stages(self) -> list[tuple[int, int]]:
        """The rate and the kernel of each stage."""
        return list(zip(self.upsample_rates, self.upsample_kernel_sizes, strict=True))

    @property
    def blocks(self) -> list[tuple[int, tuple[int, ...]]]:
        """The kernel and the dilations of each block after a stage."""
        return list(zip(self.resblock_kernel_sizes, self.resblock_dilation_sizes, strict=True))

    def check(self, model: str, hop_size: int | None) -> None:
        """Raises ValueError when the sizes do not fit one another, or the hop."""
        check_stages(model, self.upsample_rates, self.upsample_kernel_sizes, self.upsample_initial_channel, hop_size)
        check_blocks(model, self.resblock_kernel_sizes, self.resblock_dilation_sizes)


def small(conv: nn.Module) -> nn.Module:
    """HiFi-GAN's start: small weights."""
    nn.init.normal_(conv.weight, 0.0, 0.01)
    return conv


def check_stages(model: str, rates: tuple[int, ...], sizes: tuple[int, ...], channels: int, hop_size: int | None) -> None:
    """Raises ValueError when `upsample_*` settings do not fit one another, or the hop."""
    count = len(rates)
    if count != len(sizes) or not rates:
        raise ValueError(f"{model}: upsample_kernel_sizes needs one size per upsample_rates {list(rates)}, got {list(sizes)}.")
    stages = zip(rates, sizes, strict=True)
    short = [f"{size} for {rate}" for rate, size in stages if size < rate]
    if short:
        listed = ", ".join(short)
        raise ValueError(f"{model}: a kernel in upsample_kernel_sizes must be no shorter than its rate, got {listed}.")
    needed = 2**count
    if channels < needed:
        raise ValueError(f"{model}: upsample_initial_channel {channels} is halved {count} times, and nothing is left of it.")
    check_hop(model, "upsample_rates", rates, hop_size)


def check_hop(model: str, setting: str, rates: tuple[int, ...], hop_size: int | None) -> None:
    """Raises ValueError when the stages do not make `hop_size` samples of a frame."""
    product = math.prod(rates)
    if hop_size is not None and product != hop_size:
        raise ValueError(
            f"{model}: {setting} {list(rates)} make {product} samples of a frame, but preprocess.hop_size is "
            f"{hop_size}: choose {setting} whose product is {hop_size}, or set hop_size to {product}."
        )


def check_blocks(model: str, sizes: tuple[int, ...], dilations: tuple[tuple[int, ...], ...]) -> None:
    """Raises ValueError when `resblock_*` settings do not fit one another."""
    given = len(dilations)
    if len(sizes) != given or not sizes:
        raise ValueError(
            f"{model}: resblock_dilation_sizes needs a list for each of resblock_kernel_sizes {list(sizes)}, got {given}."
        )
    if any(size % 2 == 0 for size in sizes):
        raise ValueError(f"{model}: resblock_kernel_sizes must be odd, so that a block keeps the length, got {list(sizes)}.")
