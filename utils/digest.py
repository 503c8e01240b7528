"""Short names for contents: equal contents have equal names, whatever the machine, the file's name or its date."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

LENGTH = 12  # hexadecimal digits: two contents of a million share a name in one store of five hundred
PART = 2**20  # bytes that are read at once


def digest(value: Any) -> str:
    """The name of a JSON-able value."""
    return digest_of_bytes(json.dumps(value, sort_keys=True, default=str).encode())


def digest_of_file(path: str | Path) -> str:
    """The name of what a file holds, "" where there is none."""
    return sha256_of(path)[:LENGTH] if Path(path).is_file() else ""


def sha256_of(path: str | Path) -> str:
    """The whole sha256 of a file, in hexadecimal digits; it is read in parts, whatever its size."""
    hasher = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(PART):
            hasher.update(part)
    return hasher.hexdigest()


def digest_of_bytes(*parts: bytes | memoryview) -> str:
    """The name of the bytes of `parts`, one after another."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part)
    return hasher.hexdigest()[:LENGTH]
