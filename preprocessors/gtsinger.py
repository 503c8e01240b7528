"""GTSinger: twenty singers of nine languages, each song plain, in a technique, and read; 81 hours, 48 kHz.

https://github.com/GTSinger/GTSinger

    <root>/
      English/EN-Alto-1/Breathy/all is found/Control_Group/0000.wav           language, singer, technique, song; plain
      English/EN-Alto-1/Breathy/all is found/Breathy_Group/0000.wav           in the technique
      English/EN-Alto-1/Breathy/all is found/Paired_Speech_Group/0000.wav     read by the same singer
      .../0000.json                                                           its words with notes and phones; .TextGrid, .musicxml

Of the JSON the words are read, without silences and breaths. A song is in one split, whoever sings it and how.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from preprocessors.base import Utterance, split_of
from preprocessors.layout import Reasons, Tree
from utils.files import read_json

LICENCE = "CC BY-NC-SA 4.0"
LANGUAGES = {
    "Chinese": "cmn", "English": "en-us", "French": "fr-fr", "German": "de", "Italian": "it", "Japanese": "ja", "Korean": "ko",
    "Russian": "ru", "Spanish": "es",
}  # fmt: skip
CLOSED = ("Chinese", "Japanese")  # words are characters, without blanks between
SILENT = ("", "sil", "silence", "_none", "breath", "breathe", "<sp>", "<ap>", "sp", "ap")  # how "no word" is spelt, case aside
TREE = Tree(
    r"(?P<language>[A-Z][a-z]+)/(?P<singer>[^/]+)/(?P<technique>[^/]+)/(?P<song>[^/]+)/(?P<group>[^/]+_Group)/(?P<number>[^/]+)",
    "<Language>/<Singer>/<Technique>/<song>/<group>_Group/<number>.wav",
    identity=lambda match: match["name"].partition("/")[2],
)
orphans = TREE.orphans


def utterances(root: Path) -> Iterator[Utterance]:
    """Every phrase, sung and read, with the words of its JSON where there is one."""
    for match, song in TREE.songs(root):
        folder = match["language"]
        text, _ = _text(Path(song["audio"]), folder)
        language = LANGUAGES.get(folder, Utterance.language)
        fields = song | {"text": text}
        yield Utterance(speaker=match["singer"], language=language, **fields)


def _text(audio: Path, language: str) -> tuple[str, str]:
    """(words, "") of the JSON beside a recording, or ("", why there are none)."""
    path = audio.with_suffix(".json")
    if not path.is_file():
        return "", f"it has no {path.name} beside it"
    try:
        rows = read_json(path, list[dict[str, Any]])
    except ValueError as error:
        return "", str(error)
    words = [str(row.get("word", "")).strip() for row in rows]
    spoken = [word for word in words if word.lower() not in SILENT]
    between = "" if language in CLOSED else " "
    return between.join(spoken), "" if spoken else f"{path} has no words"


def mute(root: Path) -> Reasons:
    """Why recordings have no text."""
    mutes = []
    for path, match in TREE.recordings(root).items():
        _, reason = _text(Path(path), match["language"])
        if reason:
            mutes.append((TREE.identity(match), reason))
    return mutes


def split(utterance: Utterance) -> str:
    """By the song."""
    return split_of(TREE.of(utterance.audio)["song"])
