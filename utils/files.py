"""Files that are whole or absent, JSON both ways, and the one place that reads foreign pickles."""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Rewords what a full or forbidden disk says, so that it names the file and the next step."""
    try:
        yield
    except OSError as error:
        cures = {
            errno.ENOSPC: "the disk is full: free some space and run the same command again, it goes on where it stopped",
            errno.EDQUOT: "your disk quota is used up: free some space and run the same command again",
            errno.EACCES: "no permission to write there: choose another folder or change its owner",
            errno.EPERM: "no permission to write there: choose another folder or change its owner",
            errno.EROFS: "the file system is read-only: choose another folder",
        }
        if error.errno not in cures:
            raise
        raise OSError(error.errno, f"cannot write {path}: {cures[error.errno]}") from error


def write_whole(path: Path, write: Callable[[Path], None]) -> Path:
    """Calls `write` on a temporary neighbour of `path`, then renames: readers see the old file or the new, never a part."""
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix stays last: soundfile, numpy and matplotlib choose the format by it.
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
        try:
            write(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def write_json(path: Path, value: Any) -> Path:
    """`value` as indented UTF-8 JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return write_whole(Path(path), lambda p: p.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises ValueError naming the file when it is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON ({error}); delete it and run the stage that wrote it again.") from error


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, its lines joined by \\n, no byte order mark. Raises ValueError naming file and line of another encoding."""
    return "\n".join(line for _, line in read_lines(path))


def read_lines(path: Path, bad: list[tuple[int, str]] | None = None) -> Iterator[tuple[int, str]]:
    """(number from 1, line) of a UTF-8 file. A line ends at \\n or \\r\\n and nowhere else: a text may hold U+2028, U+0085 or \\f.

    Raises ValueError naming file and line for another encoding; with `bad`, such lines go there as (number, reason) instead.
    """
    with open(path, "rb") as file:
        for number, raw in enumerate(file, 1):
            if number == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise ValueError(f"{path} is in UTF-16: save it again as UTF-8 (iconv -f UTF-16 -t UTF-8 does that).")
            raw = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            try:
                yield number, raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
            except UnicodeDecodeError as error:
                reason = f"byte {raw[error.start]:#04x} at {raw[: error.start].decode()[-20:]!r} is not in UTF-8"
                if bad is None:
                    cure = "save the file again as UTF-8 (iconv -f LATIN1 -t UTF-8 does that, with the encoding it has)"
                    raise ValueError(f"{path}:{number}: {reason}: {cure}.") from error
                bad.append((number, reason))


def read_jsonl(path: Path) -> list[dict]:
    """The objects of a JSON-lines file, in order."""
    rows = []
    for number, line in read_lines(path):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{number} is not valid JSON ({error}).") from error
    return rows


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    """One JSON object a line."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return write_whole(Path(path), lambda p: p.write_text(text, encoding="utf-8"))


def read_weights(path: Path) -> dict[str, Any]:
    """What a weights file holds: safetensors as a flat dict, .pt/.pth/.bin/.ckpt as torch wrote it.

    Raises ValueError for a truncated file and for a pickle that wants to run code: only tensors,
    numbers and plain containers are ever read.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no weights at {path}: check the path, or download the checkpoint first.")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged or cut short ({error}); copy or download it again.") from error
    import pickle

    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is refused: it is a pickle that holds more than weights, and reading it could run code. "
            f"Ask its author for a safetensors file. ({str(error).splitlines()[0]})"
        ) from error
    except (RuntimeError, EOFError, ValueError, OSError) as error:  # torch reports a cut file as any of these
        raise ValueError(f"{path} is damaged or cut short ({error}); copy or download it again.") from error
