"""What a feature is: an `Utterance` becomes an array, and says of itself what data, models and the store must know of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from preprocessors.base import Utterance
from processors.clock import Clock
from processors.store import sound_of
from utils.audio import Audio

if TYPE_CHECKING:
    from processors.features import FeatureSet


class Feature:
    """What every feature offers; subclasses set these and define `__call__`. Their constructor's arguments are their settings."""

    # What the first axis counts: "sample", "frame", "token" or "utterance".
    axis: ClassVar[str] = "frame"
    # What it reads of an utterance. "text" are the words spoken, or the caption of what sounds: preprocessing then asks for one.
    of: ClassVar[Literal["sound", "text"]] = "sound"
    # Other features, passed to `__call__` by name.
    needs: ClassVar[tuple[str, ...]] = ()
    # The names in `facts`: known before there is any data, so that a config can be checked.
    gives: ClassVar[tuple[str, ...]] = ()
    # Dear enough to be kept on disk.
    kept: ClassVar[bool] = False
    # A network that takes many utterances at once: see `processors.batched`.
    batched: ClassVar[bool] = False
    # The type that its numbers are rounded to, kept or not: "float16" for a network's output. "" leaves them as computed.
    rounded_to: ClassVar[str] = ""
    # How many dimensions an array that is kept has.
    dimensions: ClassVar[int] = 1
    # Of its numbers, as numpy calls it: "f" float, "i" integer, "U" string.
    kind: ClassVar[str] = "f"
    # Whether the values of its tokens are numbers of frames, which together are those of the utterance.
    counts_frames: ClassVar[bool] = False
    # Of a feature with a clock of its own: the frame that stands for one of the model's, what lies between two, or `clock.pooled`.
    between: Literal["nearest", "linear", "pooled"] = "nearest"
    # Raised when the same settings give other arrays than before: what was kept is then made again.
    edition: ClassVar[int] = 1
    # What stands behind the end of a shorter utterance in a batch.
    pad: float = 0.0

    @property
    def clock(self) -> Clock | None:
        """When its frames are; None where they are the model's, `hop_size` samples apart and placed as those of the mel."""
        return None

    @property
    def input_rate(self) -> int | None:
        """Samples a second of the sound that it is given; None is the corpus's `sample_rate`."""
        return None

    @property
    def reach(self) -> int | None:
        """Frames of context on either side with which a frame is as in the whole sound; None where that takes all of it.

        Who says it gives as many frames, or samples, as the sound has, on the model's clock, with no other feature's help.
        """
        return None

    @property
    def channels(self) -> int | None:
        """How wide its rows are, of a feature that models are built around: its entry in their fact `channels`. None for others."""
        return None

    @property
    def facts(self) -> dict[str, Any]:
        """What a model's constructor may ask for by name, such as n_mel: names of `gives`."""
        return {}

    def __call__(self, utterance: Utterance, audio: Audio, **needed: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def basis(self, utterance: Utterance) -> Any:
        """What of the utterance the array is made from, beside `needs`: JSON-able, and another for another array."""
        return sound_of(utterance)

    def place(self, utterance: Utterance) -> str:
        """The folder within the feature's own, where what `fit` learnt decides the array: its name says what was learnt."""
        return ""

    def beside(self, utterance: Utterance) -> list[Path]:
        """What it keeps of the utterance beside its array."""
        return []

    def problem(self, array: np.ndarray) -> str:
        """What is wrong with an array, "" if nothing is: cheap, as it is asked whenever one is read."""
        shaped = not self.kept or array.ndim == self.dimensions
        if array.dtype.kind != self.kind or not shaped:
            return f"holds an array of {array.ndim} dimensions and type {array.dtype}"
        if self.kind == "f" and not np.isfinite(array).all():
            return "holds NaN or infinity"
        return ""

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Learns from the whole corpus (a symbol table, an alignment) before extraction; JSON-able, kept in the card.

        "lost" among it says how many utterances killed processes had: it is then learnt again the next time.
        """
        return {}

    def whole(self, learned: dict[str, Any], folder: Path) -> bool:
        """False where `learned`, or what `fit` wrote into `folder` with it, is damaged or gone: it is learnt again."""
        return True

    def tidy(self, folder: Path, learned: list[dict[str, Any]]) -> None:
        """Removes from `folder` what `fit` wrote with none of those that are still `learned`."""

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        """Takes back what `fit` gave; `folder` is where it may have written more, None at inference."""

    def encode(self, array: np.ndarray) -> np.ndarray:
        """What the network reads, from what is kept: symbols become ids here, and half floats whole ones."""
        return array.astype(np.float32) if array.dtype == np.float16 else array

    def rounded(self, array: np.ndarray) -> np.ndarray:
        """`array` in the type that is kept, so that what was just computed is what will be read."""
        if not self.rounded_to:
            return array
        with np.errstate(over="ignore"):  # what becomes infinite is named by `problem`
            return np.asarray(array).astype(self.rounded_to)


class Samples(Feature):
    """The waveform itself, (samples,), cut or padded to a whole number of frames."""

    axis = "sample"
    reach = 0

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        return audio.samples
