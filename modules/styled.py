"""A transformer whose norms come first and may follow a style, with a convolution in its feed-forward part.

It is that of NaturalSpeech 2 (https://arxiv.org/abs/2304.09116) and of FACodec.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from modules.transformer import sinusoids


@dataclass(frozen=True, kw_only=True)
class StyledSizes:
    """Of a `StyledEncoder`; the defaults are NaturalSpeech 2's."""

    layers: int = 6
    heads: int = 8
    filter: int = 2048
    kernel: int = 9
    dropout: float = 0.2

    def network(self, channels: int, *, styled: bool) -> StyledEncoder:
        """The encoder, of so many channels. Raises ValueError for sizes that cannot be."""
        check_heads("encoder.heads", channels, self.heads)
        check_odd("encoder.kernel", self.kernel)
        return StyledEncoder(self, channels, styled=styled)


def check_heads(name: str, channels: int, heads: int) -> None:
    """Raises ValueError where `channels` cannot be shared by that many heads."""
    if heads < 1 or channels % heads:
        raise ValueError(f"{name}: {channels} channels cannot be shared by {heads} heads: choose a divisor.")


def check_odd(name: str, kernel: int) -> None:
    """Raises ValueError for an even kernel: its output would not be as long as its input."""
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"{name}: {kernel} must be odd, for example 3, 5 or 9.")


class StyleNorm(nn.Module):
    """Layer norm whose scale and shift are linear in a style."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.style = nn.Linear(channels, 2 * channels)
        scale, shift = self.style.bias.data.chunk(2)
        scale.fill_(1.0)
        shift.fill_(0.0)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """`x` (batch, places, channels), `style` (batch, channels)."""
        of_style = self.style(style)[:, None]
        scale, shift = of_style.chunk(2, -1)
        return F.layer_norm(x, x.shape[-1:]) * scale + shift


class StyledEncoder(nn.Module):
    """(batch, places, channels) to the same shape. If `styled`, every norm follows a style, else none does."""

    def __init__(self, sizes: StyledSizes, channels: int, *, styled: bool) -> None:
        super().__init__()
        self.channels = channels
        self.layers = nn.ModuleList(StyledBlock(sizes, channels, styled=styled) for _ in range(sizes.layers))
        self.last_ln = StyleNorm(channels) if styled else nn.LayerNorm(channels)

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        style: Tensor | None = None,
        *,
        places: Tensor | None = None,
        visible: Tensor | None = None,
    ) -> Tensor:
        """`mask` (batch, places): True where real; `style` (batch, channels).

        `places` (batch,): the one position that all of a row gets, as published weights were trained; None gives each place its own.
        `visible` (batch, places) is what convolutions see, unless it is told that of `mask`.
        """
        if visible is None:
            visible = mask
        x = x + self._positions(x, places)
        for layer in self.layers:
            x = layer(x, mask, visible, style)
        return normed(self.last_ln, x, style)

    def _positions(self, x: Tensor, places: Tensor | None) -> Tensor:
        if places is None:
            return sinusoids(x.shape[1], x.shape[2], x.device).to(x.dtype)
        table = sinusoids(len(x), x.shape[2], x.device).to(x.dtype)
        return table[places][:, None]


class StyledBlock(nn.Module):
    """Self-attention, then a convolution and a linear layer, each with its residual and a norm before it."""

    def __init__(self, sizes: StyledSizes, channels: int, *, styled: bool) -> None:
        super().__init__()
        norm = StyleNorm if styled else nn.LayerNorm
        self.ln_1 = norm(channels)
        self.self_attn = nn.MultiheadAttention(channels, sizes.heads, sizes.dropout, batch_first=True)
        self.ln_2 = norm(channels)
        self.ffn = StyledFeedForward(channels, sizes.filter, sizes.kernel, sizes.dropout)

    def forward(self, x: Tensor, mask: Tensor, visible: Tensor, style: Tensor | None) -> Tensor:
        hidden = normed(self.ln_1, x, style)
        x = x + attended(self.self_attn, hidden, hidden, mask)
        hidden = normed(self.ln_2, x, style)
        return x + self.ffn(hidden, visible)


class StyledFeedForward(nn.Module):
    """A convolution over places, and a linear layer."""

    def __init__(self, channels: int, filter_channels: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.ffn_1 = nn.Conv1d(channels, filter_channels, kernel, padding=kernel // 2)
        self.ffn_2 = nn.Linear(filter_channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        seen = x * visible[..., None]
        hidden = self.ffn_1(seen.transpose(1, 2))
        hidden = F.relu(hidden.transpose(1, 2))
        return self.ffn_2(self.dropout(hidden))


def normed(norm: nn.Module, x: Tensor, style: Tensor | None) -> Tensor:
    """`x` by a norm that follows a style, or by one that does not."""
    return norm(x, style) if isinstance(norm, StyleNorm) else norm(x)


def style_of(prompt: Tensor, mask: Tensor) -> Tensor:
    """The mean (batch, channels) of a prompt (batch, places, channels) over its real places."""
    weights = mask[..., None].to(prompt.dtype)
    total = (prompt * weights).sum(1)
    return total / weights.sum(1).clamp(min=1)


def attended(attention: nn.MultiheadAttention, queries: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """What `queries` (batch, places, channels) draw from `values` (batch, others, channels), of which `mask` is True where real."""
    padding = None if mask is None else ~mask
    out, _ = attention(queries, values, values, key_padding_mask=padding, need_weights=False)
    return out
