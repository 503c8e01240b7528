"""A second decoder of FACodec, for another voice: it embeds the codes anew, and its prosody is told whose voice it will be."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from models.codec.factors import FrameTransformer, FrameTransformerSizes, Voice
from modules.dac import DACDecoder, DACSizes


@dataclass(frozen=True, kw_only=True)
class RedecoderSizes:
    """`decoder_filters`: see `modules.dac`; the rest is the codec's. `prosody`: its transformer.

    `each`: prosody goes through it after every codebook, as published, and not once after the last.
    """

    decoder_filters: int = 1280
    prosody: FrameTransformerSizes = field(default_factory=FrameTransformerSizes)
    each: bool = False


class Redecoder(nn.Module):
    """Codes (batch, codebooks, frames) and a voice (batch, channels) to sound (batch, 1, samples).

    `counts` and `rows`: codebooks of prosody, content and residual, and rows of each.
    """

    def __init__(self, counts: tuple[int, ...], rows: tuple[int, ...], dac: DACSizes, sizes: RedecoderSizes) -> None:
        super().__init__()
        channels = dac.latent
        tables = []
        for count, size in zip(counts, rows, strict=True):
            tables.append(nn.ModuleList(nn.Embedding(size, channels) for _ in range(count)))
        self.prosody, self.content, self.residual = tables
        self.each = sizes.each
        self.prosody_encoder = FrameTransformer(channels, sizes.prosody, styled=True)
        self.voice = Voice(channels)
        self.decoder = DACDecoder(dac)

    def forward(self, codes: Tensor, timbre: Tensor, *, residual: bool = False) -> Tensor:
        """`residual`: whether the residual codes have a say, which hold something of the voice that spoke."""
        return self.decoder(self.voice(self.embedded(codes, timbre, residual=residual), timbre))

    def embedded(self, codes: Tensor, timbre: Tensor, *, residual: bool = False) -> Tensor:
        """What is decoded, (batch, channels, frames), before it has a voice."""
        books = list(codes.unbind(1))
        total = self._prosody(books, timbre)
        rest = books[len(self.prosody) :]
        tables = [*self.content, *self.residual] if residual else list(self.content)
        for table, chosen in zip(tables, rest, strict=False):
            total = total + table(chosen).transpose(1, 2)
        return total

    def _prosody(self, books: list[Tensor], timbre: Tensor) -> Tensor:
        total = None
        for table, chosen in zip(self.prosody, books, strict=False):
            rows = table(chosen).transpose(1, 2)
            total = rows if total is None else total + rows
            if self.each:
                total = self.prosody_encoder(total, style=timbre)
        return total if self.each else self.prosody_encoder(total, style=timbre)
