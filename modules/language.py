"""The transformer of language models of codes: norms before or after each part, led by a stage or not, with what was worked out kept.

Names of parameters are as in torch's own encoder layers, so that published weights need few new ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.transformer import sinusoids


@dataclass(frozen=True, kw_only=True)
class DecoderSizes:
    """Of a stack of layers. `norm_first`: norms stand before attention and feed-forward, and one after all; else behind each."""

    layers: int = 12
    heads: int = 16
    dropout: float = 0.1
    norm_first: bool = True

    def network(self, channels: int, *, staged: bool = False) -> Decoder:
        """The stack, of so many channels. `staged`: its norms are led by the vector of a stage."""
        return Decoder(channels, self, staged)


class Cache:
    """Keys and values of the places that a stack has seen, a tensor (batch, heads, capacity, channels) of both for each layer.

    `place` says where the next ones go: the first place of a stretch that all rows share, or one place for each row, (batch,). Those
    before `end` are looked at; what of them a row must not see, the mask says.
    """

    def __init__(self, decoder: Decoder, batch: int, capacity: int, like: Tensor) -> None:
        first = decoder.layers[0].self_attn
        heads = first.heads
        size = first.channels // heads
        empty = like.new_zeros(batch, heads, capacity, size)
        self.keys = [empty.clone() for _ in decoder.layers]
        self.values = [empty.clone() for _ in decoder.layers]
        self.rows = torch.arange(batch, device=like.device)
        self.place: int | Tensor = 0
        self.end = 0

    def at(self, place: int | Tensor, end: int) -> None:
        """From now on."""
        self.place = place
        self.end = end

    def reserve(self, places: int, growth: int) -> None:
        """Room for so many places, and `growth` more where it must be made."""
        missing = places - self.keys[0].shape[2]
        if missing <= 0:
            return
        longer = (0, 0, 0, missing + growth)
        self.keys = [F.pad(keys, longer) for keys in self.keys]
        self.values = [F.pad(values, longer) for values in self.values]

    def extended(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values of a layer up to `end`, these among them."""
        keys = self._written(self.keys[layer], key)
        values = self._written(self.values[layer], value)
        return keys, values

    def _written(self, kept: Tensor, new: Tensor) -> Tensor:
        """What is kept up to `end`, with what is new at its place."""
        if isinstance(self.place, int):
            last = self.place + new.shape[2]
            kept[:, :, self.place : last] = new
        else:
            kept[self.rows, :, self.place] = new[:, :, 0]
        return kept[:, :, : self.end]


class PlainNorm(nn.LayerNorm):
    """A layer norm to which no stage matters."""

    def forward(self, x: Tensor, stage: Tensor | None = None) -> Tensor:
        return super().forward(x)


class AdaptiveNorm(nn.Module):
    """A layer norm whose result is scaled and moved as the vector of a stage, (1, channels), says."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project_layer = nn.Linear(channels, 2 * channels)
        self.norm = nn.LayerNorm(channels)
        with torch.no_grad():  # at first a norm like any other
            self.project_layer.weight.mul_(0.1)
            self.project_layer.bias[:channels] = 1.0
            self.project_layer.bias[channels:] = 0.0

    def forward(self, x: Tensor, stage: Tensor) -> Tensor:
        scale, move = self.project_layer(stage).chunk(2, -1)
        return scale * self.norm(x) + move


class Attention(nn.Module):
    """Multi-head self-attention over (batch, places, channels). Raises ValueError when the heads cannot share the channels."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"heads: {channels} channels cannot be shared by {heads} heads: choose a divisor.")
        self.channels = channels
        self.heads = heads
        self.dropout = dropout
        self.in_proj = nn.Linear(channels, 3 * channels)
        self.out_proj = nn.Linear(channels, channels)
        nn.init.xavier_uniform_(self.in_proj.weight)
        nn.init.zeros_(self.in_proj.bias)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        cache: Cache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """`mask` (batch or 1, 1, places or 1, places seen): True where a place may be looked at; None is everywhere."""
        projected = self.in_proj(x)
        query, key, value = map(self._heads, projected.chunk(3, -1))
        if cache is not None:
            key, value = cache.extended(layer, key, value)
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        joined = attended.transpose(1, 2).flatten(2)
        return self.out_proj(joined)

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, heads, places, channels of a head)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    """Attention and a feed-forward of four times the channels, each with its residual and norm."""

    def __init__(self, channels: int, sizes: DecoderSizes, staged: bool) -> None:
        super().__init__()
        self.norm_first = sizes.norm_first
        self.self_attn = Attention(channels, sizes.heads, sizes.dropout)
        self.linear1 = nn.Linear(channels, 4 * channels)
        self.linear2 = nn.Linear(4 * channels, channels)
        self.dropout = nn.Dropout(sizes.dropout)
        norm = AdaptiveNorm if staged else PlainNorm
        self.norm1 = norm(channels)
        self.norm2 = norm(channels)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        stage: Tensor | None,
        cache: Cache | None,
        layer: int,
    ) -> Tensor:
        if self.norm_first:
            normal = self.norm1(x, stage)
            attended = self.self_attn(normal, mask, cache, layer)
            x = x + self.dropout(attended)
            normal = self.norm2(x, stage)
            return x + self._fed(normal)
        attended = self.self_attn(x, mask, cache, layer)
        x = self.norm1(x + self.dropout(attended), stage)
        fed = self._fed(x)
        return self.norm2(x + fed, stage)

    def _fed(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.linear1(x))
        return self.dropout(self.linear2(self.dropout(hidden)))


class Decoder(nn.Module):
    """The stack, over (batch, places, channels)."""

    def __init__(self, channels: int, sizes: DecoderSizes, staged: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(channels, sizes, staged) for _ in range(sizes.layers))
        norm = AdaptiveNorm if staged else PlainNorm
        self.norm = norm(channels) if sizes.norm_first else None

    def forward(self, x: Tensor, mask: Tensor | None, stage: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """See `Attention` for `mask`. With a `cache` the places of `x` come behind those that it holds."""
        for number, layer in enumerate(self.layers):
            x = layer(x, mask, stage, cache, number)
        return x if self.norm is None else self.norm(x, stage)


class Positions(nn.Module):
    """Adds sines that tell places apart, `alpha` times; learnt where `learns`."""

    def __init__(self, channels: int, dropout: float, *, learns: bool) -> None:
        super().__init__()
        self.channels = channels
        self.dropout = nn.Dropout(dropout)
        self.alpha = nn.Parameter(torch.ones(1), requires_grad=learns)
        self._table = torch.zeros(0, channels)  # no buffer: its length changes, and averages of weights have no use for it

    def forward(self, x: Tensor, places: Tensor | None = None) -> Tensor:
        """`x` (batch, places, channels); `places` (batch, places) where they are, None is from 0 on."""
        longest = x.shape[1] if places is None else int(places.max()) + 1
        sines = self._sines(longest, x)
        at = sines[: x.shape[1]] if places is None else sines[places]
        return self.dropout(x + self.alpha * at)

    def _sines(self, length: int, x: Tensor) -> Tensor:
        known = len(self._table)
        if known < length or self._table.device != x.device:
            longer = max(length, 2 * known)
            with torch.inference_mode(False):  # what is worked out in use serves training, too
                self._table = sinusoids(longer, self.channels, x.device)
        return self._table.to(x.dtype)
