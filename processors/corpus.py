"""The state of some corpora, as far as arrays depend on it, and what was made from exactly that state."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import TypedDict

from preprocessors.base import Utterance
from processors.manifest import BLOCK, Manifest
from processors.store import KINDS, NEXT
from utils.digest import LENGTH
from utils.files import read_json, write_json, write_whole
from utils.log import log
from utils.names import some

SHOWN = 3  # utterances named of each kind of difference
STATE = pa.schema({"name": pa.string(), "facts": pa.string()})


class Learned(TypedDict, total=False):
    """What a feature has learnt, as far as it is read again."""

    symbols: list[str]
    classes: list[str]
    lengths: dict[str, float]
    seconds: float
    language: str
    aligner: str
    network: str
    channels: int


Values = float | list[float] | list[list[float]]


class Statistics(TypedDict):
    """Of a feature over the training utterances; lists where it has several values a frame, one for each, lists of lists for rows of them."""

    mean: Values
    std: Values
    min: Values
    max: Values


SHAPES = {"learned": Learned, "refused": dict[str, str], "statistics": Statistics, "registers": dict[str, float]}


class Corpus:
    """The state of some corpora: all their utterances, as far as arrays depend on them. It names what was made from it."""

    def __init__(self, datasets: list[str], utterances: Iterable[Utterance]) -> None:
        self.name = "+".join(datasets)
        self.utterances = Manifest.of(utterances)
        self.digest = self._digest()

    def state(self) -> Iterator[pa.RecordBatch]:
        """The identity and the facts of each utterance, in the order of identities, some at a time. Of equal ones the last counts."""
        names = self.utterances.identities.combine_chunks()
        facts = self.utterances.column("facts").combine_chunks()
        order = pc.sort_indices(names).to_numpy()
        for first in range(0, len(order), BLOCK):
            end = first + BLOCK
            rows = pa.array(order[first : end + 1])  # with the next one, which may be an equal
            batch = pa.record_batch([names.take(rows), facts.take(rows)], schema=STATE)
            sorted_names = batch["name"]
            counts = np.ones(len(rows), dtype=bool)
            counts[:-1] = pc.not_equal(sorted_names[:-1], sorted_names[1:])
            counts[BLOCK:] = False
            yield batch.filter(pa.array(counts))

    def _parts(self) -> Iterator[dict[str, str]]:
        """Identity -> facts, some at a time."""
        for batch in self.state():
            yield dict(zip(batch["name"].to_pylist(), batch["facts"].to_pylist(), strict=True))

    def _digest(self) -> str:
        """What `utils.digest.digest` gives of all identities and facts in one dict."""
        sha = hashlib.sha256(b"{")
        between = b""
        for part in self._parts():
            sha.update(between + json.dumps(part)[1:-1].encode())
            between = b", "
        sha.update(b"}")
        return sha.hexdigest()[:LENGTH]

    def path(self, folder: Path, kind: str) -> Path:
        """Where what `kind` says lies in `folder`, if it was made from this state."""
        return folder / f"{kind}-{self.name}-{self.digest}.json"

    def write(self, folder: Path, kind: str, value: dict[str, Any]) -> Path:
        """Writes `value` as what was made from this state, and removes what was made from earlier ones."""
        path = write_json(self.path(folder, kind), value)
        before_digests = folder / f"{kind}-{self.name}.json"
        earlier = folder.glob(f"{kind}-{self.name}-{'?' * LENGTH}.json")
        for other in [before_digests, *earlier]:
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
        value = self.find(folder, kind)
        if value is not None:
            return value
        before = self._remembered(record)
        if before is None:
            raise ValueError(f"{self.path(folder, kind)} is missing: run the extract stage for these settings first (run.sh --stage 1).")
        changed = self.differences(before) or f"{self.path(folder, kind)} is missing or damaged"
        raise ValueError(f"what was extracted does not belong to {self.name} as it is now ({changed}): {NEXT}.")

    def remember(self, record: Path) -> None:
        """Notes this state as the one that was extracted."""
        write_whole(self._record(record), self._write_state)

    def _write_state(self, path: Path) -> None:
        """As `utils.files.write_json` would, with a part in memory at a time."""
        between = "\n"
        with open(path, "w", encoding="utf-8") as file:
            file.write("{")
            for part in self._parts():
                file.write(between + json.dumps(part, indent=2, ensure_ascii=False)[2:-2])
                between = ",\n"
            file.write("\n}\n")

    def _record(self, folder: Path) -> Path:
        return folder / f"state-{self.name}.json"

    def _remembered(self, folder: Path) -> pa.Table | None:
        path = self._record(folder)
        try:
            record = read_json(path, dict[str, str]) if path.is_file() else None
        except ValueError:
            return None
        if record is None:
            return None
        return pa.table([list(record.keys()), list(record.values())], schema=STATE)

    def differences(self, before: pa.Table) -> str:
        """What is other than `before`, with a few utterances of each kind; "" where nothing is."""
        now = pa.Table.from_batches(self.state(), STATE)
        places = pc.index_in(now["name"], value_set=before["name"])
        is_old = pc.is_valid(places)
        old_facts = before["facts"].take(places.drop_null())
        pairs = now.filter(is_old).append_column("before", old_facts)
        differs = pc.not_equal(pairs["facts"], pairs["before"])
        changed = pairs.filter(differs)
        there = pc.is_in(before["name"], value_set=now["name"])
        names: dict[str, list[str]] = {f"{kind} changed": [] for kind in KINDS}
        for row in changed.to_pylist():
            for kind in _changed(row["before"], row["facts"]):
                names[f"{kind} changed"].append(row["name"])
        new = now["name"].filter(pc.invert(is_old))
        gone = before["name"].filter(pc.invert(there))
        names |= {"new": new.to_pylist(), "gone": gone.to_pylist()}
        parts = []
        for change, changed_names in names.items():
            if changed_names:
                parts.append(f"{some(sorted(changed_names), SHOWN)} {change}")
        return "; ".join(parts)


def _changed(before: str, now: str) -> list[str]:
    """Which of `KINDS` differ between two `facts`."""
    pairs = zip(KINDS, f"{before} - - -".split(), now.split(), strict=False)
    return [kind for kind, old, new in pairs if old != new]


def all_learned(folder: Path) -> list[dict[str, Any]]:
    """What a feature has learnt from any corpora, and still holds."""
    learned = []
    for path in sorted(folder.glob("learned-*.json")):
        with contextlib.suppress(ValueError):
            learned.append(read_json(path, Learned))
    return learned
