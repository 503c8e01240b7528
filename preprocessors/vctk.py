"""VCTK 0.92: 110 speakers of English in many accents reading newspapers; 44 hours, 48 kHz. ODC-By / CC BY 4.0.

https://datashare.ed.ac.uk/handle/10283/3443

    <root>/
      wav48_silence_trimmed/p225/p225_001_mic1.flac     and _mic2.flac, the same words through another microphone
      txt/p225/p225_001.txt
      speaker-info.txt

Only microphone 1 is read, so that no utterance can be in two splits. (p280 and p315 have no mic2; p315 has no txt.)
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance

AUDIO = "wav48_silence_trimmed"
MICROPHONE = "mic1"


def _pairs(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """(id, recording, transcript) of every recording; the transcript need not exist."""
    if not (root / AUDIO).is_dir():
        raise ValueError(f"vctk: no folder {root / AUDIO}: dataset_path.vctk is the folder of version 0.92 that holds it.")
    for path in sorted((root / AUDIO).glob(f"*/*_{MICROPHONE}.*")):
        name = path.stem.removesuffix(f"_{MICROPHONE}")
        yield name, path, root / "txt" / path.parent.name / f"{name}.txt"


def utterances(root: Path) -> Iterator[Utterance]:
    """Every recording of microphone 1 with a transcript."""
    for name, audio, transcript in _pairs(root):
        if transcript.is_file():
            text = transcript.read_text(encoding="utf-8").strip()
            yield Utterance(id=name, speaker=audio.parent.name, audio=str(audio.resolve()), text=text)


def orphans(root: Path) -> list[tuple[str, str]]:
    """Recordings without a transcript, and transcripts without a recording."""
    pairs = list(_pairs(root))
    mute = [(name, f"it has no transcript {text}") for name, _, text in pairs if not text.is_file()]
    known = {name for name, _, _ in pairs}
    texts = sorted(path.stem for path in (root / "txt").glob("*/*.txt"))
    return mute + [(name, f"its transcript has no recording from {MICROPHONE}") for name in texts if name not in known]
