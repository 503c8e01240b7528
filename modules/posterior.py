"""The posterior of a variational model over latent frames: its encoder, and its divergence from the prior (arXiv 2106.06103)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modules.coupling import heard
from modules.gated import GatedStack
from modules.masks import valid
from modules.noise import Noise


class PosteriorEncoder(nn.Module):
    """A magnitude spectrogram (batch, frames, bins) to latent frames, drawn around a mean."""

    def __init__(self, bins: int, hidden: int, latent: int, kernel_size: int, layers: int, condition_channels: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(bins, hidden, 1)
        self.enc = GatedStack(
            channels=hidden, kernel_size=kernel_size, dilations=(1,) * layers, condition_channels=condition_channels
        )
        self.proj = nn.Conv1d(hidden, 2 * latent, 1)

    def forward(self, linear: Tensor, frames: Tensor, voice: Tensor | None, noise: Noise) -> dict[str, Tensor]:
        """z, m_q, logs_q (batch, latent, frames); frame_mask (batch, 1, frames)."""
        mask = valid(frames.to(linear.device), linear.shape[1])[:, None].to(self.pre.weight.dtype)
        hidden = heard(self.enc, self.pre(linear.transpose(1, 2)), mask, voice)
        m_q, logs_q = (self.proj(hidden) * mask).float().chunk(2, 1)
        z = (m_q + noise.normal(*m_q.shape, name="posterior") * logs_q.exp()) * mask
        return {"z": z, "m_q": m_q, "logs_q": logs_q, "frame_mask": mask}


def divergence(out: dict[str, Tensor]) -> Tensor:
    """KL of the posterior from the prior, in nats a latent frame, estimated at the drawn point."""
    m_p, logs_p = out["m_p_frames"], out["logs_p_frames"]
    kl = logs_p - out["logs_q"] - 0.5 + 0.5 * (out["z_p"] - m_p).square() * torch.exp(-2 * logs_p)
    return (kl * out["frame_mask"]).sum() / out["frame_mask"].sum()
