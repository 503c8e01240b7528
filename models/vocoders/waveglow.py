"""WaveGlow, an invertible network between sound and noise, trained by likelihood (https://arxiv.org/abs/1811.00002)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from models.base.model import Model
from modules.gated import GatedStack
from modules.masks import valid
from modules.noise import Noise, placed
from modules.norm import weight_norm
from modules.planes import planes, run


class WaveGlow(Model):
    """Mel (batch, frames, n_mel) to samples (batch, frames * hop_size), from as many Gaussian numbers.

    Samples are taken `n_group` at a time as channels. Each of `n_flows` steps mixes the channels and moves one half of
    them by what a network of `n_layers` gated convolutions makes of the other half; every `n_early_every` steps
    `n_early_size` channels are done. `sigma` is the deviation of the noise in training.
    The defaults are the paper's, with the 256 channels that its authors published.
    Raises ValueError when the sizes do not fit together.
    """

    reads = ("mel", "audio")
    draws = ("noise",)

    def __init__(
        self,
        *,
        n_mel: int,
        hop_size: int = 256,
        n_group: int = 8,
        n_flows: int = 12,
        n_early_every: int = 4,
        n_early_size: int = 2,
        n_layers: int = 8,
        n_channels: int = 256,
        kernel_size: int = 3,
        upsample_kernel_size: int = 1024,
        sigma: float = 0.5**0.5,
    ) -> None:
        super().__init__()
        self.early = [k for k in range(1, n_flows) if k % n_early_every == 0]
        _check(n_group, n_early_size, len(self.early), kernel_size, upsample_kernel_size, hop_size)
        self.hop_size = hop_size
        self.n_group = n_group
        self.n_early_size = n_early_size
        self.sigma = sigma
        self.upsample = nn.ConvTranspose1d(n_mel, n_mel, upsample_kernel_size, hop_size)
        self.convinv = nn.ModuleList()
        self.WN = nn.ModuleList()
        self.last_channels = n_group
        for k in range(n_flows):
            self.last_channels -= n_early_size * (k in self.early)
            self.convinv.append(InvertibleConv(self.last_channels))
            self.WN.append(
                Coupling(
                    self.last_channels // 2,
                    channels=n_channels,
                    kernel_size=kernel_size,
                    dilations=tuple(2**i for i in range(n_layers)),
                    condition_channels=n_mel * n_group,
                )
            )

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`nll`: the negative log-likelihood per sample in nats, without the constant log(sigma) + log(2 pi) / 2."""
        mel = batch["mel"]
        audio = batch["audio"]
        samples = torch.minimum(batch["samples"], batch["frames"] * self.hop_size)
        groups = samples.to(mel.device) // self.n_group
        mask = valid(groups, self._groups(mel, audio))
        mask = mask[:, None]
        image_mask = mask[:, :, None].to(mel.dtype)
        z, log_scales, log_dets = self.encode(mel, audio, image_mask)
        squares = z.square() * mask
        variance = self.sigma**2
        prior_nll = squares.sum() / (2 * variance)
        per_flow = [(log_scale * mask).sum() for log_scale in log_scales]
        log_scale = torch.stack(per_flow).sum()
        log_det = log_dets.sum() / self.n_group
        count = groups.sum() * self.n_group
        count = count.clamp(min=1)
        nll = (prior_nll - log_scale) / count
        return {"nll": nll - log_det}

    @torch.inference_mode()
    def infer(self, mel: Tensor, *, noise_scale: float = 0.6, seed: int | None = None, noise: Tensor | None = None) -> Tensor:
        """Samples (batch, frames * hop_size) of a mel (batch, frames, n_mel).

        `noise_scale` is the deviation of the noise: less is duller and steadier. The same `seed` says the same twice.
        `noise` is given instead of drawn, standard normal (batch, n_group, groups): group i makes the samples from
        i * n_group on, so a stretch of the mel with the same stretch of noise gives the same sound.
        """
        samples = mel.shape[1] * self.hop_size
        if noise is None:
            groups = math.ceil(samples / self.n_group)
            random = Noise.like(mel, seed)
            noise = random.normal(len(mel), self.n_group, groups)
        latent = noise * noise_scale
        wave = self.decode(latent, mel)
        return wave[:, :samples]

    def encode(self, mel: Tensor, audio: Tensor, mask: Tensor | None = None) -> tuple[Tensor, list[Tensor], Tensor]:
        """Samples (batch, samples) as noise (batch, n_group, groups), and how much space was stretched on the way.

        That is one log scale (batch, channels, groups) a flow, and one log determinant of its mixing per group (n_flows,).
        """
        groups = self._groups(mel, audio)
        grouped = audio[:, : groups * self.n_group].unflatten(1, (groups, self.n_group))
        x = grouped.transpose(1, 2).float()
        condition = self._condition(mel, groups)
        latents = []
        log_scales = []
        log_dets = []
        for k, (mix, net) in enumerate(zip(self.convinv, self.WN, strict=True)):
            if k in self.early:
                latents.append(x[:, : self.n_early_size])
                x = x[:, self.n_early_size :]
            x, log_det = mix(x)
            x, log_scale = net.couple(x, condition, mask)
            log_scales.append(log_scale)
            log_dets.append(log_det)
        z = torch.cat([*latents, x], 1)
        return z, log_scales, torch.stack(log_dets)

    def decode(self, z: Tensor, mel: Tensor) -> Tensor:
        """The inverse of `encode`: noise (batch, n_group, groups) as samples (batch, groups * n_group)."""
        condition = self._condition(mel, z.shape[2])
        x = z[:, -self.last_channels :]
        early = z[:, : -self.last_channels]
        for k in reversed(range(len(self.WN))):
            x = self.WN[k].uncouple(x, condition)
            x = self.convinv[k].inverse(x)
            if k in self.early:
                latent = early[:, -self.n_early_size :]
                early = early[:, : -self.n_early_size]
                x = torch.cat([latent, x], 1)
        grouped = x.transpose(1, 2)
        return grouped.flatten(1)

    def _groups(self, mel: Tensor, audio: Tensor) -> int:
        """How many whole groups of samples have both sound and mel."""
        covered = (mel.shape[1] - 1) * self.hop_size + self.upsample.kernel_size[0]
        return min(audio.shape[1], covered) // self.n_group

    def _condition(self, mel: Tensor, groups: int) -> Tensor:
        """The mel at the rate of samples, those of a group as channels: planes (batch, n_mel * n_group, 1, groups)."""
        samples = groups * self.n_group
        upsampled = self.upsample(mel.transpose(1, 2))
        upsampled = upsampled[..., :samples]
        padded = nn.functional.pad(upsampled, (0, samples - upsampled.shape[2]))
        grouped = padded.unflatten(2, (groups, self.n_group))
        by_group = grouped.permute(0, 2, 1, 3).flatten(2)
        return planes(by_group.transpose(1, 2))

    def drawn(self, inputs: Mapping[str, Tensor], *, seed: int, first: int) -> dict[str, Tensor]:
        """`noise` (1, n_group, groups), the same for each frame whatever pieces the mel comes in."""
        mel = inputs["mel"]
        frames = mel.shape[1]
        last = first + frames
        samples = placed(seed, first, last, self.hop_size)
        groups = samples.reshape(1, -1, self.n_group)
        noise = groups.transpose(1, 2)
        return {"noise": noise.to(mel.device)}

    def prepared(self) -> Self:
        """Itself with the mixings inverted besides."""
        for mix in self.convinv:
            mix.prepare()
        return super().prepared()

    @property
    def receptive_field_frames(self) -> int | None:
        """None where a group of samples reaches across the border of two frames: its noise cannot be cut there."""
        if self.hop_size % self.n_group:
            return None
        reach = sum(net.reach for net in self.WN) * self.n_group
        return math.ceil(reach / self.hop_size) + math.ceil(self.upsample.kernel_size[0] / self.hop_size)


class InvertibleConv(nn.Module):
    """Mixes channels by a square matrix, a rotation at first (Glow, https://arxiv.org/abs/1807.03039).

    In float32 always: what is rounded here cannot be undone by the inverse.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 1, bias=False)
        rotation = torch.linalg.qr(torch.randn(channels, channels))[0]
        rotation[:, 0] *= torch.linalg.det(rotation).sign()
        self.conv.weight.data = rotation[..., None].contiguous()
        self.register_buffer("inverted", None, persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, channels, places) mixed, and the log of the absolute determinant."""
        with torch.autocast(x.device.type, enabled=False):
            return self.matrix @ x.float(), torch.linalg.slogdet(self.matrix)[1]

    def inverse(self, x: Tensor) -> Tensor:
        """What `forward` made `x` of."""
        with torch.autocast(x.device.type, enabled=False):
            inverse = torch.linalg.inv(self.matrix) if self.inverted is None else self.inverted
            return (inverse.float() @ x.float()).to(x.dtype)

    @property
    def matrix(self) -> Tensor:
        return self.conv.weight.squeeze(2).float()

    @torch.no_grad()
    def prepare(self) -> None:
        """Inverts the matrix once and for all, until other weights are loaded."""
        self.inverted = torch.linalg.inv(self.matrix)

    def _load_from_state_dict(self, *arguments: Any) -> None:
        self.inverted = None
        super()._load_from_state_dict(*arguments)


class Coupling(GatedStack):
    """Scales and shifts the second half of the channels by what it makes of the first, which stays: so it can be undone."""

    def __init__(self, half: int, **sizes: Any) -> None:
        super().__init__(**sizes)
        channels = sizes["channels"]
        self.start = weight_norm(nn.Conv1d(half, channels, 1))
        self.end = nn.Conv1d(channels, 2 * half, 1)
        # The flow begins near the identity. At exactly zero nothing but this layer would learn from the first step.
        nn.init.normal_(self.end.weight, 0.0, 1e-4)
        nn.init.zeros_(self.end.bias)

    def couple(self, x: Tensor, condition: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """(batch, 2 half, places) with its second half moved, and the log of the scales (batch, half, places)."""
        first, second = x.chunk(2, 1)
        shift, log_scale = self._terms(first, condition, mask)
        scaled = log_scale.exp() * second
        second = scaled + shift
        moved = torch.cat([first, second], 1)
        return moved, log_scale

    def uncouple(self, x: Tensor, condition: Tensor) -> Tensor:
        """What `couple` made `x` of."""
        first, second = x.chunk(2, 1)
        shift, log_scale = self._terms(first, condition, None)
        second = (second - shift) * (-log_scale).exp()
        return torch.cat([first, second], 1)

    def _terms(self, first: Tensor, condition: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Shift and log scale of the second half, both (batch, half, places)."""
        hidden = run(self.start, planes(first))
        hidden = self(hidden, condition, mask)
        terms = run(self.end, hidden).squeeze(2)
        return terms.to(first.dtype).chunk(2, 1)


def _check(groups: int, early_size: int, early: int, kernel_size: int, upsampling: int, hop_size: int) -> None:
    for name, value in (("n_group", groups), ("n_early_size", early_size)):
        if value % 2 or value < 0:
            raise ValueError(f"WaveGlow: {name} must be even, for every step halves the channels; got {value}.")
    if groups - early * early_size < 2:
        raise ValueError(
            f"WaveGlow: {early} times n_early_size {early_size} leaves nothing of n_group {groups}: "
            "raise n_group or n_early_every, or lower n_early_size or n_flows."
        )
    if kernel_size % 2 == 0:
        raise ValueError(f"WaveGlow: kernel_size must be odd, so that a layer keeps the length; got {kernel_size}.")
    if upsampling < hop_size:
        raise ValueError(
            f"WaveGlow: upsample_kernel_size {upsampling} is shorter than preprocess.hop_size {hop_size}, and samples between "
            f"two frames would have no mel: choose {hop_size} or more."
        )
