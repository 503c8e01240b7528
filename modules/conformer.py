"""The Conformer (https://arxiv.org/abs/2005.08100) of torchaudio, with positions, over padded batches."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from modules.transformer import sinusoids

DEPTHWISE = 2  # the place of the convolution over time among the layers of torchaudio's convolution module


class ConformerEncoder(nn.Module):
    """(batch, frames, channels) to the same shape; what lies beyond the end of an utterance has no say.

    With `see_padding` the convolutions look at it, as published weights do. Raises ValueError where the heads cannot share the channels.
    """

    def __init__(
        self, channels: int, *, layers: int = 6, heads: int = 2, feed_forward: int = 256, kernel: int = 3, see_padding: bool = False
    ) -> None:
        super().__init__()
        from torchaudio.models import Conformer  # here, as most models have none

        if channels % heads:
            raise ValueError(f"conformer: {channels} channels cannot be shared by {heads} heads: leave the conformer out.")
        self.conformer_layers = Conformer(channels, heads, feed_forward, layers, kernel).conformer_layers
        if not see_padding:
            for layer in self.conformer_layers:
                convolutions = layer.conv_module.sequential
                convolutions[DEPTHWISE] = EndingConv.like(convolutions[DEPTHWISE])

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`mask` (batch, frames): True where real."""
        positions = sinusoids(x.shape[1], x.shape[2], x.device).to(x.dtype)
        hidden = (x + positions).transpose(0, 1)
        for layer in self.conformer_layers:
            convolution = layer.conv_module.sequential[DEPTHWISE]
            if isinstance(convolution, EndingConv):
                convolution.mask = mask[:, None]
            hidden = layer(hidden, ~mask)
        return hidden.transpose(0, 1)


class EndingConv(nn.Conv1d):
    """A convolution over (batch, channels, frames) that reads zeros where `mask` (batch, 1, frames), set before each call, is False."""

    mask: Tensor

    @classmethod
    def like(cls, convolution: nn.Conv1d) -> EndingConv:
        """One of the sizes and with the weights of `convolution`."""
        sizes: dict[str, Any] = {
            "kernel_size": convolution.kernel_size,
            "padding": convolution.padding,
            "groups": convolution.groups,
            "bias": convolution.bias is not None,
        }
        made = cls(convolution.in_channels, convolution.out_channels, **sizes)
        made.load_state_dict(convolution.state_dict())
        return made

    def forward(self, x: Tensor) -> Tensor:
        inside = self.mask.to(x.dtype)
        return super().forward(x * inside)
