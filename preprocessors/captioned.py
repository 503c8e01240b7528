"""Corpora of captioned sounds: clips, their captions, and names that a list and a disk write differently. No corpus itself.

A clip with several captions becomes as many utterances, `<clip>.1`, `<clip>.2`, ..., whose `recording` is the clip: they share one
sound, and what is extracted of it. Where a corpus has a division of its own, ids begin with it: `test_Y4bUL_ttiOdw_30`.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from preprocessors.base import SPLITS, Utterance, split_of
from preprocessors.layout import Reasons, recordings, safe
from utils.digest import digest_of_bytes
from utils.files import check_shape, read_text
from utils.tree import composed

Place = tuple[set[str], Path]  # the folders that a recording is in, and its path
ABSENT = "its sound is not there: many clips can no longer be had"
EMPTY = "its caption is empty: write one into the list, or leave the clip out"


def table(path: Path, columns: Sequence[str], bad: Reasons | None = None) -> Iterator[dict[str, str]]:
    """The rows of a table with a header and commas, by the names of its columns; a quoted field may hold commas and line breaks.

    A row that is too short goes to `bad` as (file and line, reason). Raises ValueError where a column is missing, and with the line where
    a row begins whose quotes are not in pairs: it would swallow those behind it.
    """
    if not path.is_file():
        raise ValueError(f"no list {path}.")
    with io.StringIO(read_text(path), newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        begun = 1
        try:
            header = list(reader.fieldnames or [])
            _check_columns(path, header, columns)
            begun = reader.line_num + 1
            for row in reader:
                begun = reader.line_num + 1
                is_whole = None not in [row[column] for column in columns]
                if is_whole:
                    yield row
                elif bad is not None:
                    place = f"{path.name}:{reader.line_num}"
                    bad.append((place, f"it has fewer fields than the header of {path}: mend the line"))
        except csv.Error as error:
            raise ValueError(f"{path}:{begun}: the row that begins here is not whole ({error}): is a quote not closed?") from error


def shaped(items: Iterable[Any], shape: Any, path: Path, bad: Reasons | None = None) -> Iterator[Any]:
    """Those of a list's items that are as `shape` says; the others go to `bad` as (file and number from 1, reason)."""
    for number, item in enumerate(items, 1):
        place = f"{path.name}:{number}"
        try:
            check_shape(item, shape, place)
        except ValueError as error:
            if bad is not None:
                bad.append((place, f"{error} Mend it in {path}."))
            continue
        yield item


def _check_columns(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        first_line = ",".join(header)[:80]
        raise ValueError(f"{path} has no column {', '.join(missing)}; its first line is {first_line!r}.")


def one_line(caption: str) -> str:
    """A caption without the line breaks and the blanks at its edges that some have."""
    return " ".join(caption.split())


def captioned(clip: str, audio: Path, captions: Iterable[str], **others: Any) -> Iterator[Utterance]:
    """The utterances of a clip: one for each of its captions, which are counted once where they are equal."""
    lines = [one_line(caption) for caption in captions]
    different = list(dict.fromkeys(filter(None, lines)))
    plain = Utterance(id=clip, audio=str(audio), **others)
    if len(different) < 2:
        text = "".join(different)
        yield replace(plain, text=text)
        return
    for number, caption in enumerate(different, 1):
        identity = f"{clip}.{number}"
        yield replace(plain, id=identity, text=caption, recording=clip)


def mute(utterances: Iterable[Utterance]) -> Reasons:
    """(id, why) of the utterances that have no caption."""
    return [(utterance.id, EMPTY) for utterance in utterances if not utterance.text]


def split(utterance: Utterance) -> str:
    """The division that an id begins with; else by a hash of the clip, so that its captions are in one split."""
    first = utterance.id.partition("_")[0]
    return first if first in SPLITS else split_of(utterance.recording or utterance.id)


class Sounds:
    """The recordings below a folder, by their own names without the ending: those of one name are told apart by their folders."""

    def __init__(self, root: Path) -> None:
        self._by_name: dict[str, list[Place]] = defaultdict(list)
        self.used: set[Path] = set()
        for name, path in recordings(root).items():
            *folders, own = name.split("/")
            place = (set(folders), path)
            alike = self._by_name[own]
            alike.append(place)

    def find(self, names: Iterable[str], folders: Iterable[str] = ()) -> Path | None:
        """The recording of the first of `names` that there is: one below any of `folders`, else one that is alone of its name."""
        wanted = set(folders)
        for name in names:
            alike = self._by_name.get(composed(name), [])
            inside = [path for own, path in alike if own & wanted]
            chosen = inside[:1] or ([path for _, path in alike] if len(alike) == 1 else [])
            if chosen:
                self.used.add(chosen[0])
                return chosen[0]
        return None

    def unused(self, reason: str) -> Reasons:
        """(name, reason) of those that `find` never gave."""
        paths = [path for alike in self._by_name.values() for _, path in alike]
        return [(safe(path.stem), reason) for path in paths if path not in self.used]


def distinct(names: Iterable[str]) -> dict[str, str]:
    """Name -> an id that none of the others has, also where names differ in blanks and marks alone."""
    listed = list(dict.fromkeys(names))
    alike = Counter(safe(name).lower() for name in listed)
    return {name: _own(name, alike[safe(name).lower()]) for name in listed}


def _own(name: str, count: int) -> str:
    if count == 1:
        return safe(name)
    mark = digest_of_bytes(name.encode())
    return f"{safe(name)}-{mark[:8]}"
