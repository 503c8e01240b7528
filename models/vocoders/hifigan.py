"""HiFi-GAN, a convolutional vocoder trained against discriminators (https://arxiv.org/abs/2010.05646)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model, former_names
from models.vocoders.losses import LossMel, compared
from models.vocoders.stages import UpsampleSizes, small
from modules.norm import weight_norm
from modules.planes import CausalConv1d, CausalConvTranspose1d, planes, run
from processors.mel import MelSettings

POST_SLOPE = 0.01  # before the last convolution the published weights expect torch's default, not `slope`


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What other programs build differently under the same name; the defaults are the authors'."""

    upsample_padding: Literal["hifigan", "parallelwavegan"] = "hifigan"
    plain_ends: bool = False  # VITS: first and last convolution without weight norm, the last without bias
    normalise: bool = False  # ParallelWaveGAN: `infer` takes (mel - mean) / scale first
    kernel_size: int = 7  # of the first and last convolution
    slope: float = 0.1
    block_bias: bool = True
    causal: bool = False  # ParallelWaveGAN's: no sample hears of a later frame


class HiFiGAN(Model):
    """Mel (batch, frames, n_mel) to samples (batch, samples); each frame becomes prod(upsample_rates) samples.

    The defaults are the paper's V1. `sample_rate` None makes a decoder for the inside of another model, which has
    its own losses and calls `decode`; `speaker_channels` is the size of the speaker embedding it may add.
    `mel` are the settings of the mel that it reads. Raises ValueError when the sizes do not fit together.
    """

    reads = ("mel", "audio")
    former = {**former_names("generator", UpsampleSizes), **former_names("loss_mel", LossMel)}

    def __init__(
        self,
        *,
        n_mel: int,
        sample_rate: int | None = None,
        hop_size: int | None = None,
        mel: MelSettings | None = None,
        generator: UpsampleSizes = UpsampleSizes(),
        speaker_channels: int = 0,
        loss_mel: LossMel = LossMel(),
        variant: Variant = Variant(),
    ) -> None:
        super().__init__()
        generator.check("HiFiGAN", hop_size)
        _check_causal(generator, variant)
        self.samples_per_frame = generator.samples_per_frame
        self.variant = variant
        kernel = variant.kernel_size
        ends = _plain if variant.plain_ends else weight_norm
        channels = generator.channels

        conv = CausalConv1d if variant.causal else nn.Conv1d
        self.conv_pre = ends(conv(n_mel, channels[0], kernel, padding=kernel // 2))
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        block = RESBLOCKS[generator.resblock]
        for stage, (rate, size) in enumerate(generator.stages):
            self.ups.append(_upsample(channels[stage], channels[stage + 1], size, rate, variant))
            for block_size, dilations in generator.blocks:
                self.resblocks.append(block(channels[stage + 1], block_size, dilations, variant))
        last = conv(channels[-1], 1, kernel, padding=kernel // 2, bias=not variant.plain_ends)
        self.conv_post = ends(small(last))
        self.cond = nn.Conv1d(speaker_channels, channels[0], 1) if speaker_channels else None
        if variant.normalise:
            self.register_buffer("mean", torch.zeros(n_mel))
            self.register_buffer("scale", torch.ones(n_mel))
        self.mel_loss = loss_mel.loss(mel, sample_rate=sample_rate, hop_size=self.samples_per_frame, n_mel=n_mel)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`mel`: the L1 distance of the log mels; `real` and `fake` (batch, 1, samples) for the discriminators."""
        return compared(self.mel_loss, batch, self.decode(self._normalised(batch["mel"]).transpose(1, 2)))

    @torch.inference_mode()
    def infer(self, mel: Tensor) -> Tensor:
        """Samples (batch, frames * samples_per_frame) of a mel (batch, frames, n_mel)."""
        wave = self.decode(self._normalised(mel).transpose(1, 2))
        return wave[:, 0, : mel.shape[1] * self.samples_per_frame]

    def _normalised(self, mel: Tensor) -> Tensor:
        return (mel - self.mean) / self.scale if self.variant.normalise else mel

    def decode(
        self, hidden: Tensor, speaker: Tensor | None = None, excite: Callable[[int, Tensor], Tensor] | None = None
    ) -> Tensor:
        """(batch, n_mel, frames), speaker (batch, speaker_channels, 1) -> (batch, 1, samples).

        `excite` has its way with what goes on inside, (batch, channels, time): of number 0 after the first convolution,
        of number n after the n-th upsampling.
        A kernel that exceeds its rate by an odd number makes each stage one sample longer, as in the published nets.
        """
        slope = self.variant.slope
        x = run(self.conv_pre, planes(hidden))
        if self.cond is not None and speaker is not None:
            x = x + run(self.cond, planes(speaker))
        x = excite(0, x.squeeze(2)).unsqueeze(2) if excite else x
        for number, (up, blocks) in enumerate(self._stages(), 1):
            # In place where nothing else holds the tensor: moving memory costs as much as the small layers compute.
            x = F.leaky_relu(x, slope, inplace=True)
            x = run(up, x)
            x = excite(number, x.squeeze(2)).unsqueeze(2) if excite else x
            x = _mean_of(blocks, x, slope)
        x = F.leaky_relu(x, POST_SLOPE, inplace=True)
        wave = torch.tanh(run(self.conv_post, x))
        return wave.squeeze(2)

    def _stages(self) -> Iterator[tuple[nn.Module, nn.ModuleList]]:
        blocks = len(self.resblocks) // len(self.ups)
        for i, up in enumerate(self.ups):
            yield up, self.resblocks[i * blocks : (i + 1) * blocks]

    @property
    def receptive_field_frames(self) -> int:
        """How many frames before and after a frame have a say in its samples."""
        half = self.variant.kernel_size // 2
        reach = float(half)
        rate = 1
        for up, blocks in self._stages():
            rate *= up.stride[0]
            widest = max(block.reach for block in blocks)
            reach += (up.kernel_size[0] + widest) / rate
        reach += half / rate
        if self.variant.causal:  # a causal layer reaches as far, but all of it back
            reach *= 2
        return math.ceil(reach)


class ResBlock1(nn.Module):
    """Three pairs of convolutions, dilated and plain, each with a shortcut."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...], variant: Variant) -> None:
        super().__init__()
        dilated = [_conv(channels, kernel_size, dilation, variant) for dilation in dilations]
        plain = [_conv(channels, kernel_size, 1, variant) for _ in dilations]
        self.slope = variant.slope
        self.convs1 = nn.ModuleList(dilated)
        self.convs2 = nn.ModuleList(plain)
        total_dilation = sum(dilations) + len(dilations)
        self.reach = (kernel_size // 2) * total_dilation

    def forward(self, x: Tensor, active: Tensor | None) -> Tensor:
        """`active` is the activation of `x`, which neighbouring blocks share; neither is changed."""
        for first, second in zip(self.convs1, self.convs2, strict=True):
            if active is None:
                active = F.leaky_relu(x, self.slope)
            hidden = F.leaky_relu(run(first, active), self.slope, inplace=True)
            x = run(second, hidden).add_(x)
            active = None
        return x


class ResBlock2(nn.Module):
    """Dilated convolutions, each with a shortcut: the small block of V3."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...], variant: Variant) -> None:
        super().__init__()
        self.slope = variant.slope
        convs = [_conv(channels, kernel_size, dilation, variant) for dilation in dilations]
        self.convs = nn.ModuleList(convs)
        self.reach = (kernel_size // 2) * sum(dilations)

    def forward(self, x: Tensor, active: Tensor | None) -> Tensor:
        """See `ResBlock1.forward`."""
        for conv in self.convs:
            if active is None:
                active = F.leaky_relu(x, self.slope)
            x = run(conv, active).add_(x)
            active = None
        return x


RESBLOCKS = {"1": ResBlock1, "2": ResBlock2}


def _mean_of(blocks: nn.ModuleList, x: Tensor, slope: float) -> Tensor:
    """The blocks of one stage look at the same input through different kernels; their mean goes on."""
    active = F.leaky_relu(x, slope)
    total = blocks[0](x, active)
    for block in blocks[1:]:
        total = total.add_(block(x, active))
    return total.div_(len(blocks))


def _conv(channels: int, kernel_size: int, dilation: int, variant: Variant) -> nn.Module:
    kind = CausalConv1d if variant.causal else nn.Conv1d
    padding = (kernel_size - 1) * dilation // 2
    conv = kind(channels, channels, kernel_size, dilation=dilation, padding=padding, bias=variant.block_bias)
    return weight_norm(small(conv))


def _upsample(inputs: int, outputs: int, size: int, rate: int, variant: Variant) -> nn.Module:
    if variant.causal:
        conv = CausalConvTranspose1d(inputs, outputs, size, rate)
        return weight_norm(small(conv))
    padding = (size - rate) // 2
    output_padding = 0
    if variant.upsample_padding == "parallelwavegan":
        output_padding = rate % 2
        padding = rate // 2 + output_padding
    conv = nn.ConvTranspose1d(inputs, outputs, size, rate, padding=padding, output_padding=output_padding)
    return weight_norm(small(conv))


def _plain(conv: nn.Module) -> nn.Module:
    return conv


def _check_causal(generator: UpsampleSizes, variant: Variant) -> None:
    unfit = [f"{size} for {rate}" for rate, size in generator.stages if size != 2 * rate]
    if variant.causal and unfit:
        raise ValueError(
            f"HiFiGAN: a causal variant needs kernels of twice the rate in upsample_kernel_sizes, got {', '.join(unfit)}."
        )
