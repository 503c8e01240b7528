"""What voice conversion by VITS has in common: a prior of frames, a flow, a posterior in training, and a vocoder inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.base.model import Model, Settings
from models.base.options import Deviation
from models.svc.decoding import VoiceDecoding, sound
from models.vocoders.decoding import cut, slices
from modules.attention import EncoderSizes
from modules.coupling import FlowSizes
from modules.masks import valid
from modules.noise import Noise
from modules.posterior import PosteriorSizes, divergence

Contents = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class LatentSizes:
    """Of the hidden and the latent frames, and of the networks that make them; the defaults are those of VITS.

    `posterior` None is for a voice that was published without: it sings, and is not trained on.
    """

    hidden: int = 192
    latent: int = 192
    speaker_channels: int = 256
    encoder: EncoderSizes = EncoderSizes()
    posterior: PosteriorSizes | None = PosteriorSizes()


class FramePrior(nn.Module):
    """Hidden frames (batch, hidden, frames) to the mean and log deviation of the prior of each."""

    def __init__(self, hidden: int, latent: int, encoder: nn.Module) -> None:
        super().__init__()
        self.enc_ = encoder
        self.proj = nn.Conv1d(hidden, 2 * latent, 1)

    def forward(self, hidden: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """m_p_frames, logs_p_frames (batch, latent, frames); `mask` (batch, 1, frames), 1 where real."""
        moments = self.proj(self.enc_(hidden, mask)) * mask
        mean, log_deviation = moments.float().chunk(2, 1)
        return {"m_p_frames": mean, "logs_p_frames": log_deviation}


class VariationalSVC(Model):
    """Contents, F0 and a speaker to sound at once, as VITS does of phones. A subclass says what the prior is made of.

    In training the recording's spectrogram says, through a posterior and a flow, what each frame sounds like; a slice of each
    utterance is made, and its F0 is that of the slice. A subclass defines `prior`.
    """

    reads = ("f0", "linear", "audio")
    registers = True
    tables = {"speakers": "emb_g.weight"}
    compiles = "dec.decode"

    @classmethod
    def features_of(cls, settings: Settings) -> tuple[str, ...]:
        return (*cls.reads, *settings.get("contents", ()))

    def __init__(
        self,
        *,
        contents: tuple[str, ...],
        voices: nn.Module,
        sizes: LatentSizes,
        flow: FlowSizes,
        decoding: VoiceDecoding,
        sample_rate: int,
        hop_size: int,
        speaks: bool = True,
    ) -> None:
        super().__init__()
        hidden = sizes.hidden
        latent = sizes.latent
        width = sizes.speaker_channels
        self.contents = tuple(contents)
        self.hop_size = hop_size
        self.slice_frames = decoding.slice_frames
        self.bins = decoding.n_fft // 2 + 1
        self.emb_g = voices
        self.enc_p = FramePrior(hidden, latent, sizes.encoder.network(hidden))
        self.enc_q = None
        if sizes.posterior is not None:
            self.enc_q = sizes.posterior.network(self.bins, hidden, latent, width)
        self.flow = flow.network(latent, hidden, width)
        self.speaks = speaks  # whether the decoder is told who sings, too
        clock = {"sample_rate": sample_rate, "hop_size": hop_size}
        self.dec = decoding.network(latent=latent, **clock, speaker_channels=width if speaks else 0)
        self.mel_loss = decoding.mel_loss(sample_rate, hop_size)
        self.stft_loss = decoding.spectral_loss()

    def prior(
        self, contents: Contents, f0: Tensor, energy: Tensor | None, speaker: Tensor, mask: Tensor, **options: Any
    ) -> dict[str, Tensor]:
        """m_p_frames, logs_p_frames (batch, latent, frames); `melody` (batch, frames) where another F0 than `f0` leads the sound.

        `mask` (batch, 1, frames) is 1 where a frame is real; `options` are those of a subclass's `infer`.
        """
        raise NotImplementedError

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`mel` (L1 of log mels), `kl` (nats a latent frame), and the slices `real`, `fake`. With `stft_loss` also `stft`."""
        self._check(batch)
        contents = {name: batch[name] for name in self.contents}
        f0 = batch.get("f0")
        energy = batch.get("energy")
        speaker = self.speaker_in(batch)
        out = self.teacher_forced(contents, f0, energy, speaker, batch["linear"], batch["frames"])
        real, fake, inside = slices(batch, out, self.hop_size, self.slice_frames)
        distance = self.mel_loss(real, fake, inside)
        losses = {"mel": distance, "kl": divergence(out)}
        if self.stft_loss is not None:
            losses["stft"] = self.stft_loss(real, fake)
        losses |= self.further_losses(out, batch)
        return losses | {"real": real, "fake": fake}

    def speaker_in(self, batch: Mapping[str, Any]) -> Tensor:
        """Who sings in a training batch."""
        return batch["speaker"]

    def further_losses(self, out: dict[str, Tensor], batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Those of a subclass, of what `teacher_forced` gives for a batch."""
        return {}

    def teacher_forced(
        self,
        contents: Contents,
        f0: Tensor | None,
        energy: Tensor | None,
        speaker: Tensor,
        linear: Tensor,
        frames: Tensor,
        noise: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """All that the network makes of a recording: `contents` (batch, frames, channels) each, `linear` (batch, frames, bins).

        `noise` may give what is drawn: "posterior" (batch, latent, frames), "slice" (batch,), uniform in [0, 1), and what the
        decoder's source draws, "phase" and "source". In eval mode the draws are always the same.
        """
        draw = Noise(None if self.training else 0, device=linear.device, given=noise)
        f0 = linear.new_zeros(linear.shape[:2]) if f0 is None else f0
        voice = self.voice(speaker)
        out = self.enc_q(linear, frames, voice, draw)
        mask = out["frame_mask"]
        out |= self.prior(contents, f0, energy, speaker, mask)
        out["z_p"], _ = self.flow(out["z"], mask, voice)
        room = (frames.to(linear.device) - self.slice_frames + 1).clamp(min=1)
        out["start"] = (draw.uniform(len(linear), name="slice") * room).long()
        # The melody of these frames, and no other's: a source that starts at the beginning would sing another tune.
        melody = out.get("melody", f0)[:, None]
        out["f0"] = cut(melody, out["start"], self.slice_frames)[:, 0]
        z = cut(out["z"], out["start"], self.slice_frames)
        out["fake"] = sound(self.dec, z, out["f0"], voice if self.speaks else None, draw)
        return out

    @torch.inference_mode()
    def infer(
        self,
        contents: Contents,
        f0: Tensor | None = None,
        energy: Tensor | None = None,
        speaker: Tensor | None = None,
        frames: Tensor | None = None,
        *,
        noise_scale: Deviation = 0.667,
        seed: int | None = None,
    ) -> dict[str, Tensor]:
        """`audio` (batch, samples) with `samples` (batch,), and the latent frames `z` (batch, latent, frames).

        `contents`: (batch, frames, channels) by name; `f0` (batch, frames) in Hz, 0 where unvoiced, `energy` (batch, frames) and
        `speaker` (batch,) as far as the model was trained on them; `frames` (batch,) are the lengths.
        `noise_scale` is how lively the voice is; the same `seed` sings the same twice.
        """
        return self.generate(contents, f0, energy, speaker, frames, noise_scale=noise_scale, seed=seed)

    def generate(
        self,
        contents: Contents,
        f0: Tensor | None,
        energy: Tensor | None,
        speaker: Tensor | None,
        frames: Tensor | None,
        *,
        noise_scale: float,
        seed: int | None,
        **options: Any,
    ) -> dict[str, Tensor]:
        """`infer`, with the options that a subclass has besides."""
        first = contents[self.contents[0]]
        draw = Noise(seed, device=first.device)
        if f0 is None:
            f0 = first.new_zeros(first.shape[:2])
        if frames is None:
            frames = torch.full((len(first),), first.shape[1], device=first.device)
        out = self.plan(contents, f0, energy, speaker, frames, draw, noise_scale=noise_scale, **options)
        return out | self._sung(out, draw)

    def plan(
        self,
        contents: Contents,
        f0: Tensor,
        energy: Tensor | None,
        speaker: Tensor | None,
        frames: Tensor,
        draw: Noise,
        *,
        noise_scale: float,
        **options: Any,
    ) -> dict[str, Tensor]:
        """All of `infer` but the sound: `z`, its `frames`, the melody `f0` that leads the sound, the `voice`, and the prior."""
        speaker = self._somebody(speaker, f0)
        voice = self.voice(speaker)
        inside = valid(frames.to(f0.device), f0.shape[1])
        mask = inside[:, None].to(f0.dtype)
        out = self.prior(contents, f0, energy, speaker, mask, **options)
        mean = out["m_p_frames"]
        batch, latent, longest = mean.shape
        noise = draw.rows(frames, (batch, longest, latent), name="prior")
        deviation = out["logs_p_frames"].exp()
        sample = mean + noise.transpose(1, 2) * deviation * noise_scale
        out["z_p"] = sample * mask
        out["z"] = self.flow.inverse(out["z_p"], mask, voice) * mask
        return out | {"f0": out.get("melody", f0), "voice": voice, "frames": frames}

    def voice(self, speaker: Tensor) -> Tensor:
        """The vectors (batch, speaker_channels, 1) of `speaker` (batch,)."""
        return self.emb_g(speaker)[..., None]

    def _somebody(self, speaker: Tensor | None, f0: Tensor) -> Tensor:
        """The first speaker, where none is named."""
        return torch.zeros(len(f0), dtype=torch.long, device=f0.device) if speaker is None else speaker

    def _sung(self, out: dict[str, Tensor], draw: Noise) -> dict[str, Tensor]:
        """Each utterance alone, so that what stands beside it in the batch is not heard at its end."""
        lengths = out["frames"].tolist()
        waves = []
        for i, length in enumerate(lengths):
            wave = self._alone(out, i, length, draw)
            waves.append(wave[: length * self.hop_size])
        audio = nn.utils.rnn.pad_sequence(waves, batch_first=True)
        sizes = [len(wave) for wave in waves]
        samples = torch.tensor(sizes, device=audio.device)
        return {"audio": audio, "samples": samples}

    def _alone(self, out: dict[str, Tensor], i: int, length: int, draw: Noise) -> Tensor:
        """The samples (samples,) of number `i` of the batch."""
        z = out["z"][i, :, :length]
        f0 = out["f0"][i, :length]
        voice = None
        if self.speaks:
            voice = out["voice"][i].unsqueeze(0)
        wave = sound(self.dec, z.unsqueeze(0), f0.unsqueeze(0), voice, draw)
        return wave[0, 0]

    def _check(self, batch: dict[str, Any]) -> None:
        if self.enc_q is None:
            raise ValueError(
                f"{type(self).__name__}: this voice was published without its posterior (enc_q): it can sing, but not be trained on. "
                "Fine-tune from the G_*.pth of its training."
            )
        bins = batch["linear"].shape[2]
        if bins != self.bins:
            raise ValueError(
                f"model.decoding.n_fft: {2 * (self.bins - 1)} makes {self.bins} bins, but the spectrogram has {bins}: give "
                f"preprocess.features.linear and model the same n_fft (and win_size), {2 * (bins - 1)} for this one."
            )


def joined(contents: Contents, names: tuple[str, ...]) -> Tensor:
    """The content features of these names side by side, (batch, frames, channels). Raises ValueError for one that is missing."""
    missing = [name for name in names if name not in contents]
    if missing:
        given = ", ".join(contents) or "none"
        raise ValueError(f"contents: {', '.join(missing)} is missing, which the model was trained on; given: {given}.")
    return torch.cat([contents[name] for name in names], 2)


def width_of(names: tuple[str, ...], channels: Mapping[str, int]) -> int:
    """Of these content features side by side. Raises ValueError for none, and for one of which no width is known."""
    missing = [name for name in names if name not in channels]
    if missing or not names:
        unknown = ", ".join(missing) or "nothing"
        known = ", ".join(channels) or "none"
        raise ValueError(f"model.contents: the width of {unknown} is not known; name content features: {known}.")
    widths = [channels[name] for name in names]
    return sum(widths)
