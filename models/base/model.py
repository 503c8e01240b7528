"""The contract of a model: what it says of itself, so that data, trainer, tasks and programs never have to guess."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from torch import Tensor, nn

Settings = Mapping[str, Any]  # the section `model` of a config


class Model(nn.Module):
    """What every model of the house is: `forward(batch)` gives its losses, `infer(inputs, *, options)` what it generates.

    A subclass overrides what is not true of it. Its constructor's keyword arguments are the section `model` of a config;
    those named after a fact (n_mel, n_speakers, sample_rate, ...) are filled in by the experiment.
    """

    # What it reads in training: names of features, each of them in the batch as (batch, frames or samples or tokens, ...).
    reads: ClassVar[tuple[str, ...]] = ()
    # Features whose mean, deviation and range it asks for, as the fact `statistics`.
    statistics_of: ClassVar[tuple[str, ...]] = ()
    # Features of which a second stretch comes along in a batch, as `prompt_<feature>` with `prompt_frames` (batch,).
    prompts: ClassVar[tuple[str, ...]] = ()
    # Tensors whose rows are symbols or speakers: {"symbols": "emb.weight"}. Fine-tuning carries such rows by name.
    tables: ClassVar[Mapping[str, str]] = {}
    # Other models, frozen, that its constructor takes by these names: the section `frozen` of a config says where they lie.
    frozen: ClassVar[tuple[str, ...]] = ()
    # Submodules of which the trainer keeps a moving average for use within a step, and how slowly it moves.
    targets: ClassVar[Mapping[str, float]] = {}
    # Inputs of `infer` that are drawn and run along with the frames: `drawn` makes them.
    draws: ClassVar[tuple[str, ...]] = ()
    # The slowest part of `infer`, as a dotted path to a method: what `compile` compiles.
    compiles: ClassVar[str] = "infer"
    # Whether each batch uses every parameter. False where a branch is drawn; processes then look for the unused ones.
    uses_all_parameters: ClassVar[bool] = True

    @classmethod
    def features_of(cls, settings: Settings) -> tuple[str, ...]:
        """The features that it reads with these settings; `reads` unless they have a say in it."""
        return cls.reads

    @classmethod
    def inputs(cls) -> tuple[str, ...]:
        """The names of what `infer` works on: its positional arguments."""
        return tuple(p.name for p in cls._infer_parameters() if p.kind is p.POSITIONAL_OR_KEYWORD)

    @classmethod
    def options(cls) -> dict[str, inspect.Parameter]:
        """What a user may name when it generates: the keyword-only arguments of `infer`, without what is drawn."""
        named = [p for p in cls._infer_parameters() if p.kind is p.KEYWORD_ONLY]
        return {p.name: p for p in named if p.name not in cls.draws}

    @classmethod
    def _infer_parameters(cls) -> list[inspect.Parameter]:
        own = inspect.signature(cls.infer, eval_str=True).parameters
        return [p for p in own.values() if p.name != "self"]

    @property
    def receptive_field_frames(self) -> int | None:
        """Frames on either side that have a say in a frame's output; None where that is all of them."""
        return None

    def drawn(self, inputs: Mapping[str, Tensor], *, seed: int, first: int) -> dict[str, Tensor]:
        """What is drawn for `inputs` that begin at frame `first` of an utterance: the same whatever pieces it comes in."""
        return {}

    def prepared(self) -> Self:
        """Itself, ready for use: weight norms multiplied out. The model cannot be trained afterwards."""
        return self

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Losses by name, each a scalar; `real` and `fake` (batch, 1, samples) besides, where it is trained against discriminators."""
        raise NotImplementedError

    def infer(self, *inputs: Tensor) -> Any:
        """What it generates for a batch of inputs."""
        raise NotImplementedError
