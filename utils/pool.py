"""Processes that share a list of items, of which one may be killed: only the item that it had is in doubt, the rest goes on."""

from __future__ import annotations

import contextlib
import copy
import multiprocessing
import pickle
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, NoReturn

from utils.log import log
from utils.processes import end_with_parent

KILLED = 9  # SIGKILL, which Windows lacks
CHUNK = 16  # items handed to a worker at once, at most
DONE, FAILED, LOST = "done", "failed", "lost"
NO_MEMORY = "there was not enough memory for it"
Answer = tuple[Any, str, Any]  # an item; DONE, FAILED or LOST; its result, exception or reason


def share(function: Callable[[Any], Any], items: list[Any], jobs: int, what: str, lost: Callable[[Any, str], Any]) -> Iterator[Any]:
    """Yields `function(item)` of every item, in any order; raises what it raises. What is lost is treated as by `share_among`."""
    size = max(1, min(CHUNK, len(items) // (jobs * 8)))
    posts = [Post(function, start_method())] * jobs
    yield from share_among(posts, items, size, what, lost)


def share_among(
    posts: list[Post], items: list[Any], size: int, what: str, lost: Callable[[Any, str], Any], *, ahead: int = 1
) -> Iterator[Any]:
    """Yields what the workers of `posts` answer to every item, in any order; raises what they raise.

    `size` items are handed over at once, as soon as a worker has fewer than `ahead` left. An item whose process is killed, or finds
    no memory, is tried again in a process of its own when all others are done; if that one ends the same way, `lost(item, reason)`
    is yielded.
    """
    doubtful = []
    for item, kind, value in _answers(posts, _chunks(items, size), ahead):
        if kind == LOST:
            doubtful.append(item)
            log.warning(f"{what}: {name_of(item)}: {value}; it is tried again alone, at the end. Lower --jobs if many are named here.")
        else:
            yield _result(kind, value)
    for item in doubtful:
        ((_, kind, value),) = _answers(posts[:1], _chunks([item], 1), 1)
        yield lost(item, f"{value}, also alone") if kind == LOST else _result(kind, value)


def name_of(item: Any) -> str:
    """What a message calls an item: its id, or that of the first of several things in it."""
    while isinstance(item, tuple | list) and item:
        item = item[0]
    return str(getattr(item, "id", item))[:200]


def start_method() -> str:
    """How workers are started: forked ones inherit what this process has imported and loaded, spawned ones spend seconds on it, each.

    A fork of a process that has touched a GPU can use none, and may hang: such a one spawns.
    """
    torch = sys.modules.get("torch")
    touched = torch is not None and torch.cuda.is_initialized()
    return "spawn" if touched or sys.platform != "linux" else "fork"


@dataclass(frozen=True)
class Post:
    """What a worker is started with: what it does with an item, how its process starts, and what runs in it until it is ended.

    `serve(function, pipe)` takes lists of items from the pipe, and puts a pair of `outcome` into it for each item, in their order.
    """

    function: Callable[[Any], Any]
    method: str
    serve: Callable[[Any, Any], None] | None = None


class _Worker:
    """A process, and the items that it has not answered yet; the first is the one at work."""

    def __init__(self, post: Post) -> None:
        self.post = post
        context = multiprocessing.get_context(post.method)
        self.pipe, its_end = context.Pipe()
        self.process = context.Process(target=post.serve or _serve, args=(post.function, its_end), daemon=True)
        self.process.start()
        its_end.close()  # so that nobody else holds it, and the pipe ends with the process
        self.items: deque[Any] = deque()

    def hand(self, items: list[Any]) -> None:
        self.items.extend(items)
        with contextlib.suppress(BrokenPipeError):  # it has ended: its answer will say so
            self.pipe.send(items)

    def answer(self) -> Answer:
        """What became of the first item. Raises EOFError or OSError when the process has ended."""
        kind, value = self.pipe.recv()
        return self.items.popleft(), kind, value

    def last_words(self) -> str:
        """How the process ended."""
        self.process.join()
        code = self.process.exitcode
        if code == -KILLED:
            return "its process was killed (SIGKILL), as the system does when memory runs out"
        return f"its process ended with {signal.Signals(-code).name if code < 0 else f'code {code}'}"


def _answers(posts: list[Post], chunks: deque[list[Any]], ahead: int) -> Iterator[Answer]:
    workers = _start(posts[: len(chunks)])
    try:
        while True:
            _hand_out(chunks, workers, ahead)
            busy = {worker.pipe: worker for worker in workers if worker.items}
            if not busy:
                return
            for pipe in wait(list(busy)):
                worker = busy[pipe]
                try:
                    answer = worker.answer()
                except (EOFError, OSError):
                    answer = _bury(worker, workers, chunks)
                yield answer
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()
            worker.pipe.close()


def _hand_out(chunks: deque[list[Any]], workers: list[_Worker], ahead: int) -> None:
    for depth in range(1, ahead + 1):  # one for each worker before any has two
        for worker in workers:
            if chunks and len(worker.items) < depth:
                worker.hand(chunks.popleft())


def _bury(worker: _Worker, workers: list[_Worker], chunks: deque[list[Any]]) -> Answer:
    """Gives back what a dead worker had not begun, and its first item as lost."""
    workers.remove(worker)
    worker.pipe.close()
    item, reason = worker.items.popleft(), worker.last_words()
    if worker.items:
        chunks.appendleft(list(worker.items))
    # One process fewer needs less memory; but one there must be.
    if not workers or worker.process.exitcode != -KILLED:
        workers.extend(_start([worker.post]))
    return item, LOST, reason


def _start(posts: list[Post]) -> list[_Worker]:
    workers = []
    try:
        for post in posts:
            workers.append(_Worker(post))
    except OSError as error:
        if not workers:
            raise OSError(error.errno, f"no process could be started ({error.strerror}): lower --jobs, or free some memory") from error
        log.warning(f"only {len(workers)} of {len(posts)} processes could be started ({error.strerror}): lower --jobs to avoid this.")
    return workers


def _chunks(items: list[Any], size: int) -> deque[list[Any]]:
    return deque(items[i : i + size] for i in range(0, len(items), size))


def _result(kind: str, value: Any) -> Any:
    if kind == FAILED:
        raise value
    return value


def end_as_told() -> None:
    """Called first in a worker, so that it ends when its parent ends or tells it to, and at no other time."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    signal.signal(signal.SIGTERM, _leave)


def _serve(function: Callable[[Any], Any], pipe: Any) -> None:
    """What a worker does until it is ended."""
    end_as_told()
    one_thread()
    while True:
        for item in pipe.recv():
            pipe.send(outcome(function, item))


def outcome(function: Callable[[Any], Any], item: Any) -> tuple[str, Any]:
    """DONE, FAILED or LOST, with what `function` gives, what it raises, or why there is neither."""
    try:
        return DONE, function(item)
    except MemoryError:
        return LOST, NO_MEMORY
    except Exception as error:  # noqa: BLE001 (the parent raises it again)
        return FAILED, _sendable(error)


def _sendable(error: Exception) -> Exception:
    """The error with its traceback as text, as `multiprocessing.pool` does; by its words alone where it cannot be made again."""
    from multiprocessing.pool import ExceptionWithTraceback

    try:
        copy.copy(error)
        pickle.dumps(error)
    except Exception:  # noqa: BLE001 (whatever its class may raise)
        error = RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)
    return ExceptionWithTraceback(error, error.__traceback__)


def _leave(*_: Any) -> NoReturn:
    sys.exit(0)  # by way of every `finally`: no half-written file stays


def one_thread() -> None:
    """As many processes as cores would otherwise start cores x cores threads."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
