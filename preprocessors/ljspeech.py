"""LJSpeech 1.1: one woman reading seven books in US English; 13,100 clips, 24 hours, 22.05 kHz. Public domain.

https://keithito.com/LJ-Speech-Dataset

    <root>/
      metadata.csv                    LJ001-0001|text as written|text with numbers in words
      wavs/LJ001-0001.wav             or .flac, .ogg, .mp3
      TextGrid/LJ001-0001.TextGrid    optional: phone times of a forced aligner

Any corpus in this layout is read; a second text field is used where there is one.
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance, lines
from preprocessors.custom import recordings, textgrids, unused_textgrids


def utterances(root: Path) -> Iterator[Utterance]:
    """Every line of metadata.csv that has a recording."""
    found = recordings(root / "wavs")
    grids = textgrids(root, found)
    for name, *texts in lines(root / "metadata.csv", 2):
        if name in found:
            text = texts[1] if len(texts) > 1 and texts[1] else texts[0]
            yield Utterance(id=name, speaker="ljspeech", audio=str(found[name]), text=text, textgrid=grids.get(name, ""))


def orphans(root: Path) -> list[tuple[str, str]]:
    """Lines without a recording, and recordings without a line."""
    found, named = recordings(root / "wavs"), {row[0] for row in lines(root / "metadata.csv", 2)}
    missing = [(name, f"metadata.csv names it, but wavs/ has no recording {name}") for name in sorted(named - set(found))]
    missing += unused_textgrids(root, found)
    return missing + [(name, "it has no line in metadata.csv") for name in sorted(set(found) - named)]
