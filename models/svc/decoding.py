"""The end of a voice conversion that makes sound at once: any of the GAN vocoders, over latent frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.vocoders.apnet import APNet
from models.vocoders.bigvgan import BigVGAN
from models.vocoders.decoding import SliceSizes
from models.vocoders.hifigan import HiFiGAN
from models.vocoders.melgan import MelGAN
from models.vocoders.nsfhifigan import NSFHiFiGAN
from models.vocoders.stream import in_windows
from modules.noise import Noise
from utils.config import build, check

VOCODERS = {"nsfhifigan": NSFHiFiGAN, "hifigan": HiFiGAN, "bigvgan": BigVGAN, "melgan": MelGAN, "apnet": APNet}
SPEAKING = ("nsfhifigan", "hifigan")  # those that a speaker embedding can be added to
LONG = 2000  # latent frames; of more the sound is made in pieces
PIECE = 800  # frames of a piece
FACTS = ("n_mel", "sample_rate", "hop_size", "speaker_channels", "mel", "loss_mel")  # what the model around it says


@dataclass(frozen=True, kw_only=True)
class VoiceDecoding(SliceSizes):
    """Which vocoder makes sound of the latent frames, and what that is compared by in training.

    `sizes` are the arguments of its constructor, as in the section `model` of that vocoder. "nsfhifigan" alone is led by the F0.
    """

    vocoder: Literal["nsfhifigan", "hifigan", "bigvgan", "melgan", "apnet"] = "nsfhifigan"
    sizes: dict[str, Any] = field(default_factory=dict)

    def network(self, *, latent: int, sample_rate: int, hop_size: int, speaker_channels: int = 0) -> nn.Module:
        """The vocoder. Raises ValueError listing the sizes that do not fit it."""
        cls = VOCODERS[self.vocoder]
        problems = check(cls, self.sizes, "decoding.sizes", FACTS)
        if problems:
            raise ValueError(f"model.{', '.join(problems)}")
        facts: dict[str, Any] = {"n_mel": latent, "hop_size": hop_size}
        if cls is NSFHiFiGAN:
            facts |= {"sample_rate": sample_rate, "loss_mel": None}
        if self.vocoder in SPEAKING:
            facts["speaker_channels"] = speaker_channels
        return build(cls, self.sizes, facts)


def sound(decoder: nn.Module, z: Tensor, f0: Tensor, voice: Tensor | None, draw: Noise) -> Tensor:
    """(batch, 1, samples) of latent frames (batch, latent, frames) and their F0 (batch, frames) in Hz.

    `voice` (batch, speaker_channels, 1) is for a decoder that was built with `speaker_channels`. What is long is made in windows, which
    give the same.
    """
    mel = z.transpose(1, 2)
    source = excited(decoder, f0, draw)
    voices = () if voice is None else (voice,)
    reach = decoder.receptive_field_frames
    hop_size = decoder.samples_per_frame

    def decode(mel: Tensor, **source: Tensor) -> Tensor:
        latent = mel.transpose(1, 2)
        return decoder.decode(latent, *source.values(), *voices)

    is_short = z.shape[2] <= LONG
    if is_short or reach is None or torch.is_grad_enabled():
        return decode(mel, **source)

    def network(mel: Tensor, **source: Tensor) -> Tensor:
        samples = mel.shape[1] * hop_size
        return decode(mel, **source)[:, 0, :samples]

    parts = list(in_windows(network, {"mel": mel, **source}, hop_size=hop_size, chunk=PIECE, reach=reach))
    return torch.cat(parts, 1)[:, None]


def excited(decoder: nn.Module, f0: Tensor, draw: Noise) -> dict[str, Tensor]:
    """The `source` (batch, 1, samples) of a decoder that is led by the F0; nothing for another."""
    if not isinstance(decoder, NSFHiFiGAN):
        return {}
    drawn = {}
    if decoder.variant.kind == "harmonic":
        drawn = decoder.m_source.drawn(f0, decoder.samples_per_frame, draw)
    return {"source": decoder.excitation(f0, **drawn)}
