"""The end of VITS and Jets: a vocoder that makes sound of hidden frames, of slices of them in training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.vocoders.hifigan import HiFiGAN, Variant
from models.vocoders.losses import MelLoss, MultiResolutionSTFTLoss
from models.vocoders.stages import UpsampleSizes
from models.vocoders.vocos import BackboneSizes, Vocos
from modules.masks import valid
from processors.mel import MelSettings


@dataclass(frozen=True, kw_only=True)
class SpectralDecoder:
    """The sizes of the Vocos that may make sound of the latent frames: all its work is at the rate of frames, which suits a CPU."""

    dim: int = 384
    intermediate_dim: int = 1152
    num_layers: int = 6
    n_fft: int = 1024


@dataclass(frozen=True, kw_only=True)
class SliceSizes:
    """What is made of an utterance in training, and what that is compared by.

    `slice_frames` is how much of each utterance is made. `n_fft`, `win_size`, `mel_bands` and `fmax` (Hz, None is half the
    rate) are those of the mel in the loss; with `stft_loss` the slices are also compared at three resolutions, the finest of
    which tells harmonics apart.
    """

    slice_frames: int = 32
    stft_loss: bool = False
    n_fft: int = 1024
    win_size: int = 1024
    mel_bands: int = 80
    fmax: float | None = None

    def mel_loss(self, sample_rate: int, hop_size: int) -> MelLoss:
        """The distance of the mels of two slices."""
        sizes = {"n_fft": self.n_fft, "win_size": self.win_size, "n_mel": self.mel_bands, "fmax": self.fmax}
        return MelLoss(MelSettings(sample_rate=sample_rate, hop_size=hop_size, **sizes))

    def spectral_loss(self) -> MultiResolutionSTFTLoss | None:
        """The distance of their spectra, where it is wanted."""
        return MultiResolutionSTFTLoss() if self.stft_loss else None


@dataclass(frozen=True, kw_only=True)
class Decoding(SliceSizes):
    """How latent frames become sound, and what that is compared by in training.

    `spectral_decoder` puts a Vocos in the place of the HiFi-GAN that `decoder` describes, whose rates multiply to the hop size.
    """

    decoder: UpsampleSizes = UpsampleSizes()
    spectral_decoder: SpectralDecoder | None = None

    def network(self, *, plain_ends: bool = False, **common: int) -> HiFiGAN | Vocos:
        """The decoder; `common` are n_mel, hop_size and speaker_channels, `plain_ends` is of HiFi-GAN's `Variant`."""
        if self.spectral_decoder is not None:
            sizes = asdict(self.spectral_decoder)
            n_fft = sizes.pop("n_fft")
            return Vocos(**common, n_fft=n_fft, sizes=BackboneSizes(**sizes))
        return HiFiGAN(**common, generator=self.decoder, variant=Variant(plain_ends=plain_ends))


def decode_each(decoder: HiFiGAN | Vocos, z: Tensor, frames: Tensor, voice: Tensor | None = None) -> dict[str, Tensor]:
    """`audio` (batch, samples) and `samples` (batch,) of latent frames (batch, latent, frames).

    Each utterance alone, so that what stands beside it in the batch is not heard at its end.
    """
    if torch.jit.is_tracing():  # one utterance alone, whose length must not become a constant
        audio = decoder.decode(z, voice)[:, 0]
        return {"audio": audio, "samples": torch.ones_like(audio, dtype=torch.long).sum(1)}
    lengths = frames.tolist()
    waves = [
        decoder.decode(z[i : i + 1, :, :length], None if voice is None else voice[i : i + 1])[0, 0]
        for i, length in enumerate(lengths)
    ]
    return {
        "audio": nn.utils.rnn.pad_sequence(waves, batch_first=True),
        "samples": torch.tensor([len(w) for w in waves], device=z.device),
    }


def slices(batch: dict[str, Any], out: dict[str, Tensor], hop_size: int, slice_frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """The recording where `out` made a slice of it, and that slice, both (batch, 1, samples), and how many samples are real.

    `out`: "start" (batch,) in frames, "fake" (batch, 1, samples); silence beyond each utterance's end.
    """
    size = slice_frames * hop_size
    start = out["start"] * hop_size
    lengths = batch["samples"].to(start.device)
    left = lengths - start
    inside = left.clamp(max=size)
    audio = batch["audio"].unsqueeze(1)
    real = cut(audio, start, size)
    mask = valid(inside, size).unsqueeze(1)
    fake = out["fake"] * mask
    return real, fake, inside


def cut(x: Tensor, start: Tensor, size: int) -> Tensor:
    """(batch, channels, size) of `x` (batch, channels, places) from `start` (batch,) on; zeros where it is at an end."""
    missing = size - x.shape[2]
    padding = max(0, missing)
    x = nn.functional.pad(x, (0, padding))
    offsets = torch.arange(size, device=x.device)
    places = start[:, None] + offsets
    places = places[:, None].expand(-1, x.shape[1], -1)
    return x.gather(2, places)
