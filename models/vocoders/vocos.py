"""Vocos: a network at the rate of frames draws spectra, and an inverse transform makes them sound (https://arxiv.org/abs/2306.00814).

    mel (batch, frames, n_mel) -> backbone -> (batch, frames, dim) -> head -> (batch, samples)

Nothing runs at the rate of samples but the transform, which is why it is the fastest vocoder here on a CPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model, former_names
from models.vocoders.losses import LossMel, compared
from modules.norm import weight_norm
from modules.spectral import InverseMDCT, InverseSTFT

LOUDEST = 100.0  # the largest magnitude that a head may draw
EPSILON = 1e-6  # of the layer norms


@dataclass(frozen=True, kw_only=True)
class BackboneSizes:
    """Of either backbone. `num_layers` None is 8 for "convnext" and 3 for "resnet", `layer_scale` None is one over that."""

    dim: int = 512
    intermediate_dim: int = 1536
    num_layers: int | None = None
    layer_scale: float | None = None

    def convnext(self, channels: int, bandwidths: int = 0) -> ConvNeXtBackbone:
        """The backbone "convnext", which reads (batch, frames, channels)."""
        num_layers = self.num_layers or 8
        return ConvNeXtBackbone(channels, self.dim, self.intermediate_dim, num_layers, self.layer_scale, bandwidths)


@dataclass(frozen=True, kw_only=True)
class CodeSizes:
    """Of EnCodec's codes, for a model that reads them: `bandwidths` are the norms to choose from."""

    bandwidths: int = 0
    codebooks: int = 0
    codebook_size: int = 1024


class Vocos(Model):
    """Mel (batch, frames, n_mel) to samples (batch, samples), `hop_size` of them for each frame.

    The defaults are the paper's. `num_layers` None: 8 of the "convnext" backbone, 3 of the "resnet" (which has no
    `intermediate_dim`). `layer_scale` is where the scale of each block starts, None is 1 / blocks. `n_fft` is that of the
    "istft" head and of the mel in the loss, `fmax` (Hz, None is half the rate) of the latter. `padding` says where a frame
    stands, see `modules.spectral`. `bandwidths`: how many adaptive layer norms there are to choose from by `bandwidth_id`.
    `codebooks`: EnCodec codebooks for `infer_codes`, which then makes sound from codes. `sample_rate` None makes a decoder
    for the inside of another model, which may add a speaker embedding of `speaker_channels` to what it decodes.
    Raises ValueError when the sizes do not fit together.
    """

    reads = ("mel", "audio")
    former = {**former_names("sizes", BackboneSizes), **former_names("codes", CodeSizes)}

    def __init__(
        self,
        *,
        n_mel: int,
        sample_rate: int | None = None,
        hop_size: int = 256,
        backbone: Literal["convnext", "resnet"] = "convnext",
        head: Literal["istft", "imdct_cos", "imdct_symexp"] = "istft",
        padding: Literal["same", "center"] = "same",
        sizes: BackboneSizes = BackboneSizes(),
        codes: CodeSizes = CodeSizes(),
        n_fft: int = 1024,
        fmax: float | None = None,
        speaker_channels: int = 0,
    ) -> None:
        super().__init__()
        self.samples_per_frame = hop_size
        self.bandwidths = codes.bandwidths
        self.cond = nn.Conv1d(speaker_channels, n_mel, 1) if speaker_channels else None
        if backbone == "resnet":
            if codes.bandwidths:
                raise ValueError(
                    f'Vocos: bandwidths {codes.bandwidths} needs the backbone "convnext": "resnet" has no norms to adapt.'
                )
            self.backbone = ResNetBackbone(n_mel, sizes.dim, sizes.num_layers or 3, sizes.layer_scale)
        else:
            self.backbone = sizes.convnext(n_mel, codes.bandwidths)
        if head == "istft":
            self.head = ISTFTHead(sizes.dim, n_fft, hop_size, padding)
        else:
            self.head = IMDCTHead(sizes.dim, hop_size, padding, head, sample_rate)
        self.codebook_size = codes.codebook_size
        self.codebook_weights = None
        if codes.codebooks:
            table = torch.zeros(codes.codebooks * codes.codebook_size, n_mel)
            self.codebook_weights = nn.Parameter(table, requires_grad=False)
        loss_mel = LossMel(n_fft=n_fft, win_size=n_fft, fmax=fmax)
        self.mel_loss = loss_mel.loss(None, sample_rate=sample_rate, hop_size=hop_size, n_mel=n_mel)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`mel`: the L1 distance of the log mels; `real` and `fake` (batch, 1, samples) for the discriminators."""
        wave = self._wave(batch["mel"], batch.get("bandwidth_id"), full=True)
        return compared(self.mel_loss, batch, wave.unsqueeze(1))

    @torch.inference_mode()
    def infer(self, mel: Tensor, *, bandwidth_id: int | None = None) -> Tensor:
        """Samples (batch, frames * hop_size) of a mel, or of EnCodec's features, (batch, frames, n_mel).

        `bandwidth_id` is which of the adaptive norms to use, for a model that has them: EnCodec's 0 to 3 for 1.5 to 12 kbps.
        """
        return self._wave(mel, bandwidth_id, full=True)

    @torch.inference_mode()
    def infer_codes(self, codes: Tensor, *, bandwidth_id: int | None = None) -> Tensor:
        """Samples (batch, frames * hop_size) of EnCodec's codes (batch, codebooks, frames), the first few or all."""
        if self.codebook_weights is None:
            raise ValueError(
                "Vocos: codebooks is 0, so this model reads no codes: give features to infer, or load the EnCodec variant."
            )
        codebooks = torch.arange(codes.shape[1], device=codes.device)
        rows = codes + codebooks[:, None] * self.codebook_size
        features = F.embedding(rows, self.codebook_weights).sum(1)
        return self._wave(features, bandwidth_id, full=True)

    def decode(self, hidden: Tensor, speaker: Tensor | None = None, *, bandwidth_id: int | Tensor | None = None) -> Tensor:
        """(batch, n_mel, frames) -> (batch, 1, samples), as many as published: with padding "center" one hop fewer than `infer`.

        `speaker`: (batch, speaker_channels, 1), for a model that has them.
        """
        if self.cond is not None:
            hidden = hidden + self.cond(speaker)
        return self._wave(hidden.transpose(1, 2), bandwidth_id, full=False).unsqueeze(1)

    def _wave(self, x: Tensor, bandwidth_id: int | Tensor | None, *, full: bool) -> Tensor:
        if (bandwidth_id is None) == bool(self.bandwidths):
            choices = f"0 to {self.bandwidths - 1}" if self.bandwidths else "none: this model has no adaptive norms"
            raise ValueError(f"Vocos: bandwidth_id is {bandwidth_id}. Choices: {choices}.")
        if bandwidth_id is not None:
            bandwidth_id = torch.as_tensor(bandwidth_id, device=x.device)
            bandwidth_id = bandwidth_id.reshape(-1)
        hidden = self.backbone(x, bandwidth_id)
        return self.head(hidden, full)

    @property
    def receptive_field_frames(self) -> int:
        """How many frames before and after a frame have a say in its samples."""
        return self.backbone.reach + self.head.transform.reach


class ConvNeXtBackbone(nn.Module):
    """Blocks of a depthwise convolution along time and two layers across channels; (batch, frames, channels) all the way."""

    def __init__(
        self, n_mel: int, dim: int, intermediate_dim: int, num_layers: int, layer_scale: float | None, bandwidths: int
    ) -> None:
        super().__init__()
        self.embed = nn.Conv1d(n_mel, dim, 7, padding=3)
        self.norm = _norm(dim, bandwidths)
        scale = layer_scale or 1 / num_layers
        self.convnext = nn.ModuleList(ConvNeXtBlock(dim, intermediate_dim, scale, bandwidths) for _ in range(num_layers))
        self.final_layer_norm = nn.LayerNorm(dim, eps=EPSILON)
        self.reach = 3 + 3 * num_layers
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d | nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, bandwidth_id: Tensor | None) -> Tensor:
        x = self.norm(_along_time(self.embed, x), bandwidth_id)
        for block in self.convnext:
            x = block(x, bandwidth_id)
        return self.final_layer_norm(x)


class ConvNeXtBlock(nn.Module):
    """ConvNeXt (https://arxiv.org/abs/2201.03545) along one axis, with its scaled shortcut."""

    def __init__(self, dim: int, intermediate_dim: int, scale: float, bandwidths: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(dim, dim, 7, padding=3, groups=dim)
        self.norm = _norm(dim, bandwidths)
        self.pwconv1 = nn.Linear(dim, intermediate_dim)
        self.pwconv2 = nn.Linear(intermediate_dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), scale))

    def forward(self, x: Tensor, bandwidth_id: Tensor | None) -> Tensor:
        hidden = self.norm(_along_time(self.dwconv, x), bandwidth_id)
        hidden = self.pwconv2(F.gelu(self.pwconv1(hidden)))
        return torch.addcmul(x, self.gamma, hidden)


class LayerNorm(nn.LayerNorm):
    """A plain layer norm, which has no bandwidth to look at."""

    def forward(self, x: Tensor, bandwidth_id: Tensor | None) -> Tensor:
        return super().forward(x)


class AdaptiveLayerNorm(nn.Module):
    """A layer norm whose scale and shift are those of a bandwidth."""

    def __init__(self, dim: int, bandwidths: int) -> None:
        super().__init__()
        self.scale = nn.Embedding(bandwidths, dim)
        self.shift = nn.Embedding(bandwidths, dim)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, bandwidth_id: Tensor) -> Tensor:
        """`bandwidth_id`: (batch,), or (1,) for all."""
        scale = self.scale(bandwidth_id).unsqueeze(1)
        shift = self.shift(bandwidth_id).unsqueeze(1)
        normalised = F.layer_norm(x, x.shape[-1:], eps=EPSILON)
        return torch.addcmul(shift, normalised, scale)


def _norm(dim: int, bandwidths: int) -> nn.Module:
    return AdaptiveLayerNorm(dim, bandwidths) if bandwidths else LayerNorm(dim, eps=EPSILON)


class ResNetBackbone(nn.Module):
    """HiFi-GAN's dilated blocks at the rate of frames, each shortcut scaled."""

    def __init__(self, n_mel: int, dim: int, num_layers: int, layer_scale: float | None) -> None:
        super().__init__()
        embed = nn.Conv1d(n_mel, dim, 3, padding=1)
        self.embed = weight_norm(embed)
        scale = layer_scale or 1 / (3 * num_layers)
        blocks = [ScaledResBlock(dim, (1, 3, 5), scale) for _ in range(num_layers)]
        self.resnet = nn.ModuleList(blocks)
        self.reach = 1
        for block in blocks:
            self.reach += block.reach

    def forward(self, x: Tensor, bandwidth_id: Tensor | None) -> Tensor:
        x = _along_time(self.embed, x)
        for block in self.resnet:
            x = block(x)
        return x


class ScaledResBlock(nn.Module):
    """Three pairs of convolutions of three taps, dilated and plain, each with a shortcut that starts nearly alone."""

    def __init__(self, dim: int, dilations: tuple[int, ...], scale: float) -> None:
        super().__init__()
        dilated = [_conv(dim, dilation) for dilation in dilations]
        plain = [_conv(dim, 1) for _ in dilations]
        scales = [torch.full((dim, 1), scale) for _ in dilations]
        self.convs1 = nn.ModuleList(dilated)
        self.convs2 = nn.ModuleList(plain)
        self.gamma = nn.ParameterList(scales)
        self.reach = sum(dilations) + len(dilations)

    def forward(self, x: Tensor) -> Tensor:
        for first, second, gamma in zip(self.convs1, self.convs2, self.gamma, strict=True):
            hidden = _along_time(first, F.leaky_relu(x, 0.1))
            hidden = _along_time(second, F.leaky_relu(hidden, 0.1))
            x = torch.addcmul(x, gamma.squeeze(1), hidden)
        return x


def _conv(dim: int, dilation: int) -> nn.Module:
    return weight_norm(nn.Conv1d(dim, dim, 3, dilation=dilation, padding=dilation))


class ISTFTHead(nn.Module):
    """Draws magnitude and phase of each bin."""

    def __init__(self, dim: int, n_fft: int, hop_size: int, padding: str) -> None:
        super().__init__()
        if n_fft % 2:
            raise ValueError(f"Vocos: n_fft must be even, so that the head halves into magnitudes and phases, got {n_fft}.")
        self.out = nn.Linear(dim, n_fft + 2)
        self.transform = InverseSTFT(hop_size=hop_size, n_fft=n_fft, padding=padding)

    def forward(self, x: Tensor, full: bool) -> Tensor:
        log_magnitude, phase = self.out(x).float().chunk(2, dim=2)
        magnitude = _bounded_exp(log_magnitude, LOUDEST)
        real = magnitude * phase.cos()
        imag = magnitude * phase.sin()
        return self.transform(real, imag, full=full)


class IMDCTHead(nn.Module):
    """Draws MDCT coefficients: "imdct_symexp" on a scale symmetric about zero, "imdct_cos" as magnitude and sign.

    With `sample_rate` the former starts with less to say the higher the band, as on the mel scale.
    """

    def __init__(self, dim: int, hop_size: int, padding: str, form: str, sample_rate: int | None) -> None:
        super().__init__()
        self.signed = form == "imdct_symexp"
        channels = hop_size if self.signed else 2 * hop_size
        self.out = nn.Linear(dim, channels)
        self.transform = InverseMDCT(hop_size=hop_size, padding=padding)
        if self.signed and sample_rate:
            hertz = _mel_spaced(hop_size, sample_rate / 2)
            weaker = hertz[:, None] / hertz[-1]
            self.out.weight.data.mul_(1 - weaker)

    def forward(self, x: Tensor, full: bool) -> Tensor:
        x = self.out(x).float()
        if self.signed:
            magnitude = _bounded_exp(x.abs(), LOUDEST + 1) - 1
            return self.transform(x.sign() * magnitude, full=full)
        log_magnitude, phase = x.chunk(2, dim=2)
        magnitude = _bounded_exp(log_magnitude, LOUDEST)
        return self.transform(magnitude * phase.cos(), full=full)


def _mel_spaced(count: int, fmax: float) -> Tensor:
    """(count,) frequencies from 0 to `fmax` Hz, evenly spaced on the mel scale."""
    mels = torch.linspace(0, math.log10(1 + fmax / 700), count)
    return 700 * (10**mels - 1)


def _bounded_exp(x: Tensor, largest: float) -> Tensor:
    """exp(x), `largest` at most. Bounded before, as the gradient of an infinity is no number."""
    return x.clamp(max=math.log(largest)).exp()


def _along_time(conv: nn.Module, x: Tensor) -> Tensor:
    """A one-dimensional convolution of x (batch, frames, channels).

    As an image of one row it runs in that very layout; torch's own would transpose, there and back, at every layer.
    """
    image = x.transpose(1, 2).unsqueeze(2)
    weight = conv.weight.unsqueeze(2)
    padding = (0, conv.padding[0])
    dilation = (1, conv.dilation[0])
    out = F.conv2d(image, weight, conv.bias, 1, padding, dilation, conv.groups)
    return out.squeeze(2).transpose(1, 2)
