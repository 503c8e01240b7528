"""The feed-forward transformer of FastSpeech (arXiv 1905.09263): self-attention, then two convolutions, norms last."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sinusoids(length: int, channels: int, device: torch.device | None = None) -> Tensor:
    """(length, channels) positions: sines in even channels, cosines in odd ones."""
    places = torch.arange(length, device=device, dtype=torch.float64)[:, None]
    numbers = torch.arange(channels, device=device)
    pairs = numbers // 2 * 2
    wavelengths = 10000 ** (pairs.double() / channels)
    angles = places / wavelengths
    even = numbers % 2 == 0
    positions = torch.where(even, angles.sin(), angles.cos())
    return positions.float()


class FFTBlocks(nn.Module):
    """A stack of blocks over (batch, places, channels) with positions added; padding stays zero.

    With `see_padding` a second kernel above 1 looks at what the first convolution left beyond the end, as published weights do.
    """

    def __init__(
        self,
        *,
        channels: int,
        layers: int,
        heads: int,
        filter_channels: int,
        kernels: tuple[int, int],
        dropout: float,
        see_padding: bool = False,
    ) -> None:
        super().__init__()
        sizes = (channels, heads, filter_channels, kernels, dropout, see_padding)
        self.layer_stack = nn.ModuleList(FFTBlock(*sizes) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`mask` (batch, places): True where real."""
        x = x + sinusoids(x.shape[1], x.shape[2], x.device).to(x.dtype)
        for block in self.layer_stack:
            x = block(x, mask)
        return x


class FFTBlock(nn.Module):
    """One layer: attention, then convolutions, each with padding set to zero after it."""

    def __init__(
        self, channels: int, heads: int, filter_channels: int, kernels: tuple[int, int], dropout: float, see_padding: bool
    ) -> None:
        super().__init__()
        self.see_padding = see_padding
        self.slf_attn = SelfAttention(channels, heads, dropout)
        self.pos_ffn = ConvFeedForward(channels, filter_channels, kernels, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.slf_attn(x, mask) * mask[..., None]
        return self.pos_ffn(x, None if self.see_padding else mask) * mask[..., None]


class SelfAttention(nn.Module):
    """Multi-head self-attention with its residual and norm."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be shared by {heads} heads: choose a multiple.")
        self.heads = heads
        self.dropout = nn.Dropout(dropout)
        self.w_qs = nn.Linear(channels, channels)
        self.w_ks = nn.Linear(channels, channels)
        self.w_vs = nn.Linear(channels, channels)
        deviation = math.sqrt(2.0 / (channels + channels // heads))
        for layer in (self.w_qs, self.w_ks, self.w_vs):
            nn.init.normal_(layer.weight, std=deviation)
        self.fc = nn.Linear(channels, channels)
        self.layer_norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q = self._heads(self.w_qs(x))
        k = self._heads(self.w_ks(x))
        v = self._heads(self.w_vs(x))
        keys = mask[:, None, None, :]
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=keys)
        attended = attended.transpose(1, 2).flatten(2)
        out = self.dropout(self.fc(attended))
        return self.layer_norm(out + x)

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, places, channels) as (batch, heads, places, channels of a head)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class ConvFeedForward(nn.Module):
    """Two convolutions with their residual and norm."""

    def __init__(self, channels: int, filter_channels: int, kernels: tuple[int, int], dropout: float) -> None:
        super().__init__()
        first, second = kernels
        first_padding = (first - 1) // 2
        second_padding = (second - 1) // 2
        self.w_1 = nn.Conv1d(channels, filter_channels, first, padding=first_padding)
        self.w_2 = nn.Conv1d(filter_channels, channels, second, padding=second_padding)
        self.layer_norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        hidden = F.relu(self.w_1(x.transpose(1, 2)))
        if mask is not None:  # the bias of the first makes something of nothing beyond the end
            hidden = hidden * mask[:, None]
        out = self.w_2(hidden).transpose(1, 2)
        return self.layer_norm(self.dropout(out) + x)
