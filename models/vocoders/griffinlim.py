"""Griffin-Lim: a mel becomes sound without any training, by searching phases that fit the magnitudes.

Fast Griffin-Lim with momentum: Perraudin, Balazs and Soendergaard, "A fast Griffin-Lim algorithm", WASPAA 2013.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from modules.noise import Noise
from processors.mel import MelSettings, MelSpectrogram

REFINEMENTS = 100  # steps of the magnitudes after the pseudo-inverse; they cost less than one of the phases
TINY = 1e-8


class GriffinLim:
    """Inverts a mel of these settings: mel (batch, frames, n_mel) to samples (batch, samples).

    `momentum` near 1 is the fast algorithm, 0 the plain one. The same mel always sounds the same.
    """

    def __init__(self, settings: MelSettings, *, iterations: int = 60, momentum: float = 0.99) -> None:
        self.mel = MelSpectrogram(settings)
        self.iterations = iterations
        self.momentum = momentum
        around = settings.n_fft - settings.win_size
        margin = around // 2
        self.window = F.pad(self.mel.stft.window, (margin, around - margin))

    @torch.inference_mode()
    def infer(self, mel: Tensor) -> Tensor:
        """Samples (batch, frames * hop_size); a centred mel has one frame more than that."""
        stft, centred = self.mel.stft, self.mel.stft.padding == "center"
        wave = self._search(self.magnitude(mel).transpose(1, 2))
        start = (stft.n_fft if centred else stft.n_fft - stft.hop_size) // 2
        samples = (mel.shape[1] - centred) * stft.hop_size
        return wave[:, start : start + samples]

    def magnitude(self, mel: Tensor) -> Tensor:
        """The magnitudes (batch, frames, n_fft // 2 + 1) that come nearest to having this mel."""
        how, bank = self.mel.convention, self.mel.bank.float().to(mel.device)
        energy = how.energy(mel.float())
        found = (energy @ torch.linalg.pinv(bank)).clamp(min=TINY)
        # The pseudo-inverse goes below zero where bands overlap; multiplicative steps find the nearest that does not.
        wanted, overlap = energy @ bank.T, bank @ bank.T
        for _ in range(REFINEMENTS):
            found = found * wanted / (found @ overlap).clamp(min=TINY)
        magnitude = found ** (1 / how.power)
        return magnitude * self.window.square().sum().sqrt() if how.window_energy else magnitude

    def _search(self, magnitude: Tensor) -> Tensor:
        """Phases for magnitudes (batch, bins, frames), by going back and forth between spectrum and sound."""
        turns = Noise.like(magnitude, 0).uniform(*magnitude.shape)
        angles = turns * 2 * torch.pi
        spectrum, before = torch.polar(magnitude, angles), torch.zeros_like(magnitude, dtype=torch.complex64)
        for _ in range(self.iterations):
            possible = self._analyse(self._synthesise(spectrum))
            ahead = possible + self.momentum * (possible - before)
            before = possible
            spectrum = magnitude * ahead / ahead.abs().clamp(min=TINY)
        return self._synthesise(spectrum)

    def _analyse(self, wave: Tensor) -> Tensor:
        stft, window = self.mel.stft, self.window.to(wave.device)
        return torch.stft(wave, stft.n_fft, stft.hop_size, window=window, center=False, return_complex=True)

    def _synthesise(self, spectrum: Tensor) -> Tensor:
        """Windowed frames added where they overlap, over the sum of the squared windows; margins are kept."""
        size, hop, frames = self.mel.stft.n_fft, self.mel.stft.hop_size, spectrum.shape[2]
        window = self.window.to(spectrum.device)
        pieces = torch.fft.irfft(spectrum, n=size, dim=1) * window[:, None]
        weight = window.square()[None, :, None].expand(1, size, frames)
        length = (1, (frames - 1) * hop + size)
        wave, total = (F.fold(x, length, (1, size), stride=(1, hop)).flatten(1) for x in (pieces, weight))
        # Under a twentieth of its peak the window says too little about a sample to divide by it.
        return wave / total.clamp(min=0.05)
