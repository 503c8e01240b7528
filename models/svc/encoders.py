"""From a condition to a mel at once: the encoder of TransformerSVC, and the first guess of DiffComoSVC."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from modules.attention import LONG, RelativeEncoder
from modules.masks import masked_mean
from modules.ssim import dissimilarity
from modules.transformer import sinusoids


@dataclass(frozen=True, kw_only=True)
class MelEncoderSizes:
    """Of the layers. "conformer" is what Amphion calls so, the relative attention and convolutions of VITS's text encoder;
    "transformer" has positions and linear layers in their place, and no `kernel` and `window`."""

    kind: Literal["conformer", "transformer"] = "conformer"
    layers: int = 6
    heads: int = 2
    filter: int = 512
    kernel: int = 3
    window: int = 4
    dropout: float = 0.1

    def network(self, channels: int, n_mel: int, *, see_padding: bool) -> nn.Module:
        """A condition (batch, frames, channels) and which frames are real (batch, frames), or None, to a mel (batch, frames, n_mel).

        With `see_padding` the transformer attends to what lies beyond the end, as published weights do.
        Raises ValueError where the heads cannot share the channels.
        """
        if channels % self.heads:
            raise ValueError(f"encoder.heads: {channels} channels cannot be shared by {self.heads} heads: choose a divisor.")
        if self.kind == "conformer":
            return RelativeMelEncoder(self, channels, n_mel)
        return TransformerMelEncoder(self, channels, n_mel, see_padding)


class RelativeMelEncoder(nn.Module):
    """Relative attention and convolutions, then a linear layer."""

    def __init__(self, sizes: MelEncoderSizes, channels: int, n_mel: int) -> None:
        super().__init__()
        self.conformer_encoder = RelativeEncoder(
            channels=channels,
            filter_channels=sizes.filter,
            heads=sizes.heads,
            layers=sizes.layers,
            kernel_size=sizes.kernel,
            dropout=sizes.dropout,
            window=sizes.window,
            eps=1e-4,
        )
        self.projection = nn.Conv1d(channels, n_mel, 1)

    def forward(self, condition: Tensor, mask: Tensor | None) -> Tensor:
        x = condition.transpose(1, 2)
        inside = x.new_ones(len(x), 1, x.shape[2]) if mask is None else mask[:, None].to(x.dtype)
        hidden = self.conformer_encoder(x, inside)
        return self.projection(hidden).transpose(1, 2)


class TransformerMelEncoder(nn.Module):
    """torch's transformer encoder with positions, then a linear layer."""

    def __init__(self, sizes: MelEncoderSizes, channels: int, n_mel: int, see_padding: bool) -> None:
        super().__init__()
        self.see_padding = see_padding
        common = {"dim_feedforward": sizes.filter, "dropout": sizes.dropout, "batch_first": True}
        layer = nn.TransformerEncoderLayer(channels, sizes.heads, **common)
        self.transformer_encoder = nn.TransformerEncoder(layer, sizes.layers, enable_nested_tensor=False)
        self.output_mlp = nn.Linear(channels, n_mel)

    def forward(self, condition: Tensor, mask: Tensor | None) -> Tensor:
        _, frames, channels = condition.shape
        positions = sinusoids(frames, channels, condition.device)
        x = condition + positions.to(condition.dtype)
        padding = None if mask is None or self.see_padding else ~mask
        with sparing(frames):
            hidden = self.transformer_encoder(x, src_key_padding_mask=padding)
        return self.output_mlp(hidden)


@contextlib.contextmanager
def sparing(frames: int) -> Iterator[None]:
    """Torch's attention over so many frames in memory that grows with them: its fast path weighs all pairs at once."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(before and frames <= LONG)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def structure_loss(made: Tensor, wanted: Tensor, inside: Tensor, *, see_padding: bool) -> Tensor:
    """How unlike two mels (batch, frames, n_mel) are built: the mean over the frames that are `inside`, or with the padding."""
    if see_padding:
        return dissimilarity(made, wanted).mean()
    return masked_mean(dissimilarity(made, wanted, inside), inside)
