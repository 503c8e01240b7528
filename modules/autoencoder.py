"""An autoencoder of planes that ends in a Gaussian: encoder, decoder and posterior (https://arxiv.org/abs/2112.10752).

    plane (batch, 1, height, width) -> Encoder -> (batch, 2 * latent, height / f, width / f) -> Gaussian -> Decoder -> plane

f is 2 for each of the `multipliers` but the first. Parameters have the names of the published ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from modules.resnet import (
    Downsample,
    MaskedGroupNorm,
    PlaneAttention,
    ResNetBlock,
    Upsample,
    activated,
    check_groups,
    halved,
    masked,
)

LEAST_LOGVAR = -30.0  # beyond these a variance says nothing that float32 can tell
MOST_LOGVAR = 20.0


@dataclass(frozen=True, kw_only=True)
class AutoencoderSizes:
    """Of encoder and decoder. Level i has `channels` times `multipliers[i]`; each but the last halves height and width.

    `blocks`: residual blocks of a level, of which the decoder has one more. `latent`: channels between them, and `embedding` those of the
    posterior itself, None for as many. `mid_attention` is between the middle blocks, `attention_levels` behind each block of these levels.
    `groups` are those of the norms. The defaults give Amphion's latents of 4 x 5 x 39 from a mel of 80 bands and 624 frames.
    """

    channels: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
    blocks: int = 2
    latent: int = 4
    embedding: int | None = None
    mid_attention: bool = False
    attention_levels: tuple[int, ...] = ()
    groups: int = 32
    dropout: float = 0.0

    def __post_init__(self) -> None:
        least = {"channels": self.channels, "blocks": self.blocks, "latent": self.latent, "multipliers": len(self.multipliers)}
        for name, value in least.items():
            if value < 1:
                raise ValueError(f"sizes.{name}: 1 or more is needed, got {value}.")
        unknown = [level for level in self.attention_levels if not 0 <= level < len(self.multipliers)]
        if unknown:
            raise ValueError(f"sizes.attention_levels: there are levels 0 to {len(self.multipliers) - 1}, got {unknown[0]}.")
        check_groups(self.groups, self.widths, "sizes.groups")

    @property
    def widths(self) -> list[int]:
        """Channels of each level."""
        return [self.channels * multiplier for multiplier in self.multipliers]

    @property
    def factor(self) -> int:
        """How many rows or columns of a plane are one of its latent."""
        return 2 ** (len(self.multipliers) - 1)

    @property
    def channels_of_posterior(self) -> int:
        return self.latent if self.embedding is None else self.embedding

    def block(self, inputs: int, outputs: int) -> ResNetBlock:
        return ResNetBlock(inputs, outputs, groups=self.groups, dropout=self.dropout)


class Gaussian:
    """A posterior: independent normal numbers of a mean and a log variance, each (batch, channels, height, width)."""

    def __init__(self, moments: Tensor) -> None:
        """`moments` (batch, 2 * channels, height, width): the means, then the log variances."""
        self.mean, logvar = moments.chunk(2, 1)
        self.logvar = logvar.clamp(LEAST_LOGVAR, MOST_LOGVAR)

    @property
    def moments(self) -> Tensor:
        """(batch, 2 * channels, height, width)."""
        return torch.cat([self.mean, self.logvar], 1)

    def sample(self, noise: Tensor) -> Tensor:
        """Of standard normal `noise`, of the mean's shape."""
        deviation = (0.5 * self.logvar).exp()
        return self.mean + deviation * noise

    def kl(self, mask: Tensor | None = None) -> Tensor:
        """(batch,): the divergence from standard normal numbers, in nats, of the places inside the mask."""
        variance = self.logvar.exp()
        places = 0.5 * (self.mean.square() + variance - 1 - self.logvar)
        if mask is not None:
            places = places * mask
        return places.sum((1, 2, 3))


class Level(nn.Module):
    """Residual blocks of one width, attention behind each where there is some; on the way up or down, then a change of size."""

    def __init__(self, blocks: list[ResNetBlock], attention: list[PlaneAttention]) -> None:
        super().__init__()
        self.block = nn.ModuleList(blocks)
        self.attn = nn.ModuleList(attention)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        for number, block in enumerate(self.block):
            x = block(x, mask)
            if self.attn:
                x = self.attn[number](x, mask)
        return x


def level_of(sizes: AutoencoderSizes, number: int, widths: list[int]) -> Level:
    """Level `number` of these sizes; its blocks lead from each of the `widths` to the next."""
    pairs = zip(widths, widths[1:], strict=False)
    blocks = [sizes.block(inputs, outputs) for inputs, outputs in pairs]
    attention = []
    if number in sizes.attention_levels:
        attention = [PlaneAttention(width, groups=sizes.groups) for width in widths[1:]]
    return Level(blocks, attention)


class Middle(nn.Module):
    """Two residual blocks where planes are smallest, with attention between them where it is wished."""

    def __init__(self, width: int, sizes: AutoencoderSizes) -> None:
        super().__init__()
        self.block_1 = sizes.block(width, width)
        self.attn_1 = PlaneAttention(width, groups=sizes.groups) if sizes.mid_attention else None
        self.block_2 = sizes.block(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.block_1(x, mask)
        if self.attn_1 is not None:
            x = self.attn_1(x, mask)
        return self.block_2(x, mask)


def masks_of(mask: Tensor | None, levels: int) -> list[Tensor | None]:
    """Of each level, that of whole planes first."""
    masks = [mask]
    for _ in range(levels - 1):
        last = masks[-1]
        masks.append(None if last is None else halved(last))
    return masks


class Encoder(nn.Module):
    """Planes (batch, 1, height, width) to (batch, 2 * latent, height / factor, width / factor)."""

    def __init__(self, sizes: AutoencoderSizes) -> None:
        super().__init__()
        widths = sizes.widths
        self.conv_in = nn.Conv2d(1, sizes.channels, 3, padding=1)
        self.down = nn.ModuleList()
        before = sizes.channels
        for number, width in enumerate(widths):
            level = level_of(sizes, number, [before, *[width] * sizes.blocks])
            if number < len(widths) - 1:
                level.downsample = Downsample(width)
            self.down.append(level)
            before = width
        self.mid = Middle(before, sizes)
        self.norm_out = MaskedGroupNorm(sizes.groups, before, eps=1e-6)
        self.conv_out = nn.Conv2d(before, 2 * sizes.latent, 3, padding=1)

    def forward(self, planes: Tensor, mask: Tensor | None = None) -> Tensor:
        """`mask` is 1 inside each plane, whose sizes are multiples of the factor."""
        masks = masks_of(mask, len(self.down))
        x = self.conv_in(masked(planes, mask))
        last = len(self.down) - 1
        for number, level in enumerate(self.down):
            mask = masks[number]
            x = level(x, mask)
            if number < last:
                x = level.downsample(x, mask)
        x = self.mid(x, masks[last])
        hidden = activated(self.norm_out, x, masks[last])
        return self.conv_out(hidden)


class Decoder(nn.Module):
    """Latents (batch, latent, height, width) to planes (batch, 1, height * factor, width * factor)."""

    def __init__(self, sizes: AutoencoderSizes) -> None:
        super().__init__()
        widths = sizes.widths
        before = widths[-1]
        self.conv_in = nn.Conv2d(sizes.latent, before, 3, padding=1)
        self.mid = Middle(before, sizes)
        levels = []
        for number in reversed(range(len(widths))):
            level = level_of(sizes, number, [before, *[widths[number]] * (sizes.blocks + 1)])
            if number:
                level.upsample = Upsample(widths[number])
            levels.append(level)
            before = widths[number]
        self.up = nn.ModuleList(reversed(levels))
        self.norm_out = MaskedGroupNorm(sizes.groups, before, eps=1e-6)
        self.conv_out = nn.Conv2d(before, 1, 3, padding=1)

    def forward(self, latent: Tensor, mask: Tensor | None = None) -> Tensor:
        """`mask` is that of the whole planes."""
        masks = masks_of(mask, len(self.up))
        x = self.conv_in(masked(latent, masks[-1]))
        x = self.mid(x, masks[-1])
        for number in reversed(range(len(self.up))):
            level = self.up[number]
            x = level(x, masks[number])
            if number:
                x = level.upsample(x, masks[number - 1])
        hidden = activated(self.norm_out, x, mask)
        return self.conv_out(hidden)
