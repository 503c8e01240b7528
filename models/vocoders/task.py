"""Vocoders for users: a mel becomes sound, and a recording is resynthesised to hear what a vocoder keeps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from models.base.task import Sample, Task
from utils.audio import Audio
from utils.registry import nearest

if TYPE_CHECKING:
    import torch

    from models.vocoders.stream import Inputs, Stream
    from preprocessors.base import Utterance

LONGEST_SECONDS = 20.0  # what is longer is made in pieces, unless chunk_seconds says otherwise
CHUNK_SECONDS = 8.0  # of such a piece: long enough that its margins cost little, short enough for any memory
STREAM_SECONDS = 0.1
BATCH_SECONDS = 2.0
COMPILED = "a vocoder that makes sound step by step cannot be compiled whole: leave out compile"

Precision = Literal["float32", "bf16"]
PRECISIONS = ("float32", "bf16")


@dataclass(frozen=True)
class RunOptions:
    """The task's own options, and in `infer` those of the model."""

    chunk_seconds: float | None = None
    precision: Precision = "float32"
    compile: bool = False
    infer: Mapping[str, Any] = field(default_factory=dict)


class Vocoder(Task):
    """`Vocoder(mel) -> Audio`. Mels are (frames, n_mel) of the settings in `mel_settings`.

    Weight norms are multiplied out on first use, in a copy: the model that is handed in stays as it is.
    """

    example = "--folder a/folder/of/recordings"
    streams_files = True
    metrics = "mcd mstft pesq stoi f0rmse fpc energy_rmse"
    align = "cut"
    length_ratio = 1.25

    def __call__(
        self,
        source: np.ndarray | Audio | str | Path,
        rate: int | None = None,
        *,
        f0: Any = None,
        chunk_seconds: float | None = None,
        precision: Precision = "float32",
        compile: bool = False,
        **options: Any,
    ) -> Audio:
        """Sound from a mel (frames, n_mel) or a .npy file of one, or from a recording by way of its mel.

        A recording is a file, an `Audio`, or samples (samples,) and their `rate` in Hz.

        `f0` (frames,) in Hz or a .npy file of it goes with a mel, for models that read it. `chunk_seconds` is how much sound
        is made at once, 0 for everything, None for what memory allows: the result is the same. `precision` "bf16" is for
        GPUs, `compile` for many sounds after one another: the first takes minutes. All other `options` are those of the
        model's `infer`; None is the model's own choice. Raises ValueError for an option that this model does not have, and
        for a mel with another number of bands, no frame, or NaN.
        """
        arrays = self._arrays(source, f0, rate)
        return self._decode(arrays, chunk_seconds=chunk_seconds, precision=precision, compile=compile, **options)

    def stream_file(self, source: str, *, f0: Any = None, **options: Any) -> Audio:
        """As `__call__`, but through `stream`, one frame after another."""
        from utils.audio import join

        arrays = self._arrays(source, f0)
        pieces = [mel_frame[None] for mel_frame in arrays["mel"]]
        if self.reads_f0:
            f0_pieces = [f0_frame[None] for f0_frame in arrays["f0"]]
            pieces = list(zip(pieces, f0_pieces, strict=True))
        audios = list(self.stream(pieces, **options))
        return join(audios)

    def resynthesise(self, audio: Audio, **options: Any) -> Audio:
        """The recording through mel, and F0 where the model reads it, and back."""
        return self._decode(self.analyse(audio), **options)

    def sample(self, utterance: Utterance, **options: Any) -> Sample:
        """The recording through mel and back; in the voice of its speaker, for a model that tells voices apart and unless `options` says."""
        if self.voices is not None:
            options = {"speaker": self.speaker_of(utterance)} | options
        audio = utterance.read(self.rate)
        recorded = self.analyse(audio)
        synthesised = self._decode(recorded, **options)
        mel = self.analyse(synthesised)["mel"]
        return Sample(synthesised, utterance.text or utterance.id, {"mel": mel}, recorded)

    def batch(self, mels: list[np.ndarray], f0: list[np.ndarray] | None = None, **options: Any) -> list[Audio]:
        """The sound of several mels of any lengths, convolutional models many at a time; equal to one by one."""
        tracks = [None] * len(mels) if f0 is None else f0
        if len(tracks) != len(mels):
            raise ValueError(f"one f0 for each mel is needed, got {len(tracks)} for {len(mels)}.")
        pairs = zip(mels, tracks, strict=True)
        utterances = [_by_name(mel, track) for mel, track in pairs]
        run = _parsed(**options)
        if self.reach is None:
            return [self._decode(arrays, **options) for arrays in utterances]
        from models.vocoders.stream import side_by_side

        seconds = run.chunk_seconds or BATCH_SECONDS
        chunk = self._frames(seconds)
        inputs = [self._inputs(arrays, run) for arrays in utterances]
        network = self._running(run)
        sizes = {"hop_size": self.hop_size, "chunk": chunk, "reach": self.reach}
        waves = side_by_side(network, inputs, **sizes)
        return [_audio(samples, self.rate) for samples in waves]

    def stream(self, mels: Iterable[Any], **options: Any) -> Iterator[Audio]:
        """The sound of a mel that comes in pieces, as it comes; joined, it is the sound of the whole.

        A piece is a mel (frames, n_mel) of any length, or a pair of a mel and its f0 (frames,) for models that read it.
        `chunk_seconds` of sound (default 0.1) are given at a time. The latency is logged with the first.
        """
        from utils.log import log

        stream = self.open_stream(mels, **options)
        for i, samples in enumerate(stream):
            if not i:
                log.info(f"{self.name}: {stream.latency}.")
            yield _audio(samples[0], self.rate)
        if stream.latency is None:
            raise ValueError("the stream ended before its first frame.")

    def open_stream(self, mels: Iterable[Any], **options: Any) -> Stream:
        """What `stream` goes through: it gives tensors (1, samples), and its `latency` can be asked for."""
        from models.vocoders.stream import Stream

        if self.reach is None:
            raise ValueError(f"{self.name} cannot stream: only models that are convolutions over frames can.")
        run = _parsed(**options)
        chunk = self._frames(run.chunk_seconds or STREAM_SECONDS)
        network = self._running(run)
        pieces = self._pieces(mels, run)
        return Stream(network, pieces, sample_rate=self.rate, hop_size=self.hop_size, chunk=chunk, reach=self.reach)

    def convert(self, mel: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
        """A mel made with `settings` (arguments of `MelSpectrogram`) as this vocoder reads it.

        Another base of the logarithm, another mean and scale are worked out. Raises ValueError naming both values of
        whatever else differs.
        """
        from processors.mel import mel_converted

        return mel_converted(mel, settings, self.mel_settings)

    # What the model is

    @property
    def hop_size(self) -> int:
        """Samples of a frame."""
        return self.features.hop_size

    @property
    def reach(self) -> int | None:
        """Frames on either side that have a say in a frame, or None for a model that is no convolution over frames."""
        return self.model.receptive_field_frames

    @property
    def reads_f0(self) -> bool:
        return "f0" in self.model.inputs()

    @property
    def draws_alongside(self) -> bool:
        """Whether what the model draws runs along with the mel; else it draws by itself, and is given the seed."""
        return bool(self.model.draws) and self.reach is not None

    @functools.cached_property
    def _compiled(self) -> Callable[..., torch.Tensor]:
        if self.reach is None:
            raise ValueError(f"{self.name}: {COMPILED}.")
        return self.network.compiled()

    # From arrays to sound

    def _arrays(self, source: np.ndarray | Audio | str | Path, f0: Any, rate: int | None = None) -> dict[str, np.ndarray]:
        """What the model is to read: a mel, given or in a file, with its f0; or all of it from a recording."""
        if _is_recording(source, rate):
            if f0 is not None:
                raise ValueError("f0 is worked out from the recording: give it with a mel only.")
            return self.analyse(Audio.of(source, rate))
        mel = _array(source)
        f0 = _array(f0)
        self._check(mel, f0)
        return _by_name(mel, f0)

    def analyse(self, audio: Audio) -> dict[str, np.ndarray]:
        """What the model reads of a recording: mel (frames, n_mel), and f0 (frames,) where it does."""
        from preprocessors.base import Utterance
        from processors.f0 import F0
        from processors.frames import Frames
        from utils.config import build

        available = self.features.features
        features = {"mel": available["mel"]}
        if self.reads_f0:
            features["f0"] = available["f0"] if "f0" in available else build(F0, {}, self.features.common)
        resampled = audio.resample(self.rate)
        utterance = Utterance(id="-")
        arrays = {name: feature(utterance, resampled) for name, feature in features.items()}
        padding = self.features.frames.padding
        frames = Frames(features, sample_rate=self.rate, hop_size=self.hop_size, padding=padding)
        return frames.bring(arrays)

    def _decode(self, arrays: dict[str, np.ndarray], **options: Any) -> Audio:
        run = _parsed(**options)
        network = self._running(run)
        inputs = self._inputs(arrays, run)
        parts = []
        for part in self._parts(network, inputs, run):
            samples = part[0].float().cpu()
            parts.append(samples.numpy())
        return Audio(np.concatenate(parts), self.rate)

    def _parts(self, network: Any, inputs: Inputs, options: RunOptions) -> Iterator[torch.Tensor]:
        """The samples at once, or in pieces where that is asked for or they are many."""
        from models.vocoders.stream import in_windows

        seconds = options.chunk_seconds
        if seconds and self.reach is None:
            raise ValueError(f"chunk_seconds: {self.name} is no convolution over frames and cannot be cut in pieces.")
        samples = inputs["mel"].shape[1] * self.hop_size
        if seconds is None and self.reach is not None and samples > LONGEST_SECONDS * self.rate:
            seconds = CHUNK_SECONDS
        if not seconds:
            return iter([network(**inputs)])
        return in_windows(network, inputs, hop_size=self.hop_size, chunk=self._frames(seconds), reach=self.reach)

    def _frames(self, seconds: float) -> int:
        if not seconds > 0:
            raise ValueError(f"chunk_seconds must be 0 (everything at once) or more, got {seconds}.")
        return max(1, round(seconds * self.rate / self.hop_size))

    def _running(self, options: RunOptions) -> Callable[..., torch.Tensor]:
        """The network as a function of its inputs, with the options that were named."""
        import torch

        arguments = self.chosen(options.infer)
        if self.draws_alongside:
            arguments.pop("seed", None)  # has its effect on what is drawn, in `_inputs`
        if options.precision not in PRECISIONS:
            raise ValueError("precision: " + nearest(options.precision, PRECISIONS, "precision"))
        infer = self._compiled if options.compile else self.network.infer
        without_gradients = torch.no_grad if options.compile else torch.inference_mode
        kind = torch.device(self.device).type
        bf16 = torch.autocast(kind, torch.bfloat16, enabled=options.precision == "bf16")

        def network(**inputs: torch.Tensor) -> torch.Tensor:
            with without_gradients(), bf16:
                return infer(**inputs, **arguments)

        return network

    def _pieces(self, mels: Iterable[Any], options: RunOptions) -> Iterator[Inputs]:
        """The inputs of each piece of a stream, what is drawn for all of them from one seed."""
        options = replace(options, infer={**options.infer, "seed": self._seed(options)})
        past_f0: list[np.ndarray] = []
        first = 0
        for piece in mels:
            mel, f0 = piece if isinstance(piece, tuple) else (piece, None)
            if not len(mel):
                continue
            yield self._inputs(_by_name(mel, f0), options, first, past_f0)
            first += len(mel)
            if f0 is not None:
                past_f0.append(f0)

    def _inputs(
        self, arrays: dict[str, np.ndarray], options: RunOptions, first: int = 0, past_f0: Sequence[np.ndarray] = ()
    ) -> Inputs:
        """The arrays, checked, as a batch of one, with what is drawn from frame `first` on; `past_f0` is the F0 until there."""
        self._check(**arrays)
        inputs = {name: self._tensor(value) for name, value in arrays.items()}
        if not self.draws_alongside:
            return inputs
        context = dict(inputs)
        if past_f0:
            context["f0"] = self._tensor(np.concatenate([*past_f0, arrays["f0"]]))
        draws = self.network.drawn(context, seed=self._seed(options), first=first)
        return inputs | draws

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        import torch

        contiguous = np.ascontiguousarray(array, dtype=np.float32)
        return torch.from_numpy(contiguous)[None].to(self.device)

    def _seed(self, options: RunOptions) -> int:
        """The seed that was named; else the model's own, or one by chance."""
        import torch

        seed = options.infer.get("seed")
        if seed is None and "seed" in self.options:
            seed = self.options["seed"].default
        return int(torch.randint(2**31, ())) if seed is None else seed

    def _check(self, mel: np.ndarray, f0: np.ndarray | None = None) -> None:
        n_mel = self.mel_settings.n_mel
        if mel.ndim != 2 or mel.shape[1] != n_mel or not len(mel):
            raise ValueError(f"a mel of shape (frames, {n_mel}) with one frame or more is expected, got {mel.shape}.")
        if not np.isfinite(mel).all():
            raise ValueError("the mel holds NaN or infinity: look at the acoustic model that made it.")
        if f0 is None:
            if self.reads_f0:
                raise ValueError(f"{self.name} reads F0 beside the mel: give f0 (frames,) in Hz, 0 where there is no voice.")
            return
        if not self.reads_f0:
            raise ValueError(f"{self.name} reads no F0: leave out f0.")
        if f0.shape != mel.shape[:1]:
            raise ValueError(f"f0 of shape {f0.shape} does not fit a mel of {len(mel)} frames: one value a frame is needed.")
        if not np.isfinite(f0).all() or (f0 < 0).any():
            raise ValueError("f0 must be finite and 0 Hz or more: it holds NaN, infinity or negative values.")


def _by_name(mel: np.ndarray, f0: np.ndarray | None) -> dict[str, np.ndarray]:
    return {"mel": mel} if f0 is None else {"mel": mel, "f0": f0}


def _audio(samples: torch.Tensor, rate: int) -> Audio:
    return Audio(samples.float().cpu().numpy(), rate)


def _is_recording(source: Any, rate: int | None) -> bool:
    """Whether it is a sound, and not a mel or a file of one: samples have one axis, a mel has two."""
    if isinstance(source, str | Path):
        return Path(source).suffix != ".npy"
    return isinstance(source, Audio) or rate is not None or np.ndim(source) == 1


def _array(value: Any) -> np.ndarray | None:
    """An array as it is, or from a .npy file."""
    if not isinstance(value, str | Path):
        return None if value is None else np.asarray(value)
    try:
        return np.load(value, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{value} is no readable .npy file of numbers: {error}") from error


def _parsed(*, chunk_seconds: float | None = None, precision: Precision = "float32", compile: bool = False, **options: Any) -> RunOptions:
    """What was named in a call, the task's own apart from the options of the model."""
    return RunOptions(chunk_seconds, precision, compile, options)
