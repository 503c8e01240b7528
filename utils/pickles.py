"""Pickled checkpoints hold more than tensors: objects of classes that they name. Here each becomes an object that does nothing.

torch's restricted unpickler (`weights_only`) does the reading. It asks for every class and function by name, and gets, in place
of those that it refuses, stand-ins from here: no code of the named ones is imported or run. A function may be named, as an
activation is; a pickle that would call one is refused, and so is what names anything of Python's own but the harmless few.
"""

from __future__ import annotations

import _compat_pickle
import mmap
import pickle
import pickletools
import re
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from utils.log import log

PICKLES = 5  # in a file of before torch 1.6: three about itself, the object, the keys of its storages
MODULES, DEPTH = 100_000, 60  # that a network holds, at most, and inside one another
MAPPINGS = {"collections.defaultdict"}
LISTS = {"collections.deque"}
OBJECTS = {
    *(f"builtins.{name}" for name in ("bool", "bytes", "dict", "float", "frozenset", "int", "list", "object", "slice", "str", "tuple")),
    *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
    *(f"{module}.{name}Path" for module in ("pathlib", "pathlib._local") for name in ("", "Posix", "PurePosix", "PureWindows", "Windows")),
    *(f"numpy.{name}" for name in ("dtype", "ndarray")),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
    *(f"numpy.random._pickle.__{name}_ctor" for name in ("bit_generator", "generator", "randomstate")),
    "argparse.Namespace",
    "decimal.Decimal",
    "functools.partial",
    "types.SimpleNamespace",
    "typing.Any",
    "uuid.UUID",
}


class Inert:
    """Stands for an object of a class that is not here: holds the values that it was given, does nothing."""

    def __new__(cls, *args: Any, **options: Any) -> Inert:
        return object.__new__(cls)

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                vars(self).update({str(k): v for k, v in part.items() if not str(k).startswith("__")})


def read_inertly(path: Path, load: Callable[[], Any]) -> Any:
    """What `load` reads of `path`, with stand-ins for what the pickle names. Raises UnpicklingError for what is refused."""
    if _mentions(path, b"bytearray") and "builtins.bytearray" in names_in(path):  # torch lets it be called, with any number
        raise pickle.UnpicklingError("it would call builtins.bytearray, which takes as much memory as it is told")
    try:
        return load()
    except pickle.UnpicklingError:
        names = set(names_in(path))
        if not names:
            raise
    kinds = {name: kind for name in names if (kind := _kind(name))}
    while True:
        try:
            content = as_plain(_load(load, kinds))
        except pickle.UnpicklingError as error:
            changed = _learn(kinds, str(error))
            if not changed:
                raise
            continue
        log.info(f"{path}: read without what it also holds of {', '.join(sorted(kinds)[:5])}; no code of them was run.")
        return content


def _load(load: Callable[[], Any], kinds: dict[str, Callable[[str], type]]) -> Any:
    import torch

    with torch.serialization.safe_globals([(kind(name), name) for name, kind in kinds.items()]):
        return load()


def _kind(name: str) -> Callable[[str], type] | None:
    """What stands for this name; None for nothing at all."""
    module, _, last = name.rpartition(".")
    if name in MAPPINGS:
        return _mapping
    if name in LISTS:
        return _list
    if name in OBJECTS:
        return _object
    if module.split(".")[0] in sys.stdlib_module_names:
        return None
    return _object if last.lstrip("_")[:1].isupper() else _function  # classes are written so; functions are not


def _object(name: str) -> type:
    return type(name, (Inert,), {})


def _mapping(name: str) -> type:
    return type(name, (), {"__new__": lambda cls, *args: OrderedDict()})


def _list(name: str) -> type:
    return type(name, (), {"__new__": lambda cls, *args: []})


def _function(name: str) -> type:
    def refuse(*args: Any) -> NoReturn:
        raise pickle.UnpicklingError(f"it would call {name}")

    return type(name, (), {"__new__": refuse})


def _learn(kinds: dict[str, Callable[[str], type]], error: str) -> bool:
    """An object that items are set on stands for a kind of dict, one that is appended to for a kind of list."""
    match = re.search(r"Can only (SETITEM|append|extend).*but got <class 'utils\.pickles\.([^']+)'>", error)
    if not match or kinds.get(match[2]) is not _object:
        return False
    kinds[match[2]] = _mapping if match[1] == "SETITEM" else _list
    return True


def names_in(path: Path) -> Iterator[str]:
    """The full names of all classes and functions that the pickles of a torch file name, without reading more than that."""
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            yield from _names(file, PICKLES)
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith("data.pkl"):
                with archive.open(name) as file:
                    yield from _names(file, 1)


def _mentions(path: Path, word: bytes) -> bool:
    """Whether the pickles of a torch file may hold this word; quick, and sure only where it says no."""
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            place = whole.find(word)
            return place >= 0
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
        return any(word in archive.read(name) for name in pickles)


def _names(file: BinaryIO, pickles: int) -> Iterator[str]:
    try:
        for _ in range(pickles):
            for opcode, value, _ in pickletools.genops(file):
                if opcode.name in ("GLOBAL", "INST"):
                    yield ".".join(_modern(*value.split(" ", 1)))
    except (ValueError, EOFError):  # the end, or what is no pickle: torch says so
        return


def _modern(module: str, name: str) -> tuple[str, str]:
    """Python 3's place of a name of Python 2, in which protocol 2, torch's, is written."""
    known = _compat_pickle.NAME_MAPPING.get((module, name))
    return known or (_compat_pickle.IMPORT_MAPPING.get(module, module), name)


def as_plain(content: Any, depth: int = 3) -> Any:
    """`found` with modules that were pickled whole as state dicts, where dicts near the top hold them."""
    if _is_module(content):
        return dict(_tensors(content, "", count()))
    if depth and type(content) in (dict, OrderedDict):
        return {key: as_plain(value, depth - 1) for key, value in content.items()}
    return content


def _is_module(content: Any) -> bool:
    parts = ("_parameters", "_buffers", "_modules")
    return isinstance(content, Inert) and all(isinstance(vars(content).get(part), dict) for part in parts)


def _tensors(module: Inert, at: str, visits: Iterator[int]) -> Iterator[tuple[str, Any]]:
    """(key, tensor) of a pickled module, as its state dict would name them."""
    from torch import Tensor

    if next(visits) > MODULES or at.count(".") > DEPTH:  # a module inside itself, or more of them than any network has
        raise pickle.UnpicklingError(f"its modules are nested without end, at {at[:80]}...")
    held = vars(module)
    passing = held.get("_non_persistent_buffers_set", ())
    values = [*held["_parameters"].items(), *held["_buffers"].items()]
    for name, value in values:
        if isinstance(value, Tensor) and name not in passing:
            yield f"{at}{name}", value
    for name, part in held["_modules"].items():
        if _is_module(part):
            yield from _tensors(part, f"{at}{name}.", visits)
