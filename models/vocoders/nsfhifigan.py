"""NSF-HiFiGAN, HiFi-GAN led by a pitch: a harmonic source is added inside, so that long and high notes stay in tune.

The source is that of neural source-filter models (https://arxiv.org/abs/1904.12088), the rest HiFi-GAN's; as openvpi's
singing vocoders have it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model, former_names
from models.vocoders.hifigan import HiFiGAN, Variant
from models.vocoders.losses import LossMel, compared
from models.vocoders.stages import UpsampleSizes
from modules.noise import seeded
from modules.source import Draw, HarmonicSource, gliding_cycles
from processors.mel import MelSettings

PURE_STAGE = 2  # the stage after whose upsampling the single sine of the small variant comes in


@dataclass(frozen=True, kw_only=True)
class SourceVariant:
    """What other programs build differently under the same name; the defaults are openvpi's."""

    kind: Literal["harmonic", "pure"] = "harmonic"  # "pure": one gliding sine without noise, added once (mini_nsf, pc-nsf)
    phases: Literal["sample", "frame"] = "sample"  # how phases add up, see modules.source; Amphion and RVC: "frame"
    threshold: float = 0.0  # Hz; a frame of no more is unvoiced
    noise_sigma: float = 0.0  # deviation of the noise that is added to what the first convolution gives, in use too
    plain_ends: bool = False  # RVC: first and last convolution without weight norm, the last without bias
    ignores_f0: bool = False  # Amphion's weights: the source was lost by mistake, and each stage doubled instead


@dataclass(frozen=True, kw_only=True)
class OpenvpiSizes(UpsampleSizes):
    """Of openvpi's generator for 44.1 kHz."""

    upsample_rates: tuple[int, ...] = (8, 8, 2, 2, 2)
    upsample_kernel_sizes: tuple[int, ...] = (16, 16, 4, 4, 4)


class NSFHiFiGAN(Model):
    """Mel (batch, frames, n_mel) and F0 (batch, frames; Hz, 0 unvoiced) to samples (batch, samples).

    The sizes are HiFiGAN's; the defaults are openvpi's for 44.1 kHz. `harmonics` are the overtones of the source.
    `loss_mel` None makes a decoder for the inside of another model, which has its own losses, calls `decode` and may add
    a speaker embedding of `speaker_channels`. Raises ValueError when the sizes do not fit together.
    """

    reads = ("mel", "f0", "audio")
    former = {**former_names("generator", UpsampleSizes), **former_names("loss_mel", LossMel)}
    draws = ("source",)

    def __init__(
        self,
        *,
        n_mel: int,
        sample_rate: int,
        hop_size: int | None = None,
        mel: MelSettings | None = None,
        generator: OpenvpiSizes = OpenvpiSizes(),
        harmonics: int = 8,
        speaker_channels: int = 0,
        loss_mel: LossMel | None = LossMel(),
        variant: SourceVariant = SourceVariant(),
    ) -> None:
        super().__init__()
        common = {"n_mel": n_mel, "hop_size": hop_size, "mel": mel, "speaker_channels": speaker_channels}
        if loss_mel is not None:
            common |= {"sample_rate": sample_rate, "loss_mel": loss_mel}
        self.generator = HiFiGAN(**common, generator=generator, variant=Variant(plain_ends=variant.plain_ends))
        self.sample_rate = sample_rate
        self.variant = variant
        self.rates = tuple(generator.upsample_rates)
        self.samples_per_frame = generator.samples_per_frame
        widths = generator.channels[1:]
        if variant.kind == "pure":
            if len(self.rates) < PURE_STAGE:
                raise ValueError(f"NSFHiFiGAN: a pure source needs {PURE_STAGE} upsample_rates or more, got {list(self.rates)}.")
            self.source_conv = nn.Conv1d(1, widths[PURE_STAGE - 1], 1)
            return
        source = {"sample_rate": sample_rate, "harmonics": harmonics, "phases": variant.phases, "threshold": variant.threshold}
        self.m_source = HarmonicSource(**source)
        strides = [math.prod(self.rates[i + 1 :]) for i in range(len(widths))]
        self.noise_convs = nn.ModuleList(
            nn.Conv1d(1, width, 2 * stride if stride > 1 else 1, stride) for width, stride in zip(widths, strides, strict=True)
        )

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`mel`: the L1 distance of the log mels; `real` and `fake` (batch, 1, samples) for the discriminators."""
        fake = self.decode(batch["mel"].transpose(1, 2), self.excitation(batch["f0"]))
        return compared(self.generator.mel_loss, batch, fake)

    @torch.inference_mode()
    def infer(self, mel: Tensor, f0: Tensor, *, source: Tensor | None = None, seed: int = 0) -> Tensor:
        """Samples (batch, frames * samples_per_frame). `source` is what `source(f0)` gives, or a part of it that lies
        under these frames; the noise of the source and of the net is that of `seed`."""
        random = seeded(seed, device=mel.device)
        if source is None:
            source = self.excitation(f0, generator=random)
        hidden = mel.transpose(1, 2)
        wave = self.decode(hidden, source, generator=random)
        samples = mel.shape[1] * self.samples_per_frame
        return wave[:, 0, :samples]

    @torch.inference_mode()
    def source(self, f0: Tensor, *, seed: int = 0) -> Tensor:
        """The excitation (batch, 1, frames * source_samples_per_frame) of a whole utterance: its phases run on from the
        beginning, so whoever works in chunks makes it once and hands `infer` the part under each chunk."""
        return self.excitation(f0, generator=seeded(seed, device=f0.device))

    @property
    def source_samples_per_frame(self) -> int:
        """Of `source`: a pure one has the rate of the stage where it comes in."""
        return math.prod(self.rates[:PURE_STAGE]) if self.variant.kind == "pure" else self.samples_per_frame

    def drawn(self, inputs: Mapping[str, Tensor], *, seed: int, first: int) -> dict[str, Tensor]:
        """The part of `source` from frame `first` on. Raises ValueError where it needs all of the F0 at once."""
        if first and not self._goes_on:
            raise ValueError(
                "NSFHiFiGAN: the source of this variant needs all of the F0 at once: stream mel and F0 as one piece."
            )
        source = self.source(inputs["f0"], seed=seed)
        return {"source": source[..., first * self.source_samples_per_frame :]}

    @property
    def _goes_on(self) -> bool:
        """Whether the source of the first frames stays as it is when more frames follow."""
        if self.variant.kind != "harmonic" or self.variant.phases != "sample":
            return False
        numbers = self.source_samples_per_frame * self.m_source.voices
        return numbers % 16 == 0  # torch draws sixteen normal numbers at a time

    @property
    def receptive_field_frames(self) -> int | None:
        """Of the mel, the source aside; None where noise is drawn inside, which no piece would draw as the whole does."""
        return None if self.variant.noise_sigma else self.generator.receptive_field_frames

    def excitation(
        self,
        f0: Tensor,
        *,
        phase: Tensor | None = None,
        noise: Tensor | Draw | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """`source`, with gradients; for `phase` and `noise` see `HarmonicSource.forward`."""
        samples = self.source_samples_per_frame
        if self.variant.kind == "pure":
            rate = self.sample_rate * samples / self.samples_per_frame
            return torch.sin(2 * math.pi * gliding_cycles(f0, samples, rate)).unsqueeze(1)
        return self.m_source(f0, samples, phase=phase, noise=noise, generator=generator)

    def decode(
        self,
        hidden: Tensor,
        source: Tensor,
        speaker: Tensor | None = None,
        *,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """(batch, n_mel, frames), source (batch, 1, samples), speaker (batch, speaker_channels, 1) -> (batch, 1, samples).

        `noise` (batch, upsample_initial_channel, frames), of deviation 1, is drawn from `generator` unless given.
        """

        def excite(stage: int, x: Tensor) -> Tensor:
            if stage:
                return self._excited(stage, x, source)
            if not self.variant.noise_sigma:
                return x
            unit = noise
            if unit is None:
                unit = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            return x + self.variant.noise_sigma * unit

        return self.generator.decode(hidden, speaker, excite=excite)

    def _excited(self, stage: int, x: Tensor, source: Tensor) -> Tensor:
        if self.variant.kind == "pure":
            return _sum(x, self.source_conv(source)) if stage == PURE_STAGE else x
        conv = self.noise_convs[stage - 1]
        stride = conv.stride[0]
        size = conv.kernel_size[0]
        half = stride // 2 if size > 1 else 0
        if self.variant.ignores_f0:
            # Of the lost source only its length had a say, which an odd stride makes one short.
            length = (source.shape[2] + 2 * half - size) // stride + 1
            return 2 * x[..., :length]
        right = stride - half if size > 1 else 0
        padded = F.pad(source, (half, right))
        return _sum(x, conv(padded))


def _sum(x: Tensor, source: Tensor) -> Tensor:
    """Of the length of the shorter: a kernel that exceeds its rate by an odd number makes a stage one sample longer."""
    length = min(x.shape[2], source.shape[2])
    return x[..., :length] + source[..., :length]
