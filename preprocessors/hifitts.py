"""Hi-Fi TTS: ten readers of audiobooks in English, close to the microphone; 292 hours, 44.1 kHz.

https://www.openslr.org/109

    <root>/
      92_manifest_clean_train.json     JSON lines: audio_filepath, duration, text, text_no_preprocessing, text_normalized
      92_manifest_clean_dev.json       92_manifest_clean_test.json     92_manifest_other_train.json ...
      audio/92_clean/10425/whatkatydid_01_coolidge_0000.flac

The corpus's own division is kept: train, dev, test; every reader is in each. "clean" and "other" (noisier) are both read.
"""

import json
import posixpath
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from preprocessors.base import Utterance
from preprocessors.layout import Reasons, in_another_encoding, recordings, twins, without_suffix
from utils.files import read_lines
from utils.tree import composed

LICENCE = "CC BY 4.0"
PARTS = {"train": "train", "dev": "valid", "test": "test"}


def _manifests(root: Path) -> list[Path]:
    manifests = [path for path in sorted(root.glob("*_manifest_*.json")) if _part(path) in PARTS and path.name[0] != "."]
    if not manifests:
        raise ValueError(f"hifitts: {root} holds no <reader>_manifest_<clean or other>_<train, dev or test>.json.")
    return manifests


def _part(manifest: Path) -> str:
    return manifest.stem.rsplit("_", 1)[-1]


def _rows(root: Path, bad: Reasons | None = None) -> Iterator[tuple[Path, str, str]]:
    """(manifest, <reader>_<clean or other>/<book>/<recording>, text) of every line; lines in another encoding go to `bad`."""
    for manifest in _manifests(root.absolute()):
        unread: list[tuple[int, str]] = []
        for number, line in read_lines(manifest, unread):
            if line.strip():
                name, text = _row(f"{manifest}:{number}", line)
                yield manifest, name, text
        if bad is not None:
            bad += in_another_encoding(manifest, unread)


def _row(place: str, line: str) -> tuple[str, str]:
    """(recording, text) of a line. Raises ValueError naming the line that is none."""
    try:
        row = json.loads(line)
        text = row.get("text_normalized") or row["text"]
        path = posixpath.normpath(composed(row["audio_filepath"]).replace("\\", "/"))
        recording = without_suffix(f"/{path}".rpartition("/audio/")[2])
        return recording, text.strip()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{place} is no line of a manifest ({error}): {line[:80]!r}") from error


def _id(name: str) -> str:
    """<reader>_<clean or other>_<book>_<recording>: a recording's own name may occur in two books."""
    return name.strip("/").replace("/", "_")


def utterances(root: Path) -> Iterator[Utterance]:
    """Every line whose recording is there."""
    _splits.cache_clear()  # the manifests may have changed since
    recorded = recordings(root / "audio")
    for manifest, name, text in _rows(root):
        if name in recorded:
            reader = manifest.name.split("_", 1)[0]
            yield Utterance(id=_id(name), speaker=reader, audio=str(recorded[name]), text=text)


def split(utterance: Utterance) -> str:
    """The split of the manifest that names it; of two, train."""
    return _splits(Path(Path(utterance.audio).as_posix().rpartition("/audio/")[0]))[utterance.id]


@cache
def _splits(root: Path) -> dict[str, str]:
    return {_id(name): PARTS[_part(manifest)] for manifest, name, _ in _rows(root)}


def orphans(root: Path) -> Reasons:
    """Lines without a recording or in another encoding, and recordings that no manifest names."""
    strays: Reasons = []
    folder = root / "audio"
    named = {name for _, name, _ in _rows(root, strays)}
    recorded = recordings(folder).keys()
    strays += [(_id(name), f"its recording audio/{name} is missing") for name in sorted(named - recorded)]
    strays += twins(folder)
    strays += [(_id(name), "no manifest names it") for name in sorted(recorded - named)]
    return strays
