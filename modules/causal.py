"""A transformer in which no place sees a later one, alone or led by a condition as a gated stack is: what so-vits-svc adds to VITS."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from modules.attention import ChannelNorm, ConvFeedForward, stacked
from modules.gated import gate
from modules.norm import weight_norm


class CausalAttention(nn.Module):
    """Multi-head self-attention to the places up to one's own, (batch, channels, places).

    Raises ValueError when the channels cannot be shared by the heads.
    """

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"heads: {channels} channels cannot be shared by {heads} heads: choose a divisor.")
        self.heads = heads
        self.dropout = dropout
        self.conv_q = nn.Conv1d(channels, channels, 1)
        self.conv_k = nn.Conv1d(channels, channels, 1)
        self.conv_v = nn.Conv1d(channels, channels, 1)
        self.conv_o = nn.Conv1d(channels, channels, 1)
        nn.init.xavier_uniform_(self.conv_q.weight)
        nn.init.xavier_uniform_(self.conv_v.weight)
        # At first a place looks for what is like itself.
        self.conv_k.load_state_dict(self.conv_q.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        q = self._heads(self.conv_q(x))
        k = self._heads(self.conv_k(x))
        v = self._heads(self.conv_v(x))
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)
        return self.conv_o(attended.transpose(2, 3).flatten(1, 2))

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, channels, places) as (batch, heads, places, channels of a head).

        These side by side: of another layout torch weighs all pairs of places at once, for a song of ten minutes 60 GB.
        """
        return x.unflatten(1, (self.heads, -1)).transpose(2, 3).contiguous()


class CausalTransformer(nn.Module):
    """Layers of causal attention and causal convolutions, each with its residual and a norm after it.

    With `condition_channels`, a condition (batch, condition_channels, 1 or places) opens and shuts a gate before every layer.
    """

    def __init__(
        self,
        *,
        channels: int,
        filter_channels: int,
        heads: int = 2,
        layers: int = 6,
        kernel_size: int = 3,
        dropout: float = 0.1,
        condition_channels: int = 0,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        feed = (channels, filter_channels, kernel_size, dropout)
        self.self_attn_layers = stacked(layers, CausalAttention, channels, heads, dropout)
        self.norm_layers_0 = stacked(layers, ChannelNorm, channels)
        self.ffn_layers = stacked(layers, ConvFeedForward, *feed, causal=True)
        self.norm_layers_1 = stacked(layers, ChannelNorm, channels)
        self.cond_layer = None
        if condition_channels:
            self.cond_pre = nn.Conv1d(channels, 2 * channels, 1)  # of all layers
            self.cond_layer = weight_norm(nn.Conv1d(condition_channels, 2 * channels * layers, 1))

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        """`x` (batch, channels, places), `mask` (batch, 1, places): 1 where real. Padding comes out as zero."""
        x = x * mask
        layers = len(self.self_attn_layers)
        shares = [None] * layers
        if self.cond_layer is not None:
            shares = self.cond_layer(condition).chunk(layers, 1)
        for i, share in enumerate(shares):
            if share is not None:
                x = gate(self.cond_pre(x) + share)
            attended = self.self_attn_layers[i](x)
            x = self.norm_layers_0[i](x + self.dropout(attended))
            fed = self.ffn_layers[i](x, mask)
            x = self.norm_layers_1[i](x + self.dropout(fed))
        return x * mask
