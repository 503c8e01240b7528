"""LibriTTS: 2,456 speakers reading audiobooks in English; 585 hours, 24 kHz. CC BY 4.0. LibriTTS-R has the same layout.

https://www.openslr.org/60 and https://www.openslr.org/141

    <root>/
      train-clean-100/103/1241/103_1241_000000_000001.wav
      train-clean-100/103/1241/103_1241_000000_000001.normalized.txt     or .original.txt
      dev-clean/...   test-clean/...
      libritts_r_failed_speech_restoration_examples/train-clean-100_bad_sample_list.txt      optional, of LibriTTS-R; or beside <root>

The corpus's own division is kept: train*, dev*, test*; no speaker is in two of them. Recordings that the lists of failed
restorations name are left out.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance
from preprocessors.layout import SUFFIXES, by_name, text_of
from utils.files import read_lines
from utils.tree import files_under

PARTS = {"train": "train", "dev": "valid", "test": "test"}
TEXTS = (".normalized.txt", ".original.txt")
FAILED = "libritts_r_failed_speech_restoration_examples"


def _parts(root: Path) -> list[Path]:
    parts = sorted(path for path in root.absolute().iterdir() if path.is_dir() and path.name.split("-")[0] in PARTS)
    if not parts:
        raise ValueError(f"libritts: {root} holds none of the folders train-*, dev-*, test-*: is it the folder LibriTTS?")
    return parts


def _files(root: Path) -> Iterator[tuple[str, Path | None, list[Path]]]:
    """(id, recording or None, transcripts) of every name in <part>/<speaker>/<chapter>/."""
    for part in _parts(root):
        paths = [path for path in files_under(part) if len(path.relative_to(part).parts) == 3]
        sounds, texts = by_name(paths, part, SUFFIXES), by_name(paths, part, TEXTS)
        for name in sorted({**sounds, **texts}):
            yield name.rsplit("/", 1)[-1], sounds.get(name, [None])[0], texts.get(name, [])


def _failed(root: Path) -> dict[str, str]:
    """Id -> the list that names it, of the failed restorations of LibriTTS-R. Lists beside LibriTTS itself are not its own."""
    own = re.sub("[^a-z]", "", root.absolute().name.lower()) == "libritts"
    folders = [root, root / FAILED] + ([] if own else [root.absolute().parent / FAILED])
    lists = [path for folder in folders for path in sorted(folder.glob("*_bad_sample_list.txt")) if not path.name.startswith(".")]
    return {Path(line.strip()).stem: path.name for path in lists for _, line in read_lines(path) if line.strip()}


def utterances(root: Path) -> Iterator[Utterance]:
    """Every recording whose restoration did not fail; those without a transcript serve what needs no text."""
    failed = _failed(root)
    for name, audio, texts in _files(root):
        if audio and name not in failed:
            yield Utterance(id=name, speaker=audio.parents[1].name, audio=str(audio), text=text_of(texts, "")[0])


def split(utterance: Utterance) -> str:
    """The split of the folder it lies in."""
    return PARTS[Path(utterance.audio).parents[2].name.split("-")[0]]


def orphans(root: Path) -> list[tuple[str, str]]:
    """Recordings whose restoration failed, and transcripts without a recording."""
    failed, found = _failed(root), []
    for name, audio, _ in _files(root):
        if not audio:
            found.append((name, "its transcript has no recording beside it"))
        elif name in failed:
            found.append((name, f"its restoration failed, says {failed[name]}"))
    return found


def mute(root: Path) -> list[tuple[str, str]]:
    """Why recordings have no text."""
    missing = "it has no transcript beside it (.normalized.txt or .original.txt)"
    return [(name, why) for name, audio, texts in _files(root) if audio and (why := text_of(texts, missing)[1])]
