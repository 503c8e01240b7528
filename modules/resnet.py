"""Residual blocks over planes (batch, channels, height, width), as image autoencoders are built of (https://arxiv.org/abs/2112.10752).

Of a batch whose planes are of unequal sizes a `mask`, which is 1 inside a plane and 0 behind its end, keeps each as it is alone.
Its shape is (batch, 1, height, width), or 1 along an axis on which all are equal; None is for planes of one size.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-6  # of the norms


class MaskedGroupNorm(nn.GroupNorm):
    """A group norm whose mean and deviation are those inside the mask; what it gives is 0 elsewhere."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return super().forward(x)
        grouped = x.float().unflatten(1, (self.num_groups, -1))
        inside = mask.float().expand(-1, 1, *x.shape[2:])
        inside = inside[:, None].expand_as(grouped)
        count = _total(inside)
        mean = _total(grouped * inside) / count
        difference = (grouped - mean) * inside
        variance = _total(difference.square()) / count
        deviation = (variance + self.eps).sqrt()
        normal = difference / deviation
        scaled = self._scaled(normal.flatten(1, 2))
        return masked(scaled, mask).to(x.dtype)

    def _scaled(self, normal: Tensor) -> Tensor:
        """Each channel by its own weight and bias."""
        return normal * self.weight[:, None, None] + self.bias[:, None, None]


def _total(grouped: Tensor) -> Tensor:
    """The sum over each group of (batch, groups, channels, height, width)."""
    return grouped.sum((2, 3, 4), keepdim=True)


def activated(norm: MaskedGroupNorm, x: Tensor, mask: Tensor | None) -> Tensor:
    """SiLU of the normalised planes; 0 behind their ends, as SiLU keeps a zero."""
    return F.silu(norm(x, mask))


class ResNetBlock(nn.Module):
    """Two convolutions of three by three, each after a group norm and SiLU, added to what they began with."""

    def __init__(self, inputs: int, outputs: int, *, groups: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = MaskedGroupNorm(groups, inputs, eps=EPSILON)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = MaskedGroupNorm(groups, outputs, eps=EPSILON)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        if inputs != outputs:
            self.nin_shortcut = nn.Conv2d(inputs, outputs, 1)
        self.changes_width = inputs != outputs

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        hidden = self.conv1(activated(self.norm1, x, mask))
        hidden = activated(self.norm2, hidden, mask)
        hidden = self.conv2(self.dropout(hidden))
        if self.changes_width:
            x = self.nin_shortcut(x)
        return x + hidden


class PlaneAttention(nn.Module):
    """Each place of a plane looks at all of it, by one head; added to what it began with."""

    def __init__(self, channels: int, *, groups: int) -> None:
        super().__init__()
        self.norm = MaskedGroupNorm(groups, channels, eps=EPSILON)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        normal = self.norm(x, mask)
        query = _places(self.q(normal))
        key = _places(self.k(normal))
        value = _places(self.v(normal))
        visible = visible_places(mask, x)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        channels_first = attended.squeeze(1).transpose(1, 2)
        plane = channels_first.unflatten(2, x.shape[2:])
        return x + self.proj_out(plane)


def _places(plane: Tensor) -> Tensor:
    """(batch, channels, height, width) as (batch, 1, places, channels)."""
    return plane.flatten(2).transpose(1, 2).unsqueeze(1)


def visible_places(mask: Tensor | None, x: Tensor) -> Tensor | None:
    """(batch, 1, 1, places) bool: the places of `x` inside the mask; None where all are."""
    if mask is None:
        return None
    whole = mask.expand(-1, 1, *x.shape[2:])
    return whole.flatten(2)[:, None] > 0


class Downsample(nn.Module):
    """A convolution to half the height and half the width; what it misses at the far ends is 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.conv(F.pad(masked(x, mask), (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Each place becomes four, then a convolution; `mask` is that of the larger plane."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        larger = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return self.conv(masked(larger, mask))


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """The planes with zeros behind their ends."""
    return x if mask is None else x * mask


def halved(mask: Tensor) -> Tensor:
    """The mask of planes half as high and wide, each of which has even sizes."""
    return mask[:, :, ::2, ::2]


def check_groups(groups: int, widths: list[int], setting: str) -> None:
    """Raises ValueError where one of the `widths`, in channels, cannot be shared by the groups of a norm."""
    wrong = [width for width in widths if groups < 1 or width % groups]
    if wrong:
        raise ValueError(f"{setting}: {wrong[0]} channels cannot be shared by {groups} groups: choose a divisor of each of {widths}.")
