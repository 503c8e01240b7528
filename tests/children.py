"""Programs in processes of their own, forked from one that has imported torch: a new one takes five seconds to do so."""

from __future__ import annotations

import multiprocessing.connection
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.preloaded"])
ON_THE_CPU = {"ACCELERATE_USE_CPU": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
SECONDS = 240


class Child:
    """`main` at work on `words`, in one process or as many ranks; it is used as a `subprocess.Popen` is."""

    def __init__(self, main: Callable[[], None], words: tuple[str, ...], processes: int = 1) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.log = Path(self.folder.name, "log")
        self.log.touch()
        self.store = rendezvous() if processes > 1 else None  # lives as long as this does
        self.ranks = []
        for rank in range(processes):
            environment = os.environ | ON_THE_CPU
            if self.store:
                environment |= place(rank, processes, self.store.port)
            made = FORKS.Process(target=begin, args=(main, words, environment, str(self.log)))
            made.start()
            self.ranks.append(made)

    @property
    def pid(self) -> int:
        return self.ranks[0].pid

    @property
    def returncode(self) -> int | None:
        """None while one is at work; else of the first that failed, or 0. Minus a signal where one ended it."""
        codes = [rank.exitcode for rank in self.ranks]
        failed = [code for code in codes if code]
        if None in codes:
            return None
        return failed[0] if failed else 0

    def poll(self) -> int | None:
        return self.returncode

    def wait(self) -> int:
        """Waits for all; where one fails the others are killed, as torchrun does."""
        ended = multiprocessing.connection.wait([rank.sentinel for rank in self.ranks], SECONDS)
        first = [rank for rank in self.ranks if rank.sentinel in ended]
        if not first or any(rank.exitcode for rank in first):
            self.send_signal(signal.SIGKILL)
        for rank in self.ranks:
            rank.join(SECONDS)
        return self.returncode

    def output(self) -> str:
        """What was printed so far."""
        return self.log.read_text()

    def send_signal(self, number: int) -> None:
        for rank in self.ranks:
            if rank.exitcode is None:
                os.kill(rank.pid, number)


def begin(main: Callable[[], None], words: tuple[str, ...], environment: dict[str, str], log: str) -> None:
    """What a new process would find: a session and an environment of its own, other random numbers, its output in a file."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    multiprocessing.set_start_method(None, force=True)  # not the one that this process was started by
    random.seed()
    np.random.seed()
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.argv = [main.__module__, *words]
    main()


def rendezvous():
    """Where ranks meet, on a port that nobody else has."""
    from torch.distributed import TCPStore

    return TCPStore("localhost", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=SECONDS))


def place(rank: int, processes: int, port: int) -> dict[str, str]:
    """The variables that torchrun sets."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "MASTER_PORT": port}
    named = {name: str(number) for name, number in numbers.items()}
    return named | {"MASTER_ADDR": "localhost", "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}


def toy(*words: str, processes: int = 1) -> Child:
    """`python -m tests.toy` with these words."""
    from tests.toy import program

    return Child(program, words, processes)
