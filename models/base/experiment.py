"""A config becomes an experiment: checked whole, then its features, data, model and card."""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import MODELS, Spec
from models.base.card import build_model, versions
from models.base.choices import problems_of_section
from models.base.ledger import ledger
from models.base.splits import Division, divide, speaker_names
from preprocessors.augmentation import Augmentation, neighbour
from preprocessors.base import SPLITS, corpora, corpus
from processors.corpus import Corpus
from processors.features import FEATURES, FeatureSet, feature_class, ordered
from processors.manifest import Manifest, read_splits
from processors.store import Kind
from utils.config import Config, ConfigError, build, check, load_config
from utils.names import check_name
from utils.registry import load_object, nearest
from utils.slicing import Slicing
from utils.transcription import Transcription

if TYPE_CHECKING:
    from models.base.data import Utterances
    from models.base.frozen import Frozen
    from models.base.model import Model
    from models.base.settings import TrainConfig

CLOCK = ("sample_rate", "hop_size", "frame_padding", "mel")  # what a feature's constructor may ask for
# What a model may ask for by name, beside what features give. `channels` are of all features that say them, by name of feature.
FACTS = ("sample_rate", "hop_size", "mel", "n_speakers", "statistics", "channels")
# Settings of `preprocess` that say nothing of what a model is given.
OWN = ("processed_dir", "store", "slice", "augment", "transcribe", "corpora")


@dataclass(frozen=True)
class Preprocess:
    """The section `preprocess`."""

    sample_rate: int
    hop_size: int  # samples between two frames
    features: dict[str, dict[str, Any]]
    processed_dir: str = "data"
    store: Kind = "files"  # or "shards": the arrays of a feature in one file, for many utterances
    slice: Slicing | None = None  # how long recordings are cut; None: they stay whole
    augment: Augmentation | None = None  # changed copies of training utterances; None: there are none
    transcribe: Transcription | None = None  # who hears the words of recordings without; None: nobody
    corpora: dict[str, dict[str, Any]] = field(default_factory=dict)  # settings of corpora, by name: arguments of their `utterances`


@dataclass(frozen=True)
class Sections:
    """The top level of a config."""

    model_type: str
    dataset: list[str]
    preprocess: dict[str, Any]
    dataset_path: dict[str, str] = field(default_factory=dict)
    dataset_licence: dict[str, str] = field(default_factory=dict)  # of a corpus of one's own, or where it is another than the corpus's
    log_dir: str = "ckpts"
    model: dict[str, Any] = field(default_factory=dict)
    discriminator: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    inference: dict[str, Any] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)  # other trained models, by the names that the model knows them by -> where


class Experiment:
    """One config, checked, with everything that is built from it.

    Raises ConfigError listing every problem of every section at once.
    """

    def __init__(self, config: Config) -> None:
        problems = [*config.problems, *problems_of(config)]
        if problems:
            raise ConfigError(problems, config.source, config.overridden)
        self.config = config
        self.sections = Sections(**config)
        self.preprocess = build(Preprocess, config["preprocess"])
        self.processed_dir = Path(self.preprocess.processed_dir)

    @classmethod
    def read(cls, path: str | Path, overrides: list[str] = ()) -> Experiment:
        """The experiment of a config file with `--set` overrides."""
        return cls(load_config(path, overrides))

    @property
    def spec(self) -> Spec:
        return MODELS[self.sections.model_type]

    @property
    def datasets(self) -> list[str]:
        return self.sections.dataset

    @cached_property
    def features(self) -> FeatureSet:
        """The features, with a store under `processed_dir`."""
        p = self.preprocess
        return FeatureSet(p.features, sample_rate=p.sample_rate, hop_size=p.hop_size, store=self.processed_dir, kind=p.store)

    @property
    def reads_text(self) -> bool:
        """Whether a feature that the model reads is made from text: utterances without are then of no use."""
        names = features_read(self.model_class, self.sections.model)
        return any(feature_class(name).of == "text" for name in ordered(names))

    @cached_property
    def corpus(self) -> Corpus:
        """The state of the corpora as the preprocess stage left them: arrays of another state are not read."""
        return Corpus(self.datasets, self.everything())

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The utterances of each split as the preprocess stage left them, usable or not; read once."""
        return {split: read_splits(self.processed_dir, self.datasets, split) for split in SPLITS}

    @cached_property
    def copies(self) -> Manifest:
        """The changed copies of training utterances (`preprocess.augment`), usable or not; none where none are wished."""
        kinds = self.preprocess.augment.kinds if self.preprocess.augment else []
        neighbours = [neighbour(name, kind) for name in self.datasets for kind in kinds]
        return read_splits(self.processed_dir, neighbours, "train") if neighbours else Manifest.of([])

    def everything(self) -> Manifest:
        """The utterances of all splits and the changed copies, usable or not."""
        manifest = functools.reduce(operator.add, self.manifests.values())
        return manifest + self.copies if self.copies else manifest

    def utterances(self, split: str) -> Manifest:
        """The utterances of a split, without those that the extract stage listed as unusable; "train" has the changed copies, too."""
        manifest = self._usable(self.manifests[split])
        return manifest + self._usable(self.copies) if split == "train" and self.copies else manifest

    def _usable(self, manifest: Manifest) -> Manifest:
        refused = self.features.refused(self.corpus)
        return manifest.without(refused) if refused else manifest

    @cached_property
    def speakers(self) -> list[str]:
        _, names = speaker_names(self.utterances("train"))
        return sorted(set(names))

    @cached_property
    def model_class(self) -> type[Model]:
        return load_object(self.spec.model)

    def division(self, voices: Collection[str] | None) -> Division:
        """The utterances to train, validate and test with; see `models.base.splits.divide`."""
        splits = {split: self._usable(self.manifests[split]) for split in SPLITS}
        return divide(splits, voices, self._usable(self.copies))

    def data(self, utterances: Manifest, *, voices: list[str], config: TrainConfig) -> Utterances:
        """The Dataset of some utterances, with the features that the model reads, and the prompts that it takes.

        `voices` are numbered in this order. Raises ValueError for no utterances.
        """
        from models.base.data import Utterances
        from models.base.prompts import Prompting

        if not utterances:
            raise ValueError(f"the train split of {', '.join(self.datasets)} holds no usable utterance: see report.json beside it.")
        names = list(self.model_class.features_of(self.sections.model))
        prompting = None
        if self.model_class.prompts:
            prompting = Prompting(self.model_class.prompts, config.prompt_seconds, config.prompt_from)
        drawn = {"segment_frames": config.segment_frames, "seed": config.seed, "prompting": prompting}
        return Utterances(utterances, self.features, names, voices, **drawn)

    @cached_property
    def frozen(self) -> dict[str, Frozen]:
        """The other trained models that the model uses, loaded once. Raises ValueError for one that cannot be."""
        from models.base.frozen import load_frozen

        return load_frozen(self.sections.frozen)

    @cached_property
    def card(self) -> dict[str, Any]:
        """What a release must know: how features and model are made, and what was learnt from the data. No paths of this machine,
        but those to frozen models, which are known again by their digests.

        Raises ValueError where the extract stage has not run, or the corpora have changed since.
        """
        learned = self.features.learned(self.datasets, self.corpus)
        facts = self.features.facts | {"n_speakers": len(self.speakers)}
        facts["statistics"] = self.features.statistics(list(self.model_class.statistics_of), self.datasets, self.utterances("train"))
        card = {
            "model_type": self.sections.model_type,
            "dataset": self.datasets,
            "preprocess": {k: v for k, v in self.config["preprocess"].items() if k not in OWN},
            "model": self.sections.model,
            "discriminator": self.sections.discriminator,
            "train": self.sections.train,
            "frozen": {name: other.record for name, other in self.frozen.items()},
            "facts": facts,
            "learned": learned,
            "speakers": self.speakers,
            "ledger": ledger(self),
            "versions": versions(),
        }
        if self.model_class.registers:
            card["registers"] = self.features.registers(self.datasets, self.utterances("train"))
        vocoder = self.sections.inference.get("vocoder")
        if vocoder:
            card["vocoder"] = vocoder
        return card

    def model(self) -> Model:
        """The untrained model. Its constructor's problems with the data come as ValueError."""
        return build_model(self.card, self.frozen)

    def run_folder(self, name: str) -> Path:
        return run_folder(self.sections.log_dir, name)


def run_folder(log_dir: str | Path, name: str) -> Path:
    """Where the run of that name lies. Raises ValueError for a name that leads elsewhere, or is none."""
    return Path(log_dir) / check_name(name, "--name")


def problems_of(config: dict[str, Any]) -> list[str]:
    """Everything wrong with a merged config, one line each; an empty list if nothing is."""
    problems = [p.removeprefix("config.") for p in check(Sections, config, "config")]
    broken = {p.split(":")[0].split(".")[0].split("[")[0] for p in problems}
    names = config.get("dataset", []) if "dataset" not in broken else []
    for name in names:
        if name not in corpora():
            problems.append("dataset: " + nearest(name, corpora(), "dataset"))
        elif "dataset_path" not in broken and name not in (config.get("dataset_path") or {}):
            problems.append(f"dataset_path.{name}: is missing: the folder of the corpus {name!r}")
    if "dataset_licence" not in broken:
        problems += _licence_problems(config.get("dataset_licence", {}), names)
    if "preprocess" not in broken and "preprocess" in config:
        problems += _preprocess_problems(config["preprocess"])
        problems += _feature_problems(_features(config))
    problems += _model_problems(config, broken)
    return problems


def _licence_problems(licences: Iterable[str], names: list[str]) -> list[str]:
    """What is wrong with the section `dataset_licence` of a config of these datasets."""
    unknown = [name for name in licences if name not in names]
    return [f"dataset_licence.{name}: " + nearest(name, names, "dataset of this config") for name in unknown]


def _preprocess_problems(section: Any) -> list[str]:
    """What is wrong with the section `preprocess`, and with the settings of corpora in it."""
    problems = check(Preprocess, section, "preprocess")
    if problems:
        return problems
    for name, settings in section.get("corpora", {}).items():
        at = f"preprocess.corpora.{name}"
        if name in corpora():
            problems += check(corpus(name).utterances, settings, at, ("root",))
        else:
            problems.append(f"{at}: " + nearest(name, corpora(), "dataset"))
    return problems


def _features(config: dict[str, Any]) -> dict[str, Any]:
    """The section `preprocess.features`, none where it or the section around it is of another kind."""
    section = config.get("preprocess")
    features = section.get("features") if isinstance(section, dict) else None
    return features if isinstance(features, dict) else {}


def _feature_problems(features: dict[str, Any]) -> list[str]:
    problems = []
    for name, section in features.items():
        at = f"preprocess.features.{name}"
        if name not in FEATURES:
            problems.append(f"{at}: " + nearest(name, FEATURES, "feature"))
            continue
        cls = load_object(FEATURES[name])
        problems += check(cls, section, at, CLOCK)
        problems += [f'{at}: is worked out from {n!r}; add "{n}": {{}}' for n in cls.needs if n not in features]
    return problems + _twice_given(name for name in features if name in FEATURES)


def _twice_given(names: Iterable[str]) -> list[str]:
    """A problem for each fact that two features give: a model that asks for it would not know whose it is told."""
    problems = []
    givers: dict[str, str] = {}
    for name in names:
        for fact in feature_class(name).gives:
            other = givers.setdefault(fact, name)
            if other != name:
                problems.append(f"preprocess.features.{name}: gives {fact!r}, as {other!r} does: leave one of them out")
    return problems


def _model_problems(config: dict[str, Any], broken: set[str]) -> list[str]:
    name = config.get("model_type")
    if "model_type" in broken or name is None:
        return []
    if name not in MODELS:
        return ["model_type: " + nearest(name, MODELS, "model")]
    spec = MODELS[name]
    problems = []
    cls = load_object(spec.model)
    trainer = load_object(spec.trainer)
    wrong = check(cls, config.get("model", {}), "model", (*fact_names(), *cls.frozen))
    problems += wrong
    problems += _frozen_problems(cls, config.get("frozen", {}))
    problems += trainer.problems(config)
    problems += problems_of_section(name, config.get("inference", {}))
    try:
        reads = [*cls.reads, *cls.prompts] if wrong else features_read(cls, config.get("model", {}))
    except ValueError as error:
        return [*problems, f"model: {error}"]
    return problems + _reading_problems(name, reads, _features(config))


def features_read(cls: type[Model], settings: dict[str, Any]) -> list[str]:
    """The features that training reads for a model of these settings, those of prompts among them, each once."""
    return list(dict.fromkeys([*cls.features_of(settings), *cls.prompts]))


def _reading_problems(model_type: str, reads: list[str], features: Any) -> list[str]:
    """What is wrong with the features that a model reads, which its settings may have chosen."""
    if not isinstance(features, dict):
        return []  # said already
    trained = f"{model_type} is trained on {', '.join(reads)}"
    problems = []
    for name in reads:
        if name not in FEATURES:
            problems.append(f"model: {trained}; " + nearest(name, FEATURES, "feature"))
        elif name not in features:
            problems.append(f"preprocess.features.{name}: is missing: {trained}")
    return problems


def fact_names() -> tuple[str, ...]:
    """What a model's constructor may ask for by name: what the experiment knows, and what each feature says that it gives."""
    given = [name for feature in FEATURES for name in feature_class(feature).gives]
    return (*FACTS, *given)


def _frozen_problems(cls: type[Model], section: Any) -> list[str]:
    """What is wrong with the section `frozen` for this model."""
    if not isinstance(section, dict):
        return []  # said already
    wanted = cls.frozen
    unknown = [name for name in section if name not in wanted]
    missing = [name for name in wanted if name not in section]
    cure = f"{cls.__name__} uses another trained model by this name: say where its release, checkpoint or run lies"
    problems = [f"frozen.{name}: " + nearest(name, wanted, "frozen model") for name in unknown]
    return problems + [f"frozen.{name}: is missing: {cure}" for name in missing]
