"""EnCodec: sound as a few whole numbers a frame, and back (https://arxiv.org/abs/2210.13438).

    sound (batch, channels, samples) -> SEANet -> (batch, hidden, frames) -> residual quantiser -> codes (batch, codebooks, frames)

The defaults are the published one of 24 kHz: causal, one channel, 75 frames a second, each codebook 0.75 kbit/s. The one of 48 kHz has
two channels, is not causal, and codes a second of sound at a time, brought to one loudness, with a hundredth of it shared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from models.base.model import Model
from models.codec.losses import MultiScaleMelLoss
from models.codec.spectral import SpectralDecoder, SpectralEncoder, SpectralSizes
from models.vocoders.losses import matched
from modules.quantization import ResidualQuantizer, from_first_process
from modules.seanet import SEANetDecoder, SEANetEncoder, SEANetSizes

QUIET = 1e-8  # added to a loudness that is divided by


@dataclass(frozen=True, kw_only=True)
class QuantizerSizes:
    """Of the residual quantiser, see `modules.quantization`. `codebooks` None is as many as the highest bandwidth takes."""

    codebooks: int | None = None
    codebook_size: int = 1024
    decay: float = 0.99
    kmeans: int = 50
    dead_below: float = 2.0

    def __post_init__(self) -> None:
        if self.codebook_size < 2:
            raise ValueError(f"quantizer.codebook_size: 2 or more are needed, got {self.codebook_size}.")


@dataclass(frozen=True, kw_only=True)
class Chunking:
    """How long sounds are coded: `seconds` at a time, None is all at once; `overlap` is the share of a chunk that the next one has too.

    `normalised`: each chunk is divided by its loudness, which is then kept beside its codes.
    """

    seconds: float | None = None
    overlap: float = 0.0
    normalised: bool = False


class Coded(NamedTuple):
    """Codes (batch, codebooks, frames), the loudness that their sound was divided by, (batch,), where it was.

    `timbre` (batch, channels) is the voice that speaks, of a codec that keeps it apart.
    """

    codes: Tensor
    scale: Tensor | None
    timbre: Tensor | None = None


class EnCodec(Model):
    """Sound (batch, samples) to codes and back. `hop_size` must be the product of `seanet.ratios`.

    `spectral` puts spectra in the place of SEANet, of which `hidden` alone then counts: see `models.codec.spectral`.

    `bandwidths`: kbit/s, rising; in training a batch uses the codebooks of one of them. `windows`: of the mel loss, samples. Training gives
    a codec of several channels one channel as all of them. Raises ValueError when the settings do not fit together.
    """

    reads = ("audio",)
    separates = False  # voice from content

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_size: int,
        audio_channels: int = 1,
        bandwidths: tuple[float, ...] = (1.5, 3.0, 6.0, 12.0, 24.0),
        seanet: SEANetSizes = SEANetSizes(),
        spectral: SpectralSizes | None = None,
        quantizer: QuantizerSizes = QuantizerSizes(),
        chunking: Chunking = Chunking(),
        windows: tuple[int, ...] = (2048, 1024, 512, 256, 128, 64),
    ) -> None:
        super().__init__()
        if spectral is not None and audio_channels != 1:
            raise ValueError(f"audio_channels: a codec of spectra has 1, got {audio_channels}. Set it to 1, or model.spectral to null.")
        if spectral is None and hop_size != seanet.hop_size:
            raise ValueError(f"preprocess.hop_size is {hop_size}, and a frame of seanet.ratios is {seanet.hop_size} samples: make them equal.")
        if not bandwidths or list(bandwidths) != sorted(bandwidths) or bandwidths[0] <= 0:
            raise ValueError(f"bandwidths: kbit/s above 0, rising, are needed, got {list(bandwidths)}.")
        if not 0 <= chunking.overlap < 1:
            raise ValueError(f"chunking.overlap: a share of 0 or more and less than 1 is needed, got {chunking.overlap}.")
        self.sample_rate = sample_rate
        self.samples_per_frame = hop_size
        self.audio_channels = audio_channels
        self.bandwidths = bandwidths
        self.chunking = chunking
        self.sizes = seanet
        self.bits = math.log2(quantizer.codebook_size)
        codebooks = quantizer.codebooks or self._books_of(bandwidths[-1])
        if spectral is None:
            self.encoder = SEANetEncoder(audio_channels, seanet)
            self.decoder = SEANetDecoder(audio_channels, seanet)
        else:
            size = {"hop_size": hop_size, "hidden": seanet.hidden}
            self.encoder = SpectralEncoder(spectral, sample_rate=sample_rate, **size)
            self.decoder = SpectralDecoder(spectral, **size)
        self.quantizer = ResidualQuantizer(
            codebooks=codebooks,
            codebook_size=quantizer.codebook_size,
            channels=seanet.hidden,
            decay=quantizer.decay,
            kmeans=quantizer.kmeans,
            dead_below=quantizer.dead_below,
        )
        self.mel_loss = MultiScaleMelLoss(windows, sample_rate=sample_rate)

    # Training

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`wave` and `mel` distances, `commitment` to the codebooks; `real` and `fake` (batch, 1, samples) for the discriminators."""
        audio = batch["audio"].unsqueeze(1)
        audio, loudness = self._normalised(self._in_channels(audio))
        hidden = self.encoder(audio)
        quantized = self.quantizer(hidden, self._drawn_books())
        wave = self.decoder(quantized.vectors)
        if loudness is not None:
            wave = wave * loudness
        fake = wave.float().mean(1, keepdim=True)  # the losses must be worked out from the very tensor that is given
        real, fake = matched(batch, fake)
        return {
            "wave": F.l1_loss(fake, real),
            "mel": self.mel_loss(real, fake, batch["samples"]),
            "commitment": quantized.commitment,
            "real": real,
            "fake": fake,
        }

    def _drawn_books(self) -> int | None:
        """In training the codebooks of a bandwidth that is drawn, so that every one of them is learnt; else all."""
        if not self.training:
            return None
        drawn = torch.randint(len(self.bandwidths), ()).to(self.quantizer.codebooks[0].embed.device)
        from_first_process(drawn)  # which must all share what as many codebooks count
        return self.books(self.bandwidths[int(drawn)])

    def _in_channels(self, audio: Tensor) -> Tensor:
        """One channel as all of them."""
        return audio.expand(-1, self.audio_channels, -1) if audio.shape[1] == 1 else audio

    # Bandwidths

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.samples_per_frame

    def books(self, bandwidth: float | None) -> int:
        """The codebooks of a bandwidth in kbit/s: as many as fit into it. None is all. Raises ValueError for less than one, or more than all."""
        most = len(self.quantizer.layers)
        if bandwidth is None:
            return most
        books = self._books_of(bandwidth) if math.isfinite(bandwidth) else 0
        if not 1 <= books <= most:
            kilobits = self.bits * self.frame_rate / 1000
            highest = kilobits * most
            raise ValueError(f"bandwidth: {kilobits:g} to {highest:g} kbit/s (published: {list(self.bandwidths)}), got {bandwidth}.")
        return books

    def _books_of(self, bandwidth: float) -> int:
        kilobits = self.bits * math.ceil(self.frame_rate) / 1000
        return math.floor(bandwidth / kilobits + 1e-9)

    # Use

    @torch.inference_mode()
    def infer(self, audio: Tensor, *, bandwidth: float | None = None) -> Tensor:
        """Samples (batch, samples) as they are after coding.

        `bandwidth`: kbit/s, of as many codebooks as fit into it; None is all of them.
        """
        chunks = self.encode(audio.unsqueeze(1), self.books(bandwidth))
        wave = self.decode(chunks)
        return wave.mean(1)[:, : audio.shape[1]]

    def encode(self, audio: Tensor, books: int | None = None) -> list[Coded]:
        """The codes of (batch, channels or 1, samples), a chunk at a time."""
        audio = self._in_channels(audio)
        samples = audio.shape[2]
        length, stride = self.chunk_samples(samples)
        coded = []
        for start in range(0, samples, stride):
            chunk = audio[..., start : start + length]
            coded.append(self._encode_chunk(chunk, books))
        return coded

    def chunk_samples(self, samples: int) -> tuple[int, int]:
        """Samples of a chunk of a sound of so many, and from the beginning of one to that of the next."""
        if self.chunking.seconds is None:
            return samples, max(1, samples)
        length = int(self.chunking.seconds * self.sample_rate)
        stride = int((1 - self.chunking.overlap) * length)
        return length, max(1, stride)

    def _encode_chunk(self, audio: Tensor, books: int | None) -> Coded:
        audio, loudness = self._normalised(audio)
        scale = None if loudness is None else loudness.flatten()
        hidden = self.encoder(audio)
        return Coded(self.quantizer.encode(hidden, books), scale)

    def _normalised(self, audio: Tensor) -> tuple[Tensor, Tensor | None]:
        """(batch, channels, samples) over their loudness (batch, 1, 1), where chunks are normalised; else as they are, and None."""
        if not self.chunking.normalised:
            return audio, None
        mono = audio.mean(1, keepdim=True)
        loudness = mono.square().mean(2, keepdim=True).sqrt() + QUIET
        return audio / loudness, loudness

    def decode(self, chunks: list[Coded]) -> Tensor:
        """Sound (batch, channels, samples) of chunks as `encode` gives them; whole frames, so that some samples may be too many."""
        waves = [self._decode_chunk(chunk) for chunk in chunks]
        if len(waves) == 1:
            return waves[0]
        _, stride = self.chunk_samples(0)
        return faded_together(waves, stride)

    def _decode_chunk(self, chunk: Coded) -> Tensor:
        wave = self.decoder(self.quantizer.decode(chunk.codes))
        return wave if chunk.scale is None else wave * chunk.scale[:, None, None]

    @property
    def streams(self) -> bool:
        """Whether pieces, each with what the layers kept of those before, are together what the whole is."""
        return self._is_whole and not self.looks_ahead and self.sizes.causal and self.sizes.trim_right == 1

    @property
    def streams_sound(self) -> bool:
        """Whether codes that still come become sound, be it some frames later."""
        return self.streams or (self._is_whole and self.looks_ahead)

    @property
    def looks_ahead(self) -> bool:
        """Whether its frames see `decoder.reach` others on both sides."""
        return isinstance(self.decoder, SpectralDecoder)

    @property
    def _is_whole(self) -> bool:
        return self.chunking.seconds is None and not self.chunking.normalised


def faded_together(waves: list[Tensor], stride: int) -> Tensor:
    """Chunks (batch, channels, samples), each `stride` samples after the one before, as one.

    Where they overlap, each counts as it is near its middle.
    """
    first = waves[0]
    batch, channels, length = first.shape
    ends = [number * stride + chunk.shape[2] for number, chunk in enumerate(waves)]
    total = max(ends)  # a last one that is shorter than the overlap may end before the one before it
    place = torch.linspace(0, 1, length + 2, device=first.device)[1:-1]
    weight = 0.5 - (place - 0.5).abs()
    wave = first.new_zeros(batch, channels, total)
    weights = first.new_zeros(total)
    for number, chunk in enumerate(waves):
        start = number * stride
        end = start + chunk.shape[2]
        own = weight[: chunk.shape[2]]
        wave[..., start:end] += own * chunk
        weights[start:end] += own
    return wave / weights
