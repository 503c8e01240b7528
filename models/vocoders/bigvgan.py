"""BigVGAN: HiFi-GAN with periodic activations that are kept from aliasing (https://arxiv.org/abs/2206.04658)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.base.model import Model, former_names
from models.vocoders.losses import LossMel, compared
from models.vocoders.stages import UpsampleSizes, small
from modules.norm import weight_norm
from modules.planes import planes, run
from modules.snake import AntiAliased, Snake
from processors.mel import MelSettings

END_KERNEL = 7  # of the first and last convolution


class BigVGAN(Model):
    """Mel (batch, frames, n_mel) to samples (batch, samples); each frame becomes prod(upsample_rates) samples.

    The defaults are the paper's base model, 14 M parameters. Version 2 sets both `use_*_at_final` to False: the sound is
    then cut to [-1, 1] instead of bent by a tanh. `snake_logscale`: the activations' parameters are logarithms.
    `sample_rate` None makes a decoder for the inside of another model, which calls `decode`.
    `mel` are the settings of the mel that it reads; `multi_scale_mel` compares waves by version 2's seven mels.
    Raises ValueError when the sizes do not fit together.
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
        activation: Literal["snakebeta", "snake"] = "snakebeta",
        snake_logscale: bool = True,
        use_tanh_at_final: bool = True,
        use_bias_at_final: bool = True,
        loss_mel: LossMel = LossMel(),
        multi_scale_mel: bool = False,
    ) -> None:
        super().__init__()
        generator.check("BigVGAN", hop_size)
        self.samples_per_frame = generator.samples_per_frame
        self.use_tanh_at_final = use_tanh_at_final
        channels = generator.channels
        snake = {"beta": activation == "snakebeta", "log_scale": snake_logscale}

        self.conv_pre = weight_norm(nn.Conv1d(n_mel, channels[0], END_KERNEL, padding=END_KERNEL // 2))
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        block = AMP_BLOCKS[generator.resblock]
        for stage, (rate, size) in enumerate(generator.stages):
            outputs = channels[stage + 1]
            up = nn.ConvTranspose1d(channels[stage], outputs, size, rate, padding=(size - rate) // 2)
            self.ups.append(nn.ModuleList([weight_norm(small(up))]))  # a list of one, as in the published weights
            for block_size, dilations in generator.blocks:
                self.resblocks.append(block(outputs, block_size, dilations, snake))
        self.activation_post = AntiAliased(Snake(channels[-1], **snake))
        last = nn.Conv1d(channels[-1], 1, END_KERNEL, padding=END_KERNEL // 2, bias=use_bias_at_final)
        self.conv_post = weight_norm(small(last))
        self.mel_loss = loss_mel.loss(mel, sample_rate=sample_rate, hop_size=self.samples_per_frame, n_mel=n_mel)
        if multi_scale_mel:
            self.mel_loss = MultiScaleMelLoss(sample_rate)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`mel`: the L1 distance of the log mels; `real` and `fake` (batch, 1, samples) for the discriminators."""
        return compared(self.mel_loss, batch, self.decode(batch["mel"].transpose(1, 2)))

    @torch.inference_mode()
    def infer(self, mel: Tensor) -> Tensor:
        """Samples (batch, frames * samples_per_frame) of a mel (batch, frames, n_mel)."""
        return self.decode(mel.transpose(1, 2))[:, 0, : mel.shape[1] * self.samples_per_frame]

    def decode(self, hidden: Tensor) -> Tensor:
        """(batch, n_mel, frames) -> (batch, 1, samples).

        A kernel that exceeds its rate by an odd number makes each stage one sample longer, as in the published nets.
        """
        x = run(self.conv_pre, planes(hidden))
        for up, blocks in self._stages():
            x = _mean_of(blocks, run(up, x))
        activated = self.activation_post(x)
        wave = run(self.conv_post, activated).squeeze(2)
        return torch.tanh(wave) if self.use_tanh_at_final else wave.clamp(-1, 1)

    def _stages(self) -> Iterator[tuple[nn.Module, nn.ModuleList]]:
        blocks = len(self.resblocks) // len(self.ups)
        for i, up in enumerate(self.ups):
            yield up[0], self.resblocks[i * blocks : (i + 1) * blocks]

    @property
    def receptive_field_frames(self) -> int:
        """How many frames before and after a frame have a say in its samples."""
        half = END_KERNEL // 2
        reach = float(half)
        rate = 1
        for up, blocks in self._stages():
            rate *= up.stride[0]
            widest = max(block.reach for block in blocks)
            reach += (up.kernel_size[0] + widest) / rate
        reach += (half + self.activation_post.reach) / rate
        return math.ceil(reach)


class AMPBlock1(nn.Module):
    """Pairs of convolutions, dilated and plain, an activation before each and a shortcut around each pair.

    `snake` holds the arguments of `Snake`. `reach`: how many samples on either side have a say in one.
    """

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...], snake: dict[str, bool]) -> None:
        super().__init__()
        count = len(dilations)
        self.convs1 = _dilated_convs(channels, kernel_size, dilations)
        self.convs2 = _dilated_convs(channels, kernel_size, (1,) * count)
        self.activations = _snakes(channels, snake, 2 * count)
        self.reach = (kernel_size // 2) * (sum(dilations) + count)
        for activation in self.activations:
            self.reach += activation.reach

    def forward(self, x: Tensor) -> Tensor:
        acts = iter(self.activations)
        for first, second in zip(self.convs1, self.convs2, strict=True):
            hidden = run(first, next(acts)(x))
            x = run(second, next(acts)(hidden)).add_(x)
        return x


class AMPBlock2(nn.Module):
    """Dilated convolutions, an activation before and a shortcut around each; see `AMPBlock1`."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...], snake: dict[str, bool]) -> None:
        super().__init__()
        self.convs = _dilated_convs(channels, kernel_size, dilations)
        self.activations = _snakes(channels, snake, len(dilations))
        self.reach = (kernel_size // 2) * sum(dilations)
        for activation in self.activations:
            self.reach += activation.reach

    def forward(self, x: Tensor) -> Tensor:
        for conv, activation in zip(self.convs, self.activations, strict=True):
            x = run(conv, activation(x)).add_(x)
        return x


AMP_BLOCKS = {"1": AMPBlock1, "2": AMPBlock2}


class MultiScaleMelLoss(nn.Module):
    """The L1 distances of the log10 mels of two waves, summed over windows from 32 to 2048 samples (arXiv 2306.06546)."""

    def __init__(self, sample_rate: int | None) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        for window in (32, 64, 128, 256, 512, 1024, 2048):
            sizes = LossMel(n_fft=window, win_size=window)
            self.parts.append(sizes.loss(None, sample_rate=sample_rate, hop_size=window // 4, n_mel=5 * window // 32))

    def forward(self, real: Tensor, fake: Tensor, samples: Tensor) -> Tensor:
        return sum(part(real, fake, samples) for part in self.parts) / math.log(10)  # the parts count in natural logarithms


def _mean_of(blocks: nn.ModuleList, x: Tensor) -> Tensor:
    """The blocks of one stage look at the same input through different kernels; their mean goes on."""
    total = blocks[0](x)
    for block in blocks[1:]:
        total = total.add_(block(x))
    return total.div_(len(blocks))


def _dilated_convs(channels: int, kernel_size: int, dilations: tuple[int, ...]) -> nn.ModuleList:
    convs = nn.ModuleList()
    for dilation in dilations:
        padding = (kernel_size - 1) * dilation // 2
        conv = nn.Conv1d(channels, channels, kernel_size, dilation=dilation, padding=padding)
        convs.append(weight_norm(small(conv)))
    return convs


def _snakes(channels: int, snake: dict[str, bool], count: int) -> nn.ModuleList:
    return nn.ModuleList(AntiAliased(Snake(channels, **snake)) for _ in range(count))
