"""What is kept of a corpus on disk: every file's name says what it was made from, so that a corrected corpus never meets old arrays.

What is there is a function of corpus and settings, not of what was done before: a name that is missing is made, one that
nothing asks for any more is removed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from preprocessors.base import Utterance
from processors.files import Files
from processors.shards import Shards
from utils.digest import digest, digest_of_bytes

Kind = Literal["files", "shards"]  # an array a file, or all of a feature in one
KINDS = ("text", "sound", "TextGrid")  # what an utterance is made of, in the order of `facts`
NEXT = "run the extract stage again (run.sh --stage 1)"


def identity(utterance: Utterance) -> str:
    """The name of an utterance among several corpora."""
    return f"{utterance.dataset}/{utterance.id}"


def text_of(utterance: Utterance) -> str:
    """What tells its text, with the language that it is in and the events that go with it, from another."""
    parts = [utterance.language, "|", utterance.text]
    if utterance.events:
        parts += ["|", utterance.events]
    return digest_of_bytes(*(part.encode() for part in parts))


def sound_of(utterance: Utterance) -> str:
    """What tells its sound from another; manifests of before say only where it lies."""
    if utterance.audio_digest:
        return utterance.audio_digest
    place = [utterance.audio, utterance.start or 0.0, utterance.seconds]
    if utterance.start == 0:
        place.append("section")  # which the whole of a file, of a length that was mistaken, is not
    return digest(place)


def textgrid_of(utterance: Utterance) -> str:
    """What tells its phone times from others, "" where it has none."""
    return utterance.textgrid_digest or (digest(utterance.textgrid) if utterance.textgrid else "")


def facts(utterance: Utterance) -> str:
    """All three, in the order of `KINDS`."""
    return f"{text_of(utterance)} {sound_of(utterance)} {textgrid_of(utterance) or '-'}"


class Store:
    """The arrays below a folder: written in the way that `kind` says, and read in either, so that none is computed again for it."""

    def __init__(self, root: Path, kind: Kind = "files") -> None:
        self.root = root
        files = Files()
        shards = Shards(root)
        self.own: Any = files if kind == "files" else shards
        self.other: Any = shards if kind == "files" else files

    def read(self, path: Path) -> np.ndarray | None:
        """The array of that path, (of whatever shape it was written with); None where there is none, or it is damaged."""
        array = self.own.read(path)
        return self.other.read(path) if array is None else array

    def mapped(self, path: Path) -> np.ndarray | None:
        """As `read`, but left on disk: only what is taken of it is read. A slice lasts as long as it is used."""
        array = self.own.mapped(path)
        return self.other.mapped(path) if array is None else array

    def write(self, path: Path, array: np.ndarray) -> None:
        """Keeps an array, whole or not at all. Raises OSError where that cannot be."""
        way = self.own if self.own.takes(path) else self.other
        way.write(path, array)

    def sweep(self, folder: Path, dataset: str, names: set[str]) -> int:
        """Removes from a feature's `folder` what is kept for `dataset` under none of the file `names`; returns how many it were."""
        return self.own.sweep(folder, dataset, names) + self.other.sweep(folder, dataset, names)

    def gather(self, folder: Path) -> int:
        """Moves what a feature's `folder` keeps in the other way into the own; returns how many arrays it were."""
        moved = 0
        for path in self.other.paths(folder):
            if not self.own.takes(path):
                continue
            array = self.other.read(path)
            if array is not None and self.own.read(path) is None:
                self.own.write(path, array)
            self.other.remove(path)
            moved += 1
        if moved:
            self.other.drop(folder)
        return moved
