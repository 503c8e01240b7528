"""Text to speech for users: any acoustic or end-to-end model behind one call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.base.task import Sample, Task
from models.tts.speech import Speech, fitted, joined, with_times
from models.vocoders.voicing import Voicing
from processors.pronounce import Reading, Tokeniser
from processors.script import Line
from processors.script import stream as lines
from utils.audio import Audio, join
from utils.log import log

if TYPE_CHECKING:
    import torch

    from preprocessors.base import Utterance

Words = Callable[[Any], list[tuple[str, int, int]]]  # of a line's parts: each word, its first token and the one after its last


class TTS(Task):
    """`TTS("Hello.") -> Audio`. A model of mels speaks through a vocoder of the same mel; without one, through Griffin-Lim."""

    example = '--text "Anything you like."'
    called_with = '"Hello there."'
    option_noun = "control"
    streams_text = True
    tells_times = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._vocode = Voicing(self)

    def __call__(
        self,
        text: str,
        *,
        speaker: str | None = None,
        language: str | None = None,
        vocoder: str | None = None,
        compile: bool = False,
        **controls: Any,
    ) -> Audio:
        """Speech for `text`, of any length: it is said sentence by sentence. Mark-up (processors/markup.py) is understood.

        `speaker` is a name in the card; `language` says what the text is in ("de"), for models of several; `vocoder` is a
        release, run or checkpoint, None takes that of the card, else Griffin-Lim; `compile` is for many sentences: the first takes
        a minute. All other `controls` are the options of the model's `infer`, such as `speed`; a `seed` below 0 is a new one each
        time.
        Raises ValueError, before a sound is made, for empty text, wrong mark-up, unknown symbols, speakers or languages,
        a control out of its range, one that the model lacks, and a vocoder of another mel.
        """
        own = {"speaker": speaker, "language": language, "vocoder": vocoder, "compile": compile}
        return join([piece.audio for piece in self._pieces(text, own | controls)])

    def stream(self, text: str | Iterable[str], **options: Any) -> Iterator[Audio]:
        """The same, piece by piece as each is made; joined, they are what the call gives. Takes the call's options.

        The text, which may come in pieces too (an open file), is read as it is said: memory and the wait for the first sound do
        not depend on its length. Wrong options raise ValueError at once; wrong mark-up, and what cannot be said, when the sound
        before it was given.
        """
        return (piece.audio for piece in self._pieces(text, self._options(options), ahead=False))

    def timed(self, text: str, **options: Any) -> Speech:
        """The same, with the times of lines, words and phones: `.write_srt(path)`, `.write_textgrid(path)`. Takes the call's options."""
        return joined(list(self._pieces(text, self._options(options), times=True)))

    @property
    def converts(self) -> bool:
        return self.model.converts

    def convert(
        self, source: str | Path | Audio, *, source_speaker: str, target_speaker: str, seed: int = -1, **options: Any
    ) -> Audio:
        """A recording of one trained speaker in the voice of another. Of the call's `options` none concerns a conversion.

        Raises ValueError for a model that cannot, or an unknown name.
        """
        import torch

        if not self.converts:
            raise ValueError(f"{self.card['model_type']} converts no voices: VITS of several speakers does.")
        speakers = []
        for name in (source_speaker, target_speaker):
            number = self.speaker_id(name)
            speakers.append(torch.tensor([number], device=self.device))
        audio = source if isinstance(source, Audio) else Audio.read(source)
        audio = audio.resample(self.rate)
        linear = torch.from_numpy(self.features.features["linear"](None, audio))
        drawn = None if seed < 0 else seed
        out = self.network.convert(linear[None].to(self.device), *speakers, seed=drawn)
        samples = out["audio"][0].float().cpu().numpy()
        return Audio(samples, self.rate)

    def sample(self, utterance: Utterance, **options: Any) -> Sample:
        """The utterance's text, as it is, in its language and in one go, spoken by its speaker, beside its recording.

        The option `speaker` lets another say it. Raises ValueError where its own is unknown to the model, and no other is named.
        """
        options = self._options({"seed": 0} | options)
        named = options["speaker"]
        number = self.speaker_of(utterance) if named is None else self.speaker_id(named)
        controls = self._checked(options)
        spoken = self._speak(utterance, number, options | {"controls": controls})
        audio = self._sound(spoken, options)
        spoken.setdefault("mel", self._vocode.mel(audio))
        recorded = self._recorded(utterance) if utterance.audio else {}
        return Sample(audio, utterance.text, spoken, recorded)

    def _recorded(self, utterance: Utterance) -> dict[str, np.ndarray]:
        """What there is to draw of a recording: its mel at least. That its phones or pitch are unknown is no reason not to speak."""
        recorded: dict[str, np.ndarray] = {}
        for names in (["mel", "f0", "duration"], ["mel", "f0"], ["mel", "duration"], ["mel"]):
            try:
                recorded = self.features(utterance, [name for name in names if name in self.features.features])
                if "duration" in recorded:
                    recorded["phones"] = self.features.raw(utterance, ["phone"])["phone"]
                break
            except ValueError as error:
                log.debug(f"not drawn: {error}")
        recorded.setdefault("mel", self._vocode.mel(utterance.read(self.rate)))
        return recorded

    # From text to pieces of sound

    def _pieces(
        self, text: str | Iterable[str], options: dict[str, Any], *, times: bool = False, ahead: bool = True
    ) -> Iterator[Speech]:
        """The sound of each line with the pause after it, and its times where they are wanted.

        All of the text is read before the first sound, unless `ahead` is False; options are always checked first.
        """
        speaker = self.speaker_id(options["speaker"])
        controls = self._checked(options)
        tokeniser = self._tokeniser(options["language"])
        texts = [text] if isinstance(text, str) else text
        script = lines(texts, tokeniser.text_language)
        readings = self._tokenised(with_last(script), tokeniser)
        if ahead:
            readings = list(readings)
        words = tokeniser.words if times else None
        return self._said(readings, speaker, options | {"controls": controls}, words)

    def _tokenised(self, script: Iterable[tuple[Line, bool]], tokeniser: Tokeniser) -> Iterator[tuple[Line, Reading | None, bool]]:
        """Each line, its tokens (None for silence), and whether it is the last. Raises ValueError naming what cannot be said, and where."""
        for i, (line, last) in enumerate(script):
            try:
                reading = tokeniser.tokenise(line.parts) if line.parts else None
            except ValueError as error:
                alone = last and not i
                place = "" if alone else f" It is in {line.text[:60]!r}."
                raise ValueError(f"{error}{place}") from error
            yield line, reading, last

    def _said(
        self, read: Iterable[tuple[Line, Reading | None, bool]], speaker: int, options: dict[str, Any], words: Words | None
    ) -> Iterator[Speech]:
        """The sound of each line, with its times where a tokeniser's `words` tells which tokens are a word."""
        for i, (line, reading, last) in enumerate(read):
            if reading is None:
                yield Speech(Audio(np.zeros(round(line.pause * self.rate), np.float32), self.rate))
                continue
            spoken = self._utter(reading, speaker, options)
            audio = fitted(self._sound(spoken, options), line.pause, first=i == 0, last=last)
            if words is None:
                yield Speech(audio)
                continue
            step = self.features.hop_size / self.rate
            yield with_times(audio, line.text, reading.tokens, spoken["duration"], words(line.parts), step)

    def _tokeniser(self, language: str | None) -> Tokeniser:
        """Raises ValueError for a language that the model does not speak."""
        phone = self.features.features["phone"]
        if language is not None:
            phone.check_language(language)
        return Tokeniser(phone, language or self.card.get("language", "en-us"))

    def _speak(self, utterance: Utterance, speaker: int, options: dict[str, Any]) -> dict[str, np.ndarray]:
        """Its text without mark-up, in one go; as `_utter`, with its tokens as phones (tokens,)."""
        from preprocessors.base import Utterance

        language = self.card.get("language", utterance.language)
        bare = Utterance(id="-", text=utterance.text, language=language)
        phones = self.features.raw(bare, ["phone"])["phone"]
        ids = self.features.features["phone"].encode(phones)
        reading = Reading(phones, ids, np.ones(len(phones)))
        spoken = self._utter(reading, speaker, options)
        count = len(spoken["duration"])
        if count > len(phones):  # blanks between the phones: they last, but have no name
            names = np.full(count, "", dtype=phones.dtype)
            names[1::2] = phones
            phones = names
        return spoken | {"phones": phones}

    def _utter(self, reading: Reading, speaker: int, options: dict[str, Any]) -> dict[str, np.ndarray]:
        """mel (frames, n_mel) or audio (samples,), duration (tokens,) in frames, f0 (frames,) where it has one.

        `options` hold the checked controls besides.
        """
        import torch

        controls = dict(options["controls"])
        phone = torch.from_numpy(reading.ids)[None].to(self.device)
        number = torch.tensor([speaker], device=self.device)
        if "speed" in self.options:
            speed = controls.get("speed", 1.0)
            controls["speed"] = self._speeds(speed, reading.rates, len(reading.ids))
        elif (reading.rates != 1).any():
            raise ValueError(f"rate: {self.card['model_type']} has no control of its tempo, leave the mark-up out.")
        compiled = options["compile"]
        with torch.no_grad() if compiled else torch.inference_mode():
            infer = self._compiled if compiled else self.network.infer
            out = infer(phone, number, **controls)
        arrays = {}
        for name, value in out.items():
            if value.ndim >= 2:
                arrays[name] = value[0].float().cpu().numpy()
        return arrays

    def _speeds(self, speed: float, rates: np.ndarray, size: int) -> float | torch.Tensor:
        """`speed` times the rates of the tokens: one number where all are alike, else (1, size); a blank goes with the token before."""
        import torch

        first = rates[0]
        if (rates == first).all():
            return speed * float(first)
        each = rates
        if size != len(rates):
            blank_first = np.append(first, rates)
            each = np.repeat(blank_first, 2)[1:]
        speeds = torch.from_numpy(speed * each)
        return speeds.float()[None].to(self.device)

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        """The task's own options, those not `given` at their defaults, and all others that were given."""
        usual = {name: parameter.default for name, parameter in self.own_options().items()}
        return usual | given

    def _checked(self, options: dict[str, Any]) -> dict[str, Any]:
        """The controls of the model among the options. Raises ValueError for one out of range, and for one that it lacks."""
        own = self.own_options()
        controls = self.chosen({name: value for name, value in options.items() if name not in own})
        if controls.get("seed", 0) < 0:
            controls["seed"] = None
        return controls

    @functools.cached_property
    def _compiled(self) -> Callable[..., Any]:
        return self.network.compiled()

    def _sound(self, spoken: dict[str, np.ndarray], options: dict[str, Any]) -> Audio:
        """What was spoken as sound. Raises ValueError for a vocoder beside a model that needs none."""
        vocoder = options["vocoder"]
        if "audio" not in spoken:
            return self._vocode(spoken["mel"], vocoder, compile=options["compile"])
        if vocoder is not None:
            raise ValueError(f"vocoder: {self.card['model_type']} makes sound itself, leave {vocoder!r} out.")
        return Audio(spoken["audio"], self.rate)


def with_last(items: Iterable[Line]) -> Iterator[tuple[Line, bool]]:
    """Each with whether it is the last; an error in the next comes after it."""
    items = iter(items)
    item = next(items)
    while True:
        try:
            ahead = next(items)
        except StopIteration:
            yield item, True
            return
        except ValueError:
            yield item, False
            raise
        yield item, False
        item = ahead
