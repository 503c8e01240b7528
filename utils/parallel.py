"""Many items over all cores of this machine, or over a Dask cluster, by one call."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
CHUNK = 16  # items handed to a worker at once, at most


def cpu_count() -> int:
    """Cores this process may use (a container or a job scheduler may grant fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parallel(function: Callable[[T], Any], items: Iterable[T], *, what: str, jobs: int = 0, cluster: str = "") -> Iterator[Any]:
    """Yields `function(item)` as each is ready, in any order, under a progress bar that says `what`.

    `jobs` 0 takes every core, 1 stays in this process. `cluster` is the address of a Dask scheduler
    ("tcp://host:8786"): the same calls then run on its workers, which must see the same files.
    """
    from tqdm import tqdm

    from utils.log import main_process

    items = list(items)
    jobs = min(jobs or cpu_count(), max(len(items), 1))
    if cluster:
        results = _on_a_cluster(function, items, cluster)
    elif jobs == 1:
        results = map(function, items)
    else:
        results = _on_this_machine(function, items, jobs)
    yield from tqdm(results, total=len(items), desc=what, unit="file", disable=not main_process(), smoothing=0.05)


def _on_this_machine(function: Callable[[T], Any], items: list[T], jobs: int) -> Iterator[Any]:
    from concurrent.futures import ProcessPoolExecutor, as_completed

    # Forked workers inherit what the first item made this process import and load; spawned ones spend seconds on it, each.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    yield function(items[0])
    items, size = items[1:], max(1, min(CHUNK, len(items) // (jobs * 8)))
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin_worker, initargs=(function,)) as pool:
        chunks = [pool.submit(_do_chunk, items[i : i + size]) for i in range(0, len(items), size)]
        try:
            for chunk in as_completed(chunks):
                yield from chunk.result()
        except BaseException:  # not when all went well: a pool that nobody waits for may still be closing as Python ends
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _on_a_cluster(function: Callable[[T], Any], items: list[T], address: str) -> Iterator[Any]:
    from joblib import Parallel, delayed, parallel_config

    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError("--cluster needs dask: pip install -e '.[cluster]'.") from error
    with Client(address, timeout="20s"), parallel_config(backend="dask"):
        runner = Parallel(n_jobs=-1, return_as="generator_unordered", batch_size=1)
        yield from runner(delayed(_single_threaded)(function, item) for item in items)


_work: Callable[[Any], Any] | None = None  # of this worker process; handed over once, not with every item


def _begin_worker(function: Callable[[Any], Any]) -> None:
    global _work
    _work = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    _one_thread()


def _do_chunk(items: list[Any]) -> list[Any]:
    return [_work(item) for item in items]


def _single_threaded(function: Callable[[T], Any], item: T) -> Any:
    _one_thread()
    return function(item)


def _one_thread() -> None:
    """As many processes as cores would otherwise start cores x cores threads."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
