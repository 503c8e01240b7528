"""FastSpeech 2: text to mel in one pass, with predicted duration, pitch and energy (arXiv 2006.04558)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.base.model import Model, former_names
from models.base.options import Factor
from models.tts.checks import refuse_even
from modules.masks import average, expand, masked_mean, valid
from modules.predictors import VariancePredictor, whole_frames
from modules.transformer import FFTBlocks

Level = Literal["phone", "frame"]


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """The sizes of the blocks before the variances, over phones, and after them, over frames."""

    encoder_layers: int = 4
    encoder_heads: int = 2
    encoder_dropout: float = 0.2
    decoder_layers: int = 6
    decoder_heads: int = 2
    decoder_dropout: float = 0.2
    conv_filter: int = 1024
    conv_kernels: tuple[int, int] = (9, 1)

    def encoder(self, channels: int, *, see_padding: bool) -> FFTBlocks:
        """The blocks over phones."""
        own = {"layers": self.encoder_layers, "heads": self.encoder_heads, "dropout": self.encoder_dropout}
        return self._blocks(channels, see_padding, own)

    def decoder(self, channels: int, *, see_padding: bool) -> FFTBlocks:
        """The blocks over frames."""
        own = {"layers": self.decoder_layers, "heads": self.decoder_heads, "dropout": self.decoder_dropout}
        return self._blocks(channels, see_padding, own)

    def _blocks(self, channels: int, see_padding: bool, own: dict[str, Any]) -> FFTBlocks:
        common = {"filter_channels": self.conv_filter, "kernels": self.conv_kernels}
        return FFTBlocks(channels=channels, see_padding=see_padding, **common, **own)


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """The sizes of what predicts durations, pitch and energy."""

    filter: int = 256
    kernel: int = 3
    dropout: float = 0.5

    def network(self, channels: int, *, see_padding: bool) -> VariancePredictor:
        """One predictor, over hidden states of so many channels."""
        return VariancePredictor(channels, self.filter, self.kernel, self.dropout, see_padding)


@dataclass(frozen=True, kw_only=True)
class Variances:
    """Whether pitch and energy are those of a phone or of a frame, and the scale of their `n_bins`."""

    pitch_level: Level = "phone"
    energy_level: Level = "phone"
    pitch_scale: Literal["linear", "log"] = "linear"
    energy_scale: Literal["linear", "log"] = "linear"
    n_bins: int = 256

    @property
    def levels(self) -> dict[str, Level]:
        return {"pitch": self.pitch_level, "energy": self.energy_level}

    def bins(self, statistics: dict[str, dict[str, float]] | None) -> dict[str, Tensor]:
        """The edges of the bins, by the range that the corpus has."""
        ranges = statistics or {}
        return {
            "pitch": bin_edges(ranges.get("f0"), self.pitch_scale, self.n_bins),
            "energy": bin_edges(ranges.get("energy"), self.energy_scale, self.n_bins),
        }


@dataclass(frozen=True, kw_only=True)
class PostNetSizes:
    """Of the convolutions that sharpen the mel."""

    channels: int = 512
    kernel: int = 5
    layers: int = 5


@dataclass(frozen=True, kw_only=True)
class Published:
    """What exists for published weights alone.

    With `see_padding` the convolutions look at what lies beyond the end of a shorter utterance; with
    `energy_follows_pitch_control` the energy is scaled by the pitch's factor; with `truncate_durations` `speed` scales whole
    frames and drops the fraction, where ours scales first and rounds once.
    """

    see_padding: bool = False
    energy_follows_pitch_control: bool = False
    truncate_durations: bool = False


class FastSpeech2(Model):
    """Phones to mel. Pitch and energy are averaged per phone or kept per frame, and z-scored by `statistics`.

    In training the decoder sees the first `max_frames` of an utterance; in use there is no limit.
    Raises ValueError for an even kernel.
    """

    reads = ("phone", "duration", "mel", "f0", "energy")
    statistics_of = ("f0", "energy")
    tables = {"symbols": "encoder.src_word_emb.weight", "speakers": "speaker_emb.weight"}
    compiles = "decoder.forward"
    former = {
        **former_names("transformer", Transformer),
        **former_names("predictor", Predictor, "predictor_"),
        **former_names("variances", Variances),
        **former_names("postnet_sizes", PostNetSizes, "postnet_"),
        **former_names("published", Published),
    }

    def __init__(
        self,
        *,
        n_vocab: int,
        n_mel: int,
        n_speakers: int = 1,
        statistics: dict[str, dict[str, float]] | None = None,
        hidden: int = 256,
        transformer: Transformer = Transformer(),
        predictor: Predictor = Predictor(),
        variances: Variances = Variances(),
        postnet: bool = True,
        postnet_sizes: PostNetSizes = PostNetSizes(),
        max_frames: int = 1000,
        published: Published = Published(),
    ) -> None:
        super().__init__()
        kernels = {"conv_kernels": transformer.conv_kernels, "predictor_kernel": (predictor.kernel,)}
        refuse_even(**kernels, postnet_kernel=(postnet_sizes.kernel,))
        see_padding = published.see_padding
        self.see_padding = see_padding
        self.energy_follows_pitch_control = published.energy_follows_pitch_control
        self.max_frames = max_frames
        self.encoder = transformer.encoder(hidden, see_padding=see_padding)
        self.encoder.src_word_emb = nn.Embedding(n_vocab, hidden, padding_idx=0)
        self.speaker_emb = nn.Embedding(n_speakers, hidden) if n_speakers > 1 else None
        self.variance_adaptor = VarianceAdaptor(
            hidden=hidden,
            predictor=predictor,
            see_padding=see_padding,
            truncate_durations=published.truncate_durations,
            levels=variances.levels,
            bins=variances.bins(statistics),
        )
        self.decoder = transformer.decoder(hidden, see_padding=see_padding)
        self.mel_linear = nn.Linear(hidden, n_mel)
        self.postnet = None
        if postnet:
            self.postnet = PostNet(n_mel, postnet_sizes.channels, postnet_sizes.kernel, postnet_sizes.layers)
        register_statistics(self, statistics)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Losses of a batch: mel and postnet (L1), log-duration, pitch and energy (mean squares), padding left out."""
        durations = batch["duration"]
        levels = self.variance_adaptor.levels
        targets = {
            "pitch": self._normal("f0", batch["f0"], durations, levels["pitch"]),
            "energy": self._normal("energy", batch["energy"], durations, levels["energy"]),
        }
        out = self.teacher_forced(batch["phone"], batch["tokens"], durations, targets, batch["speaker"])
        return losses(out, durations, targets, batch["mel"], levels)

    def teacher_forced(
        self, phone: Tensor, tokens: Tensor, durations: Tensor, targets: dict[str, Tensor], speaker: Tensor | None = None
    ) -> dict[str, Tensor]:
        """All that the network makes when durations, pitch and energy are given, the latter two normalised."""
        mask = valid(tokens, phone.shape[1])
        embedded = self.encoder.src_word_emb(phone)
        encoded = self.encoder(embedded, mask)
        voiced = self._voiced(encoded, speaker)
        out = self.variance_adaptor(voiced, mask, durations=durations, targets=targets)
        decoded = self._decode(out["adapted"], out["frame_mask"])
        return {"encoder": encoded, "token_mask": mask, **out, **decoded}

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
        """mel (batch, frames, n_mel), frames (batch,), duration (batch, tokens), f0 in Hz per frame, and the raw predictions.

        `phone`: (batch, tokens) ids, `tokens`: (batch,) lengths. `speed` 2 halves every duration, (batch, tokens) each its own;
        `pitch` and `energy` multiply the normalised predictions.
        """
        if tokens is None:
            tokens = torch.full((len(phone),), phone.shape[1], device=phone.device)
        mask = valid(tokens, phone.shape[1])
        controls = {"pitch": pitch, "energy": pitch if self.energy_follows_pitch_control else energy}
        encoded = self.encoder(self.encoder.src_word_emb(phone), mask)
        out = self.variance_adaptor(self._voiced(encoded, speaker), mask, controls=controls, stretch=1 / speed)
        out |= self._decode(out["adapted"], out["frame_mask"])
        contour = out["pitch"] * controls["pitch"]
        if self.variance_adaptor.levels["pitch"] == "phone":
            contour = expand(contour[..., None], out["duration"])[0][..., 0]
        hertz = (contour * self.f0_std + self.f0_mean).clamp(min=0)
        return {**out, "mel": out.get("postnet_mel", out["mel"]), "raw_mel": out["mel"], "f0": hertz * out["frame_mask"]}

    def _normal(self, name: str, values: Tensor, durations: Tensor, level: Level) -> Tensor:
        normal = (values - getattr(self, f"{name}_mean")) / getattr(self, f"{name}_std")
        return average(normal, durations) if level == "phone" else normal

    def _voiced(self, encoded: Tensor, speaker: Tensor | None) -> Tensor:
        """`encoded` (batch, tokens, channels) in the voice of `speaker` (batch,); None is the first."""
        if self.speaker_emb is None:
            return encoded
        speaker = torch.zeros(len(encoded), dtype=torch.long, device=encoded.device) if speaker is None else speaker
        return encoded + self.speaker_emb(speaker)[:, None]

    def _decode(self, adapted: Tensor, mask: Tensor) -> dict[str, Tensor]:
        if self.training:  # attention grows with the square of the frames
            adapted = adapted[:, : self.max_frames]
            mask = mask[:, : self.max_frames]
        decoded = self.decoder(adapted, mask)
        mel = self.mel_linear(decoded)
        out = {"decoder": decoded, "mel": mel}
        if self.postnet is not None:
            real = None if self.see_padding else mask
            out["postnet_mel"] = mel + self.postnet(mel, real)
        return out


def losses(
    out: dict[str, Tensor], durations: Tensor, targets: dict[str, Tensor], mel: Tensor, levels: dict[str, Level]
) -> dict[str, Tensor]:
    """The named losses of `FastSpeech2.teacher_forced` against its targets."""
    tokens = out["token_mask"]
    frames = out["frame_mask"]
    decoded = out["mel"].shape[1]
    mel = mel[:, :decoded]
    inside = frames[:, :decoded]
    parts = {"mel": masked_mean((out["mel"] - mel).abs(), inside)}
    if "postnet_mel" in out:
        parts["postnet"] = masked_mean((out["postnet_mel"] - mel).abs(), inside)
    log_durations = torch.log(durations.float() + 1)
    parts["duration"] = masked_mean((out["log_duration"] - log_durations) ** 2, tokens)
    for name in ("pitch", "energy"):
        mask = tokens if levels[name] == "phone" else frames
        target = targets[name][:, : mask.shape[1]]
        parts[name] = masked_mean((out[name] - target) ** 2, mask)
    return parts


def bin_edges(statistics: dict[str, float] | None, scale: str, n_bins: int) -> Tensor:
    """(n_bins - 1,) edges from the least to the greatest normalised value; "log" spaces them evenly in the logarithm of the value."""
    known = statistics or {"mean": 0.0, "std": 1.0, "min": -3.0, "max": 8.0}
    least = known["min"]
    greatest = known["max"]
    if scale == "linear":
        edges = torch.linspace(least, greatest, n_bins - 1)
    else:
        low = math.log10(max(least, 1e-3))
        high = math.log10(max(greatest, 1e-2))
        edges = torch.logspace(low, high, n_bins - 1)
    return (edges - known["mean"]) / spread(known)


def spread(statistics: dict[str, float]) -> float:
    """The standard deviation to divide by; 1 where every value is the same."""
    return float(statistics["std"]) or 1.0


def register_statistics(model: Model, statistics: dict[str, dict[str, float]] | None) -> None:
    """Keeps the mean and deviation of each of `statistics_of` as buffers of the model; 0 and 1 where they are unknown."""
    unknown = {"mean": 0.0, "std": 1.0}
    for name in model.statistics_of:
        known = (statistics or {}).get(name, unknown)
        mean = torch.tensor(float(known["mean"]))
        deviation = torch.tensor(spread(known))
        model.register_buffer(f"{name}_mean", mean)
        model.register_buffer(f"{name}_std", deviation)


class VarianceAdaptor(nn.Module):
    """Adds pitch and energy, and stretches tokens to frames by their durations: given in training, predicted in use."""

    def __init__(
        self,
        *,
        hidden: int,
        predictor: Predictor,
        see_padding: bool,
        truncate_durations: bool,
        levels: dict[str, Level],
        bins: dict[str, Tensor],
    ) -> None:
        super().__init__()
        self.levels = levels
        self.truncate_durations = truncate_durations
        self.duration_predictor = predictor.network(hidden, see_padding=see_padding)
        for name in ("pitch", "energy"):
            self.add_module(f"{name}_predictor", predictor.network(hidden, see_padding=see_padding))
            self.add_module(f"{name}_embedding", nn.Embedding(len(bins[name]) + 1, hidden))
            self.register_buffer(f"{name}_bins", bins[name])

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        *,
        durations: Tensor | None = None,
        targets: dict[str, Tensor] | None = None,
        controls: dict[str, float] | None = None,
        stretch: float | Tensor = 1.0,
    ) -> dict[str, Tensor]:
        """`x` (batch, tokens, channels). Returns adapted (batch, frames, channels), its mask, durations and predictions."""
        out = {"log_duration": self.duration_predictor(x, mask)}
        x = self._add(x, mask, "phone", out, targets, controls)
        if durations is None:
            durations = whole_frames(out["log_duration"], mask, stretch, truncate=self.truncate_durations)
        x, frames = expand(x, durations)
        frame_mask = valid(frames, x.shape[1])
        x = self._add(x, frame_mask, "frame", out, targets, controls)
        return {**out, "adapted": x, "frames": frames, "frame_mask": frame_mask, "duration": durations}

    def _add(self, x: Tensor, mask: Tensor, level: Level, out: dict, targets: dict | None, controls: dict | None) -> Tensor:
        for name in ("pitch", "energy"):
            if self.levels[name] != level:
                continue
            predictor = getattr(self, f"{name}_predictor")
            embedding = getattr(self, f"{name}_embedding")
            edges = getattr(self, f"{name}_bins")
            out[name] = predictor(x, mask)
            values = out[name] * (controls or {}).get(name, 1.0)
            if targets:
                values = targets[name][:, : x.shape[1]]
            # Under autocast a prediction has another type than the edges, which bucketize need not accept.
            values = values.to(edges.dtype).contiguous()
            x = x + embedding(torch.bucketize(values, edges))
        return x


class PostNet(nn.Module):
    """Convolutions that sharpen a mel (batch, frames, n_mel): Tacotron 2's."""

    def __init__(self, n_mel: int, channels: int, kernel: int, layers: int) -> None:
        super().__init__()
        sizes = [n_mel, *[channels] * (layers - 1), n_mel]
        padding = (kernel - 1) // 2
        self.convolutions = nn.ModuleList()
        for inputs, outputs in zip(sizes, sizes[1:], strict=False):
            convolution = Named(nn.Conv1d(inputs, outputs, kernel, padding=padding))
            norm = nn.BatchNorm1d(outputs)
            self.convolutions.append(nn.Sequential(convolution, norm))

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        x = mel.transpose(1, 2)
        real = 1.0 if mask is None else mask[:, None]
        last = len(self.convolutions)
        for number, (convolution, norm) in enumerate(self.convolutions, 1):
            x = convolution(x * real)
            x = self._normal(norm, x, mask)
            if number < last:
                x = torch.tanh(x)
            x = F.dropout(x, 0.5, self.training)
        return x.transpose(1, 2)

    @staticmethod
    def _normal(norm: nn.Module, x: Tensor, mask: Tensor | None) -> Tensor:
        """Batch norm of `x` (batch, channels, frames); in training the mean and spread are those of real frames."""
        if mask is None or not norm.training:
            return norm(x)
        x = x.transpose(1, 2)
        return torch.zeros_like(x).masked_scatter(mask[..., None], norm(x[mask])).transpose(1, 2)


class Named(nn.Module):
    """Holds one layer under a name that published weights give it."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)
