"""LibriTTS: 2,456 speakers reading audiobooks in English; 585 hours, 24 kHz. CC BY 4.0. LibriTTS-R has the same layout.

https://www.openslr.org/60 and https://www.openslr.org/141

    <root>/
      train-clean-100/103/1241/103_1241_000000_000001.wav
      train-clean-100/103/1241/103_1241_000000_000001.normalized.txt     or .original.txt
      dev-clean/...   test-clean/...

The corpus's own division is kept: train*, dev*, test*; no speaker is in two of them.
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance
from preprocessors.custom import SUFFIXES

PARTS = {"train": "train", "dev": "valid", "test": "test"}


def _recordings(root: Path) -> Iterator[Path]:
    parts = sorted(path for path in root.iterdir() if path.is_dir() and path.name.split("-")[0] in PARTS)
    if not parts:
        raise ValueError(f"libritts: {root} holds none of the folders train-*, dev-*, test-*: is it the folder LibriTTS?")
    for part in parts:
        yield from sorted(path for path in part.glob("*/*/*") if path.suffix.lower() in SUFFIXES)


def _transcript(audio: Path) -> Path | None:
    choices = (audio.with_suffix(suffix) for suffix in (".normalized.txt", ".original.txt"))
    return next((path for path in choices if path.is_file()), None)


def utterances(root: Path) -> Iterator[Utterance]:
    """Every recording with a transcript."""
    for audio in _recordings(root):
        transcript = _transcript(audio)
        if transcript:
            text = transcript.read_text(encoding="utf-8").strip()
            yield Utterance(id=audio.stem, speaker=audio.parents[1].name, audio=str(audio.resolve()), text=text)


def split(utterance: Utterance) -> str:
    """The split of the folder it lies in."""
    return PARTS[Path(utterance.audio).parents[2].name.split("-")[0]]


def orphans(root: Path) -> list[tuple[str, str]]:
    """Recordings without a transcript, and transcripts without a recording."""
    audios = list(_recordings(root))
    mute = [(path.stem, "it has no .normalized.txt beside it") for path in audios if not _transcript(path)]
    known = {path.stem for path in audios}
    texts = sorted(path.name.removesuffix(".normalized.txt") for path in root.glob("*/*/*/*.normalized.txt"))
    return mute + [(name, "its transcript has no recording beside it") for name in texts if name not in known]
