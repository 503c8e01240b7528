"""Workers end with their parent, however it ends."""

import multiprocessing
import os
import signal
import sys
import time

import pytest

from tests.conftest import python
from utils.processes import end_with_parent

PARENT = """
import multiprocessing, time
from tests.test_processes import worker
context = multiprocessing.get_context({method!r})
queue = context.Queue()
processes = [context.Process(target=worker, args=(queue,)) for _ in range(2)]
[process.start() for process in processes]
print(*(queue.get() for _ in processes), flush=True)
time.sleep(60)
"""


def worker(queue) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_parent()
    queue.put(os.getpid())
    while True:
        time.sleep(60)


def alive(process: int) -> bool:
    """Whether a process runs still; one that has ended and waits to be noticed does not."""
    try:
        os.kill(process, 0)
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def all_end(processes: list[int], seconds: float = 1.0) -> bool:
    """Whether all have ended within that time."""
    end = time.monotonic() + seconds
    while any(map(alive, processes)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, processes))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_end_within_a_second_of_their_parent(method, ended):
    parent = python("-c", PARENT.format(method=method))
    processes = [int(word) for word in parent.stdout.readline().split()]
    assert len(processes) == 2 and all(map(alive, processes))
    parent.send_signal(ended)
    parent.wait()
    assert all_end(processes)


def test_a_process_that_is_no_worker_goes_on():
    assert multiprocessing.parent_process() is None
    end_with_parent()
