"""Hi-Fi TTS: ten readers of audiobooks in English, close to the microphone; 292 hours, 44.1 kHz. CC BY 4.0.

https://www.openslr.org/109

    <root>/
      92_manifest_clean_train.json     JSON lines: audio_filepath, duration, text, text_no_preprocessing, text_normalized
      92_manifest_clean_dev.json       92_manifest_clean_test.json     92_manifest_other_train.json ...
      audio/92_clean/10425/whatkatydid_01_coolidge_0000.flac

The corpus's own division is kept: train, dev, test; every reader is in each. "clean" and "other" (noisier) are both read.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from preprocessors.base import Utterance

PARTS = {"train": "train", "dev": "valid", "test": "test"}


def _manifests(root: Path) -> list[Path]:
    found = sorted(path for path in root.glob("*_manifest_*.json") if path.stem.rsplit("_", 1)[-1] in PARTS)
    if not found:
        raise ValueError(f"hifitts: {root} holds no <reader>_manifest_<clean or other>_<train, dev or test>.json.")
    return found


def _rows(root: Path) -> Iterator[tuple[Path, Path, str]]:
    """(manifest, recording, text) of every line. Raises ValueError naming the line that is none."""
    for manifest in _manifests(root):
        for number, line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                text = row.get("text_normalized") or row["text"]
                yield manifest, root / row["audio_filepath"], text
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{manifest}:{number} is no line of a manifest ({error}): {line[:80]!r}") from error


def _name(audio: Path) -> str:
    """<reader>_<clean or other>_<book>_<recording>: a recording's own name may occur in two books."""
    return "_".join([*audio.parts[-3:-1], audio.stem])


def utterances(root: Path) -> Iterator[Utterance]:
    """Every line whose recording is there."""
    for manifest, audio, text in _rows(root):
        if audio.is_file():
            reader = manifest.name.split("_", 1)[0]
            yield Utterance(id=_name(audio), speaker=reader, audio=str(audio.absolute()), text=text.strip())


def split(utterance: Utterance) -> str:
    """The split of the manifest that names it."""
    audio = Path(utterance.audio)
    return _splits(audio.parents[3])[_name(audio)]


@cache
def _splits(root: Path) -> dict[str, str]:
    return {_name(audio): PARTS[manifest.stem.rsplit("_", 1)[-1]] for manifest, audio, _ in _rows(root)}


def orphans(root: Path) -> list[tuple[str, str]]:
    """Lines without a recording, and recordings that no manifest names."""
    named = {_name(audio): audio for _, audio, _ in _rows(root)}
    lost = [(name, f"its recording {audio} is missing") for name, audio in named.items() if not audio.is_file()]
    there = sorted((root / "audio").glob("*/*/*.flac"))
    return lost + [(_name(audio), "no manifest names it") for audio in there if _name(audio) not in named]
