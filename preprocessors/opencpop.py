"""Opencpop: one woman, 100 songs of Mandarin pop in 3,756 phrases; 5.2 hours, 44.1 kHz.

https://wenet.org.cn/opencpop

    <root>/
      segments/wavs/2001000001.wav       four digits of the song, six that run on
      segments/transcriptions.txt        id|words|phones|notes|seconds of notes|seconds of phones|slurs
      segments/train.txt, test.txt       the same lines, divided: five songs are for testing

Ids and words are read. The corpus's own test songs are kept; of the others some are for validation, whole. <root> may be `segments` itself.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Reasons, recordings, rows, twins

LICENCE = "research only"
LISTS = ("transcriptions.txt", "train.txt", "test.txt")
FAULTS = {"2041001526": "its last phones are known to be wrong"}
SILENT = "it is known to hold a silence of more than 5 s"
FAULTS |= dict.fromkeys(("2020000775", "2020000795", "2048001806", "2048001826", "2087003218"), SILENT)


def _folder(root: Path) -> Path:
    folder = root.absolute() / "segments"
    return folder if folder.is_dir() else root.absolute()


def _texts(root: Path, bad: Reasons | None = None) -> dict[str, str]:
    """Id -> words, of all lists that are there; lines in another encoding go to `bad`."""
    folder = _folder(root)
    lists = [folder / name for name in LISTS if (folder / name).is_file()]
    if not lists:
        raise ValueError(f"opencpop: {folder} holds none of {', '.join(LISTS)}: is it the folder `segments` of the corpus?")
    texts = {}
    for path in lists:
        for name, words, *_ in rows(path, 2, bad=bad):
            texts[name.strip()] = words.strip()
    return texts


def utterances(root: Path) -> Iterator[Utterance]:
    """Every line whose recording is there."""
    _tested.cache_clear()  # the lists may have changed since
    recorded = recordings(_folder(root) / "wavs")
    for name, text in _texts(root).items():
        if name in recorded:
            yield Utterance(id=name, speaker="opencpop", audio=str(recorded[name]), text=text, language="cmn")


def split(utterance: Utterance) -> str:
    """The corpus's own test part; of the other songs a twentieth is for validation. Without test.txt songs are drawn for both."""
    tested = _tested(Path(utterance.audio).parents[1])
    drawn = split_of(utterance.id[:4])
    if not tested:
        return drawn
    if utterance.id in tested:
        return "test"
    return "valid" if drawn == "valid" else "train"


@cache
def _tested(folder: Path) -> frozenset[str]:
    path = folder / "test.txt"
    listed = rows(path, 2) if path.is_file() else []
    return frozenset(name.strip() for name, *_ in listed)


def orphans(root: Path) -> Reasons:
    """Lines without a recording or in another encoding, and recordings without a line."""
    strays: Reasons = []
    folder = _folder(root) / "wavs"
    named = _texts(root, strays).keys()
    recorded = recordings(folder).keys()
    strays += [(name, f"its recording wavs/{name} is missing") for name in sorted(named - recorded)]
    strays += [(name, "no list names it") for name in sorted(recorded - named)]
    return strays + twins(folder)


def doubts(root: Path) -> Reasons:
    """The phrases that are known to be faulty."""
    recorded = recordings(_folder(root) / "wavs")
    return [(name, fault) for name, fault in FAULTS.items() if name in recorded]
