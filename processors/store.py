"""What is kept of a corpus on disk: every file's name says what it was made from, so that a corrected corpus never meets old arrays.

What is there is a function of corpus and settings, not of what was done before: a name that is missing is made, one that
nothing asks for any more is removed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from preprocessors.base import Utterance, corpora
from utils.digest import LENGTH, digest, digest_of_bytes
from utils.files import read_json, write_json, write_whole
from utils.log import log
from utils.names import some

KINDS = ("text", "sound", "TextGrid")  # what an utterance is made of, in the order of `facts`
DAMAGE = (ValueError, TypeError, EOFError, OSError, MemoryError, OverflowError, SyntaxError, TokenError)  # what numpy raises of a file
SHOWN = 3  # utterances named of each kind of difference
NEXT = "run the extract stage again (run.sh --stage 1)"


def identity(utterance: Utterance) -> str:
    """The name of an utterance among several corpora."""
    return f"{utterance.dataset}/{utterance.id}"


def text_of(utterance: Utterance) -> str:
    """What tells its text, with the language that it is in, from another."""
    return digest_of_bytes(utterance.language.encode(), b"|", utterance.text.encode())


def sound_of(utterance: Utterance) -> str:
    """What tells its sound from another; manifests of before say only where it lies."""
    return utterance.audio_digest or digest([utterance.audio, utterance.start or 0.0, utterance.seconds])


def textgrid_of(utterance: Utterance) -> str:
    """What tells its phone times from others, "" where it has none."""
    return utterance.textgrid_digest or (digest(utterance.textgrid) if utterance.textgrid else "")


def facts(utterance: Utterance) -> str:
    """All three, in the order of `KINDS`."""
    return f"{text_of(utterance)} {sound_of(utterance)} {textgrid_of(utterance) or '-'}"


class Learned(TypedDict, total=False):
    """What a feature has learnt, as far as it is read again."""

    symbols: list[str]
    language: str
    aligner: str


class Statistics(TypedDict):
    """Of a feature over the training utterances."""

    mean: float
    std: float
    min: float
    max: float


SHAPES = {"learned": Learned, "refused": dict[str, str], "statistics": Statistics}


class Corpus:
    """The state of some corpora: all their utterances, as far as arrays depend on them. It names what was made from it."""

    def __init__(self, datasets: list[str], utterances: Iterable[Utterance]) -> None:
        self.name = "+".join(datasets)
        self.facts = {identity(u): facts(u) for u in utterances}
        self.digest = digest(self.facts)

    def path(self, folder: Path, kind: str) -> Path:
        """Where what `kind` says lies in `folder`, if it was made from this state."""
        return folder / f"{kind}-{self.name}-{self.digest}.json"

    def write(self, folder: Path, kind: str, value: dict[str, Any]) -> Path:
        """Writes `value` as what was made from this state, and removes what was made from earlier ones."""
        path = write_json(self.path(folder, kind), value)
        before_digests = folder / f"{kind}-{self.name}.json"
        for other in [before_digests, *folder.glob(f"{kind}-{self.name}-{'?' * LENGTH}.json")]:
            if other != path:
                other.unlink(missing_ok=True)
        return path

    def find(self, folder: Path, kind: str) -> dict[str, Any] | None:
        """What `write` wrote; None where nothing was made from this state, or it is damaged."""
        path = self.path(folder, kind)
        try:
            return read_json(path, SHAPES[kind.partition("-")[0]]) if path.is_file() else None
        except ValueError as error:
            log.warning(f"{error} It is made again by the extract stage.")
            return None

    def read(self, folder: Path, kind: str, record: Path) -> dict[str, Any]:
        """As `find`. Raises ValueError saying what has changed since the extract stage wrote its `record` (see `remember`)."""
        found = self.find(folder, kind)
        if found is not None:
            return found
        before = self._remembered(record)
        if before is None:
            raise ValueError(f"{self.path(folder, kind)} is missing: run the extract stage for these settings first (run.sh --stage 1).")
        changed = self.differences(before) or f"{self.path(folder, kind)} is missing or damaged"
        raise ValueError(f"what was extracted does not belong to {self.name} as it is now ({changed}): {NEXT}.")

    def remember(self, record: Path) -> None:
        """Notes this state as the one that was extracted."""
        write_json(self._record(record), self.facts)

    def _record(self, folder: Path) -> Path:
        return folder / f"state-{self.name}.json"

    def _remembered(self, folder: Path) -> dict[str, str] | None:
        path = self._record(folder)
        try:
            return read_json(path, dict[str, str]) if path.is_file() else None
        except ValueError:
            return None

    def differences(self, before: dict[str, str]) -> str:
        """What is other than `before`, with a few utterances of each kind; "" where nothing is."""
        names: dict[str, list[str]] = {f"{kind} changed": [] for kind in KINDS}
        for name in self.facts.keys() & before.keys():
            for kind in _changed(before[name], self.facts[name]):
                names[f"{kind} changed"].append(name)
        names["new"] = [name for name in self.facts if name not in before]
        names["gone"] = [name for name in before if name not in self.facts]
        return "; ".join(f"{some(sorted(who), SHOWN)} {what}" for what, who in names.items() if who)


def _changed(before: str, now: str) -> list[str]:
    """Which of `KINDS` differ between two `facts`."""
    pairs = zip(KINDS, f"{before} - - -".split(), now.split(), strict=False)
    return [kind for kind, old, new in pairs if old != new]


def read_array(path: Path) -> np.ndarray | None:
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


def write_array(path: Path, array: np.ndarray) -> None:
    """Keeps an array, whole or not at all."""
    write_whole(path, lambda p: np.save(p, array))


def all_learned(folder: Path) -> list[dict[str, Any]]:
    """What a feature has learnt from any corpora, and still holds."""
    found = []
    for path in sorted(folder.glob("learned-*.json")):
        with contextlib.suppress(ValueError):
            found.append(read_json(path, Learned))
    return found


def sweep(folder: Path, dataset: str, names: set[str]) -> int:
    """Removes from a feature's folders for `dataset` what is none of the file `names`; returns how many it were."""
    removed = 0
    places = [path for path in folder.glob(f"*/{dataset}") if path.parent.name not in corpora()]  # an id may have folders too
    for part in (folder / dataset, *places):
        for path in part.rglob("*"):
            if path.is_file() and path.relative_to(part).as_posix() not in names and not path.name.startswith("."):
                path.unlink(missing_ok=True)
                removed += 1
    return removed
