"""APNet: one network draws the log amplitude spectrum, another the phase, and an inverse STFT makes them sound.

Ai and Ling, https://arxiv.org/abs/2305.07952. Both networks run at the rate of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model, former_names
from models.vocoders.hifigan import POST_SLOPE, ResBlock1, Variant
from models.vocoders.losses import LossMel, compared
from modules.masks import masked_mean, valid
from modules.norm import weight_norm
from modules.spectral import InverseSTFT
from processors.mel import AmplitudePhase

Spectrum = dict[str, Tensor]
Dilations = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class AmplitudeSizes:
    """Of the amplitude network; the defaults are the paper's."""

    channels: int = 512
    kernel_size: int = 7
    output_kernel_size: int = 7
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: Dilations = ((1, 3, 5),) * 3


@dataclass(frozen=True, kw_only=True)
class PhaseSizes:
    """Of the phase network; the defaults are the paper's."""

    channels: int = 512
    kernel_size: int = 7
    real_kernel_size: int = 7
    imag_kernel_size: int = 7
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: Dilations = ((1, 3, 5),) * 3


class APNet(Model):
    """Mel (batch, frames, n_mel) to samples (batch, samples), `hop_size` of them for each frame.

    `n_fft`, `win_size`, `hop_size` and `padding` are those of the spectrum that is drawn, the first three also those of
    the mel in the loss, whose highest frequency is `fmax` (Hz, None is half the rate). `sample_rate` None makes a decoder
    for the inside of another model. Raises ValueError when the sizes do not fit together.
    """

    reads = ("mel", "audio")
    former = {**former_names("asp", AmplitudeSizes, "asp_"), **former_names("psp", PhaseSizes, "psp_")}

    def __init__(
        self,
        *,
        n_mel: int,
        sample_rate: int | None = None,
        hop_size: int = 256,
        n_fft: int = 1024,
        win_size: int = 1024,
        padding: Literal["same", "center"] = "same",
        asp: AmplitudeSizes = AmplitudeSizes(),
        psp: PhaseSizes = PhaseSizes(),
        fmax: float | None = None,
    ) -> None:
        super().__init__()
        _check("asp", asp.resblock_kernel_sizes, asp.resblock_dilation_sizes)
        _check("psp", psp.resblock_kernel_sizes, psp.resblock_dilation_sizes)
        _check_ends(
            asp_kernel_size=asp.kernel_size,
            asp_output_kernel_size=asp.output_kernel_size,
            psp_kernel_size=psp.kernel_size,
            psp_real_kernel_size=psp.real_kernel_size,
            psp_imag_kernel_size=psp.imag_kernel_size,
        )
        bins = n_fft // 2 + 1
        self.samples_per_frame = hop_size
        self.ASP_input_conv = _conv(n_mel, asp.channels, asp.kernel_size)
        self.ASP_ResNet = _blocks(asp.channels, asp.resblock_kernel_sizes, asp.resblock_dilation_sizes)
        self.ASP_output_conv = _conv(asp.channels, bins, asp.output_kernel_size)
        self.PSP_input_conv = _conv(n_mel, psp.channels, psp.kernel_size)
        self.PSP_ResNet = _blocks(psp.channels, psp.resblock_kernel_sizes, psp.resblock_dilation_sizes)
        self.PSP_output_R_conv = _conv(psp.channels, bins, psp.real_kernel_size)
        self.PSP_output_I_conv = _conv(psp.channels, bins, psp.imag_kernel_size)
        self.transform = InverseSTFT(hop_size=hop_size, n_fft=n_fft, win_size=win_size, padding=padding)
        self.analysis = AmplitudePhase(hop_size=hop_size, n_fft=n_fft, win_size=win_size, padding=padding)
        loss_mel = LossMel(n_fft=n_fft, win_size=win_size, fmax=fmax)
        self.mel_loss = loss_mel.loss(None, sample_rate=sample_rate, hop_size=hop_size, n_mel=n_mel)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The losses of `spectral_losses` and `mel`; `real` and `fake` (batch, 1, samples) for the discriminators."""
        mel = batch["mel"].transpose(1, 2)
        predicted = self.spectrum(mel)
        wave = self._wave(predicted, full=True)
        out = compared(self.mel_loss, batch, wave.unsqueeze(1))
        with torch.no_grad():
            target = self.analysis(out["real"].squeeze(1))
        reanalysed = self.analysis(out["fake"].squeeze(1))
        frames = batch["samples"].to(wave.device) // self.samples_per_frame
        losses = spectral_losses(predicted, target, reanalysed, frames.clamp(min=1))
        return losses | out

    @torch.inference_mode()
    def infer(self, mel: Tensor) -> Tensor:
        """Samples (batch, frames * hop_size) of a mel (batch, frames, n_mel)."""
        return self._wave(self.spectrum(mel.transpose(1, 2)), full=True)

    def decode(self, hidden: Tensor) -> Tensor:
        """(batch, n_mel, frames) -> (batch, 1, samples), as many as published: with padding "center" one hop fewer than `infer`."""
        return self._wave(self.spectrum(hidden), full=False).unsqueeze(1)

    def spectrum(self, mel: Tensor) -> Spectrum:
        """The spectrum of a mel (batch, n_mel, frames), as `AmplitudePhase` gives it: (batch, frames, n_fft // 2 + 1) each."""
        hidden = _mean_of(self.ASP_ResNet, self.ASP_input_conv(mel))
        log_amplitude = _by_frame(self.ASP_output_conv(hidden))
        hidden = _mean_of(self.PSP_ResNet, self.PSP_input_conv(mel))
        cosine = _by_frame(self.PSP_output_R_conv(hidden))
        sine = _by_frame(self.PSP_output_I_conv(hidden))
        phase = torch.atan2(sine, cosine)
        amplitude = log_amplitude.exp()
        real = amplitude * phase.cos()
        imag = amplitude * phase.sin()
        return {"log_amplitude": log_amplitude, "phase": phase, "real": real, "imag": imag}

    def _wave(self, spectrum: Spectrum, *, full: bool) -> Tensor:
        return self.transform(spectrum["real"], spectrum["imag"], full=full)

    @property
    def receptive_field_frames(self) -> int:
        """How many frames before and after a frame have a say in its samples."""
        asp_blocks = max(block.reach for block in self.ASP_ResNet)
        asp = _reach(self.ASP_input_conv) + asp_blocks + _reach(self.ASP_output_conv)
        psp_blocks = max(block.reach for block in self.PSP_ResNet)
        real = _reach(self.PSP_output_R_conv)
        imag = _reach(self.PSP_output_I_conv)
        psp_output = max(real, imag)
        psp = _reach(self.PSP_input_conv) + psp_blocks + psp_output
        return max(asp, psp) + self.transform.reach


def spectral_losses(predicted: Spectrum, target: Spectrum, reanalysed: Spectrum, frames: Tensor) -> dict[str, Tensor]:
    """The paper's losses on spectra (batch, frames, bins), over the first `frames` (batch,) of each.

    `predicted` by the networks, `target`, and `reanalysed`, that of the wave made of what was predicted; the latter two may
    have a frame more. "amplitude": squared distance of log amplitudes; "phase": see `phase_loss`; "consistency": squared
    distance of predicted and reanalysed, as not every spectrum is that of a wave; "spectrum": L1 of real and imaginary parts.
    """
    count = min(predicted["phase"].shape[1], target["phase"].shape[1])
    predicted = _first_frames(predicted, count)
    target = _first_frames(target, count)
    reanalysed = _first_frames(reanalysed, count)
    mask = valid(frames.clamp(max=count), count)
    amplitude = predicted["log_amplitude"] - target["log_amplitude"]
    real = predicted["real"] - target["real"]
    imag = predicted["imag"] - target["imag"]
    inconsistent_real = predicted["real"] - reanalysed["real"]
    inconsistent_imag = predicted["imag"] - reanalysed["imag"]
    inconsistency = inconsistent_real.square() + inconsistent_imag.square()
    return {
        "amplitude": masked_mean(amplitude.square(), mask),
        "phase": phase_loss(predicted["phase"], target["phase"], mask),
        "consistency": masked_mean(inconsistency, mask),
        "spectrum": masked_mean(real.abs() + imag.abs(), mask),
    }


def _first_frames(spectrum: Spectrum, count: int) -> Spectrum:
    return {name: x[:, :count] for name, x in spectrum.items()}


def phase_loss(phase: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """How far phases (batch, frames, bins) are apart, whatever their multiples of 2 pi: 1 - cos, of three differences.

    Of the phase itself, of its slope along bins (group delay) and of its slope along frames (instantaneous angular
    frequency), summed. The paper writes -cos, which differs by a constant; so written, equal phases lose nothing.
    """
    difference = phase - target
    group_delay = 1 - difference.diff(dim=2).cos()
    angular = 1 - difference.diff(dim=1).cos()
    angular_loss = 0.0
    if mask.shape[1] > 1:
        angular_loss = masked_mean(angular, mask[:, 1:])
    instantaneous = 1 - difference.cos()
    return masked_mean(instantaneous, mask) + masked_mean(group_delay, mask) + angular_loss


def _mean_of(blocks: nn.ModuleList, x: Tensor) -> Tensor:
    """The blocks look at the same input through different kernels; the activation of their mean, (batch, channels, frames)."""
    image = x.unsqueeze(2)
    if image.device.type == "cpu":  # the layout in which `ResBlock1` is fastest there
        image = image.contiguous(memory_format=torch.channels_last)
    active = F.leaky_relu(image, blocks[0].slope)
    outputs = torch.stack([block(image, active) for block in blocks])
    mean = outputs.mean(0)
    return F.leaky_relu(mean.squeeze(2), POST_SLOPE)


def _blocks(channels: int, sizes: tuple[int, ...], dilations: Dilations) -> nn.ModuleList:
    return nn.ModuleList(ResBlock1(channels, size, steps, Variant()) for size, steps in zip(sizes, dilations, strict=True))


def _conv(inputs: int, outputs: int, size: int) -> nn.Module:
    return weight_norm(nn.Conv1d(inputs, outputs, size, padding=(size - 1) // 2))


def _by_frame(x: Tensor) -> Tensor:
    """(batch, bins, frames) as (batch, frames, bins) in float32."""
    return x.transpose(1, 2).float()


def _reach(conv: nn.Module) -> int:
    """How many frames on either side a convolution sees."""
    return conv.padding[0]


def _check(network: str, sizes: tuple[int, ...], dilations: Dilations) -> None:
    if len(sizes) != len(dilations) or not sizes:
        raise ValueError(
            f"APNet: {network}_resblock_dilation_sizes needs a list for each of {network}_resblock_kernel_sizes {list(sizes)}, "
            f"got {len(dilations)}."
        )
    _check_ends(**{f"{network}_resblock_kernel_sizes": sizes})


def _check_ends(**sizes: Any) -> None:
    for name, size in sizes.items():
        each = size if isinstance(size, tuple | list) else (size,)
        if any(s % 2 == 0 for s in each):
            raise ValueError(f"APNet: {name} must be odd, so that a frame stays a frame, got {size}.")
