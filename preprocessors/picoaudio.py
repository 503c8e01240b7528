"""PicoAudio's simulated clips of 10 s: sounds of 18 classes laid out on a clip, with the times of each.

https://github.com/zeyuxie29/PicoAudio

    <root>/
      meta_data/train.json            one object a line, or a list of them: {"filepath": "data/multi_event_test/syn_1.wav",
                                      "onoffCaption": "cat meowing at 0.5-2.0, 3.0-4.5 and whistling at 5.0-6.5",
                                      "frequencyCaption": "cat meowing two times and whistling one times"}
      multi_event_train/syn_1.wav     as filepath says, from <root> or a folder above it

Both captions are taken, and the events of the first. A file belongs to the split that the list's name begins with: train, val or test.
Lists whose times a language model made up ("onoffFromGpt") are for evaluation and are not read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from typing_extensions import TypedDict

from preprocessors import captioned
from preprocessors.base import Utterance
from preprocessors.layout import Reasons, recordings, safe, without_suffix
from utils.events import Event, class_name, line_of, ordered
from utils.files import parse_json, read_text
from utils.tree import files_under

LICENCE = "not told"
SPLITS = {"train": "train", "val": "valid", "test": "test"}
MADE_UP = "fromgpt"
SECONDS = r"(?:\d+\.?\d*|\.\d+)"
TIME = f"{SECONDS}-{SECONDS}"
TIMED = re.compile(rf"(?P<name>\S.*?) at (?P<times>{TIME}(?:, ?{TIME})*)(?: and |$)")
ROUNDED = 0.1  # seconds by which an event may end after its clip: its times are rounded
split = captioned.split


class Item(TypedDict):
    """A clip."""

    filepath: str
    onoffCaption: str
    frequencyCaption: str


def events_of(caption: str) -> list[Event]:
    """The events of "cat meowing at 0.5-2.0, 3.0-4.5 and whistling at 5.0-6.5". Raises ValueError for another sentence."""
    caption = caption.strip()
    matches = list(TIMED.finditer(caption))
    if not matches or "".join(match[0] for match in matches) != caption:
        raise ValueError(f'picoaudio: {caption!r} is not like "cat meowing at 0.5-2.0, 3.0-4.5 and whistling at 5.0-6.5".')
    events = []
    for match in matches:
        for time in match["times"].split(","):
            start, end = map(float, time.split("-"))
            events.append(Event(class_name(match["name"]), start, end))
    return events


def _items(root: Path, bad: Reasons | None = None) -> Iterator[tuple[str, Item]]:
    """Split and content of every clip of the lists; what is no clip goes to `bad`. Raises ValueError for what is no JSON."""
    for path in files_under(root):
        kind = _kind(path)
        if not kind:
            continue
        objects = _objects(path)
        for item in captioned.shaped(objects, Item, path, bad):
            yield kind, item


def _kind(path: Path) -> str:
    """The split that a list is of, "" for what is no list of clips."""
    kinds = [kind for start, kind in SPLITS.items() if path.name.startswith(start)]
    is_list = path.suffix == ".json" and MADE_UP not in path.name.lower()
    return kinds[0] if kinds and is_list else ""


def _objects(path: Path) -> list[Any]:
    """What a list holds, a line an object or as one list."""
    text = read_text(path).strip()
    if text.startswith("["):
        return parse_json(text, list[Any], path)
    objects = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            objects.append(parse_json(line, Any, f"{path}:{number}"))
    return objects


def _found(root: Path, filepath: str) -> Path | None:
    """The recording: below `root`, with as much of its path as is there."""
    if _leads_out(filepath):
        return None
    parts = PurePosixPath(filepath.replace("\\", "/")).parts
    paths = [root.absolute().joinpath(*parts[first:]) for first in range(len(parts))]
    return next((path for path in paths if path.is_file()), None)


def _leads_out(filepath: str) -> bool:
    """Whether a path is absolute, of a disk of Windows, or goes up."""
    path = PureWindowsPath(filepath)
    return bool(path.anchor) or ".." in path.parts


def _id(kind: str, item: Item) -> str:
    return f"{kind}_{safe(without_suffix('/'.join(PurePosixPath(item['filepath']).parts[-2:])))}"


def utterances(root: Path) -> Iterator[Utterance]:
    """The clips that have a recording and times, with both of their captions."""
    for kind, item in _items(root):
        audio = _found(root, item["filepath"])
        if audio and not _problem(item, audio):
            events = line_of(events_of(item["onoffCaption"]))
            captions = [item["onoffCaption"], item["frequencyCaption"]]
            yield from captioned.captioned(_id(kind, item), audio, captions, events=events)


def orphans(root: Path) -> Reasons:
    """Clips whose sound is not there or elsewhere, or whose caption says no times within it, recordings that no list names, and
    items that are no clips."""
    strays: Reasons = []
    unlisted = set(recordings(root).values())
    for kind, item in _items(root, strays):
        audio = _found(root, item["filepath"])
        unlisted.discard(audio)
        reason = _problem(item, audio)
        if reason:
            strays.append((_id(kind, item), reason))
    return strays + [(safe(path.stem), "no list names it") for path in sorted(unlisted)]


def _problem(item: Item, audio: Path | None) -> str:
    """What is wrong with a clip's recording or its times, "" if nothing is."""
    if _leads_out(item["filepath"]):
        return f"its filepath {item['filepath']!r} leads out of the corpus: write it from the corpus's folder on"
    if audio is None:
        return captioned.ABSENT
    try:
        events = ordered(events_of(item["onoffCaption"]))
    except ValueError as error:
        return str(error)
    end = max(event.end for event in events)
    seconds = _seconds(audio)
    if end > seconds + ROUNDED:
        return f"its caption has an event until {end:g} s, and the clip ends at {seconds:.2f} s: mend the caption"
    return ""


def _seconds(audio: Path) -> float:
    """How long a recording is by its header; one that cannot be read is named where it is inspected."""
    import soundfile

    try:
        return soundfile.info(audio).duration
    except soundfile.LibsndfileError:
        return math.inf
