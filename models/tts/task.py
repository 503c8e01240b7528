"""Text to speech for users: any acoustic or end-to-end model behind one call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.base.task import Sample, Task
from models.tts.chunks import CodeLines, check_chunks
from models.tts.levels import levelled, whole_at
from models.tts.prompting import Prompt, beginning, check_prompt, check_speaker, read_prompt
from models.tts.readings import check_rates, tokenised
from models.tts.recognising import Recogniser, check_recogniser
from models.tts.speech import Speech, fitted, joined, with_times
from models.vocoders.voicing import Voicing
from processors.markup import Said
from processors.pronounce import Reading, Tokeniser
from processors.script import PARAGRAPH, SENTENCE, Line, Pauses
from processors.script import stream as lines
from processors.text import places_of
from utils.audio import Audio
from utils.log import log
from utils.loudness import check_loudness

if TYPE_CHECKING:
    import torch

    from models.codec.task import Codec
    from preprocessors.base import Utterance

Voice = dict[str, Any]  # who speaks, as inputs of `infer`: `speaker` (1,), or what there is of a prompt
Words = Callable[[Any], list[tuple[str, int, int]]]  # of a line's parts: each word, its first token and the one after its last


class TTS(Task):
    """`TTS("Hello.") -> Audio`. A model of mels speaks through a vocoder of the same mel; without one, through Griffin-Lim."""

    example = '--text "Anything you like."'
    called_with = '"Hello there."'
    option_noun = "control"
    streams_text = True
    prompted_metrics = "wer similarity_resemblyzer"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._vocode = Voicing(self)
        self._lines = CodeLines(self)

    def __call__(
        self,
        text: str,
        *,
        speaker: str | None = None,
        language: str | None = None,
        vocoder: str | None = None,
        prompt: str | None = None,
        prompt_text: str | None = None,
        recogniser: str | None = None,
        chunk_seconds: float = 0.0,
        sentence_pause: float = SENTENCE,
        paragraph_pause: float = PARAGRAPH,
        loudness: float | None = None,
        compile: bool = False,
        **controls: Any,
    ) -> Audio:
        """Speech for `text`, of any length: it is said sentence by sentence. Mark-up (processors/markup.py) is understood.

        `speaker` is a name in the card; `language` says what the text is in ("de"), for models of several; `vocoder` is a release, run or
        checkpoint, None takes that of the card, else Griffin-Lim; `prompt` is a recording of a few seconds, a file or an `Audio`, in
        whose voice a model speaks that needs no training on it, and `prompt_text` what is said there, for models that must know;
        `recogniser` is a Whisper (its .pt file, or a name such as "large-v3"), by which of several `hypotheses` that is said in which it
        hears the fewest wrong words; `chunk_seconds` is how much of a sentence a stream gives at once, of models that can, 0 is all of
it; `sentence_pause` and `paragraph_pause` are the seconds of silence behind them; `loudness` is what all of it is brought to, in
        LUFS (-18 as audio books have it), a stream sentence by sentence; `compile` is for many sentences: the first takes a minute. All
        other `controls` are the options of the model's `infer`, such as `speed`; a `seed` below 0 is a new one each time.
        Raises ValueError, before a sound is made, for empty text, wrong mark-up, unknown symbols, speakers or languages,
        a control out of its range, one that the model lacks, a vocoder of another mel, and a prompt that is silent, too short or too long.
        """
        own = {"speaker": speaker, "language": language, "vocoder": vocoder, "compile": compile}
        own |= {"prompt": prompt, "prompt_text": prompt_text, "recogniser": recogniser, "chunk_seconds": chunk_seconds}
        own |= {"sentence_pause": sentence_pause, "paragraph_pause": paragraph_pause, "loudness": loudness}
        return self._whole(text, own | controls).audio

    def stream(self, text: str | Iterable[str], *, ahead: bool = False, **options: Any) -> Iterator[Audio]:
        """The same, piece by piece as each is made; joined, they are what the call gives. Takes the call's options.

        The text, which may come in pieces too (an open file), is read as it is said: memory and the wait for the first sound do
        not depend on its length. Wrong options raise ValueError at once; wrong mark-up, and what cannot be said, when the sound
        before it was given, or at once, too, where all is to be read `ahead`.
        """
        options = self._options(options)
        pieces = self._pieces(text, options, ahead=ahead)
        return (piece.audio for piece in levelled(pieces, options["loudness"]))

    def timed(self, text: str, **options: Any) -> Speech:
        """The same, with the times of lines, words and phones: `.write_srt(path)`, `.write_textgrid(path)`. Takes the call's options.

        Raises ValueError besides for a model that does not tell how long its phones last.
        """
        if not self.tells_times:
            raise ValueError(f"{self.name} does not tell how long its phones last: without times it can be called, or streamed.")
        return self._whole(text, self._options(options), times=True)

    def _whole(self, text: str, options: dict[str, Any], *, times: bool = False) -> Speech:
        pieces = self._pieces(text, options, times=times)
        return whole_at(joined(list(pieces)), options["loudness"])

    @property
    def tells_times(self) -> bool:
        return self.model.tells_durations

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
        audio = Audio.of(source)
        audio = audio.resample(self.rate)
        linear = torch.from_numpy(self.features.features["linear"](None, audio))
        drawn = None if seed < 0 else seed
        out = self.network.convert(linear[None].to(self.device), *speakers, seed=drawn)
        samples = out["audio"][0].float().cpu().numpy()
        return Audio(samples, self.rate)

    def sample(self, utterance: Utterance, **options: Any) -> Sample:
        """The utterance's text, as it is, in its language and in one go, spoken by its speaker, beside its recording.

        The option `speaker` lets another say it. A model that is spoken to by a prompt begins like the recording, unless `prompt` is
        another. Raises ValueError where its own speaker is unknown to the model, and no other is named.
        """
        options = self._options({"seed": 0} | options)
        self._check_sample(options)
        controls = self._checked(options)
        check_recogniser(options["recogniser"], self.model, controls, compiled=options["compile"])
        spoken = self._speak(utterance, options | {"controls": controls})
        audio = self.sound(spoken, options)
        spoken.setdefault("mel", self._vocode.mel(audio))
        recorded = self._recorded(utterance) if utterance.audio else {}
        return Sample(audio, utterance.text, spoken, recorded)

    def _check_sample(self, options: dict[str, Any]) -> None:
        """Raises ValueError for a prompt that is of no use; a model that wants one has the recording's beginning where none is given."""
        check_speaker(type(self.model), options["speaker"])
        if options["prompt"] is not None or not self.model.prompted_by:
            check_prompt(type(self.model), options["prompt"], options["prompt_text"])

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
        check_prompt(type(self.model), options["prompt"], options["prompt_text"])
        check_speaker(type(self.model), options["speaker"])
        check_chunks(options["chunk_seconds"], self.model, compiled=options["compile"])
        if self.model.says_several:
            self._check_vocoder(options["vocoder"])
        check_loudness(options["loudness"])
        pauses = Pauses(options["sentence_pause"], options["paragraph_pause"])
        controls = self._checked(options)
        check_recogniser(options["recogniser"], self.model, controls, compiled=options["compile"])
        tokeniser = self._tokeniser(options["language"])
        prompt = self._prompt(options)
        voice = self._voice(options["speaker"], prompt, tokeniser)
        texts = [text] if isinstance(text, str) else text
        if not isinstance(texts, Iterable):
            raise ValueError(f"text must be a text, got {text!r}.")
        script = lines(texts, tokeniser.text_language, pauses)
        readings = tokenised(script, tokeniser, self._before(prompt))
        if ahead:
            readings = list(readings)
        options = options | {"controls": controls}
        if not ahead and options["chunk_seconds"]:
            return self._lines.in_chunks(readings, voice, options)
        if ahead and not times and self.model.says_several:
            return self._lines.together(readings, voice, options)
        words = tokeniser.words if times else None
        return self._said(readings, voice, options, words)

    def _said(
        self, read: Iterable[tuple[Line, Reading | None, bool]], voice: Voice, options: dict[str, Any], words: Words | None
    ) -> Iterator[Speech]:
        """The sound of each line, with its times where a tokeniser's `words` tells which tokens are a word."""
        for i, (line, reading, last) in enumerate(read):
            if reading is None:
                yield self.silence(line)
                continue
            spoken = self._utter(reading, voice, options, line.text)
            audio = fitted(self.sound(spoken, options), line.pause, first=i == 0, last=last)
            if words is None:
                yield Speech(audio)
                continue
            step = self.features.hop_size / self.rate
            yield with_times(audio, line.text, reading.tokens, spoken["duration"], words(line.parts), step)

    def silence(self, line: Line) -> Speech:
        """The pause of a line that says nothing."""
        samples = np.zeros(round(line.pause * self.rate), np.float32)
        return Speech(Audio(samples, self.rate))

    def _tokeniser(self, language: str | None) -> Tokeniser:
        """Raises ValueError for a language that the model does not speak."""
        phone = self.features.features["phone"]
        if language is not None:
            phone.check_language(language)
        return Tokeniser(phone, language or self.card.get("language", "en-us"))

    def _speak(self, utterance: Utterance, options: dict[str, Any]) -> dict[str, np.ndarray]:
        """Its text without mark-up, in one go; as `_utter`, with its tokens as phones (tokens,) where their durations are told."""
        from preprocessors.base import Utterance

        language = self.card.get("language", utterance.language)
        bare = Utterance(id="-", text=utterance.text, language=language)
        phones = self.features.raw(bare, ["phone"])["phone"]
        ids = self.features.features["phone"].encode(phones)
        reading = Reading(phones, ids, np.ones(len(phones)))
        if self.model.prompted_by:
            spoken = self._speak_like(utterance, reading, options)
            return spoken | {"phones": phones} if self.model.tells_durations else spoken
        named = options["speaker"]
        number = self.speaker_of(utterance) if named is None else self.speaker_id(named)
        spoken = self._utter(reading, self._speaker(number), options, utterance.text)
        count = len(spoken["duration"])
        names = np.full(count, "", dtype=phones.dtype)  # blanks last, but have none
        places = places_of(len(phones), count)
        names[places] = phones
        return spoken | {"phones": names}

    def _speak_like(self, utterance: Utterance, reading: Reading, options: dict[str, Any]) -> dict[str, np.ndarray]:
        """The `reading` of an utterance in the voice of the prompt; without one it goes on from how the recording begins."""
        tokeniser = self._tokeniser(None)
        prompt = self._prompt(options)
        if prompt is not None:
            voice = self._voice(None, prompt, tokeniser)
            before = self._before(prompt)
            if before:
                reading = tokeniser.tokenise((*before, Said(utterance.text)))
            return self._utter(reading, voice, options, utterance.text)
        start = beginning(utterance.read(self.rate))
        voice = self._voice(None, Prompt(start, utterance.id), tokeniser)
        spoken = self._utter(reading, voice, options, utterance.text)
        if "phone" in self.model.prompted_by:  # what is said in the prompt is not said again
            begun = voice["prompt_codec"][0].cpu().numpy()
            spoken["codes"] = np.concatenate([begun, spoken["codes"]])
        return spoken

    # Who speaks

    def _speaker(self, number: int) -> Voice:
        import torch

        return {"speaker": torch.tensor([number], device=self.device)}

    def _prompt(self, options: dict[str, Any]) -> Prompt | None:
        if options["prompt"] is None:
            return None
        return read_prompt(options["prompt"], self.rate, options["prompt_text"])

    def _before(self, prompt: Prompt | None) -> tuple[Said, ...]:
        """What stands before the parts of each line, where the model must know what is said in its prompt."""
        return prompt.parts if prompt and "phone" in self.model.prompted_by else ()

    def _voice(self, speaker: str | None, prompt: Prompt | None, tokeniser: Tokeniser) -> Voice:
        """Raises ValueError for an unknown speaker, and for a prompt's text that cannot be said."""
        import torch

        if prompt is None:
            return self._speaker(self.speaker_id(speaker))
        names = [name for name in self.model.prompted_by if name != "phone"]
        if "codec" in names:
            _ = self.codec  # another one is named before anything is said
        arrays = self.features.of_sound(prompt.audio, names)
        voice = {}
        for name, array in arrays.items():
            tensor = torch.from_numpy(np.ascontiguousarray(array))
            voice[f"prompt_{name}"] = tensor[None].to(self.device)
        if "phone" in self.model.prompted_by:
            count = tokeniser.beginning(prompt.parts) if prompt.parts else 0
            voice["prompt_tokens"] = torch.tensor([count], device=self.device)
        return voice

    def _utter(self, reading: Reading, voice: Voice, options: dict[str, Any], text: str) -> dict[str, np.ndarray]:
        """mel (frames, n_mel), audio (samples,), codes (frames, codebooks) or latent (frames, latent), and duration (tokens,) in frames and
        f0 (frames,) where it has them.

        `options` hold the checked controls besides; `text` is what a recogniser should hear.
        """
        import torch

        controls = dict(options["controls"])
        phone = torch.from_numpy(reading.ids)[None].to(self.device)
        if "speed" in self.options:
            speed = controls.get("speed", 1.0)
            controls["speed"] = self._speeds(speed, reading.rates, len(reading.ids))
        else:
            check_rates(reading, self.card["model_type"])
        out = self.inferred([text], {"phone": phone, **voice}, options, controls)
        arrays = {}
        for name, value in out.items():
            if value.ndim >= 2:
                arrays[name] = value[0].float().cpu().numpy()
        if "codes" in arrays:  # which are as long as the longest hypothesis
            count = int(out["frames"][0])
            arrays["codes"] = arrays["codes"][:count]
        return arrays

    def inferred(self, texts: list[str], inputs: Voice, options: dict[str, Any], controls: dict[str, Any]) -> dict[str, torch.Tensor]:
        """What the network makes of its inputs, a row for each of the `texts`; of several hypotheses the one that a recogniser chose."""
        import torch

        if options["recogniser"] is not None:
            recogniser = self._recogniser(options)
            hypotheses = self.network.several(**inputs, **controls)
            return recogniser.best(texts, hypotheses)
        compiled = options["compile"]
        with torch.no_grad() if compiled else torch.inference_mode():
            infer = self._compiled if compiled else self.network.infer
            return infer(**inputs, **controls)

    def _recogniser(self, options: dict[str, Any]) -> Recogniser:
        language = options["language"]
        if language is None:
            language = self.card.get("language", "en-us")
        return Recogniser(options["recogniser"], language, self._decoded, str(self.device))

    def _speeds(self, speed: float, rates: np.ndarray, size: int) -> float | torch.Tensor:
        """`speed` times the rates of the tokens: one number where all are alike, else (1, size); a blank goes with the token before."""
        import torch

        first = rates[0]
        if (rates == first).all():
            return speed * float(first)
        places = places_of(len(rates), size)
        owner = np.searchsorted(places, np.arange(size), side="right").clip(1) - 1
        each = rates[owner]
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

    def sound(self, spoken: dict[str, np.ndarray], options: dict[str, Any]) -> Audio:
        """What was spoken as sound. Raises ValueError for a vocoder beside a model that needs none."""
        vocoder = options["vocoder"]
        if "mel" in spoken and "audio" not in spoken:
            return self._vocode(spoken["mel"], vocoder, compile=options["compile"])
        self._check_vocoder(vocoder)
        if "latent" in spoken:
            return self.codec.decode_latent(spoken["latent"])
        if "codes" in spoken:
            return self._decoded(spoken["codes"])
        return Audio(spoken["audio"], self.rate)

    def _check_vocoder(self, vocoder: str | None) -> None:
        """Raises ValueError for one beside a model that needs none."""
        if vocoder is not None:
            raise ValueError(f"vocoder: {self.card['model_type']} makes sound itself, leave {vocoder!r} out.")

    @functools.cached_property
    def codec(self) -> Codec:
        """The codec of the feature `codec`. Raises ValueError for one that is not there, or another than the model was trained on."""
        codec = self.features.features["codec"].codec(str(self.device))
        self.model.check_codec(codec)
        return codec

    def _decoded(self, codes: np.ndarray) -> Audio:
        """The sound of codes (frames, codebooks)."""
        values = codes.astype(np.int64)
        return self.codec.decode(values.T)
