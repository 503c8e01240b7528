"""The variance predictor of FastSpeech 2 (arXiv 2006.04558): durations, pitch and energy from hidden states."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class VariancePredictor(nn.Module):
    """One number per place of (batch, places, channels): two convolutions and a linear layer."""

    def __init__(self, channels: int, filter_channels: int, kernel: int, dropout: float, see_padding: bool) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.see_padding = see_padding
        # Published code pads the second by 1 whatever the kernel, which only a kernel of 3 survives: there both agree.
        self.conv_layer = nn.ModuleDict(
            {
                "conv1d_1": Conv(channels, filter_channels, kernel, (kernel - 1) // 2),
                "layer_norm_1": nn.LayerNorm(filter_channels),
                "conv1d_2": Conv(filter_channels, filter_channels, kernel, (kernel - 1) // 2),
                "layer_norm_2": nn.LayerNorm(filter_channels),
            }
        )
        self.linear_layer = nn.Linear(filter_channels, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        visible = 1.0 if self.see_padding else mask[..., None]
        for number in (1, 2):
            conv = self.conv_layer[f"conv1d_{number}"]
            norm = self.conv_layer[f"layer_norm_{number}"]
            x = F.relu(conv(x * visible))
            x = self.dropout(norm(x))
        numbers = self.linear_layer(x)[..., 0]
        return numbers.masked_fill(~mask, 0.0)


class Conv(nn.Module):
    """A convolution over (batch, places, channels)."""

    def __init__(self, channels: int, out: int, kernel: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, out, kernel, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.transpose(1, 2)).transpose(1, 2)


def whole_frames(log_duration: Tensor, mask: Tensor, stretch: float, *, truncate: bool = False) -> Tensor:
    """Frames per token (batch, tokens) of log(frames + 1); an utterance that would have none gets one frame a token.

    `truncate` stretches whole frames and drops the fraction, as published models do; ours stretch first and round once.
    """
    frames = torch.exp(log_duration.float()) - 1
    frames = frames.round() * stretch if truncate else (frames * stretch).round()
    frames = frames.clamp(min=0).long() * mask
    return torch.where(frames.sum(1, keepdim=True) > 0, frames, mask.long())
