"""MelGAN, a small and fast convolutional vocoder (https://arxiv.org/abs/1910.06711)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model, former_names
from models.vocoders.losses import LossMel, compared
from models.vocoders.stages import check_hop
from modules.norm import weight_norm
from modules.planes import planes, run
from processors.mel import MelSettings

SLOPE = 0.2
END_KERNEL = 7  # of the first and last convolution


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What seungwonpark's program does to the mel; the defaults are the authors'."""

    mean: float = 0.0
    scale: float = 1.0  # the network reads (mel - mean) / scale
    tail_frames: int = 0  # silence that `infer` appends and takes off again, so that the end does not click
    tail_value: float = 0.0


class MelGAN(Model):
    """Mel (batch, frames, n_mel) to samples (batch, samples); each frame becomes prod(ratios) samples.

    The defaults are the paper's. `ngf` channels are left at the end; each stage before has twice as many.
    A residual layer is dilated three times as far as the one before. All edges are mirrored, none filled with zeros.
    `n_fft`, `win_size` and `fmax` (Hz, None is half the rate) are those of the mel in the loss, by which training is
    watched; the paper's recipe gives it no weight. `sample_rate` None makes a decoder for the inside of another model.
    Raises ValueError when the sizes do not fit together.
    """

    reads = ("mel", "audio")
    former = former_names("loss_mel", LossMel)

    def __init__(
        self,
        *,
        n_mel: int,
        sample_rate: int | None = None,
        hop_size: int | None = None,
        ratios: tuple[int, ...] = (8, 8, 2, 2),
        ngf: int = 32,
        n_residual_layers: int = 3,
        mel: MelSettings | None = None,
        loss_mel: LossMel = LossMel(),
        variant: Variant = Variant(),
    ) -> None:
        super().__init__()
        _check(ratios, n_residual_layers, hop_size)
        self.samples_per_frame = math.prod(ratios)
        self.variant = variant
        self.ratios = ratios
        channels = [ngf * 2**i for i in reversed(range(len(ratios) + 1))]
        self.conv_pre = _conv(n_mel, channels[0], END_KERNEL)
        self.ups = nn.ModuleList()
        self.blocks = nn.ModuleList()
        for inputs, outputs, ratio in zip(channels, channels[1:], ratios, strict=False):
            self.ups.append(_upsample(inputs, outputs, ratio))
            layers = [Residual(outputs, 3**i) for i in range(n_residual_layers)]
            self.blocks.append(nn.ModuleList(layers))
        self.conv_post = _conv(ngf, 1, END_KERNEL)
        self.mel_loss = loss_mel.loss(mel, sample_rate=sample_rate, hop_size=self.samples_per_frame, n_mel=n_mel)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`mel`: the L1 distance of the log mels; `real` and `fake` (batch, 1, samples) for the discriminators."""
        return compared(self.mel_loss, batch, self.decode(batch["mel"].transpose(1, 2)))

    @torch.inference_mode()
    def infer(self, mel: Tensor) -> Tensor:
        """Samples (batch, frames * samples_per_frame) of a mel (batch, frames, n_mel)."""
        tail = F.pad(mel, (0, 0, 0, self.variant.tail_frames), value=self.variant.tail_value)
        return self.decode(tail.transpose(1, 2))[:, 0, : mel.shape[1] * self.samples_per_frame]

    def decode(self, hidden: Tensor) -> Tensor:
        """(batch, n_mel, frames) -> (batch, 1, samples). What is too short to be mirrored is first held on."""
        frames = hidden.shape[2]
        if frames < self.least_frames:
            hidden = F.pad(hidden, (0, self.least_frames - frames), mode="replicate")
        x = planes(hidden)
        x = _mirrored(self.conv_pre, (x - self.variant.mean) / self.variant.scale)
        for up, blocks in zip(self.ups, self.blocks, strict=True):
            x = run(up, F.leaky_relu(x, SLOPE, inplace=True))
            for block in blocks:
                x = block(x)
        wave = torch.tanh(_mirrored(self.conv_post, x, active=True))
        return wave.squeeze(2)[..., : frames * self.samples_per_frame]

    @property
    def least_frames(self) -> int:
        """So many that every layer mirrors less than it has."""
        half = END_KERNEL // 2
        rate = 1
        least = half + 1
        for ratio, blocks in zip(self.ratios, self.blocks, strict=True):
            rate *= ratio
            widest = blocks[-1].dilation
            least = max(least, widest // rate + 1)
        return max(least, half // rate + 1)

    @property
    def receptive_field_frames(self) -> int:
        """How many frames before and after a frame have a say in its samples."""
        half = END_KERNEL // 2
        reach = float(half)
        rate = 1
        for up, blocks in zip(self.ups, self.blocks, strict=True):
            rate *= up.stride[0]
            dilations = sum(block.dilation for block in blocks)
            reach += (up.kernel_size[0] + dilations) / rate
        return math.ceil(reach + half / rate)


class Residual(nn.Module):
    """A dilated convolution and one across channels, beside a shortcut across channels."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.dilated = _conv(channels, channels, 3, dilation)
        self.mixed = _conv(channels, channels, 1)
        self.shortcut = _conv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.leaky_relu(_mirrored(self.dilated, x, active=True), SLOPE, inplace=True)
        return run(self.mixed, hidden).add_(run(self.shortcut, x))


def _mirrored(layer: nn.Conv1d, x: Tensor, *, active: bool = False) -> Tensor:
    """The convolution of (batch, channels, 1, samples) continued by its mirror image, so that it keeps its length.

    `active`: of the activation of `x`, which itself stays as it is.
    """
    width = (layer.kernel_size[0] // 2) * layer.dilation[0]
    padded = F.pad(x, (width, width, 0, 0), mode="reflect")
    if active:
        padded = F.leaky_relu(padded, SLOPE, inplace=True)
    return run(layer, padded)


def _conv(inputs: int, outputs: int, size: int, dilation: int = 1) -> nn.Module:
    return weight_norm(nn.Conv1d(inputs, outputs, size, dilation=dilation))


def _upsample(inputs: int, outputs: int, ratio: int) -> nn.Module:
    odd = ratio % 2
    conv = nn.ConvTranspose1d(inputs, outputs, 2 * ratio, ratio, padding=ratio // 2 + odd, output_padding=odd)
    return weight_norm(conv)


def _check(ratios: tuple[int, ...], layers: int, hop_size: int | None) -> None:
    if not ratios or min(ratios) < 1 or layers < 1:
        raise ValueError(f"MelGAN: ratios {list(ratios)} and n_residual_layers {layers} must be 1 or more, and one ratio at least.")
    check_hop("MelGAN", "ratios", ratios, hop_size)
