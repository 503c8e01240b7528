"""The processes that read batches ahead of the training: quiet, gone when it is gone, and spoken of when one is killed."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import re
import signal
import traceback
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from models.base.batching import Batches
from models.base.data import Utterances
from models.base.settings import TrainConfig
from processors.store import identity
from utils.names import some
from utils.processes import end_with_parent

SHOWN = 10  # utterances in a message
DEATH = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)")  # as torch says it, wherever the trainer stood


class Desks:
    """What each data worker is at, in memory that it shares with the trainer: its process, and the first item of its batch."""

    FIELDS = 3  # process, epoch, index

    def __init__(self, workers: int) -> None:
        self.rows = multiprocessing.RawArray("q", self.FIELDS * workers)

    def note(self, worker: int, key: tuple[int, int]) -> None:
        """Says, in the process of `worker`, that the batch which begins with `key` (epoch, index) is being read."""
        self.rows[self.FIELDS * worker : self.FIELDS * (worker + 1)] = [os.getpid(), *key]

    def noted(self) -> dict[int, tuple[int, int]]:
        """Process -> the (epoch, index) that it noted last."""
        rows = [self.rows[i : i + self.FIELDS] for i in range(0, len(self.rows), self.FIELDS)]
        return {process: (epoch, index) for process, epoch, index in rows if process}

    def gone(self) -> list[int]:
        """The processes that ended by themselves. Waits a second for the first."""
        noted = self.noted()
        children = [child for child in multiprocessing.active_children() if child.pid in noted]
        ended = wait([child.sentinel for child in children], timeout=1)
        for child in children:
            if child.sentinel in ended:
                child.join(1)  # its pipes, which the sentinel is one of, end before it does
        alive = {child.pid for child in multiprocessing.active_children()}
        return [process for process in noted if process not in alive]


class Reader:
    """The batches of an epoch at a time, read ahead by `workers` processes, or by this one where there are none."""

    def __init__(self, data: Utterances, batches: Batches, workers: int, *, pin: bool = False) -> None:
        self.data, self.batches = data, batches
        self.desks = data.desks = Desks(workers) if workers else None
        self.killed: list[int] = []
        self.feed: DataLoader | None = DataLoader(
            data,
            batch_sampler=batches,
            collate_fn=data.collate,
            num_workers=workers,
            pin_memory=pin,
            worker_init_fn=_begin,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # its own: drawing seeds for workers must not move the training's random state
        )

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            yield from self.feed
        except Exception as error:
            # Its frames hold torch's iterator, and with it the workers, for as long as anyone keeps the error, and in a circle of
            # references beyond that: `close` could not end them.
            traceback.clear_frames(error.__traceback__)
            if not isinstance(error, ValueError | OSError) or not str(error).startswith("Caught "):
                raise
            # A worker's error comes with its whole traceback; what the user can mend are its last words.
            raise ValueError(str(error).rpartition(f"{type(error).__name__}: ")[2].strip()) from error

    def close(self, *, failed: bool) -> None:
        """Ends the workers: they hear no signal, and Python's exit would wait for them. After a failure, looks first who is gone."""
        if failed and self.desks:
            self.killed = self.desks.gone()
        self.feed = None

    def diagnosis(self, error: Exception, config: TrainConfig, kept: Path | None) -> str:
        """What to say of `error`: what the killed workers had, what to lower, and what is kept. "" where none was killed."""
        named = DEATH.search(str(error))
        killed = self.killed or (re.findall(r"\d+", named[1]) if named else [])
        if not killed:
            return ""
        keys = [self.desks.noted().get(int(process)) for process in killed]
        had = "; ".join(self._batch(*key) for key in keys if key) or "nothing yet"
        lower = f"train.workers (now {config.workers}), train.batch_seconds ({config.batch_seconds}) or train.batch_size ({config.batch_size})"
        return (
            f"a data worker (process {', '.join(map(str, killed))}) was killed while it read {had}. Most often memory ran out: "
            f"lower {lower}. Kept is {kept or 'nothing yet'}; the same command goes on from there. ({error})"
        )

    def _batch(self, epoch: int, first: int) -> str:
        """The batch that begins with the utterance of index `first`, in words."""
        updates = self.batches.plan(epoch)
        batches = itertools.chain.from_iterable(updates)
        indices = next(batch for batch in batches if batch[0] == first)
        utterances = [self.data.utterances[index] for index in indices]
        identities = [identity(utterance) for utterance in utterances]
        names = some(identities, SHOWN)
        seconds = sum(utterance.seconds for utterance in utterances)
        return f"{len(indices)} utterance(s), {seconds:.1f} s: {names}"


def _begin(_: int) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    # A scheduler or Ctrl-C signals the whole group: the trainer must outlive it to save, and it needs its workers for that step.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
