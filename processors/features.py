"""An `Utterance` becomes arrays, by the same objects when extracting, training and inferring.

A feature is a small class: its constructor's arguments are its settings, `axis` says what its first
axis counts, `needs` names the features it is worked out from. `FeatureSet` holds those of one config,
keeps the dear ones on disk under the digests of their resolved settings and of what of the utterance
they are made from, and brings all to one clock.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from preprocessors.base import Utterance, changed
from processors.store import NEXT, Corpus, all_learned, identity, read_array, sound_of, sweep, write_array
from utils.audio import Audio
from utils.digest import digest, digest_of_file
from utils.log import log
from utils.registry import load_object, pick

FEATURES = {
    "audio": "processors.features:Samples",
    "mel": "processors.mel:Mel",
    "linear": "processors.mel:Linear",
    "energy": "processors.mel:Energy",
    "f0": "processors.f0:F0",
    "phone": "processors.text:Phones",
    "duration": "processors.duration:Durations",
}

ENOUGH = 3000  # utterances that statistics are taken over; more would not move them
MAX_SLIP = 2  # frames that two extractors may differ by; more is a mistake, not rounding
# Where frame i is centred: on sample (i + 1/2) * hop, or on i * hop, which gives one frame more.
Padding = Literal["same", "center"]


def frame_count(samples: int, hop_size: int, padding: Padding) -> int:
    """How many frames a sound of that many samples has."""
    return samples // hop_size + (padding == "center")


class Feature:
    """What every feature offers; subclasses set these and define `__call__`."""

    axis: str = "frame"  # what the first axis counts: "sample", "frame", "token" or "utterance"
    kept: bool = False  # dear enough to be kept on disk
    needs: tuple[str, ...] = ()  # features passed to `__call__` by name
    pad: float = 0.0  # what stands behind the end of a shorter utterance in a batch
    kind: str = "f"  # of its numbers, as numpy calls it: "f" float, "i" integer, "U" string
    edition: int = 1  # raised when the same settings give other arrays than before: what was kept is then made again

    @property
    def facts(self) -> dict[str, Any]:
        """What a model's constructor may ask for by name, such as n_mel."""
        return {}

    def __call__(self, utterance: Utterance, audio: Audio, **needed: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def basis(self, utterance: Utterance) -> Any:
        """What of the utterance the array is made from, beside `needs`: JSON-able, and another for another array."""
        return sound_of(utterance)

    def place(self, utterance: Utterance) -> str:
        """The folder within the feature's own, where what `fit` learnt decides the array: its name says what was learnt."""
        return ""

    def beside(self, utterance: Utterance) -> list[Path]:
        """What it keeps of the utterance beside its array."""
        return []

    def problem(self, array: np.ndarray) -> str:
        """What is wrong with an array, "" if nothing is: cheap, as it is asked whenever one is read."""
        if array.dtype.kind != self.kind or (self.kept and array.ndim != 1):
            return f"holds an array of {array.ndim} dimensions and type {array.dtype}"
        return "holds NaN or infinity" if self.kind == "f" and not np.isfinite(array).all() else ""

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Learns from the whole corpus (a symbol table, an alignment) before extraction; JSON-able, kept in the card.

        "lost" among it says how many utterances killed processes had: it is then learnt again the next time.
        """
        return {}

    def whole(self, learned: dict[str, Any], folder: Path) -> bool:
        """False where `learned`, or what `fit` wrote into `folder` with it, is damaged or gone: it is learnt again."""
        return True

    def tidy(self, folder: Path, learned: list[dict[str, Any]]) -> None:
        """Removes from `folder` what `fit` wrote with none of those that are still `learned`."""

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        """Takes back what `fit` gave; `folder` is where it may have written more, None at inference."""

    def encode(self, array: np.ndarray) -> np.ndarray:
        """What the network reads, from what is kept: symbols become ids here."""
        return array


class Samples(Feature):
    """The waveform itself, (samples,), cut or padded to a whole number of frames."""

    axis = "sample"

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        return audio.samples


class FeatureSet:
    """The features of one config, in the order in which they need one another.

    `settings`: feature name -> constructor arguments. `store`: the folder that keeps the dear ones,
    None at inference. `sample_rate`, `hop_size` and `frame_padding` (where the frames of the mel stand, as its convention
    has it) are offered to every constructor that names them, so that all features share the mel's frames.
    """

    def __init__(
        self, settings: dict[str, dict[str, Any]], *, sample_rate: int, hop_size: int, store: Path | str | None = None
    ) -> None:
        from processors.mel import frame_padding
        from utils.config import build

        self.sample_rate, self.hop_size = sample_rate, hop_size
        self.store = Path(store) if store else None
        self.settings = {name: dict(section) for name, section in settings.items()}
        self.common = {"sample_rate": sample_rate, "hop_size": hop_size, "frame_padding": frame_padding(self.settings)}
        self.corpus: Corpus | None = None  # that of the last `fit`
        self.features: dict[str, Feature] = {}
        self.digests: dict[str, str] = {}
        for name in self._ordered():
            cls = load_object(pick(FEATURES, name, "feature"))
            self.features[name] = build(cls, self.settings[name], self.common)
            self.digests[name] = self._digest(name, cls)

    def _ordered(self) -> list[str]:
        order: list[str] = []

        def visit(name: str, asked_by: str) -> None:
            if name in order:
                return
            if name not in self.settings:
                raise ValueError(f'preprocess.features: {asked_by!r} is worked out from {name!r}; add "{name}": {{}}.')
            for need in load_object(pick(FEATURES, name, "feature")).needs:
                visit(need, name)
            order.append(name)

        for name in self.settings:
            visit(name, "the config")
        return order

    def _digest(self, name: str, cls: type) -> str:
        signature = inspect.signature(cls)
        given = {**self.common, **self.settings[name]}
        resolved = {p.name: given.get(p.name, p.default) for p in signature.parameters.values()}
        # "" is a setting not made: a feature may gain one, and what was kept before stays of use.
        resolved = {name: value for name, value in resolved.items() if value != ""}
        if resolved.get("frame_padding") != "center":  # likewise: all arrays were made so before there was a choice
            resolved.pop("frame_padding", None)
        if path := resolved.get("lexicon"):  # what it says counts, and not where it lies
            resolved["lexicon"] = digest_of_file(path) or path
        resolved["needs"] = [self.digests[need] for need in cls.needs]
        return hashlib.sha256(json.dumps(resolved, sort_keys=True, default=str).encode()).hexdigest()[:8]

    @property
    def facts(self) -> dict[str, Any]:
        """Everything the features offer to a model's constructor."""
        clock = {"sample_rate": self.sample_rate, "hop_size": self.hop_size}
        return clock | {k: v for feature in self.features.values() for k, v in feature.facts.items()}

    def folder(self, name: str) -> Path:
        """Where the arrays of a kept feature lie: <store>/<name>-<digest of its settings>."""
        if self.store is None:
            raise ValueError(f"the feature {name!r} has no folder: this FeatureSet keeps nothing.")
        return self.store / f"{name}-{self.digests[name]}"

    def version(self, name: str, utterance: Utterance) -> str:
        """The digest of what the array is made from: text, sound, TextGrid, as far as the feature reads them."""
        feature = self.features[name]
        return digest([feature.edition, feature.basis(utterance), *(self.version(need, utterance) for need in feature.needs)])

    def path(self, name: str, utterance: Utterance) -> Path:
        folder = self.folder(name) / self.features[name].place(utterance) / utterance.dataset
        return folder / f"{utterance.id}.{self.version(name, utterance)}.npy"

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
        found = {}
        for name, feature in self.features.items():
            found[name] = corpus.read(self.folder(name), "learned", self.extracted)
            if not feature.whole(found[name], self.folder(name)):
                raise ValueError(f"{corpus.path(self.folder(name), 'learned')} or what lies beside it is damaged: {NEXT}.")
            feature.restore(found[name], self.folder(name))
        return found

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
        """Mean, deviation, least and greatest value over `utterances`, as `measure` found them in the extract stage.

        Zeros of F0 are left out: they say "unvoiced", not 0 Hz. Raises ValueError when that stage has not run for these utterances.
        """
        training = Corpus(datasets, utterances)
        found = {name: training.find(self.extracted, f"statistics-{name}") for name in names}
        if missing := [name for name in names if found[name] is None]:
            raise ValueError(f"{training.path(self.extracted, f'statistics-{missing[0]}')} is missing: {NEXT}.")
        return found

    def _measured(self, name: str, utterances: list[Utterance]) -> dict[str, float]:
        every = max(1, len(utterances) // ENOUGH)
        arrays = [self(utterance, [name])[name].ravel() for utterance in utterances[::every]]
        values = np.concatenate(arrays).astype(np.float64)
        if name == "f0":
            values = values[values > 0]
        if not len(values):
            raise ValueError(f"{name} is empty over the whole corpus: no voiced frame was found; check the recordings.")
        deviation = max(values.std(), 1e-6)
        rows = {"mean": values.mean(), "std": deviation, "min": values.min(), "max": values.max()}
        return {statistic: round(float(value), 6) for statistic, value in rows.items()}

    def tidy(self, utterances: list[Utterance]) -> int:
        """Removes what was kept of earlier states of these utterances' corpora; returns how many files it were."""
        removed = 0
        for name, feature in self.features.items():
            for dataset in sorted({u.dataset for u in utterances}) if feature.kept else ():
                rows = [u for u in utterances if u.dataset == dataset]
                names = {f"{u.id}.{self.version(name, u)}.npy" for u in rows}
                names |= {f"{u.id}{path.suffix}" for u in rows for path in feature.beside(u)}
                removed += sweep(self.folder(name), dataset, names)
        return removed

    def restore(self, learned: dict[str, Any], store: Path | None = None) -> None:
        """Takes what a card holds, so that inference equals training; with a `store`, reads what the extract stage kept there."""
        self.store = store or self.store
        for name, feature in self.features.items():
            feature.restore(learned.get(name, {}), self.folder(name) if store else None)

    def extract(self, utterance: Utterance) -> str:
        """Computes everything once and keeps what is dear; returns "" or why this utterance cannot be used."""
        try:
            if reason := changed(utterance):
                return reason
            self(utterance)
            for name, feature in self.features.items():
                if not all(path.is_file() for path in feature.beside(utterance)):
                    self.raw(utterance, [name], anew=True)
        except ValueError as error:
            return str(error)
        return ""

    def __call__(self, utterance: Utterance, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """The arrays of `names` (all, if None) for one utterance, on one clock and as the network reads them.

        Raises ValueError naming the utterance when a feature cannot be computed or two disagree in length.
        """
        wanted = list(names) if names is not None else list(self.features)
        try:
            arrays = self.raw(utterance, wanted)
            aligned = align(arrays, {n: self.features[n].axis for n in wanted}, self.hop_size)
            return {name: self.features[name].encode(array) for name, array in aligned.items()}
        except ValueError as error:
            raise ValueError(f"{identity(utterance)}: {error}") from error

    def raw(self, utterance: Utterance, wanted: list[str], *, anew: bool = False) -> dict[str, np.ndarray]:
        """The arrays of `wanted` as they are kept: loaded where on disk, else computed (and kept, if dear).

        What is kept but damaged, or does not fit the rest, is computed `anew`, once. Raises ValueError where it then still is wrong.
        """
        arrays: dict[str, np.ndarray] = {}
        loaded: list[str] = []
        audio: Audio | None = None

        def get(name: str) -> np.ndarray:
            nonlocal audio
            if name in arrays:
                return arrays[name]
            feature = self.features[name]
            # A text that was only typed belongs to no corpus: nothing is kept of it.
            path = self.path(name, utterance) if self.store and feature.kept and utterance.dataset else None
            if path and not anew and (found := read_array(path)) is not None:
                loaded.append(name)
                arrays[name] = found
                return found
            if audio is None and utterance.audio:
                audio = utterance.read(self.sample_rate)
            made = feature(utterance, audio, **{need: get(need) for need in feature.needs})
            if problem := feature.problem(made):
                raise ValueError(f"{name} {problem}")
            if path:
                write_array(path, made)
            arrays[name] = made
            return made

        found = {name: get(name) for name in wanted}
        if loaded and (problem := self._problem(arrays, loaded)):
            if reason := changed(utterance):
                raise ValueError(reason)
            log.warning(f"{identity(utterance)}: {problem}. What is kept of it is computed again.")
            return self.raw(utterance, wanted, anew=True)
        return found

    def _problem(self, arrays: dict[str, np.ndarray], loaded: list[str]) -> str:
        """What is wrong with arrays of which some were loaded, by themselves or beside the others; "" if nothing is."""
        for name in loaded:
            if problem := self.features[name].problem(arrays[name]):
                return f"{name} {problem}"
        return mismatch(arrays, {name: self.features[name].axis for name in arrays})


def align(arrays: dict[str, np.ndarray], axes: dict[str, str], hop_size: int) -> dict[str, np.ndarray]:
    """Cuts what counts frames to one length, samples to frames x hop, and makes durations sum to the frames.

    Raises ValueError when two differ by more than MAX_SLIP frames.
    """
    if problem := mismatch(arrays, axes):
        raise ValueError(f"{problem}; do they share sample_rate and hop_size?")
    frames = _frames(arrays, axes)
    if not frames:
        return arrays
    shortest = min(frames.values())
    return {name: _cut(array, axes[name], name, shortest, hop_size) for name, array in arrays.items()}


def mismatch(arrays: dict[str, np.ndarray], axes: dict[str, str]) -> str:
    """How the arrays of one utterance differ in length by more than rounding; "" if they do not."""
    tokens = {name: len(a) for name, a in arrays.items() if axes[name] == "token"}
    if len(set(tokens.values())) > 1:
        return f"features differ in tokens: {tokens}"
    frames = _frames(arrays, axes)
    if frames and max(frames.values()) - min(frames.values()) > MAX_SLIP:
        return f"features differ in frames by more than {MAX_SLIP}: {frames}"
    return ""


def _frames(arrays: dict[str, np.ndarray], axes: dict[str, str]) -> dict[str, int]:
    frames = {name: len(a) for name, a in arrays.items() if axes[name] == "frame"}
    return frames | ({"duration": int(arrays["duration"].sum())} if "duration" in arrays else {})


def _cut(array: np.ndarray, axis: str, name: str, frames: int, hop_size: int) -> np.ndarray:
    if axis == "frame":
        return array[:frames]
    if axis == "sample":
        cut = array[: frames * hop_size]
        return np.pad(cut, (0, frames * hop_size - len(cut)))
    if name == "duration":
        ends = np.minimum(np.cumsum(array), frames)  # what is too long goes from the end
        ends[-1] = frames
        return np.diff(ends, prepend=0).astype(array.dtype)
    return array
