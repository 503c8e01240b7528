"""Sounds at given times for users: a line of events or a plain sentence becomes a sound in which each is when it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.base.task import Sample, Task
from models.tta.task import TTA, Candidates, Seconds, within
from processors.captions import check_text, worded
from utils.audio import Audio
from utils.events import Event, onset_caption

if TYPE_CHECKING:
    import torch

    from preprocessors.base import Utterance
    from processors.events import Events


class TimedTTA(TTA):
    """`TimedTTA("dog_bark__1.0-1.5_3.0-3.6--rain__0.0-5.0") -> Audio`, or of a sentence, "a dog barks twice, then rain for two seconds"."""

    example = '--text "a dog barks twice, then rain for two seconds"'
    called_with = '"a dog barks twice, then rain for two seconds", seconds=5'
    metrics = "event_f1 onset_error fad clap"

    def __init__(self, *args: Any, **options: Any) -> None:
        Task.__init__(self, *args, **options)
        if "events" not in self.features.features:
            raise ValueError(f"{self.name} reads events, whose classes its card lacks in preprocess.features: it was cut down.")
        self._encoders = {}

    def __call__(
        self,
        text: str,
        *,
        events: str = "",
        seconds: Seconds | None = None,
        candidates: Candidates = 1,
        clap: str | None = None,
        text_encoder: str | None = None,
        vocoder: str | None = None,
        **options: Any,
    ) -> Audio:
        """The sound of events, `seconds` long, or as long as most clips of the training.

        `text` says what sounds when: a line like dog_bark__1.0-1.5_3.0-3.6--rain__0.0-5.0, or a plain sentence in the words of the classes. With
        `events`, such a line or sentence, it is a caption, which models with a text encoder read. Of several `candidates` the one is given
        that CLAP hears the text in most: `clap` is its folder or hub id. `text_encoder` and `vocoder` are folders or hub ids for those of
        the card; without any vocoder it is Griffin-Lim. All other `options` are those of the model's `infer`, such as `steps`, `guidance`
        and `sampler`; a `seed` below 0 is a new one each time.
        Raises ValueError, before a sound is made, for what is no text, naming the word or event that is none, one that ends before it
        starts, goes beyond the end or overlaps another of its class, an option out of its range or that the model lacks,
        and a text encoder of another width.
        """
        own = {"events": events, "seconds": seconds, "candidates": candidates, "clap": clap}
        own |= {"text_encoder": text_encoder, "vocoder": vocoder}
        return self.several(text, **own, **options)[0]

    def several(self, text: str, **options: Any) -> list[Audio]:
        """All candidates, the one that is nearest to the text first. Takes the call's options."""
        own, chosen = self._checked(options)
        line = own["events"]
        seconds = own["seconds"] or self._events.seconds
        events = self.understood(line or text, seconds)
        caption = worded(text) if line else onset_caption(events)
        inputs = self._inputs(events, caption, seconds, own["text_encoder"])
        vocoder = self._vocoder(own["vocoder"])
        self._vocode.ready(vocoder)
        ranker = self._ranker(own)
        latents = self._sampled(inputs, own["candidates"], chosen)
        sounds = [self._sound(rows, seconds, vocoder) for rows in latents]
        return sounds if ranker is None else ranker.ranked(caption, sounds)

    def understood(self, text: str, seconds: float) -> list[Event]:
        """The events of a line or a plain sentence, in order of time. Raises ValueError as the call does."""
        check_text(text)
        return self._events.understood(text, seconds)

    def sample(self, utterance: Utterance, **options: Any) -> Sample:
        """The utterance's events, in a clip as long as its recording, beside it."""
        recorded = utterance.read(self.rate)
        length = within(recorded.seconds)
        usual = {"seconds": length, "seed": 0, "events": utterance.events}
        audio = self(utterance.text or utterance.events, **{**usual, **options})
        generated = self.autoencoder.mel(audio)
        of_recording = self.autoencoder.mel(recorded)
        return Sample(audio, utterance.events, {"mel": generated}, {"mel": of_recording})

    @property
    def _events(self) -> Events:
        return self.features.features["events"]

    def _inputs(self, events: list[Event], caption: str, seconds: float, text_encoder: str | None) -> dict[str, torch.Tensor]:
        """What the model's `infer` takes of events and caption, each a batch of one."""
        import torch

        frames = self.autoencoder.latent_frames(seconds)
        onsets = torch.from_numpy(self._events.onsets(events, frames))
        inputs = {"events": onsets[None].to(self.device)}
        if self.model.condition.form == "text":
            encoder = self._encoder(text_encoder)
            states = self._embedded(encoder, caption, 0)
            self._check_width(states, self.model.condition.width // self.model.repeats)
            inputs["caption"] = states
        elif text_encoder is not None:
            raise ValueError(f"text_encoder: {self.name} attends to classes and reads no text: leave it out.")
        return inputs
