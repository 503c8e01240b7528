"""AISHELL-3: 218 speakers of Mandarin, 85 hours, 44.1 kHz, read sentences without punctuation. Licence: Apache 2.0.

https://www.openslr.org/93

    <root>/
      train/content.txt                   SSB00050001.wav<tab>广 guang3 州 zhou1 ...
      train/wav/SSB0005/SSB00050001.wav
      test/content.txt                    test/wav/SSB0005/...

The corpus's own test part is kept; every twentieth sentence of its train part is for validation. The characters are read,
by g2p "pinyin" (the pinyin beside them has no word boundaries).
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance, by_hash, lines

PARTS = ("train", "test")


def _listed(root: Path) -> Iterator[tuple[Path, str]]:
    """(recording, text) of every line of content.txt."""
    parts = [part for part in PARTS if (root / part / "content.txt").is_file()]
    if not parts:
        raise ValueError(f"aishell3: {root} holds neither train/content.txt nor test/content.txt.")
    for part in parts:
        for name, spoken in (row[:2] for row in lines(root / part / "content.txt", 2, "\t")):
            # Characters and their pinyin take turns.
            yield root / part / "wav" / name[:7] / name, "".join(spoken.split()[::2])


def utterances(root: Path) -> Iterator[Utterance]:
    """Every line whose recording is there."""
    for audio, text in _listed(root):
        if audio.is_file():
            yield Utterance(id=audio.stem, speaker=audio.parent.name, audio=str(audio.absolute()), text=text, language="cmn")


def split(utterance: Utterance) -> str:
    """The corpus's own test part, and a twentieth of the rest to validate on."""
    if Path(utterance.audio).parts[-4] == "test":
        return "test"
    return "valid" if by_hash(utterance) == "valid" else "train"


def orphans(root: Path) -> list[tuple[str, str]]:
    """Lines without a recording, and recordings without a line."""
    named = {audio.stem: audio for audio, _ in _listed(root)}
    lost = [(name, f"its recording {audio} is missing") for name, audio in named.items() if not audio.is_file()]
    there = sorted(path for part in PARTS for path in (root / part / "wav").glob("*/*.wav"))
    return lost + [(path.stem, "content.txt does not name it") for path in there if path.stem not in named]
