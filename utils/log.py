"""One logger for the whole house: quiet on every process but the first."""

from __future__ import annotations

import logging
import os
import sys
import warnings

warnings.filterwarnings("ignore", message="pkg_resources is deprecated")  # of pyworld's and webrtcvad's: nothing that a user could mend


def main_process() -> bool:
    """True on the process that may write and speak (rank 0, or the only one)."""
    return int(os.environ.get("RANK", "0")) == 0


class _TqdmHandler(logging.StreamHandler):
    """Writes through tqdm, so that a message never tears a progress bar in two."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm = sys.modules.get("tqdm")
        if tqdm is None:
            super().emit(record)
        else:
            tqdm.tqdm.write(self.format(record), file=sys.stderr)


def _make() -> logging.Logger:
    logger = logging.getLogger("amphion")
    handler = _TqdmHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if main_process() else logging.ERROR)
    return logger


log = _make()
