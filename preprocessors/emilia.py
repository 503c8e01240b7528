"""Emilia: speech of the wild in six languages, cut and transcribed by its pipeline; 101,000 hours, 24 kHz.

https://huggingface.co/datasets/amphion/Emilia-Dataset

    <root>/
      EN/EN_B00000.jsonl                                                a line a recording: id, wav, text, duration, speaker, language, dnsmos
      EN/EN_B00000/EN_B00000_S00000/mp3/EN_B00000_S00000_W000000.mp3    its `wav`, from the folder of the list
      EN/EN-B000000/EN_B00000_S00000_W000000.mp3                        or as its tar files unpack: a .json of that line beside each
      EN/EN-B000000/EN_B00000_S00000_W000000.json

Also ZH, JA, KO, DE, FR, and Emilia-YODAS. What is judged below `least_dnsmos` is left out, and listed. A speaker is in one split.
"""

from collections.abc import Iterator
from pathlib import Path

from typing_extensions import NotRequired, TypedDict

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Reasons, in_another_encoding, recordings, safe
from utils.files import parse_json, read_json, read_lines
from utils.tree import composed, files_under

LICENCE = "CC BY-NC 4.0"
LANGUAGES = {"en": "en-us", "zh": "cmn", "ja": "ja", "ko": "ko", "de": "de", "fr": "fr-fr"}


class Line(TypedDict):
    """What is said of a recording; more is not read."""

    id: str
    text: str
    wav: NotRequired[str]
    speaker: NotRequired[str]
    language: NotRequired[str]
    dnsmos: NotRequired[float]


Told = tuple[str, Line]  # where a recording lies, from the root and without suffix; what is said of it


def _lines(root: Path, bad: Reasons) -> Iterator[Told]:
    """What the lists say, and the files beside recordings; what cannot be read goes to `bad` as (file and line, reason)."""
    for path in files_under(root.absolute()):
        if path.suffix == ".jsonl":
            yield from _list(path, root, bad)
        elif path.suffix == ".json":
            yield from _single(path, root, bad)


def _list(path: Path, root: Path, bad: Reasons) -> Iterator[Told]:
    unread: list[tuple[int, str]] = []
    for number, text in read_lines(path, unread):
        if not text.strip():
            continue
        try:
            line = parse_json(text, Line, f"{path}:{number}")
            place = path.parent / line.get("wav", line["id"])
            name = _name(place, root)
        except ValueError as error:  # of the last: it lies outside of the root
            bad.append((f"{path.name}:{number}", str(error)))
            continue
        yield name, line
    bad += in_another_encoding(path, unread)


def _single(path: Path, root: Path, bad: Reasons) -> Iterator[Told]:
    try:
        line = read_json(path, Line)
    except ValueError as error:
        bad.append((safe(path.stem), str(error)))
        return
    yield _name(path, root), line


def _name(path: Path, root: Path) -> str:
    within = path.relative_to(root.absolute()).with_suffix("")
    return composed(within.as_posix())


def _is_good(line: Line, least_dnsmos: float) -> bool:
    """One that was not judged is good."""
    return line.get("dnsmos", least_dnsmos) >= least_dnsmos


def utterances(root: Path, *, least_dnsmos: float = 0.0) -> Iterator[Utterance]:
    """Every recording that a line is about, and that sounds well enough."""
    recorded = recordings(root)
    for name, line in _lines(root, []):
        if name not in recorded or not _is_good(line, least_dnsmos):
            continue
        code = line.get("language", "en").lower()
        yield Utterance(
            id=safe(line["id"]),
            speaker=line.get("speaker", line["id"]),
            audio=str(recorded[name]),
            text=line["text"].strip(),
            language=LANGUAGES.get(code, code),
        )


def orphans(root: Path, *, least_dnsmos: float = 0.0) -> Reasons:
    """Lines that cannot be read, have no recording or tell of bad sound, and recordings of which no line tells."""
    recorded = recordings(root)
    strays: Reasons = []
    told = set()
    for name, line in _lines(root, strays):
        told.add(name)
        identity = safe(line["id"])
        if name not in recorded:
            strays.append((identity, f"its recording {name} is missing"))
        elif not _is_good(line, least_dnsmos):
            strays.append((identity, f"its DNSMOS is {line['dnsmos']}, below preprocess.corpora.emilia.least_dnsmos"))
    for name in sorted(recorded.keys() - told):
        own = name.rsplit("/", 1)[-1]
        strays.append((safe(own), "no list and no .json tells of it"))
    return strays


def split(utterance: Utterance) -> str:
    """By the speaker."""
    return split_of(utterance.speaker)
