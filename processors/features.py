"""An `Utterance` becomes arrays, by the same objects when extracting, training and inferring.

A feature is a small class: its constructor's arguments are its settings, `axis` says what its first
axis counts, `needs` names the features it is worked out from. `FeatureSet` holds those of one config,
keeps the dear ones on disk under the digest of their resolved settings, and brings all to one clock.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from preprocessors.base import Utterance
from utils.audio import Audio
from utils.files import read_json, write_json, write_whole
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


class Feature:
    """What every feature offers; subclasses set these and define `__call__`."""

    axis: str = "frame"  # what the first axis counts: "sample", "frame", "token" or "utterance"
    kept: bool = False  # dear enough to be kept on disk
    needs: tuple[str, ...] = ()  # features passed to `__call__` by name
    pad: float = 0.0  # what stands behind the end of a shorter utterance in a batch

    @property
    def facts(self) -> dict[str, Any]:
        """What a model's constructor may ask for by name, such as n_mel."""
        return {}

    def __call__(self, utterance: Utterance, audio: Audio, **needed: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Learns from the whole corpus (a symbol table, an alignment) before extraction; JSON-able, kept in the card."""
        return {}

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
    None at inference. `sample_rate` and `hop_size` are offered to every constructor that names them.
    """

    def __init__(
        self, settings: dict[str, dict[str, Any]], *, sample_rate: int, hop_size: int, store: Path | str | None = None
    ) -> None:
        from utils.config import build

        self.sample_rate, self.hop_size = sample_rate, hop_size
        self.store = Path(store) if store else None
        self.settings = {name: dict(section) for name, section in settings.items()}
        self.common = {"sample_rate": sample_rate, "hop_size": hop_size}
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
        resolved["needs"] = [self.digests[need] for need in cls.needs]
        return hashlib.sha256(json.dumps(resolved, sort_keys=True, default=str).encode()).hexdigest()[:8]

    @property
    def facts(self) -> dict[str, Any]:
        """Everything the features offer to a model's constructor."""
        return self.common | {k: v for feature in self.features.values() for k, v in feature.facts.items()}

    def folder(self, name: str) -> Path:
        """Where the arrays of a kept feature lie: <store>/<name>-<digest of its settings>."""
        if self.store is None:
            raise ValueError(f"the feature {name!r} has no folder: this FeatureSet keeps nothing.")
        return self.store / f"{name}-{self.digests[name]}"

    def path(self, name: str, utterance: Utterance) -> Path:
        return self.folder(name) / utterance.dataset / f"{utterance.id}.npy"

    def fit(self, utterances: list[Utterance], datasets: list[str], *, jobs: int = 0, cluster: str = "") -> None:
        """Lets each feature learn from the training utterances, and keeps what it learnt beside its arrays."""
        for name, feature in self.features.items():
            path = self._learned_path(name, datasets)
            if not path.is_file():
                learned = feature.fit(utterances, self, self.folder(name), jobs=jobs, cluster=cluster)
                write_json(path, learned)
            feature.restore(read_json(path), self.folder(name))

    def _learned_path(self, name: str, datasets: list[str]) -> Path:
        return self.folder(name) / f"learned-{'+'.join(datasets)}.json"

    def learned(self, datasets: list[str]) -> dict[str, Any]:
        """What `fit` wrote, by feature, for the card; also restores it. Raises ValueError before extraction."""
        found = {}
        for name, feature in self.features.items():
            path = self._learned_path(name, datasets)
            if not path.is_file():
                raise ValueError(f"{path} is missing: run the extract stage for these settings first (run.sh --stage 1).")
            found[name] = read_json(path)
            feature.restore(found[name], self.folder(name))
        return found

    def refused(self, datasets: list[str]) -> dict[str, str]:
        """Utterances that the extract stage could not use with these settings: "dataset/id" -> why."""
        path = self.refused_path(datasets)
        return read_json(path) if path.is_file() else {}

    def refused_path(self, datasets: list[str]) -> Path:
        """The list that the extract stage writes; its name tells these settings from others."""
        together = hashlib.sha256("".join(self.digests.values()).encode()).hexdigest()[:8]
        return self.store / f"extract-{together}" / f"refused-{'+'.join(datasets)}.json"

    def statistics(self, names: list[str], datasets: list[str], utterances: list[Utterance] | None = None) -> dict[str, dict]:
        """Mean, deviation, least and greatest value of frame features over the training utterances.

        Zeros of F0 are left out: they say "unvoiced", not 0 Hz. Worked out from `utterances` in the extract
        stage, read from disk afterwards; raises ValueError when that stage has not run.
        """
        found = {}
        for name in names:
            path = self.folder(name) / f"statistics-{'+'.join(datasets)}.json"
            if utterances is not None and not path.is_file():
                some = utterances[:: max(1, len(utterances) // ENOUGH)]
                values = np.concatenate([self(u, [name])[name].ravel() for u in some]).astype(np.float64)
                values = values[values > 0] if name == "f0" else values
                if not len(values):
                    raise ValueError(f"{name} is empty over the whole corpus: no voiced frame was found; check the recordings.")
                rows = {"mean": values.mean(), "std": max(values.std(), 1e-6), "min": values.min(), "max": values.max()}
                write_json(path, {k: round(float(v), 6) for k, v in rows.items()})
            if not path.is_file():
                raise ValueError(f"{path} is missing: run the extract stage for these settings first (run.sh --stage 1).")
            found[name] = read_json(path)
        return found

    def restore(self, learned: dict[str, Any]) -> None:
        """Takes what a card holds, so that inference equals training."""
        for name, feature in self.features.items():
            feature.restore(learned.get(name, {}), None)

    def extract(self, utterance: Utterance) -> str:
        """Computes everything once and keeps what is dear; returns "" or why this utterance cannot be used."""
        try:
            self(utterance)
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
            raise ValueError(f"{utterance.dataset}/{utterance.id}: {error}") from error

    def raw(self, utterance: Utterance, wanted: list[str]) -> dict[str, np.ndarray]:
        """The arrays of `wanted` as they are kept: loaded where on disk, else computed (and kept, if dear)."""
        arrays: dict[str, np.ndarray] = {}
        audio: Audio | None = None

        def get(name: str) -> np.ndarray:
            nonlocal audio
            if name in arrays:
                return arrays[name]
            feature = self.features[name]
            path = self.path(name, utterance) if self.store and feature.kept else None
            if path and path.is_file():
                arrays[name] = _load(path)
                return arrays[name]
            if audio is None and utterance.audio:
                audio = utterance.read(self.sample_rate)
            arrays[name] = feature(utterance, audio, **{need: get(need) for need in feature.needs})
            if path:
                write_whole(path, lambda p: np.save(p, arrays[name]))
            return arrays[name]

        return {name: get(name) for name in wanted}


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it, and it is computed again.") from error


def align(arrays: dict[str, np.ndarray], axes: dict[str, str], hop_size: int) -> dict[str, np.ndarray]:
    """Cuts what counts frames to one length, samples to frames x hop, and makes durations sum to the frames.

    Raises ValueError when two differ by more than MAX_SLIP frames.
    """
    frames = {name: len(a) for name, a in arrays.items() if axes[name] == "frame"}
    if "duration" in arrays:
        frames["duration"] = int(arrays["duration"].sum())
    if not frames:
        return arrays
    shortest, longest = min(frames.values()), max(frames.values())
    if longest - shortest > MAX_SLIP:
        raise ValueError(f"features differ in frames by more than {MAX_SLIP}: {frames}; do they share sample_rate and hop_size?")
    return {name: _cut(array, axes[name], name, shortest, hop_size) for name, array in arrays.items()}


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
