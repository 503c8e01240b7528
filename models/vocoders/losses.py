"""What a vocoder's wave is measured by in training: the L1 distance of log mels, and STFTs at several resolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.masks import valid
from processors.mel import MelSettings, MelSpectrogram

FLOOR = 1e-5  # of a magnitude, before its logarithm: -100 dB of full scale at unit window gain


def matched(batch: dict[str, Any], fake: Tensor) -> tuple[Tensor, Tensor]:
    """`audio` of the batch and `fake`, both (batch, 1, samples) of one length; silence beyond each utterance's end."""
    real = batch["audio"].unsqueeze(1)
    samples = min(real.shape[2], fake.shape[2])
    real = real[..., :samples]
    fake = fake[..., :samples]
    lengths = batch["samples"].to(real.device)
    mask = valid(lengths, samples).unsqueeze(1)
    fake = fake * mask
    return real, fake


def compared(mel_loss: nn.Module, batch: dict[str, Any], fake: Tensor) -> dict[str, Tensor]:
    """What every adversarial vocoder gives of its wave `fake`: the loss `mel`, and `real` and `fake` for the discriminators."""
    real, fake = matched(batch, fake)
    return {"mel": mel_loss(real, fake, batch["samples"]), "real": real, "fake": fake}


class MelLoss(nn.Module):
    """The L1 distance of the log mels of two waves (batch, 1, samples), over the frames inside `samples` (batch,).

    Without `settings` it is that of a decoder inside another model, which has its own: asked for a loss, it raises ValueError.
    """

    def __init__(self, settings: MelSettings | None) -> None:
        super().__init__()
        self.mel = None
        if settings is not None:
            self.mel = MelSpectrogram(settings)
            self.hop_size = settings.hop_size

    def forward(self, real: Tensor, fake: Tensor, samples: Tensor) -> Tensor:
        if self.mel is None:
            raise ValueError("sample_rate is None, so this is a decoder inside another model: the mel loss needs the rate.")
        with torch.no_grad():
            target = self.mel(real.squeeze(1))
        mel = self.mel(fake.squeeze(1))
        distance = (mel - target).abs().mean(2)
        frames = samples.to(real.device) // self.hop_size
        frames = frames.clamp(min=1)
        mask = valid(frames, distance.shape[1])
        total = (distance * mask).sum()
        return total / mask.sum().clamp(min=1)


@dataclass(frozen=True, kw_only=True)
class LossMel:
    """The mel that waves are compared by: windows as in the mel that the model reads, and up to half the rate, unless said."""

    n_fft: int | None = None
    win_size: int | None = None
    fmax: float | None = None  # Hz

    def loss(self, mel: MelSettings | None, *, sample_rate: int | None, hop_size: int, n_mel: int) -> MelLoss:
        """The distance, for a model that reads `mel`. `sample_rate` None is for a decoder inside another model."""
        if sample_rate is None:
            return MelLoss(None)
        clock = {"sample_rate": sample_rate, "hop_size": hop_size}
        read = mel or MelSettings(**clock)
        n_fft = self.n_fft or read.n_fft
        win_size = self.win_size or read.win_size
        return MelLoss(MelSettings(**clock, n_fft=n_fft, win_size=win_size, n_mel=n_mel, fmax=self.fmax))


class MultiResolutionSTFTLoss(nn.Module):
    """Spectral convergence and L1 of log magnitudes, a mean over resolutions (Parallel WaveGAN, arXiv 1910.11480).

    Takes waves (batch, 1, samples). Each resolution is (n_fft, hop, window), in samples.
    """

    def __init__(self, resolutions: tuple[tuple[int, int, int], ...] = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))) -> None:
        super().__init__()
        self.resolutions = resolutions
        for i, (_, _, window) in enumerate(resolutions):
            self.register_buffer(f"window_{i}", torch.hann_window(window), persistent=False)

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        total = real.new_zeros(())
        for i, (n_fft, hop, window) in enumerate(self.resolutions):
            shape = getattr(self, f"window_{i}")
            target = self._magnitude(real, n_fft, hop, window, shape)
            magnitude = self._magnitude(fake, n_fft, hop, window, shape)
            difference = torch.linalg.norm(target - magnitude)
            size = torch.linalg.norm(target).clamp(min=FLOOR)
            convergence = difference / size
            distance = F.l1_loss(magnitude.log(), target.log())
            total = total + convergence + distance
        return total / len(self.resolutions)

    @staticmethod
    def _magnitude(wave: Tensor, n_fft: int, hop: int, window: int, shape: Tensor) -> Tensor:
        samples = wave.squeeze(1).float()
        spectrum = torch.stft(samples, n_fft, hop, window, shape, return_complex=True)
        return spectrum.abs().clamp(min=FLOOR)
