"""Self-attention that knows how far apart two places are (arXiv 1803.02155), and the encoder that VITS builds of it.

Everything here is channels first, (batch, channels, places), as the convolutions beside it are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LONG = 4000  # places; of more not all pairs are weighed at once, which for a song of ten minutes would take 25 GB
ROWS = 256  # places that are then worked out together
AWAY = -1e4  # a score whose weight is 0 after the softmax; finite, so that a row of padding gives numbers


class ChannelNorm(nn.Module):
    """Layer norm over the channels of (batch, channels, places)."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.transpose(1, 2), self.gamma.shape, self.gamma, self.beta, self.eps).transpose(1, 2)


class RelativeAttention(nn.Module):
    """Multi-head self-attention; keys and values of places up to `window` away carry a learnt vector of that distance.

    The heads share these vectors. Raises ValueError when the channels cannot be shared by the heads.
    """

    def __init__(self, channels: int, heads: int, window: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"heads: {channels} channels cannot be shared by {heads} heads: choose a divisor.")
        self.heads = heads
        self.window = window
        self.conv_q = nn.Conv1d(channels, channels, 1)
        self.conv_k = nn.Conv1d(channels, channels, 1)
        self.conv_v = nn.Conv1d(channels, channels, 1)
        self.conv_o = nn.Conv1d(channels, channels, 1)
        for layer in (self.conv_q, self.conv_k, self.conv_v):
            nn.init.xavier_uniform_(layer.weight)
        size = channels // heads
        distances = 2 * window + 1
        self.emb_rel_k = nn.Parameter(torch.randn(1, distances, size) * size**-0.5)
        self.emb_rel_v = nn.Parameter(torch.randn(1, distances, size) * size**-0.5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`x` (batch, channels, places), `mask` (batch, 1, places): 1 where a place may be looked at."""
        q = self._heads(self.conv_q(x))
        k = self._heads(self.conv_k(x))
        v = self._heads(self.conv_v(x))
        q = q * q.shape[-1] ** -0.5
        hidden = mask[:, :, None] == 0
        if q.shape[2] > LONG and not torch.is_grad_enabled():
            attended = self._attended_in_rows(q, k, v, hidden)
        else:
            attended = self._attended(q, k, v, hidden)
        attended = attended.transpose(2, 3).flatten(1, 2)
        return self.conv_o(attended)

    def _attended(self, q: Tensor, k: Tensor, v: Tensor, hidden: Tensor) -> Tensor:
        by_content = q @ k.transpose(2, 3)
        near_keys = self.emb_rel_k.to(q.dtype)
        by_distance = q @ near_keys.transpose(1, 2)
        scores = by_content + spread(by_distance, self.window)
        scores = scores.masked_fill(hidden, AWAY)
        weights = self.dropout(scores.softmax(-1))
        near = gathered(weights, self.window)
        near_values = self.emb_rel_v.to(weights.dtype)
        return weights @ v + near @ near_values

    def _attended_in_rows(self, q: Tensor, k: Tensor, v: Tensor, hidden: Tensor) -> Tensor:
        """The same, some places at a time, so that the memory grows with the places and not with their square."""
        parts = []
        for first in range(0, q.shape[2], ROWS):
            rows = q[:, :, first : first + ROWS]
            parts.append(self._attended_by(rows, first, k, v, hidden))
        return torch.cat(parts, 2)

    def _attended_by(self, q: Tensor, first: int, k: Tensor, v: Tensor, hidden: Tensor) -> Tensor:
        """What the places from `first` on see, of which `q` (batch, heads, rows, channels) are the queries."""
        window = self.window
        begin = first - window
        end = first + q.shape[2] + window
        places = k.shape[2]
        before = max(0, -begin)
        after = max(0, end - places)
        around = slice(begin + before, end - after)
        inside = slice(before, end - begin - after)
        near_keys = self.emb_rel_k.to(q.dtype)
        by_distance = q @ near_keys.transpose(1, 2)
        scores = q @ k.transpose(2, 3)
        scores[..., around] += skewed(by_distance, window)[..., inside]
        scores.masked_fill_(hidden, AWAY)
        weights = self.dropout(scores.softmax(-1))
        padded = F.pad(weights[..., around], (before, after))
        near = unskewed(padded, window)
        near_values = self.emb_rel_v.to(weights.dtype)
        return weights @ v + near @ near_values

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, channels, places) as (batch, heads, places, channels of a head)."""
        batch, _, places = x.shape
        return x.reshape(batch, self.heads, -1, places).transpose(2, 3)


def spread(near: Tensor, window: int) -> Tensor:
    """(..., places, 2 window + 1), a value for each distance, as (..., places, places): [i, j] is that of distance j - i, else 0."""
    places = near.shape[-2]
    return skewed(near, window)[..., window : window + places]


def gathered(weights: Tensor, window: int) -> Tensor:
    """The other way: of (..., places, places) the values up to `window` from the diagonal, (..., places, 2 window + 1)."""
    return unskewed(F.pad(weights, (window, window)), window)


def skewed(near: Tensor, window: int) -> Tensor:
    """(..., rows, 2 window + 1) with row i moved i to the right, (..., rows, rows + 2 window), zeros around.

    By writing it into rows one longer, then reading rows of the right length.
    """
    rows = near.shape[-2]
    width = rows + 2 * window
    surplus = width - near.shape[-1] + 1
    longer = F.pad(near, (0, surplus))
    flat = longer.flatten(-2)
    kept = flat[..., : rows * width]
    return kept.reshape(*near.shape[:-2], rows, width)  # unlike unflatten, it can be traced for any number of rows


def unskewed(far: Tensor, window: int) -> Tensor:
    """The other way: of (..., rows, rows + 2 window) the (..., rows, 2 window + 1) that begin at column i in row i."""
    rows = far.shape[-2]
    width = rows + 2 * window
    flat = far.flatten(-2)
    longer = F.pad(flat, (0, rows))
    moved = longer.reshape(*far.shape[:-2], rows, width + 1)
    return moved[..., : 2 * window + 1]


class ConvFeedForward(nn.Module):
    """Two convolutions with a ReLU between; what lies beyond the end has no say, and if `causal`, what comes later neither."""

    def __init__(self, channels: int, filter_channels: int, kernel: int, dropout: float, *, causal: bool = False) -> None:
        super().__init__()
        after = 0 if causal else kernel // 2
        self.around = (kernel - 1 - after, after)
        self.conv_1 = nn.Conv1d(channels, filter_channels, kernel)
        self.conv_2 = nn.Conv1d(filter_channels, channels, kernel)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.dropout(F.relu(self.conv_1(F.pad(x * mask, self.around))))
        return self.conv_2(F.pad(x * mask, self.around)) * mask


def stacked(layers: int, kind: type[nn.Module], *sizes: Any, **options: Any) -> nn.ModuleList:
    """So many modules of one kind and of these sizes."""
    return nn.ModuleList(kind(*sizes, **options) for _ in range(layers))


@dataclass(frozen=True, kw_only=True)
class EncoderSizes:
    """Of a `RelativeEncoder`; the defaults are those of VITS."""

    layers: int = 6
    heads: int = 2
    filter: int = 768
    kernel: int = 3
    dropout: float = 0.1
    window: int = 4

    def network(self, channels: int) -> RelativeEncoder:
        """The encoder, of so many channels."""
        return RelativeEncoder(
            channels=channels,
            filter_channels=self.filter,
            heads=self.heads,
            layers=self.layers,
            kernel_size=self.kernel,
            dropout=self.dropout,
            window=self.window,
        )


class RelativeEncoder(nn.Module):
    """Layers of relative attention and convolutions, each with its residual and a norm after it."""

    def __init__(
        self,
        *,
        channels: int,
        filter_channels: int,
        heads: int = 2,
        layers: int = 6,
        kernel_size: int = 3,
        dropout: float = 0.1,
        window: int = 4,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        feed = (channels, filter_channels, kernel_size, dropout)
        self.attn_layers = stacked(layers, RelativeAttention, channels, heads, window, dropout)
        self.norm_layers_1 = stacked(layers, ChannelNorm, channels, eps)
        self.ffn_layers = stacked(layers, ConvFeedForward, *feed)
        self.norm_layers_2 = stacked(layers, ChannelNorm, channels, eps)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`x` (batch, channels, places), `mask` (batch, 1, places): 1 where real. Padding comes out as zero."""
        x = x * mask
        for attend, norm_1, feed, norm_2 in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            x = norm_1(x + self.dropout(attend(x, mask)))
            x = norm_2(x + self.dropout(feed(x, mask)))
        return x * mask
