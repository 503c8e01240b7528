"""Vocoders for users: a mel becomes sound, and a recording is resynthesised to hear what a vocoder keeps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
class How:
    """The task's own options, and those of the model."""

    chunk_seconds: float | None = None
    precision: Precision = "float32"
    compile: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


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
        source: np.ndarray | str,
        *,
        f0: Any = None,
        chunk_seconds: float | None = None,
        precision: Precision = "float32",
        compile: bool = False,
        **options: Any,
    ) -> Audio:
        """Sound from a mel (frames, n_mel) or a .npy file of one, or from a recording by way of its mel.

        `f0` (frames,) in Hz or a .npy file of it goes with a mel, for models that read it. `chunk_seconds` is how much sound
        is made at once, 0 for everything, None for what memory allows: the result is the same. `precision` "bf16" is for
        GPUs, `compile` for many sounds after one another: the first takes minutes. All other `options` are those of the
        model's `infer`; None is the model's own choice. Raises ValueError for an option that this model does not have, and
        for a mel with another number of bands, no frame, or NaN.
        """
        own = {"chunk_seconds": chunk_seconds, "precision": precision, "compile": compile}
        return self._decode(self._arrays(source, f0), **own, **options)

    def stream_file(self, source: str, *, f0: Any = None, **how: Any) -> Audio:
        """As `__call__`, but through `stream`, one frame after another."""
        from utils.audio import join

        frames = (tuple(frame) for frame in zip(*(x[:, None] for x in self._arrays(source, f0).values()), strict=True))
        return join(list(self.stream((f if self.reads_f0 else f[0] for f in frames), **how)))

    def resynthesise(self, audio: Audio, **how: Any) -> Audio:
        """The recording through mel, and F0 where the model reads it, and back."""
        return self._decode(self.analyse(audio), **how)

    def sample(self, utterance: Utterance, **how: Any) -> Sample:
        """The recording through mel and back; in the voice of its speaker, for a model that tells voices apart and unless `how` says."""
        if self.voices is not None:
            how = {"speaker": self.speaker_of(utterance)} | how
        audio = utterance.read(self.rate)
        recorded = self.analyse(audio)
        heard = self._decode(recorded, **how)
        return Sample(heard, utterance.text or utterance.id, {"mel": self.analyse(heard)["mel"]}, recorded)

    def batch(self, mels: list[np.ndarray], f0: list[np.ndarray] | None = None, **how: Any) -> list[Audio]:
        """The sound of several mels of any lengths, convolutional models many at a time; equal to one by one."""
        if f0 is not None and len(f0) != len(mels):
            raise ValueError(f"one f0 for each mel is needed, got {len(f0)} for {len(mels)}.")
        arrays = [{"mel": mel} | ({"f0": f0[i]} if f0 is not None else {}) for i, mel in enumerate(mels)]
        chosen = named(**how)
        if self.reach is None:
            return [self._decode(each, **how) for each in arrays]
        from models.vocoders.stream import side_by_side

        chunk = self._frames(chosen.chunk_seconds or BATCH_SECONDS)
        inputs = [self._inputs(each, chosen) for each in arrays]
        network = self._running(chosen)
        waves = side_by_side(network, inputs, hop_size=self.hop_size, chunk=chunk, reach=self.reach)
        return [_audio(samples, self.rate) for samples in waves]

    def stream(self, mels: Iterable[Any], **how: Any) -> Iterator[Audio]:
        """The sound of a mel that comes in pieces, as it comes; joined, it is the sound of the whole.

        A piece is a mel (frames, n_mel) of any length, or a pair of a mel and its f0 (frames,) for models that read it.
        `chunk_seconds` of sound (default 0.1) are given at a time. The latency is logged with the first.
        """
        from utils.log import log

        made = self.open_stream(mels, **how)
        for i, samples in enumerate(made):
            if not i:
                log.info(f"{self.name}: {made.latency}.")
            yield _audio(samples[0], self.rate)
        if made.latency is None:
            raise ValueError("the stream ended before its first frame.")

    def open_stream(self, mels: Iterable[Any], **how: Any) -> Stream:
        """What `stream` goes through: it gives tensors (1, samples), and its `latency` can be asked for."""
        from models.vocoders.stream import Stream

        if self.reach is None:
            raise ValueError(f"{self.name} cannot stream: only models that are convolutions over frames can.")
        chosen = named(**how)
        chunk = self._frames(chosen.chunk_seconds or STREAM_SECONDS)
        network = self._running(chosen)
        pieces = self._pieces(mels, chosen)
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

    def _arrays(self, source: np.ndarray | str, f0: Any) -> dict[str, np.ndarray]:
        """What the model is to read: a mel, given or in a file, with its f0; or all of it from a recording."""
        if isinstance(source, str) and not source.endswith(".npy"):
            if f0 is not None:
                raise ValueError("f0 is worked out from the recording: give it with a mel only.")
            return self.analyse(Audio.read(source))
        mel, f0 = _array(source), _array(f0)
        self._check(mel, f0)
        return {"mel": mel} if f0 is None else {"mel": mel, "f0": f0}

    def analyse(self, audio: Audio) -> dict[str, np.ndarray]:
        """What the model reads of a recording: mel (frames, n_mel), and f0 (frames,) where it does."""
        from preprocessors.base import Utterance
        from processors.f0 import F0
        from processors.frames import Frames
        from utils.config import build

        own = self.features.features
        read = {"mel": own["mel"]}
        if self.reads_f0:
            read["f0"] = own["f0"] if "f0" in own else build(F0, {}, self.features.common)
        sound = audio.resample(self.rate)
        arrays = {name: feature(Utterance(id="-"), sound) for name, feature in read.items()}
        padding = self.features.frames.padding
        frames = Frames(read, sample_rate=self.rate, hop_size=self.hop_size, padding=padding)
        return frames.bring(arrays)

    def _decode(self, arrays: dict[str, np.ndarray], **how: Any) -> Audio:
        chosen = named(**how)
        network = self._running(chosen)
        inputs = self._inputs(arrays, chosen)
        parts = [part[0].float().cpu().numpy() for part in self._parts(network, inputs, chosen)]
        return Audio(np.concatenate(parts), self.rate)

    def _parts(self, network: Any, inputs: Inputs, how: How) -> Iterator[torch.Tensor]:
        """The samples at once, or in pieces where that is asked for or they are many."""
        from models.vocoders.stream import in_windows

        seconds = how.chunk_seconds
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

    def _running(self, how: How) -> Callable[..., torch.Tensor]:
        """The network as a function of its inputs, with the options that were named."""
        import torch

        options = self.chosen(how.options)
        if self.draws_alongside:
            options.pop("seed", None)  # has its effect on what is drawn, in `_inputs`
        if how.precision not in PRECISIONS:
            raise ValueError("precision: " + nearest(how.precision, PRECISIONS, "precision"))
        infer = self._compiled if how.compile else self.network.infer
        quiet = torch.no_grad if how.compile else torch.inference_mode
        kind = torch.device(self.device).type
        bf16 = torch.autocast(kind, torch.bfloat16, enabled=how.precision == "bf16")

        def network(**inputs: torch.Tensor) -> torch.Tensor:
            with quiet(), bf16:
                return infer(**inputs, **options)

        return network

    def _pieces(self, mels: Iterable[Any], how: How) -> Iterator[Inputs]:
        """The inputs of each piece of a stream, what is drawn for all of them from one seed."""
        how = replace(how, options={**how.options, "seed": self._seed(how)})
        before: list[np.ndarray] = []
        done = 0
        for piece in mels:
            mel, f0 = piece if isinstance(piece, tuple) else (piece, None)
            if not len(mel):
                continue
            arrays = {"mel": mel} if f0 is None else {"mel": mel, "f0": f0}
            yield self._inputs(arrays, how, done, before)
            done += len(mel)
            before += [f0] if f0 is not None else []

    def _inputs(self, arrays: dict[str, np.ndarray], how: How, first: int = 0, before: Sequence[np.ndarray] = ()) -> Inputs:
        """The arrays, checked, as a batch of one, with what is drawn from frame `first` on; `before` is the F0 until there."""
        self._check(**arrays)
        inputs = {name: self._tensor(value) for name, value in arrays.items()}
        if not self.draws_alongside:
            return inputs
        known = dict(inputs)
        if before:
            known["f0"] = self._tensor(np.concatenate([*before, arrays["f0"]]))
        return inputs | self.network.drawn(known, seed=self._seed(how), first=first)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        import torch

        whole = np.ascontiguousarray(array, dtype=np.float32)
        return torch.from_numpy(whole)[None].to(self.device)

    def _seed(self, how: How) -> int:
        """The seed that was named; else the model's own, or one by chance."""
        import torch

        seed = how.options.get("seed")
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


def _audio(samples: torch.Tensor, rate: int) -> Audio:
    return Audio(samples.float().cpu().numpy(), rate)


def _array(value: Any) -> np.ndarray | None:
    """An array as it is, or from a .npy file."""
    if not isinstance(value, str):
        return None if value is None else np.asarray(value)
    try:
        return np.load(value, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{value} is no readable .npy file of numbers: {error}") from error


def named(*, chunk_seconds: float | None = None, precision: Precision = "float32", compile: bool = False, **options: Any) -> How:
    """What was named in a call, the task's own apart from the options of the model."""
    return How(chunk_seconds, precision, compile, options)
