"""The section `train` of a config: what one may set about training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Interval

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
Above = Annotated[float, Gt(0)]
Least = Annotated[float, Ge(0)]
Share = Annotated[float, Interval(ge=0, le=1)]
Decay = Annotated[float, Interval(ge=0, lt=1)]  # of what is averaged over time
PromptFrom = Literal["utterance", "speaker"]


@dataclass(frozen=True)
class Optimizer:
    """The section `train.optimizer`."""

    name: Literal["AdamW", "Adam"] = "AdamW"
    lr: Least = 2e-4  # the learning rate, before its schedule
    betas: tuple[Decay, Decay] = (0.9, 0.98)  # decays of the means of gradients and of their squares
    eps: Above = 1e-8  # added to the root of the mean square
    weight_decay: Least = 0.0  # times the learning rate, off the weights at each update


@dataclass(frozen=True)
class Schedule:
    """The section `train.schedule`: how the learning rate moves, in optimizer updates.

    constant; exponential: x `decay` every `decay_every`; noam: inverse square root after the warm-up;
    cosine: to zero at max_steps. Each rises linearly over `warmup` first.
    """

    name: Literal["constant", "exponential", "noam", "cosine"] = "constant"
    warmup: Whole = 0
    decay: Above = 0.999
    decay_every: Count = 1000

    def factor(self, step: int, max_steps: int) -> float:
        """What the learning rate is multiplied by at update `step`, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.name == "exponential":
            return rise * self.decay ** (step / self.decay_every)
        if self.name == "noam":
            return min(rise, (max(self.warmup, 1) / (step + 1)) ** 0.5)
        if self.name == "cosine":
            part = min(step / max_steps, 1.0)
            return rise * 0.5 * (1 + math.cos(math.pi * part))
        return rise


@dataclass(frozen=True)
class Origin:
    """Where the weights of a part begin."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    path: str  # a release, checkpoint, run, hub id or foreign checkpoint
    part: str | None = None  # of the model there: of the same name unless set, "" for the whole of it


# The whole model from one path; or part -> where it begins.
InitFrom = str | dict[str, str | Origin] | None


@dataclass(frozen=True)
class Stage:
    """One of `train.stages`. What it leaves out is as in `train`."""

    max_steps: Count  # updates while it lasts
    parts: list[str] = field(default_factory=list)  # of the model: trained, while the others stay as they are; [] is all of it
    loss_weights: dict[str, float] = field(default_factory=dict)  # over those of `train`
    optimizer: Optimizer | None = None
    schedule: Schedule | None = None  # counted from where the stage begins
    init_from: InitFrom = None  # at its beginning


@dataclass(frozen=True)
class TrainConfig:
    """The section `train`. Steps are optimizer updates; a batch is what one process sees in one pass."""

    max_steps: Count = 100_000  # optimizer updates in all
    stages: dict[str, Stage] = field(default_factory=dict)  # one after another, by name; each has its own max_steps
    batch_size: Count | None = None  # utterances at most
    batch_seconds: Above | None = None  # padded audio at most
    accumulate: Count = 1  # batches per update
    segment_frames: Count | None = None  # random stretch of each utterance; None takes it whole
    prompt_seconds: tuple[Above, Above] = (1.0, 3.0)  # of the prompt beside each segment, least and most, for models that take one
    prompt_from: PromptFrom = "utterance"  # or "speaker": another utterance of the same
    workers: Whole = 2  # processes that read data; 0: none but the training itself
    seed: int = 1234  # of the first weights, the order, the crops, the dropout
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    loss_weights: dict[str, float] = field(default_factory=dict)  # 1 for a loss that is not named
    max_grad_norm: Above | None = None  # gradients of a larger norm are scaled down to it; None: none is
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = "auto"  # auto: bf16 on a GPU that has it
    compile: bool = False  # by torch.compile: the first update takes minutes, those after it less
    ema_decay: Decay | None = None  # of the averaged weights that are validated and released; smaller in the first updates
    log_every: Count = 50  # updates
    valid_every: Count = 1000  # updates
    save_every: Count = 1000  # updates; a training that is killed loses those since then
    samples: Whole = 2  # utterances heard and drawn in TensorBoard at each validation
    keep_last: Count = 2  # checkpoints, besides the best
    patience: Count | None = None  # validations without a better loss before stopping
    init_from: InitFrom = None  # a release or checkpoint whose weights to begin with, or part -> such a path
    init_share: Share = 0.5  # of the numbers of what begins so (tables of symbols and speakers aside) that must fit, at least
    find_unused_parameters: bool | None = None  # whether processes look for them at each step; None: as the model says
