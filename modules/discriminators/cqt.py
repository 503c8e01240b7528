"""The discriminator of constant-Q spectra (MS-SB-CQTD), and the constant-Q transform that it looks through."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.discriminators.parts import FORMER_SIZES, Judgement, PlaneSizes, enough, growing, plain, planes, split, through
from modules.discriminators.spectrum import one_loudness
from modules.norm import weight_norm

C1 = 32.7  # Hz, the lowest note looked at
TAPS = 256  # of the low-pass filter between octaves


class MultiScaleSubBandCQTDiscriminator(nn.Module):
    """Looks at constant-Q spectra, where an octave is as wide as any other (https://arxiv.org/abs/2311.14957).

    The wave is first brought to twice its rate, so that the highest octave fits under half of it. Each scale is
    (hop_lengths, n_octaves, bins_per_octaves), hops in samples at the doubled rate. `filters` is 32 in the paper's code,
    128 in BigVGAN v2. `normalize_volume` brings each wave to one loudness first, as BigVGAN v2 may.
    Raises ValueError when the octaves reach above the rate or the hops cannot be halved once an octave.
    """

    former = FORMER_SIZES

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_lengths: tuple[int, ...] = (512, 256, 256),
        n_octaves: tuple[int, ...] = (9, 9, 9),
        bins_per_octaves: tuple[int, ...] = (24, 36, 48),
        filters: int = 32,
        max_filters: int = 1024,
        filters_scale: int = 1,
        sizes: PlaneSizes = PlaneSizes(),
        out_channels: int = 1,
        normalize_volume: bool = False,
        slope: float = 0.1,
    ) -> None:
        super().__init__()
        if not len(hop_lengths) == len(n_octaves) == len(bins_per_octaves):
            raise ValueError(
                "discriminator.mssbcqtd: hop_lengths, n_octaves and bins_per_octaves must be equally many, "
                f"got {len(hop_lengths)}, {len(n_octaves)}, {len(bins_per_octaves)}."
            )
        widths = growing(2, filters, filters_scale, max_filters, sizes.dilations)
        self.normalize_volume = normalize_volume
        self.discriminators = nn.ModuleList(
            CQTDiscriminator(ConstantQ(2 * sample_rate, hop, bins, octaves), widths, sizes, out_channels, slope)
            for hop, octaves, bins in zip(hop_lengths, n_octaves, bins_per_octaves, strict=True)
        )
        self.shortest = max((part.cqt_transform.shortest + 1) // 2 for part in self.discriminators)

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        enough(real, self.shortest, "mssbcqtd", "the most of n_octaves")
        both = torch.cat([real, fake]).float()
        both = one_loudness(both) if self.normalize_volume else both
        return split([part(both) for part in self.discriminators])


class CQTDiscriminator(nn.Module):
    """One scale: each octave through a layer of its own, then convolutions over (batch, channels, frames, bins).

    The octaves come out of filters of unlike delay; their own layers let them find together again.
    """

    def __init__(self, transform: ConstantQ, widths: list[int], sizes: PlaneSizes, out_channels: int, slope: float) -> None:
        super().__init__()
        from torchaudio.transforms import Resample

        kernel = sizes.kernel_size
        padding = tuple((size - 1) // 2 for size in kernel)
        self.resample = Resample(1, 2)
        self.cqt_transform = transform
        self.slope = slope
        self.conv_pres = nn.ModuleList()
        for _ in range(transform.octaves):
            self.conv_pres.append(nn.Conv2d(2, 2, kernel, padding=padding))
        self.convs = planes(widths, sizes, norm=weight_norm, first=plain)
        last = nn.Conv2d(widths[-1], out_channels, kernel[0], padding=padding[0])
        self.conv_post = weight_norm(last)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        spectrum = self.cqt_transform(self.resample(x))
        octaves = spectrum.chunk(self.cqt_transform.octaves, dim=3)
        aligned = []
        for conv, octave in zip(self.conv_pres, octaves, strict=True):
            aligned.append(conv(octave))
        joined = torch.cat(aligned, dim=3)
        return through(joined, self.convs, self.conv_post, self.slope)


class ConstantQ(nn.Module):
    """The constant-Q transform by recursion (Schoerkhuber and Klapuri, SMC 2010): (batch, 1, samples) at `rate`
    to (batch, real and imaginary, frames, bins), low bins first.

    The kernels of the top octave serve every octave, on a wave that is filtered and halved in between. The numbers, and
    with them the names of the buffers, are those of nnAudio's CQT2010v2, which published discriminators were trained on.
    """

    def __init__(self, rate: int, hop: int, bins: int, octaves: int, fmin: float = C1) -> None:
        super().__init__()
        self.octaves = octaves
        self.bins = bins
        lowest = fmin * 2 ** (octaves - 1)  # of the top octave
        highest = lowest * 2 ** ((bins - 1) / bins)
        self.decimate = _decimation(rate, hop, bins, octaves, highest)
        _check(rate, hop, octaves, highest, self.decimate)
        rate = rate / self.decimate
        self.hop = hop // self.decimate
        quality = _quality(bins)
        kernels = _kernels(rate, _notes(lowest, bins, bins), quality)
        frequencies = _notes(fmin, bins * octaves, bins)
        lengths = np.ceil(quality * rate / frequencies)
        self.register_buffer("lowpass_filter", _lowpass(0.5, 0.001))
        if self.decimate > 1:
            self.register_buffer("early_downsample_filter", _lowpass(1 / self.decimate, 0.03))
        self.register_buffer("lenghts", torch.from_numpy(lengths).float())  # sic
        self.register_buffer("cqt_kernels_real", _convolution(kernels.real))
        self.register_buffer("cqt_kernels_imag", _convolution(kernels.imag))
        self.shortest = self.decimate << max(1, octaves - 1)  # one sample is left for the lowest octave

    def forward(self, x: Tensor) -> Tensor:
        if self.decimate > 1:
            x = _slower(x, self.early_downsample_filter, self.decimate)
        kernels = torch.cat([self.cqt_kernels_real, -self.cqt_kernels_imag])
        padding = kernels.shape[2] // 2
        hop = self.hop
        octaves = []
        for octave in range(self.octaves):
            if octave > 0:
                x = _slower(x, self.lowpass_filter, 2)
            values = F.conv1d(x, kernels, stride=hop, padding=padding)
            octaves.insert(0, values.unflatten(1, (2, self.bins)))
            hop //= 2
        spectrum = torch.cat(octaves, dim=2).transpose(2, 3)
        scale = self.lenghts.sqrt() * self.decimate
        return spectrum * scale


def _slower(x: Tensor, lowpass: Tensor, factor: int) -> Tensor:
    """A wave (batch, 1, samples) at its rate divided by `factor`."""
    return F.conv1d(x, lowpass, stride=factor, padding=(lowpass.shape[2] - 1) // 2)


def _quality(bins: int) -> float:
    """The frequency of a bin over its bandwidth, with that many bins an octave."""
    return 1 / (2 ** (1 / bins) - 1)


def _notes(lowest: float, count: int, bins: int) -> np.ndarray:
    """`count` frequencies (Hz) from `lowest` on, `bins` an octave."""
    octaves = np.arange(count) / bins
    return lowest * 2**octaves


def _convolution(kernels: np.ndarray) -> Tensor:
    """Kernels (kernels, taps) as weights (kernels, 1, taps) of a convolution, in float32."""
    return torch.from_numpy(kernels[:, None].astype(np.float32))


def _kernels(rate: float, frequencies: np.ndarray, quality: float) -> np.ndarray:
    """Windowed complex tones (frequencies, taps) of `quality` periods each, centred, their sizes summing to 1."""
    frequencies = frequencies[:, None]
    lengths = np.ceil(quality * rate / frequencies)
    longest = lengths.max()
    exponent = math.ceil(math.log2(longest))
    size = 2**exponent
    n = np.arange(size) - size // 2
    since = n + np.ceil(lengths / 2)  # samples after the first of the tone
    inside = (since >= 0) & (since < lengths)
    phase = 2 * np.pi * since / lengths
    hann = 0.5 - 0.5 * np.cos(phase)
    window = np.where(inside, hann, 0)
    oscillation = np.exp(2j * np.pi * n * frequencies / rate)
    tones = window * oscillation
    total = np.abs(tones).sum(1, keepdims=True)
    return tones / total


@cache
def _taps(cutoff: float, transition: float) -> np.ndarray:
    from scipy.signal import firwin2

    return firwin2(TAPS, [0.0, cutoff / (1 + transition), cutoff * (1 + transition), 1.0], [1.0, 1.0, 0.0, 0.0])


def _lowpass(cutoff: float, transition: float) -> Tensor:
    """A filter (1, 1, TAPS) that passes up to `cutoff`, a part of half the rate."""
    return torch.from_numpy(_taps(cutoff, transition).astype(np.float32))[None, None]


def _decimation(rate: int, hop: int, bins: int, octaves: int, highest: float) -> int:
    """How much slower the wave may be before the first octave: a power of two that keeps its band and a hop an octave."""
    slope = 0.75 / _quality(bins)
    edge = highest * (1 + slope)  # the window of the highest bin is that wide
    widest = 0.85 * (rate // 2)
    halvings_of_band = math.ceil(math.log2(widest / edge)) - 2
    halvings_of_hop = math.ceil(math.log2(hop)) - octaves + 1
    halvings = min(halvings_of_band, halvings_of_hop)
    return 2 ** max(0, halvings)


def _check(rate: int, hop: int, octaves: int, highest: float, decimate: int) -> None:
    least = decimate * 2 ** (octaves - 1)
    if hop % least:
        raise ValueError(
            f"discriminator.mssbcqtd: each of hop_lengths is halved once an octave, but {hop} is no multiple of {least}: "
            "choose one, or fewer of n_octaves."
        )
    if highest > rate / 2:
        raise ValueError(
            f"discriminator.mssbcqtd: {octaves} octaves reach {highest:.0f} Hz, above half of twice the rate, {rate // 2}: "
            "choose fewer of n_octaves."
        )
