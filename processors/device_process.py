"""The process of a device, which computes one feature of batches: threads read the sound of batches to come beside it."""

from __future__ import annotations

import queue
import sys
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from preprocessors.base import Utterance, changed
from processors.arrays import Arrays
from processors.features import FeatureSet
from processors.store import identity
from utils.audio import Audio
from utils.log import log
from utils.pool import NO_MEMORY, end_as_told, outcome

READERS = 4  # threads that read sound, at most

Refused = dict[str, str]  # "dataset/id" -> why it cannot be used


@dataclass(frozen=True)
class Work:
    """What the process of a device is told."""

    features: FeatureSet
    name: str
    device: str
    threads: int


@dataclass(frozen=True)
class Input:
    """What one utterance's array is computed from; `reason` says why there is none."""

    arrays: Arrays
    audio: Audio | None = None
    needed: dict[str, np.ndarray] = field(default_factory=dict)
    reason: str = ""

    @property
    def identity(self) -> str:
        return identity(self.arrays.utterance)

    @property
    def samples(self) -> int:
        return len(self.audio.samples) if self.audio else 0


def serve(work: Work, pipe: Any) -> None:
    """What runs in the process of a device until it is ended; see `utils.pool.Post`."""
    end_as_told()
    _settle(work)
    computer = Computer(work)
    readers = ThreadPoolExecutor(min(READERS, work.threads))
    to_come: queue.Queue[list[Future[Input]]] = queue.Queue()
    receiver = threading.Thread(target=_receive, args=(work, pipe, readers, to_come), daemon=True)
    receiver.start()
    try:
        while True:
            batch = to_come.get()
            answer = outcome(computer, batch)
            pipe.send(answer)
    finally:
        readers.shutdown(wait=False, cancel_futures=True)


def _settle(work: Work) -> None:
    import torch

    torch.set_num_threads(work.threads)
    # Rounded to ten bits, convolutions would say something else here than on the CPU at inference.
    torch.backends.cudnn.allow_tf32 = False


def _receive(work: Work, pipe: Any, readers: ThreadPoolExecutor, to_come: queue.Queue[list[Future[Input]]]) -> None:
    while True:
        try:
            received = pipe.recv()
        except (EOFError, OSError):  # the program has ended, and this process will
            return
        for batch in received:
            to_come.put([readers.submit(read, work, utterance) for utterance in batch])


def read(work: Work, utterance: Utterance) -> Input:
    """The sound of an utterance, and what else its array is worked out from."""
    arrays = Arrays(work.features, utterance)
    try:
        if reason := changed(utterance):
            return Input(arrays, reason=reason)
        audio, needed = arrays.inputs(work.name)
    except ValueError as error:
        return Input(arrays, reason=str(error))
    feature = work.features.features[work.name]
    return Input(arrays, audio and feature.cut(audio), needed)


class Computer:
    """Computes and keeps one feature of batches, on one device. A batch that fails is halved, until it is clear who fails.

    Called with the inputs of a batch as they are being read, it gives their count, and why some of them cannot be used.
    """

    def __init__(self, work: Work) -> None:
        self.features = work.features
        self.name = work.name
        self.device = work.device
        self.feature = work.features.features[work.name]
        self.most: float = float("inf")  # samples in a batch for which there was memory, as far as is known

    def __call__(self, reading: list[Future[Input]]) -> tuple[int, Refused]:
        inputs = [future.result() for future in reading]
        refused = {item.identity: item.reason for item in inputs if item.reason}
        groups = deque(self._groups([item for item in inputs if not item.reason]))
        while groups:
            group = groups.popleft()
            if self._too_large(group):
                groups.extendleft(reversed(halves(group)))
                continue
            error = self._try(group, refused)
            if error is None:
                continue
            if len(group) == 1:
                refused[group[0].identity] = self._reason(group[0], error)
            else:
                self._note(group, error)
                groups.extendleft(reversed(halves(group)))
        return len(inputs), refused

    def _groups(self, inputs: list[Input]) -> list[list[Input]]:
        """Those that may be computed together: manifests round, so that a batch may hold two lengths after all."""
        groups: dict[int, list[Input]] = {}
        for item in inputs:
            key = item.samples if self.feature.padding_changes else 0
            groups.setdefault(key, []).append(item)
        return list(groups.values())

    def _too_large(self, group: list[Input]) -> bool:
        return len(group) > 1 and _size(group) > self.most

    def _try(self, group: list[Input], refused: Refused) -> Exception | None:
        """Computes and keeps a group, or says what came of it; single arrays that are wrong are `refused`."""
        try:
            computed = self._compute(group)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is asked who caused it)
            # Its frames hold on to the memory that there was too little of.
            return error.with_traceback(None) if for_memory(error) else error
        for item, array in zip(group, computed, strict=True):
            try:
                item.arrays.keep(self.name, array)
            except ValueError as error:
                refused[item.identity] = str(error)
        return None

    def _compute(self, group: list[Input]) -> list[np.ndarray]:
        utterances = [item.arrays.utterance for item in group]
        audios = [item.audio for item in group]
        needed: dict[str, list[np.ndarray]] = {}
        for need in self.feature.needs:
            needed[need] = [item.needed[need] for item in group]
        computed = self.feature.compute(utterances, audios, self.device, **needed)
        count = len(computed)
        if count != len(group):
            name = type(self.feature).__name__
            raise TypeError(f"{name}.compute gave {count} arrays for {len(group)} utterances: one for each is needed.")
        return computed

    def _note(self, group: list[Input], error: Exception) -> None:
        if not for_memory(error):
            return
        _release()
        self.most = min(self.most, _size(group) // 2)
        seconds = sum(item.arrays.utterance.seconds for item in group)
        log.warning(f"{self.name}: {seconds:.0f} s do not fit into the memory of {self.device}: halved. Lower --batch_seconds.")

    def _reason(self, item: Input, error: Exception) -> str:
        """Why an utterance alone cannot be computed. Raises RuntimeError, naming it, for what is no fault of its own."""
        if for_memory(error):
            _release()
            elsewhere = "" if self.device == "cpu" else "; with --device cpu there may be"
            return f"{self.name}: {NO_MEMORY} on {self.device}{elsewhere}"
        if isinstance(error, ValueError):
            return str(error)
        message = f"{type(error).__name__}: {error}"
        raise RuntimeError(f"{item.identity}: {self.name} cannot be computed on {self.device}: {message}") from error


def halves(batch: list[Any]) -> list[list[Any]]:
    """The first and the second half of two or more."""
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]


def _size(group: list[Input]) -> int:
    return len(group) * max(item.samples for item in group)


def for_memory(error: Exception) -> bool:
    """Whether it says that memory was lacking, on whatever device."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    message = str(error)
    return isinstance(error, RuntimeError) and ("allocate memory" in message or "ALLOC_FAILED" in message)


def _release() -> None:
    torch = sys.modules["torch"]
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
