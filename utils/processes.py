"""Processes that end with the one that started them, however that ended: a dead program leaves no workers behind."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading

SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


def end_with_parent() -> None:
    """Called first in a worker of `multiprocessing`: this process is then killed when its parent is gone, also by SIGKILL.

    On Linux the kernel does so, at once, and takes the thread that started the worker for the parent: start workers from a
    thread that outlives them. Elsewhere a thread waits for the parent's end. Does nothing in a process that is no worker.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        kill_when_orphaned()
        if os.getppid() != parent.pid:  # it was gone before the kernel knew
            os._exit(1)
    else:
        threading.Thread(target=_wait_for_the_end_of, args=(parent,), daemon=True).start()


def kill_when_orphaned() -> None:
    """Asks the kernel to kill this process when its parent ends; of Linux, others are not asked."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(SET_DEATH_SIGNAL, signal.SIGKILL)


def _wait_for_the_end_of(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
