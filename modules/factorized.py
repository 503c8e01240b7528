"""Residual quantisation in few dimensions (DAC, https://arxiv.org/abs/2306.06546): rows are looked up by direction, and gradients move them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.masks import masked_mean
from modules.norm import weight_norm
from modules.quantization import check_codes, from_first_process, over_processes, some_of

DECAY = 0.99  # of how often rows are chosen
DEAD = 0.1  # times a batch: a row that is chosen more rarely becomes another


class Factorized(NamedTuple):
    """`vectors` (batch, channels, frames) with a straight-through gradient, `codes` (batch, codebooks, frames).

    `commitment` pulls what is quantised to the rows and `codebook` the rows to it, both scalars.
    """

    vectors: Tensor
    codes: Tensor
    commitment: Tensor
    codebook: Tensor


class FactorizedCodebook(nn.Module):
    """`size` rows of `row_channels` numbers, between two linear layers of `channels` outside.

    `unit_rows`: what stands for a vector is its row at length 1, as it was looked up; else the row at the length that it has. In training
    a row that hardly anything chooses, as all of them at first, becomes a vector of the batch.
    """

    def __init__(self, size: int, channels: int, row_channels: int, *, unit_rows: bool) -> None:
        super().__init__()
        self.size = size
        self.unit_rows = unit_rows
        self.in_proj = weight_norm(nn.Linear(channels, row_channels))
        self.out_proj = weight_norm(nn.Linear(row_channels, channels))
        self.codebook = nn.Embedding(size, row_channels)
        self.register_buffer("counts", torch.zeros(size))  # how often a batch chooses each row, a moving average

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What (batch, frames, channels) becomes, its codes (batch, frames), and the two losses over the True of `mask` (batch, frames)."""
        narrow = self._narrow(x)
        if self.training:
            self._revive(narrow if mask is None else narrow[mask])
        codes = self._nearest(narrow)
        if self.training:
            self._count(codes if mask is None else codes[mask])
        rows = self._rows(codes)
        commitment = _distance(narrow, rows.detach(), mask)
        codebook = _distance(rows, narrow.detach(), mask)
        through = narrow + (rows - narrow).detach()
        return self.out_proj(through), codes, commitment, codebook

    @torch.no_grad()
    def _revive(self, narrow: Tensor) -> None:
        dead = self.counts < DEAD
        if not bool(dead.any()):
            return
        vectors = narrow.reshape(-1, narrow.shape[-1])
        drawn = some_of(vectors, self.size)
        from_first_process(drawn)
        self.codebook.weight[dead] = drawn[dead].to(self.codebook.weight.dtype)
        self.counts[dead] = DEAD  # the next batches decide

    @torch.no_grad()
    def _count(self, codes: Tensor) -> None:
        counts = codes.flatten().bincount(minlength=self.size)
        counts = counts.to(self.counts.dtype)
        over_processes(counts)
        self.counts.lerp_(counts, 1 - DECAY)

    def encode(self, x: Tensor) -> Tensor:
        """The codes (batch, frames) of (batch, frames, channels)."""
        return self._nearest(self._narrow(x))

    def decode(self, codes: Tensor) -> Tensor:
        """(batch, frames) to (batch, frames, channels)."""
        return self.out_proj(self._rows(codes))

    def _narrow(self, x: Tensor) -> Tensor:
        narrow = self.in_proj(x)
        return F.normalize(narrow, dim=-1) if self.unit_rows else narrow

    def _nearest(self, narrow: Tensor) -> Tensor:
        direction = F.normalize(narrow, dim=-1)
        rows = F.normalize(self.codebook.weight, dim=-1)
        return (direction @ rows.t()).argmax(-1)

    def _rows(self, codes: Tensor) -> Tensor:
        rows = self.codebook(codes)
        return F.normalize(rows, dim=-1) if self.unit_rows else rows


class FactorizedQuantizer(nn.Module):
    """`codebooks` of them one after another, each for what those before it left over; any number may be used from the first on."""

    def __init__(self, codebooks: int, size: int, channels: int, row_channels: int, *, unit_rows: bool = True) -> None:
        super().__init__()
        if codebooks < 1 or size < 2:
            raise ValueError(f"books: 1 codebook or more of 2 rows or more is needed, got {codebooks} of {size}.")
        books = [FactorizedCodebook(size, channels, row_channels, unit_rows=unit_rows) for _ in range(codebooks)]
        self.layers = nn.ModuleList(books)
        self.size = size

    def forward(self, x: Tensor, *, used: Tensor | None = None, mask: Tensor | None = None) -> Factorized:
        """(batch, channels, frames) by the first `used` (batch,) codebooks of each item, all without it.

        `mask` (batch, frames): True where a frame counts for the losses.
        """
        with torch.autocast(x.device.type, enabled=False):
            return self._quantized(x.float().transpose(1, 2), used, mask)

    def _quantized(self, x: Tensor, used: Tensor | None, mask: Tensor | None) -> Factorized:
        rest = x
        total = torch.zeros_like(x)
        codes = []
        commitments = []
        distances = []
        for number, book in enumerate(self.layers):
            vectors, chosen, commitment, distance = book(rest, mask)
            rest = rest - vectors  # what is left out has no say in the sum, but each codebook is still for what is left over
            if used is not None:
                kept = used > number
                vectors = vectors * kept[:, None, None]
            total = total + vectors
            codes.append(chosen)
            commitments.append(commitment)
            distances.append(distance)
        together = torch.stack(commitments).mean()
        return Factorized(total.transpose(1, 2), torch.stack(codes, 1), together, torch.stack(distances).mean())

    def encode(self, x: Tensor, used: int | None = None) -> Tensor:
        """The codes (batch, used, frames) of (batch, channels, frames)."""
        rest = x.transpose(1, 2)
        codes = []
        for book in self.layers[:used]:
            chosen = book.encode(rest)
            rest = rest - book.decode(chosen)
            codes.append(chosen)
        return torch.stack(codes, 1)

    def decode(self, codes: Tensor) -> Tensor:
        """What codes (batch, used, frames) stand for, (batch, channels, frames). Raises ValueError for codes that name no row."""
        check_codes(codes, len(self.layers), self.size)
        total = None
        for book, chosen in zip(self.layers, codes.unbind(1), strict=False):
            vectors = book.decode(chosen)
            total = vectors if total is None else total + vectors
        return total.transpose(1, 2)


def _distance(x: Tensor, y: Tensor, mask: Tensor | None) -> Tensor:
    """The mean square of x - y, both (batch, frames, channels), over the True of `mask`."""
    distance = (x - y).square()
    return distance.mean() if mask is None else masked_mean(distance, mask)
