"""Many items over all cores of this machine, or over a Dask cluster, by one call."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def cpu_count() -> int:
    """Cores this process may use (a container or a job scheduler may grant fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _single_threaded(function: Callable[[T], Any], item: T) -> Any:
    # One thread in each worker: as many processes as cores would otherwise start cores x cores threads.
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    return function(item)


def parallel(function: Callable[[T], Any], items: Iterable[T], *, what: str, jobs: int = 0, cluster: str = "") -> Iterator[Any]:
    """Yields `function(item)` as each is ready, in any order, under a progress bar that says `what`.

    `jobs` 0 takes every core, 1 stays in this process. `cluster` is the address of a Dask scheduler
    ("tcp://host:8786"): the same calls then run on its workers, which must see the same files.
    """
    from joblib import Parallel, delayed, parallel_config
    from tqdm import tqdm

    from utils.log import main_process

    items = list(items)
    jobs = jobs or cpu_count()
    with contextlib.ExitStack() as stack:
        if cluster:
            try:
                from distributed import Client
            except ImportError as error:
                raise ValueError("--cluster needs dask: pip install -e '.[cluster]'.") from error
            stack.enter_context(Client(cluster, timeout="20s"))
            stack.enter_context(parallel_config(backend="dask"))
            jobs = -1
        if jobs == 1:
            results = map(function, items)
        else:
            runner = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size="auto" if not cluster else 1)
            results = runner(delayed(_single_threaded)(function, item) for item in items)
        yield from tqdm(results, total=len(items), desc=what, unit="file", disable=not main_process(), smoothing=0.05)
