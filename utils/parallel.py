"""Many items over all cores of this machine, or over a Dask cluster, by one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from utils.pool import NO_MEMORY, name_of, one_thread, share

T = TypeVar("T")


def cpu_count() -> int:
    """Cores this process may use (a container or a job scheduler may grant fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parallel(
    function: Callable[[T], Any],
    items: Iterable[T],
    *,
    what: str,
    jobs: int = 0,
    cluster: str = "",
    lost: Callable[[T, str], Any] | None = None,
) -> Iterator[Any]:
    """Yields `function(item)` as each is ready, in any order, under a progress bar that says `what`.

    `jobs` 0 takes every core, 1 stays in this process. `cluster` is the address of a Dask scheduler
    ("tcp://host:8786"): the same calls then run on its workers, which must see the same files.

    An item whose process is killed, or finds no memory, is tried again alone once all others are done. If that fails too,
    `lost(item, reason)` is yielded in its place; without `lost`, ChildProcessError names it after all others.
    """

    from utils.log import main_process
    from utils.progress import progress

    items, missing = list(items), []
    jobs = min(jobs or cpu_count(), max(len(items), 1))

    def note(item: T, reason: str) -> list[str]:
        missing.append(f"{name_of(item)}: {reason}")
        return missing  # stands for the item, and is not handed on

    lost = lost or note
    if cluster:
        results = _on_a_cluster(function, items, cluster)
    elif jobs == 1:
        results = (_here(function, item, lost) for item in items)
    else:
        results = _on_this_machine(function, items, jobs, what, lost)
    for result in progress(results, total=len(items), desc=what, disable=not main_process(), smoothing=0.05):
        if result is not missing:
            yield result
    if missing:
        more = f"\n  ... {len(missing)} in all" if len(missing) > 5 else ""
        raise ChildProcessError(
            f"{what}: {len(missing)} of {len(items)} could not be done:\n  " + "\n  ".join(missing[:5]) + more + "\n"
            "All others are. Lower --jobs or free some memory, and run the same command again; or take these out."
        )


def _here(function: Callable[[T], Any], item: T, lost: Callable[[T, str], Any]) -> Any:
    try:
        return function(item)
    except MemoryError:
        return lost(item, NO_MEMORY)


def _on_this_machine(
    function: Callable[[T], Any], items: list[T], jobs: int, what: str, lost: Callable[[T, str], Any]
) -> Iterator[Any]:
    yield _here(function, items[0], lost)  # workers inherit what it made this process import and load
    yield from share(function, items[1:], jobs, what, lost)


def _on_a_cluster(function: Callable[[T], Any], items: list[T], address: str) -> Iterator[Any]:
    from joblib import Parallel, delayed, parallel_config

    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError("--cluster needs dask: pip install -e '.[cluster]'.") from error
    with Client(address, timeout="20s"), parallel_config(backend="dask"):
        runner = Parallel(n_jobs=-1, return_as="generator_unordered", batch_size=1)
        yield from runner(delayed(_single_threaded)(function, item) for item in items)


def _single_threaded(function: Callable[[T], Any], item: T) -> Any:
    one_thread()
    return function(item)
