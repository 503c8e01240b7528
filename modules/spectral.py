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
    missing = parts * hop_size - size
    padded = F.pad(pieces, (0, missing))
    rows = padded.unflatten(2, (parts, hop_size))
    # Whole rows are moved, not samples: ten times as fast on a CPU as F.fold, which gathers one sample at a time.
    total = F.pad(rows[:, :, 0], (0, 0, 0, parts - 1))
    for part in range(1, parts):
        after = parts - 1 - part
        moved = F.pad(rows[:, :, part], (0, 0, part, after))
        total = total + moved
    length = (frames - 1) * hop_size + size
    return total.flatten(1)[:, :length]


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
        self.hop_size = hop_size
        self.n_fft = n_fft
        self.win_size = win_size
        self.margin = (n_fft - win_size) // 2
        trimmed = n_fft // 2 if padding == "center" else (n_fft - hop_size) // 2
        self.start = trimmed - self.margin
        self.extra = n_fft - 2 * trimmed - hop_size
        self.register_buffer("window", torch.hann_window(win_size), persistent=False)
        basis = _inverse_dft(n_fft)[:, self.margin : self.margin + win_size]
        self.register_buffer("basis", basis * self.window, persistent=False)

    def forward(self, real: Tensor, imag: Tensor, *, full: bool = False) -> Tensor:
        frames = real.shape[1]
        samples = frames * self.hop_size
        pieces = self._pieces(real.float(), imag.float())
        wave = overlap_add(pieces, self.hop_size)
        windows = self.window.square().expand(1, frames, -1)
        weight = overlap_add(windows, self.hop_size)
        stop = self.start + samples + self.extra
        if full:
            wave, weight = self._filled(wave, weight, stop)
            stop = self.start + samples
        return wave[:, self.start : stop] / weight[:, self.start : stop]

    def _filled(self, wave: Tensor, weight: Tensor, stop: int) -> tuple[Tensor, Tensor]:
        """Both for the whole of every hop: zeros where no window reaches, no weight behind `stop` that would magnify noise."""
        missing = self.start + self.hop_size - self.win_size
        padding = max(0, missing)
        wave = F.pad(wave, (0, padding))
        weight = F.pad(weight, (0, padding))
        published = weight[:, :stop]
        rest = weight[:, stop:].clamp(min=LEAST_WEIGHT)
        weight = torch.cat([published, rest], 1)
        return wave, weight

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
    bins = n_fft // 2 + 1
    k = torch.arange(bins, dtype=torch.float64)[:, None]
    n = torch.arange(n_fft, dtype=torch.float64)
    turns = k * n % n_fft
    angle = 2 * math.pi / n_fft * turns
    alone = (k == 0) | (2 * k == n_fft)  # every other bin stands for its mirror image too
    share = torch.where(alone, 1.0, 2.0) / n_fft
    real = share * angle.cos()
    imag = -share * angle.sin() * ~alone
    weights = torch.cat([real, imag])
    return weights.float()


def _inverse_mdct(hop_size: int) -> Tensor:
    """(hop_size, 2 * hop_size): what each coefficient adds to each sample of its frame, windowed."""
    size = 2 * hop_size
    n = torch.arange(size, dtype=torch.float64) + 0.5
    k = torch.arange(hop_size, dtype=torch.float64)[:, None] + 0.5
    window = (math.pi / size * n).sin()
    scale = (2 / hop_size) ** 0.5
    since_quarter = n + hop_size / 2
    angle = math.pi / hop_size * since_quarter * k
    basis = scale * angle.cos() * window
    return basis.float()
