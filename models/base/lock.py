"""One run trains in a folder at a time."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from utils.files import disk_errors

FAR = 2**20  # bytes: behind all that a lock file holds
ORPHAN_SECONDS = 15  # how long the workers of a killed run are waited for: where no kernel ends them, they look every five


@contextlib.contextmanager
def lock(run: Path) -> Iterator[None]:
    """Holds `run` for this process; the system lets go of it even after SIGKILL. Raises ValueError when another holds it."""
    with disk_errors(run):
        run.mkdir(parents=True, exist_ok=True)
        file = open(run / ".lock", "a+", encoding="ascii")  # noqa: SIM115 (held until the run ends)
    with file:
        _take(file, run)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _take(file: Any, run: Path) -> None:
    begun = time.monotonic()
    while True:
        try:
            return _hold(file)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip()
            # Data workers hold what their process held, and may outlive its SIGKILL by some seconds.
            if time.monotonic() - begun < ORPHAN_SECONDS and holder.isdigit() and not _alive(int(holder)):
                time.sleep(0.2)
                continue
            raise ValueError(
                f"another run (process {holder or 'unknown'}) is training in {run}: wait for it, or choose another --name."
            ) from error


def _hold(file: Any) -> None:
    """Takes the lock. Raises BlockingIOError where another holds it."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(FAR)  # what is locked there cannot be read, and the number of the process is to be
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _alive(process: int) -> bool:
    if sys.platform == "win32":  # where a lock ends with its process, and the signal 0 would be Ctrl-C
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
