"""From spectra back to sound: the inverse STFT and the inverse MDCT, with gradients and in plain real arithmetic.

Both turn each frame into a windowed piece of sound and add the pieces where they overlap. With padding "center" frame i
stands at sample i * hop, with "same" at (i + 1/2) * hop.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Padding = Literal["same", "center"]
LEAST_WEIGHT = 0.05  # in the last hop of "center", where too little of the windows is left to divide by


def overlap_add(pieces: Tensor, hop_size: int) -> Tensor:
    """Pieces (batch, frames, size), each `hop_size` after the one before, as one (batch, (frames - 1) * hop_size + size)."""
    frames, size = pieces.shape[1:]
    parts = -(-size // hop_size)
    rows = F.pad(pieces, (0, parts * hop_size - size)).unflatten(2, (parts, hop_size))
    # Whole rows are moved, not samples: ten times as fast on a CPU as F.fold, which gathers one sample at a time.
    shifted = [F.pad(rows[:, :, i], (0, 0, i, parts - 1 - i)) for i in range(parts)]
    return sum(shifted[1:], shifted[0]).flatten(1)[:, : (frames - 1) * hop_size + size]


class InverseSTFT(nn.Module):
    """Real and imaginary parts (batch, frames, n_fft // 2 + 1) to samples (batch, samples), through a Hann window.

    As many samples as the published vocoders make: frames * hop_size with "same", one hop fewer with "center" (and one
    sample more where the trimmed margin is odd). `full=True` gives frames * hop_size always. The spectrum of a wave gives
    that wave back. Has nothing to save. Raises ValueError when the sizes do not fit together.
    """

    def __init__(self, *, hop_size: int, n_fft: int, win_size: int | None = None, padding: Padding = "same") -> None:
        super().__init__()
        win_size = win_size or n_fft
        if not 0 < hop_size < win_size <= n_fft:
            raise ValueError(
                f"inverse STFT: 0 < hop_size < win_size <= n_fft is needed, got hop_size {hop_size}, win_size {win_size}, "
                f"n_fft {n_fft}."
            )
        self.hop_size, self.n_fft, self.win_size, self.margin = hop_size, n_fft, win_size, (n_fft - win_size) // 2
        cut = n_fft // 2 if padding == "center" else (n_fft - hop_size) // 2
        self.start, self.extra = cut - self.margin, n_fft - 2 * cut - hop_size
        self.register_buffer("window", torch.hann_window(win_size), persistent=False)
        self.register_buffer(
            "basis", _inverse_dft(n_fft)[:, self.margin : self.margin + win_size] * self.window, persistent=False
        )

    def forward(self, real: Tensor, imag: Tensor, *, full: bool = False) -> Tensor:
        frames = real.shape[1]
        wave = overlap_add(self._pieces(real.float(), imag.float()), self.hop_size)
        weight = overlap_add(self.window.square().expand(1, frames, -1), self.hop_size)
        published = frames * self.hop_size + self.extra
        if full:
            short = max(0, self.start + self.hop_size - self.win_size)  # a hop that no window reaches to the end of
            wave, weight = (F.pad(x, (0, short)) for x in (wave, weight))
            rest = weight[:, self.start + published :].clamp(min=LEAST_WEIGHT)
            weight = torch.cat([weight[:, : self.start + published], rest], 1)
        stop = self.start + (frames * self.hop_size if full else published)
        return wave[:, self.start : stop] / weight[:, self.start : stop]

    def _pieces(self, real: Tensor, imag: Tensor) -> Tensor:
        # Formats such as ONNX know no complex numbers; a matrix does the same, at 7 % of Vocos' whole time instead of 2 %.
        if torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting():
            return self.by_matrix(real, imag)
        return self.by_fft(real, imag)

    def by_fft(self, real: Tensor, imag: Tensor) -> Tensor:
        """The windowed pieces (batch, frames, win_size), by FFT."""
        pieces = torch.fft.irfft(torch.complex(real, imag), n=self.n_fft, dim=2)
        return pieces[..., self.margin : self.margin + self.win_size] * self.window

    def by_matrix(self, real: Tensor, imag: Tensor) -> Tensor:
        """The same by one product of real matrices."""
        return torch.cat([real, imag], 2) @ self.basis

    @property
    def reach(self) -> int:
        """How many frames to either side have a say in the hop_size samples of a frame."""
        return _reach(self.win_size, self.hop_size, self.start)


class InverseMDCT(nn.Module):
    """MDCT coefficients (batch, frames, hop_size) to samples (batch, samples): windows of two hops, sine window, orthonormal.

    The aliasing of neighbouring frames cancels (Princen, Johnson and Bradley 1987). As many samples as `InverseSTFT`.
    """

    def __init__(self, *, hop_size: int, padding: Padding = "same") -> None:
        super().__init__()
        self.hop_size = hop_size
        self.start = hop_size if padding == "center" else hop_size // 2
        self.register_buffer("basis", _inverse_mdct(hop_size), persistent=False)

    def forward(self, coefficients: Tensor, *, full: bool = False) -> Tensor:
        frames = coefficients.shape[1]
        wave = overlap_add(coefficients.float() @ self.basis, self.hop_size)
        stop = self.start + frames * self.hop_size if full else (frames + 1) * self.hop_size - self.start
        return wave[:, self.start : stop]

    @property
    def reach(self) -> int:
        """See `InverseSTFT.reach`."""
        return _reach(2 * self.hop_size, self.hop_size, self.start)


def _reach(size: int, hop_size: int, start: int) -> int:
    """Frame t covers the samples from t * hop_size - start on, `size` of them."""
    return max(math.ceil(start / hop_size), math.ceil((size - start) / hop_size) - 1)


def _inverse_dft(n_fft: int) -> Tensor:
    """(2 * (n_fft // 2 + 1), n_fft): what each real and imaginary part of a half spectrum adds to each sample."""
    k = torch.arange(n_fft // 2 + 1, dtype=torch.float64)[:, None]
    angle = 2 * math.pi / n_fft * (k * torch.arange(n_fft, dtype=torch.float64) % n_fft)
    alone = (k == 0) | (2 * k == n_fft)  # every other bin stands for its mirror image too
    share = torch.where(alone, 1.0, 2.0) / n_fft
    return torch.cat([share * angle.cos(), -share * angle.sin() * ~alone]).float()


def _inverse_mdct(hop_size: int) -> Tensor:
    """(hop_size, 2 * hop_size): what each coefficient adds to each sample of its frame, windowed."""
    n = torch.arange(2 * hop_size, dtype=torch.float64) + 0.5
    k = torch.arange(hop_size, dtype=torch.float64)[:, None] + 0.5
    window = (math.pi / (2 * hop_size) * n).sin()
    return ((2 / hop_size) ** 0.5 * (math.pi / hop_size * (n + hop_size / 2) * k).cos() * window).float()
