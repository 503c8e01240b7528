"""Singing voice conversion for users: what somebody sings, in the voice of a speaker of the model or of a recording."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from models.base.options import Range, problem_of
from models.base.task import Sample, Task
from models.svc.streaming import Conversion, in_chunks
from models.vocoders.voicing import Voicing
from modules.conditioning import VECTOR
from processors import melody
from utils import changes
from utils.audio import Audio, join
from utils.log import log

if TYPE_CHECKING:
    import torch

    from preprocessors.base import Utterance

KeyShift = float | Literal["auto"]
FormantShift = Annotated[float, Range("0.5 to 2 (1 changes nothing)", least=0.5, below=math.nextafter(2.0, 3.0))]
Arrays = dict[str, np.ndarray]
READ_SECONDS = 0.1  # of a file that is streamed, as a microphone would give it
FARTHEST = 60  # semitones that a melody is moved by: from a bass to beyond a soprano and back


@dataclass(frozen=True)
class Target:
    """Whose voice it shall be: what the network is given of it, (1,) or (1, channels), and its median F0 in Hz where that is known."""

    name: str
    voice: torch.Tensor
    register: float | None


@dataclass(frozen=True)
class RunOptions:
    """The task's own options, and those of the model."""

    key_shift: KeyShift
    formant_shift: float
    vocoder: str | None
    options: dict[str, Any]


class SVC(Task):
    """`SVC("song.wav", target="singer") -> Audio`. A model of mels sings through a vocoder of the same mel; without one, by Griffin-Lim."""

    example = "--folder a/folder/of/songs --target a_singer"
    called_with = '"song.wav", target="a_singer"'
    streams_files = True
    metrics = "mcd f0rmse fpc energy_rmse"
    conversion_metrics = "fpc_log v_uv_f1 wer dnsmos"
    align = "cut"
    length_ratio = 1.25

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        missing = [name for name in self.reads if name not in self.features.features]
        if missing:
            raise ValueError(f"{self.name} sings by {', '.join(missing)}, which its card lacks in preprocess.features: it was cut down.")
        self._vocode = Voicing(self)

    def __call__(
        self,
        source: str | Path | Audio | np.ndarray,
        rate: int | None = None,
        *,
        target: str | None = None,
        reference: str | None = None,
        key_shift: KeyShift = "auto",
        formant_shift: FormantShift = 1.0,
        vocoder: str | None = None,
        **options: Any,
    ) -> Audio:
        """The recording `source`, a file, an `Audio`, or samples and their `rate` in Hz, in the voice of `target`: a name in the card,
        None for the first.

        A model of voices as vectors sings in that of any recording, `reference`. `key_shift` moves the melody by so many semitones;
        "auto" to where the voice sings, from the median F0 of the one to that of the other, and not at all where a published voice
        does not tell. `formant_shift` is a factor of the
        recording's formants, which are changed before the model hears it: above 1 the voice comes out brighter and smaller, below it
        darker and larger, and the melody stays. `vocoder` is a release, run or checkpoint; None takes the one that the card names, or
        Griffin-Lim. All other `options` are those of the model's `infer`; a `seed` below 0 is a new one each time. Raises ValueError
        for silence, a target or an option that the model does not have, a song or a voice without a melody where the shift is to be
        found out, and a vocoder of another mel.
        """
        run = self._checked(key_shift, formant_shift, vocoder, options)
        goal = self._target(target, reference)
        sound = Audio.of(source, rate)
        arrays = self.analysed(sound, formant_shift=run.formant_shift)
        return self._sung(arrays, goal, run)[0]

    @property
    def described(self) -> list[str]:
        voices = ["any voice by a recording"] if self.sings_any_voice else []
        return [*super().described, *voices, f"sings by {', '.join(self.reads)}"]

    @property
    def converts(self) -> bool:
        return not self.sings_any_voice

    def convert(
        self, source: str | Path | Audio, *, source_speaker: str, target_speaker: str, seed: int = -1, **options: Any
    ) -> Audio:
        """A recording in the voice of another that was trained, its melody moved to where that sings; who sings it does not matter.

        `options` are those of the call.
        """
        return self(source, target=target_speaker, seed=seed, **options)

    @property
    def copies(self) -> bool:
        return "mel" in self.features.features

    def copy(self, sound: Audio, vocoder: str | None = None) -> Audio:
        """Copy-synthesis: the mel of `sound` through the vocoder, which is what a conversion can sound like at best."""
        names = [name for name in ("mel", "f0") if name in self.features.features]
        arrays = self.features.of_sound(sound, names)
        return self._vocode(arrays["mel"], vocoder, f0=arrays.get("f0"))

    def stream(
        self,
        source: Iterable[Audio],
        *,
        target: str | None = None,
        reference: str | None = None,
        key_shift: KeyShift = "auto",
        formant_shift: FormantShift = 1.0,
        vocoder: str | None = None,
        conversion: Conversion = Conversion(),
        **options: Any,
    ) -> Iterator[Audio]:
        """The sound that comes in pieces, as of a microphone, converted piece by piece; the latency is logged with the first.

        The pieces are of any length and of one rate. `conversion` says how much is converted at once, and how much before and after
        it is looked at. An automatic key shift is found out from the first of it that has a melody. Silence stays silence. Takes the
        call's options.
        """
        run = self._checked(key_shift, formant_shift, vocoder, {"seed": 0} | options)
        goal = self._target(target, reference)

        def convert(window: Audio) -> Audio:
            nonlocal run
            arrays = self.analysed(window, formant_shift=run.formant_shift, silent=True)
            if window.silent or not _frames(arrays):  # the latter where a stream ends before its first frame does
                return Audio(np.zeros(0), self.rate)
            run = self._settled(arrays, goal, run)
            waiting = run.key_shift == "auto"  # nothing with a melody came yet
            return self._sung(arrays, goal, replace(run, key_shift=0.0) if waiting else run)[0]

        return in_chunks(convert, source, self.rate, conversion, name=self.name)

    def stream_file(self, source: str, **options: Any) -> Audio:
        """As `__call__`, but through `stream`, a tenth of a second after another."""
        sound = Audio.read(source)
        if sound.silent:
            log.warning(f"{self.name}: {source} is silent, no sample reaches -60 dB of full scale: so will be what comes out.")
        converted = self.stream(_bits(sound), **options)
        return join(list(converted))

    def sample(
        self,
        utterance: Utterance,
        *,
        target: str | None = None,
        reference: str | None = None,
        key_shift: KeyShift = "auto",
        formant_shift: FormantShift = 1.0,
        vocoder: str | None = None,
        **options: Any,
    ) -> Sample:
        """The utterance in the voice of `target` or `reference`, beside the recording; without either as its own speaker sings it."""
        run = self._checked(key_shift, formant_shift, vocoder, {"seed": 0} | options)
        if target is None and reference is None:
            goal = self._own(utterance)
            run = replace(run, key_shift=0.0)
        else:
            goal = self._target(target, reference)
        if run.formant_shift == 1:
            arrays = self.features(utterance, self.reads)
        else:
            arrays = self.analysed(utterance.read(), formant_shift=run.formant_shift)
        audio, sung = self._sung(arrays, goal, run)
        recorded = self.features(utterance, ["mel", "f0"]) if "mel" in self.features.features else {}
        recorded.setdefault("mel", self._vocode.mel(utterance.read(self.rate)))
        sung.setdefault("mel", self._vocode.mel(audio))
        return Sample(audio, utterance.text or utterance.id, sung, recorded)

    # Whose voice, and where it sings

    @property
    def sings_any_voice(self) -> bool:
        """Whether a voice is a vector of a recording, rather than one of those that it was trained on."""
        return VECTOR in self.model.features_of(self.card["model"])

    def _target(self, name: str | None, reference: str | None) -> Target:
        """Raises ValueError for a voice that the model does not have, and a recording for a model of trained voices alone."""
        import torch

        if not self.sings_any_voice:
            if reference is not None:
                raise ValueError(f"reference: {self.name} sings in the voices that it was trained on; name one as target.")
            number = self.speaker_id(name)
            speaker = self.speakers[number] if self.speakers else "default"
            return self._trained(speaker, number)
        if reference is None:
            raise ValueError(f"reference: {self.name} sings in the voice of a recording: name one, a few seconds of somebody.")
        if name is not None:
            raise ValueError(f"target: {self.name} sings in the voice of the reference, and knows no {name!r}: leave it out.")
        recording = Audio.read(reference)
        arrays = self.features.of_sound(recording, [VECTOR, "f0"])
        vector = torch.from_numpy(arrays[VECTOR])[None].to(self.device)
        pitch = arrays["f0"]
        register = melody.median(pitch) if (pitch > 0).any() else None
        return Target(reference, vector, register)

    def _own(self, utterance: Utterance) -> Target:
        """The voice of an utterance itself."""
        import torch

        if not self.sings_any_voice:
            number = self.speaker_of(utterance)
            return self._trained(utterance.speaker, number)
        vector = self.features(utterance, [VECTOR])[VECTOR]
        return Target(utterance.speaker, torch.from_numpy(vector)[None].to(self.device), None)

    def _trained(self, name: str, number: int) -> Target:
        import torch

        registers = self.card.get("registers", {})
        return Target(name, torch.tensor([number], device=self.device), registers.get(name))

    def _settled(self, arrays: Arrays, goal: Target, run: RunOptions) -> RunOptions:
        """With the key shift as a number where it can be found out: where the song has a melody.

        Raises ValueError for an unknown register, unless nothing is known of any voice, as in RVC's and so-vits-svc's files.
        """
        f0 = arrays.get("f0", np.zeros(0))
        if run.key_shift != "auto" or not (f0 > 0).any():
            return run
        if goal.register is None and "registers" not in self.card:
            log.warning(f"{self.name}: the melody stays, as where {goal.name} sings is not known; a key_shift in semitones moves it.")
            return replace(run, key_shift=0.0)
        if goal.register is None:
            raise ValueError(f"key_shift: where {goal.name} sings is not known, so that it cannot be found out: give semitones, such as 0.")
        semitones = melody.semitones_to(f0, goal.register)
        log.info(f"{self.name}: the melody is moved by {semitones:+.1f} semitones, to where {goal.name} sings.")
        return replace(run, key_shift=semitones)

    # From sound to sound

    def _checked(self, key_shift: KeyShift, formant_shift: float, vocoder: str | None, options: dict[str, Any]) -> RunOptions:
        """The options, checked; a vocoder is loaded, so that a wrong one is found before a song is sung.

        Raises ValueError for a vocoder of another mel, or beside a model that needs none.
        """
        chosen = self.chosen(options)
        seed = chosen.get("seed")
        if seed is not None and seed < 0:
            chosen["seed"] = None
        is_word = isinstance(key_shift, str) and key_shift == "auto"
        is_shift = isinstance(key_shift, Real) and abs(key_shift) <= FARTHEST
        if not is_word and not is_shift:
            raise ValueError(f'key_shift: a number of semitones is needed, -{FARTHEST} to {FARTHEST}, or "auto", got {key_shift!r}.')
        if is_shift and key_shift != 0 and "f0" not in self.reads:
            raise ValueError(f"key_shift: {self.name} sings by no F0, which {key_shift} semitones could move: leave it out.")
        problem = problem_of(self.own_options()["formant_shift"], formant_shift)
        if not problem and not isinstance(formant_shift, Real):  # an array
            problem = f"must be a number, got {formant_shift!r}."
        if problem:
            raise ValueError(f"formant_shift {problem}")
        if "mel" in self.model.reads:
            self._vocode.ready(vocoder)
        elif vocoder is not None:
            raise ValueError(f"vocoder: {self.name} makes sound itself, leave {vocoder!r} out.")
        return RunOptions(key_shift, formant_shift, vocoder, chosen)

    @property
    def reads(self) -> list[str]:
        """The features of a song that the model sings by."""
        reads = self.model.features_of(self.card["model"])
        return [name for name in reads if name not in ("mel", "linear", "audio", VECTOR)]

    def analysed(self, sound: Audio, *, formant_shift: float = 1.0, silent: bool = False) -> Arrays:
        """What the model sings by, of a sound. Raises ValueError for silence and what is shorter than a frame, unless it may be silent,
        and for samples that are no numbers."""
        if not np.isfinite(sound.peak):
            raise ValueError("the recording holds NaN or infinity: it is damaged, or was made by a program that failed.")
        if sound.silent and not silent:
            raise ValueError("the recording is silent: no sample reaches -60 dB of full scale, so that there is nothing to sing.")
        sound = _moved(sound, formant_shift)
        arrays = self.features.of_sound(sound, self.reads)
        if not _frames(arrays) and not silent:
            raise ValueError(f"the recording has {sound.seconds:.4f} s, less than a frame of the model: there is nothing to sing.")
        return arrays

    def _sung(self, arrays: Arrays, goal: Target, run: RunOptions) -> tuple[Audio, Arrays]:
        """The sound, and what there is to draw of it: mel (frames, n_mel) or audio (samples,), and the F0 that was sung, (frames,)."""
        run = self._settled(arrays, goal, run)
        if "f0" in arrays:
            if run.key_shift == "auto":
                melody.median(arrays["f0"])  # says that there is none
            arrays = arrays | {"f0": melody.shift(arrays["f0"], run.key_shift)}
        sung = self._infer(arrays, goal, run)
        if "f0" in arrays:
            sung["f0"] = arrays["f0"]
        return self._sound(sung, run.vocoder), sung

    def _infer(self, arrays: Arrays, goal: Target, run: RunOptions) -> Arrays:
        """mel (frames, n_mel) or audio (samples,), of what the model sings by."""
        import torch

        tensors = {}
        for name, array in arrays.items():
            tensors[name] = torch.from_numpy(array)[None].to(self.device)
        contents = {name: tensors.pop(name) for name in self.model.contents}
        with torch.inference_mode():
            out = self.network.infer(contents, speaker=goal.voice, **tensors, **run.options)
        name = "mel" if "mel" in out else "audio"
        first = out[name][0].float()
        return {name: first.cpu().numpy()}

    def _sound(self, sung: Arrays, vocoder: str | None) -> Audio:
        if "audio" not in sung:
            return self._vocode(sung["mel"], vocoder, f0=sung.get("f0"))
        return Audio(sung["audio"], self.rate)


def _bits(sound: Audio) -> Iterator[Audio]:
    """A sound as a microphone would give it, one bit after another."""
    size = max(1, round(READ_SECONDS * sound.rate))
    for start in range(0, len(sound.samples), size):
        bit = sound.samples[start : start + size]
        yield replace(sound, samples=bit)


def _moved(sound: Audio, formant_shift: float) -> Audio:
    """The sound with all formants that factor higher; what is shorter than Praat can look at has none to speak of."""
    if formant_shift == 1 or sound.seconds < changes.SHORTEST:
        return sound
    return changes.apply(sound, f"formant {formant_shift}")


def _frames(arrays: Arrays) -> int:
    """How many frames a sound has, of which these are the features."""
    return min(len(array) for array in arrays.values())
