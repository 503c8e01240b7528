"""Text to audio for users: a caption becomes a sound, from nothing or from a sound that is there."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from models.base.model import keyword_options
from models.base.options import Range, problem_of
from models.base.task import Sample, Task
from models.tta.ranking import CLAP, Ranker, available
from models.tta.starts import Start, started
from models.vocoders.voicing import Voicing
from processors.captions import OPTION, SOURCE, Captions, worded
from utils import pretrained
from utils.audio import Audio
from utils.log import log

if TYPE_CHECKING:
    import torch

    from models.tta.autoencoding import MelAutoencoder
    from preprocessors.base import Utterance

SHORTEST = 0.1  # seconds
LONGEST = 120.0  # seconds; the memory that attention takes grows with their square
AT_ONCE = 4  # candidates that are sampled together
Seconds = Annotated[float, Range("0.1 to 120", least=SHORTEST, below=LONGEST + 1e-6)]
Candidates = Annotated[int, Range("1 to 64", least=1, below=65)]
Frequency = Annotated[float, Range("above 0 Hz", above=True, below=math.inf)]
USUAL = 10.0  # seconds
CHANGES = ("inpaint", "restore_above")  # options that say what is made anew of a sound


class TTA(Task):
    """`TTA("rain on a roof") -> Audio`."""

    example = '--text "rain on a roof"'
    called_with = '"rain on a roof", seconds=5'
    captioned = True
    metrics = "fad fd is kl clap energy_rmse"  # the last needs no network: it says something on any machine
    align = "cut"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "caption" not in self.features.features:
            raise ValueError(f"{self.name} reads captions, whose text encoder its card lacks in preprocess.features: it was cut down.")
        self._encoders: dict[str, Captions] = {}

    def __call__(
        self,
        text: str,
        *,
        seconds: Seconds | None = None,
        negative: str = "",
        candidates: Candidates = 1,
        init_audio: str | None = None,
        inpaint: str | None = None,
        restore_above: Frequency | None = None,
        clap: str | None = None,
        text_encoder: str | None = None,
        vocoder: str | None = None,
        **options: Any,
    ) -> Audio:
        """The sound of a caption, `seconds` long: 10, or as long as `init_audio`.

        `negative` is a caption of what shall not sound. Of several `candidates` the one is given that CLAP hears the caption in most:
        `clap` is its folder or hub id, and without one it is the first. `init_audio`, a file or a sound, is what sampling begins with:
        `strength` says how far it is changed, 0.5 unless some of it stays. Of it `inpaint`, a span of seconds such as "2-4.5", is made
        anew, or what lies above `restore_above` Hz, and the rest stays. `text_encoder` and `vocoder` are folders or hub ids for those of
        the card; without any vocoder it is Griffin-Lim. All other `options` are those of the model's `infer`, such as `steps`, `guidance`
        and `sampler`; a `seed` below 0 is a new one each time.
        Raises ValueError, before a sound is made, for what is no text, a caption without a word or one too long, an option out of its range or
        that the model lacks, a start that is silent or too short for the span, a text encoder of another width, and a vocoder of another mel.
        """
        own = {"seconds": seconds, "negative": negative, "candidates": candidates, "clap": clap, "text_encoder": text_encoder}
        own |= {"init_audio": init_audio, "inpaint": inpaint, "restore_above": restore_above, "vocoder": vocoder}
        return self.several(text, **own, **options)[0]

    def several(self, text: str, **options: Any) -> list[Audio]:
        """All candidates, the one that is nearest to the caption first. Takes the call's options."""
        own, chosen = self._checked(options)
        caption = worded(text)
        start = self._start(own, chosen)
        self._vocode.ready(self._vocoder(own["vocoder"]))
        ranker = self._ranker(own)
        texts = self._texts(caption, own)
        frames = self.autoencoder.latent_frames(start.seconds)
        inputs = {**texts, **start.inputs(self.device), "frames": frames}
        latents = self._sampled(inputs, own["candidates"], chosen)
        vocoder = own["vocoder"]
        sounds = [self._sound(rows, start.seconds, vocoder) for rows in latents]
        return sounds if ranker is None else ranker.ranked(caption, sounds)

    def sample(self, utterance: Utterance, **options: Any) -> Sample:
        """The utterance's caption, as long as its recording, beside it."""
        recorded = utterance.read(self.rate)
        length = within(recorded.seconds)
        usual = {"seconds": length, "seed": 0}
        audio = self(utterance.text, **{**usual, **options})
        generated = self.autoencoder.mel(audio)
        of_recording = self.autoencoder.mel(recorded)
        return Sample(audio, utterance.text, {"mel": generated}, {"mel": of_recording})

    @property
    def rate(self) -> int:
        return self.autoencoder.rate

    # What is asked for

    def _checked(self, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The task's own options, all of them, and those of the model. Raises ValueError for one that is wrong."""
        parameters = keyword_options(type(self).__call__)
        own = {name: parameter.default for name, parameter in parameters.items()}
        for name in own.keys() & options.keys():
            problem = problem_of(parameters[name], options[name])
            if problem:
                raise ValueError(f"{name} {problem}")
            own[name] = options[name]
        rest = {name: value for name, value in options.items() if name not in own}
        chosen = self.chosen(rest)
        seed = chosen.get("seed")
        if seed is not None and seed < 0:
            chosen["seed"] = None
        return own, chosen

    def _start(self, own: dict[str, Any], chosen: dict[str, Any]) -> Start:
        """What sampling begins with, and how long the sound will be."""
        source = own["init_audio"]
        spans = {name: own[name] for name in CHANGES if own[name] is not None}
        if source is None:
            changes = [*spans]
            if chosen.get("strength", 1.0) < 1:
                changes.append("strength")
            if changes:
                raise ValueError(f"{changes[0]}: says what is changed of a sound: name one as init_audio.")
            return Start(own["seconds"] or USUAL)
        sound = source if isinstance(source, Audio) else Audio.read(source)
        if not own["seconds"] and 0 < sound.seconds < SHORTEST:
            raise ValueError(f"init_audio: it lasts {sound.seconds:g} s, and {SHORTEST:g} s are the least: say how many as seconds.")
        start = started(self.autoencoder, sound, own["seconds"], longest=LONGEST, **spans)
        if start.keep is None and chosen.get("strength") == 1:
            log.warning("strength: at 1 nothing of init_audio is heard: give less, such as 0.5, or a span as inpaint.")
        return start

    def _ranker(self, own: dict[str, Any]) -> Ranker | None:
        """What several candidates are ranked by, None where there is nothing to rank, or nothing to rank by."""
        clap = own["clap"]
        if own["candidates"] == 1:
            if clap:
                pretrained.find(CLAP, clap)
                log.warning("clap: there is one candidate, and nothing to rank: say how many there shall be, such as candidates 8.")
            return None
        if not available(clap):
            log.warning(f"candidates: there is no CLAP to rank them by, so that the first is taken: give clap, such as {CLAP.hub}.")
            return None
        return Ranker(clap, str(self.device))

    # Text

    def _texts(self, caption: str, own: dict[str, Any]) -> dict[str, torch.Tensor]:
        """What is asked for and what is not, as inputs of the model (1, tokens, channels). Raises ValueError for another encoder's width."""
        encoder = self._encoder(own["text_encoder"])
        asked = self._embedded(encoder, caption, 0)
        least = 0
        if self.model.text.sees_padding:
            least = asked.shape[1]
        avoided = self._embedded(encoder, own["negative"], least)
        expected = self.model.no_words.shape[1]
        self._check_width(asked, expected)
        return {"caption": asked, "negative": avoided}

    def _check_width(self, states: torch.Tensor, expected: int) -> None:
        """Raises ValueError for states (1, tokens, channels) of another text encoder's width."""
        width = states.shape[2]
        if width != expected:
            raise ValueError(
                f"caption: the text encoder gives {width} channels, and {self.name} reads {expected}: "
                f"give the one that it was trained with, as text_encoder or {SOURCE.given('FOLDER')}."
            )

    def _embedded(self, encoder: Captions, text: str, least: int) -> torch.Tensor:
        import torch

        (array,) = encoder.embedded([text], str(self.device), least=least)
        states = torch.from_numpy(encoder.rounded(array))
        return states.float()[None].to(self.device)

    def _encoder(self, place: str | None) -> Captions:
        """The text encoder of the card, or another."""
        own = self.features.features["caption"]
        if place is None:
            return own
        if place not in self._encoders:
            pretrained.find(OPTION, place)
            self._encoders[place] = Captions(model=place, pooled=own.pooled)
        return self._encoders[place]

    # Sound

    def _sampled(self, inputs: dict[str, Any], count: int, options: dict[str, Any]) -> list[np.ndarray]:
        """Latents (frames, channels, bins) of each candidate; `inputs` of the model's `infer` are batches of one, or numbers."""
        found = []
        options = dict(options)
        seed = options.get("seed")
        for first in range(0, count, AT_ONCE):
            size = min(AT_ONCE, count - first)
            rows = {name: _repeated(value, size) for name, value in inputs.items()}
            if seed is not None:
                options["seed"] = seed + first
            with self._progress(options):
                out = self.network.infer(**rows, **options)
            latents = out["latent"].float().cpu()
            found += list(latents.numpy())
        return found

    @contextlib.contextmanager
    def _progress(self, options: dict[str, Any]) -> Iterator[None]:
        """Shows how many steps were taken, on a terminal."""
        from tqdm import tqdm

        steps = options.get("steps") or self.options["steps"].default
        with tqdm(total=steps, desc="sampling", unit="step", disable=None, leave=False) as bar:
            hook = self.network.unet.register_forward_hook(lambda *_: bar.update() and None)
            try:
                yield
            finally:
                hook.remove()

    def _sound(self, rows: np.ndarray, seconds: float, vocoder: str | None) -> Audio:
        """Of latents (frames, channels, bins)."""
        mel = self.autoencoder.decode(rows)
        named = self._vocoder(vocoder)
        sound = self._vocode(mel, named)
        samples = round(seconds * sound.rate)
        return Audio(sound.samples[:samples], sound.rate)

    def _vocoder(self, given: str | None) -> str | None:
        """Where the vocoder lies: the one given, or that of the card."""
        return given if given is not None else self.card.get("vocoder")

    @functools.cached_property
    def _vocode(self) -> Voicing:
        own = None
        if self.model.vocoder is not None:
            own = self._built_in(self.model.vocoder, "HiFiGAN")
        return Voicing(self.autoencoder, own)

    @functools.cached_property
    def autoencoder(self) -> MelAutoencoder:
        """What makes mels of latents: it came with the weights, or it is the one that the feature `latent` was made by."""
        if self.model.autoencoder is not None:
            return self._built_in(self.model.autoencoder, "AutoencoderKL")
        return self.features.features["latent"].autoencoder(str(self.device))

    def _built_in(self, network: Any, model_type: str) -> Any:
        """The task of a network that came with the weights."""
        from models.base.task import make_task
        from processors.features import FeatureSet

        section = self.card["preprocess"]
        settings = {"mel": section["features"]["mel"]}
        features = FeatureSet(settings, sample_rate=section["sample_rate"], hop_size=section["hop_size"])
        card = {**self.card, "model_type": model_type, "vocoder": None}
        return make_task(network, features, card, device=self.device)


def within(seconds: float) -> float:
    """The length that is possible and nearest to so many seconds."""
    return min(max(seconds, SHORTEST), LONGEST)


def _repeated(value: Any, count: int) -> Any:
    """An input that is a batch of one, so many times side by side; a number as it is."""
    return value if isinstance(value, int) else value.expand(count, *value.shape[1:])
