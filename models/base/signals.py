"""SIGTERM asks a training to save and end: job schedulers send it before they kill."""

from __future__ import annotations

import signal
from typing import Any

from utils.log import log


class StopSignal:
    """Within it, SIGTERM only sets `asked`; the trainer looks at that after every step."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> StopSignal:
        self._before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def _ask(self, *_: Any) -> None:
        log.info("SIGTERM: saving at the end of this step, then stopping.")
        self.asked = True
