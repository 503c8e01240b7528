"""Whoever asks a training to end has it saved first: a job scheduler (SIGTERM), Ctrl-C (SIGINT), a terminal that closes (SIGHUP)."""

from __future__ import annotations

import signal
from typing import Any

from utils.log import log

NAMES = {"SIGTERM", "SIGINT", "SIGHUP"}  # of which Windows lacks one
ASKING = [number for number in signal.Signals if number.name in NAMES]


class StopSignal:
    """Within it these signals only set `asked`; the trainer looks at that after every step. A second Ctrl-C ends at once.

    Those that are ignored, as by `nohup` and of a shell's background jobs, stay so.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignal:
        for number in ASKING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: Any) -> None:
        if number == signal.SIGINT and self.asked:
            raise KeyboardInterrupt
        name = signal.Signals(number).name
        hurry = " Ctrl-C once more ends at once, without." if number == signal.SIGINT else ""
        log.info(f"{name}: saving at the end of this step, then stopping.{hurry}")
        self.asked = True
