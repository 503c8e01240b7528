"""PicoAudio: sounds at the times that one asks for, by a latent diffusion with a map of onsets (https://arxiv.org/abs/2407.02869).

    events -> map of onsets -> UNet, step by step from noise -> latents -> AutoencoderKL -> mel -> vocoder -> sound

Beside the latent the UNet sees which class sounds when, a map (batch, slots, frames) of zeros and ones: as many slots as a latent has bins
make one further channel. It attends to what sounds: a vector for each class, or the one of a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model
from models.tta.audioldm import Guidance, Sampler, Steps
from models.tta.schedules import NoiseSchedule, PublishedSampling, drawn, inside_of, scale_of, to_map, to_rows
from modules.diffusion import Course, Network, drop_condition, guided
from modules.masks import masked_mean, valid
from modules.noise import Noise
from modules.unet import UNet, UNetCondition, UNetSizes

SIZES = UNetSizes(widths=(128, 256, 512, 512), attention=(True, True, True, False), heads=(2, 4, 8, 8), crop="before")
SCHEDULE = NoiseSchedule(prediction="v_prediction")
SAMPLING = PublishedSampling(sampler="ddpm")


@dataclass(frozen=True, kw_only=True)
class EventCondition:
    """What the UNet is conditioned on.

    `form`: a vector of `width` for each "class" that sounds, or that of a "text", of which each number comes as often as makes that width.
    `slots`: for how many classes the map has room; None: as many as fit without another channel. `drop` is the share of a batch that is
    trained without vectors, which guidance needs.
    """

    form: Literal["class", "text"] = "class"
    width: int = 1024
    slots: int | None = None
    drop: float = 0.1

    def slots_for(self, classes: int, bins: int) -> int:
        """How many slots there are. Raises ValueError where they have no room for the classes, or make no whole channel."""
        if self.slots is None:
            return -(-classes // bins) * bins
        if self.slots % bins or classes > self.slots:
            raise ValueError(f"model.condition.slots: {classes} classes need a multiple of {bins}, the bins of a latent, got {self.slots}.")
        return self.slots

    def repeats_of(self, channels: int) -> int:
        """How often each of a text's numbers comes. Raises ValueError where that makes no whole width."""
        if self.width % channels:
            raise ValueError(f"model.condition.width: {self.width} is no multiple of the text's {channels} channels: choose one that is.")
        return self.width // channels


@dataclass(frozen=True)
class Asked:
    """What the network is told: `onset` (batch, slots / bins, frames, bins), and what it attends to, (batch, places, width)."""

    onset: Tensor
    context: Tensor
    inside: Tensor  # which places are real, (batch, places)

    def rows(self, numbers: Tensor) -> Asked:
        """Those of these numbers (rows,)."""
        return Asked(self.onset[numbers], self.context[numbers], self.inside[numbers])

    def dropped(self, share: float) -> Asked:
        """These, but a share of the rows with nothing to attend to."""
        nothing = torch.zeros_like(self.context)
        chance = Noise.like(self.context)
        context = drop_condition(self.context, nothing, share, chance)
        return Asked(self.onset, context, self.inside)

    def and_without(self) -> Asked:
        """These, and behind them the same with nothing to attend to: what guidance compares."""
        onset = torch.cat([self.onset, self.onset])
        context = torch.cat([self.context, torch.zeros_like(self.context)])
        inside = torch.cat([self.inside, self.inside])
        return Asked(onset, context, inside)


class PicoAudio(Model):
    """Events to a latent (batch, frames, channels, bins).

    `n_events` is how many classes there are, `caption_channels` how wide a text's vector is, where `condition` reads one.
    `statistics["latent"]` are those of the posteriors, by which latents are brought to deviation 1; `scale` says the factor outright.
    `snr` bounds how much the signal of a step makes it count (min-SNR, https://arxiv.org/abs/2303.09556); 0 lets all steps count alike.
    Raises ValueError for sizes that do not fit together.
    """

    reads = ("latent", "events")
    statistics_of = ("latent",)
    compiles = "unet.forward"
    autoencoder = None  # with AudioLDM's weights they may come along
    vocoder = None

    def __init__(
        self,
        *,
        latent_channels: int,
        latent_bins: int,
        n_events: int,
        caption_channels: int | None = None,
        statistics: dict[str, Any] | None = None,
        condition: EventCondition = EventCondition(),
        unet: UNetSizes = SIZES,
        noise: NoiseSchedule = SCHEDULE,
        snr: float = 5.0,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.channels = latent_channels
        self.bins = latent_bins
        self.condition = condition
        self.slots = condition.slots_for(n_events, latent_bins)
        self.diffusion = noise.diffusion()
        self.snr = snr
        if condition.form == "class":
            self.class_emb = nn.Embedding(n_events, condition.width)
        else:
            self.repeats = condition.repeats_of(caption_channels or condition.width)
        attended = UNetCondition(context=condition.width)
        seen = self.slots // latent_bins + latent_channels
        self.unet = UNet(in_channels=seen, out_channels=latent_channels, sizes=unet, condition=attended)
        factor = scale or scale_of(statistics, latent_channels)
        self.register_buffer("scale", torch.tensor(factor))

    @classmethod
    def features_of(cls, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """With the condition "text" the caption besides."""
        form = settings.get("condition", {}).get("form")
        return (*cls.reads, "caption") if form == "text" else cls.reads

    # What it is told

    def asked(self, events: Tensor, caption: Tensor | None = None) -> Asked:
        """Of maps of onsets (batch, frames, classes or slots) and a text's vector (batch, 1, channels)."""
        onset = self.laid_out(events)
        if self.condition.form == "class":
            classes = events[:, :, : self.class_emb.num_embeddings]
            return Asked(onset, *self.of_classes(classes.amax(1) > 0))
        return Asked(onset, *self.of_text(caption))

    def laid_out(self, events: Tensor) -> Tensor:
        """Maps of onsets (batch, frames, classes or slots) as channels of a latent, (batch, slots / bins, frames, bins)."""
        lacking = self.slots - events.shape[2]
        whole = F.pad(events, (0, lacking))
        return whole.unflatten(2, (-1, self.bins)).transpose(1, 2)

    def of_classes(self, present: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors (batch, classes, width) of the classes that are `present` (batch, classes), and which of them are."""
        vectors = self.class_emb.weight[None] * present[..., None]
        is_empty = ~present.any(1, keepdim=True)
        return vectors, present | is_empty

    def of_text(self, caption: Tensor) -> tuple[Tensor, Tensor]:
        """The vector (batch, 1, width) of a text's (batch, 1, channels). Raises ValueError for a sequence of several."""
        if caption.shape[1] != 1:
            raise ValueError("caption: this model attends to one vector of a text: set preprocess.features.caption.pooled to true.")
        vectors = caption.repeat_interleave(self.repeats, -1)
        inside = torch.ones(vectors.shape[:2], dtype=torch.bool, device=vectors.device)
        return vectors, inside

    # Training

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`noise`: the mean square of how far what is predicted of the mixture is from what was mixed in, steps weighed by `snr`."""
        latent = drawn(batch["latent"], training=self.training)
        clean = latent * self.scale
        frames = batch["frames"].to(clean.device)
        caption = batch.get("caption")
        asked = self.asked(batch["events"], caption)
        if self.training:
            asked = asked.dropped(self.condition.drop)
        steps, noise = self.diffusion.draw(clean, frames, training=self.training)
        loss = self.loss(clean, asked, frames, steps, noise)
        return {"noise": loss}

    def loss(self, clean: Tensor, asked: Asked, frames: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
        """Of `noise` like scaled latents `clean` (batch, frames, channels, bins), mixed into them at `steps` (batch,)."""
        noisy = self.diffusion.mix(clean, noise, steps)
        wanted = self.diffusion.target(clean, noise, steps)
        noisy_map = to_map(noisy, "time")
        inside = inside_of(frames, clean, "time")
        prediction = self.on_map(noisy_map, steps, asked, inside)
        error = to_rows(prediction, "time").float() - wanted.float()
        square = error.square().flatten(2)
        if self.snr:  # velocities are weighed as if they were noise, as in the published training
            weights = self.diffusion.snr_weights(steps, self.snr, of="epsilon")
            square = weights[:, None, None] * square
        real = valid(frames, clean.shape[1])
        return masked_mean(square, real)

    def on_map(self, noisy: Tensor, steps: Tensor, asked: Asked, inside: Tensor | None = None) -> Tensor:
        """What the UNet says of noisy latents (batch, channels, frames, bins) at `steps` (batch,); `inside` is as it has it."""
        onset = asked.onset.to(noisy.dtype)
        both = torch.cat([onset, noisy], 1)
        context = asked.context.to(noisy.dtype)
        return self.unet(both, steps, context=context, mask=asked.inside, inside=inside)

    # Use

    @torch.inference_mode()
    def infer(
        self,
        events: Tensor,
        caption: Tensor | None = None,
        *,
        steps: Steps = 50,
        guidance: Guidance = 3.0,
        sampler: Sampler = "dpmsolver++",
        seed: int | None = None,
    ) -> dict[str, Tensor]:
        """`latent` (batch, frames, channels, bins), as the autoencoder has them, for maps of onsets `events` (batch, frames, classes).

        More `steps` of a `sampler` are slower and come nearer to what the network means; "published" samples as the paper does. Above 1
        `guidance` follows what sounds closer, at the cost of variety. The same `seed` gives the same twice. `caption` (batch, 1, channels)
        is the text's vector where the model reads one.
        """
        asked = self.asked(events, caption)
        draws = Noise.like(events, seed)
        maps = self.sampled(asked, draws, steps=steps, guidance=guidance, sampler=sampler)
        return {"latent": to_rows(maps, "time") / self.scale}

    def sampled(self, asked: Asked, noise: Noise, *, steps: int, guidance: float, sampler: str) -> Tensor:
        """Scaled latents (batch, channels, frames, bins)."""
        count, _, frames, bins = asked.onset.shape
        sizes = (count, self.channels, frames, bins)
        predict = self.guided(asked, guidance)
        if sampler != "published":
            return self.diffusion.sample(predict, sizes, noise, steps=steps, sampler=sampler)
        course = Course()
        return SAMPLING.sample(self.diffusion, predict, sizes, noise, steps=steps, course=course)

    def guided(self, asked: Asked, scale: float) -> Network:
        """What the sampler asks of the network: with and without condition in one batch."""
        both = asked.and_without()
        numbers = torch.arange(len(both.onset), device=both.onset.device)
        with_condition, without = numbers.chunk(2)

        def network(batch: Tensor, position: float, rows: Tensor) -> Tensor:
            steps = torch.full((len(batch),), position, device=batch.device)
            return self.on_map(batch, steps, both.rows(rows))

        return guided(network, with_condition, without, scale)
