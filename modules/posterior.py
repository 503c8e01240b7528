"""The posterior of a variational model over latent frames: its encoder, and its divergence from the prior (arXiv 2106.06103)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from modules.coupling import on_planes
from modules.gated import GatedStack
from modules.masks import valid
from modules.noise import Noise


@dataclass(frozen=True, kw_only=True)
class PosteriorSizes:
    """Of a `PosteriorEncoder`; the defaults are those of VITS."""

    layers: int = 16
    kernel: int = 5
    separable: bool = False

    def network(self, bins: int, hidden: int, latent: int, condition_channels: int) -> PosteriorEncoder:
        """The encoder of a spectrogram of so many bins."""
        return PosteriorEncoder(bins, hidden, latent, self.kernel, self.layers, condition_channels, separable=self.separable)


class PosteriorEncoder(nn.Module):
    """A magnitude spectrogram (batch, frames, bins) to latent frames, drawn around a mean."""

    def __init__(
        self,
        bins: int,
        hidden: int,
        latent: int,
        kernel_size: int,
        layers: int,
        condition_channels: int,
        *,
        separable: bool = False,
    ) -> None:
        super().__init__()
        self.pre = nn.Conv1d(bins, hidden, 1)
        self.enc = GatedStack(
            channels=hidden,
            kernel_size=kernel_size,
            dilations=(1,) * layers,
            condition_channels=condition_channels,
            separable=separable,
        )
        self.proj = nn.Conv1d(hidden, 2 * latent, 1)

    def forward(self, linear: Tensor, frames: Tensor, voice: Tensor | None, noise: Noise) -> dict[str, Tensor]:
        """z, m_q, logs_q (batch, latent, frames); frame_mask (batch, 1, frames)."""
        longest = linear.shape[1]
        places = valid(frames.to(linear.device), longest)
        mask = places[:, None].to(self.pre.weight.dtype)
        spectrum = linear.transpose(1, 2)
        hidden = self.pre(spectrum)
        hidden = on_planes(self.enc, hidden, mask, voice)
        moments = self.proj(hidden) * mask
        m_q, logs_q = moments.float().chunk(2, 1)
        epsilon = noise.normal(*m_q.shape, name="posterior")
        deviation = logs_q.exp()
        z = m_q + epsilon * deviation
        z = z * mask
        return {"z": z, "m_q": m_q, "logs_q": logs_q, "frame_mask": mask}


def divergence(out: dict[str, Tensor]) -> Tensor:
    """KL of the posterior from the prior, in nats a latent frame, estimated at the drawn point."""
    logs_p = out["logs_p_frames"]
    logs_q = out["logs_q"]
    mask = out["frame_mask"]
    distance = (out["z_p"] - out["m_p_frames"]).square()
    log_ratio = logs_p - logs_q
    precision = torch.exp(-2 * logs_p)
    kl = log_ratio - 0.5 + 0.5 * distance * precision
    return (kl * mask).sum() / mask.sum()
