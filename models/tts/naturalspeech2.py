"""NaturalSpeech 2: text in the voice of a short prompt, by diffusion on the latents of a codec (arXiv 2304.09116).

    prompt's codes -> latents -> prompt encoder -> hidden states, and a few queries draw the voice from them
    phones -> encoder, styled by the prompt -> durations -> frames -> pitch -> the prior
    noise -> WaveNet, under the prior and the voice -> latents -> the codec's decoder -> sound

The latents of a frame are the sum of the rows of the codec's codebooks that its codes name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.base.model import Model
from models.base.options import Deviation, Factor, Range
from models.tts.prompted import DenoiserSizes, Predictors, PromptedPredictor
from modules.continuous import Continuous, Solver, draw_times, sample
from modules.masks import expand, masked_mean, stretch, valid
from modules.noise import Noise
from modules.predictors import whole_frames
from modules.quantization import Codebook, ResidualQuantizer
from modules.styled import StyledEncoder, StyledSizes, attended, check_heads, style_of

Steps = Annotated[int, Range("1 or more", least=1, below=10_001)]


@dataclass(frozen=True, kw_only=True)
class PromptSizes:
    """Of the prompt's encoder, and of what draws the voice from it: so many learnt queries, by attention of so many heads."""

    encoder: StyledSizes = StyledSizes()
    queries: int = 32
    heads: int = 8


@dataclass(frozen=True, kw_only=True)
class PitchScale:
    """The bins of the pitch, evenly in the logarithm; what is lower than `lowest` Hz, as silence is, counts as that."""

    bins: int = 512
    lowest: float = 50.0
    highest: float = 1100.0

    def edges(self) -> Tensor:
        """(bins - 1,) in Hz. Raises ValueError for a range that there is not."""
        if not 0 < self.lowest < self.highest or self.bins < 3:
            raise ValueError(f"pitch: 3 bins or more and 0 < lowest < highest are needed, got {self}.")
        least = math.log(self.lowest)
        most = math.log(self.highest)
        logs = torch.linspace(least, most, self.bins - 1)
        return logs.exp()


@dataclass(frozen=True, kw_only=True)
class Published:
    """What exists for published weights alone.

    `row_positions`: in training every place of a row has the row's number as its position, in use all have that of the first.
    `see_padding`: in training convolutions and the style look at what lies beyond the end, and the pitch predictor takes it as real.
    `norm_first`: in the predictors the norm comes before the attention, and a residual passes it by. `swapped_midpoint`: see
    `modules.continuous.sample`. `recoded`: codes in the loss are those that the latents themselves are coded by, and what a codebook
    leaves over is what the prediction's own choice leaves.
    """

    row_positions: bool = False
    see_padding: bool = False
    norm_first: bool = False
    swapped_midpoint: bool = False
    recoded: bool = False


class Prompt(NamedTuple):
    """A prompt as the network reads it: `hidden` (batch, places, channels), `mask` True where real, `voice` (batch, queries, channels)."""

    hidden: Tensor
    mask: Tensor
    voice: Tensor


class NaturalSpeech2(Model):
    """Phones and the codes of a prompt to the latents of a codec, `codec_channels` numbers a frame, whose codebooks are kept with the weights.

    Raises ValueError for sizes that do not fit together.
    """

    reads = ("phone", "duration", "f0", "codec")
    prompts = ("codec",)
    prompted_by = ("codec",)
    tables = {"symbols": "prior_encoder.enc_emb_tokens.weight"}
    compiles = "denoiser.forward"

    def __init__(
        self,
        *,
        n_vocab: int,
        codebooks: int,
        codebook_size: int,
        codec_channels: int,
        hidden: int = 512,
        encoder: StyledSizes = StyledSizes(),
        prompt: PromptSizes = PromptSizes(),
        predictors: Predictors = Predictors(),
        denoiser: DenoiserSizes = DenoiserSizes(),
        pitch: PitchScale = PitchScale(),
        diffusion: Continuous = Continuous(),
        published: Published = Published(),
    ) -> None:
        super().__init__()
        check_heads("prompt.heads", hidden, prompt.heads)
        self.published = published
        self.process = diffusion.chosen
        self.quantizer = ResidualQuantizer(codebooks=codebooks, codebook_size=codebook_size, channels=codec_channels, kmeans=0)
        self.prompt_lin = nn.Linear(codec_channels, hidden)
        self.prompt_encoder = prompt.encoder.network(hidden, styled=False)
        self.query_emb = nn.Embedding(prompt.queries, hidden)
        self.query_attn = nn.MultiheadAttention(hidden, prompt.heads, batch_first=True)
        self.prior_encoder = Prior(
            n_vocab=n_vocab,
            encoder=encoder.network(hidden, styled=True),
            duration_predictor=predictors.duration.network(hidden, published=published.norm_first),
            pitch_predictor=predictors.pitch.network(hidden, published=published.norm_first),
            pitch=pitch,
        )
        self.denoiser = denoiser.network(codec_channels, hidden)

    # Training

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`duration` and `pitch` (L1 of logs), `clean` and `noise` or `flow` (L1), and `codes` (nats a code)."""
        durations = batch["duration"]
        f0 = batch["f0"]
        codes = batch["codec"].transpose(1, 2)
        prompt_codes = batch["prompt_codec"].transpose(1, 2)
        noise = Noise(None if self.training else 0, device=codes.device)
        prompt = self.prompt(prompt_codes, batch["prompt_frames"])
        prior = self.prior(batch["phone"], batch["tokens"], prompt, durations, f0)
        denoised = self.denoised(codes, batch["frames"], prior["prior"], prompt, noise)
        told = stretch(batch["prompt_first"], batch["prompt_frames"], codes.shape[2])
        asked = ~told  # of what is in the prompt nothing is asked
        prior["frame_mask"] = prior["frame_mask"] & asked
        denoised["latent_mask"] = denoised["latent_mask"] & asked
        losses = self.prior_losses(prior, durations, f0)
        losses |= self.latent_losses(denoised, codes)
        return losses

    def prompt(self, codes: Tensor, frames: Tensor, *, training: bool = True) -> Prompt:
        """The prompt of codes (batch, codebooks, frames), of which `frames` (batch,) are real; `training` where a batch is one of training."""
        mask = valid(frames, codes.shape[2])
        latent = self.quantizer.decode(codes)
        begun = self.prompt_lin(latent.transpose(1, 2))
        places = self._places(mask, training)
        visible = self._visible(mask, training)
        hidden = self.prompt_encoder(begun, mask, places=places, visible=visible)
        queries = self.query_emb.weight.expand(len(codes), -1, -1)
        voice = attended(self.query_attn, queries, hidden, mask)
        return Prompt(hidden, mask, voice)

    def prior(
        self,
        phone: Tensor,
        tokens: Tensor,
        prompt: Prompt,
        durations: Tensor | None = None,
        f0: Tensor | None = None,
        *,
        speed: float | Tensor = 1.0,
    ) -> dict[str, Tensor]:
        """`prior` (batch, frames, hidden) of phones (batch, tokens), with the durations and F0 (batch, frames) of training, or those predicted.

        Also `token_mask`, `log_duration`, `duration` (batch, tokens), `frames` (batch,), `frame_mask`, `log_pitch` and `bins` (batch, frames).
        """
        training = durations is not None
        mask = valid(tokens, phone.shape[1])
        visible = self._visible(mask, training)
        style = style_of(prompt.hidden, self._visible(prompt.mask, training))
        prior = self.prior_encoder
        hidden = prior.encoded(phone, mask, style, self._places(mask, training), visible)
        log_duration = prior.duration_predictor(hidden, mask, prompt.hidden, prompt.mask, visible=visible)
        if durations is None:
            durations = whole_frames(log_duration, mask, 1 / speed)
        stretched, frames = expand(hidden, durations)
        if f0 is not None:
            missing = f0.shape[1] - stretched.shape[1]
            stretched = F.pad(stretched, (0, 0, 0, missing))
        inside = valid(frames, stretched.shape[1])
        seen = self._visible(inside, training)
        log_pitch = prior.pitch_predictor(stretched, seen, prompt.hidden, prompt.mask, visible=seen)
        hertz = log_pitch.exp() if f0 is None else f0
        with_pitch, bins = prior.with_pitch(stretched, hertz)
        return {
            "encoded": hidden,
            "token_mask": mask,
            "log_duration": log_duration,
            "duration": durations,
            "frames": frames,
            "frame_mask": inside,
            "log_pitch": log_pitch,
            "bins": bins,
            "prior": with_pitch * inside[..., None],
        }

    def denoised(self, codes: Tensor, frames: Tensor, prior: Tensor, prompt: Prompt, noise: Noise) -> dict[str, Tensor]:
        """What the network makes of the latents of codes (batch, codebooks, frames) with noise in them.

        Of shape (batch, latent, frames): `latent`, `drawn`, the noise, `noisy`, and what the network's answer says: `clean`, and
        `noise` or, in flow matching, `flow`. `latent_mask` (batch, frames) is True where real.
        """
        latent = self.quantizer.decode(codes)
        mask = valid(frames, latent.shape[2])
        time = draw_times(len(latent), noise)
        drawn = self._drawn(latent, frames, noise)
        noisy = self.process.mix(latent, drawn, time)
        shares = self.denoiser.conditions(prior)
        answer = self.denoiser(noisy, time, shares, prompt.voice, mask)
        answer = answer.float()
        reading = self.process.reading(answer, drawn, noisy, time)
        mixture = {"latent": latent, "drawn": drawn, "noisy": noisy}
        return {**mixture, **reading, "latent_mask": mask}

    def _drawn(self, latent: Tensor, frames: Tensor, noise: Noise) -> Tensor:
        """Noise like `latent`; in validation that of a row does not depend on how far the batch is padded."""
        batch, channels, length = latent.shape
        sizes = (batch, length, channels)
        drawn = noise.normal(*sizes, name="noise") if self.training else noise.rows(frames, sizes, name="noise")
        return drawn.transpose(1, 2)

    def prior_losses(self, out: dict[str, Tensor], durations: Tensor, f0: Tensor) -> dict[str, Tensor]:
        """`duration` of the log of frames and 1, `pitch` of the log of the F0."""
        log_durations = torch.log(durations.float() + 1)
        log_f0 = self.prior_encoder.audible(f0).log()
        of_duration = out["log_duration"] - log_durations
        of_pitch = out["log_pitch"] - log_f0
        return {
            "duration": masked_mean(of_duration.abs(), out["token_mask"]),
            "pitch": masked_mean(of_pitch.abs(), out["frame_mask"]),
        }

    def latent_losses(self, out: dict[str, Tensor], codes: Tensor) -> dict[str, Tensor]:
        """`clean` and `noise`, or `flow`, and `codes`, by how near the latents are to the rows that codes (batch, codebooks, frames) name."""
        mask = out["latent_mask"]
        targets = self.process.targets(out["latent"], out["drawn"])
        losses = {}
        for name, target in targets.items():
            difference = out[name] - target
            distance = difference.abs()
            losses[name] = masked_mean(distance.transpose(1, 2), mask)
        with torch.autocast(mask.device.type, enabled=False):
            nats = self.code_nats(out["clean"], out["latent"], codes)
        losses["codes"] = masked_mean(nats.transpose(1, 2), mask)
        return losses

    def code_nats(self, clean: Tensor, latent: Tensor, codes: Tensor) -> Tensor:
        """The negative log-likelihood of each code (batch, codebooks, frames), were latents `clean` as likely as they are near."""
        books = codes.shape[1]
        targets = codes
        scores, _ = self.quantizer.scores(clean, books, codes)
        if self.published.recoded:
            _, targets = self.quantizer.scores(latent, books)
            scores, _ = self.quantizer.scores(clean, books)
        by_row = scores.movedim(-1, 1)
        return F.cross_entropy(by_row, targets, reduction="none")

    def take_from(self, features: Mapping[str, Any]) -> None:
        """The codebooks of the codec whose codes it is to be trained on. Raises ValueError for one that is not of the model's sizes."""
        feature = features["codec"]
        if feature.clock is not None:
            raise ValueError(
                f"codec: it has {float(feature.clock.rate):g} frames a second, and preprocess.sample_rate and hop_size make "
                f"{feature.sample_rate / feature.hop_size:g}: give preprocess the codec's, {feature.input_rate} and its hop."
            )
        theirs = quantizer_of(feature.codec("cpu")).state_dict()
        own = {name: theirs[name] for name in self.quantizer.state_dict()}
        self.quantizer.load_state_dict(own)

    def check_codec(self, codec: Any) -> None:
        """Raises ValueError for a codec with other codebooks than those that are kept with the weights."""
        own = self.quantizer.codebooks
        theirs = quantizer_of(codec).codebooks
        same = len(theirs) >= len(own) and all(_alike(*pair) for pair in zip(own, theirs, strict=False))
        if not same:
            raise ValueError(
                f"codec: its {len(theirs)} codebooks are not the {len(own)} of {own[0].size} rows that {type(self).__name__} was "
                "trained on: give the codec that its codes came from."
            )

    # Use

    @torch.inference_mode()
    def infer(
        self,
        phone: Tensor,
        prompt_codec: Tensor,
        tokens: Tensor | None = None,
        prompt_frames: Tensor | None = None,
        *,
        steps: Steps = 100,
        solver: Solver = "euler",
        temperature: Deviation = 1 / 1.2,
        speed: Factor | Tensor = 1.0,
        seed: int | None = None,
    ) -> dict[str, Tensor]:
        """`latent` (batch, frames, latent), `frames` (batch,), `duration` (batch, tokens) and `f0` (batch, frames) in Hz.

        `phone`: (batch, tokens) ids, `prompt_codec`: (batch, frames, codebooks), with `tokens` and `prompt_frames` (batch,) of them real.
        More `steps` of the diffusion are finer, and take as much longer; `solver` "midpoint" is finer at as many, and takes twice as
        long. `temperature` is how lively the voice is; `speed` 2 halves every duration, (batch, tokens) each its own; the same `seed`
        says the same twice.
        """
        if tokens is None:
            tokens = torch.full((len(phone),), phone.shape[1], device=phone.device)
        if prompt_frames is None:
            prompt_frames = torch.full((len(phone),), prompt_codec.shape[1], device=phone.device)
        prompt = self.prompt(prompt_codec.transpose(1, 2), prompt_frames, training=False)
        out = self.prior(phone, tokens, prompt, speed=speed)
        drawn = Noise(seed, device=phone.device)
        out["latent"] = self.sampled(out, prompt, drawn, steps=steps, solver=solver, temperature=temperature)
        out["f0"] = out["log_pitch"].exp() * out["frame_mask"]
        return out

    def sampled(
        self, out: dict[str, Tensor], prompt: Prompt, noise: Noise, *, steps: int, solver: Solver, temperature: float
    ) -> Tensor:
        """The latents (batch, frames, latent) of a prior and a prompt."""
        prior = out["prior"]
        mask = out["frame_mask"]
        channels = self.prompt_lin.in_features
        sizes = (*mask.shape, channels)
        drawn = noise.rows(out["frames"], sizes, name="noise")
        shares = self.denoiser.conditions(prior)

        def slope(noisy: Tensor, time: Tensor) -> Tensor:
            answer = self.denoiser(noisy, time, shares, prompt.voice, mask)
            return self.process.slope(answer, noisy, time)

        begin = temperature * self.process.scale * drawn.transpose(1, 2)
        latent = sample(slope, begin, steps, solver, swapped=self.published.swapped_midpoint)
        return latent.transpose(1, 2) * mask[..., None]

    # What published weights saw

    def _places(self, mask: Tensor, training: bool) -> Tensor | None:
        """Which one position all places of a row get, where they do."""
        if not self.published.row_positions:
            return None
        numbers = torch.arange(len(mask), device=mask.device)
        return numbers if training else torch.zeros_like(numbers)

    def _visible(self, mask: Tensor, training: bool) -> Tensor:
        """What is seen where `mask` (batch, places) is real."""
        return torch.ones_like(mask) if training and self.published.see_padding else mask


def quantizer_of(codec: Any) -> ResidualQuantizer:
    """That of a codec whose latents are sums of rows. Raises ValueError for another kind."""
    quantizer = codec.model.quantizer
    if not isinstance(quantizer, ResidualQuantizer):
        raise ValueError(f"codec: {codec.name} has no latents that are sums of rows, which are learnt here: EnCodec has.")
    return quantizer


def _alike(own: Codebook, other: Codebook) -> bool:
    """Whether two codebooks are the same but for what rounding does."""
    if own.embed.shape != other.embed.shape:
        return False
    return torch.allclose(own.embed.cpu(), other.embed.cpu(), rtol=1e-3, atol=1e-4)


class Prior(nn.Module):
    """Phones to hidden states in the style of a prompt, how long each lasts, and the pitch on top of them."""

    def __init__(
        self,
        *,
        n_vocab: int,
        encoder: StyledEncoder,
        duration_predictor: PromptedPredictor,
        pitch_predictor: PromptedPredictor,
        pitch: PitchScale,
    ) -> None:
        super().__init__()
        hidden = encoder.channels
        self.lowest = pitch.lowest
        self.enc_emb_tokens = nn.Embedding(n_vocab, hidden)
        self.encoder = encoder
        self.duration_predictor = duration_predictor
        self.pitch_predictor = pitch_predictor
        self.pitch_embedding = nn.Embedding(pitch.bins, hidden)
        self.register_buffer("pitch_bins", pitch.edges())

    def encoded(self, phone: Tensor, mask: Tensor, style: Tensor, places: Tensor | None, visible: Tensor) -> Tensor:
        """(batch, tokens, hidden)."""
        embedded = self.enc_emb_tokens(phone)
        return self.encoder(embedded, mask, style, places=places, visible=visible)

    def audible(self, f0: Tensor) -> Tensor:
        """F0 in Hz, the lowest there is where there is none."""
        return f0.clamp(min=self.lowest)

    def with_pitch(self, x: Tensor, f0: Tensor) -> tuple[Tensor, Tensor]:
        """`x` (batch, frames, hidden) with the pitch of F0 (batch, frames) in Hz, and its bins."""
        bins = torch.bucketize(f0, self.pitch_bins)
        return x + self.pitch_embedding(bins), bins
