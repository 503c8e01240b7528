"""FACodec: speech as codes of prosody, content and what is left, and a voice as one vector (https://arxiv.org/abs/2403.03100).

    sound (batch, 1, samples) -> DAC -> (batch, latent, frames) -> content, residual -> codes
                              -> mel -> prosody -> codes,  timbre (batch, latent)
    prosody + content + residual, led by timbre -> DAC -> sound

Codes of one recording with the timbre of another are that recording in the other voice. The defaults are Amphion's of 24 kHz.
"""

from __future__ import annotations

import bisect
import itertools
import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model, Settings
from models.codec.encodec import Chunking, Coded
from models.codec.factors import FrameTransformerSizes, GatedProsody, LatentTimbre, MelTimbre, TransformerProsody, Voice
from models.codec.losses import MultiScaleMelLoss
from models.codec.predictors import Asked, Factors, Labels, Predictors
from models.codec.quantizers import Books, FactorQuantizer
from models.codec.redecoder import Redecoder, RedecoderSizes
from models.codec.spectral import SpectralDecoder, SpectralEncoder, SpectralSizes
from models.vocoders.losses import matched
from modules.dac import DACDecoder, DACEncoder, DACSizes
from modules.masks import valid
from modules.quantization import check_codes
from processors.mel import MelSettings, MelSpectrogram

Source = Literal["mel", "latent"]
BIT = 1e-9  # kbit/s by which a bandwidth may be missed


@dataclass(frozen=True, kw_only=True)
class TimbreSizes:
    """Of what finds the voice: from the mel, or from the encoder's output by a transformer."""

    source: Source = "mel"
    hidden: int = 512
    heads: int = 2
    kernel_size: int = 5
    dropout: float = 0.1
    transformer: FrameTransformerSizes = FrameTransformerSizes()

    def network(self, n_mel: int, channels: int) -> nn.Module:
        """It, for a mel of so many bands."""
        if self.source == "latent":
            return LatentTimbre(channels, self.transformer)
        sizes = {"hidden": self.hidden, "heads": self.heads, "kernel_size": self.kernel_size, "dropout": self.dropout}
        return MelTimbre(n_mel, channels, **sizes)


@dataclass(frozen=True, kw_only=True)
class ProsodySizes:
    """Of what prosody is coded from: the lowest `bands` of the mel by gated convolutions or a transformer; or the encoder's output itself."""

    source: Source = "mel"
    encoder: Literal["gated", "transformer"] = "gated"
    bands: int = 20
    hidden: int = 256
    layers: int = 8
    kernel_size: int = 5
    transformer: FrameTransformerSizes = FrameTransformerSizes()

    def network(self, channels: int, *, causal: bool) -> nn.Module | None:
        """It; None where prosody is coded from the encoder's output."""
        if self.source == "latent":
            return None
        if self.encoder == "transformer":
            return TransformerProsody(self.bands, channels, self.transformer)
        sizes = {"hidden": self.hidden, "layers": self.layers, "kernel_size": self.kernel_size}
        return GatedProsody(self.bands, channels, **sizes, causal=causal)


@dataclass(frozen=True, kw_only=True)
class MelRead:
    """The mel that prosody and voice are found in, at the codec's frames; see `processors.mel`."""

    n_fft: int = 2048
    win_size: int = 1200
    n_mel: int = 80
    fmax: float | None = None
    convention: str = "facodec"


@dataclass(frozen=True, kw_only=True)
class CoderSizes(DACSizes):
    """Of encoder and decoder. `spectral` puts spectra in the place of DAC, of which `latent` alone then counts: see `models.codec.spectral`."""

    spectral: SpectralSizes | None = None


class FACodec(Model):
    """Speech (batch, samples) to codes and a voice, and back. `hop_size` must be the product of `dac.ratios`.

    `windows`: of the mel loss, samples. `redecoder`: a second decoder, for
    conversions. Raises ValueError when the settings do not fit together.
    """

    reads = ("audio", "f0", "frame_phone")
    prompts = ("audio",)  # another stretch of the utterance, from which the voice is found: there it cannot learn what is said
    tables = {
        "speakers": (
            "predictors.speaker.weight",
            "predictors.speaker.bias",
            "predictors.reversed_speaker.heads.0.weight",
            "predictors.reversed_speaker.heads.0.bias",
        ),
        "symbols": (
            "predictors.phone.heads.0.weight",
            "predictors.phone.heads.0.bias",
            "predictors.reversed_phone.heads.0.weight",
            "predictors.reversed_phone.heads.0.bias",
        ),
    }
    separates = True  # voice from content

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_size: int,
        n_speakers: int,
        n_vocab: int | None = None,
        dac: CoderSizes = CoderSizes(),
        books: Books = Books(),
        spectrogram: MelRead = MelRead(),
        prosody: ProsodySizes = ProsodySizes(),
        timbre: TimbreSizes = TimbreSizes(),
        predictors: Asked = Asked(),
        redecoder: RedecoderSizes | None = None,
        windows: tuple[int, ...] = (2048, 1024, 512, 256, 128, 64, 32),
    ) -> None:
        super().__init__()
        has_dac = dac.spectral is None or redecoder is not None
        if has_dac and hop_size != dac.hop_size:
            raise ValueError(f"preprocess.hop_size is {hop_size}, and a frame of dac.ratios is {dac.hop_size} samples: make them equal.")
        if not predictors.phones:
            n_vocab = None
        elif n_vocab is None:
            raise ValueError("predictors.phones: there are no symbols: add preprocess.features.phone, or set it to false.")
        self.sample_rate = sample_rate
        self.samples_per_frame = hop_size
        self.audio_channels = 1
        self.chunking = Chunking()
        self.streams = self.streams_sound = False  # the voice is that of the whole recording
        self.bands = prosody.bands
        self.timbre_source = timbre.source
        self.parts = tuple(books.counts)
        self.voice_channels = dac.latent
        channels = dac.latent
        if dac.spectral is None:
            self.encoder = DACEncoder(dac)
            self.decoder = DACDecoder(dac)
        else:
            self.encoder = SpectralEncoder(dac.spectral, sample_rate=sample_rate, hop_size=hop_size, hidden=channels)
            self.decoder = SpectralDecoder(dac.spectral, hop_size=hop_size, hidden=channels)
        self.quantizer = FactorQuantizer(books, channels)
        self.mel = MelSpectrogram(MelSettings(sample_rate=sample_rate, hop_size=hop_size, **vars(spectrogram)))
        self.prosody = prosody.network(channels, causal=dac.padding == "causal")
        self.timbre = timbre.network(spectrogram.n_mel, channels)
        self.voice = Voice(channels)
        self.predictors = Predictors(channels, phones=n_vocab, speakers=n_speakers, asked=predictors)
        self.redecoder = None
        if redecoder is not None:
            wide = replace(dac, decoder_filters=redecoder.decoder_filters)
            self.redecoder = Redecoder(books.counts, books.rows, wide, redecoder)
        self.mel_loss = MultiScaleMelLoss(windows, sample_rate=sample_rate)

    @classmethod
    def features_of(cls, settings: Settings) -> tuple[str, ...]:
        asked = settings.get("predictors", {})
        return cls.reads if asked.get("phones", True) else ("audio", "f0")

    # Training

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`wave` and `mel` distances, `commitment`, `codebook`, and the losses of the predictors; `real` and `fake` for the discriminators."""
        audio = batch["audio"].unsqueeze(1)
        frames = audio.shape[2] // self.samples_per_frame
        mask = self._mask(batch["frames"], frames, audio.device)
        latent = self.encoder(audio)
        quantized = self.quantizer(latent, self._prosody(audio, latent, mask), mask)
        factors = Factors(*quantized[:3], self._prompted(batch))
        wave = self.decoder(self.voice(factors.sum, factors.timbre))
        real, fake = matched(batch, wave.float())
        labels = Labels(batch["f0"], batch.get("frame_phone"), batch["speaker"].to(audio.device))
        return {
            "wave": F.l1_loss(fake, real),
            "mel": self.mel_loss(real, fake, batch["samples"]),
            "commitment": quantized.commitment,
            "codebook": quantized.codebook,
            **self.predictors(factors, labels, mask),
            "real": real,
            "fake": fake,
        }

    def _prompted(self, batch: dict[str, Any]) -> Tensor:
        """The voice (batch, channels) of the prompts."""
        audio = batch["prompt_audio"].unsqueeze(1)
        frames = audio.shape[2] // self.samples_per_frame
        mask = self._mask(batch["prompt_frames"], frames, audio.device)
        latent = None
        if self.timbre_source == "latent":
            latent = self.encoder(audio)
        return self._timbre(audio, latent, mask)

    def _mask(self, lengths: Tensor, frames: int, device: torch.device) -> Tensor:
        return valid(lengths.to(device), frames)

    # The parts

    def _prosody(self, audio: Tensor, latent: Tensor, mask: Tensor | None = None) -> Tensor:
        """What prosody is coded from, (batch, channels, frames)."""
        if self.prosody is None:
            return latent
        mel = self._mel(audio)
        return self.prosody(mel[:, : self.bands], mask)

    def _timbre(self, audio: Tensor, latent: Tensor | None, mask: Tensor | None = None) -> Tensor:
        """The voice, (batch, channels)."""
        if self.timbre_source == "latent":
            return self.timbre(latent, mask)
        return self.timbre(self._mel(audio), mask)

    def _mel(self, audio: Tensor) -> Tensor:
        """(batch, n_mel, frames) of sound (batch, 1, samples) of whole frames."""
        frames = audio.shape[2] // self.samples_per_frame
        mel = self.mel(audio.squeeze(1))
        return mel[:, :frames].transpose(1, 2)

    # Use

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.samples_per_frame

    def books(self, bandwidth: float | None) -> int:
        """The codebooks of a bandwidth in kbit/s: as many as fit into it, prosody and content at least. None is all.

        Raises ValueError for less than these two need, or more than all.
        """
        sizes = [book.size for book in self.quantizer.layers]
        if bandwidth is None:
            return len(sizes)
        bits = [math.log2(size) for size in sizes]
        kilobits = [total * self.frame_rate / 1000 for total in itertools.accumulate(bits)]
        books = bisect.bisect_right(kilobits, bandwidth + BIT)
        least = self.quantizer.least
        highest = kilobits[-1]
        if books < least or not bandwidth <= highest + BIT:  # as NaN is neither
            lowest = kilobits[least - 1]
            raise ValueError(f"bandwidth: {lowest:g} (prosody and content) to {highest:g} kbit/s, got {bandwidth}.")
        return books

    @torch.inference_mode()
    def infer(self, audio: Tensor, *, bandwidth: float | None = None) -> Tensor:
        """Samples (batch, samples) as they are after coding.

        `bandwidth`: kbit/s, of as many codebooks as fit into it; None is all of them.
        """
        chunks = self.encode(audio.unsqueeze(1), self.books(bandwidth))
        return self.decode(chunks)[:, 0, : audio.shape[1]]

    def encode(self, audio: Tensor, books: int | None = None) -> list[Coded]:
        """The codes and the voice of (batch, 1, samples), all at once; silence is put behind the sound until its frames are whole."""
        missing = -audio.shape[2] % self.samples_per_frame
        audio = F.pad(audio, (0, missing))
        latent = self.encoder(audio)
        timbre = self._timbre(audio, latent)
        prosody = self._prosody(audio, latent)
        codes = self.quantizer.encode(latent, prosody, books)
        coded = Coded(codes, None, timbre)
        return [coded]

    def decode(self, chunks: list[Coded]) -> Tensor:
        """Sound (batch, 1, samples) of what `encode` gives, in the voice that is given with it. Raises ValueError where there is none."""
        (coded,) = chunks
        if coded.timbre is None:
            raise ValueError("these codes have no timbre, by which they are decoded: give what `encode` gave, or Codes with one.")
        return self.decoder(self.voice(self.quantizer.decode(coded.codes), coded.timbre))

    def convert(self, codes: Tensor, timbre: Tensor, *, residual: bool = False) -> Tensor:
        """Sound (batch, 1, samples) of codes (batch, codebooks, frames) in another voice (batch, channels).

        `residual`: whether the residual codes have a say, which hold something of the voice that spoke.
        """
        most = len(self.quantizer.layers)
        check_codes(codes, most, self.quantizer.codebook_size)
        if self.redecoder is not None:
            return self.redecoder(codes, timbre, residual=residual)
        if not residual:
            codes = codes[:, : self.quantizer.least]
        coded = Coded(codes, None, timbre)
        return self.decode([coded])
