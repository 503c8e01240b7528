"""Which phone each frame is of: the tokens of an utterance, each repeated over its frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessors.base import Utterance
from processors.feature import Feature
from utils.audio import Audio

if TYPE_CHECKING:
    from processors.features import FeatureSet


class FramePhones(Feature):
    """The phone of each frame, (frames,) strings, by its durations; `encode` makes them the int64 ids of the feature `phone`.

    Unlike tokens they can be cropped with the sound.
    """

    needs = ("phone", "duration")
    kind = "U"

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def __call__(self, utterance: Utterance, audio: Audio, phone: np.ndarray, duration: np.ndarray) -> np.ndarray:
        return np.repeat(phone, duration)

    def basis(self, utterance: Utterance) -> Any:
        """Nothing beside `needs`."""
        return None

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Notes the table of the tokens, which were learnt before."""
        return {"symbols": features.features["phone"].table}

    def whole(self, learned: dict[str, Any], folder: Path) -> bool:
        return bool(learned.get("symbols"))

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        from processors.lexicon.published import index

        self.ids = index(learned.get("symbols", []))

    def encode(self, array: np.ndarray) -> np.ndarray:
        """Ids (frames,). Raises ValueError naming a symbol that the table lacks."""
        found, places = np.unique(array, return_inverse=True)
        symbols = found.tolist()
        unknown = [symbol for symbol in symbols if symbol not in self.ids]
        if unknown:
            raise ValueError(f"frame_phone: the table of training lacks {', '.join(unknown)}: run the extract stage first (--stage 1).")
        numbers = [self.ids[symbol] for symbol in symbols]
        ids = np.array(numbers, dtype=np.int64)
        return ids[places].reshape(array.shape)
