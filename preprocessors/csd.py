"""CSD, Children's Song Dataset: one woman, fifty songs in Korean and fifty in English, each in two keys; 44.1 kHz.

https://zenodo.org/records/4785016

    <root>/
      english/wav/en001a.wav         kr...: korean; a and b are two keys
      english/csv/en001a.csv         start,end,pitch,syllable: a line a note
      english/txt/en001a.txt         the syllables, in the lines of the lyric
      english/lyric/en001a.txt       its words

A folder `CSD/` may lie between. A line of the lyric is an utterance: the syllables of the txt are the notes of the csv in order, and say
when it begins and ends. Where they are not, or a file is missing, the song is one utterance without words. Both keys of a song are in one
split.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Reasons, Tree, rows
from utils.files import read_lines

LICENCE = "CC BY-NC-SA 4.0"
TREE = Tree(
    r"(?P<language>english|korean)/wav/(?P<song>[a-z]{2}\d+)(?P<key>[ab])",
    "{english,korean}/wav/<en or kr><number><a or b>.wav",
    identity=lambda match: f"{match['song']}{match['key']}",
)
LANGUAGES = {"english": "en-us", "korean": "ko"}
EDGE = 0.1  # seconds kept before and after a line, as far as the lines beside it leave room
orphans = TREE.orphans
Line = tuple[float, float, str]  # start, end, words


def utterances(root: Path) -> Iterator[Utterance]:
    """Every line of every song."""
    for match, song in TREE.songs(root):
        language = LANGUAGES[match["language"]]
        lines, _ = _lines(Path(song["audio"]))
        for fields in _sections(song, lines):
            yield Utterance(speaker="csd", language=language, **fields)


def _sections(song: dict[str, str], lines: list[Line]) -> Iterator[dict[str, Any]]:
    """A song's lines as fields of an Utterance; the whole song where there are none."""
    if not lines:
        yield song
        return
    before = 0.0
    for number, (start, end, words) in enumerate(lines):
        following = end + EDGE
        if number + 1 < len(lines):
            following = lines[number + 1][0]
        first = max(start - EDGE, before, 0.0)
        last = max(end, min(end + EDGE, following))
        before = end
        place = {"start": round(first, 4), "seconds": round(last - first, 4)}
        yield song | place | {"id": f"{song['id']}_{number:04d}", "text": words}


def _lines(audio: Path) -> tuple[list[Line], str]:
    """(the lines of a song, "") or ([], why there are none)."""
    paths = [audio.parents[1] / kind / f"{audio.stem}{ending}" for kind, ending in (("csv", ".csv"), ("txt", ".txt"), ("lyric", ".txt"))]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        return [], f"it stays whole: there is no {' and no '.join(missing)}"
    notes_path, syllables_path, lyric_path = paths
    try:
        notes = _notes(notes_path)
        sung = [line.split() for line in _written(syllables_path)]
        words = _written(lyric_path)
    except ValueError as error:
        return [], f"it stays whole: {error}"
    count = sum(map(len, sung))
    if count != len(notes) or len(sung) != len(words):
        lengths = f"{len(notes)} notes, {count} syllables in {len(sung)} lines, {len(words)} lines of words"
        return [], f"it stays whole: its files disagree ({lengths})"
    return _timed(notes, sung, words), ""


def _notes(path: Path) -> list[tuple[float, float]]:
    """(start, end) of each note. Raises ValueError for a line that is none."""
    notes = []
    for start, end, *_ in rows(path, 4, ","):
        if start.strip() != "start":
            notes.append((float(start), float(end)))
    return notes


def _written(path: Path) -> list[str]:
    """The lines that are not empty."""
    lines = [line.strip() for _, line in read_lines(path)]
    return [line for line in lines if line]


def _timed(notes: list[tuple[float, float]], sung: list[list[str]], words: list[str]) -> list[Line]:
    lines = []
    first = 0
    for syllables, line in zip(sung, words, strict=True):
        last = first + len(syllables) - 1
        start, _ = notes[first]
        _, end = notes[last]
        lines.append((start, end, line))
        first = last + 1
    return lines


def mute(root: Path) -> Reasons:
    """Why songs have no words."""
    mutes = []
    for path, match in TREE.recordings(root).items():
        lines, reason = _lines(Path(path))
        if not lines:
            mutes.append((TREE.identity(match), reason))
    return mutes


def doubts(root: Path) -> Reasons:
    """Songs that stay whole."""
    return mute(root)


def split(utterance: Utterance) -> str:
    """By the song, in whatever key."""
    return split_of(TREE.of(utterance.audio)["song"])
