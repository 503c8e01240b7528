"""The three quantisers of FACodec side by side: prosody, content, and what these two leave over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from modules.factorized import FactorizedQuantizer
from modules.quantization import check_codes


@dataclass(frozen=True, kw_only=True)
class Books:
    """`counts` of codebooks and `rows` of each, of prosody, content and residual; `row_channels` numbers in a row.

    `unit_rows`: see `modules.factorized`. In training the share `dropout` of the items has its residual codebooks up to a drawn one alone,
    and the share `residual_dropout` none of them. Raises ValueError for what cannot be.
    """

    counts: tuple[int, int, int] = (1, 2, 3)
    rows: tuple[int, int, int] = (1024, 1024, 1024)
    row_channels: int = 8
    unit_rows: bool = True
    dropout: float = 0.5
    residual_dropout: float = 0.5

    def __post_init__(self) -> None:
        for name in ("dropout", "residual_dropout"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise ValueError(f"books.{name}: a share from 0 to 1 is needed, got {share}.")


class Quantized(NamedTuple):
    """The three parts, each (batch, channels, frames), and the losses `commitment` and `codebook`."""

    prosody: Tensor
    content: Tensor
    residual: Tensor
    commitment: Tensor
    codebook: Tensor


class FactorQuantizer(nn.Module):
    """Codes (batch, codebooks, frames): those of prosody first, then those of content, then those of what is left."""

    def __init__(self, books: Books, channels: int) -> None:
        super().__init__()
        networks = []
        for count, rows in zip(books.counts, books.rows, strict=True):
            networks.append(FactorizedQuantizer(count, rows, channels, books.row_channels, unit_rows=books.unit_rows))
        self.prosody, self.content, self.residual = networks
        self.books = books
        self.channels = channels
        self.codebook_size = max(books.rows)

    @property
    def layers(self) -> list[nn.Module]:
        """Every codebook, in the order of the codes."""
        return [*self.prosody.layers, *self.content.layers, *self.residual.layers]

    @property
    def least(self) -> int:
        """The codebooks without which nothing is decoded: those of prosody and content."""
        return len(self.prosody.layers) + len(self.content.layers)

    def forward(self, latent: Tensor, prosody: Tensor, mask: Tensor | None = None) -> Quantized:
        """`latent` and `prosody` (batch, channels, frames); `mask` (batch, frames): True where a frame counts for the losses."""
        used = None
        if self.training:
            used = self._drawn(len(latent)).to(latent.device)
        first = self.prosody(prosody, mask=mask)
        second = self.content(latent, mask=mask)
        spoken = first.vectors + second.vectors
        left = latent - spoken.detach()
        rest = self.residual(left, used=used, mask=mask)
        three = (first, second, rest)
        vectors = [part.vectors for part in three]
        commitment = sum(part.commitment for part in three)
        codebook = sum(part.codebook for part in three)
        return Quantized(*vectors, commitment, codebook)

    def _drawn(self, items: int) -> Tensor:
        """How many residual codebooks each item has, (items,)."""
        most = len(self.residual.layers)
        counts = torch.full((items,), most)
        draws = torch.rand(2, items)
        is_fewer = draws[0] < self.books.dropout
        is_none = draws[1] < self.books.residual_dropout
        fewer = torch.randint(1, most + 1, (items,))
        counts = torch.where(is_fewer, fewer, counts)
        return counts.masked_fill(is_none, 0)

    def encode(self, latent: Tensor, prosody: Tensor, used: int | None = None) -> Tensor:
        """The codes of both, by the first `used` codebooks or all."""
        first = self.prosody.encode(prosody)
        second = self.content.encode(latent)
        codes = torch.cat([first, second], 1)
        left = len(self.residual.layers)
        if used is not None:
            left = used - self.least
        if not left:
            return codes
        prosody, content = self.spoken(codes)
        spoken = prosody + content
        rest = self.residual.encode(latent - spoken, left)
        return torch.cat([codes, rest], 1)

    def spoken(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Prosody and content of codes, each (batch, channels, frames). Raises ValueError for codes that lack one of them."""
        books = codes.shape[1]
        least = self.least
        if books < least:
            raise ValueError(f"codes of {least} codebooks (prosody and content) or more are expected, got {books}.")
        count = len(self.prosody.layers)
        first = codes[:, :count]
        second = codes[:, count:least]
        prosody = self.prosody.decode(first)
        content = self.content.decode(second)
        return prosody, content

    def decode(self, codes: Tensor) -> Tensor:
        """The sum of all that codes stand for, (batch, channels, frames). Raises ValueError for those that it does not have."""
        check_codes(codes, len(self.layers), self.codebook_size)
        prosody, content = self.spoken(codes)
        total = prosody + content
        rest = codes[:, self.least :]
        return total + self.residual.decode(rest) if rest.shape[1] else total
