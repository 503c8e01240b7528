"""LJSpeech 1.1: one woman reading seven books in US English; 13,100 clips, 24 hours, 22.05 kHz.

https://keithito.com/LJ-Speech-Dataset

    <root>/
      metadata.csv                    LJ001-0001|text as written|text with numbers in words
      wavs/LJ001-0001.wav             or .flac, .ogg, .mp3
      TextGrid/LJ001-0001.TextGrid    optional: phone times of a forced aligner

Any corpus in this layout is read; a second text field is used where there is one. metadata.csv says what belongs to the corpus.
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance
from preprocessors.custom import textgrids, unused_textgrids
from preprocessors.layout import Reasons, named, recordings, rows, short, twins

LICENCE = "public domain"


def utterances(root: Path) -> Iterator[Utterance]:
    """Every line of metadata.csv that has a recording."""
    listed = list(rows(root / "metadata.csv", 2, lenient=True))
    recorded = recordings(root / "wavs")
    grids = textgrids(root, recorded)
    for written, first, *others in listed:
        name = named(recorded, written, root)
        if not name:
            continue
        second = others[0] if others else ""
        yield Utterance(
            id=_id(name),
            speaker="ljspeech",
            audio=str(recorded[name]),
            text=second.strip() or first.strip(),
            textgrid=grids.get(name, ""),
        )


def orphans(root: Path) -> Reasons:
    """Lines without a recording or in another encoding, and recordings without a line."""
    strays: Reasons = []
    folder = root / "wavs"
    recorded = recordings(folder)
    names = {written: named(recorded, written, root) for written, *_ in rows(root / "metadata.csv", 2, bad=strays, lenient=True)}
    lost = sorted(written for written, name in names.items() if not name)
    unlisted = sorted(recorded.keys() - set(names.values()))
    strays += twins(folder)
    strays += [(_id(name), f"metadata.csv names it, but wavs/ has no recording {name}") for name in lost]
    strays += unused_textgrids(root, recorded)
    strays += [(_id(name), "it has no line in metadata.csv") for name in unlisted]
    return strays


def _id(name: str) -> str:
    return short(name.replace("/", "_"))
