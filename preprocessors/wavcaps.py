"""WavCaps: 403,050 sounds of four sources with a caption each that a language model made of what the web says of them; 7,568 hours,
32 kHz. For academic use; each source has its own licence.

https://huggingface.co/datasets/cvssp/WavCaps

    <root>/
      json_files/AudioSet_SL/as_final.json     {"data": [{"id": "Yb0RFKhbpFJA.wav", "caption": ..., "duration": 10.0}, ...]}
      json_files/BBC_Sound_Effects/bbc_final.json     FreeSound/fsd_final.json     SoundBible/sb_final.json
      json_files/blacklist/blacklist_exclude_all_ac.json      ids to leave out, by source, where other corpora are tested with
      .../AudioSet_SL/.../Yb0RFKhbpFJA.flac    below a folder of the source's name, with "_flac" behind it or not

Recordings longer than `longest` seconds are left out and listed (FreeSound has some of hours). `exclude` names a list of the folder blacklist:
"all_ac", "test_ac" (sounds that AudioCaps has), "ub8k_esc50_vggsound".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typing_extensions import NotRequired, TypedDict

from preprocessors import captioned
from preprocessors.base import Utterance
from preprocessors.layout import Reasons, safe, without_suffix
from utils.files import read_json
from utils.tree import files_under

LICENCE = "academic use only, sounds each its own"
SOURCES = {
    "AudioSet_SL": "as_final.json",
    "BBC_Sound_Effects": "bbc_final.json",
    "FreeSound": "fsd_final.json",
    "SoundBible": "sb_final.json",
}
BLACKLIST = "blacklist_exclude_"
LISTED_AS = {"AudioSet_SL": "AudioSet"}  # what the lists of exclusion call a source, where it is another name
LONGEST = 30.0
split = captioned.split


class Sound(TypedDict):
    """What a list says of a sound, as far as it is read."""

    id: str | int
    caption: str | None
    duration: NotRequired[float | None]


class Source(TypedDict):
    """A list of what should each be a `Sound`."""

    data: list[Any]


def _lists(root: Path) -> dict[str, Path]:
    """Source -> its list. Raises ValueError where there is none."""
    paths = {path.name: path for path in files_under(root)}
    lists = {source: paths[name] for source, name in SOURCES.items() if name in paths}
    if not lists:
        names = ", ".join(SOURCES.values())
        raise ValueError(f"wavcaps: {root} holds no list of a source: {names}.")
    return lists


def _excluded(root: Path, exclude: str) -> dict[str, set[str]]:
    """Source -> ids that the list `exclude` names. Raises ValueError, with the choices, where there is no such list."""
    if not exclude:
        return {}
    paths = [path for path in files_under(root) if path.name.startswith(BLACKLIST)]
    lists = {path.stem.removeprefix(BLACKLIST): path for path in paths}
    if exclude not in lists:
        choices = ", ".join(lists) or "none, as there are no lists"
        raise ValueError(f"preprocess.corpora.wavcaps.exclude: {root} holds no {BLACKLIST}{exclude}.json. Choices: {choices}.")
    listed = read_json(lists[exclude], dict[str, list[str | int]])
    excluded = {}
    for source, written in listed.items():
        names = map(str, written)
        excluded[source] = set(map(without_suffix, names))
    return excluded


def _sounds(root: Path, exclude: str, bad: Reasons | None = None) -> Iterator[tuple[str, str, Sound]]:
    """Source, name and what is said of each sound that is not excluded; what says nothing of a sound goes to `bad`."""
    excluded = _excluded(root, exclude)
    for source, path in _lists(root).items():
        listed_as = LISTED_AS.get(source, source)
        left_out = excluded.get(listed_as, set())
        listed = read_json(path, Source)["data"]
        for sound in captioned.shaped(listed, Sound, path, bad):
            written = str(sound["id"])
            name = without_suffix(written)
            if name not in left_out:
                yield source, name, sound


def _folders(source: str) -> tuple[str, str]:
    return source, f"{source}_flac"


def utterances(root: Path, *, longest: float = LONGEST, exclude: str = "") -> Iterator[Utterance]:
    """The sounds that have a recording and are no longer than `longest` seconds."""
    recorded = captioned.Sounds(root)
    for source, name, sound in _sounds(root, exclude):
        audio = recorded.find([name], _folders(source))
        identity = _id(source, name)
        caption = sound["caption"] or ""
        if audio and _seconds(sound) <= longest:
            yield from captioned.captioned(identity, audio, [caption])


def orphans(root: Path, *, longest: float = LONGEST, exclude: str = "") -> Reasons:
    """Sounds that are longer, sounds without a recording, recordings that no list names, and items that are no sounds."""
    strays: Reasons = []
    recorded = captioned.Sounds(root)
    for source, name, sound in _sounds(root, exclude, strays):
        if not recorded.find([name], _folders(source)):
            strays.append((_id(source, name), captioned.ABSENT))
        elif _seconds(sound) > longest:
            strays.append((_id(source, name), f"it is longer than preprocess.corpora.wavcaps.longest, {longest:g} s"))
    reason = "it is in the list of exclusion, or in no list" if exclude else "no list names it"
    return strays + recorded.unused(reason)


def mute(root: Path, *, longest: float = LONGEST, exclude: str = "") -> Reasons:
    """Sounds without a caption."""
    return captioned.mute(utterances(root, longest=longest, exclude=exclude))


def _seconds(sound: Sound) -> float:
    """How long it is said to last, 0 where nobody says."""
    return sound.get("duration") or 0.0


def _id(source: str, name: str) -> str:
    return safe(f"{source}_{name}")
