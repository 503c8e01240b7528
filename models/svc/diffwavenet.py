"""DiffWaveNetSVC: a singing voice conversion that takes noise off a mel, step by step (https://arxiv.org/abs/2310.11160)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.svc.conversion import MelConversion
from modules.conditioning import Conditions
from modules.diffusion import NoiseSchedule, SamplerName
from modules.dilated import DilatedDenoiser, DilatedSizes, StepSizes, as_step
from modules.masks import masked_mean, valid
from modules.noise import Noise


class DiffWaveNetSVC(MelConversion):
    """Contents, F0, energy and a speaker to a mel (batch, frames, n_mel).

    `contents` are names of content features, `channels` how wide each is, `statistics["mel"]` the "min" and "max" of each band.
    The defaults are Amphion's base model; its recipe has 40 layers of 512 channels. Raises ValueError when sizes do not fit together.
    """

    compiles = "denoiser.neural_network.forward"
    draws = ("noise",)

    def __init__(
        self,
        *,
        n_mel: int,
        channels: dict[str, int],
        contents: tuple[str, ...],
        n_speakers: int = 1,
        statistics: dict[str, Any] | None = None,
        condition: Conditions = Conditions(),
        steps: StepSizes = StepSizes(),
        stack: DilatedSizes = DilatedSizes(),
        noise: NoiseSchedule = NoiseSchedule(),
    ) -> None:
        facts = {"n_mel": n_mel, "channels": channels, "n_speakers": n_speakers, "statistics": statistics}
        super().__init__(contents=contents, condition=condition, **facts)
        self.n_mel = n_mel
        self.diffusion = noise.diffusion()
        width = self.condition_encoder.channels
        self.denoiser = DilatedDenoiser(n_mel=n_mel, condition_channels=width, steps=steps, stack=stack)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`noise`: the mean square of how far what is predicted of the mixture is from what was mixed in."""
        mel = batch["mel"]
        clean = self.scale.normal(mel)
        lengths = batch["frames"]
        frames = lengths.to(clean.device)
        condition = self.conditioned(batch)
        steps, noise = self.diffusion.draw(clean, frames, training=self.training)
        return self.losses(clean, condition, frames, steps, noise)

    def losses(self, clean: Tensor, condition: Tensor, frames: Tensor, steps: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Of `noise` (batch, frames, n_mel) mixed into a normalised mel at `steps` (batch,)."""
        inside = valid(frames, clean.shape[1])
        noisy = self.diffusion.mix(clean, noise, steps)
        shares = self.denoiser.conditions(condition)
        mask = self.masked(inside)
        prediction = self.denoiser(noisy, steps, shares, mask)
        wanted = self.diffusion.target(clean, noise, steps)
        error = prediction.float() - wanted.float()
        square = error.square()
        return {"noise": masked_mean(square, inside)}

    @torch.inference_mode()
    def infer(
        self,
        contents: dict[str, Tensor],
        f0: Tensor,
        energy: Tensor,
        speaker: Tensor,
        frames: Tensor | None = None,
        *,
        steps: int = 20,
        sampler: SamplerName = "dpmsolver++",
        published: bool = False,
        seed: int | None = None,
        noise: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """mel (batch, frames, n_mel).

        `contents` by name (batch, frames, channels), `f0` (batch, frames) in Hz, 0 where unvoiced, `energy` (batch, frames), `speaker`
        (batch,) numbers or (batch, channels) vectors, `frames` (batch,) lengths. More `steps` of a `sampler` are slower and come
        nearer to what the network means. `published` takes them as Amphion did: each bounded, in its own spacing, with PNDM's
        Runge-Kutta start. The same `seed` gives the same twice. `noise` (steps, batch, frames, n_mel), standard normal, is given
        instead of drawn: what to begin with, then what each step adds.
        """
        condition = self.condition_encoder(contents, f0, energy, speaker, frames=frames)
        normal = self.sample(condition, frames, steps=steps, sampler=sampler, published=published, seed=seed, noise=noise)
        return {"mel": self.scale.natural(normal)}

    def sample(
        self,
        condition: Tensor,
        frames: Tensor | None,
        *,
        steps: int,
        sampler: SamplerName,
        published: bool,
        seed: int | None,
        noise: Tensor | None,
    ) -> Tensor:
        """A normalised mel (batch, frames, n_mel) under a condition (batch, frames, channels); see `infer`."""
        sizes = (*condition.shape[:2], self.n_mel)
        given = {} if noise is None else {str(number): draw for number, draw in enumerate(noise)}
        draws = Noise.like(condition, seed, given)
        shares = self.denoiser.kept_conditions(condition)
        inside = None if frames is None else valid(frames, condition.shape[1])
        mask = self.masked(inside)

        def predict(batch: Tensor, position: float) -> Tensor:
            return self.denoiser(batch, as_step(position, batch), shares, mask)

        how: dict[str, Any] = {"bounds": (-1.0, 1.0)}
        if published:
            how = {"plain": True, "clamp": (-1.0, 1.0)}
        normal = self.diffusion.sample(predict, sizes, draws, steps=steps, sampler=sampler, **how)
        return normal.clamp(-1, 1)
