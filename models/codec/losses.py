"""What a codec's sound is measured by in training: log mels through windows of several lengths."""

from __future__ import annotations

from torch import Tensor, nn

from models.vocoders.losses import MelLoss
from processors.mel import MelSettings

HOPS = 4  # of a window
BANDS = 64
BINS = 8  # of a window for each band: short windows have too few for many bands


class MultiScaleMelLoss(nn.Module):
    """The L1 distance of log mels, a mean over windows of these lengths in samples. Waves are (batch, 1, samples)."""

    def __init__(self, windows: tuple[int, ...], *, sample_rate: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList()
        for window in windows:
            bands = max(1, min(BANDS, window // BINS))
            clock = {"sample_rate": sample_rate, "hop_size": window // HOPS}
            settings = MelSettings(**clock, n_fft=window, win_size=window, n_mel=bands, fmax=sample_rate / 2)
            self.scales.append(MelLoss(settings))

    def forward(self, real: Tensor, fake: Tensor, samples: Tensor) -> Tensor:
        losses = [scale(real, fake, samples) for scale in self.scales]
        return sum(losses) / len(losses)
