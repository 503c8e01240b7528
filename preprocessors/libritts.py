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
from preprocessors.layout import SUFFIXES, Reasons, by_name, text_of
from utils.files import read_lines
from utils.tree import files_under

LICENCE = "CC BY 4.0"

Files = tuple[str, Path | None, list[Path]]  # id, recording if there is one, transcripts
PARTS = {"train": "train", "dev": "valid", "test": "test"}
TEXTS = (".normalized.txt", ".original.txt")
FAILED = "libritts_r_failed_speech_restoration_examples"


def _parts(root: Path) -> list[Path]:
    parts = sorted(path for path in root.absolute().iterdir() if path.is_dir() and path.name.split("-")[0] in PARTS)
    if not parts:
        raise ValueError(f"libritts: {root} holds none of the folders train-*, dev-*, test-*: is it the folder LibriTTS?")
    return parts


def _files(root: Path) -> Iterator[Files]:
    """What is there of every name in <part>/<speaker>/<chapter>/."""
    for part in _parts(root):
        paths = [path for path in files_under(part) if _depth(path, part) == 3]
        recordings = by_name(paths, part, SUFFIXES)
        texts = by_name(paths, part, TEXTS)
        for name in sorted(recordings.keys() | texts.keys()):
            identity = name.rsplit("/", 1)[-1]
            recording, *_ = recordings.get(name, [None])
            transcripts = texts.get(name, [])
            yield identity, recording, transcripts


def _depth(path: Path, folder: Path) -> int:
    return len(path.relative_to(folder).parts)


def _failed(root: Path) -> dict[str, str]:
    """Id -> the list that names it, of the failed restorations of LibriTTS-R. Lists beside LibriTTS itself are not its own."""
    folders = [root, root / FAILED]
    name = re.sub("[^a-z]", "", root.absolute().name.lower())
    if name != "libritts":
        folders.append(root.absolute().parent / FAILED)
    failed = {}
    for folder in folders:
        for path in sorted(folder.glob("*_bad_sample_list.txt")):
            if not path.name.startswith("."):
                failed |= dict.fromkeys(_ids(path), path.name)
    return failed


def _ids(path: Path) -> list[str]:
    lines = [line.strip() for _, line in read_lines(path)]
    return [Path(line).stem for line in lines if line]


def utterances(root: Path) -> Iterator[Utterance]:
    """Every recording whose restoration did not fail; those without a transcript serve what needs no text."""
    failed = _failed(root)
    for name, audio, texts in _files(root):
        if audio and name not in failed:
            text, _ = text_of(texts, "")
            yield Utterance(id=name, speaker=audio.parents[1].name, audio=str(audio), text=text)


def split(utterance: Utterance) -> str:
    """The split of the folder it lies in."""
    return PARTS[Path(utterance.audio).parents[2].name.split("-")[0]]


def orphans(root: Path) -> Reasons:
    """Recordings whose restoration failed, and transcripts without a recording."""
    failed = _failed(root)
    strays = []
    for name, audio, _ in _files(root):
        if not audio:
            strays.append((name, "its transcript has no recording beside it"))
        elif name in failed:
            strays.append((name, f"its restoration failed, says {failed[name]}"))
    return strays


def mute(root: Path) -> Reasons:
    """Why recordings have no text."""
    mutes = []
    for name, audio, texts in _files(root):
        _, reason = text_of(texts, "it has no transcript beside it (.normalized.txt or .original.txt)")
        if audio and reason:
            mutes.append((name, reason))
    return mutes
