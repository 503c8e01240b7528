"""LJSpeech 1.1: one woman reading seven books in US English; 13,100 clips, 24 hours, 22.05 kHz. Public domain.

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
from preprocessors.layout import lines, named, recordings, short, twins


def utterances(root: Path) -> Iterator[Utterance]:
    """Every line of metadata.csv that has a recording."""
    rows = list(lines(root / "metadata.csv", 2))
    found = recordings(root / "wavs")
    grids = textgrids(root, found)
    for written, *texts in rows:
        name = named(found, written, root)
        if name:
            first, second = (*texts, "")[:2]
            grid = grids.get(name, "")
            yield Utterance(
                id=_id(name), speaker="ljspeech", audio=str(found[name]), text=second.strip() or first.strip(), textgrid=grid
            )


def orphans(root: Path) -> list[tuple[str, str]]:
    """Lines without a recording or in another encoding, and recordings without a line."""
    bad: list[tuple[str, str]] = []
    rows = [written for written, *_ in lines(root / "metadata.csv", 2, bad=bad)]
    found = recordings(root / "wavs")
    names = {written: named(found, written, root) for written in rows}
    lost = sorted(written for written, name in names.items() if not name)
    missing = [(_id(name), f"metadata.csv names it, but wavs/ has no recording {name}") for name in lost]
    unlisted = [(_id(name), "it has no line in metadata.csv") for name in sorted(set(found) - set(names.values()))]
    return bad + twins(root / "wavs") + missing + unused_textgrids(root, found) + unlisted


def _id(name: str) -> str:
    return short(name.replace("/", "_"))
