"""Jets: FastSpeech 2 and HiFi-GAN trained as one network, with an alignment learnt beside them (arXiv 2203.16852)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.base.model import Model, former_names
from models.base.options import Factor
from models.tts.checks import name_the_short, refuse_even
from models.tts.fastspeech2 import Predictor, Transformer, register_statistics
from models.vocoders.decoding import Decoding, cut, decode_each, slices
from modules.aligner import Aligner, binarisation, forward_sum, smooth
from modules.alignment import durations, path_of
from modules.masks import average, expand, masked_mean, valid
from modules.noise import Noise
from modules.predictors import whole_frames

PHONE = 0.08  # seconds that a phone is expected to last before anything was learnt
PREDICTED = ("duration", "pitch", "energy")


@dataclass(frozen=True, kw_only=True)
class JetsTransformer(Transformer):
    """The paper's blocks."""

    decoder_layers: int = 4
    conv_kernels: tuple[int, int] = (3, 3)


@dataclass(frozen=True, kw_only=True)
class JetsDecoding(Decoding):
    """The paper's slices are twice as long as those of VITS."""

    slice_frames: int = 64


@dataclass(frozen=True, kw_only=True)
class JetsPredictor(Predictor):
    """FastSpeech2's predictors; `embed_kernel` is that of the convolutions that bring what they predict to hidden channels."""

    embed_kernel: int = 1


class Jets(Model):
    """Phones to sound. In training an aligner says which frame belongs to which phone; in use a predictor that learnt from it.

    The defaults are the paper's, with FastSpeech2's predictors. Pitch and energy are z-scored by `statistics` and averaged over
    each phone. `upsampling` is how phones become frames: a smooth mean over neighbours, or each repeated.

    `as_amphion` is for published weights alone, whose training differs from their use: it adds the bare numbers of pitch and
    energy to the hidden states, and predicts both from what it added them to. Convolutions then look beyond the end of
    shorter utterances, the aligner expects a token too many, and `speed` scales whole frames. Raises ValueError when the
    sizes do not fit together.
    """

    reads = ("phone", "mel", "f0", "energy", "audio")
    statistics_of = ("f0", "energy")
    tables = {"symbols": "encoder.src_word_emb.weight", "speakers": "speaker_emb.weight"}
    compiles = "generator.decode"
    former = {
        **former_names("transformer", JetsTransformer),
        **former_names("predictor", Predictor, "predictor_"),
        "embed_kernel": "predictor.embed_kernel",
        **former_names("decoding", JetsDecoding),
    }

    def __init__(
        self,
        *,
        n_vocab: int,
        n_mel: int,
        n_speakers: int = 1,
        sample_rate: int,
        hop_size: int,
        statistics: dict[str, dict[str, float]] | None = None,
        hidden: int = 256,
        transformer: JetsTransformer = JetsTransformer(),
        predictor: JetsPredictor = JetsPredictor(),
        upsampling: Literal["smooth", "repeat"] = "smooth",
        decoding: JetsDecoding = JetsDecoding(),
        as_amphion: bool = False,
    ) -> None:
        super().__init__()
        kernels = {"conv_kernels": transformer.conv_kernels, "predictor_kernel": (predictor.kernel,)}
        refuse_even(**kernels, embed_kernel=(predictor.embed_kernel,))
        self.hop_size = hop_size
        self.slice_frames = decoding.slice_frames
        self.upsampling = upsampling
        self.as_amphion = as_amphion
        self.encoder = transformer.encoder(hidden, see_padding=as_amphion)
        self.encoder.src_word_emb = nn.Embedding(n_vocab, hidden, padding_idx=0)
        self.speaker_emb = nn.Embedding(n_speakers, hidden) if n_speakers > 1 else None
        self.alignment_module = Aligner(hidden, n_mel, as_published=as_amphion)
        self.variance_adaptor = nn.ModuleDict()
        for name in PREDICTED:
            self.variance_adaptor[f"{name}_predictor"] = predictor.network(hidden, see_padding=as_amphion)
        bias = self.variance_adaptor["duration_predictor"].linear_layer.bias
        nn.init.constant_(bias, math.log1p(PHONE * sample_rate / hop_size))
        size = predictor.embed_kernel
        for name in ("pitch", "energy"):
            convolution = nn.Conv1d(1, hidden, size, padding=size // 2)
            self.add_module(f"{name}_embed", nn.Sequential(convolution))
        self.decoder = transformer.decoder(hidden, see_padding=as_amphion)
        self.generator = decoding.network(n_mel=hidden, hop_size=hop_size)
        self.mel_loss = decoding.mel_loss(sample_rate, hop_size)
        self.stft_loss = decoding.spectral_loss()
        register_statistics(self, statistics)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`mel` (L1 of log mels), `duration`, `pitch`, `energy` (mean squares), `forward_sum` and `binarisation` (nats a token,
        nats a frame), and the slices `real`, `fake` (batch, 1, samples); with `stft_loss` also `stft`."""
        name_the_short(batch)
        frames = batch["frames"]
        pitch = (batch["f0"] - self.f0_mean) / self.f0_std
        energy = (batch["energy"] - self.energy_mean) / self.energy_std
        text = (batch["phone"], batch["tokens"])
        recording = (batch["mel"], frames, pitch, energy)
        out = self.teacher_forced(*text, *recording, batch["speaker"])
        real, fake, inside = slices(batch, out, self.hop_size, self.slice_frames)
        parts = {"mel": self.mel_loss(real, fake, inside)}
        if self.stft_loss is not None:
            parts["stft"] = self.stft_loss(real, fake)
        parts |= losses(out, frames)
        parts |= {"real": real, "fake": fake}
        return parts

    def teacher_forced(
        self,
        phone: Tensor,
        tokens: Tensor,
        mel: Tensor,
        frames: Tensor,
        pitch: Tensor,
        energy: Tensor,
        speaker: Tensor | None = None,
        noise: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """All that the network makes of text (batch, tokens) and of what was recorded: mel (batch, frames, n_mel), normalised
        pitch and energy (batch, frames).

        `noise` may give "slice" (batch,), uniform in [0, 1). In eval mode the slices are always the same.
        """
        mask, encoded, voiced = self._read(phone, tokens, speaker)
        likely = self.alignment_module(voiced, mel, tokens, frames)
        duration = durations(likely, frames, tokens)
        targets = {"pitch": average(pitch, duration), "energy": average(energy, duration)}
        out = {"token_mask": mask, "encoder": encoded, "likely": likely, "duration": duration}
        out |= {f"{name}_target": value for name, value in targets.items()}
        adapted = self._adapted(voiced, targets["pitch"], targets["energy"], bare=self.as_amphion)
        out |= self._predicted(voiced, adapted if self.as_amphion else voiced, mask)
        out |= self._decoded(adapted, duration)
        draw = Noise(None if self.training else 0, device=phone.device, given=noise)
        room = (frames.to(phone.device) - self.slice_frames + int(not self.as_amphion)).clamp(min=1)
        out["start"] = (draw.uniform(len(phone), name="slice") * room).long()
        out["slice"] = cut(out["z"].transpose(1, 2), out["start"], self.slice_frames)
        out["fake"] = self.generator.decode(out["slice"])
        return out

    @torch.inference_mode()
    def infer(
        self,
        phone: Tensor,
        speaker: Tensor | None = None,
        tokens: Tensor | None = None,
        *,
        speed: Factor | Tensor = 1.0,
        pitch: Factor = 1.0,
        energy: Factor = 1.0,
    ) -> dict[str, Tensor]:
        """`audio` (batch, samples), `samples` (batch,), `duration` (batch, tokens) in frames, `frames` (batch,), `f0` in Hz per
        frame, and the raw predictions.

        `phone`: (batch, tokens) ids, `tokens`: (batch,) lengths. `speed` 2 halves every duration, (batch, tokens) each its own;
        `pitch` and `energy` multiply the normalised predictions.
        """
        if tokens is None:
            tokens = torch.full((len(phone),), phone.shape[1], device=phone.device)
        mask, encoded, voiced = self._read(phone, tokens, speaker)
        out = {"encoder": encoded, **self._predicted(voiced, voiced, mask)}
        out["duration"] = whole_frames(out["log_duration"], mask, 1 / speed, truncate=self.as_amphion)
        scaled_pitch = out["pitch"] * pitch
        scaled_energy = out["energy"] * energy
        adapted = self._adapted(voiced, scaled_pitch, scaled_energy)
        out |= self._decoded(adapted, out["duration"])
        contour, _ = expand(scaled_pitch[..., None], out["duration"])
        f0 = contour[..., 0] * self.f0_std + self.f0_mean
        out["f0"] = f0.clamp(min=0) * out["frame_mask"]
        latent = out["z"].transpose(1, 2)
        return out | decode_each(self.generator, latent, out["frames"])

    def _read(self, phone: Tensor, tokens: Tensor, speaker: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """The mask (batch, tokens), the hidden states (batch, tokens, hidden), and those in the voice of `speaker` (batch,)."""
        mask = valid(tokens.to(phone.device), phone.shape[1])
        embedded = self.encoder.src_word_emb(phone)
        encoded = self.encoder(embedded, mask)
        if self.speaker_emb is None:
            return mask, encoded, encoded
        if speaker is None:
            speaker = torch.zeros(len(phone), dtype=torch.long, device=phone.device)
        voice = self.speaker_emb(speaker)
        return mask, encoded, encoded + voice[:, None]

    def _predicted(self, x: Tensor, adapted: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """log_duration from `x`; pitch and energy from `adapted`; each (batch, tokens)."""
        read = {"duration": x, "pitch": adapted, "energy": adapted}
        predictions = {name: self.variance_adaptor[f"{name}_predictor"](read[name], mask) for name in PREDICTED}
        return {"log_duration": predictions["duration"], "pitch": predictions["pitch"], "energy": predictions["energy"]}

    def _adapted(self, x: Tensor, pitch: Tensor, energy: Tensor, *, bare: bool = False) -> Tensor:
        """`x` (batch, tokens, hidden) with normalised pitch and energy (batch, tokens) added, `bare` or through their layers."""
        if bare:
            return x + (pitch + energy)[..., None]
        embedded_pitch = self.pitch_embed(pitch[:, None])
        embedded_energy = self.energy_embed(energy[:, None])
        embedded = embedded_pitch.transpose(1, 2) + embedded_energy.transpose(1, 2)
        return x + embedded

    def _decoded(self, x: Tensor, duration: Tensor) -> dict[str, Tensor]:
        """adapted and z (batch, frames, hidden): what the decoder reads and gives; frames (batch,) and their mask."""
        x, frames = smooth(x, duration) if self.upsampling == "smooth" else expand(x, duration)
        mask = valid(frames, x.shape[1])
        return {"adapted": x, "frames": frames, "frame_mask": mask, "z": self.decoder(x, mask)}


def losses(out: dict[str, Tensor], frames: Tensor) -> dict[str, Tensor]:
    """The named losses of `Jets.teacher_forced`, but those of the sound."""
    mask = out["token_mask"]
    duration = out["duration"]
    likely = out["likely"]
    path = path_of(duration, likely.shape[1])
    with torch.autocast(mask.device.type, enabled=False):
        log_durations = torch.log(duration.float() + 1)
        targets = {"duration": log_durations, "pitch": out["pitch_target"], "energy": out["energy_target"]}
        parts = {}
        for name, target in targets.items():
            prediction = out["log_duration" if name == "duration" else name]
            parts[name] = masked_mean((prediction.float() - target) ** 2, mask)
        parts["forward_sum"] = forward_sum(likely, mask.sum(1), frames).mean()
        parts["binarisation"] = binarisation(likely, path, frames).mean()
    return parts
