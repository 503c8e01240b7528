"""The manifests of prepared corpora in columns that lie in memory-mapped files, whose pages all processes share.

Users read and edit the JSON lines. Beside `train.jsonl` its columns are kept as `train.arrow`; they name the content that they were
read from, and are made again where the lines hold another.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessors.base import NUMBERS, Utterance, manifest_rows
from processors.store import facts
from utils.digest import digest_of_file
from utils.files import write_whole
from utils.log import log

EDITION = 3  # raised when the same lines give other columns than before
BLOCK = 2**14  # rows that are in memory as objects at a time
FIELDS = [known.name for known in fields(Utterance)]
TYPES = {name: pa.float64() if name in NUMBERS else pa.string() for name in FIELDS}
SCHEMA = pa.schema({**TYPES, "facts": pa.string()})  # `facts` are `processors.store.facts`
SAID = b"said"  # the warnings of a block, in its metadata
SOURCE = b"source"  # edition and digest of the JSON lines, in the file's metadata


class Manifest(Sequence[Utterance]):
    """Utterances in columns: `table` has the columns of `SCHEMA`, `rows` are those of its rows that count, None for all.

    An index gives an `Utterance`, a slice a Manifest. A Manifest equals every sequence of equal utterances.
    """

    def __init__(self, table: pa.Table, rows: np.ndarray | None = None, files: tuple[tuple[Path, str], ...] = ()) -> None:
        self.table = table
        self.rows = rows
        self.files = files  # (path, source) of what `table` lies in, in order; none where it is in memory
        self._columns = [table[name] for name in FIELDS]

    @classmethod
    def of(cls, utterances: Iterable[Utterance]) -> Manifest:
        """The Manifest of any utterances; one is returned as it is."""
        if isinstance(utterances, Manifest):
            return utterances
        blocks = [_block(rows) for rows in _blocks(utterances)]
        return cls(pa.Table.from_batches(blocks, SCHEMA))

    def __len__(self) -> int:
        return self.table.num_rows if self.rows is None else len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.take(np.arange(*index.indices(len(self))))
        place = operator.index(index)
        if place < 0:
            place += len(self)
        if not 0 <= place < len(self):
            raise IndexError(f"utterance {index} of {len(self)}")
        row = place if self.rows is None else int(self.rows[place])
        return Utterance(*[column[row].as_py() for column in self._columns])

    def __iter__(self) -> Iterator[Utterance]:
        for batch in self._batches():
            columns = [batch[name].to_pylist() for name in FIELDS]
            yield from map(Utterance, *columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    def __add__(self, other: Manifest) -> Manifest:
        """Both, one after the other."""
        table = pa.concat_tables([self.table, other.table])
        rows = None
        if self.rows is not None or other.rows is not None:
            others = other._places() + self.table.num_rows
            rows = np.concatenate([self._places(), others])
        mapped = self.files and other.files
        files = self.files + other.files if mapped else ()
        return Manifest(table, rows, files)

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process maps the same files. What is in memory travels as it is.
        if self.files:
            return _reopened, (self.files, self.rows)
        return Manifest, (self.table, self.rows)

    def _places(self) -> np.ndarray:
        return np.arange(self.table.num_rows) if self.rows is None else self.rows

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """The rows that count, in order, in batches of the table's own: to take rows across them would copy the table."""
        batches = self.table.to_batches()
        if self.rows is None:
            yield from batches
            return
        ends = np.cumsum([batch.num_rows for batch in batches])
        for first in range(0, len(self.rows), BLOCK):
            block = self.rows[first : first + BLOCK]
            homes = np.searchsorted(ends, block, side="right")
            borders = np.flatnonzero(np.diff(homes)) + 1
            for run in np.split(block, borders):
                home = int(np.searchsorted(ends, run[0], side="right"))
                begin = int(ends[home]) - batches[home].num_rows
                yield batches[home].take(pa.array(run - begin))

    def take(self, rows: np.ndarray) -> Manifest:
        """The utterances at these places, or those where a mask is true."""
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        chosen = places if self.rows is None else self.rows[places]
        return Manifest(self.table, chosen, self.files)

    def without(self, names: Iterable[str]) -> Manifest:
        """Those of which the identity is none of `names`."""
        named = pc.is_in(self.identities, value_set=pa.array(list(names), pa.string()))
        return self.take(~named.to_numpy())

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of `SCHEMA`."""
        column = self.table[name]
        return column if self.rows is None else column.take(pa.array(self.rows))

    @property
    def identities(self) -> pa.ChunkedArray:
        """`processors.store.identity` of each."""
        return pc.binary_join_element_wise(self.column("dataset"), self.column("id"), "/")

    @property
    def seconds(self) -> np.ndarray:
        """How long each is, (utterances,) float64."""
        return self.column("seconds").to_numpy()

    def distinct(self, *names: str) -> tuple[np.ndarray, list[tuple[str, ...]]]:
        """The combinations of values that the columns `names` hold, and for each utterance the number of its own."""
        columns = [self.column(name) for name in names]
        lines = pc.binary_join_element_wise(*columns, "\n")  # which no name of a file holds; the last may
        coded = lines.combine_chunks().dictionary_encode()
        cuts = len(names) - 1
        joined = coded.dictionary.to_pylist()
        values = [tuple(line.split("\n", cuts)) for line in joined]
        numbers = coded.indices.to_numpy()
        return numbers, values


def read_splits(folder: Path, datasets: list[str], split: str) -> Manifest:
    """The utterances of one split of several prepared corpora, in order."""
    parts = [open_manifest(Path(folder) / name / f"{split}.jsonl") for name in datasets]
    return functools.reduce(operator.add, parts)


def open_manifest(path: Path) -> Manifest:
    """A manifest as columns, which are made, beside it, where there are none of its present content.

    Raises ValueError as `preprocessors.base.read_manifest` does.
    """
    source = f"{EDITION} {digest_of_file(path)}"
    kept = path.with_suffix(".arrow")
    table = _mapped(kept, source)
    if table is None:
        with contextlib.suppress(OSError):
            write_whole(kept, lambda temporary: _build(path, temporary, source), flushed=True)
        table = _mapped(kept, source)
    if table is None:  # nothing can be written there
        return Manifest.of(manifest_rows(path))
    return Manifest(table, None, ((kept, source),))


def _build(path: Path, target: Path, source: str) -> None:
    """Writes the columns of a manifest; of its lines only a block is in memory."""
    schema = SCHEMA.with_metadata({SOURCE: source})
    said: list[str] = []
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for rows in _blocks(manifest_rows(path, said.append)):
            writer.write_batch(_block(rows), custom_metadata={SAID: json.dumps(said)})
            said.clear()
        if said:
            writer.write_batch(_block([]), custom_metadata={SAID: json.dumps(said)})


def _mapped(path: Path, source: str) -> pa.Table | None:
    """The table in a file, read where it is used; None where there is none of this source. Says again what was left out of it."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        found = (reader.schema.metadata or {}).get(SOURCE, b"").decode()
        if found != source:
            return None
        parts = [reader.get_batch_with_custom_metadata(i) for i in range(reader.num_record_batches)]
    except (OSError, pa.ArrowInvalid):
        return None
    for _, metadata in parts:
        for line in json.loads(metadata[SAID]):
            log.warning(line)
    return pa.Table.from_batches([batch for batch, _ in parts], reader.schema).replace_schema_metadata()


def _reopened(files: tuple[tuple[Path, str], ...], rows: np.ndarray | None) -> Manifest:
    """A Manifest in another process. Raises ValueError where its files have become others meanwhile."""
    tables = [_mapped(*file) for file in files]
    for table, (path, _) in zip(tables, files, strict=True):
        if table is None:
            raise ValueError(f"{path} has changed since this run began: start it again.")
    table = pa.concat_tables(tables)
    return Manifest(table, rows, files)


def _blocks(utterances: Iterable[Utterance]) -> Iterator[list[Utterance]]:
    left = iter(utterances)
    return iter(lambda: list(itertools.islice(left, BLOCK)), [])


def _block(utterances: list[Utterance]) -> pa.RecordBatch:
    columns = {name: [getattr(utterance, name) for utterance in utterances] for name in FIELDS}
    columns["facts"] = [facts(utterance) for utterance in utterances]
    return pa.RecordBatch.from_pydict(columns, SCHEMA)
