"""What each pair gave, a line of JSON at a time beside the result: a stopped run goes on, and a new metric costs only itself."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.metric import Metric, Options, version
from evaluation.shapes import Line
from utils.files import disk_errors, parse_json
from utils.tree import files_under

BY_METRIC = ("values", "counts", "rows", "rates")  # of what a pair gave
PARTS = (*BY_METRIC, "seconds")  # and how long its files are


def fingerprint(path: Path | str | None) -> Any:
    """What changes when a file (or any file of a folder) is written again: names, sizes and times."""
    if not path or not Path(path).exists():
        return str(path)
    place = Path(path)
    facts: list[Any] = [str(path)]
    for file in files_under(place) if place.is_dir() else [place]:
        if file.is_file():
            status = file.stat()
            facts.append([file.name, status.st_size, status.st_mtime_ns])
    return facts


def digest(row: Metric, options: Options, rate: int | None) -> str:
    """Stands for everything that a value of `row` depends on but the recordings."""
    read = {name: getattr(options, name) for name in row.reads}
    facts = [
        row.name,
        row.definition,
        row.doc,
        row.rate,
        rate,
        read,
        [fingerprint(v) for v in read.values() if isinstance(v, str)],
    ]
    facts += [[package, version(package)] for package in ("amphion", *row.packages)]
    if row.kind == "frames":  # until sounds were cut first, frames were: values from then are others
        facts.append("sounds cut first")
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


class Journal:
    """The lines of a file; without a path it forgets everything. `keys`: {metric: digest}; lines of other settings are not read."""

    def __init__(self, path: Path | None, keys: dict[str, str]) -> None:
        self.path = path
        self.keys = keys
        self.by_id: dict[str, dict[str, Any]] = {}
        for line in self._lines():
            self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        known = self.by_id.get(line["id"])
        if known is None or known["files"] != line["files"]:
            known = {"files": line["files"]}
            self.by_id[line["id"]] = known
        known["seconds"] = line.get("seconds") or known.get("seconds", {})
        for name, key in line["keys"].items():
            if self.keys.get(name) != key:
                continue
            for part in BY_METRIC:
                if name in line[part]:
                    known.setdefault(part, {})[name] = line[part][name]

    def done(self, name: str, files: Any) -> dict[str, Any]:
        """What is known of a pair whose files are still the same; failures are not kept, they are tried again."""
        known = self.by_id.get(name, {})
        same = known.get("files") == files
        return {part: known.get(part, {}) if same else {} for part in PARTS}

    def write(self, outcome: dict[str, Any], names: list[str]) -> None:
        """Adds a line: whole lines only count, so that a run killed in the middle of one loses nothing else."""
        if self.path is None:
            return
        line = json.dumps(outcome | {"keys": {name: self.keys[name] for name in names}}, ensure_ascii=False)
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def _lines(self) -> list[dict[str, Any]]:
        if self.path is None or not self.path.is_file():
            return []
        lines = []
        text = self.path.read_text(encoding="utf-8", errors="replace")
        if text and not text.endswith("\n"):
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n")  # what was cut short stays on a line of its own
        for text_line in text.split("\n"):
            with contextlib.suppress(ValueError):
                line = parse_json(text_line, Line, self.path)
                for side in filter(None, itertools.chain(*line["rows"].values())):
                    unpack(side)
                lines.append(line)
        return lines


def pack(rows: np.ndarray) -> list[Any]:
    """An array as JSON can hold it, in single precision."""
    rows = np.ascontiguousarray(rows, dtype="<f4")
    return [list(rows.shape), base64.b64encode(rows.tobytes()).decode()]


def unpack(packed: list[Any]) -> np.ndarray:
    """The array that `pack` was given."""
    shape, data = packed
    return np.frombuffer(base64.b64decode(data), "<f4").reshape(shape).astype(np.float64)
