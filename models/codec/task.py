"""Codecs for users: a sound becomes codes, codes become sound, and what a codec keeps of a recording can be heard."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.base.task import Sample, Task
from models.codec.codes import CodedAudio, Codes, check_parts, check_values
from utils.audio import Audio

if TYPE_CHECKING:
    import torch

    from models.codec.encodec import Coded
    from preprocessors.base import Utterance

AT_ONCE_SECONDS = 20.0  # of a longer sound each time, where that is the same
STREAM_SECONDS = 0.1  # of a file that is streamed, as a microphone would give it
LEAST_SECONDS = 0.5  # of a recording that tells a voice
FAINTEST = 1e-3  # of full scale: what never is louder holds no voice
Sound = Audio | str | Path | np.ndarray


class Codec(Task):
    """`Codec("recording.wav", bandwidth=6) -> Audio`, and its two halves, `encode` and `decode`.

    A sound is an `Audio`, a file, or an array (channels, samples) at the codec's rate, in which stereo stays so.
    """

    example = "--folder a/folder/of/recordings"
    called_with = '"recording.wav"'
    streams_files = True
    metrics = "mstft pesq stoi mcd f0rmse energy_rmse"
    align = "cut"
    length_ratio = 1.25

    def __call__(self, source: Sound | Codes, *, reference: str | None = None, **options: Any) -> CodedAudio:
        """The sound as it is after coding, or that of codes or a file of them (.safetensors). Written, it has its codes beside it.

        `reference`: a recording in whose voice it is to be, of a codec that keeps the voice apart. `options` are those of the model's
        `infer`, such as `bandwidth`.
        """
        codes = self._coded_sound(source, options)
        if reference is not None:
            return self.convert(codes, reference)
        audio = self.decode(codes)
        return CodedAudio(audio.samples, audio.rate, codes=codes)

    def _coded_sound(self, source: Sound | Codes, options: dict[str, Any]) -> Codes:
        """Codes as they are or from their file, or those of a sound."""
        is_path = isinstance(source, str | Path)
        if is_path and Path(source).suffix == ".safetensors":
            source = Codes.load(source)
        return self._lowered(source, options) if isinstance(source, Codes) else self.encode(source, **options)

    def _lowered(self, codes: Codes, options: dict[str, Any]) -> Codes:
        """Those codebooks of codes that the bandwidth among the options has, as far as they are there."""
        books = self._books(options)
        return codes.first(min(books, codes.codebooks))

    def convert(self, source: Sound | Codes, reference: Sound | Codes, *, residual: bool = False) -> CodedAudio:
        """What `source` says, as it says it, in the voice of `reference`: a recording of half a second or more, or codes of one.

        `residual`: whether what neither prosody nor content tells is kept, which sounds finer, and more like who spoke. Raises
        ValueError for a codec that does not keep the voice apart, and for a reference too short or silent.
        """
        self._check_voice()
        coded = self._coded_sound(source, {})
        codes = self._own(coded)
        timbre = self._voice_of(reference)
        if not residual:
            codes = codes.first(self.model.quantizer.least)
        values = self._values(codes)
        vector = torch_of(timbre, self.device)
        with self._without_gradients():
            wave = self.network.convert(values, vector[None], residual=residual)
        whole = wave[0, 0].float().cpu().numpy()
        samples = whole[: codes.samples]
        converted = replace(codes, timbre=timbre)
        return CodedAudio(samples, self.rate, codes=converted)

    def _voice_of(self, reference: Sound | Codes) -> np.ndarray:
        """The timbre (channels,) of a recording, checked, or of its codes."""
        if not isinstance(reference, Codes) and Path(str(reference)).suffix != ".safetensors":
            self._check_reference(reference)
        codes = self._own(self._coded_sound(reference, {}))
        return codes.timbre

    def _check_voice(self) -> None:
        if not self.model.separates:
            raise ValueError(f"{self.name} does not keep the voice apart, so that it converts none: take a FACodec.")

    def _check_reference(self, reference: Sound) -> None:
        """Raises ValueError for a recording from which no voice can be told."""
        whose = f"the reference {reference}" if isinstance(reference, str | Path) else "the reference"
        samples = self._samples(reference)
        seconds = samples.shape[2] / self.rate
        if seconds < LEAST_SECONDS:
            raise ValueError(f"{whose} is {seconds:.2f} s long: {LEAST_SECONDS:g} s or more of one voice are needed, three are better.")
        loudest = float(samples.abs().max())
        if loudest < FAINTEST:
            raise ValueError(f"{whose} is silent (its peak is {loudest:.1g} of full scale): give a recording of somebody who speaks.")

    def encode(self, source: Sound, **options: Any) -> Codes:
        """The codes of a sound of any rate, `values` (codebooks, frames).

        `bandwidth`: kbit/s, of as many codebooks as fit into it; None is all. Raises ValueError for a bandwidth that the codec does not
        have, and for a sound that is empty or holds NaN.
        """
        samples = self._samples(source)
        books = self._books(options)
        with self._without_gradients():
            chunks = self._chunks(samples, books)
            (codes,) = self._codes(chunks, samples.shape[2])
        return codes

    def batch(self, sources: Sequence[Sound], **options: Any) -> list[Codes]:
        """The codes of several sounds; those of one length are coded together."""
        sounds = [self._samples(source) for source in sources]
        books = self._books(options)
        by_length: dict[int, list[int]] = {}
        for place, samples in enumerate(sounds):
            by_length.setdefault(samples.shape[2], []).append(place)
        found: dict[int, Codes] = {}
        for length, places in by_length.items():
            together = self._stacked([sounds[place] for place in places])
            with self._without_gradients():
                chunks = self._chunks(together, books)
                coded = self._codes(chunks, length)
            found |= dict(zip(places, coded, strict=True))
        return [found[place] for place in range(len(sounds))]

    def decode(self, codes: Codes | np.ndarray) -> Audio:
        """The sound of codes, or of an array (codebooks, frames); any number of codebooks from the first on. Channels are averaged.

        Raises ValueError for codes of another codec: out of range, too many codebooks, another rate or size of frame.
        """
        return Audio(self.decode_channels(codes).mean(0), self.rate)

    def decode_channels(self, codes: Codes | np.ndarray) -> np.ndarray:
        """As `decode`, each channel apart: float32 (channels, samples)."""
        codes = self._own(codes)
        with self._without_gradients():
            wave = self._wave(codes)
        return wave[0, :, : codes.samples].float().cpu().numpy()

    def decode_latent(self, latent: np.ndarray) -> Audio:
        """The sound of latents (frames, latent), as models predict them in place of codes: what a frame's codes stand for.

        Raises ValueError for some of another width, and for a codec whose latents lack the voice.
        """
        import torch

        if self.model.separates:
            raise ValueError(f"{self.name}: latents alone have no voice: decode codes, which have one beside them.")
        if latent.ndim != 2 or latent.shape[1] != self.latent or not len(latent):
            raise ValueError(f"latents of shape (1 or more frames, {self.latent}) are expected, got {latent.shape}: are they another codec's?")
        contiguous = np.ascontiguousarray(latent.T, dtype=np.float32)
        hidden = torch.from_numpy(contiguous)[None].to(self.device)
        with self._without_gradients():
            wave = self.network.decoder(hidden)
        return Audio(wave[0].mean(0).float().cpu().numpy(), self.rate)

    def stream_codes(self, pieces: Iterable[Audio], **options: Any) -> Iterator[Codes]:
        """The codes of a sound that comes in pieces of any length, as it comes: side by side they are those of the whole.

        Each layer keeps what the next piece needs. The first codes take some frames (for EnCodec 7, a tenth of a second). Pieces are at the
        codec's rate. Raises ValueError for a codec that is not causal, and for a piece of another rate.
        """
        from models.codec.streaming import codes_of

        self._check_streaming()
        books = self._books(options)
        sounds = (self._piece(piece) for piece in pieces)
        for codes in codes_of(self.network, sounds, books):
            yield self._of_values(codes[0].cpu().numpy())

    def stream_sound(self, pieces: Iterable[Codes | np.ndarray]) -> Iterator[Audio]:
        """The sound of codes that come in pieces of any length, as they come: joined, it is that of the whole.

        Where a codec looks ahead, sound comes some frames later. Raises ValueError as `decode` does, and
        for a piece of another number of codebooks.
        """
        from models.codec.streaming import sound_of

        if not self.model.streams_sound:
            self._check_streaming()
        arrays = (self._values(self._own(piece)) for piece in pieces)
        for wave in sound_of(self.network, arrays):
            mono = wave[0].mean(0).float().cpu()
            yield Audio(mono.numpy(), self.rate)

    def stream_file(self, source: str, **options: Any) -> Audio:
        """As `__call__`, but a tenth of a second after another."""
        from utils.audio import join

        audio = Audio.read(source, self.rate)
        size = round(STREAM_SECONDS * self.rate)
        starts = range(0, len(audio.samples), size)
        parts = (audio.samples[start : start + size] for start in starts)
        pieces = (Audio(part, self.rate) for part in parts)
        codes = self.stream_codes(pieces, **options)
        sounds = list(self.stream_sound(codes))
        decoded = join(sounds).samples
        length = len(audio.samples)
        return Audio(decoded[:length], self.rate)

    def sample(self, utterance: Utterance, **options: Any) -> Sample:
        """The recording after coding, beside it."""
        recorded = utterance.read(self.rate)
        coded = self(recorded, **options)
        generated = {"mel": self._mel(coded)}
        audio = Audio(coded.samples, coded.rate)
        return Sample(audio, utterance.text or utterance.id, generated, {"mel": self._mel(recorded)})

    # What the codec is

    @property
    def hop_size(self) -> int:
        """Samples of a frame."""
        return self.model.samples_per_frame

    @property
    def codebooks(self) -> int:
        """As many as a sound may be coded by."""
        return len(self.model.quantizer.layers)

    @property
    def codebook_size(self) -> int:
        return self.model.quantizer.codebook_size

    @functools.cached_property
    def latent(self) -> int:
        """How many numbers a frame's codes stand for."""
        import torch

        codes = torch.zeros(1, self.codebooks, 1, dtype=torch.long, device=self.device)
        with self._without_gradients():
            return self.model.quantizer.decode(codes).shape[1]

    @property
    def channels(self) -> int:
        return self.model.audio_channels

    @property
    def in_chunks(self) -> bool:
        """Whether a long sound is coded a chunk at a time."""
        return self.model.chunking.seconds is not None

    @functools.cached_property
    def digest(self) -> str:
        """Stands for its weights, whatever file holds them."""
        from models.base.frozen import digest_of_weights

        return digest_of_weights(self.model.state_dict())

    def _books(self, options: dict[str, Any]) -> int:
        chosen = self.chosen(options)
        return self.model.books(chosen.get("bandwidth"))

    def _check_streaming(self) -> None:
        if not self.model.streams:
            raise ValueError(f"{self.name}: this one cannot stream, as it is not causal or codes in chunks: use encode and decode.")

    # From sound to codes

    def _samples(self, source: Sound) -> torch.Tensor:
        """A sound as (1, channels or 1, samples) at the codec's rate, checked."""
        if isinstance(source, str | Path):
            source = Audio.read(source)
        if isinstance(source, Audio):
            resampled = source.resample(self.rate)
            source = resampled.samples[None]
        array = np.asarray(source, dtype=np.float32)
        shape = array.shape
        if len(shape) != 2 or shape[0] not in (1, self.channels):
            raise ValueError(f"a sound of shape (1 or {self.channels} channels, samples) is expected, got {shape}.")
        return self._checked(array)

    def _piece(self, piece: Audio) -> torch.Tensor:
        if piece.rate != self.rate:
            raise ValueError(f"a piece of a stream has the codec's rate, {self.rate} Hz, got {piece.rate} Hz: resample the whole sound.")
        samples = self._checked(piece.samples[None])
        return samples.expand(-1, self.channels, -1)

    def _checked(self, array: np.ndarray) -> torch.Tensor:
        import torch

        if not array.shape[1]:
            raise ValueError("the sound to code has no sample.")
        if not np.isfinite(array).all():
            raise ValueError("the sound to code holds NaN or infinity.")
        contiguous = np.ascontiguousarray(array)
        return torch.from_numpy(contiguous)[None].to(self.device)

    def _stacked(self, sounds: list[torch.Tensor]) -> torch.Tensor:
        import torch

        return torch.cat([sound.expand(-1, self.channels, -1) for sound in sounds])

    def _chunks(self, samples: torch.Tensor, books: int) -> list[Coded]:
        """The codes of sounds of one length, a piece of them after the other where they are long and that is the same."""
        from models.codec.encodec import Coded
        from models.codec.streaming import codes_of

        size = round(AT_ONCE_SECONDS * self.rate)
        if samples.shape[2] <= size or not self.model.streams:
            return self.network.encode(samples, books)
        pieces = samples.expand(-1, self.channels, -1).split(size, 2)
        return [Coded(_joined(codes_of(self.network, pieces, books)), None)]

    def _codes(self, chunks: list[Coded], samples: int) -> list[Codes]:
        """Those of each sound of a batch."""
        values = _joined(chunk.codes for chunk in chunks).cpu().numpy()
        chunk_frames = tuple(chunk.codes.shape[2] for chunk in chunks)
        found = []
        for place, own in enumerate(values):
            scales = None
            if chunks[0].scale is not None:
                scales = np.array([float(chunk.scale[place]) for chunk in chunks], dtype=np.float32)
            codes = self._of_values(own, samples, chunk_frames, scales)
            if chunks[0].timbre is not None:
                timbre = chunks[0].timbre[place].float().cpu().numpy()
                codes = replace(codes, timbre=timbre, parts=self.model.parts)
            found.append(codes)
        return found

    def _of_values(
        self, values: np.ndarray, samples: int | None = None, chunk_frames: tuple[int, ...] = (), scales: np.ndarray | None = None
    ) -> Codes:
        """Codes of this codec from their array; unless told, of whole frames."""
        length = values.shape[1] * self.hop_size if samples is None else samples
        return Codes(values, self.rate, self.hop_size, self.codebook_size, length, chunk_frames, scales)

    # From codes to sound

    def _own(self, codes: Codes | np.ndarray) -> Codes:
        """Codes, checked that they are of this codec."""
        if not isinstance(codes, Codes):
            values = np.asarray(codes)
            check_values(values, self.codebook_size)
            codes = self._of_values(values)
        own = {"rate": self.rate, "hop_size": self.hop_size, "codebook_size": self.codebook_size}
        for name, value in own.items():
            if getattr(codes, name) != value:
                raise ValueError(f"these codes are another codec's: their {name} is {getattr(codes, name)}, and {self.name} has {value}.")
        if codes.codebooks > self.codebooks:
            raise ValueError(f"codes of 1 to {self.codebooks} codebooks are expected, got {codes.codebooks}.")
        if (codes.scales is not None) != self.model.chunking.normalised:
            needs = "a scale for each chunk" if self.model.chunking.normalised else "no scales"
            raise ValueError(f"{self.name} has {needs} beside its codes: give it what its `encode` gave.")
        if self.model.separates:
            check_parts(codes, self.model.quantizer.least, self.model.voice_channels, self.name)
        return codes

    def _values(self, codes: Codes) -> torch.Tensor:
        """(1, codebooks, frames)."""
        import torch

        return torch.from_numpy(codes.values)[None].to(self.device)

    def _wave(self, codes: Codes) -> torch.Tensor:
        """(1, channels, samples)."""
        from models.codec.streaming import sound_of

        size = round(AT_ONCE_SECONDS * self.rate / self.hop_size)
        values = self._values(codes)
        if codes.frames > size and self.model.streams:
            return _joined(sound_of(self.network, values.split(size, 2)))
        return self.network.decode(self._coded(codes))

    def _coded(self, codes: Codes) -> list[Coded]:
        """The chunks as the network has them."""
        import torch

        from models.codec.encodec import Coded

        parts = self._values(codes).split(codes.chunk_frames, 2)
        if codes.timbre is not None:
            return [Coded(part, None, torch_of(codes.timbre, self.device)[None]) for part in parts]
        if codes.scales is None:
            return [Coded(part, None) for part in parts]
        scales = torch.tensor(codes.scales, device=self.device).split(1)
        return [Coded(part, scale) for part, scale in zip(parts, scales, strict=True)]

    def _without_gradients(self) -> Any:
        import torch

        return torch.inference_mode()

    def _mel(self, audio: Audio) -> np.ndarray:
        """(frames, n_mel), for a picture."""
        import torch

        from processors.mel import MelSpectrogram

        samples = torch.from_numpy(audio.samples)[None]
        return MelSpectrogram(self.mel_settings)(samples)[0].numpy()


def torch_of(array: np.ndarray, device: Any) -> torch.Tensor:
    """An array as a tensor on a device."""
    import torch

    return torch.from_numpy(np.asarray(array)).to(device)


def _joined(parts: Iterable[torch.Tensor]) -> torch.Tensor:
    import torch

    return torch.cat(list(parts), -1)
