"""AISHELL-3: 218 speakers of Mandarin, 85 hours, 44.1 kHz, read sentences without punctuation.

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

from preprocessors.base import Utterance, by_hash
from preprocessors.layout import Reasons, recordings, rows, twins, without_suffix

LICENCE = "Apache 2.0"
PARTS = ("train", "test")


def _parts(root: Path) -> list[Path]:
    parts = [root.absolute() / part for part in PARTS if (root / part / "content.txt").is_file()]
    if not parts:
        raise ValueError(f"aishell3: {root} holds neither train/content.txt nor test/content.txt.")
    return parts


def _listed(part: Path, bad: Reasons | None = None) -> Iterator[tuple[str, str]]:
    """(<speaker>/<id>, text) of every line of content.txt; lines in another encoding go to `bad`."""
    table = part / "content.txt"
    for file, spoken, *_ in rows(table, 2, "\t", bad):
        speaker = file[:7]
        name = without_suffix(file.strip())
        characters = spoken.split()[::2]  # their pinyin stands between them
        yield f"{speaker}/{name}", "".join(characters)


def utterances(root: Path) -> Iterator[Utterance]:
    """Every line whose recording is there."""
    for part in _parts(root):
        recorded = recordings(part / "wav")
        for name, text in _listed(part):
            if name in recorded:
                speaker, identity = name.split("/")
                yield Utterance(id=identity, speaker=speaker, audio=str(recorded[name]), text=text, language="cmn")


def split(utterance: Utterance) -> str:
    """The corpus's own test part, and a twentieth of the rest to validate on."""
    if Path(utterance.audio).parts[-4] == "test":
        return "test"
    return "valid" if by_hash(utterance) == "valid" else "train"


def orphans(root: Path) -> Reasons:
    """Lines without a recording or in another encoding, and recordings without a line."""
    strays: Reasons = []
    for part in _parts(root):
        named = {name for name, _ in _listed(part, strays)}
        recorded = recordings(part / "wav").keys()
        lost = sorted(named - recorded)
        unlisted = sorted(recorded - named)
        strays += [(_id(name), f"its recording {part.name}/wav/{name} is missing") for name in lost]
        strays += [(_id(name), "content.txt does not name it") for name in unlisted]
        strays += [(_id(name), reason) for name, reason in twins(part / "wav")]
    return strays


def _id(name: str) -> str:
    return name.rsplit("/", 1)[-1]
