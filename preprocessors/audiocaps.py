"""AudioCaps: captions of 10-second clips of YouTube that AudioSet has; 1.0 has 51,308 clips, 2.0 has more. The captions are MIT, the
sounds their owners' (no licence comes with them).

https://github.com/cdjkim/audiocaps

    <root>/
      dataset/{train,val,test}.csv         1.0; of val and test each clip has five captions; or the lists lie in <root> itself
      dataset2.0/{train,val,test}.csv      2.0; either is audiocap_id,youtube_id,start_time,caption
      .../<id>_<start ms>_<end ms>.wav     the sounds, in any folders: a clip is known by any of these names, with a Y before or not,
      .../<id>_<start>_<end>.wav           in seconds
      .../<id>_<start>.wav
      .../<id>.wav                         where no other clip is of that video
      .../<audiocap_id>.wav

Nobody has all of it, as videos go: what is missing is counted and listed. The corpus's own division is kept. `version` is "1.0" or
"2.0"; without it, it is the one that is there, and of both 1.0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from preprocessors import captioned
from preprocessors.base import Utterance
from preprocessors.layout import Reasons

LICENCE = "captions MIT, sounds not told"
PARTS = {"train": "train", "val": "valid", "test": "test"}
FOLDERS = {"1.0": "dataset", "2.0": "dataset2.0"}
COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")
YOUTUBE = re.compile(r"[\w-]{11}", re.ASCII)
START = re.compile(r"\d{1,6}", re.ASCII)  # seconds: no video lasts twelve days
SECONDS = 10
UNLISTED = "it is in none of the lists, or under another name than those of preprocessors/audiocaps.py"
split = captioned.split


@dataclass
class Clip:
    """A clip and what the lists say of it."""

    part: str
    video: str
    start: int  # seconds
    alone: bool = True  # whether no other clip is of that video
    numbers: list[str] = field(default_factory=list)  # audiocap_id of each caption
    captions: list[str] = field(default_factory=list)

    @property
    def identity(self) -> str:
        return f"{PARTS[self.part]}_Y{self.video}_{self.start}"

    @property
    def names(self) -> list[str]:
        """What its recording may be called."""
        start = self.start
        end = start + SECONDS
        endings = [f"_{1000 * start}_{1000 * end}", f"_{start}_{end}", f"_{start}"]
        if self.alone:
            endings.append("")
        names = [self.video + ending for ending in endings]
        with_y = [f"Y{name}" for name in names]
        return [*names, *with_y, *self.numbers]


def _lists(root: Path, version: str) -> dict[str, Path]:
    """Part -> its list. Raises ValueError where there is none."""
    names = [FOLDERS[version]] if version else list(FOLDERS.values())
    for name in [*names, "."]:
        folder = root / name
        paths = {part: folder / f"{part}.csv" for part in PARTS}
        lists = {part: path for part, path in paths.items() if path.is_file()}
        if lists:
            return lists
    wanted = " nor ".join(f"{name}/train.csv" for name in names)
    raise ValueError(f"audiocaps: {root} has no {wanted}: clone the corpus's repository there.")


def _clips(root: Path, version: str, bad: Reasons | None = None) -> list[Clip]:
    """All clips of the lists. Rows that name none go to `bad`."""
    clips: dict[tuple[str, str, int], Clip] = {}
    for part, path in _lists(root, version).items():
        for row in captioned.table(path, COLUMNS, bad):
            video = row["youtube_id"].strip()
            start = row["start_time"].strip()
            if not YOUTUBE.fullmatch(video) or not START.fullmatch(start):
                if bad is not None:
                    reason = f"{path.name}: {video!r} from {start[:20]!r} s is no clip of YouTube: a spreadsheet may have changed the list"
                    bad.append((row["audiocap_id"], reason))
                continue
            key = (part, video, int(start))
            clip = clips.setdefault(key, Clip(*key))
            clip.numbers.append(row["audiocap_id"].strip())
            clip.captions.append(row["caption"])
    of_video = Counter(video for _, video, _ in clips)
    for clip in clips.values():
        clip.alone = of_video[clip.video] == 1
    return list(clips.values())


def utterances(root: Path, *, version: Literal["", "1.0", "2.0"] = "") -> Iterator[Utterance]:
    """The clips that have a recording, once for each caption."""
    sounds = captioned.Sounds(root)
    for clip in _clips(root, version):
        audio = sounds.find(clip.names, {clip.part})
        if audio:
            yield from captioned.captioned(clip.identity, audio, clip.captions)


def orphans(root: Path, *, version: Literal["", "1.0", "2.0"] = "") -> Reasons:
    """Clips whose sound is not there, rows that name none, and recordings that no list names."""
    strays: Reasons = []
    sounds = captioned.Sounds(root)
    for clip in _clips(root, version, strays):
        if not sounds.find(clip.names, {clip.part}):
            strays.append((clip.identity, captioned.ABSENT))
    return strays + sounds.unused(UNLISTED)


def mute(root: Path, *, version: Literal["", "1.0", "2.0"] = "") -> Reasons:
    """Clips without a caption."""
    return captioned.mute(utterances(root, version=version))
