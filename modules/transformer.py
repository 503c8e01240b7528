"""The feed-forward transformer of FastSpeech (arXiv 1905.09263): self-attention, then two convolutions, norms last."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sinusoids(length: int, channels: int, device: torch.device | None = None) -> Tensor:
    """(length, channels) positions: sines in even channels, cosines in odd ones."""
    places = torch.arange(length, device=device, dtype=torch.float64)[:, None]
    pairs = torch.arange(channels, device=device) // 2 * 2
    angles = places / 10000 ** (pairs.double() / channels)
    even = torch.arange(channels, device=device) % 2 == 0
    return torch.where(even, angles.sin(), angles.cos()).float()


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
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.w_qs, self.w_ks, self.w_vs = (nn.Linear(channels, channels) for _ in range(3))
        for layer in (self.w_qs, self.w_ks, self.w_vs):
            nn.init.normal_(layer.weight, std=math.sqrt(2.0 / (channels + channels // heads)))
        self.fc = nn.Linear(channels, channels)
        self.layer_norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.w_qs, self.w_ks, self.w_vs))
        heard = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        return self.layer_norm(self.dropout(self.fc(heard.transpose(1, 2).flatten(2))) + x)


class ConvFeedForward(nn.Module):
    """Two convolutions with their residual and norm."""

    def __init__(self, channels: int, filter_channels: int, kernels: tuple[int, int], dropout: float) -> None:
        super().__init__()
        first, second = kernels
        self.w_1 = nn.Conv1d(channels, filter_channels, first, padding=(first - 1) // 2)
        self.w_2 = nn.Conv1d(filter_channels, channels, second, padding=(second - 1) // 2)
        self.layer_norm, self.dropout = nn.LayerNorm(channels), nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        h = F.relu(self.w_1(x.transpose(1, 2)))
        if mask is not None:  # the bias of the first makes something of nothing beyond the end
            h = h * mask[:, None]
        return self.layer_norm(self.dropout(self.w_2(h).transpose(1, 2)) + x)
