"""AudioLDM: sounds of captions, by a diffusion of the latents of an autoencoder (https://arxiv.org/abs/2301.12503).

    caption -> text encoder -> UNet, step by step from noise -> latents -> AutoencoderKL -> mel -> vocoder -> sound

A text encoder that gives a sequence (T5, MiniLM) is read by cross attention, as in Amphion; one that gives a vector (CLAP) goes with
the step, as in AudioLDM's own releases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from models.base.model import Model
from models.base.options import Range
from models.tta.schedules import Height, NoiseSchedule, PublishedSampling, drawn, inside_of, scale_of, to_map, to_rows
from modules.diffusion import Course, Network, guided
from modules.masks import masked_mean, valid
from modules.noise import Noise
from modules.unet import UNet, UNetCondition, UNetSizes
from utils.config import build

Steps = Annotated[int, Range("1 to 1000", least=1, below=1001)]
Guidance = Annotated[float, Range("0 or above, to 100 (1 asks the network once)", below=100.001)]
Strength = Annotated[float, Range("above 0, to 1 (1 keeps nothing of the start)", above=True, below=1.0000001)]
START_ALONE = 0.5  # the strength with a start of which nothing is kept
Sampler = Literal["ddim", "ddpm", "pndm", "dpmsolver++", "unipc", "published"]


@dataclass(frozen=True, kw_only=True)
class TextCondition:
    """How the text conditions the UNet: as a "sequence", by cross attention, or as a "vector", which goes with the step.

    `drop` is the share of captions that training replaces by none, which guidance needs. `sees_padding`: what stands behind a shorter
    caption is seen too, as Amphion's released weights were trained.
    """

    form: Literal["sequence", "vector"] = "sequence"
    drop: float = 0.1
    sees_padding: bool = False
    joined: Literal["concat", "add"] = "concat"

    def of_unet(self, channels: int) -> UNetCondition:
        """What the UNet is conditioned on, by a text encoder of so many channels."""
        if self.form == "sequence":
            return UNetCondition(context=channels)
        return UNetCondition(vector=channels, joined=self.joined)


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """What makes sound of latents, where it comes with the weights: `autoencoder` and `vocoder` are their constructors' arguments."""

    n_mel: int
    hop_size: int
    autoencoder: dict[str, Any] = field(default_factory=dict)
    vocoder: dict[str, Any] | None = None


@dataclass(frozen=True)
class Text:
    """Captions as the UNet reads them: states (batch, tokens, channels), and which are real, (batch, tokens)."""

    states: Tensor
    inside: Tensor

    @classmethod
    def whole(cls, states: Tensor) -> Text:
        """All of `states` (batch, tokens, channels)."""
        inside = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        return cls(states, inside)

    @classmethod
    def side_by_side(cls, *several: Tensor) -> Text:
        """States of several lengths as one batch."""
        longest = max(states.shape[1] for states in several)
        texts = []
        for states in several:
            text = cls.whole(states)
            texts.append(text.padded(longest))
        states = torch.cat([text.states for text in texts])
        inside = torch.cat([text.inside for text in texts])
        return cls(states, inside)

    def padded(self, tokens: int) -> Text:
        """With room for so many tokens."""
        missing = tokens - self.states.shape[1]
        states = F.pad(self.states, (0, 0, 0, missing))
        inside = F.pad(self.inside, (0, missing))
        return Text(states, inside)

    def rows(self, numbers: Tensor) -> Text:
        """Those of these numbers (rows,)."""
        return Text(self.states[numbers], self.inside[numbers])


class AudioLDM(Model):
    """Latents (batch, frames, channels, bins) of captions.

    `caption_channels` is the width of the text encoder, and `empty_tokens` how many tokens it makes of no words. `statistics["latent"]`
    are those of the posteriors' means and log variances, by which latents are brought to deviation 1; `scale` says the factor outright.
    `height` is which axis of the mel is that of the UNet's maps. Raises ValueError for sizes that do not fit together.
    """

    reads = ("latent", "caption")
    statistics_of = ("latent",)
    compiles = "unet.forward"

    def __init__(
        self,
        *,
        latent_channels: int,
        latent_bins: int,
        caption_channels: int,
        empty_tokens: int = 1,
        statistics: dict[str, Any] | None = None,
        unet: UNetSizes = UNetSizes(),
        text: TextCondition = TextCondition(),
        noise: NoiseSchedule = NoiseSchedule(),
        height: Height = "frequency",
        scale: float | None = None,
        published: PublishedSampling | None = None,
        decoding: Decoding | None = None,
    ) -> None:
        super().__init__()
        self.channels = latent_channels
        self.bins = latent_bins
        self.text = text
        self.height = height
        self.published = published
        self.diffusion = noise.diffusion()
        condition = text.of_unet(caption_channels)
        self.unet = UNet(in_channels=latent_channels, out_channels=latent_channels, sizes=unet, condition=condition)
        factor = scale or scale_of(statistics, latent_channels)
        self.register_buffer("scale", torch.tensor(factor))
        self.register_buffer("no_words", torch.zeros(empty_tokens, caption_channels))
        self._build_decoding(decoding)

    def _build_decoding(self, decoding: Decoding | None) -> None:
        """The autoencoder and the vocoder that come with the weights, where they do."""
        self.autoencoder = None
        self.vocoder = None
        if decoding is None:
            return
        from models.tta.autoencoderkl import AutoencoderKL
        from models.vocoders.hifigan import HiFiGAN

        facts = {"n_mel": decoding.n_mel, "hop_size": decoding.hop_size}
        self.autoencoder = build(AutoencoderKL, decoding.autoencoder, facts).requires_grad_(False)
        if decoding.vocoder is not None:
            self.vocoder = build(HiFiGAN, decoding.vocoder, facts).requires_grad_(False)

    def take_from(self, features: Mapping[str, Any]) -> None:
        """What the text encoder makes of no words. Raises ValueError for one of another width, and frames that are not those of the latents."""
        features["latent"].check_frames()
        empty = torch.from_numpy(features["caption"].empty)
        if empty.shape != self.no_words.shape:
            own = tuple(self.no_words.shape)
            raise ValueError(f"caption: the text encoder makes {tuple(empty.shape)} of no words, and {own} is expected: is it another one?")
        self.no_words.copy_(empty)

    # Training

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`noise`: the mean square of how far what is predicted of the mixture is from what was mixed in."""
        moments = batch["latent"]
        clean = self.drawn_latents(moments)
        frames = batch["frames"].to(clean.device)
        states = batch["caption"]
        tokens = batch["tokens"].to(clean.device)
        inside = valid(tokens, states.shape[1])
        text = self.dropped(Text(states, inside))
        steps, noise = self.diffusion.draw(clean, frames, training=self.training)
        return self.losses(clean, text, frames, steps, noise)

    def losses(self, clean: Tensor, text: Text, frames: Tensor, steps: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Of `noise` like scaled latents `clean` (batch, frames, channels, bins), mixed into them at `steps` (batch,)."""
        noisy = self.diffusion.mix(clean, noise, steps)
        wanted = self.diffusion.target(clean, noise, steps)
        inside = inside_of(frames, clean, self.height)
        prediction = self.predicted(noisy, steps, text, inside)
        error = prediction.float() - wanted.float()
        square = error.square()
        by_frame = square.flatten(2)
        real = valid(frames, clean.shape[1])
        return {"noise": masked_mean(by_frame, real)}

    def drawn_latents(self, moments: Tensor) -> Tensor:
        """Scaled latents (batch, frames, channels, bins) of moments (batch, frames, 2 channels, bins): drawn in training, else the means."""
        return drawn(moments, training=self.training) * self.scale

    def dropped(self, text: Text) -> Text:
        """`text`, in training with some rows that say nothing."""
        if not self.training or not self.text.drop:
            return text
        count, tokens, _ = text.states.shape
        tokens = max(tokens, len(self.no_words))
        text = text.padded(tokens)
        silent = self.wordless(count).padded(tokens)
        drawn = torch.rand(count, device=text.states.device)
        chosen = drawn < self.text.drop
        rows = chosen[:, None]
        inside = torch.where(rows, silent.inside, text.inside)
        states = torch.where(rows[..., None], silent.states, text.states.float())
        return Text(states, inside)

    def wordless(self, count: int) -> Text:
        """So many captions without a word."""
        return Text.whole(self.no_words.expand(count, -1, -1))

    def predicted(self, noisy: Tensor, steps: Tensor, text: Text, inside: Tensor | None = None) -> Tensor:
        """What the UNet says of noisy latents (batch, frames, channels, bins) at `steps` (batch,); `inside` is as the UNet has it."""
        noisy_map = to_map(noisy, self.height)
        prediction = self.on_map(noisy_map, steps, text, inside)
        return to_rows(prediction, self.height)

    def on_map(self, noisy: Tensor, steps: Tensor, text: Text, inside: Tensor | None = None) -> Tensor:
        """The same of maps (batch, channels, height, width)."""
        if self.text.form == "vector":
            vector = text.states[:, 0]
            return self.unet(noisy, steps, vector=vector, inside=inside)
        return self.unet(noisy, steps, context=text.states, mask=self.visible(text), inside=inside)

    def visible(self, text: Text) -> Tensor | None:
        """Which tokens (batch, tokens) of the captions may be looked at; None where all may."""
        whole = self.text.sees_padding or bool(text.inside.all())
        return None if whole else text.inside

    # Use

    @torch.inference_mode()
    def infer(
        self,
        caption: Tensor,
        negative: Tensor,
        frames: int,
        start: Tensor | None = None,
        keep: Tensor | None = None,
        *,
        steps: Steps = 50,
        guidance: Guidance = 3.0,
        sampler: Sampler = "dpmsolver++",
        seed: int | None = None,
        strength: Strength | None = None,
        noise: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """`latent` (batch, frames, channels, bins), as the autoencoder has them.

        `caption` and `negative` (batch, tokens, channels) are what is asked for and what guidance moves away from: texts alike in a
        batch. More `steps` of a `sampler` are slower and come nearer to what the network means; "published" samples as the weights were
        published to be. Above 1 `guidance` follows the caption closer, at the cost of variety. The same `seed` gives the same twice.
        Sampling goes from `start` (batch, frames, channels, bins), brought to as much noise as `strength` says (0.5 by itself, and 1
        with `keep`), and leaves of it what `keep` (batch, frames, bins) holds. `noise` like the maps of the UNet is given instead of drawn.
        """
        draws = Noise.like(caption, seed, {} if noise is None else {"0": noise})
        sizes = self.map_sizes(len(caption), frames)
        predict = self.guided(caption, negative, guidance)
        course = self.course(start, keep, draws, strength=strength, steps=steps)
        if sampler == "published":
            published = self.published or PublishedSampling()
            result = published.sample(self.diffusion, predict, sizes, draws, steps=steps, course=course)
        else:
            result = self.diffusion.sample(predict, sizes, draws, steps=steps, sampler=sampler, course=course)
        return {"latent": to_rows(result, self.height) / self.scale}

    def map_sizes(self, count: int, frames: int) -> tuple[int, int, int, int]:
        """Of so many maps of so many latent frames."""
        plane = (self.bins, frames) if self.height == "frequency" else (frames, self.bins)
        return count, self.channels, *plane

    def guided(self, caption: Tensor, negative: Tensor, scale: float) -> Network:
        """What the sampler asks of the network: both texts in one batch."""
        both = Text.side_by_side(caption, negative)
        rows = len(both.states)
        numbers = torch.arange(rows, device=caption.device)
        asked, avoided = numbers.chunk(2)

        def network(batch: Tensor, position: float, rows: Tensor) -> Tensor:
            steps = torch.full((len(batch),), position, device=batch.device)
            texts = both.rows(rows)
            return self.on_map(batch, steps, texts)

        return guided(network, asked, avoided, scale)

    def course(self, start: Tensor | None, keep: Tensor | None, draws: Noise, *, strength: float | None, steps: int) -> Course:
        """Where sampling begins, and what it leaves of the start."""
        if start is None:
            return Course()
        if strength is None:
            # At 1 nothing of a start is left but what is kept: one that is given alone would not be heard.
            strength = START_ALONE if keep is None else 1.0
        known = to_map(start * self.scale, self.height)
        skip = steps - max(1, round(steps * strength))
        begin = known if strength < 1 else None
        if keep is None:
            return Course(start=begin, skip=skip)
        kept = to_map(keep[:, :, None], self.height)
        drawn = draws.normal(*known.shape, name="known")

        def pin(batch: Tensor, level: float) -> Tensor:
            as_noisy = self.diffusion.noisy(known, drawn, level)
            return torch.where(kept, as_noisy, batch)

        return Course(start=begin, skip=skip, pin=pin)
