"""Items over several processes: one that is killed loses nothing but the item that it had."""

import errno
import multiprocessing
import os
import signal
import sys
from collections import deque

import pytest

from tests.conftest import python
from tests.test_processes import all_end
from utils import pool
from utils.files import write_whole
from utils.parallel import parallel

ITEMS = list(range(100))


def square(item: int) -> int:
    return item * item


def die(how: int, *those: int):
    """`square`, but the process of those items ends by this signal."""
    parent = os.getpid()

    def work(item: int) -> int:
        if item in those and os.getpid() != parent:
            os.kill(os.getpid(), how)
        return item * item

    return work


def run(work, items=ITEMS, jobs=4, **options):
    return sorted(parallel(work, items, what="test", jobs=jobs, **options), key=str)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("jobs, items", [(1, 100), (2, 100), (4, 100), (12, 7)])
def test_every_item_once(jobs, items):
    assert run(square, ITEMS[:items], jobs) == sorted(map(square, ITEMS[:items]), key=str)
    assert run(square, [], jobs) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGUSR1])
def test_a_killed_process_loses_only_the_item_that_it_had(how, caplog):
    lost = {}
    those = (3, 50, 51, 99)
    found = run(die(how, *those), lost=lambda item, reason: lost.update({item: reason}) or "lost")
    assert found == sorted([*(i * i for i in ITEMS if i not in those), *["lost"] * 4], key=str)
    assert lost.keys() == set(those)
    for reason in lost.values():
        assert how.name in reason and "alone" in reason
    assert "test: 50: its process" in caplog.text and "Lower --jobs" in caplog.text


@pytest.mark.timeout(60)
def test_without_a_word_for_it_the_lost_are_named_after_all_others():
    found = []
    with pytest.raises(ChildProcessError, match=r"1 of 100 could not be done:\n  50: .*SIGKILL.*\n.*--jobs"):
        found.extend(parallel(die(signal.SIGKILL, 50), ITEMS, what="test", jobs=3))
    assert sorted(found) == [i * i for i in ITEMS if i != 50]


@pytest.mark.timeout(60)
def test_what_dies_only_in_company_is_done_alone(tmp_path, caplog):
    def work(item: int) -> int:
        mark = tmp_path / str(item)
        if item % 30 == 10 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item * item

    assert run(work) == sorted(map(square, ITEMS), key=str)
    assert caplog.text.count("it is tried again alone") == 3


@pytest.mark.timeout(60)
@pytest.mark.parametrize("jobs", [1, 3])
def test_no_memory_for_an_item(jobs):
    def work(item: int) -> int:
        if item == 7:
            raise MemoryError
        return item

    lost = {}
    found = run(work, jobs=jobs, lost=lambda item, reason: lost.update({item: reason}) or 7)
    assert found == sorted(ITEMS, key=str) and lost.keys() == {7} and "not enough memory" in lost[7]


class Awkward(Exception):
    """An error that cannot be made again from its message."""

    def __init__(self, one, two):
        super().__init__("awkward")


@pytest.mark.timeout(60)
# An awkward error is itself where dask was imported: its tblib can send any.
@pytest.mark.parametrize("error,kind", [(KeyError("a"), KeyError), (Awkward(1, 2), (RuntimeError, Awkward))])
def test_what_an_item_raises_is_raised_here(error, kind):
    def work(item: int) -> int:
        if item == 40:
            raise error
        return item

    with pytest.raises(kind):
        run(work)


@pytest.mark.timeout(60)
def test_an_ended_process_leaves_no_half_written_file(tmp_path):
    parent = os.getpid()

    def half(path):
        path.write_text("half")
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
        path.write_text("whole")

    run(lambda item: write_whole(tmp_path / f"{item}.txt", half), range(4), 2, lost=lambda item, reason: reason)
    assert [p.name for p in tmp_path.iterdir()] == ["0.txt"]  # done here, not in a worker


@pytest.mark.timeout(60)
def test_a_stop_half_way_leaves_no_process():
    results = parallel(square, ITEMS, what="test", jobs=2)
    assert next(results) == 0 and next(results) and multiprocessing.active_children()
    results.close()
    assert not multiprocessing.active_children()


@pytest.mark.timeout(60)
def test_fewer_processes_than_asked_for_still_do_it(monkeypatch, caplog):
    class Scarce(pool._Worker):
        made = 0

        def __init__(self, post):
            Scarce.made += 1
            if Scarce.made > 2:
                raise OSError(errno.ENOMEM, "Cannot allocate memory")
            super().__init__(post)

    monkeypatch.setattr(pool, "_Worker", Scarce)
    assert run(square, jobs=8) == sorted(map(square, ITEMS), key=str)
    assert "only 2 of 8 processes could be started" in caplog.text
    with pytest.raises(OSError, match="no process could be started .*lower --jobs"):
        run(square)


PROGRAM = """
import os, signal, time
from utils.parallel import parallel

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
os.environ["RANK"] = "1"  # no progress bar among the numbers

def work(item):
    os.write(1, f"{os.getpid()}\\n".encode())
    time.sleep(60 if item else 0)

list(parallel(work, range(9), what="test", jobs=4))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_program(ended):
    program = python("-c", PROGRAM)
    numbers = set()
    while len(numbers) < 5:
        word = program.stdout.readline().strip()
        numbers |= {int(word)} if word.isdigit() else set()
    program.send_signal(ended)
    program.wait(timeout=20)
    assert all_end(sorted(numbers))


class Idle:
    """A worker that never answers."""

    def __init__(self):
        self.items = deque()
        self.hand = self.items.extend


def test_workers_get_items_ahead_but_none_before_each_has_one():
    chunks = deque([item] for item in range(5))
    workers = [Idle(), Idle()]
    pool._hand_out(chunks, workers, 2)
    assert [list(worker.items) for worker in workers] == [[0, 2], [1, 3]]
    workers[1].items.popleft()
    pool._hand_out(chunks, workers, 2)
    assert list(workers[1].items) == [3, 4]
    assert not chunks
