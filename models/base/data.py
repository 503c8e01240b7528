"""One Dataset for every task: each feature says what its first axis counts; cropping and padding follow from that."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from models.base.batching import Batches
from preprocessors.base import Utterance
from processors.features import FeatureSet

LENGTHS = {"sample": "samples", "frame": "frames", "token": "tokens"}


class Utterances(Dataset):
    """The utterances of a split as arrays. Indexed by (epoch, index): the epoch seeds the crop.

    `names` are the features to read; `segment_frames` crops each utterance to a random stretch of that
    many frames (shorter ones are padded in the batch); `speakers` numbers the speakers.
    """

    def __init__(
        self,
        utterances: list[Utterance],
        features: FeatureSet,
        names: list[str],
        speakers: list[str],
        *,
        segment_frames: int | None = None,
        seed: int = 0,
    ) -> None:
        self.utterances, self.features, self.names = utterances, features, names
        self.speakers = {speaker: number for number, speaker in enumerate(speakers)}
        self.segment_frames, self.seed = segment_frames, seed

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def seconds(self) -> list[float]:
        """How long each utterance is as a network sees it."""
        longest = np.inf
        if self.segment_frames:
            longest = self.segment_frames * self.features.hop_size / self.features.sample_rate
        return [min(u.seconds, longest) for u in self.utterances]

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, index = key
        utterance = self.utterances[index]
        arrays = self.features(utterance, self.names)
        if self.segment_frames:
            arrays = self._crop(arrays, np.random.default_rng((self.seed, epoch, index)))
        number = self.speakers.get(speaker_name(utterance), 0)
        return {**arrays, "speaker": number, "id": f"{utterance.dataset}/{utterance.id}"}

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


def speaker_name(utterance: Utterance) -> str:
    """The name of a voice across corpora: "vctk_p225"."""
    return f"{utterance.dataset}_{utterance.speaker or 'default'}"


def loader(data: Utterances, batches: Batches, workers: int, *, pin: bool = False) -> DataLoader:
    """A DataLoader over `batches`. Its own generator: drawing seeds for workers must not move the training's random state."""
    return DataLoader(
        data,
        batch_sampler=batches,
        collate_fn=data.collate,
        num_workers=workers,
        pin_memory=pin,
        worker_init_fn=_quiet_worker,
        persistent_workers=workers > 0,
        generator=torch.Generator(),
    )


def _quiet_worker(_: int) -> None:
    torch.set_num_threads(1)
    # A scheduler or Ctrl-C signals the whole group: the trainer must outlive it to save, and it needs its workers for that step.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
