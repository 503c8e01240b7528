"""What a trained model can do for a user: a `Task` turns text, mel or sound into `Audio`. And `load`, which makes one."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import MODELS
from models.base.frozen import find_frozen
from models.base.loading import build_for, fit_weights, named, read, resolve
from utils.audio import Audio
from utils.names import some
from utils.registry import load_object

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.base.model import Model
    from preprocessors.base import Utterance
    from processors.features import FeatureSet
    from processors.mel import MelSettings
    from visualization.plot import Scale


SHOWN = 5  # voices, where a task is printed


@dataclass(frozen=True)
class Sample:
    """One utterance through a model: the sound, and what to draw of it beside the recording."""

    audio: Audio
    title: str
    generated: dict[str, np.ndarray]  # mel (frames, n_mel), f0 (frames,), phones and duration (tokens,), as far as there are
    recorded: dict[str, np.ndarray]

    def picture(self, scale: Scale) -> np.ndarray:
        """(height, width, 3) uint8; `scale` is that of the task."""
        from visualization.plot import compare, figure_image

        return figure_image(compare(self.recorded, self.generated, title=self.title, scale=scale))

    def draw(self, path: Path, scale: Scale) -> Path:
        """Writes the picture as PNG."""
        from visualization.plot import compare, save

        return save(compare(self.recorded, self.generated, title=self.title, scale=scale), path)


class Task:
    """A model with its features and card. Subclasses define `__call__` and `sample`.

    The keyword arguments of `__call__`, and the options of the model's `infer`, which it takes besides, are those of
    `bins.infer` and of the section `inference`. `example` are those that a newcomer might try first, `called_with` is what
    to call it with from Python. `metrics` are what the evaluate stage measures, after bringing the two sides together by
    `align`; `length_ratio` is how unlike in length they may be, 0 for as they like: a voice has a tempo of its own, which
    an early one is far from having learnt.
    """

    example = ""
    called_with = '"recording.wav"'
    option_noun = "option"  # what an option of its models is called
    streams_text = False  # whether `stream` says a text as it comes
    streams_files = False  # whether `stream_file` makes sound of a recording or a mel piece by piece
    captioned = False  # whether the texts of utterances say what sounds in them, and not what is spoken
    tells_times = False  # whether `timed` gives the times of lines, words and phones besides
    metrics = "mcd f0rmse fpc energy_rmse"
    prompted_metrics = ""  # and of models that speak like a recording
    conversion_metrics = ""  # of a conversion beside its source, where nobody names others
    align = "dtw"
    length_ratio = 0.0

    def __init__(self, model: Model, features: FeatureSet, card: dict[str, Any], *, device: Any = "cpu") -> None:
        self.model = model.to(device).eval()
        self.features, self.card, self.device = features, card, device

    @functools.cached_property
    def network(self) -> Model:
        """The model ready for use, in a copy, as a run in training still needs its own."""
        import torch

        with torch.inference_mode(False):
            copied = copy.deepcopy(self.model).eval().requires_grad_(False)
            return copied.prepared()

    @property
    def name(self) -> str:
        """Of the model."""
        return type(self.model).__name__

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self.described)}>"

    def _repr_html_(self) -> str:
        """In a notebook: what it is, and what it takes."""
        from html import escape

        rows = [f"<tr><td>{escape(name)}</td><td>{escape(said)}</td></tr>" for name, said in self.takes.items()]
        return f"{escape(repr(self))}<br>call it with {escape(self.called_with)} and<table>{''.join(rows)}</table>"

    @property
    def takes(self) -> dict[str, str]:
        """The options of a call, with their default and what they mean."""
        from utils.meanings import meaning

        told = {}
        for function, options in ((type(self).__call__, self.own_options()), (type(self.model).infer, self.options)):
            for name, option in options.items():
                told[name] = f"{meaning(function, name)} (default {option.default})"
        return told

    @property
    def described(self) -> list[str]:
        """What it is, in a few words each: the model, how large, its rate, its voices."""
        sizes = [parameter.numel() for parameter in self.model.parameters()]
        words = [self.name, f"{sum(sizes) / 1e6:.1f} M parameters", f"{self.rate} Hz"]
        if self.voices:
            voices = some(self.voices, SHOWN)
            words.append(f"voices {voices}")
        words += self.forbidding
        return words

    @property
    def forbidding(self) -> list[str]:
        """Why what it makes may not be used for money, as far as its card tells where it comes from; [] where nothing forbids it."""
        from models.base.ledger import restrictions

        sources = restrictions(self.card.get("ledger", []))
        return [f"no use for money, because of {'; '.join(sources)}"] if sources else []

    @classmethod
    def own_options(cls) -> dict[str, Parameter]:
        """What a user may name beside the options of the model."""
        from models.base.model import keyword_options

        return keyword_options(cls.__call__)

    @property
    def converts(self) -> bool:
        """Whether its method `convert` brings a recording to another of the model's voices."""
        return False

    @property
    def copies(self) -> bool:
        """Whether its method `copy` makes sound of the mel of a recording."""
        return False

    @property
    def options(self) -> dict[str, Parameter]:
        """What a user may name of the model's own."""
        return self.model.options()

    def chosen(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options among those `given` that the model has; see `models.base.choices.chosen`, also for what is raised."""
        from models.base.choices import chosen

        return chosen(given, type(self.model), type(self))

    @property
    def rate(self) -> int:
        """Samples per second of what comes out."""
        return self.features.sample_rate

    @property
    def mel_settings(self) -> MelSettings:
        """The mel that the model makes or reads, every setting resolved."""
        from processors.mel import MelSettings

        return MelSettings.of(self.features.settings.get("mel", {}), self.features.common)

    @property
    def scale(self) -> Scale:
        """What the axes of a picture of its mels count."""
        from processors.filters import band_centres
        from processors.mel import LEVELS
        from visualization.plot import Scale

        settings = self.mel_settings
        return Scale(settings.hop_size / settings.sample_rate, band_centres(settings), LEVELS[settings.convention.log])

    def __call__(self, *args: Any, **options: Any) -> Audio:
        raise NotImplementedError

    def sample(self, utterance: Utterance, **options: Any) -> Sample:
        """The utterance as this model gives it, beside the recording."""
        raise NotImplementedError

    @property
    def speakers(self) -> list[str]:
        """The names of the speakers that it was trained on, in the order of their numbers."""
        return self.card.get("speakers") or []

    @property
    def voices(self) -> list[str] | None:
        """The speakers that it tells apart; None where it does not matter to the model who speaks."""
        from models.base.tables import tells_speakers

        return self.speakers if tells_speakers(self.model) else None

    def speaker_of(self, utterance: Utterance) -> int:
        """The number of who speaks `utterance`, the first where it names neither corpus nor speaker.

        Raises ValueError for somebody that the model never heard.
        """
        from models.base.splits import speaker_name

        if self.voices is None or not (utterance.dataset or utterance.speaker):
            return 0
        if speaker_name(utterance) not in self.voices:
            raise ValueError(f"the model never heard its speaker, {speaker_name(utterance)!r}: choose who is to say it by --speaker.")
        return self.voices.index(speaker_name(utterance))

    def speaker_id(self, name: str | None) -> int:
        """The number of a speaker; None is the first. Raises ValueError with the nearest name and the choices."""
        from utils.registry import nearest

        speakers = self.speakers or ["default"]
        if name is None:
            return 0
        matches = [i for i, full in enumerate(speakers) if name == full or full.endswith(f"_{name}")]
        if len(matches) != 1:
            raise ValueError(nearest(name, speakers, "speaker", ends=True))
        return matches[0]


def pick_device(device: str | None) -> torch.device:
    """The device asked for, or the GPU where there is one."""
    import torch

    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def make_task(model: Model, features: FeatureSet, card: dict[str, Any], *, device: Any) -> Task:
    """The task of `card["model_type"]` around a model that is already there."""
    return load_object(MODELS[card["model_type"]].task)(model, features, card, device=device)


def load(path: str | Path, *, device: str | None = None, which: str = "newest", model_type: str | None = None) -> Task:
    """The task that a release, checkpoint, run, hub id, or foreign checkpoint can do.

    `which`: "newest" or "best" checkpoint of a run. `model_type` helps where a foreign file does not say what it is.
    Raises ValueError naming what is missing, damaged or does not fit.
    """
    from processors.features import FeatureSet

    folder = resolve(path, which=which)
    card, weights = read(folder, model_type=model_type)
    model = build_for(card, weights, str(path), find_frozen(card, folder))
    fit_weights(model, weights, str(path))
    p = card["preprocess"]
    with named(card, str(path)):
        features = FeatureSet(p["features"], sample_rate=p["sample_rate"], hop_size=p["hop_size"])
        features.restore(card["learned"])
    return make_task(model, features, card, device=pick_device(device))
