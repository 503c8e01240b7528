"""Transformers over all places of a map, as latent diffusion has them (https://arxiv.org/abs/2112.10752): tokens that look at one another
and at a condition. Parameters are named as in its reference code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.resnet import EPSILON, MaskedGroupNorm, visible_places

FAINT = 0.01  # times the usual size of weights


class Attention(nn.Module):
    """Each token of (batch, tokens, channels) looks at those of a context (batch, places, context channels)."""

    def __init__(self, channels: int, context: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context, channels, bias=False)
        self.to_v = nn.Linear(context, channels, bias=False)
        self.to_out = nn.Sequential(nn.Linear(channels, channels), nn.Dropout(dropout))

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """`mask` (batch, 1, 1, places): False where nobody may look."""
        q = self._heads(self.to_q(x))
        k = self._heads(self.to_k(context))
        v = self._heads(self.to_v(context))
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        seen = seen.transpose(1, 2).flatten(2)
        return self.to_out(seen)

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, tokens, channels) as (batch, heads, tokens, channels of a head)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class GatedLinear(nn.Module):
    """A layer whose second half says by GELU how much of the first comes through (https://arxiv.org/abs/2002.05202)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        share = F.gelu(gate)
        return value * share if torch.is_grad_enabled() else share.mul_(value)


class FeedForward(nn.Module):
    """Two layers, the hidden one four times as wide and gated."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        hidden = 4 * channels
        self.net = nn.Sequential(GatedLinear(channels, hidden), nn.Dropout(dropout), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerLayer(nn.Module):
    """Attention to the map, then to the context, or without one to the map again; then a feed-forward. Norms come before."""

    def __init__(self, channels: int, heads: int, context: int | None, dropout: float) -> None:
        super().__init__()
        self.attn1 = Attention(channels, channels, heads, dropout)
        self.attn2 = Attention(channels, context or channels, heads, dropout)
        self.ff = FeedForward(channels, dropout)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.norm3 = nn.LayerNorm(channels)

    def forward(self, x: Tensor, context: Tensor | None, mask: Tensor | None, visible: Tensor | None) -> Tensor:
        """`x` (batch, tokens, channels); `mask` of the context and `visible` of the tokens are (batch, 1, 1, places)."""
        normed = self.norm1(x)
        x = added(x, self.attn1(normed, normed, visible))
        normed = self.norm2(x)
        if context is None:
            context, mask = normed, visible
        x = added(x, self.attn2(normed, context, mask))
        normed = self.norm3(x)
        return added(x, self.ff(normed))


class SpatialTransformer(nn.Module):
    """Transformer layers over all places of a map, and the map itself added."""

    def __init__(self, channels: int, heads: int, context: int | None, *, groups: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.norm = MaskedGroupNorm(groups, channels, eps=EPSILON)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList()
        for _ in range(depth):
            layer = TransformerLayer(channels, heads, context, dropout)
            self.transformer_blocks.append(layer)
        last = nn.Linear(channels, channels)
        self.proj_out = faint(last)

    def forward(self, x: Tensor, context: Tensor | None, mask: Tensor | None, inside: Tensor | None = None) -> Tensor:
        """`x` (batch, channels, height, width); `inside` (batch, 1, height, width) is 1 where a place is real."""
        tokens = self.norm(x, inside).permute(0, 2, 3, 1).flatten(1, 2)
        tokens = self.proj_in(tokens)
        visible = visible_places(inside, x)
        for layer in self.transformer_blocks:
            tokens = layer(tokens, context, mask, visible)
        tokens = self.proj_out(tokens)
        changed = tokens.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
        return added(x, changed)


def added(x: Tensor, made: Tensor) -> Tensor:
    """`x` and what a layer has made, in whose memory they are summed: a good part of a step is reading and writing maps."""
    made += x
    return made


def faint(layer: nn.Module) -> nn.Module:
    """A layer that gives hardly anything to begin with, so that what surrounds it starts as if it were not there."""
    for parameter in layer.parameters():
        parameter.data.mul_(FAINT)
    return layer
