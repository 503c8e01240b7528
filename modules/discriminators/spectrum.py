"""Discriminators of short-time spectra: magnitudes (MRD), complex values (MS-STFTD), complex values by band (MBD)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.discriminators.parts import (
    FORMER_SIZES,
    Judgement,
    Norm,
    PlaneSizes,
    enough,
    flat,
    growing,
    plain,
    planes,
    scaled,
    split,
    through,
)
from modules.norm import spectral_norm, weight_norm

QUIET = 1e-9  # a peak below which a wave is silence, not to be scaled up


class MultiResolutionDiscriminator(nn.Module):
    """Looks at magnitude spectrograms of several resolutions (UnivNet, https://arxiv.org/abs/2106.07889).

    Each resolution is (n_fft, hop, window) in samples; the window is a rectangle, as published.
    """

    def __init__(
        self,
        *,
        resolutions: tuple[tuple[int, int, int], ...] = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240)),
        filters: int = 32,
        channel_multiplier: float = 1.0,
        use_spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        norm = spectral_norm if use_spectral_norm else weight_norm
        channels = scaled(filters, channel_multiplier)
        self.discriminators = nn.ModuleList()
        self.shortest = 0
        for n_fft, hop, window in resolutions:
            self.discriminators.append(ResolutionDiscriminator(n_fft, hop, window, channels, norm))
            margin = (n_fft - hop) // 2
            for_reflection = margin + 1
            for_one_frame = n_fft - 2 * margin
            self.shortest = max(self.shortest, for_reflection, for_one_frame)

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        enough(real, self.shortest, "mrd", "the longest of resolutions")
        both = torch.cat([real, fake])
        return split([part(both) for part in self.discriminators])


class ResolutionDiscriminator(nn.Module):
    """Convolutions over (batch, channels, frequency, frames) of one resolution."""

    def __init__(self, n_fft: int, hop: int, window: int, channels: int, norm: Norm) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop = hop
        self.window = window
        widths = [1] + [channels] * 5
        self.convs = planes(widths, norm=norm, first=norm)
        self.conv_post = norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return flat(*through(self.magnitude(x), self.convs, self.conv_post))

    def magnitude(self, x: Tensor) -> Tensor:
        """(batch, 1, samples) to (batch, 1, n_fft // 2 + 1, frames)."""
        margin = (self.n_fft - self.hop) // 2
        rectangle = x.new_ones(self.window, dtype=torch.float32)
        padded = F.pad(x.float(), (margin, margin), mode="reflect")
        spectrum = torch.stft(
            padded.squeeze(1),
            self.n_fft,
            hop_length=self.hop,
            win_length=self.window,
            window=rectangle,
            center=False,
            return_complex=True,
        )
        magnitude = torch.view_as_real(spectrum).norm(dim=-1)
        return magnitude.unsqueeze(1)


class MultiScaleSTFTDiscriminator(nn.Module):
    """Looks at complex spectra of several window lengths (EnCodec, https://arxiv.org/abs/2210.13438).

    `normalized` divides a spectrum by the root of its window's energy. Amphion's hops; EnCodec's last is 128.
    """

    former = FORMER_SIZES

    def __init__(
        self,
        *,
        filters: int = 32,
        max_filters: int = 1024,
        filters_scale: int = 1,
        n_ffts: tuple[int, ...] = (1024, 2048, 512),
        hop_lengths: tuple[int, ...] = (256, 512, 256),
        win_lengths: tuple[int, ...] = (1024, 2048, 512),
        sizes: PlaneSizes = PlaneSizes(),
        normalized: bool = True,
        out_channels: int = 1,
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        if not len(n_ffts) == len(hop_lengths) == len(win_lengths):
            raise ValueError(
                "discriminator.msstftd: n_ffts, hop_lengths and win_lengths must be equally many, "
                f"got {len(n_ffts)}, {len(hop_lengths)}, {len(win_lengths)}."
            )
        widths = growing(2, filters, filters_scale, max_filters, sizes.dilations)
        self.discriminators = nn.ModuleList(
            STFTDiscriminator(spectrogram(n, hop, win, normalized), widths, sizes, out_channels, slope)
            for n, hop, win in zip(n_ffts, hop_lengths, win_lengths, strict=True)
        )
        self.shortest = max(n_ffts)

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        enough(real, self.shortest, "msstftd", "the longest of n_ffts")
        both = torch.cat([real, fake])
        return split([part(both) for part in self.discriminators])


class STFTDiscriminator(nn.Module):
    """Convolutions over (batch, real and imaginary, frames, frequency) of one window length."""

    def __init__(self, transform: nn.Module, widths: list[int], sizes: PlaneSizes, out_channels: int, slope: float) -> None:
        super().__init__()
        self.spec_transform = transform
        self.slope = slope
        self.convs = planes(widths, sizes, norm=weight_norm, first=plain)
        small = sizes.kernel_size[0]
        last = nn.Conv2d(widths[-1], out_channels, small, padding=(small - 1) // 2)
        self.conv_post = weight_norm(last)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return through(parts_of(self.spec_transform, x), self.convs, self.conv_post, self.slope)


BANDS = ((0.0, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))


class MultiBandDiscriminator(nn.Module):
    """Looks at complex spectra, each band with layers of its own (BigVGAN v2; DAC, https://arxiv.org/abs/2306.06546).

    `bands` are parts of half the rate. Each wave is first brought to one loudness.
    """

    def __init__(
        self,
        *,
        fft_sizes: tuple[int, ...] = (2048, 1024, 512),
        channels: int = 32,
        hop_factor: float = 0.25,
        bands: tuple[tuple[float, float], ...] = BANDS,
    ) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(BandDiscriminator(n, channels, hop_factor, bands) for n in fft_sizes)
        self.shortest = max(fft_sizes) // 2 + 1

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        enough(real, self.shortest, "mbd", "the longest of fft_sizes")
        both = one_loudness(torch.cat([real, fake]).float())
        return split([part(both) for part in self.discriminators])


class BandDiscriminator(nn.Module):
    """One window length: the bands apart, then one convolution over all of them."""

    def __init__(self, n_fft: int, channels: int, hop_factor: float, bands: tuple[tuple[float, float], ...]) -> None:
        super().__init__()
        self.spec_fn = spectrogram(n_fft, int(n_fft * hop_factor), n_fft, False, center=True)
        bins = n_fft // 2 + 1
        widths = [2] + [channels] * 5
        self.edges: list[tuple[int, int]] = []
        self.band_convs = nn.ModuleList()
        for low, high in bands:
            first = int(low * bins)
            beyond = int(high * bins)
            convs = planes(widths, norm=weight_norm, first=weight_norm)
            self.edges.append((first, beyond))
            self.band_convs.append(convs)
        self.conv_post = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        spectrum = parts_of(self.spec_fn, x)
        features = []
        bands = []
        for (low, high), convs in zip(self.edges, self.band_convs, strict=True):
            band = spectrum[..., low:high]
            band, maps = through(band, convs[:-1], convs[-1])
            band = F.leaky_relu(band, 0.1, inplace=True)
            bands.append(band)
            features += maps[1:]  # the first layer's map has no say in the feature loss
            features.append(band)
        joined = torch.cat(bands, dim=-1)
        score = self.conv_post(joined)
        features.append(score)
        return score, features


def spectrogram(n_fft: int, hop: int, window: int, normalized: bool, *, center: bool = False) -> nn.Module:
    """A complex spectrogram under a Hann window, which is in its state dict as in the published ones."""
    from torchaudio.transforms import Spectrogram

    return Spectrogram(n_fft, win_length=window, hop_length=hop, normalized=normalized, center=center, power=None)


def parts_of(transform: nn.Module, x: Tensor) -> Tensor:
    """(batch, 1, samples) to (batch, real and imaginary, frames, frequency)."""
    spectrum = transform(x.float().squeeze(1))
    return torch.stack([spectrum.real, spectrum.imag], dim=1).transpose(2, 3)


def one_loudness(x: Tensor) -> Tensor:
    """Waves (batch, 1, samples) without their mean, and with a peak of 0.8."""
    x = x - x.mean(dim=-1, keepdim=True)
    return 0.8 * x / (x.abs().amax(dim=-1, keepdim=True) + QUIET)
