"""What is said or sung, and not by whom: the frames of a network that was trained on much sound. Models of conversion read them.

A config names each by its feature, and says where its network lies (or sets AMPHION_MODELS, and puts it there by the feature's name):

    preprocess: { features: { whisper: { model: "medium" }, contentvec: { model: "/models/contentvec", layer: 12 } } },
    model: { contents: ["whisper", "contentvec"] },

Which network it was, its digest says, which travels in the card with what else was learnt: another one is refused.

**Where a sound stands.** What these networks say of a moment depends on where in their input it stands, most of all Whisper's
(`processors.whisper` has figures). So a sound is always placed in the same way, when a corpus is extracted and when a recording is
converted: an utterance begins where the network's input does, and what is longer than `piece_seconds` is cut into pieces that overlap
by a third, each of them placed so, of which the middle is kept. A song that is converted is then best cut as the corpus was: let
`piece_seconds` be about as long as the utterances that a model is trained on.
"""

from __future__ import annotations

import importlib.util
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from preprocessors.base import Utterance
from processors.batched import BatchedFeature
from processors.pieces import joined, pieces
from utils import pretrained
from utils.audio import Audio, check_highpass
from utils.pretrained import Source

if TYPE_CHECKING:
    from processors.features import FeatureSet

AT_ONCE = 8  # pieces in a network together
SHORTEST_SECONDS = 1.0  # of a piece

# Sounds (samples,) to their frames (frames, channels).
Network = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


@dataclass(kw_only=True, eq=False)
class Content(BatchedFeature):
    """Frames of a pretrained network, (frames, channels) float16. Subclasses say which, and define `network`.

    `model`: its file or folder, a hub id, or a name that its library fetches; "" looks in the folder AMPHION_MODELS.
    `piece_seconds`: the longest sound that goes into it at once. `alignment`: how its frames become the model's; by "clock" each
    gets what stands at its centre; "upstream" repeats and averages without regard to centres, as Amphion's released converters and
    RVC's were trained. What is below `highpass` Hz it does not hear, if that is above 0. Raises ValueError where the network is not
    there, or not the one that was learnt with.
    """

    dimensions: ClassVar[int] = 2
    rounded_to: ClassVar[str] = "float16"
    source: ClassVar[Source]
    hop: ClassVar[int]  # samples of its input between two frames

    model: str = ""
    piece_seconds: float = 30.0
    alignment: Literal["clock", "upstream"] = "clock"
    highpass: float = 0.0

    def __post_init__(self) -> None:
        if not SHORTEST_SECONDS <= self.piece_seconds < math.inf:
            raise ValueError(f"{self.source.name}.piece_seconds: {SHORTEST_SECONDS} or more is needed, got {self.piece_seconds}.")
        check_highpass(self.highpass, f"{self.source.name}.highpass", self.input_rate)
        self.restore({}, None)

    @abstractmethod
    def network(self, place: str, device: str) -> Network:
        """What lies at `place`, ready on `device`."""

    def prepared(self, samples: np.ndarray) -> np.ndarray:
        """A whole sound (samples,) as the network takes it."""
        return samples

    @property
    def between(self) -> str:
        return "pooled" if self.alignment == "upstream" else "linear"

    @property
    def channels(self) -> int:
        """As it was learnt; else the network is asked."""
        if not self.width:
            second = np.zeros(self.input_rate, dtype=np.float32)
            (array,) = self._frames([second], "cpu")
            self.width = array.shape[1]
        return self.width

    def compute(self, utterances: Sequence[Utterance], audios: Sequence[Audio], device: str) -> list[np.ndarray]:
        sounds = [self.prepared(audio.highpassed(self.highpass).samples) for audio in audios]
        return self._frames(sounds, device)

    def _frames(self, sounds: Sequence[np.ndarray], device: str) -> list[np.ndarray]:
        network = self.network(self._place(), device)
        longest = round(self.piece_seconds * self.input_rate / self.hop)
        cuts = [pieces(len(sound), hop=self.hop, longest=longest) for sound in sounds]
        parts = []
        for sound, cut in zip(sounds, cuts, strict=True):
            parts += [sound[piece.begin : piece.end] for piece in cut]
        arrays = network(parts)
        found = []
        for cut in cuts:
            own = arrays[: len(cut)]
            arrays = arrays[len(cut) :]
            found.append(joined(own, cut))
        return found

    # Which network it was

    def _place(self) -> str:
        """Where the network lies; one of a card whose path is of another machine is looked for in AMPHION_MODELS."""
        if self.found:
            return self.found
        moved = self.learned and pretrained.absent(self.source, self.model)
        place = pretrained.find(self.source, "" if moved else self.model)
        expected = self.learned.get("network", "")
        if expected and pretrained.digest(place) != expected:
            name = self.source.name
            cure = f"give the one that it was as {self.source.given(self.source.form)}, or put it into {pretrained.FOLDER} as {name}"
            raise ValueError(f"{name}: {place} is another network than was trained with, whose digest is {expected}: {cure}.")
        self.found = place
        return place

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Notes which network it is, and how many channels it has, so that training needs it no more."""
        self.restore({}, folder)
        place = self._place()
        learned = {"network": pretrained.digest(place), "channels": self.channels}
        pretrained.forget()
        return learned

    def whole(self, learned: dict[str, Any], folder: Path) -> bool:
        """False for a network that has changed since. One that is not here, or on a hub, is taken as it was."""
        if not learned.get("network") or not learned.get("channels"):
            return False
        place = pretrained.locate(self.source, self.model)
        return not Path(place or "-").exists() or pretrained.digest(place) == learned["network"]

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        self.learned = learned
        self.width = learned.get("channels", 0)
        self.found = ""  # where the network is: it is looked for, and its digest compared, once

    def place(self, utterance: Utterance) -> str:
        return self.learned.get("network", "")


def require(package: str, name: str) -> None:
    """Raises ValueError where a package that the feature `name` needs is not installed."""
    if importlib.util.find_spec(package) is None:
        raise ValueError(f'{name} needs the package {package}: pip install -e ".[svc]" has all that conversion needs.')


def in_blocks(sounds: Sequence[np.ndarray], run: Network) -> list[np.ndarray]:
    """`run` on sounds of one length each time, a few at once."""
    places: dict[int, list[int]] = {}
    for place, sound in enumerate(sounds):
        places.setdefault(len(sound), []).append(place)
    outputs: dict[int, np.ndarray] = {}
    for alike in places.values():
        for first in range(0, len(alike), AT_ONCE):
            block = alike[first : first + AT_ONCE]
            batch = [sounds[place] for place in block]
            arrays = run(batch)
            pairs = zip(block, arrays, strict=True)
            outputs.update(pairs)
    return [outputs[place] for place in range(len(sounds))]
