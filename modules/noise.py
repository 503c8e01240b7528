"""Numbers by chance, for the whole house: of torch's own state, or the same everywhere from a seed.

`Noise` draws for a batch, `placed` for the frames of an utterance whatever pieces it comes in, `Series` for one sample
after another. A seed draws on the CPU: GPUs draw other numbers from the same seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

BLOCK = 64  # frames whose noise is drawn together
BLOCKS = 2**24  # of one seed
SEEDS = 2**64  # that torch has


class Noise:
    """Draws of the dtype and on the device named; without a `seed` from torch's own state.

    What is `given` by name is taken instead of being drawn. The sizes of a draw are those of the tensor that it gives.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        device: Any = "cpu",
        dtype: torch.dtype = torch.float32,
        given: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.device = device
        self.dtype = dtype
        self.given = given or {}
        self.generator = None if seed is None else seeded(seed)

    @classmethod
    def like(cls, tensor: Tensor, seed: int | None = None, given: Mapping[str, Tensor] | None = None) -> Noise:
        """Noise of the dtype and on the device of `tensor`."""
        return cls(seed, device=tensor.device, dtype=tensor.dtype, given=given)

    def normal(self, *sizes: int, name: str = "") -> Tensor:
        """Standard normal numbers."""
        return self._drawn(torch.randn, sizes, name)

    def uniform(self, *sizes: int, name: str = "") -> Tensor:
        """Numbers from 0 to just below 1."""
        return self._drawn(torch.rand, sizes, name)

    def integers(self, high: int, *sizes: int) -> Tensor:
        """Whole numbers from 0 to `high` - 1."""
        if self.generator is None:
            return torch.randint(high, sizes, device=self.device)
        return torch.randint(high, sizes, generator=self.generator).to(self.device)

    def rows(self, lengths: Tensor, sizes: tuple[int, ...], name: str = "") -> Tensor:
        """Standard normal numbers of `sizes` (batch, longest, ...), zero beyond the `lengths` (batch,) of the rows.

        Those of a row do not depend on how far the batch is padded.
        """
        if name in self.given:
            return self.given[name]
        rows = torch.zeros(sizes, device=self.device, dtype=self.dtype)
        for row, length in zip(rows, lengths.tolist(), strict=True):
            row[:length] = self.normal(length, *sizes[2:])
        return rows

    def _drawn(self, draw: Any, sizes: tuple[int, ...], name: str) -> Tensor:
        if name in self.given:
            return self.given[name]
        if self.generator is None:
            return draw(sizes, device=self.device, dtype=self.dtype)
        return draw(sizes, generator=self.generator).to(self.device, self.dtype)


def seeded(seed: int, *, parts: int = 1, part: int = 0, device: Any = "cpu") -> torch.Generator:
    """A generator of its own for each of the `parts` that are drawn of a seed. Raises ValueError for a seed that is too large."""
    most = SEEDS // parts - 1
    if seed > most:
        raise ValueError(f"seed: 0 to {most} are possible, got {seed}.")
    return torch.Generator(device).manual_seed(seed * parts + part)


def placed(seed: int, first: int, last: int, size: int) -> Tensor:
    """Standard normal numbers (last - first, size) for the frames from `first` to `last`, each frame's always the same.

    So it does not matter in what pieces an utterance is made.
    """
    begin = first // BLOCK
    end = -(-last // BLOCK)
    blocks = []
    for block in range(begin, end):
        generator = seeded(seed, parts=BLOCKS, part=block)
        blocks.append(torch.randn(BLOCK, size, generator=generator))
    numbers = torch.cat(blocks)
    before = begin * BLOCK
    return numbers[first - before : last - before]


class Series:
    """float32 arrays drawn one after another; the numbers are the same however many are asked for at a time."""

    def __init__(self, seed: int) -> None:
        self._uniform = np.random.default_rng((seed, 0))
        self._normal = np.random.default_rng((seed, 1))

    def uniform(self, *sizes: int) -> np.ndarray:
        """Numbers from 0 to just below 1."""
        return self._uniform.random(sizes, dtype=np.float32)

    def normal(self, *sizes: int) -> np.ndarray:
        """Standard normal numbers."""
        return self._normal.standard_normal(sizes, dtype=np.float32)
