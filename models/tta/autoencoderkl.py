"""AutoencoderKL: mels as small latents that a diffusion can make, and back (https://arxiv.org/abs/2301.12503).

    mel (batch, frames, n_mel) -> Encoder -> posterior, a mean and a log variance (batch, channels, n_mel / f, frames / f) -> Decoder -> mel

The defaults are Amphion's of 4 x 5 x 39; multipliers of 1, 2, 2, 4 are its 4 x 10 x 78. AudioLDM's own has `height` "time", eight
channels, and attention in the middle.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model
from modules.autoencoder import AutoencoderSizes, Decoder, Encoder, Gaussian
from modules.masks import valid
from modules.noise import Noise
from processors.mel import MelSettings

Height = Literal["frequency", "time"]
SILENCE = math.log(1e-5)  # of a band without energy, where the mel's settings are not told


class AutoencoderKL(Model):
    """Mels (batch, frames, n_mel) to posteriors and back, of any number of frames.

    `height` is which axis of the mel is the height of the planes that are convolved. `logvar`: the logarithm of the variance that the
    reconstruction is weighed by, fixed. Raises ValueError for bands that the levels cannot halve.
    """

    reads = ("mel",)

    def __init__(
        self,
        *,
        n_mel: int,
        mel: MelSettings | None = None,
        sizes: AutoencoderSizes = AutoencoderSizes(),
        height: Height = "frequency",
        logvar: float = 0.0,
    ) -> None:
        super().__init__()
        if n_mel % sizes.factor:
            raise ValueError(
                f"preprocess.features.mel.n_mel: {n_mel} bands cannot be halved {len(sizes.multipliers) - 1} times, which "
                f"model.sizes.multipliers ask for: take a multiple of {sizes.factor}, or fewer multipliers."
            )
        self.n_mel = n_mel
        self.height = height
        self.logvar = logvar
        self.factor = sizes.factor
        self.channels = sizes.channels_of_posterior
        self.silence = SILENCE if mel is None else mel.convention.silence
        self.encoder = Encoder(sizes)
        self.decoder = Decoder(sizes)
        self.quant_conv = nn.Conv2d(2 * sizes.latent, 2 * self.channels, 1)
        self.post_quant_conv = nn.Conv2d(self.channels, sizes.latent, 1)

    @property
    def bins(self) -> int:
        """Rows of frequency that a latent has."""
        return self.n_mel // self.factor

    @property
    def last_layer(self) -> Tensor:
        return self.decoder.conv_out.weight

    # Training

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`reconstruction`, the L1 distance over a variance, a mean, and `kl`, a sum over an utterance; `real` and `fake`, planes.

        Each utterance is coded as it would be alone, whatever stands beside it; behind its end `fake` is what `real` is.
        """
        mel = batch["mel"]
        frames = batch["frames"].to(mel.device)
        planes = self.planes(mel)
        whole = self._mask_of_unequal(self.whole(frames), planes)
        posterior = self.posterior(planes, whole)
        latent = posterior.mean
        if self.training:
            noise = torch.randn_like(latent)
            latent = posterior.sample(noise)
        decoded = self.decoded(latent, whole).float()
        inside = self._mask(frames, planes)
        losses = self.losses(planes, decoded, posterior, inside, whole)
        fake = torch.where(inside > 0, decoded, planes)
        return {**losses, "real": planes, "fake": fake}

    def losses(self, planes: Tensor, decoded: Tensor, posterior: Gaussian, inside: Tensor, whole: Tensor | None) -> dict[str, Tensor]:
        """Of planes and what they are decoded as, inside their ends; `whole` reaches to the end of the last latent frame."""
        distance = (planes - decoded).abs()
        variance = math.exp(self.logvar)
        likelihood = distance / variance + self.logvar
        weights = inside.expand_as(planes)
        reconstruction = (likelihood * weights).sum() / weights.sum()
        latent_mask = self._latent_mask(whole)
        divergence = posterior.kl(latent_mask).mean()
        return {"reconstruction": reconstruction, "kl": divergence}

    def _latent_mask(self, whole: Tensor | None) -> Tensor | None:
        """The mask of planes as that of their latents."""
        return None if whole is None else whole[:, :, :: self.factor, :: self.factor]

    def whole(self, frames: Tensor) -> Tensor:
        """Lengths (batch,) in frames, up to the end of the latent frame that holds the last."""
        return -(-frames // self.factor) * self.factor

    def _mask_of_unequal(self, frames: Tensor, planes: Tensor) -> Tensor | None:
        """As `_mask`; None where all are as long as the planes, which then takes less time."""
        longest = planes.shape[self._time_axis]
        return self._mask(frames, planes) if bool((frames < longest).any()) else None

    def _mask(self, frames: Tensor, planes: Tensor) -> Tensor:
        """1 inside lengths (batch,): (batch, 1, 1, frames), or with the time as height (batch, 1, frames, 1)."""
        inside = valid(frames, planes.shape[self._time_axis])
        rows = inside[:, None, None] if self.height == "frequency" else inside[:, None, :, None]
        return rows.to(planes.dtype)

    @property
    def _time_axis(self) -> int:
        return 3 if self.height == "frequency" else 2

    # Planes

    def planes(self, mel: Tensor) -> Tensor:
        """Mels (batch, frames, n_mel) as (batch, 1, height, width), with silence behind until their latent frames are whole."""
        missing = -mel.shape[1] % self.factor
        padded = F.pad(mel, (0, 0, 0, missing), value=self.silence)
        turned = padded.transpose(1, 2) if self.height == "frequency" else padded
        return turned[:, None]

    def mel(self, planes: Tensor) -> Tensor:
        """What `planes` made of mels (batch, frames, n_mel)."""
        plane = planes[:, 0]
        return plane.transpose(1, 2) if self.height == "frequency" else plane

    def posterior(self, planes: Tensor, mask: Tensor | None = None) -> Gaussian:
        """Of planes whose sizes are multiples of the factor."""
        hidden = self.encoder(planes, mask)
        return Gaussian(self.quant_conv(hidden))

    def decoded(self, latent: Tensor, mask: Tensor | None = None) -> Tensor:
        """Planes (batch, 1, height, width) of latents (batch, channels, height / factor, width / factor)."""
        return self.decoder(self.post_quant_conv(latent), mask)

    # Use

    def encode(self, mel: Tensor) -> Gaussian:
        """The posterior of mels (batch, frames, n_mel), all of one length."""
        return self.posterior(self.planes(mel))

    def decode(self, latent: Tensor) -> Tensor:
        """Mels (batch, frames * factor, n_mel) of latents (batch, channels, height, width)."""
        return self.mel(self.decoded(latent))

    def by_frame(self, latent: Tensor) -> Tensor:
        """Latents (batch, channels, height, width) with their frames first: (batch, frames, channels, bins)."""
        return latent.permute(0, 3, 1, 2) if self.height == "frequency" else latent.transpose(1, 2)

    def from_frames(self, rows: Tensor) -> Tensor:
        """What `by_frame` made of latents (batch, channels, height, width)."""
        return rows.permute(0, 2, 3, 1) if self.height == "frequency" else rows.transpose(1, 2)

    @torch.inference_mode()
    def infer(self, mel: Tensor, *, sample: bool = False, seed: int | None = None) -> dict[str, Tensor]:
        """mel (batch, frames, n_mel) as it is after coding.

        `sample` draws the latents from their posterior, in place of its mean. The same `seed` gives the same twice.
        """
        posterior = self.encode(mel)
        latent = posterior.mean
        if sample:
            noise = Noise.like(latent, seed).normal(*latent.shape)
            latent = posterior.sample(noise)
        decoded = self.decode(latent)
        return {"mel": decoded[:, : mel.shape[1]]}
