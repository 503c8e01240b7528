"""The UNet of latent diffusion (https://arxiv.org/abs/2112.10752): ResNet blocks and transformers over a map, coarser and finer again.

Maps are (batch, channels, height, width) in the channels-last layout, in which a CPU computes them faster and the transformers
have their tokens without a copy. The condition is a sequence that cross attention reads (Amphion's AudioLDM), a vector that goes
with the step (AudioLDM as published), or both. Parameters are named as in the reference code of latent diffusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from modules.diffusion import geometric_frequencies, waves_of
from modules.resnet import MaskedGroupNorm, halved, masked
from modules.spatial import SpatialTransformer, added, faint
from modules.winograd import Conv1x1, Conv3x3

EMBEDDING = 4  # times as wide as the first level is what the step becomes

Joined = Literal["concat", "add"]
Crop = Literal["after", "before"]


@dataclass(frozen=True, kw_only=True)
class UNetSizes:
    """Of a `UNet`; the defaults are those of Amphion's AudioLDM.

    `widths` are the channels of each level, each half as fine as the one before, with `blocks` ResNet blocks and, where
    `attention` says so, transformers of `depth` layers. They have `heads`, of all levels or of each, or as many as have
    `head_channels`. `crop` says whether a map of odd size is cut to the size of its level after the convolution that follows
    upsampling, or before (as diffusers has it). `keep_less` computes activations anew in the backward pass: slower, in far less memory.
    """

    widths: tuple[int, ...] = (256, 512, 1024)
    blocks: int = 2
    attention: tuple[bool, ...] = (True, True, True)
    depth: int = 1
    heads: int | tuple[int, ...] | None = 8
    head_channels: int | None = None
    groups: int = 32
    dropout: float = 0.0
    crop: Crop = "after"
    keep_less: bool = False

    def heads_of(self, level: int) -> int:
        """How many heads the transformers of a level have. Raises ValueError for numbers that do not divide its width."""
        width = self.widths[level]
        if self.head_channels is not None:
            heads = width // self.head_channels
        elif isinstance(self.heads, tuple):
            heads = self.heads[level]
        else:
            heads = self.heads or 0
        if heads < 1 or width % heads:
            raise ValueError(f"heads: {width} channels cannot be shared by {heads} heads: choose a divisor, or head_channels.")
        return heads

    def check(self) -> None:
        """Raises ValueError where the sizes do not fit together."""
        levels = len(self.widths)
        if not levels or len(self.attention) != levels:
            raise ValueError(f"attention: one truth value for each of the {levels} widths is needed, got {len(self.attention)}.")
        if isinstance(self.heads, tuple) and len(self.heads) != levels:
            raise ValueError(f"heads: one number for each of the {levels} widths, or one for all, is needed, got {len(self.heads)}.")
        for width in self.widths:
            if width < 1 or width % self.groups:
                raise ValueError(f"widths: {width} channels are not divisible by the {self.groups} groups of the norm.")


@dataclass(frozen=True, kw_only=True)
class UNetCondition:
    """What a `UNet` is conditioned on.

    `context` is the width of the sequence that cross attention reads; without one the second attention of each layer sees the map
    itself. `vector` is the width of a vector that goes with the step: `joined` to it, or added.
    """

    context: int | None = None
    vector: int | None = None
    joined: Joined = "concat"

    def embedding(self, width: int) -> int:
        """The channels of step and vector together, each of so many."""
        doubled = self.vector is not None and self.joined == "concat"
        return 2 * width if doubled else width


class ResidualBlock(nn.Module):
    """Two convolutions of a map, the step's embedding between them, and the map itself added."""

    def __init__(self, inputs: int, outputs: int, embedding: int, sizes: UNetSizes) -> None:
        super().__init__()
        first = Conv3x3(inputs, outputs)
        last = Conv3x3(outputs, outputs)
        norm_in = MaskedGroupNorm(sizes.groups, inputs)
        norm_out = MaskedGroupNorm(sizes.groups, outputs)
        dropout = nn.Dropout(sizes.dropout)
        shift = nn.Linear(embedding, outputs)
        self.in_layers = nn.Sequential(norm_in, nn.SiLU(inplace=True), first)
        self.emb_layers = nn.Sequential(nn.SiLU(), shift)
        self.out_layers = nn.Sequential(norm_out, nn.SiLU(inplace=True), dropout, faint(last))
        self.skip_connection = nn.Identity()
        if inputs != outputs:
            self.skip_connection = Conv1x1(inputs, outputs)

    def forward(self, x: Tensor, embedding: Tensor, inside: Tensor | None = None) -> Tensor:
        """`x` (batch, inputs, height, width), `embedding` (batch, channels) -> (batch, outputs, height, width)."""
        shift = self.emb_layers(embedding)
        hidden = added(shift[:, :, None, None], normed(self.in_layers, x, inside))
        return added(self.skip_connection(x), normed(self.out_layers, hidden, inside))


def normed(layers: nn.Sequential, x: Tensor, inside: Tensor | None) -> Tensor:
    """`x` through layers of which the first is a norm; behind the end of a shorter map they see zeros."""
    norm, *others = layers
    hidden = norm(x, inside)
    for layer in others:
        hidden = layer(hidden)
    return hidden


class Downsample(nn.Module):
    """A map of half the height and width, rounded up."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, inside: Tensor | None = None) -> Tensor:
        return self.op(masked(x, inside))


class Upsample(nn.Module):
    """A map of twice the height and width, or one less where the level is of odd size."""

    def __init__(self, channels: int, crop: Crop) -> None:
        super().__init__()
        self.conv = Conv3x3(channels, channels)
        self.crop = crop

    def forward(self, x: Tensor, finer: Kept, inside: Tensor | None = None) -> Tensor:
        """`x` (batch, channels, height, width), as high and wide as the map of `finer`."""
        height, width = finer.map.shape[2:]
        real = masked(x, inside)
        doubled = F.interpolate(real, scale_factor=2, mode="nearest")
        if self.crop == "before":
            cut = doubled[:, :, :height, :width]
            real = masked(cut, finer.inside)
            return self.conv(real)
        whole = self.conv(doubled)
        return whole[:, :, :height, :width]


class Kept(NamedTuple):
    """A map of the way down, and which of its places are real, (batch, 1, height, width); None where all are."""

    map: Tensor
    inside: Tensor | None


class Given(NamedTuple):
    """What all stages are conditioned on: the step's embedding (batch, channels), the context, and (batch, 1, 1, places) which of it is real."""

    embedding: Tensor
    context: Tensor | None
    mask: Tensor | None

    @classmethod
    def of(cls, embedding: Tensor, context: Tensor | None, mask: Tensor | None) -> Given:
        """The same of a `mask` (batch, places)."""
        seen = None if mask is None else mask[:, None, None, :]
        return cls(embedding, context, seen)


class UNet(nn.Module):
    """What is in a noisy map at a step of training, by a network that sees it at several levels.

    Raises ValueError for sizes that do not fit together.
    """

    def __init__(
        self, *, in_channels: int, out_channels: int, sizes: UNetSizes = UNetSizes(), condition: UNetCondition = UNetCondition()
    ) -> None:
        super().__init__()
        sizes.check()
        self.sizes = sizes
        self.condition = condition
        first = sizes.widths[0]
        self._build_embedding(first)
        skips = self._build_down(in_channels)
        self._build_up(skips)
        norm = MaskedGroupNorm(sizes.groups, first)
        last = nn.Conv2d(first, out_channels, 3, padding=1)
        self.out = nn.Sequential(norm, nn.SiLU(), faint(last))
        self.to(memory_format=torch.channels_last)

    def _build_embedding(self, first: int) -> None:
        """What the step becomes, and the vector beside it."""
        width = EMBEDDING * first
        frequencies = geometric_frequencies(first // 2)
        self.register_buffer("frequencies", frequencies, persistent=False)
        inner = nn.Linear(first, width)
        outer = nn.Linear(width, width)
        self.time_embed = nn.Sequential(inner, nn.SiLU(), outer)
        if self.condition.vector is not None:
            self.film_emb = nn.Linear(self.condition.vector, width)
        self.embedding = self.condition.embedding(width)

    def _build_down(self, in_channels: int) -> list[int]:
        """The way to the coarsest level, and there; gives the channels of each map that is kept for the way back."""
        sizes = self.sizes
        channels = sizes.widths[0]
        self.input_blocks = nn.ModuleList([nn.ModuleList([nn.Conv2d(in_channels, channels, 3, padding=1)])])
        skips = [channels]
        last = len(sizes.widths) - 1
        for level, width in enumerate(sizes.widths):
            for _ in range(sizes.blocks):
                self.input_blocks.append(self._stage(level, channels))
                channels = width
                skips.append(channels)
            if level < last:
                self.input_blocks.append(nn.ModuleList([Downsample(channels)]))
                skips.append(channels)
        begin = self._residual(channels, channels)
        transformer = self._transformer(last)
        end = self._residual(channels, channels)
        self.middle_block = nn.ModuleList([begin, transformer, end])
        return skips

    def _build_up(self, skips: list[int]) -> None:
        """The way back to the finest level."""
        sizes = self.sizes
        channels = sizes.widths[-1]
        self.output_blocks = nn.ModuleList()
        for level in reversed(range(len(sizes.widths))):
            for number in range(sizes.blocks + 1):
                stage = self._stage(level, channels + skips.pop())
                channels = sizes.widths[level]
                if level and number == sizes.blocks:
                    stage.append(Upsample(channels, sizes.crop))
                self.output_blocks.append(stage)

    def _stage(self, level: int, inputs: int) -> nn.ModuleList:
        """A ResNet block, and a transformer where the level has them."""
        stage = nn.ModuleList([self._residual(inputs, self.sizes.widths[level])])
        if self.sizes.attention[level]:
            stage.append(self._transformer(level))
        return stage

    def _residual(self, inputs: int, outputs: int) -> ResidualBlock:
        return ResidualBlock(inputs, outputs, self.embedding, self.sizes)

    def _transformer(self, level: int) -> SpatialTransformer:
        sizes = self.sizes
        width = sizes.widths[level]
        heads = sizes.heads_of(level)
        context = self.condition.context
        return SpatialTransformer(width, heads, context, groups=sizes.groups, depth=sizes.depth, dropout=sizes.dropout)

    def forward(
        self,
        x: Tensor,
        steps: Tensor,
        *,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        vector: Tensor | None = None,
        inside: Tensor | None = None,
    ) -> Tensor:
        """(batch, out channels, height, width) of `x` (batch, in channels, height, width) at `steps` (batch,) of training.

        `context` (batch, places, channels), `mask` (batch, places) True where a place of it is real, `vector` (batch, channels).
        `inside` (batch, 1, height, width) is 1 where a place of the map is real, in a batch of unequal lengths: what lies behind an end
        changes nothing before it. Raises ValueError for a condition that it was not built for, or lacks, and one of another width.
        """
        self.check_condition(context, vector)
        embedding = self.embedded(steps, vector)
        given = Given.of(embedding, context, mask)
        real = masked(x, inside)
        kept = self._down(real, given, inside)
        finest = self._up(kept, given)
        return normed(self.out, finest, inside)

    def _down(self, x: Tensor, given: Given, inside: Tensor | None) -> list[Kept]:
        """The maps of all stages on the way to the coarsest level, which the way back reads again."""
        kept = []
        x = x.contiguous(memory_format=torch.channels_last)
        for stage in self.input_blocks:
            x = self._run(stage, x, given, inside)
            if inside is not None and isinstance(stage[0], Downsample):
                inside = halved(inside)
            kept.append(Kept(x, inside))
        return kept

    def _up(self, kept: list[Kept], given: Given) -> Tensor:
        """The middle, and the way back to the finest level, beside the maps that were kept."""
        x, inside = kept[-1]
        x = self._run(self.middle_block, x, given, inside)
        for stage in self.output_blocks:
            beside = kept.pop()
            both = torch.cat([x, beside.map], dim=1)
            finer = kept[-1] if kept else beside
            x = self._run(stage, both, given, beside.inside, finer)
        return x

    def embedded(self, steps: Tensor, vector: Tensor | None = None) -> Tensor:
        """The steps (batch,), and the vector that goes with them, as (batch, channels)."""
        waves = waves_of(steps.float(), self.frequencies, cosine_first=True)
        embedding = self.time_embed(waves.to(self.time_embed[0].weight.dtype))
        if vector is None:
            return embedding
        projected = self.film_emb(vector)
        if self.condition.joined == "add":
            return embedding + projected
        return torch.cat([embedding, projected], dim=-1)

    def check_condition(self, context: Tensor | None, vector: Tensor | None) -> None:
        """Raises ValueError where the condition is not the one that it was built for."""
        wanted = {"context": self.condition.context, "vector": self.condition.vector}
        given = {"context": context, "vector": vector}
        for name, width in wanted.items():
            tensor = given[name]
            found = None if tensor is None else tensor.shape[-1]
            if found != width:
                raise ValueError(f"{name}: the network reads {width or 'no'} channels, and was given {found or 'none'}.")

    def _run(self, stage: nn.ModuleList, x: Tensor, given: Given, inside: Tensor | None, finer: Kept | None = None) -> Tensor:
        """The parts of a stage one after another; an `Upsample` in it makes the map as large as that of `finer`."""
        for part in stage:
            if isinstance(part, ResidualBlock):
                x = self._called(part, x, given.embedding, inside)
            elif isinstance(part, SpatialTransformer):
                x = self._called(part, x, given.context, given.mask, inside)
            elif isinstance(part, Upsample):
                x = part(x, finer, inside)
            elif isinstance(part, Downsample):
                x = part(x, inside)
            else:
                x = part(x)
        return x

    def _called(self, part: nn.Module, *inputs: Tensor | None) -> Tensor:
        if self.sizes.keep_less and torch.is_grad_enabled():
            return checkpoint(part, *inputs, use_reentrant=False)
        return part(*inputs)
