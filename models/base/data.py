"""One Dataset for every task: each feature says what its first axis counts; cropping and padding follow from that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from models.base.splits import speaker_name
from preprocessors.base import Utterance
from processors.features import FeatureSet
from processors.manifest import Manifest
from processors.store import identity

LENGTHS = {"sample": "samples", "frame": "frames", "token": "tokens"}


class Utterances(Dataset):
    """The utterances of a split as arrays. Indexed by (epoch, index): the epoch seeds the crop.

    `names` are the features to read; `segment_frames` crops each utterance to a random stretch of that
    many frames (shorter ones are padded in the batch); `speakers` numbers the speakers, and is empty for a model that tells
    none apart. `desks` is where data workers note what they read.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        features: FeatureSet,
        names: list[str],
        speakers: list[str],
        *,
        segment_frames: int | None = None,
        seed: int = 0,
    ) -> None:
        self.utterances = Manifest.of(utterances)
        self.features, self.names = features, names
        self.speakers = {speaker: number for number, speaker in enumerate(speakers)}
        self.segment_frames, self.seed = segment_frames, seed
        self.desks: Any = None

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def seconds(self) -> np.ndarray:
        """How long each utterance is as a network sees it."""
        longest = np.inf
        if self.segment_frames:
            longest = self.segment_frames * self.features.hop_size / self.features.sample_rate
        return np.minimum(self.utterances.seconds, longest)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, index = key
        utterance = self.utterances[index]
        arrays = self.features(utterance, self.names)
        if self.segment_frames:
            arrays = self._crop(arrays, np.random.default_rng((self.seed, epoch, index)))
        return {**arrays, "speaker": self._number(utterance), "id": identity(utterance)}

    def __getitems__(self, keys: list[tuple[int, int]]) -> list[dict[str, Any]]:
        """A whole batch: what a DataLoader asks for where it can."""
        worker = get_worker_info()
        if worker and self.desks:
            self.desks.note(worker.id, keys[0])
        return [self[key] for key in keys]

    def _number(self, utterance: Utterance) -> int:
        if not self.speakers:
            return 0
        if speaker_name(utterance) not in self.speakers:
            raise ValueError(f"{identity(utterance)}: the speaker {speaker_name(utterance)!r} is not among those of training.")
        return self.speakers[speaker_name(utterance)]

    def _crop(self, arrays: dict[str, np.ndarray], random: np.random.Generator) -> dict[str, np.ndarray]:
        axes = {name: self.features.features[name].axis for name in arrays}
        frames = min(len(a) for n, a in arrays.items() if axes[n] == "frame")
        size, hop = self.segment_frames, self.features.hop_size
        start = int(random.integers(0, max(frames - size, 0) + 1))
        unit = {"frame": 1, "sample": hop}
        return {n: a[start * unit[axes[n]] : (start + size) * unit[axes[n]]] if axes[n] in unit else a for n, a in arrays.items()}

    def collate(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """One batch: arrays padded behind, `frames`, `tokens` and `samples` (batch,), `speaker` (batch,), `id` a list."""
        batch: dict[str, Any] = {"id": [item["id"] for item in items]}
        batch["speaker"] = torch.tensor([item["speaker"] for item in items])
        for name in self.names:
            feature, arrays = self.features.features[name], [item[name] for item in items]
            minimum = 0
            if self.segment_frames and feature.axis in ("frame", "sample"):
                minimum = self.segment_frames * (self.features.hop_size if feature.axis == "sample" else 1)
            batch[name] = pad(arrays, feature.pad, minimum)
            if feature.axis in LENGTHS:
                batch[LENGTHS[feature.axis]] = torch.tensor([len(array) for array in arrays])
        return batch


def pad(arrays: list[np.ndarray], value: float, minimum: int = 0) -> torch.Tensor:
    """(batch, longest, ...) of `arrays`, `value` behind the shorter ones; at least `minimum` long."""
    longest = max(minimum, *(len(a) for a in arrays))
    out = np.full((len(arrays), longest, *arrays[0].shape[1:]), value, dtype=arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(out)
