"""Frames of a mel in, an inverse Fourier transform out: what stands in for SEANet where training must be cheap.

    sound (batch, 1, samples) -> log mel -> blocks -> (batch, hidden, frames)
    (batch, hidden, frames) -> Vocos -> sound

Nothing runs at the rate of samples but the transforms. The decoder is WavTokenizer's (https://arxiv.org/abs/2408.16532), which is Vocos
(https://arxiv.org/abs/2306.00814); frames look at both sides, so that such a codec does not code what still comes: its sound waits for some
frames more.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from models.vocoders.vocos import BackboneSizes, Vocos
from processors.mel import MelConvention, MelSettings, MelSpectrogram


@dataclass(frozen=True, kw_only=True)
class SpectralSizes:
    """The log mel that is read, and the ConvNeXt blocks of both sides; `n_fft` samples are the window of the mel and of the transform."""

    n_fft: int = 1280
    n_mel: int = 100
    encoder: BackboneSizes = BackboneSizes(dim=256, intermediate_dim=512, num_layers=4)
    decoder: BackboneSizes = BackboneSizes(dim=256, intermediate_dim=768, num_layers=8)


class SpectralEncoder(nn.Module):
    """Sound (batch, 1, samples) -> (batch, hidden, frames); a last frame that is not whole ends in silence."""

    def __init__(self, sizes: SpectralSizes, *, sample_rate: int, hop_size: int, hidden: int) -> None:
        super().__init__()
        convention = MelConvention(pad_mode="constant", mean=-5.0, std=2.5)  # near 0 and 1 for speech
        window = {"n_fft": sizes.n_fft, "win_size": sizes.n_fft, "n_mel": sizes.n_mel}
        self.mel = MelSpectrogram(MelSettings(sample_rate=sample_rate, hop_size=hop_size, convention=convention, **window))
        self.backbone = sizes.encoder.convnext(sizes.n_mel)
        self.out = nn.Linear(sizes.encoder.dim, hidden)
        self.hop_size = hop_size

    def forward(self, audio: Tensor) -> Tensor:
        missing = -audio.shape[2] % self.hop_size
        samples = F.pad(audio, (0, missing)).squeeze(1)
        frames = self.backbone(self.mel(samples), None)
        return self.out(frames).transpose(1, 2)


class SpectralDecoder(nn.Module):
    """(batch, hidden, frames) -> sound (batch, 1, samples), `hop_size` of them for each frame."""

    def __init__(self, sizes: SpectralSizes, *, hop_size: int, hidden: int) -> None:
        super().__init__()
        self.vocos = Vocos(n_mel=hidden, hop_size=hop_size, n_fft=sizes.n_fft, sizes=sizes.decoder)

    @property
    def reach(self) -> int:
        """How many frames before and after a frame have a say in its samples."""
        return self.vocos.receptive_field_frames

    def forward(self, hidden: Tensor) -> Tensor:
        return self.vocos.decode(hidden)
