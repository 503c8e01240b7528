"""VCTK 0.92: 110 speakers of English in many accents reading newspapers; 44 hours, 48 kHz.

https://datashare.ed.ac.uk/handle/10283/3443

    <root>/
      wav48_silence_trimmed/p225/p225_001_mic1.flac     and _mic2.flac, the same words through another microphone
      txt/p225/p225_001.txt
      speaker-info.txt

Only microphone 1 is read, so that no utterance can be in two splits. (p280 and p315 have no mic2; p315 has no txt, and serves
what needs no text.)
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance
from preprocessors.layout import SUFFIXES, Reasons, by_name, text_of
from utils.tree import files_under

LICENCE = "ODC-By 1.0, CC BY 4.0"
AUDIO = "wav48_silence_trimmed"
MICROPHONE = "mic1"


def _sounds(root: Path) -> dict[str, list[Path]]:
    """<speaker>/<id> -> recordings of microphone 1."""
    folder = root.absolute() / AUDIO
    if not folder.is_dir():
        raise ValueError(f"vctk: no folder {folder}: dataset_path.vctk is the folder of version 0.92 that holds it.")
    endings = [f"_{MICROPHONE}{suffix}" for suffix in SUFFIXES]
    recordings = by_name(files_under(folder), folder, endings)
    in_order = sorted(recordings.items())
    return {name: paths for name, paths in in_order if name.count("/") == 1}


def _texts(root: Path) -> dict[str, list[Path]]:
    folder = root.absolute() / "txt"
    return by_name(files_under(folder), folder, [".txt"])


def utterances(root: Path) -> Iterator[Utterance]:
    """Every recording of microphone 1, with its text where it has one."""
    texts = _texts(root)
    for name, paths in _sounds(root).items():
        speaker, identity = name.split("/")
        text, _ = text_of(texts.get(name, []), "")
        yield Utterance(id=identity, speaker=speaker, audio=str(paths[0]), text=text)


def orphans(root: Path) -> Reasons:
    """Transcripts without a recording."""
    lost = sorted(set(_texts(root)) - set(_sounds(root)))
    return [(name.rsplit("/", 1)[-1], f"its transcript has no recording from {MICROPHONE}") for name in lost]


def mute(root: Path) -> Reasons:
    """Why recordings have no text."""
    texts = _texts(root)
    mutes = []
    for name in _sounds(root):
        _, reason = text_of(texts.get(name, []), f"it has no transcript txt/{name}.txt")
        if reason:
            _, identity = name.split("/")
            mutes.append((identity, reason))
    return mutes
