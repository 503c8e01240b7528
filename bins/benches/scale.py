"""Corpora of many utterances: arrays in files and in shards, and what a training process takes to begin."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bins.benches.measure import Row, row

ARRAYS = 4000
FRAMES = 500  # of an array, about: six seconds
UTTERANCES = 100_000


def benches() -> dict[str, Callable[[], list[Row]]]:
    return {"stores": stores, "manifests": manifests}


def stores() -> list[Row]:
    """Pitch (2 kB an array) and content features (750 kB): written by two processes, read in any order, of which 32 rows are taken."""
    rows = []
    for what, width, count in (("pitch", 1, ARRAYS), ("content", 768, ARRAYS // 20)):
        for kind in ("files", "shards"):
            with tempfile.TemporaryDirectory() as folder:
                rows += [_named(kind, what, measured) for measured in _one_store(Path(folder), kind, width, count)]
    return rows


def _named(kind: str, what: str, measured: Row) -> Row:
    return {**measured, "what": f"{kind}: {what}, {measured['what']}"}


def _one_store(root: Path, kind: str, width: int, count: int) -> Iterator[Row]:
    import numpy as np

    from processors.store import Store

    store = Store(root, kind)
    writers = [multiprocessing.Process(target=_write, args=(store, first, width, count)) for first in (0, 1)]
    begun = time.perf_counter()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    yield row("written by two processes", count / (time.perf_counter() - begun), "arrays/s")
    paths = [_path(store, number) for number in np.random.default_rng(0).permutation(count)]
    yield row("read", _each(lambda path: store.read(path), paths), "us")
    yield row("32 rows read", _each(lambda path: np.array(store.mapped(path)[100:132]), paths), "us")
    files = [path for path in root.rglob("*") if path.is_file()]
    blocks = sum(path.stat().st_blocks for path in files)
    yield row("files", len(files), "")
    yield row("on the disk", blocks * 512 / 1e6, "MB")


def _path(store: Any, number: int) -> Path:
    return store.root / f"bench-0/custom/utterance{number:06d}.0123456789ab.npy"


def _write(store: Any, first: int, width: int, count: int) -> None:
    import numpy as np

    random = np.random.default_rng(first)
    array = random.standard_normal((FRAMES, width)).astype(np.float32 if width == 1 else np.float16)
    for number in range(first, count, 2):
        store.write(_path(store, number), array)


def _each(read: Callable[[Path], Any], paths: list[Path]) -> float:
    begun = time.process_time()
    for path in paths:
        read(path)
    return (time.process_time() - begun) / len(paths) * 1e6


def manifests() -> list[Row]:
    """The manifest of a hundred thousand utterances of 200 speakers: made into columns once, and begun with each time."""
    from preprocessors.base import Utterance, write_manifest
    from processors.manifest import open_manifest

    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for number in range(UTTERANCES):
            speaker = f"speaker{number % 200}"
            seconds = 1 + number % 1000 / 100
            audio = f"/corpora/custom/{speaker}/utterance{number:06d}.wav"
            rows.append(Utterance(f"utterance{number:06d}", "custom", speaker, audio, seconds, "a word or two " * 6))
        path = write_manifest(Path(folder) / "train.jsonl", rows)
        del rows
        first = _seconds(lambda: open_manifest(path))
        second = _seconds(lambda: _begin(path))
    return [
        row("manifests: columns of 100,000 lines, made once", first, "s"),
        row("manifests: until the first batch, each time", second, "s"),
    ]


def _begin(path: Path) -> list[tuple[int, int]]:
    """What a training does of its corpus until its first batch."""
    from models.base.batching import Batches
    from models.base.splits import divide, speaker_names
    from processors.corpus import Corpus
    from processors.manifest import open_manifest

    train = open_manifest(path)
    Corpus(["custom"], train)
    _, names = speaker_names(train)
    division = divide({"train": train, "valid": [], "test": []}, names)
    batches = Batches(division.take("train").seconds, batch_seconds=200)
    return next(iter(batches))


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun
