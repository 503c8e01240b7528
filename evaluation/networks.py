"""Two audio classifiers that distances between folders are measured with, to load their published weights into.

VGGish (Hershey et al. 2017, https://arxiv.org/abs/1609.09430) and PANNs' Cnn14 (Kong et al. 2020, https://arxiv.org/abs/1912.10211).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

VGGISH_RATE = 16000
EXAMPLE = 96  # frames of 10 ms
WINDOW = 400  # samples of 25 ms
HOP = 160
N_FFT = 512
BANDS = 64
LOWEST_HZ = 125
HIGHEST_HZ = 7500
LOG_OFFSET = 0.01


class VGGish(nn.Module):
    """Log-mel examples (examples, 96, 64) to embeddings (examples, 128), before the last activation; no PCA."""

    def __init__(self, *, hidden: int = 4096, size: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for width in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0):
            if width:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * 24, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, size)
        )

    @classmethod
    def of(cls, weights: dict[str, Any]) -> tuple[VGGish, dict[str, Tensor]]:
        """The untrained network for weights of torchvggish (features.*, embeddings.*), and these. Raises KeyError for others."""
        size, hidden = weights["embeddings.4.weight"].shape
        return cls(hidden=hidden, size=size), weights

    def forward(self, examples: Tensor) -> Tensor:
        maps = self.features(examples[:, None])
        return self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))  # TensorFlow's order: channels last


def vggish_examples(samples: np.ndarray) -> np.ndarray:
    """Log-mel examples of 0.96 s of sound at 16 kHz, (examples, 96, 64). Raises ValueError for less than one."""
    if len(samples) < WINDOW + HOP * (EXAMPLE - 1):
        seconds = len(samples) / VGGISH_RATE
        raise ValueError(f"{seconds:.2f} s of sound is too short for VGGish: it takes 0.98 s.")
    samples = samples.astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)
    frames = windows[::HOP]
    angles = 2 * np.pi * np.arange(WINDOW) / WINDOW
    hann = 0.5 - 0.5 * np.cos(angles)
    spectra = np.fft.rfft(frames * hann, N_FFT)
    mel = np.abs(spectra) @ _mel_bands()
    log_mel = np.log(mel + LOG_OFFSET)
    count = len(log_mel) // EXAMPLE
    covered = count * EXAMPLE
    return log_mel[:covered].reshape(count, EXAMPLE, BANDS)


@functools.cache
def _mel_bands() -> np.ndarray:
    # Triangles on the mel scale of HTK, 125 to 7500 Hz, straight in mel and not in Hz; (257, 64).
    hertz = np.linspace(0, VGGISH_RATE / 2, N_FFT // 2 + 1)
    mel = _mel_of(hertz)[:, None]
    edges = np.linspace(_mel_of(LOWEST_HZ), _mel_of(HIGHEST_HZ), BANDS + 2)
    low = edges[:-2]
    middle = edges[1:-1]
    high = edges[2:]
    rising = (mel - low) / (middle - low)
    falling = (high - mel) / (high - middle)
    bands = np.maximum(0, np.minimum(rising, falling))
    bands[0] = 0
    return bands


def _mel_of(hertz: np.ndarray | float) -> np.ndarray:
    return 1127 * np.log1p(hertz / 700)


class Cnn14(nn.Module):
    """Waveforms (batch, samples) to an embedding (batch, 2048) and logits (batch, classes); both spectrogram sizes are read from the weights."""

    def __init__(
        self, *, n_fft: int, n_mel: int = 64, classes: int = 527, widths: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
    ):
        super().__init__()
        self.hop_size = n_fft * 5 // 16
        bins = n_fft // 2 + 1
        self.spectrogram_extractor = nn.Module()
        self.spectrogram_extractor.stft = nn.Module()
        self.spectrogram_extractor.stft.conv_real = nn.Conv1d(1, bins, n_fft, bias=False)
        self.spectrogram_extractor.stft.conv_imag = nn.Conv1d(1, bins, n_fft, bias=False)
        self.logmel_extractor = nn.Module()
        self.logmel_extractor.melW = nn.Parameter(torch.zeros(bins, n_mel))
        self.bn0 = nn.BatchNorm2d(n_mel)
        for i, (narrow, wide) in enumerate(zip((1, *widths), widths, strict=False), 1):
            setattr(self, f"conv_block{i}", Block(narrow, wide))
        self.fc1 = nn.Linear(widths[-1], widths[-1])
        self.fc_audioset = nn.Linear(widths[-1], classes)
        self.blocks = len(widths)

    @classmethod
    def of(cls, weights: dict[str, Any]) -> tuple[Cnn14, dict[str, Tensor]]:
        """The untrained network for PANNs' published weights (16 or 32 kHz), and these. Raises KeyError for others."""
        state = weights.get("model", weights)
        window = state["spectrogram_extractor.stft.conv_real.weight"]
        n_fft = window.shape[-1]
        convolutions = [state[f"conv_block{i}.conv1.weight"] for i in range(1, 7)]
        widths = tuple(len(weight) for weight in convolutions)
        last_bias = state["fc_audioset.bias"]
        classes = len(last_bias)
        n_mel = len(state["bn0.weight"])
        network = cls(n_fft=n_fft, n_mel=n_mel, classes=classes, widths=widths)
        return network, state

    @property
    def sample_rate(self) -> int:
        return self.hop_size * 100

    def forward(self, sound: Tensor) -> tuple[Tensor, Tensor]:
        power = self._power(sound).transpose(1, 2)
        mel = power @ self.logmel_extractor.melW
        decibels = 10 * torch.log10(mel.clamp(min=1e-10))
        x = decibels[:, None]
        x = self.bn0(x.transpose(1, 3)).transpose(1, 3)
        for i in range(1, self.blocks + 1):
            block = getattr(self, f"conv_block{i}")
            pool = 2 if i < self.blocks else 1
            x = block(x, pool=pool)
        x = x.mean(dim=3)
        pooled = x.amax(dim=2) + x.mean(dim=2)
        embedding = F.relu(self.fc1(pooled))
        return embedding, self.fc_audioset(embedding)

    def _power(self, sound: Tensor) -> Tensor:
        # The power spectra (batch, bins, frames) of (batch, samples), by convolutions with the published windows.
        stft = self.spectrogram_extractor.stft
        size = stft.conv_real.kernel_size[0]
        margin = size // 2
        padded = F.pad(sound[:, None], (margin, margin), mode="reflect")
        real = F.conv1d(padded, stft.conv_real.weight, stride=self.hop_size)
        imaginary = F.conv1d(padded, stft.conv_imag.weight, stride=self.hop_size)
        return real**2 + imaginary**2


class Block(nn.Module):
    """Two convolutions of 3 x 3 and an average over `pool` x `pool`."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(narrow, wide, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.bn2 = nn.BatchNorm2d(wide)

    def forward(self, x: Tensor, pool: int) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.avg_pool2d(x, pool) if pool > 1 else x
