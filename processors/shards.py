"""The arrays of a feature in one file, `arrays.mdb`, in place of a file for each: an LMDB environment.

Any number of processes read and write it at once. What was written whole survives a kill at any moment, what was not is made again. It
is for disks of this machine: over a network, LMDB's locks and maps do not hold.
"""

from __future__ import annotations

import contextlib
import errno
import io
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from preprocessors.base import corpora
from processors.files import DAMAGE
from utils.files import disk_errors
from utils.log import log

NAME = "arrays.mdb"
SIZES = (2**42, 2**38, 2**34, 2**31)  # bytes that a file may come to have: of addresses, not of the disk
READERS = 2048  # processes times arrays that are read at once
LONGEST = 506  # bytes of a key; LMDB takes 511, and further pieces add five
PIECE = 2**16 - 2**8  # bytes of a piece, at most, but of a longer row; other ones would not be found
LEAST = 2**16  # bytes up to which a file may be shorter than its pages: it was just begun
OPEN: dict[str, tuple[tuple[int, int], lmdb.Environment]] = {}  # file -> (process, inode) and what is open of it


class Pieces:
    """An array on disk: a slice of its first axis reads the pieces that hold it. It shows what was there when it was opened.

    The first piece stands behind the header under the array's own key, further ones under `_piece`: LMDB reads a whole value at once.
    Raises what `DAMAGE` names where it is damaged.
    """

    def __init__(self, transaction: lmdb.Transaction, key: bytes) -> None:
        self.transaction = transaction
        self.key = key
        head = io.BytesIO(self._value(0))
        if np.lib.format.read_magic(head) != (1, 0):
            raise ValueError("it is no array of this program")
        self.shape, _, self.dtype = np.lib.format.read_array_header_1_0(head)
        if self.dtype.hasobject:
            raise ValueError("it holds Python objects")
        self.offset = head.tell()
        self.ndim = len(self.shape)
        self.step = _rows_of_a_piece(self.shape, self.dtype)
        if self.ndim and len(self):
            self[len(self) - 1 :]  # what is cut short lacks the end

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, end, _ = slice(rows.start, rows.stop).indices(len(self))
        if first >= end:
            return np.empty((0, *self.shape[1:]), self.dtype)
        first_piece = first // self.step
        last_piece = (end - 1) // self.step
        numbers = range(first_piece, last_piece + 1)
        pieces = [self._rows(number) for number in numbers]
        together = np.concatenate(pieces)  # a copy: pieces last as long as the transaction
        begin = first_piece * self.step
        return together[first - begin : end - begin : rows.step]

    def whole(self) -> np.ndarray:
        """All of it."""
        return self[:] if self.ndim else self._rows(0).reshape(()).copy()

    def _rows(self, number: int) -> np.ndarray:
        """Those of a piece, as long as the transaction lasts."""
        count = 1
        if self.ndim:
            left = len(self) - number * self.step
            count = min(self.step, left)
        shape = (count, *self.shape[1:])
        size = math.prod(shape)
        if not size:
            return np.empty(shape, self.dtype)
        offset = 0 if number else self.offset
        flat = np.frombuffer(self._value(number), self.dtype, count=size, offset=offset)
        return flat.reshape(shape)

    def _value(self, number: int) -> memoryview:
        value = self.transaction.get(_piece(self.key, number))
        if value is None:
            raise ValueError("a piece is missing")
        return value


def _rows_of_a_piece(shape: tuple[int, ...], dtype: np.dtype) -> int:
    row = math.prod(shape[1:]) * dtype.itemsize
    return max(1, PIECE // max(1, row))


def _piece(key: bytes, number: int) -> bytes:
    return key + b"\0" + number.to_bytes(4, "big") if number else key


def _delete(transaction: lmdb.Transaction, key: bytes, number: int = 0) -> None:
    """Removes the pieces of an array from one on."""
    while transaction.delete(_piece(key, number)):
        number += 1


def _keys(environment: lmdb.Environment) -> list[str]:
    """Those of arrays, without their further pieces."""
    with environment.begin() as transaction:
        keys = transaction.cursor().iternext(values=False)
        return [key.decode() for key in keys if b"\0" not in key]


class Shards:
    """As `processors.files.Files`: an array has the path of the file that would hold it, <root>/<feature>/.../<name>.npy."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: Path) -> np.ndarray | None:
        """The array; None where there is none, or, with a word, where it is damaged."""
        pieces = self.mapped(path)
        try:
            return None if pieces is None else pieces.whole()
        except DAMAGE as error:
            _say_damaged(path, error)
            return None

    def mapped(self, path: Path) -> Pieces | None:
        """As `read`, but left on disk: of what is sliced only that is read."""
        folder, key = self._place(path)
        environment = _open(folder / NAME)
        if environment is None:
            return None
        try:
            transaction = environment.begin(buffers=True)
            known = transaction.get(key) is not None
            return Pieces(transaction, key) if known else None
        except (*DAMAGE, lmdb.Error) as error:
            _say_damaged(path, error)
            return None

    def write(self, path: Path, array: np.ndarray) -> None:
        """Keeps an array, whole or not at all. Raises OSError where the disk is full or forbidden."""
        folder, key = self._place(path)
        plain = np.asarray(array, order="C")
        step = _rows_of_a_piece(plain.shape, plain.dtype)
        first = io.BytesIO()
        header = np.lib.format.header_data_from_array_1_0(plain)
        np.lib.format.write_array_header_1_0(first, header)
        beginning = plain[:step] if plain.ndim else plain
        first.write(beginning.tobytes())
        count = math.ceil(len(plain) / step) if plain.ndim else 1
        place = folder / NAME
        with disk_errors(place), _named(place), _made(place).begin(write=True) as transaction:
            transaction.put(key, first.getbuffer())
            for number in range(1, count):
                rows = plain[number * step : (number + 1) * step]
                transaction.put(_piece(key, number), rows.tobytes())
            _delete(transaction, key, max(1, count))

    def remove(self, path: Path) -> None:
        """Forgets an array; later ones take its room."""
        folder, key = self._place(path)
        environment = _open(folder / NAME)
        if environment is not None:
            with _named(folder / NAME), environment.begin(write=True) as transaction:
                _delete(transaction, key)

    def takes(self, path: Path) -> bool:
        """False for a name that is too long: what has it stays in a file of its own."""
        _, key = self._place(path)
        return len(key) <= LONGEST

    def sweep(self, folder: Path, dataset: str, names: set[str]) -> int:
        """Removes what is kept in a feature's `folder` for `dataset` under none of the file `names`; returns how many it were."""
        environment = _open(folder / NAME)
        if environment is None:
            return 0
        others = set(corpora()) - {dataset}
        stale = []
        for key in _keys(environment):
            name = _within(key, dataset, others)
            if name and f"{name}.npy" not in names:
                stale.append(key)
        with _named(folder / NAME), environment.begin(write=True) as transaction:
            for key in stale:
                _delete(transaction, key.encode())
        environment.sync()
        return len(stale)

    def paths(self, folder: Path) -> list[Path]:
        """The path of each array in a feature's folder."""
        environment = _open(folder / NAME)
        if environment is None:
            return []
        return [folder / f"{key}.npy" for key in _keys(environment)]

    def drop(self, folder: Path) -> None:
        """Removes the file of a feature's folder."""
        OPEN.pop(str(folder / NAME), None)
        _unlink(folder / NAME)

    def _place(self, path: Path) -> tuple[Path, bytes]:
        """The feature's folder, and the key there."""
        feature, *folders, name = path.relative_to(self.root).parts
        parts = [*folders, name.removesuffix(".npy")]
        return self.root / feature, "/".join(parts).encode()


def _within(key: str, dataset: str, others: set[str]) -> str:
    """The name of an array within `dataset`, whose folder may lie in one that says what was learnt; "" of another's."""
    first, _, rest = key.partition("/")
    if first == dataset:
        return rest
    second, _, rest = rest.partition("/")
    return rest if second == dataset and first not in others else ""


def _say_damaged(path: Path, error: Exception) -> None:
    log.warning(f"{path.stem} in {path.parent}, in its {NAME}, is damaged ({error or type(error).__name__}): made again.")


def _open(path: Path) -> lmdb.Environment | None:
    """What is open of a file in this process; None where there is none, or it is damaged: it is then removed, with a word."""
    if not path.is_file():
        OPEN.pop(str(path), None)
        return None
    if str(path) in OPEN:
        owner, environment = OPEN[str(path)]
        if owner == _owner(path):
            return environment
        if owner[0] != os.getpid():  # the parent's, which LMDB does not let a child use
            environment.close()
        # Of another file: it is closed when the last array of it goes.
        del OPEN[str(path)], environment
    try:
        return _opened(path)
    except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError) as error:
        log.warning(f"{path} is damaged ({error}): all that it held is made again.")
        _unlink(path)
        return None


def _made(path: Path) -> lmdb.Environment:
    """As `_open`, and begun where there is none."""
    environment = _open(path)
    if environment is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        environment = _opened(path)
    return environment


def _opened(path: Path) -> lmdb.Environment:
    """Opens a file for reading and writing, or, where that is forbidden, for reading. Raises lmdb.Error."""
    try:
        environment = _sized(path, max_readers=READERS)
        environment.reader_check()  # those of processes that were killed would keep old pages for ever
    except lmdb.Error:
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            raise
        environment = _sized(path, readonly=True, lock=False)
    pages = environment.info()["last_pgno"] + 1
    if pages * environment.stat()["psize"] > max(path.stat().st_size, LEAST):
        environment.close()
        raise lmdb.CorruptedError("it is cut short")
    OPEN[str(path)] = (_owner(path), environment)
    return environment


def _sized(path: Path, **how: Any) -> lmdb.Environment:
    """Opens it with as many addresses as this process may have."""
    # Not flushed at each commit, which takes longer than to compute: a power cut may cost the file, a kill costs nothing.
    how |= {"subdir": False, "sync": False, "readahead": False}
    for size in SIZES[:-1]:
        with contextlib.suppress(lmdb.MemoryError):
            return lmdb.open(str(path), map_size=size, **how)
    return lmdb.open(str(path), map_size=SIZES[-1], **how)


def _owner(path: Path) -> tuple[int, int]:
    return os.getpid(), path.stat().st_ino


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(f"{NAME}-lock").unlink(missing_ok=True)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Raises what LMDB says as an OSError that names the file and the next step."""
    try:
        yield
    except lmdb.ReadonlyError as error:
        raise OSError(errno.EACCES, str(error)) from error
    except (lmdb.MapFullError, lmdb.DiskError) as error:
        raise OSError(errno.ENOSPC, str(error)) from error
    except lmdb.Error as error:
        cure = 'set preprocess.store to "files", or delete that file, and run the extract stage again'
        raise OSError(f"{path} cannot be written ({error}): {cure}.") from error
