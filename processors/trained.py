"""Features that a trained model of ours makes of sound, codes or latents: which model it was, its digest says, which travels in the card."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from preprocessors.base import Utterance
from processors.batched import BatchedFeature
from processors.clock import Clock
from utils import pretrained
from utils.pretrained import Source

if TYPE_CHECKING:
    from processors.features import FeatureSet

LOAD = "models:load"  # by its name, as this floor is below that of the models


@dataclass(kw_only=True, eq=False)
class TrainedFeature(BatchedFeature):
    """Subclasses name their `source`, load what lies at a place by `loaded`, and say by `sizes` what a model must know of it.

    `model`: where it lies; "" looks in the folder AMPHION_MODELS. Raises ValueError for one that is not there, or is another than was
    learnt with.
    """

    source: ClassVar[Source]

    sample_rate: int
    hop_size: int
    model: str = ""

    def __post_init__(self) -> None:
        self.restore({}, None)

    @classmethod
    def loaded(cls, place: str, device: str) -> Any:
        """The task of the model that lies there, loaded once in a process: it has a `digest` and a `rate`. Raises ValueError for another."""
        raise NotImplementedError

    @classmethod
    def forget(cls) -> None:
        """Lets go of what `loaded` keeps."""
        raise NotImplementedError

    def sizes(self, task: Any) -> dict[str, Any]:
        """What is noted of a model: "hop_size" in samples of its own rate, and each of `gives`."""
        raise NotImplementedError

    @property
    def facts(self) -> dict[str, Any]:
        return {name: self.known[name] for name in self.gives}

    @property
    def input_rate(self) -> int:
        return self.known["rate"]

    @property
    def clock(self) -> Clock | None:
        rate = Fraction(self.known["rate"], self.known["hop_size"])
        if rate == Fraction(self.sample_rate, self.hop_size):
            return None
        return Clock(rate, 1 / (2 * rate))

    # Which model it was

    @property
    def known(self) -> dict[str, Any]:
        """What was learnt of the model; else it is asked."""
        if not self.learned:
            task = self.coder("cpu")
            self.learned = {"network": task.digest, "rate": task.rate, **self.sizes(task)}
        return self.learned

    def coder(self, device: str) -> Any:
        """The model itself. Raises ValueError for one that is not there, or another than was learnt with."""
        moved = self.learned and pretrained.absent(self.source, self.model)
        place = pretrained.find(self.source, "" if moved else self.model)
        task = self.loaded(place, device)
        expected = self.learned.get("network", task.digest)
        if task.digest != expected:
            name = self.source.name
            cure = f"give the one that it was as {self.source.given('FOLDER')}, or put it into {pretrained.FOLDER} as {name}"
            raise ValueError(f"{name}: {place} is another one than was learnt with, whose digest is {expected}: {cure}.")
        return task

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Notes which model it is, and of what sizes, so that training needs it no more."""
        self.restore({}, folder)
        described = dict(self.known)
        self.forget()
        return described

    def whole(self, learned: dict[str, Any], folder: Path) -> bool:
        """False for a model that has changed since. One that is not here, or on a hub, is taken as it was."""
        if not learned.keys() >= {"network", *self.gives}:
            return False
        place = pretrained.locate(self.source, self.model)
        return not Path(place or "-").exists() or self.loaded(place, "cpu").digest == learned["network"]

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        self.learned = learned

    def place(self, utterance: Utterance) -> str:
        return self.known["network"]
