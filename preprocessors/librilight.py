"""Libri-light: 7,439 readers of LibriVox in English, without texts; 60,000 hours, 16 kHz.

https://github.com/facebookresearch/libri-light

    <root>/
      small/100/sea_fairies_0812_librivox_64kb_mp3/01_baum_64kb.flac     <part>/<speaker>/<book>/<file>; also medium, large, duplicate
      small/100/sea_fairies_0812_librivox_64kb_mp3/01_baum_64kb.json     voice_activity: where somebody speaks, in seconds; snr; book_meta
      100/123/01_baum_64kb_0000.flac                                     or cut before, <speaker>/<book id>/<file>_<number>

Recordings of many minutes are cut where their JSON, or if they have none their loudness, says that nobody speaks: to 20 s at most unless
`preprocess.slice` says otherwise. Nothing is copied. Words come of `preprocess.transcribe`. A speaker is in one split.
"""

from collections.abc import Iterator
from pathlib import Path

from typing_extensions import NotRequired, TypedDict

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Reasons, Tree
from utils.files import read_json
from utils.slicing import Slicing, Speech

LICENCE = "public domain"
SLICE = Slicing(longest=20.0)
UNHEARD = 'Libri-light has no texts: set preprocess.transcribe: { model: "large-v3" }, or the .pt of a Whisper, to have them heard'
TREE = Tree(
    r"(?:(?:small|medium|large|duplicate)/)?(?P<speaker>\d+)/(?P<book>[^/]+)/(?P<file>[^/]+)",
    "<part>/<speaker>/<book>/<file>.flac",
    identity=lambda match: f"{match['speaker']}_{match['book']}_{match['file']}",
)
orphans = TREE.orphans


class About(TypedDict):
    """What the JSON says of a recording, as far as it is read."""

    voice_activity: NotRequired[list[list[float]]]


def utterances(root: Path) -> Iterator[Utterance]:
    """Every recording, whole."""
    for match, recording in TREE.songs(root):
        yield Utterance(speaker=match["speaker"], **recording)


def speech(utterance: Utterance) -> Speech | None:
    """Where somebody speaks, by the JSON beside a recording; None where it does not say. Raises ValueError naming a file that is wrong."""
    path = Path(utterance.audio).with_suffix(".json")
    if not path.is_file():
        return None
    about = read_json(path, About)
    if "voice_activity" not in about:
        return None
    spoken = about["voice_activity"]
    for span in spoken:
        if len(span) != 2:
            raise ValueError(f"{path}: voice_activity holds [start, end] in seconds, got {span}.")
    return [(start, end) for start, end in spoken]


def mute(root: Path) -> Reasons:
    """Why recordings have no text."""
    return [(TREE.identity(match), UNHEARD) for match in TREE.recordings(root).values()]


def split(utterance: Utterance) -> str:
    """By the speaker."""
    return split_of(utterance.speaker)
