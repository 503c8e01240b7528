"""Which utterances share a batch: like lengths together, bounded in seconds, the same count on every process."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from utils.log import log

BUCKET = 0.04  # utterances within 4 % of one another's length count as equally long when shuffled


class Batches:
    """The batches of one process, epoch by epoch; each item is a list of (epoch, index).

    An update takes `processes x accumulate` micro-batches, each bounded by `batch_size` utterances and
    by `batch_seconds` of padded audio. The plan of an epoch is a function of (seed, epoch) alone, so 16
    on one process, 8 on two, and 8 twice accumulated see the same utterances in the same update, and a
    resumed run goes on at the update where it stopped (`skip`). Nothing is dropped; an utterance is repeated
    only when every batch holds a single one and their number cannot be shared evenly.
    """

    def __init__(
        self,
        seconds: Sequence[float],
        *,
        batch_size: int | None = None,
        batch_seconds: float | None = None,
        processes: int = 1,
        rank: int = 0,
        accumulate: int = 1,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        if not batch_size and not batch_seconds:
            raise ValueError("train: set batch_size (utterances), batch_seconds (of audio), or both.")
        self.parts = processes * accumulate
        if len(seconds) < self.parts:
            raise ValueError(
                f"{len(seconds)} utterance(s) cannot feed {processes} process(es) x accumulate {accumulate}: "
                f"lower train.accumulate, use fewer processes, or add recordings."
            )
        self.seconds = np.asarray(seconds, dtype=np.float64)
        self.batch_size = batch_size or len(seconds)
        self.batch_seconds = batch_seconds or np.inf
        self.processes = processes
        self.rank = rank
        self.accumulate = accumulate
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0
        self.skip = 0
        self._planned: tuple[int, Plan] | None = None
        long = int((self.seconds > self.batch_seconds).sum())
        if long:
            log.warning(f"{long} utterance(s) are longer than batch_seconds {batch_seconds}: each gets a batch alone.")

    def plan(self, epoch: int) -> list[list[list[int]]]:
        """updates x micro-batches x utterance indices, for all processes."""
        plan = self._plan(epoch)
        return [plan.update(number) for number in range(len(plan.updates))]

    def _plan(self, epoch: int) -> Plan:
        """That of an epoch; the last one is kept, as it is asked for several times."""
        if self._planned is None or self._planned[0] != epoch:
            self._planned = (epoch, self._new_plan(epoch))
        return self._planned[1]

    def _new_plan(self, epoch: int) -> Plan:
        random = np.random.default_rng((self.seed, epoch))
        order = np.arange(len(self.seconds))
        if self.shuffle:
            random.shuffle(order)
        # A stable sort on coarse lengths keeps the shuffle within a bucket.
        buckets = np.floor(np.log(np.maximum(self.seconds, 1e-3)) / BUCKET)
        order = order[np.argsort(-buckets[order], kind="stable")]
        spans = self._pack(self.seconds[order])
        self._split_until_even(spans)
        updates = np.arange(len(spans) // self.parts)
        if self.shuffle:
            random.shuffle(updates)
        return Plan(order, np.array(spans), updates, self.parts)

    def _pack(self, seconds: np.ndarray) -> list[tuple[int, int]]:
        """(first, end) of each batch among utterances of these lengths."""
        borders = [0]
        longest = 0.0
        for place, length in enumerate(seconds.tolist()):
            longest = max(longest, length)
            size = place - borders[-1] + 1
            if size > 1 and (size > self.batch_size or longest * size > self.batch_seconds):
                borders.append(place)
                longest = length
        return list(itertools.pairwise([*borders, len(seconds)]))

    def _split_until_even(self, spans: list[tuple[int, int]]) -> None:
        while len(spans) % self.parts:
            sizes = [end - first for first, end in spans]
            largest = sizes.index(max(sizes))
            first, end = spans[largest]
            if end - first == 1:  # nothing left to split: a process without a batch would leave the others waiting
                spans.append(spans[-1])
                continue
            middle = first + (end - first + 1) // 2
            spans[largest : largest + 1] = [(first, middle), (middle, end)]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        plan = self._plan(self.epoch)
        for number in range(self.skip, len(plan.updates)):
            for turn in range(self.accumulate):
                own = turn * self.processes + self.rank
                batch = plan.batch(number, own)
                yield [(self.epoch, index) for index in batch]

    def __len__(self) -> int:
        return self.updates(self.epoch) * self.accumulate - self.skip * self.accumulate

    def updates(self, epoch: int) -> int:
        """Optimizer updates in one whole epoch."""
        return len(self._plan(epoch).updates)

    def waste(self, epoch: int = 0) -> float:
        """The share of padded audio that is padding."""
        plan = self._plan(epoch)
        padded = 0.0
        spoken = 0.0
        for first, end in plan.spans.tolist():
            lengths = self.seconds[plan.order[first:end]]
            padded += lengths.max() * len(lengths)
            spoken += lengths.sum()
        return 1 - spoken / padded


@dataclass(frozen=True)
class Plan:
    """The batches of an epoch in few arrays: as lists, those of a million utterances would take forty megabytes."""

    order: np.ndarray  # (utterances,) their indices, batch after batch
    spans: np.ndarray  # (batches, 2) where in `order` each begins and ends
    updates: np.ndarray  # (updates,) which of them comes when; update u takes the batches from u * parts on
    parts: int  # batches in an update

    def update(self, number: int) -> list[list[int]]:
        """The utterance indices of each batch of the update that comes at this place."""
        return [self.batch(number, part) for part in range(self.parts)]

    def batch(self, number: int, part: int) -> list[int]:
        """The utterance indices of one batch of that update."""
        first, end = self.spans[self.updates[number] * self.parts + part]
        return self.order[first:end].tolist()
