"""Which utterances share a batch: like lengths together, bounded in seconds, the same count on every process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
        self.batch_size, self.batch_seconds = batch_size or len(seconds), batch_seconds or np.inf
        self.processes, self.rank, self.accumulate = processes, rank, accumulate
        self.seed, self.shuffle = seed, shuffle
        self.epoch, self.skip = 0, 0
        long = int((self.seconds > self.batch_seconds).sum())
        if long:
            log.warning(f"{long} utterance(s) are longer than batch_seconds {batch_seconds}: each gets a batch alone.")

    def plan(self, epoch: int) -> list[list[list[int]]]:
        """updates x micro-batches x utterance indices, for all processes."""
        random = np.random.default_rng((self.seed, epoch))
        order = np.arange(len(self.seconds))
        if self.shuffle:
            random.shuffle(order)
        # A stable sort on coarse lengths keeps the shuffle within a bucket.
        buckets = np.floor(np.log(np.maximum(self.seconds, 1e-3)) / BUCKET)
        order = order[np.argsort(-buckets[order], kind="stable")]
        batches = self._pack(order)
        self._split_until_even(batches)
        updates = [batches[i : i + self.parts] for i in range(0, len(batches), self.parts)]
        if self.shuffle:
            random.shuffle(updates)
        return updates

    def _pack(self, order: np.ndarray) -> list[list[int]]:
        batches: list[list[int]] = []
        longest = 0.0
        for index in order.tolist():
            longest_with = max(longest, self.seconds[index])
            batch = batches[-1] if batches else None
            if batch is None or len(batch) >= self.batch_size or longest_with * (len(batch) + 1) > self.batch_seconds:
                batches.append([index])
                longest = self.seconds[index]
            else:
                batch.append(index)
                longest = longest_with
        return batches

    def _split_until_even(self, batches: list[list[int]]) -> None:
        while len(batches) % self.parts:
            largest = max(range(len(batches)), key=lambda i: len(batches[i]))
            batch = batches[largest]
            if len(batch) == 1:  # nothing left to split: a process without a batch would leave the others waiting
                batches.append(list(batches[-1]))
                continue
            half = (len(batch) + 1) // 2
            batches[largest : largest + 1] = [batch[:half], batch[half:]]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for update in self.plan(self.epoch)[self.skip :]:
            for turn in range(self.accumulate):
                yield [(self.epoch, index) for index in update[turn * self.processes + self.rank]]

    def __len__(self) -> int:
        return self.updates(self.epoch) * self.accumulate - self.skip * self.accumulate

    def updates(self, epoch: int) -> int:
        """Optimizer updates in one whole epoch."""
        return len(self.plan(epoch))

    def waste(self, epoch: int = 0) -> float:
        """The share of padded audio that is padding."""
        batches = [batch for update in self.plan(epoch) for batch in update]
        padded = sum(self.seconds[batch].max() * len(batch) for batch in batches)
        return 1 - sum(self.seconds[batch].sum() for batch in batches) / padded
