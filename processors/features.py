"""An `Utterance` becomes arrays, by the same objects when extracting, training and inferring.

`FEATURES` is the table of what there is (see `processors.feature`). `FeatureSet` holds those of one config, keeps the dear
ones on disk under the digests of their resolved settings and of what of the utterance they are made from, and brings all
to the frames of the model.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from preprocessors.base import Utterance, changed
from processors.arrays import Arrays
from processors.corpus import Corpus, all_learned
from processors.feature import Feature
from processors.frames import Frames
from processors.manifest import Manifest
from processors.store import NEXT, Kind, Store, identity
from utils.audio import Audio
from utils.digest import digest, digest_of_file
from utils.log import log
from utils.registry import load_object, pick

FEATURES = {
    "audio": "processors.feature:Samples",
    "mel": "processors.spectra:Mel",
    "linear": "processors.spectra:Linear",
    "energy": "processors.spectra:Energy",
    "mfcc": "processors.cepstra:MFCC",
    "mfcc_delta": "processors.cepstra:MFCCDelta",
    "f0": "processors.f0:F0",
    "phone": "processors.text:Phones",
    "duration": "processors.duration:Durations",
    "frame_phone": "processors.frame_phone:FramePhones",
    "whisper": "processors.whisper:Whisper",
    "contentvec": "processors.hubert:ContentVec",
    "wavlm": "processors.hubert:WavLM",
    "mert": "processors.hubert:Mert",
    "wenet": "processors.wenet:Wenet",
    "speaker_vector": "processors.speaker:SpeakerVector",
    "codec": "processors.tokens:CodecTokens",
    "events": "processors.events:Events",
    "latent": "processors.latents:MelLatents",
    "caption": "processors.captions:Captions",
}

ENOUGH = 3000  # utterances that statistics are taken over; more would not move them


def feature_class(name: str) -> type[Feature]:
    """The class of a feature. Raises ValueError with the choices."""
    return load_object(pick(FEATURES, name, "feature"))


def ordered(names: Iterable[str]) -> list[str]:
    """These features and those that they are worked out from, each behind what it needs."""
    order: list[str] = []
    for name in names:
        before = ordered(feature_class(name).needs)
        order += [each for each in (*before, name) if each not in order]
    return order


class FeatureSet:
    """The features of one config, in the order in which they need one another.

    `settings`: feature name -> constructor arguments. `store`: the folder that keeps the dear ones,
    None at inference, and `kind` how. `sample_rate`, `hop_size`, `frame_padding` (where the frames of the mel stand, as its convention
    has it) and `mel` (its settings, None without one) are offered to every constructor that names them, so that all features share the
    mel's frames.
    """

    def __init__(
        self,
        settings: dict[str, dict[str, Any]],
        *,
        sample_rate: int,
        hop_size: int,
        store: Path | str | None = None,
        kind: Kind = "files",
    ) -> None:
        from processors.mel import MelSettings, frame_padding
        from utils.config import build

        self.sample_rate = sample_rate
        self.hop_size = hop_size
        self.store = Path(store) if store else None
        self.kind = kind
        self.settings = {name: dict(section) for name, section in settings.items()}
        padding = frame_padding(self.settings)
        self.common = {"sample_rate": sample_rate, "hop_size": hop_size, "frame_padding": padding}
        mel = self.settings.get("mel")
        self.common["mel"] = None if mel is None else MelSettings.of(mel, self.common)
        self.corpus: Corpus | None = None  # that of the last `fit`
        self.features: dict[str, Feature] = {}
        self.digests: dict[str, str] = {}
        for name in self._ordered():
            cls = feature_class(name)
            self.features[name] = build(cls, self.settings[name], self.common)
            self.digests[name] = self._digest(name, cls)
        self.frames = Frames(self.features, sample_rate=sample_rate, hop_size=hop_size, padding=padding)

    def _ordered(self) -> list[str]:
        for name in self.settings:
            for need in feature_class(name).needs:
                if need not in self.settings:
                    raise ValueError(f'preprocess.features: {name!r} is worked out from {need!r}; add "{need}": {{}}.')
        return ordered(self.settings)

    def _digest(self, name: str, cls: type) -> str:
        settings = {**self.common, **self.settings[name]}
        parameters = inspect.signature(cls).parameters.values()
        resolved = {p.name: settings.get(p.name, p.default) for p in parameters}
        # "" is a setting not made: a feature may gain one, and what was kept before stays of use.
        resolved = {name: value for name, value in resolved.items() if value != ""}
        resolved.pop("mel", None)  # what is worked out from its settings is not kept
        if resolved.get("frame_padding") != "center":  # likewise: all arrays were made so before there was a choice
            resolved.pop("frame_padding", None)
        if not resolved.get("highpass"):  # likewise
            resolved.pop("highpass", None)
        if path := resolved.get("lexicon"):  # what it says counts, and not where it lies
            resolved["lexicon"] = digest_of_file(path) or path
        if path := resolved.get("model"):  # likewise: which network it is, the feature learns
            resolved["model"] = Path(path).name
        resolved["needs"] = [self.digests[need] for need in cls.needs]
        text = json.dumps(resolved, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def facts(self) -> dict[str, Any]:
        """Everything the features offer to a model's constructor.

        `channels` are those of each feature that says its own; without any such there is none, so that cards stay as they were.
        """
        facts: dict[str, Any] = {"sample_rate": self.sample_rate, "hop_size": self.hop_size}
        channels = {}
        for name, feature in self.features.items():
            facts |= feature.facts
            if feature.channels is not None:
                channels[name] = feature.channels
        return facts | ({"channels": channels} if channels else {})

    def folder(self, name: str) -> Path:
        """Where the arrays of a kept feature lie: <store>/<name>-<digest of its settings>."""
        if self.store is None:
            raise ValueError(f"the feature {name!r} has no folder: this FeatureSet keeps nothing.")
        return self.store / f"{name}-{self.digests[name]}"

    @property
    def arrays(self) -> Store:
        """What keeps the arrays."""
        if self.store is None:
            raise ValueError("this FeatureSet keeps nothing.")
        return Store(self.store, self.kind)

    def version(self, name: str, utterance: Utterance) -> str:
        """The digest of what the array is made from: text, sound, TextGrid, as far as the feature reads them."""
        feature = self.features[name]
        return digest([feature.edition, feature.basis(utterance), *(self.version(need, utterance) for need in feature.needs)])

    def path(self, name: str, utterance: Utterance) -> Path:
        folder = self.folder(name) / self.features[name].place(utterance) / utterance.dataset
        return folder / self._file_name(name, utterance)

    def _file_name(self, name: str, utterance: Utterance) -> str:
        """Captions of one recording share what is made of its sound alone: the version of what is made of the text is each one's own."""
        own = utterance.recording or utterance.id
        return f"{own}.{self.version(name, utterance)}.npy"

    def kept_path(self, name: str, utterance: Utterance) -> Path | None:
        """As `path`; None where it is not kept, as of a text that was only typed, which belongs to no corpus."""
        kept = self.store and self.features[name].kept and utterance.dataset
        return self.path(name, utterance) if kept else None

    def fit(self, utterances: list[Utterance], datasets: list[str], *, jobs: int = 0, cluster: str = "") -> Corpus:
        """Lets each feature learn from all utterances of `datasets`, and keeps what it learnt beside its arrays.

        What was learnt from exactly these is taken as it is. Returns the state of the corpora that was learnt from.
        """
        self.corpus = corpus = Corpus(datasets, utterances)
        for name, feature in self.features.items():
            folder = self.folder(name)
            learned = corpus.find(folder, "learned")
            if learned is None or learned.get("lost") or not feature.whole(learned, folder):
                learned = feature.fit(utterances, self, folder, jobs=jobs, cluster=cluster)
                corpus.write(folder, "learned", learned)
                feature.tidy(folder, all_learned(folder))
            feature.restore(learned, folder)
        return corpus

    def learned(self, datasets: list[str], corpus: Corpus | None = None) -> dict[str, Any]:
        """What `fit` wrote, by feature, for the card; also restores it. `corpus` is, if left out, that of the last `fit`.

        Raises ValueError before extraction, and where the corpora are no longer those that were learnt from.
        """
        corpus = corpus or self.corpus or Corpus(datasets, [])
        learned = {}
        for name, feature in self.features.items():
            folder = self.folder(name)
            learned[name] = corpus.read(folder, "learned", self.extracted)
            if not feature.whole(learned[name], folder):
                raise ValueError(f"{corpus.path(folder, 'learned')} or what lies beside it is damaged: {NEXT}.")
            feature.restore(learned[name], folder)
        return learned

    @property
    def extracted(self) -> Path:
        """The folder of what the extract stage says of the corpora; its name tells these settings from others."""
        if self.store is None:
            raise ValueError("this FeatureSet keeps nothing: it has no folder.")
        together = hashlib.sha256("".join(self.digests.values()).encode()).hexdigest()[:8]
        return self.store / f"extract-{together}"

    def refused(self, corpus: Corpus) -> dict[str, str]:
        """Utterances that the extract stage could not use with these settings: "dataset/id" -> why."""
        return corpus.find(self.extracted, "refused") or {}

    def measure(self, names: list[str], datasets: list[str], utterances: list[Utterance]) -> None:
        """Works out the `statistics` of frame features over `utterances`, the usable ones for training, unless they are kept."""
        training = Corpus(datasets, utterances)
        for name in names:
            if training.find(self.extracted, f"statistics-{name}") is None:
                training.write(self.extracted, f"statistics-{name}", self._measured(name, utterances))

    def statistics(self, names: list[str], datasets: list[str], utterances: list[Utterance]) -> dict[str, dict]:
        """Mean, deviation, least and greatest value over `utterances`, as `measure` found them in the extract stage; of each band,
        as lists, of a feature that has several a frame.

        Zeros of F0 are left out: they say "unvoiced", not 0 Hz. Raises ValueError when that stage has not run for these utterances.
        """
        training = Corpus(datasets, utterances)
        statistics = {}
        for name in names:
            kind = f"statistics-{name}"
            found = training.find(self.extracted, kind)
            if found is None:
                raise ValueError(f"{training.path(self.extracted, kind)} is missing: {NEXT}.")
            statistics[name] = found
        return statistics

    def _measured(self, name: str, utterances: list[Utterance]) -> dict[str, float | list[float]]:
        every = max(1, len(utterances) // ENOUGH)
        arrays = []
        for utterance in utterances[::every]:
            array = self(utterance, [name])[name]
            arrays.append(array)
        values = np.concatenate(arrays).astype(np.float64)
        if name == "f0":
            values = values[values > 0]
        if not len(values):
            raise ValueError(f"{name} is empty over the whole corpus: no voiced frame was found; check the recordings.")
        deviation = np.maximum(values.std(0), 1e-6)
        rows = {"mean": values.mean(0), "std": deviation, "min": values.min(0), "max": values.max(0)}
        return {statistic: np.round(value, 6).tolist() for statistic, value in rows.items()}

    def measure_registers(self, datasets: list[str], utterances: Manifest, numbers: np.ndarray, names: list[str]) -> None:
        """Works out `registers` of the usable utterances for training, unless they are kept; see `processors.registers`."""
        from processors.registers import registers

        training = Corpus(datasets, utterances)
        if training.find(self.extracted, "registers") is None:
            training.write(self.extracted, "registers", registers(self, utterances, numbers, names))

    def registers(self, datasets: list[str], utterances: Manifest) -> dict[str, float]:
        """The median F0 of each speaker, as `measure_registers` found it. Raises ValueError where the extract stage has not run."""
        training = Corpus(datasets, utterances)
        found = training.find(self.extracted, "registers")
        if found is None:
            raise ValueError(f"{training.path(self.extracted, 'registers')} is missing: {NEXT}.")
        return found

    def tidy(self, utterances: list[Utterance]) -> int:
        """Removes what was kept of earlier states of these utterances' corpora; returns how many files it were."""
        datasets = sorted({utterance.dataset for utterance in utterances})
        kept = [name for name, feature in self.features.items() if feature.kept]
        removed = sum(self._tidied(name, dataset, utterances) for name in kept for dataset in datasets)
        for name in kept:
            self._gather(name)
        return removed

    def _gather(self, name: str) -> None:
        """Brings what was kept in the other way into that of these settings."""
        moved = self.arrays.gather(self.folder(name))
        if moved:
            log.info(f"{name}: {moved} arrays that were kept otherwise are now kept as preprocess.store says, in {self.kind}.")

    def _tidied(self, name: str, dataset: str, utterances: list[Utterance]) -> int:
        feature = self.features[name]
        names = set()
        for utterance in utterances:
            if utterance.dataset != dataset:
                continue
            names.add(self._file_name(name, utterance))
            names.update(f"{utterance.id}{path.suffix}" for path in feature.beside(utterance))
        return self.arrays.sweep(self.folder(name), dataset, names)

    def restore(self, learned: dict[str, Any], store: Path | None = None) -> None:
        """Takes what a card holds, so that inference equals training; with a `store`, reads what the extract stage kept there."""
        self.store = store or self.store
        for name, feature in self.features.items():
            feature.restore(learned.get(name, {}), self.folder(name) if store else None)

    def extract(self, utterance: Utterance, names: Iterable[str] | None = None) -> str:
        """Computes `names` (all, if None) once and keeps what is dear; returns "" or why this utterance cannot be used."""
        names = list(names) if names is not None else list(self.features)
        try:
            if reason := changed(utterance):
                return reason
            self(utterance, names)
            for name in names:
                beside = self.features[name].beside(utterance)
                if not all(path.is_file() for path in beside):
                    self.raw(utterance, [name], anew=True)
        except ValueError as error:
            return str(error)
        return ""

    def __call__(self, utterance: Utterance, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """The arrays of `names` (all, if None) for one utterance, on one clock and as the network reads them.

        Raises ValueError naming the utterance when a feature cannot be computed or two disagree in length.
        """
        wanted = self.features if names is None else names
        names = list(wanted)
        try:
            arrays = self.raw(utterance, names)
            brought = self.frames.bring(arrays)
            return {name: self.features[name].encode(array) for name, array in brought.items()}
        except ValueError as error:
            raise ValueError(f"{identity(utterance)}: {error}") from error

    def of_sound(self, sound: Audio, names: Iterable[str]) -> dict[str, np.ndarray]:
        """The arrays of `names` for a sound of any rate that belongs to no corpus, as `__call__` gives them."""
        arrays = Arrays(self, Utterance(id="-"), sound=sound)
        brought = self.frames.bring({name: arrays[name] for name in names})
        return {name: self.features[name].encode(array) for name, array in brought.items()}

    def raw(self, utterance: Utterance, names: list[str], *, anew: bool = False) -> dict[str, np.ndarray]:
        """The arrays of `names` as they are kept: loaded where on disk, else computed (and kept, if dear).

        What is kept but damaged, or does not fit the rest, is computed `anew`, once. Raises ValueError where it then still is wrong.
        """
        arrays = Arrays(self, utterance, anew=anew)
        chosen = {name: arrays[name] for name in names}
        problem = self._problem(arrays) if arrays.loaded else ""
        if not problem:
            return chosen
        if reason := changed(utterance):
            raise ValueError(reason)
        log.warning(f"{identity(utterance)}: {problem}. What is kept of it is computed again.")
        return self.raw(utterance, names, anew=True)

    def _problem(self, arrays: Arrays) -> str:
        """What is wrong with arrays of which some were loaded, by themselves or beside the others; "" if nothing is."""
        for name in arrays.loaded:
            if problem := self.features[name].problem(arrays.by_name[name]):
                return f"{name} {problem}"
        return self.frames.problem(arrays.by_name)
