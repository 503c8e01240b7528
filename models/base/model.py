"""The contract of a model: what it says of itself, so that data, trainer, tasks and programs never have to guess."""

from __future__ import annotations

import copy
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields
from inspect import Parameter
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import Self

from models.base.options import UNIONS
from modules.average import Target
from modules.borrowed import Borrowed
from modules.norm import fold

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
    # Features of which a second stretch comes along in a batch, as `prompt_<feature>` with `prompt_frames` and `prompt_first` (batch,).
    prompts: ClassVar[tuple[str, ...]] = ()
    # What `infer` takes of a spoken prompt, in whose voice it then speaks: features of the recording, as `prompt_<feature>` (batch, ...).
    # With "phone" among them it must know the words as well: its input `phone` begins with them, and `prompt_tokens` (batch,) counts them.
    # () for a model that speaks in trained voices alone.
    prompted_by: ClassVar[tuple[str, ...]] = ()
    # Whether what it says comes with `duration`, how long each token lasts.
    tells_durations: ClassVar[bool] = True
    # Whether its `infer` says several texts at once as fast as few (`tokens` (batch,) are their lengths), and its `pieces` gives codes
    # (1, frames, codebooks) of one text while it still makes more, `chunk_frames` at a time.
    says_several: ClassVar[bool] = False
    # Tensors whose rows are symbols or speakers: {"symbols": "emb.weight"}, or several names. Fine-tuning carries such rows by name.
    tables: Mapping[str, str | tuple[str, ...]] = {}
    # Under which names settings went before they were grouped: {"encoder_layers": "encoder.layers"}. Old cards have those.
    former: ClassVar[Mapping[str, str]] = {}
    # Whether a card holds the median F0 of each speaker, by which a song is moved to where a voice sings.
    registers: ClassVar[bool] = False
    # Other models, frozen, that its constructor takes by these names: the section `frozen` of a config says where they lie.
    frozen: ClassVar[tuple[str, ...]] = ()
    # Submodules of which the trainer keeps a moving average for use within a step, and how slowly it moves.
    targets: ClassVar[Mapping[str, float]] = {}
    # Arguments of `infer` that are drawn, and no user's options. `drawn` makes them, so that they run along with the frames.
    draws: ClassVar[tuple[str, ...]] = ()
    # The slowest part of `infer`, as a dotted path to a method: what `compiled` compiles.
    compiles: ClassVar[str] = "infer"
    # Whether its method `convert` brings a recording to another trained voice.
    converts: ClassVar[bool] = False
    # Whether each batch uses every parameter. False where a branch is drawn; processes then look for the unused ones.
    uses_all_parameters: ClassVar[bool] = True

    # The stage that it is trained in, where training has some.
    stage: str = ""
    # The moving averages of `targets`, in training.
    averages: Mapping[str, Target] = {}

    @classmethod
    def features_of(cls, settings: Settings) -> tuple[str, ...]:
        """The features that it reads with these settings; `reads` unless they have a say in it."""
        return cls.reads

    @classmethod
    def inputs(cls) -> tuple[str, ...]:
        """The names of what `infer` works on: its positional arguments."""
        own = inspect.signature(cls.infer).parameters.values()
        return tuple(p.name for p in own if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self")

    @classmethod
    def options(cls) -> dict[str, Parameter]:
        """What a user may name when it generates: the keyword-only arguments of `infer`, without what is drawn."""
        named = keyword_options(cls.infer)
        return {name: parameter for name, parameter in named.items() if name not in cls.draws}

    @property
    def receptive_field_frames(self) -> int | None:
        """Frames on either side that have a say in a frame's output; None where that is all of them."""
        return None

    @property
    def least_frames(self) -> int:
        """The fewest frames that its layers can work on as they are; `infer` makes up for what is shorter."""
        return 1

    @property
    def last_layer(self) -> Tensor | None:
        """The weight of the last layer before `fake`, by whose gradients `train.adaptive_weight` weighs losses; None without one."""
        return None

    def target(self, name: str) -> nn.Module:
        """The moving average of submodule `name`, for use within `forward`: in eval mode, and nothing learns in it."""
        if name not in self.averages:
            raise ValueError(f"{type(self).__name__} has no target {name!r}: a training keeps those that its class names in `targets`.")
        return self.averages[name].module

    def check_codec(self, codec: Any) -> None:
        """Raises ValueError where a codec, a `models.codec.task.Codec`, is not the one on whose codes it was trained."""

    def take_from(self, features: Mapping[str, Any]) -> None:
        """Called once before anything is trained, with the features by name: for what it holds of what made them.

        Raises ValueError for a feature that does not fit it.
        """

    def begin_stage(self) -> None:
        """Called once when `stage` begins, before the weights that the stage names: for parts that begin as copies of others."""

    def _apply(self, change: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves to a device, with everything else, what it borrows."""
        borrowed = [value for value in vars(self).values() if isinstance(value, Borrowed)]
        for other in (*borrowed, *self.averages.values()):
            other.module._apply(change)
        return super()._apply(change, recurse)

    def drawn(self, inputs: Mapping[str, Tensor], *, seed: int, first: int) -> dict[str, Tensor]:
        """What `draws` names, for `inputs` that begin at frame `first` of an utterance: the same whatever pieces it comes in.

        Of an F0, whose phases add up, `inputs` hold all from the beginning of the utterance. It is asked only where
        `receptive_field_frames` is a number; elsewhere `infer` draws by itself.
        Raises ValueError where a later piece cannot be drawn without those before.
        """
        return {}

    def prepared(self) -> Self:
        """Itself, ready for use: weight norms multiplied out. The model cannot be trained afterwards."""
        return fold(self)

    def traceable(self) -> Callable[..., Any]:
        """`infer` without its inference mode, which compilers and tracers cannot look into."""
        return functools.partial(inspect.unwrap(type(self).infer), self)

    def compiled(self) -> Callable[..., Any]:
        """`infer`, to be called under `no_grad`, whose part `compiles` is compiled: in a copy, where it is not all of it."""
        if self.compiles == "infer":
            return torch.compile(self.traceable(), dynamic=True)
        with torch.inference_mode(False):
            model = copy.deepcopy(self)
        path, _, method = self.compiles.rpartition(".")
        part = model.get_submodule(path)
        setattr(part, method, torch.compile(getattr(part, method), dynamic=True))
        return model.traceable()

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Losses by name, each a scalar; `real` and `fake` (batch, 1, samples) besides, where it is trained against discriminators."""
        raise NotImplementedError

    def infer(self, *inputs: Tensor) -> Any:
        """What it generates for a batch of inputs. Its docstring tells users what each option does."""
        raise NotImplementedError


def former_names(group: str, sizes: type, prefix: str = "") -> dict[str, str]:
    """Under which names the settings of a group, a dataclass, went before there was one: `prefix` and their own."""
    return {f"{prefix}{field.name}": f"{group}.{field.name}" for field in fields(sizes)}


def keyword_options(function: Callable[..., Any]) -> dict[str, Parameter]:
    """The keyword-only arguments of a function; their annotations are the types that a user may give, resolved."""
    every = inspect.signature(function, eval_str=True).parameters.values()
    named = [p for p in every if p.kind is p.KEYWORD_ONLY]
    return {p.name: p.replace(annotation=_without_tensors(p.annotation)) for p in named}


def _without_tensors(annotation: Any) -> Any:
    """`float` of `float | Tensor`: tensors are for programs."""
    if typing.get_origin(annotation) not in UNIONS:
        return annotation
    kinds = [kind for kind in typing.get_args(annotation) if kind is not Tensor]
    return typing.Union[tuple(kinds)]  # noqa: UP007 (of as many as there are)
