"""VITS: text to sound in one network, with its own alignment and drawn durations (arXiv 2106.06103)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.base.model import Model, former_names
from models.base.options import Deviation, Factor
from models.tts.checks import name_the_short
from models.vocoders.decoding import Decoding, cut, decode_each, slices
from modules import alignment
from modules.attention import EncoderSizes
from modules.coupling import FlowSizes
from modules.duration import DurationPredictor, StochasticDurationPredictor
from modules.masks import expand, greatest, valid
from modules.noise import Noise
from modules.posterior import PosteriorSizes, divergence

LONGEST = 1000  # frames that one token may last: a wild draw must not fill the memory


@dataclass(frozen=True, kw_only=True)
class DurationSizes:
    """Of the predictor of durations: with `stochastic` it draws them and has `flows` of `layers`, else a `filter` and one number."""

    stochastic: bool = True
    filter: int = 256
    kernel: int = 3
    flows: int = 4
    layers: int = 3
    dropout: float = 0.5

    def network(
        self, channels: int, condition_channels: int, *, samples_only: bool = False
    ) -> DurationPredictor | StochasticDurationPredictor:
        """The predictor, over hidden states of so many channels."""
        if self.stochastic:
            sizes = (self.kernel, self.dropout, self.flows, self.layers)
            return StochasticDurationPredictor(channels, *sizes, condition_channels, samples_only=samples_only)
        return DurationPredictor(channels, self.filter, self.kernel, self.dropout, condition_channels)


@dataclass(frozen=True, kw_only=True)
class SpeakerSizes:
    """Of what several speakers do not share. `idle_layers`: published weights of one speaker that carry layers for many."""

    channels: int = 256
    idle_layers: bool = False


@dataclass(frozen=True, kw_only=True)
class OptionalPosteriorSizes(PosteriorSizes):
    """`absent`: published weights without one, which only speak."""

    absent: bool = False


class VITS(Model):
    """Phones to sound. In training the recording's spectrogram says, through a posterior and a flow, what each phone sounds like.

    The defaults are the paper's. `latent` is the size of a frame between text and sound. `decoding.n_fft` and `win_size` are also
    those of the feature "linear". With `posterior.absent`, as some weights are published, it only speaks: without the posterior and the
    half of the durations that tells how likely they are. Raises ValueError when the sizes do not fit together.
    """

    reads = ("phone", "linear", "audio")
    tables = {"symbols": "enc_p.emb.weight", "speakers": "emb_g.weight"}
    converts = True
    compiles = "dec.decode"  # where nearly all the time goes when it speaks
    former = {
        **former_names("encoder", EncoderSizes, "encoder_"),
        **former_names("posterior", OptionalPosteriorSizes, "posterior_"),
        **former_names("flow", FlowSizes, "flow_"),
        "flows": "flow.flows",
        **former_names("duration", DurationSizes, "duration_"),
        "stochastic_durations": "duration.stochastic",
        **former_names("speaker", SpeakerSizes, "speaker_"),
        "idle_speaker_layers": "speaker.idle_layers",
        **former_names("decoding", Decoding),
    }

    def __init__(
        self,
        *,
        n_vocab: int,
        n_speakers: int = 1,
        sample_rate: int,
        hop_size: int,
        hidden: int = 192,
        latent: int = 192,
        encoder: EncoderSizes = EncoderSizes(),
        posterior: OptionalPosteriorSizes = OptionalPosteriorSizes(),
        flow: FlowSizes = FlowSizes(),
        duration: DurationSizes = DurationSizes(),
        speaker: SpeakerSizes = SpeakerSizes(),
        decoding: Decoding = Decoding(),
    ) -> None:
        super().__init__()
        many = n_speakers > 1
        condition = speaker.channels if many or speaker.idle_layers else 0
        self.hop_size = hop_size
        self.slice_frames = decoding.slice_frames
        self.bins = decoding.n_fft // 2 + 1
        self.enc_p = TextEncoder(n_vocab=n_vocab, hidden=hidden, latent=latent, encoder=encoder.network(hidden))
        self.enc_q = None if posterior.absent else posterior.network(self.bins, hidden, latent, condition)
        self.flow = flow.network(latent, hidden, condition)
        self.stochastic = duration.stochastic
        self.dp = duration.network(hidden, condition, samples_only=posterior.absent)
        self.dec = decoding.network(n_mel=latent, hop_size=hop_size, speaker_channels=condition, plain_ends=True)
        self.emb_g = nn.Embedding(n_speakers, speaker.channels) if many else None
        self.mel_loss = decoding.mel_loss(sample_rate, hop_size)
        self.stft_loss = decoding.spectral_loss()

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`mel` (L1 of log mels), `kl` and `duration` (nats a latent number, nats a token), and the slices `real`, `fake`.

        With `stft_loss` also `stft`.
        """
        self._check(batch)
        out = self.teacher_forced(batch["phone"], batch["tokens"], batch["linear"], batch["frames"], batch["speaker"])
        real, fake, inside = slices(batch, out, self.hop_size, self.slice_frames)
        spectra = {} if self.stft_loss is None else {"stft": self.stft_loss(real, fake)}
        return spectra | {
            "mel": self.mel_loss(real, fake, inside),
            "kl": divergence(out),
            "duration": out["duration_loss"].sum(),
            "real": real,
            "fake": fake,
        }

    def teacher_forced(
        self,
        phone: Tensor,
        tokens: Tensor,
        linear: Tensor,
        frames: Tensor,
        speaker: Tensor | None = None,
        noise: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """All that the network makes of text (batch, tokens) and its spectrogram (batch, frames, bins).

        `noise` may give what else is drawn: "posterior" (batch, latent, frames), "duration" (batch, 2, tokens), both normal,
        and "slice" (batch,), uniform in [0, 1). In eval mode the draws are always the same.
        """
        draw = Noise(None if self.training else 0, device=phone.device, given=noise)
        voice = self.voice(speaker, len(phone))
        out = self.enc_p(phone, tokens)
        out |= self.enc_q(linear, frames, voice, draw)
        out["z_p"], _ = self.flow(out["z"], out["frame_mask"], voice)
        with torch.autocast(phone.device.type, enabled=False):
            out["scores"] = scores(out)
            out["duration"] = alignment.durations(out["scores"], frames, tokens)
            out |= self._duration_loss(out, voice, draw)
        out |= stretched(out, linear.shape[1])
        room = (frames.to(phone.device) - self.slice_frames + 1).clamp(min=1)
        out["start"] = (draw.uniform(len(phone), name="slice") * room).long()
        out["fake"] = self.dec.decode(cut(out["z"], out["start"], self.slice_frames), voice)
        return out

    @torch.inference_mode()
    def infer(
        self,
        phone: Tensor,
        speaker: Tensor | None = None,
        tokens: Tensor | None = None,
        *,
        speed: Factor | Tensor = 1.0,
        noise_scale: Deviation = 0.667,
        duration_noise: Deviation = 0.8,
        seed: int | None = None,
    ) -> dict[str, Tensor]:
        """`audio` (batch, samples) with `samples` (batch,), `duration` (batch, tokens) in frames, `frames` (batch,), and `z`.

        `phone`: (batch, tokens) ids, `tokens`: (batch,) lengths. `noise_scale` is how lively the voice is, `duration_noise`
        how lively its rhythm; `speed` 2 halves every duration, (batch, tokens) each its own; the same `seed` says the same twice.
        """
        if tokens is None:
            tokens = torch.full((len(phone),), phone.shape[1], device=phone.device)
        draw = Noise(seed, device=phone.device)
        out = self.plan(phone, tokens, speaker, draw, noise_scale=noise_scale, duration_noise=duration_noise, speed=speed)
        return out | self._sound(out["z"], out["frames"], self.voice(speaker, len(phone)))

    def plan(
        self,
        phone: Tensor,
        tokens: Tensor,
        speaker: Tensor | None,
        draw: Noise,
        *,
        noise_scale: float,
        duration_noise: float,
        speed: float | Tensor,
    ) -> dict[str, Tensor]:
        """All of `infer` but the sound: the latent frames `z` (batch, latent, frames) and how they came about."""
        voice = self.voice(speaker, len(phone))
        out = self.enc_p(phone, tokens)
        hidden = out["hidden"]
        mask = out["token_mask"]
        if self.stochastic:
            drawn = draw.normal(len(phone), 2, phone.shape[1], name="duration") * duration_noise
            out["log_duration"] = self.dp.sample(hidden, mask, drawn, voice)
        else:
            out["log_duration"] = self.dp(hidden, mask, voice)
        lasting = (out["log_duration"].float().exp() * mask[:, 0] / speed).ceil().clamp(max=LONGEST).long()
        # Not a frame is what an empty text would get, and nothing can be decoded from it.
        lasting[:, 0] += (lasting.sum(1) == 0).long()
        out |= {"duration": lasting, "frames": lasting.sum(1)}
        out |= stretched(out, greatest(out["frames"]))
        out["frame_mask"] = valid(out["frames"], out["m_p_frames"].shape[2])[:, None].to(hidden.dtype)
        drawn = draw.normal(*out["m_p_frames"].shape, name="prior")
        out["z_p"] = out["m_p_frames"] + drawn * out["logs_p_frames"].exp() * noise_scale
        out["z"] = self.flow.inverse(out["z_p"], out["frame_mask"], voice) * out["frame_mask"]
        return out

    @torch.inference_mode()
    def convert(
        self,
        linear: Tensor,
        source: Tensor,
        target: Tensor,
        *,
        frames: Tensor | None = None,
        seed: int | None = None,
        noise: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The words and the melody of a spectrogram (batch, frames, bins) of the speakers `source` in the voice of `target`.

        Both are (batch,) numbers of trained speakers. Returns `audio` and `samples` as `infer` does, `z_p` and `z`.
        Raises ValueError for a model of one speaker, and for one without a posterior.
        """
        self._check_whole()
        if self.emb_g is None:
            raise ValueError("this VITS was trained on one speaker: there is no other voice to convert to.")
        if frames is None:
            frames = torch.full((len(linear),), linear.shape[1], device=linear.device)
        before = self.voice(source, len(linear))
        after = self.voice(target, len(linear))
        out = self.enc_q(linear, frames, before, Noise(seed, device=linear.device, given=noise))
        z_p, _ = self.flow(out["z"], out["frame_mask"], before)
        z = self.flow.inverse(z_p, out["frame_mask"], after) * out["frame_mask"]
        return {"z_p": z_p, "z": z, "frame_mask": out["frame_mask"], "frames": frames} | self._sound(z, frames, after)

    def voice(self, speaker: Tensor | None, size: int) -> Tensor | None:
        """The vectors (batch, speaker_channels, 1) of `speaker` (batch,); None is the first; nothing where there is one alone."""
        if self.emb_g is None:
            return None
        device = self.emb_g.weight.device
        speaker = torch.zeros(size, dtype=torch.long, device=device) if speaker is None else speaker
        return self.emb_g(speaker)[..., None]

    def _sound(self, z: Tensor, frames: Tensor, voice: Tensor | None) -> dict[str, Tensor]:
        return decode_each(self.dec, z, frames, voice)

    def _duration_loss(self, out: dict[str, Tensor], voice: Tensor | None, draw: Noise) -> dict[str, Tensor]:
        """`duration_loss` (batch,): each a share of the batch's tokens, so that their sum is a mean; and what it is made of."""
        hidden = out["hidden"].float()
        mask = out["token_mask"]
        duration = out["duration"]
        tokens = mask.sum()
        if voice is not None:
            voice = voice.float()
        if self.stochastic:
            noise = draw.normal(len(hidden), 2, hidden.shape[2], name="duration")
            raw = self.dp(hidden, mask, duration, noise, voice)
            return {"duration_raw": raw, "duration_loss": raw / tokens}
        raw = self.dp(hidden, mask, voice)
        target = (duration.float() + 1e-6).log() * mask[:, 0]
        squares = (raw - target).square().sum(1)
        return {"duration_raw": raw, "duration_loss": squares / tokens}

    def _check_whole(self) -> None:
        if self.enc_q is None:
            raise ValueError(
                "these weights came without a posterior, which hears recordings: they speak, and can neither convert nor be trained as they "
                "are. Leave model.posterior.absent out and begin with them: --set train.init_from=VOICE."
            )

    def _check(self, batch: dict[str, Any]) -> None:
        self._check_whole()
        bins = batch["linear"].shape[2]
        if bins != self.bins:
            raise ValueError(
                f"model.decoding.n_fft: {2 * (self.bins - 1)} makes {self.bins} bins, but the spectrogram has {bins}: give "
                f"preprocess.features.linear and model the same n_fft (and win_size), {2 * (bins - 1)} for this one."
            )
        name_the_short(batch)


class TextEncoder(nn.Module):
    """Ids (batch, tokens) to hidden states and the mean and log deviation of the prior of each token."""

    def __init__(self, *, n_vocab: int, hidden: int, latent: int, encoder: nn.Module) -> None:
        super().__init__()
        self.emb = nn.Embedding(n_vocab, hidden)
        nn.init.normal_(self.emb.weight, 0.0, hidden**-0.5)
        self.encoder = encoder
        self.proj = nn.Conv1d(hidden, 2 * latent, 1)

    def forward(self, phone: Tensor, tokens: Tensor) -> dict[str, Tensor]:
        """hidden (batch, hidden, tokens); m_p, logs_p (batch, latent, tokens); token_mask (batch, 1, tokens)."""
        tokens = tokens.to(phone.device)
        inside = valid(tokens, phone.shape[1])
        mask = inside[:, None].to(self.emb.weight.dtype)
        embedded = self.emb(phone)
        scale = self.emb.embedding_dim**0.5
        scaled = embedded * scale
        hidden = self.encoder(scaled.transpose(1, 2), mask)
        prior = self.proj(hidden) * mask
        m_p, logs_p = prior.float().chunk(2, 1)
        return {"hidden": hidden, "m_p": m_p, "logs_p": logs_p, "token_mask": mask}


@torch.no_grad()
def scores(out: dict[str, Tensor]) -> Tensor:
    """(batch, frames, tokens): the log-likelihood of each latent frame of the flow under the prior of each token."""
    z = out["z_p"].float()
    mean = out["m_p"]
    log_deviation = out["logs_p"]
    precision = torch.exp(-2 * log_deviation)
    norm = -0.5 * math.log(2 * math.pi) - log_deviation
    alone = norm - 0.5 * mean.square() * precision
    squares = -0.5 * z.square()
    quadratic = squares.transpose(1, 2) @ precision
    linear = z.transpose(1, 2) @ (mean * precision)
    constant = alone.sum(1, keepdim=True)
    return quadratic + linear + constant


def stretched(out: dict[str, Tensor], length: int) -> dict[str, Tensor]:
    """The prior of each token for as long as it lasts: m_p_frames, logs_p_frames (batch, latent, length), 0 beyond the end."""
    prior = torch.cat([out["m_p"], out["logs_p"]], 1)
    prior = prior.transpose(1, 2)
    durations = out["duration"]
    frames, _ = expand(prior, durations)
    frames = frames.transpose(1, 2)
    missing = length - frames.shape[2]
    frames = nn.functional.pad(frames, (0, missing))
    mean, log_deviation = frames.chunk(2, 1)
    return {"m_p_frames": mean, "logs_p_frames": log_deviation}
