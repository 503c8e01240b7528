"""What every model has that sings a melody and words in another voice: its condition, and the scale of its mel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.base.model import Model, Settings
from modules.conditioning import VECTOR, Conditions
from modules.masks import valid
from modules.scale import MelScale


def features_of(settings: Settings, reads: tuple[str, ...]) -> tuple[str, ...]:
    """`reads`, the features that `contents` names, and the vector of a voice where `condition.speakers` says so."""
    contents = settings.get("contents", ())
    condition = settings.get("condition", {})
    voice = (VECTOR,) if condition.get("speakers") == "vectors" else ()
    return (*reads, *contents, *voice)


class MelConversion(Model):
    """Contents, F0, energy and a speaker to a mel. A subclass makes the mel of the condition."""

    reads = ("mel", "f0", "energy")
    statistics_of = ("mel",)
    registers = True
    tables = {"speakers": "condition_encoder.singer_encoder.nn.weight"}

    @classmethod
    def features_of(cls, settings: Settings) -> tuple[str, ...]:
        return features_of(settings, cls.reads)

    def __init__(
        self,
        *,
        n_mel: int,
        channels: Mapping[str, int],
        contents: tuple[str, ...],
        n_speakers: int,
        statistics: Mapping[str, Any] | None,
        condition: Conditions,
    ) -> None:
        super().__init__()
        self.contents = tuple(contents)
        self.see_padding = condition.see_padding
        self.voice = VECTOR if condition.speakers == "vectors" else "speaker"
        if self.voice == VECTOR:
            self.tables = {}  # of nobody in particular
        self.condition_encoder = condition.network(channels, self.contents, n_speakers)
        known = statistics or {}
        self.scale = MelScale(n_mel, known.get("mel"))

    def conditioned(self, batch: Mapping[str, Any]) -> Tensor:
        """The condition (batch, frames, channels) of a training batch."""
        contents = {name: batch[name] for name in self.contents}
        frames = batch["frames"].to(batch["mel"].device)
        return self.condition_encoder(contents, batch["f0"], batch["energy"], batch[self.voice], frames=frames)

    def inside(self, batch: Mapping[str, Any]) -> Tensor:
        """Which frames of a training batch are real, (batch, frames)."""
        mel = batch["mel"]
        frames = batch["frames"].to(mel.device)
        return valid(frames, mel.shape[1])

    def masked(self, inside: Tensor | None) -> Tensor | None:
        """The frames that a network may look at; all, with weights that were trained so."""
        return None if self.see_padding else inside
