"""Short names for contents: equal contents have equal names, whatever the machine, the file's name or its date."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

LENGTH = 12  # hexadecimal digits: two contents of a million share a name in one store of five hundred


def digest(value: Any) -> str:
    """The name of a JSON-able value."""
    return digest_of_bytes(json.dumps(value, sort_keys=True, default=str).encode())


def digest_of_file(path: str | Path) -> str:
    """The name of what a file holds, "" where there is none."""
    return digest_of_bytes(Path(path).read_bytes()) if Path(path).is_file() else ""


def digest_of_bytes(*parts: bytes | memoryview) -> str:
    """The name of the bytes of `parts`, one after another."""
    made = hashlib.sha256()
    for part in parts:
        made.update(part)
    return made.hexdigest()[:LENGTH]
