"""VITS: text to sound in one network, with its own alignment and drawn durations (arXiv 2106.06103)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from models.base.model import Model
from models.base.options import Deviation, Factor
from models.vocoders.decoding import V1, Decoder, SpectralDecoder, cut, decode_each, slices, sounding
from models.vocoders.losses import MelLoss, MultiResolutionSTFTLoss
from modules import alignment
from modules.attention import RelativeEncoder
from modules.coupling import Flip, Flow, ResidualCoupling
from modules.duration import DurationPredictor, StochasticDurationPredictor
from modules.masks import expand, valid
from modules.noise import Noise
from modules.posterior import PosteriorEncoder, divergence
from utils.log import log

LONGEST = 1000  # frames that one token may last: a wild draw must not fill the memory


class VITS(Model):
    """Phones to sound. In training the recording's spectrogram says, through a posterior and a flow, what each phone sounds like.

    The defaults are the paper's. `latent` is the size of a frame between text and sound; `slice_frames` is how much of each
    utterance the decoder makes in training; `n_fft`, `win_size` are those of the feature "linear", and with `mel_bands` and
    `fmax` (Hz, None is half the rate) those of the mel in the loss. Several speakers share all but a vector of
    `speaker_channels`. `idle_speaker_layers` is for published weights of one speaker that carry layers for many.
    `spectral_decoder` puts a Vocos in the place of the HiFi-GAN that `decoder` describes. With `stft_loss` the slices are
    also compared at three resolutions, the finest of which tells harmonics apart.
    Raises ValueError when the sizes do not fit together.
    """

    reads = ("phone", "linear", "audio")
    tables = {"symbols": "enc_p.emb.weight", "speakers": "emb_g.weight"}
    converts = True
    compiles = "dec.decode"  # where nearly all the time goes when it speaks

    def __init__(
        self,
        *,
        n_vocab: int,
        n_speakers: int = 1,
        sample_rate: int,
        hop_size: int,
        hidden: int = 192,
        latent: int = 192,
        encoder_layers: int = 6,
        encoder_heads: int = 2,
        encoder_filter: int = 768,
        encoder_kernel: int = 3,
        encoder_dropout: float = 0.1,
        encoder_window: int = 4,
        posterior_layers: int = 16,
        posterior_kernel: int = 5,
        flows: int = 4,
        flow_layers: int = 4,
        flow_kernel: int = 5,
        stochastic_durations: bool = True,
        duration_filter: int = 256,
        duration_kernel: int = 3,
        duration_flows: int = 4,
        duration_layers: int = 3,
        duration_dropout: float = 0.5,
        speaker_channels: int = 256,
        decoder: Decoder = V1,
        spectral_decoder: SpectralDecoder | None = None,
        stft_loss: bool = False,
        slice_frames: int = 32,
        n_fft: int = 1024,
        win_size: int = 1024,
        mel_bands: int = 80,
        fmax: float | None = None,
        idle_speaker_layers: bool = False,
    ) -> None:
        super().__init__()
        many = n_speakers > 1
        condition = speaker_channels if many or idle_speaker_layers else 0
        self.hop_size, self.slice_frames, self.bins = hop_size, slice_frames, n_fft // 2 + 1
        self.enc_p = TextEncoder(
            n_vocab=n_vocab,
            latent=latent,
            encoder=RelativeEncoder(
                channels=hidden,
                filter_channels=encoder_filter,
                heads=encoder_heads,
                layers=encoder_layers,
                kernel_size=encoder_kernel,
                dropout=encoder_dropout,
                window=encoder_window,
            ),
            hidden=hidden,
        )
        self.enc_q = PosteriorEncoder(self.bins, hidden, latent, posterior_kernel, posterior_layers, condition)
        couplings = (
            ResidualCoupling(latent, hidden, flow_kernel, flow_layers, condition_channels=condition) for _ in range(flows)
        )
        self.flow = Flow([layer for coupling in couplings for layer in (coupling, Flip())])
        self.stochastic = stochastic_durations
        if stochastic_durations:
            self.dp = StochasticDurationPredictor(
                hidden, duration_kernel, duration_dropout, duration_flows, duration_layers, condition
            )
        else:
            self.dp = DurationPredictor(hidden, duration_filter, duration_kernel, duration_dropout, condition)
        self.dec = sounding(
            spectral_decoder or decoder, n_mel=latent, hop_size=hop_size, speaker_channels=condition, plain_ends=True
        )
        self.emb_g = nn.Embedding(n_speakers, speaker_channels) if many else None
        self.mel_loss = MelLoss(
            sample_rate=sample_rate, hop_size=hop_size, n_fft=n_fft, win_size=win_size, n_mel=mel_bands, fmax=fmax
        )
        self.stft_loss = MultiResolutionSTFTLoss() if stft_loss else None

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`mel` (L1 of log mels), `kl` and `duration` (nats a latent number, nats a token), and the slices `real`, `fake`.

        With `stft_loss` also `stft`.
        """
        self._check(batch)
        out = self.teach(batch["phone"], batch["tokens"], batch["linear"], batch["frames"], batch["speaker"])
        real, fake, inside = slices(batch, out, self.hop_size, self.slice_frames)
        spectra = {} if self.stft_loss is None else {"stft": self.stft_loss(real, fake)}
        return spectra | {
            "mel": self.mel_loss(real, fake, inside),
            "kl": divergence(out),
            "duration": out["duration_loss"].sum(),
            "real": real,
            "fake": fake,
        }

    def teach(
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
        voice, out = self.voice(speaker, len(phone)), self.enc_p(phone, tokens)
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
        voice, out = self.voice(speaker, len(phone)), self.enc_p(phone, tokens)
        hidden, mask = out["hidden"], out["token_mask"]
        if self.stochastic:
            drawn = draw.normal(len(phone), 2, phone.shape[1], name="duration") * duration_noise
            out["log_duration"] = self.dp.sample(hidden, mask, drawn, voice)
        else:
            out["log_duration"] = self.dp(hidden, mask, voice)
        lasting = (out["log_duration"].float().exp() * mask[:, 0] / speed).ceil().clamp(max=LONGEST).long()
        # Not a frame is what an empty text would get, and nothing can be decoded from it.
        lasting[:, 0] += (lasting.sum(1) == 0).long()
        out |= {"duration": lasting, "frames": lasting.sum(1)}
        out |= stretched(out, int(out["frames"].max()))
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
        Raises ValueError for a model of one speaker.
        """
        if self.emb_g is None:
            raise ValueError("this VITS was trained on one speaker: there is no other voice to convert to.")
        if frames is None:
            frames = torch.full((len(linear),), linear.shape[1], device=linear.device)
        before, after = self.voice(source, len(linear)), self.voice(target, len(linear))
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
        hidden, mask, duration = out["hidden"].float(), out["token_mask"], out["duration"]
        voice = None if voice is None else voice.float()
        if self.stochastic:
            noise = draw.normal(len(hidden), 2, hidden.shape[2], name="duration")
            raw = self.dp(hidden, mask, duration, noise, voice)
            return {"duration_raw": raw, "duration_loss": raw / mask.sum()}
        raw = self.dp(hidden, mask, voice)
        target = (duration.float() + 1e-6).log() * mask[:, 0]
        return {"duration_raw": raw, "duration_loss": (raw - target).square().sum(1) / mask.sum()}

    def _check(self, batch: dict[str, Any]) -> None:
        bins = batch["linear"].shape[2]
        if bins != self.bins:
            raise ValueError(
                f"model.n_fft: {2 * (self.bins - 1)} makes {self.bins} bins, but the spectrogram has {bins}: give "
                f"preprocess.features.linear and model the same n_fft (and win_size), {2 * (bins - 1)} for this one."
            )
        short = [name for name, f, t in zip(batch["id"], batch["frames"], batch["tokens"], strict=True) if f < t]
        if short:
            log.warning(f"fewer frames than tokens, is the text longer than the recording? {', '.join(short)}")


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
        mask = valid(tokens.to(phone.device), phone.shape[1])[:, None].to(self.emb.weight.dtype)
        hidden = self.encoder((self.emb(phone) * self.emb.embedding_dim**0.5).transpose(1, 2), mask)
        m_p, logs_p = (self.proj(hidden) * mask).float().chunk(2, 1)
        return {"hidden": hidden, "m_p": m_p, "logs_p": logs_p, "token_mask": mask}


@torch.no_grad()
def scores(out: dict[str, Tensor]) -> Tensor:
    """(batch, frames, tokens): the log-likelihood of each latent frame of the flow under the prior of each token."""
    z, m, log_s = out["z_p"].float(), out["m_p"], out["logs_p"]
    precision = torch.exp(-2 * log_s)
    alone = (-0.5 * math.log(2 * math.pi) - log_s - 0.5 * m.square() * precision).sum(1, keepdim=True)
    return (-0.5 * z.square()).transpose(1, 2) @ precision + z.transpose(1, 2) @ (m * precision) + alone


def stretched(out: dict[str, Tensor], length: int) -> dict[str, Tensor]:
    """The prior of each token for as long as it lasts: m_p_frames, logs_p_frames (batch, latent, length), 0 beyond the end."""
    both = torch.cat([out["m_p"], out["logs_p"]], 1).transpose(1, 2)
    both = expand(both, out["duration"])[0].transpose(1, 2)
    both = nn.functional.pad(both, (0, length - both.shape[2]))
    return dict(zip(("m_p_frames", "logs_p_frames"), both.chunk(2, 1), strict=True))
