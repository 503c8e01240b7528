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
        stft = self.mel.stft
        magnitude = self.magnitude(mel)
        wave = self._search(magnitude.transpose(1, 2))
        start = (stft.n_fft - stft.hop_size) // 2
        frames = mel.shape[1]
        if stft.padding == "center":
            start = stft.n_fft // 2
            frames -= 1
        samples = frames * stft.hop_size
        return wave[:, start : start + samples]

    def magnitude(self, mel: Tensor) -> Tensor:
        """The magnitudes (batch, frames, n_fft // 2 + 1) that come nearest to having this mel."""
        convention = self.mel.convention
        bank = self.mel.bank.float().to(mel.device)
        energy = convention.energy(mel.float())
        # The pseudo-inverse goes below zero where bands overlap; multiplicative steps find the nearest that does not.
        inverse = torch.linalg.pinv(bank)
        spectrum = (energy @ inverse).clamp(min=TINY)
        target = energy @ bank.T
        overlap = bank @ bank.T
        for _ in range(REFINEMENTS):
            projected = (spectrum @ overlap).clamp(min=TINY)
            spectrum = spectrum * target / projected
        magnitude = spectrum ** (1 / convention.power)
        if convention.window_energy:
            magnitude = magnitude * self.window.square().sum().sqrt()
        return magnitude

    def _search(self, magnitude: Tensor) -> Tensor:
        """Phases for magnitudes (batch, bins, frames), by going back and forth between spectrum and sound."""
        turns = Noise.like(magnitude, 0).uniform(*magnitude.shape)
        angles = turns * 2 * torch.pi
        spectrum = torch.polar(magnitude, angles)
        before = torch.zeros_like(magnitude, dtype=torch.complex64)
        for _ in range(self.iterations):
            wave = self._synthesise(spectrum)
            possible = self._analyse(wave)
            ahead = possible + self.momentum * (possible - before)
            before = possible
            spectrum = magnitude * ahead / ahead.abs().clamp(min=TINY)
        return self._synthesise(spectrum)

    def _analyse(self, wave: Tensor) -> Tensor:
        stft = self.mel.stft
        window = self.window.to(wave.device)
        return torch.stft(wave, stft.n_fft, stft.hop_size, window=window, center=False, return_complex=True)

    def _synthesise(self, spectrum: Tensor) -> Tensor:
        """Windowed frames added where they overlap, over the sum of the squared windows; margins are kept."""
        size = self.mel.stft.n_fft
        frames = spectrum.shape[2]
        window = self.window.to(spectrum.device)
        window = window[None, :, None]
        pieces = torch.fft.irfft(spectrum, n=size, dim=1) * window
        weights = window.square().expand(1, size, frames)
        wave = self._overlap_add(pieces)
        weight = self._overlap_add(weights)
        # Under a twentieth of its peak the window says too little about a sample to divide by it.
        return wave / weight.clamp(min=0.05)

    def _overlap_add(self, pieces: Tensor) -> Tensor:
        """(batch, n_fft, frames) to samples (batch, (frames - 1) * hop_size + n_fft)."""
        size = self.mel.stft.n_fft
        hop = self.mel.stft.hop_size
        length = (pieces.shape[2] - 1) * hop + size
        wave = F.fold(pieces, (1, length), (1, size), stride=(1, hop))
        return wave.flatten(1)
