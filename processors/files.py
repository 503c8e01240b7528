"""The arrays of a feature in a file each, as `numpy.save` writes them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from tokenize import TokenError

import numpy as np

from preprocessors.base import corpora
from utils.files import write_whole
from utils.log import log

DAMAGE = (ValueError, TypeError, EOFError, OSError, MemoryError, OverflowError, SyntaxError, TokenError)  # what numpy raises of a file


class Files:
    """Each array in a file of its own."""

    def read(self, path: Path) -> np.ndarray | None:
        """The array in a file; None where there is none, or, with a word, where it is damaged.

        One of our own: it is read at once, in half the time of `utils.files.read_array`, which measures somebody else's file first.
        """
        try:
            with open(path, "rb") as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        except FileNotFoundError:
            return None
        except DAMAGE as error:
            log.warning(f"{path} is damaged ({error or type(error).__name__}): made again.")
            return None

    def mapped(self, path: Path) -> np.ndarray | None:
        """As `read`, but left on disk: only what is taken of it is read."""
        try:
            return np.lib.format.open_memmap(path, mode="r")
        except FileNotFoundError:
            return None
        except DAMAGE as error:
            log.warning(f"{path} is damaged ({error or type(error).__name__}): made again.")
            return None

    def write(self, path: Path, array: np.ndarray) -> None:
        """Keeps an array, whole or not at all."""
        write_whole(path, lambda temporary: np.save(temporary, array))

    def takes(self, path: Path) -> bool:
        """Whether an array of this name can be kept."""
        return True

    def remove(self, path: Path) -> None:
        """Forgets an array."""
        path.unlink(missing_ok=True)

    def sweep(self, folder: Path, dataset: str, names: set[str]) -> int:
        """Removes from a feature's folders for `dataset` what is none of the file `names`; returns how many it were."""
        removed = 0
        learnt = [path for path in folder.glob(f"*/{dataset}") if path.parent.name not in corpora()]  # an id may have folders too
        for part in (folder / dataset, *learnt):
            for path in part.rglob("*"):
                name = path.relative_to(part).as_posix()
                if path.is_file() and name not in names and not path.name.startswith("."):
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def paths(self, folder: Path) -> list[Path]:
        """The path of each array in a feature's folder."""
        return [path for path in folder.rglob("*.npy") if not path.name.startswith(".")]

    def drop(self, folder: Path) -> None:
        """Removes the folders of a feature's arrays that hold nothing any more."""
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
