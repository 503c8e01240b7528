"""Files that are whole or absent, JSON both ways, and the one place that reads foreign pickles."""

from __future__ import annotations

import codecs
import contextlib
import errno
import functools
import hashlib
import json
import os
import reprlib
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 2**28  # bytes of a JSON file, and of a line of text
SMALL = 2**24  # bytes that are never too many
NEWER = ("Unsupported operand 67", "Unsupported operand 149")  # BINBYTES and FRAME, of protocols 3 and 4
# What reading a cut or altered pickle may end with, since its instructions are then any.
DAMAGES = (
    *(RuntimeError, EOFError, ValueError, OSError, KeyError, IndexError, TypeError, AttributeError, AssertionError),
    *(OverflowError, MemoryError, struct.error, ImportError),
)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Rewords what a full or forbidden disk says, so that it names the file and the next step."""
    try:
        yield
    except OSError as error:
        cures = {
            errno.ENOSPC: "the disk is full: free some space and run the same command again, it goes on where it stopped",
            errno.EFBIG: "files may not become so large here (ulimit -f): raise the limit or write to another disk",
            errno.EDQUOT: "your disk quota is used up: free some space and run the same command again",
            errno.EACCES: "no permission to write there: choose another folder or change its owner",
            errno.EPERM: "no permission to write there: choose another folder or change its owner",
            errno.EROFS: "the file system is read-only: choose another folder",
            errno.ENAMETOOLONG: "the name is too long for this file system: choose a shorter one",
        }
        if error.errno not in cures:
            raise
        raise OSError(error.errno, f"cannot write {path}: {cures[error.errno]}") from error


def flush(path: Path) -> None:
    """Waits until a file, or which names a folder holds, is on the disk: a power cut leaves it there."""
    if sys.platform == "win32" and Path(path).is_dir():  # where a folder cannot be opened, and a file only to write is waited for
        return
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot say so of a folder
            raise
    finally:
        os.close(handle)


def write_whole(path: Path, write: Callable[[Path], None], *, flushed: bool = False) -> Path:
    """Calls `write` on a temporary neighbour of `path`, then renames: readers see the old file or the new, never a part.

    `flushed` waits for the disk, so that this holds after a power cut too.
    """
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix stays last: soundfile, numpy and matplotlib choose the format by it.
        # And a name that is nearly too long already is not made longer.
        stem = path.stem if len(os.fsencode(path.stem)) < 200 else hashlib.sha1(os.fsencode(path.stem)).hexdigest()
        temporary = path.with_name(f".{stem}.{os.getpid()}.tmp{path.suffix}")
        try:
            temporary.touch()
            mode = temporary.stat().st_mode  # as the user wishes of new files; some writers make theirs anew, for their owner alone
            write(temporary)
            temporary.chmod(mode)
            if flushed:
                flush(temporary)
            os.replace(temporary, path)
            if flushed:
                flush(path.parent)
        except RuntimeError:  # libsndfile and torch keep to themselves what the disk said: it is asked again
            _ask_the_disk(temporary.parent)
            raise
        finally:
            temporary.unlink(missing_ok=True)
    return path


def _ask_the_disk(folder: Path) -> None:
    """Raises the OSError that writing there gives, if any."""
    probe = folder / f".{os.getpid()}.probe"
    try:
        with open(probe, "wb") as file:
            file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
    finally:
        probe.unlink(missing_ok=True)


def write_json(path: Path, value: Any, *, flushed: bool = False) -> Path:
    """`value` as indented UTF-8 JSON; `flushed` as in `write_whole`."""
    return write_whole(Path(path), lambda p: p.write_text(json_text(value), encoding="utf-8"), flushed=flushed)


def json_text(value: Any) -> str:
    """`value` as `write_json` writes it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def read_json(path: Path, shape: Any = Any) -> Any:
    """The value in a JSON file. `shape` is the type that it must have, such as dict[str, list[int]].

    Raises ValueError naming the file, and the place in it, when it is not JSON, too deep or too large, or of another shape.
    """
    size = Path(path).stat().st_size
    if size > LARGEST:
        raise ValueError(f"{path} has {size} bytes, and {LARGEST} at most are read: it is no file of this kind.")
    return parse_json(Path(path).read_bytes().removeprefix(codecs.BOM_UTF8), shape, path)


def parse_json(text: bytes | str, shape: Any, source: Any) -> Any:
    """The value of `text`; `source` names it in errors. See `read_json`."""
    from pydantic_core import from_json

    try:
        value = from_json(text)
    except ValueError as error:
        cure = "mend it, or delete it and run the stage that wrote it again"
        raise ValueError(f"{source} is not valid JSON ({error}); {cure}.") from error
    check_shape(value, shape, source)
    return value


def check_shape(value: Any, shape: Any, source: Any) -> None:
    """Raises ValueError naming the first place where `value` does not have the type `shape`."""
    from pydantic import ValidationError

    if shape is Any:
        return
    try:
        _adapter(shape).validate_python(value, strict=True)
    except ValidationError as errors:
        error = errors.errors()[0]
        place = f" at {'.'.join(map(str, error['loc']))}" if error["loc"] else ""
        given = f", got {reprlib.repr(error['input'])}" if error["type"] != "missing" else ""
        raise ValueError(f"{source} is not what it should be{place}: {error['msg'].lower()}{given}.") from errors


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, its lines joined by \\n, no byte order mark. Raises ValueError naming file and line of another encoding."""
    return "\n".join(line for _, line in read_lines(path))


def read_lines(path: Path, bad: list[tuple[int, str]] | None = None) -> Iterator[tuple[int, str]]:
    """(number from 1, line) of a UTF-8 file. A line ends at \\n or \\r\\n and nowhere else: a text may hold U+2028, U+0085 or \\f.

    Raises ValueError naming file and line for another encoding; with `bad`, such lines go there as (number, reason) instead.
    """
    with open(path, "rb") as file:
        lines = iter(lambda: file.readline(LARGEST + 1), b"")
        for number, raw in enumerate(lines, 1):
            if len(raw) > LARGEST:
                raise ValueError(f"{path}:{number}: the line is longer than {LARGEST} bytes: it is no file of text.")
            if number == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise ValueError(f"{path} is in UTF-16: save it again as UTF-8 (iconv -f UTF-16 -t UTF-8 does that).")
            raw = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            line = raw.removesuffix(b"\n").removesuffix(b"\r")
            try:
                yield number, line.decode("utf-8")
            except UnicodeDecodeError as error:
                reason = f"byte {raw[error.start]:#04x} at {raw[: error.start].decode()[-20:]!r} is not in UTF-8"
                if bad is None:
                    cure = "save the file again as UTF-8 (iconv -f LATIN1 -t UTF-8 does that, with the encoding it has)"
                    raise ValueError(f"{path}:{number}: {reason}: {cure}.") from error
                bad.append((number, reason))


@functools.lru_cache(maxsize=64)
def _adapter(shape: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(shape)


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    """One JSON object a line."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return write_whole(Path(path), lambda p: p.write_text(text, encoding="utf-8"))


def read_weights(path: Path) -> dict[str, Any]:
    """What a weights file holds: safetensors as a flat dict, .pt/.pth/.bin/.ckpt as torch wrote it.

    Of a pickle only tensors, numbers and plain containers are read; what else it holds (settings, paths, the state of a trainer)
    becomes objects that do nothing, and a module that was pickled whole becomes its state dict. Raises ValueError for a
    truncated file, for one that would grow beyond its size, and for a pickle that wants to run code.
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

    from utils.pickles import read_inertly

    _check_archive(path)
    try:
        checkpoint = read_inertly(path, lambda: torch.load(path, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is refused: it is a pickle that holds more than weights, and reading it could run code. "
            f"Ask its author for a safetensors file. ({_reason(error)})"
        ) from error
    except DAMAGES as error:
        _refuse_tar(path)
        raise ValueError(f"{path} is damaged or cut short ({error}); copy or download it again.") from error
    _check_tensors(path, checkpoint)
    return checkpoint


def _reason(error: Exception) -> str:
    """What torch's unpickler refused, without its advice to read on regardless."""
    reason = str(error).partition("WeightsUnpickler error:")[2].strip() or str(error)
    reason = reason.partition("\n")[0].partition(" Please use")[0].strip()
    return f"{reason}: a newer kind of pickle than torch.save writes by itself; it may hold weights alone" if reason in NEWER else reason


def _refuse_tar(path: Path) -> None:
    """Raises ValueError for the archives of torch before 0.1.10, of which torch advises to run what they hold."""
    import tarfile

    with contextlib.suppress(tarfile.TarError, OSError):
        tarfile.open(path, "r:").close()
        raise ValueError(f"{path} is refused: it is in the .tar format of torch before 0.1.10. Ask its author for a safetensors file.")


def _check_archive(path: Path) -> None:
    """Raises ValueError for a zip that unpacks to far more than it is: torch stores tensors as they are."""
    import zipfile

    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        return  # no zip, or a damaged one, which torch names
    if unpacked > 4 * size + SMALL:
        raise ValueError(f"{path} is refused: its {size} bytes would become {unpacked}, where torch packs nothing.")


def _check_tensors(path: Path, checkpoint: Any) -> None:
    """Raises ValueError for tensors that claim to be far larger than the file: what copies them would fill the memory."""
    import torch

    largest = 4 * path.stat().st_size + SMALL
    todo = [checkpoint]
    seen = set()
    while todo:
        value = todo.pop()
        if isinstance(value, torch.Tensor) and value.numel() * value.element_size() > largest:
            raise ValueError(f"{path} is refused: it holds a tensor of {tuple(value.shape)}, which its {path.stat().st_size} bytes cannot be.")
        if isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            todo += value.values() if isinstance(value, dict) else value


def read_array(path: Path) -> Any:
    """The array of a .npy file. Raises ValueError for another kind of file, and for one that is shorter than it says."""
    import numpy as np

    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped first: its size is checked before memory is asked for
    except (ValueError, EOFError, OverflowError, SyntaxError, TypeError) as error:
        raise ValueError(f"{path} is damaged, or no .npy file ({error}): make or download it again.") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path} is no .npy file, but an archive of several arrays (.npz): save the one array with numpy.save.")
    return np.array(array)
