"""What speech is taken apart into, beside its content: the voice as one vector, and prosody, from the low bands of a mel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.gated import gate
from modules.seanet import PaddedConv1d, SEANetSizes
from modules.styled import StyledSizes

# The position that a frame is given: its own; or, as published weights were trained by mistake, that of its item in the batch, or always
# that of the first item, which is what an item alone has.
Positions = Literal["frame", "item", "first"]


@dataclass(frozen=True, kw_only=True)
class FrameTransformerSizes(StyledSizes):
    """Of a transformer over frames, see `modules.styled`; the defaults are FACodec's."""

    layers: int = 4
    heads: int = 4
    filter: int = 1024
    kernel: int = 5
    dropout: float = 0.1
    positions: Positions = "frame"


class FrameTransformer(nn.Module):
    """(batch, channels, frames) to the same shape; if `styled`, led by a style (batch, channels)."""

    def __init__(self, channels: int, sizes: FrameTransformerSizes, *, styled: bool = False) -> None:
        super().__init__()
        self.positions = sizes.positions
        self.encoder = sizes.network(channels, styled=styled)

    def forward(self, x: Tensor, mask: Tensor | None = None, style: Tensor | None = None) -> Tensor:
        """`mask` (batch, frames): True where there is sound."""
        batch, _, frames = x.shape
        if mask is None:
            mask = torch.ones(batch, frames, dtype=torch.bool, device=x.device)
        places = None
        if self.positions != "frame":
            items = torch.arange(batch, device=x.device)
            places = items if self.positions == "item" else torch.zeros_like(items)
        return self.encoder(x.transpose(1, 2), mask, style, places=places).transpose(1, 2)


# The voice


class LatentTimbre(nn.Module):
    """A voice from the encoder's output (batch, channels, frames), as a vector (batch, channels): NaturalSpeech 3's."""

    def __init__(self, channels: int, sizes: FrameTransformerSizes) -> None:
        super().__init__()
        self.transformer = FrameTransformer(channels, sizes)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`mask` (batch, frames): True where there is sound."""
        return mean_over_frames(self.transformer(x, mask), mask)


class Voice(nn.Module):
    """Gives a voice (batch, channels) to (batch, channels, frames): each frame normed, then scaled and moved as the voice has it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.timbre_linear = nn.Linear(channels, 2 * channels)
        scale, offset = self.timbre_linear.bias.data.chunk(2)
        scale.fill_(1)
        offset.fill_(0)

    def forward(self, x: Tensor, timbre: Tensor) -> Tensor:
        scale, offset = self.timbre_linear(timbre)[..., None].chunk(2, 1)
        frames = x.transpose(1, 2)
        normed = F.layer_norm(frames, frames.shape[-1:]).transpose(1, 2)
        return normed * scale + offset


class GatedConv(nn.Module):
    """A convolution whose one half opens and shuts the other, beside a shortcut: (batch, channels, frames) to the same shape."""

    def __init__(self, channels: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(channels, 2 * channels, kernel_size, padding=kernel_size // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(F.glu(self.conv1(x), 1))


class PlainAttention(nn.Module):
    """Multi-head self-attention of (batch, channels, frames). Raises ValueError when the channels cannot be shared by the heads."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"heads: {channels} channels cannot be shared by {heads} heads: choose a divisor.")
        self.heads = heads
        self.conv_q = nn.Conv1d(channels, channels, 1)
        self.conv_k = nn.Conv1d(channels, channels, 1)
        self.conv_v = nn.Conv1d(channels, channels, 1)
        self.conv_o = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """`mask` (batch, frames): True where there is sound."""
        q = self._heads(self.conv_q(x))
        k = self._heads(self.conv_k(x))
        v = self._heads(self.conv_v(x))
        keys = None
        if mask is not None:
            keys = mask[:, None, None]
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=keys)
        joined = attended.transpose(2, 3).flatten(1, 2)
        return self.conv_o(joined)

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, channels, frames) as (batch, heads, frames, channels of a head)."""
        apart = x.unflatten(1, (self.heads, -1)).transpose(2, 3)
        return apart.contiguous()  # else torch makes a table of all pairs of frames, which of some minutes no memory holds


class MelTimbre(nn.Module):
    """A voice from a mel (batch, n_mel, frames), as a vector (batch, channels): the style encoder of StyleSpeech (arXiv 2106.03153)."""

    def __init__(self, n_mel: int, channels: int, *, hidden: int = 512, heads: int = 2, kernel_size: int = 5, dropout: float = 0.1) -> None:
        super().__init__()
        spectral: list[nn.Module] = []
        for inputs in (n_mel, hidden):
            conv = nn.Conv1d(inputs, hidden, 1)
            spectral += [conv, nn.Mish(), nn.Dropout(dropout)]
        self.spectral = nn.Sequential(*spectral)
        gated = [GatedConv(hidden, kernel_size, dropout) for _ in range(2)]
        self.temporal = nn.Sequential(*gated)
        self.slf_attn = PlainAttention(hidden, heads)
        self.fc = nn.Conv1d(hidden, channels, 1)

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """`mask` (batch, frames): True where there is sound."""
        x = _silenced(self.spectral(mel), mask)
        for layer in self.temporal:
            x = _silenced(layer(x), mask)
        x = x + self.slf_attn(x, mask)
        return mean_over_frames(self.fc(x), mask)


def _silenced(x: Tensor, mask: Tensor | None) -> Tensor:
    """(batch, channels, frames) with zeros where `mask` (batch, frames) is False."""
    return x if mask is None else x * mask[:, None]


def mean_over_frames(x: Tensor, mask: Tensor | None) -> Tensor:
    """(batch, channels, frames) to (batch, channels), over the True of `mask` (batch, frames)."""
    if mask is None:
        return x.mean(2)
    frames = mask.sum(1, keepdim=True).clamp(min=1)
    return _silenced(x, mask).sum(2) / frames


# Prosody


class TransformerProsody(nn.Module):
    """The low bands of a mel (batch, bands, frames) to (batch, channels, frames): NaturalSpeech 3's second one."""

    def __init__(self, bands: int, channels: int, sizes: FrameTransformerSizes) -> None:
        super().__init__()
        self.linear = nn.Linear(bands, channels)
        self.transformer = FrameTransformer(channels, sizes)

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """`mask` (batch, frames): True where there is sound."""
        hidden = self.linear(mel.transpose(1, 2)).transpose(1, 2)
        return self.transformer(hidden, mask)


class GatedProsody(nn.Module):
    """The low bands of a mel (batch, bands, frames) to (batch, channels, frames), by gated convolutions of `hidden` channels."""

    def __init__(self, bands: int, channels: int, *, hidden: int = 256, layers: int = 8, kernel_size: int = 5, causal: bool = True) -> None:
        super().__init__()
        plain = SEANetSizes(causal=causal, norm="none")
        normed = SEANetSizes(causal=causal)
        wide = 2 * hidden
        self.first = PaddedConv1d(bands, hidden, 1, sizes=plain)
        self.in_layers = nn.ModuleList()
        self.res_skip_layers = nn.ModuleList()
        widths = [wide] * (layers - 1) + [hidden]  # the last has no successor to pass a residual to
        for width in widths:
            gated = PaddedConv1d(hidden, wide, kernel_size, sizes=normed)
            passed = PaddedConv1d(hidden, width, 1, sizes=normed)
            self.in_layers.append(gated)
            self.res_skip_layers.append(passed)
        self.last = PaddedConv1d(hidden, channels, 1, sizes=plain)

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """No frame looks beyond the end where it is causal, so that no `mask` is read."""
        x = self.first(mel)
        total = None
        for in_layer, res_skip_layer in zip(self.in_layers, self.res_skip_layers, strict=True):
            skip = res_skip_layer(gate(in_layer(x)))
            if skip.shape[1] > x.shape[1]:
                residual, skip = skip.chunk(2, 1)
                x = x + residual
            total = skip if total is None else total + skip
        return self.last(total)
