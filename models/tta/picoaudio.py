"""PicoAudio: sounds at the times that one asks for, by a latent diffusion with a map of onsets (https://arxiv.org/abs/2407.02869).

A latent (batch, channels, frames, bins) is denoised by a UNet. Beside the latent it sees the map of which class sounds when, (batch,
slots, frames) of zeros and ones: `bins` slots make one further channel. It attends to what sounds: a vector for each class, or one of a
text.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model
from modules.diffusion import NoiseSchedule, SamplerName, drop_condition, guided
from modules.masks import masked_mean, valid
from modules.noise import Noise
from modules.unet import UNet, UNetCondition, UNetSizes

Condition = Literal["class", "text"]
SIZES = UNetSizes(widths=(128, 256, 512, 512), attention=(True, True, True, False), heads=(2, 4, 8, 8), crop="before")
SCHEDULE = NoiseSchedule(beta_start=0.00085, beta_end=0.012, schedule="scaled_linear", prediction="v_prediction")


class PicoAudioNetwork(nn.Module):
    """The UNet and what it is conditioned on.

    `context`: how wide the vectors of classes are; of a text, (batch, `text_channels`), each number comes so many times that it is as wide.
    Raises ValueError where that cannot be.
    """

    def __init__(
        self, *, latent: tuple[int, int], slots: int, classes: int, text_channels: int | None, context: int, sizes: UNetSizes
    ) -> None:
        super().__init__()
        channels, self.bins = latent
        if slots % self.bins or classes > slots:
            raise ValueError(f"model.slots: {slots} is no multiple of the {self.bins} bins of a latent that holds {classes} classes.")
        if text_channels is not None and context % text_channels:
            raise ValueError(f"model.context: {context} is no multiple of the {text_channels} numbers of a text: choose one that is.")
        self.slots = slots
        self.repeats = None if text_channels is None else context // text_channels
        if text_channels is None:
            self.class_emb = nn.Embedding(classes, context)
        onset_channels = slots // self.bins
        condition = UNetCondition(context=context)
        self.unet = UNet(in_channels=onset_channels + channels, out_channels=channels, sizes=sizes, condition=condition)

    def of_classes(self, present: Tensor) -> tuple[Tensor, Tensor]:
        """What is attended to of the classes that `present` (batch, classes) names: vectors (batch, classes, context) and which of them are."""
        vectors = self.class_emb.weight[None] * present[..., None]
        is_none = ~present.any(1, keepdim=True)
        return vectors, present | is_none

    def of_text(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """The same of a text's vector (batch, channels): one vector (batch, 1, context)."""
        vectors = text.repeat_interleave(self.repeats, -1)[:, None]
        return vectors, torch.ones_like(vectors[..., 0], dtype=torch.bool)

    def laid_out(self, onset: Tensor) -> Tensor:
        """A map of onsets (batch, classes or slots, frames) as channels of a latent, (batch, slots / bins, frames, bins)."""
        lacking = self.slots - onset.shape[1]
        whole = F.pad(onset, (0, 0, 0, lacking))
        return whole.unflatten(1, (-1, self.bins)).transpose(2, 3)

    def forward(self, noisy: Tensor, steps: Tensor, onset: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """What it predicts of a noisy latent (batch, channels, frames, bins) at `steps` (batch,); `onset` is `laid_out`."""
        both = torch.cat([onset.to(noisy.dtype), noisy], 1)
        return self.unet(both, steps, context=context, mask=mask)


class PicoAudio(Model):
    """Events to a latent (batch, frames, channels, bins).

    `condition`: "class" attends to a vector for each class that sounds, "text" to the feature `caption`, a text's vector. `n_events` is
    how many classes there are, `slots` of how many the map has room (None: as many as fit without another channel). `snr` bounds
    how much the signal of a step makes it count (min-SNR, 0 for none), `dropped` is the share of a batch that is trained without condition,
    for guidance. Raises ValueError for sizes that do not fit together.
    """

    reads = ("latent", "events")

    def __init__(
        self,
        *,
        latent_channels: int,
        latent_bins: int,
        latent_scale: float = 1.0,
        n_events: int,
        channels: dict[str, int] | None = None,
        condition: Condition = "class",
        slots: int | None = None,
        context: int = 1024,
        sizes: UNetSizes = SIZES,
        noise: NoiseSchedule = SCHEDULE,
        snr: float = 5.0,
        dropped: float = 0.1,
    ) -> None:
        super().__init__()
        self.condition = condition
        self.latent = (latent_channels, latent_bins)
        self.scale = latent_scale
        self.diffusion = noise.diffusion()
        self.snr = snr
        self.dropped = dropped
        rows = -(-n_events // latent_bins)
        text_channels = (channels or {}).get("caption") if condition == "text" else None
        self.network = PicoAudioNetwork(
            latent=self.latent,
            slots=slots or rows * latent_bins,
            classes=n_events,
            text_channels=text_channels,
            context=context,
            sizes=sizes,
        )

    @classmethod
    def features_of(cls, settings: Any) -> tuple[str, ...]:
        """With the condition "text" the caption besides."""
        return (*cls.reads, "caption") if settings.get("condition") == "text" else cls.reads

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`diffusion`, the squared error of the prediction, weighed by the step."""
        moments = batch["latent"]
        clean = self.clean(moments)
        frames = batch["frames"].to(clean.device)
        steps, drawn = self.diffusion.draw(clean, frames, training=self.training)
        onset, context, mask = self.conditioned(batch)
        if self.training and self.dropped:
            nothing = torch.zeros_like(context)
            noise = Noise.like(clean)
            context = drop_condition(context, nothing, self.dropped, noise)
        condition = (onset, context, mask)
        inside = valid(frames, clean.shape[1])
        loss = self.loss(_planes(clean), _planes(drawn), steps, condition, inside)
        return {"diffusion": loss}

    def clean(self, moments: Tensor) -> Tensor:
        """Latents (batch, frames, channels, bins) of their posterior's moments (batch, frames, 2 * channels, bins): drawn in training."""
        mean, logvar = moments.chunk(2, 2)
        if self.training:
            mean = mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)
        return mean * self.scale

    def conditioned(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """The map of onsets as the network lays it out, what it attends to, and where that is."""
        onset = batch["events"].transpose(1, 2)
        if self.condition == "text":
            return self.network.laid_out(onset), *self.network.of_text(batch["caption"])
        return self.network.laid_out(onset), *self.network.of_classes(onset.amax(2) > 0)

    def loss(self, clean: Tensor, noise: Tensor, steps: Tensor, condition: tuple[Tensor, Tensor, Tensor], inside: Tensor) -> Tensor:
        """Of latents and noise (batch, channels, frames, bins); `inside` (batch, frames) says which frames count."""
        noisy = self.diffusion.mix(clean, noise, steps)
        prediction = self.network(noisy, steps, *condition)
        target = self.diffusion.target(clean, noise, steps)
        error = prediction.float() - target
        square = error.square().transpose(1, 2)
        if self.snr:  # velocities are weighed as if they were noise, as the published model does it
            weights = self.diffusion.snr_weights(steps, self.snr, of="epsilon")
            of_each = weights[:, None, None, None]
            square = of_each * square
        return masked_mean(square, inside)

    def sample(
        self,
        condition: tuple[Tensor, Tensor, Tensor],
        sizes: tuple[int, ...],
        noise: Noise,
        *,
        steps: int,
        guidance: float,
        sampler: SamplerName = "ddpm",
        plain: bool = True,
    ) -> Tensor:
        """A latent of `sizes` (batch, channels, frames, bins) for what `conditioned` gave."""
        onset, context, mask = condition

        def network(batch: Tensor, position: float, attended: Tensor) -> Tensor:
            twice = len(batch) // len(onset)
            steps = torch.full((len(batch),), position, device=batch.device)
            return self.network(batch, steps, onset.repeat(twice, 1, 1, 1), attended, mask.repeat(twice, 1))

        predict = guided(network, context, torch.zeros_like(context), guidance)
        settings = {"clip_sample": False} if sampler in ("ddpm", "ddim") else {}
        return self.diffusion.sample(predict, sizes, noise, steps=steps, sampler=sampler, settings=settings, plain=plain)


def _planes(latent: Tensor) -> Tensor:
    """A latent (batch, frames, channels, bins) as the network has it, (batch, channels, frames, bins)."""
    return latent.transpose(1, 2)
