"""Training in parts, one stage after another: what each trains, and with which settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import nn

from models.base.settings import Stage, TrainConfig
from utils.names import some

SHOWN = 20  # names in a message


def stages_of(config: TrainConfig) -> dict[str, Stage]:
    """The stages of a training in order, every setting filled in; where `train.stages` has none, one that is called ""."""
    stages = config.stages or {"": Stage(max_steps=config.max_steps)}
    return {name: _filled(stage, config) for name, stage in stages.items()}


def _filled(stage: Stage, config: TrainConfig) -> Stage:
    return dataclasses.replace(
        stage,
        loss_weights={**config.loss_weights, **stage.loss_weights},
        optimizer=stage.optimizer or config.optimizer,
        schedule=stage.schedule or config.schedule,
    )


def stage_problems(section: Any) -> list[str]:
    """What is wrong with the stages of a section `train` beyond its types."""
    stages = section.get("stages") if isinstance(section, dict) else None
    if stages and "max_steps" in section:
        return ["train.max_steps: each of train.stages has its own, remove it (null takes away what a base_config has set)"]
    return []


def stage_doubts(stages: dict[str, Stage]) -> list[str]:
    """What of the settings is possible, and seldom meant."""
    doubts = []
    for name, stage in stages.items():
        warmup = stage.schedule.warmup if stage.schedule else 0
        if warmup >= stage.max_steps:
            at = f"train.stages.{name}." if name else "train."
            doubts.append(f"{at}schedule.warmup is {warmup} and {at}max_steps {stage.max_steps}: the learning rate rises to the end")
    return doubts


def check_stage(folder: Path, progress: dict[str, Any], stages: dict[str, Stage]) -> None:
    """Raises ValueError where the checkpoint in `folder` was saved in a stage that the config does not have."""
    saved = progress.get("stage", "")
    if saved in stages:
        return
    where = f"in the stage {saved!r}" if saved else "without stages"
    has = f"those of the config are {some(list(stages), SHOWN)}" if "" not in stages else "the config has none"
    raise ValueError(
        f"{folder} was saved {where}, and {has}: put train.stages back as it was, give this run another --name, "
        f"or begin a new one from its weights: --set train.init_from={folder}."
    )


class Parts:
    """The parts of a model that learn in a stage: chosen by `train.stages.<name>.parts`, the whole of it where that is empty.

    Raises ValueError for a part that the model does not have, or that has nothing to learn.
    """

    def __init__(self, model: nn.Module, stages: dict[str, Stage]) -> None:
        self.learns = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        for stage, settings in stages.items():
            for part in settings.parts:
                self._check(model, stage, part)

    def _check(self, model: nn.Module, stage: str, part: str) -> None:
        if any(is_in(name, [part]) for name in self.learns):
            return
        choices = sorted({name.split(".")[0] for name in self.learns})
        raise ValueError(
            f"train.stages.{stage}.parts: {type(model).__name__} has no part {part!r} that learns. "
            f"Choices: {some(choices, SHOWN)}, or a part of one of these, such as {sorted(self.learns)[0]!r}."
        )

    def choose(self, model: nn.Module, parts: list[str]) -> None:
        """Lets these parts of `model` learn, and no others."""
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in self.learns and is_in(name, parts))
        train_mode(model, parts)


def train_mode(model: nn.Module, parts: list[str]) -> None:
    """Training mode for these parts; eval mode for the others, so that no dropout or batch norm of theirs moves."""
    model.train()
    if not parts:
        return
    for name, module in model.named_modules():  # what holds others comes before them
        if name:
            module.train(is_in(name, parts))


def is_in(name: str, parts: list[str]) -> bool:
    """Whether the parameter or module of that name belongs to one of `parts`, or `parts` is empty, for all."""
    return not parts or any(name == part or name.startswith(f"{part}.") for part in parts)
