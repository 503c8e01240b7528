"""What TensorBoard's files of runs say: numbers over updates, sounds and pictures, read on as they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

EVENTS = "events.out.tfevents.*"
LOG = "log"  # the folder of a run in which they lie
MEDIA = 40  # sounds and pictures of a tag that are kept at most, the latest among them
MOST_POINTS = 2000  # of a curve; a longer one is thinned


@dataclass(frozen=True)
class Medium:
    """A sound or a picture of a run at an update: its `kind` ("audio", "image"), tag, media type and content."""

    kind: str
    tag: str
    step: int
    media_type: str
    content: bytes


class Run:
    """One run, by the folder of its event files; `read` takes in what was written since."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._events: EventAccumulator | None = None

    def read(self) -> None:
        """Reads on. What is half written is read the next time."""
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        if self._events is None:
            kept = {"scalars": 0, "images": MEDIA, "audio": MEDIA, "tensors": 0, "histograms": 1}  # 0: all
            self._events = EventAccumulator(str(self.folder), size_guidance=kept)
        self._events.Reload()

    def curves(self) -> dict[str, list[tuple[int, float, float]]]:
        """tag -> (update, value, time in seconds since 1970), in order; what a resumed run made anew counts once."""
        curves = {}
        for tag in self._events.Tags()["scalars"]:
            last = {}
            for event in self._events.Scalars(tag):
                last[event.step] = (event.step, event.value, event.wall_time)
            points = [last[step] for step in sorted(last)]
            curves[tag] = thinned(points)
        return curves

    def media(self) -> Iterator[Medium]:
        """All that is kept of sounds and pictures, in the order of updates."""
        tags = self._events.Tags()
        for tag in tags["audio"]:
            for event in self._events.Audio(tag):
                yield Medium("audio", tag, event.step, event.content_type, event.encoded_audio_string)
        for tag in tags["images"]:
            for event in self._events.Images(tag):
                yield Medium("image", tag, event.step, "image/png", event.encoded_image_string)


def thinned(points: list[Any]) -> list[Any]:
    """No more than MOST_POINTS of them, evenly taken, the last among them."""
    stride = -(-len(points) // MOST_POINTS) or 1
    return [*points[:-1:stride], *points[-1:]]


def runs_below(places: Iterable[str | Path]) -> list[Run]:
    """The runs in some folders, by name; of runs called alike the folders above tell which is which.

    Raises ValueError for a folder that is not there, and where there is none to watch.
    """
    folders = set()
    for place in map(Path, places):
        if not place.is_dir():
            raise ValueError(f"no folder {place}: give runs, or folders that hold runs, such as ckpts.")
        written = place.rglob(EVENTS)
        folders |= {path.parent.resolve() for path in written}
    if not folders:
        shown = ", ".join(map(str, places))
        raise ValueError(f"{shown}: nothing was logged there yet: a training writes its numbers to <run>/{LOG} (python -m bins.train).")
    logs = sorted(folders)
    homes = [log.parent if log.name == LOG else log for log in logs]
    names = short_names(homes)
    return [Run(name, log) for name, log in zip(names, logs, strict=True)]


def short_names(folders: list[Path]) -> list[str]:
    """As few of the last parts of each path as tell them apart."""
    for count in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-count:]) for folder in folders]
        if len(set(names)) == len(names):
            break
    return names
