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
LONGEST = 511  # bytes of a key
HEADER = 4096  # bytes in which the header of an array lies
LEAST = 2**16  # bytes up to which a file may be shorter than its pages: it was just begun
OPEN: dict[str, tuple[tuple[int, int], lmdb.Environment]] = {}  # file -> (process, inode) and what is open of it


class Mapped(np.ndarray):
    """An array on disk: what it and its slices show is there while they are."""

    transaction: Any = None

    def __array_finalize__(self, source: Any) -> None:
        self.transaction = getattr(source, "transaction", None)


class Shards:
    """As `processors.files.Files`: an array has the path of the file that would hold it, <root>/<feature>/.../<name>.npy."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: Path) -> np.ndarray | None:
        """The array; None where there is none, or, with a word, where it is damaged."""
        found = self.mapped(path)
        return None if found is None else np.array(found)

    def mapped(self, path: Path) -> np.ndarray | None:
        """As `read`, but left on disk: only what is taken of it is read."""
        folder, key = self._place(path)
        environment = _open(folder / NAME)
        if environment is None:
            return None
        try:
            transaction = environment.begin(buffers=True)
            value = transaction.get(key)
            return None if value is None else _array(value, transaction)
        except (*DAMAGE, lmdb.Error) as error:
            log.warning(f"{path.stem} in {folder / NAME} is damaged ({error or type(error).__name__}): made again.")
            return None

    def write(self, path: Path, array: np.ndarray) -> None:
        """Keeps an array, whole or not at all. Raises OSError where the disk is full or forbidden."""
        folder, key = self._place(path)
        content = io.BytesIO()
        np.lib.format.write_array(content, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)
        path = folder / NAME
        with disk_errors(path), _named(path), _made(path).begin(write=True) as transaction:
            transaction.put(key, content.getbuffer())

    def remove(self, path: Path) -> None:
        """Forgets an array; later ones take its room."""
        folder, key = self._place(path)
        environment = _open(folder / NAME)
        if environment is not None:
            with _named(folder / NAME), environment.begin(write=True) as transaction:
                transaction.delete(key)

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
        with environment.begin() as transaction:
            keys = [key.decode() for key in transaction.cursor().iternext(values=False)]
        stale = []
        for key in keys:
            name = _within(key, dataset, others)
            if name and f"{name}.npy" not in names:
                stale.append(key)
        with _named(folder / NAME), environment.begin(write=True) as transaction:
            for key in stale:
                transaction.delete(key.encode())
        environment.sync()
        return len(stale)

    def paths(self, folder: Path) -> list[Path]:
        """The path of each array in a feature's folder."""
        environment = _open(folder / NAME)
        if environment is None:
            return []
        with environment.begin() as transaction:
            keys = [key.decode() for key in transaction.cursor().iternext(values=False)]
        return [folder / f"{key}.npy" for key in keys]

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


def _array(value: memoryview, transaction: lmdb.Transaction) -> np.ndarray:
    """What `numpy.save` wrote into `value`, which lasts as long as its transaction. Raises what `DAMAGE` names."""
    head = io.BytesIO(value[:HEADER])
    if np.lib.format.read_magic(head) != (1, 0):
        raise ValueError("it is no array of this program")
    shape, _, dtype = np.lib.format.read_array_header_1_0(head)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    count = math.prod(shape)
    array = np.frombuffer(value, dtype, count=count, offset=head.tell())
    found = array.reshape(shape).view(Mapped)
    found.transaction = transaction
    return found


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
