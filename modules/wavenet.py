"""The gated dilated stack of WaveNet (arXiv 1609.03499), not causal: what VITS's posterior and flow are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modules.norm import weight_norm


class GatedStack(nn.Module):
    """Dilated convolutions over (batch, channels, places), each gated, each with a residual and a share in the sum that comes out.

    `condition_channels` above 0 adds a condition (batch, condition_channels, 1 or places) before every gate. The dilation of
    layer i is `dilation_rate` ** i. Raises ValueError for an even kernel: its output would not be as long as its input.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        layers: int,
        *,
        dilation_rate: int = 1,
        condition_channels: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size: {kernel_size} of a gated stack must be odd, for example 3 or 5.")
        self.channels, self.dropout = channels, nn.Dropout(dropout)
        self.in_layers = nn.ModuleList(
            _conv(channels, 2 * channels, kernel_size, dilation_rate**i) for i in range(layers)
        )
        # The last layer has nothing to hand on.
        self.res_skip_layers = nn.ModuleList(
            _conv(channels, channels if i == layers - 1 else 2 * channels, 1) for i in range(layers)
        )
        self.cond_layer = _conv(condition_channels, 2 * channels * layers, 1) if condition_channels else None

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        """`mask` (batch, 1, places): 1 where real; elsewhere zero comes out."""
        total = torch.zeros_like(x)
        added = [0.0] * len(self.in_layers)
        if self.cond_layer is not None and condition is not None:
            added = self.cond_layer(condition).chunk(len(self.in_layers), 1)
        for convolve, out, extra in zip(self.in_layers, self.res_skip_layers, added, strict=True):
            wave, gate = (convolve(x) + extra).chunk(2, 1)
            made = out(self.dropout(torch.tanh(wave) * torch.sigmoid(gate)))
            if made.shape[1] > self.channels:
                x, made = (x + made[:, : self.channels]) * mask, made[:, self.channels :]
            total = total + made
        return total * mask


def _conv(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> nn.Module:
    return weight_norm(nn.Conv1d(inputs, outputs, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2))
