"""One Dataset for every task: each feature says what its first axis counts; cropping and padding follow from that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from models.base.prompts import Prompting, Prompts
from models.base.splits import speaker_name
from preprocessors.base import Utterance
from processors.feature import Feature
from processors.features import FeatureSet
from processors.manifest import Manifest
from processors.store import identity
from processors.stretch import Stretches

LENGTHS = {"sample": "samples", "frame": "frames", "token": "tokens"}


class Utterances(Dataset):
    """The utterances of a split as arrays. Indexed by (epoch, index): the epoch seeds the crop.

    `names` are the features to read; `segment_frames` crops each utterance to a random stretch of that
    many frames (shorter ones are padded in the batch); `speakers` numbers the speakers, and is empty for a model that tells
    none apart. `prompting` asks for prompts. `desks` is where data workers note what they read.
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
        prompting: Prompting | None = None,
    ) -> None:
        self.utterances = Manifest.of(utterances)
        self.features = features
        self.names = names
        self.speakers = {speaker: number for number, speaker in enumerate(speakers)}
        self.segment_frames = segment_frames
        self.seed = seed
        self.prompts = Prompts(prompting, features, self.utterances, seed) if prompting else None
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
        item = {"id": identity(utterance), "speaker": self._number(utterance)}
        segment = (0, 0)
        if self.segment_frames:
            random = np.random.default_rng((self.seed, epoch, index))
            segment, arrays = self._segment(utterance, random)
        else:
            arrays = self.features(utterance, self.names)
        if self.prompts:
            item |= self.prompts(epoch, index, segment)
        return item | arrays

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

    def _segment(
        self, utterance: Utterance, random: np.random.Generator
    ) -> tuple[tuple[int, int], dict[str, np.ndarray]]:
        """First frame and end of a stretch that is drawn, and its arrays."""
        stretches = Stretches(self.features, utterance, self.names)
        room = max(0, stretches.frames - self.segment_frames)
        first = int(random.integers(0, room + 1))
        segment = (first, first + self.segment_frames)
        arrays = stretches(first, self.segment_frames)
        return segment, arrays

    def collate(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """One batch: arrays padded behind, `frames`, `tokens` and `samples` (batch,), `speaker` (batch,), `id` a list.

        With prompts also `prompt_<feature>` (batch, longest, ...), `prompt_frames` and `prompt_first` (batch,).
        """
        batch: dict[str, Any] = {}
        batch["id"] = [item["id"] for item in items]
        batch["speaker"] = torch.tensor([item["speaker"] for item in items])
        for name in self.names:
            feature = self.features.features[name]
            arrays = [item[name] for item in items]
            batch[name] = pad(arrays, feature.pad, self._least(feature))
            counted = LENGTHS.get(feature.axis)
            if counted:
                batch[counted] = torch.tensor([len(array) for array in arrays])
        if self.prompts:
            batch |= self._prompts(items)
        return batch

    def _prompts(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        prompts = {}
        for key in ("prompt_frames", "prompt_first"):
            numbers = [item[key] for item in items]
            prompts[key] = torch.tensor(numbers)
        for name in self.prompts.names:
            key = f"prompt_{name}"
            arrays = [item[key] for item in items]
            feature = self.features.features[name]
            prompts[key] = pad(arrays, feature.pad)
        return prompts

    def _least(self, feature: Feature) -> int:
        """How long the arrays of a batch are at least."""
        units = {"frame": 1, "sample": self.features.hop_size}
        return (self.segment_frames or 0) * units.get(feature.axis, 0)


def pad(arrays: list[np.ndarray], value: float, minimum: int = 0) -> torch.Tensor:
    """(batch, longest, ...) of `arrays`, `value` behind the shorter ones; at least `minimum` long."""
    first = arrays[0]
    lengths = [len(array) for array in arrays]
    longest = max(minimum, *lengths)
    shape = (len(arrays), longest, *first.shape[1:])
    out = np.full(shape, value, dtype=first.dtype)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(out)
