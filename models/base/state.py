"""What training goes on from, to the last bit: gathered from a trainer as plain tensors and numbers, and put back."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from utils.config import build

if TYPE_CHECKING:
    from models.base.networks import Networks
    from models.base.trainer import Trainer


@dataclass
class Progress:
    """Where training stands; saved with every checkpoint."""

    step: int = 0
    epoch: int = 0
    updates: int = 0  # done within the epoch
    best_loss: float = math.inf  # of the present stage
    best_step: int = 0
    stale: int = 0  # validations since the best
    pending: bool = False  # this step is saved, and still to be validated
    stage: str = ""  # of `train.stages`; "" where there are none
    stage_began: int = 0  # the step

    @property
    def stage_step(self) -> int:
        """Updates done within the stage."""
        return self.step - self.stage_began

    def begin_stage(self, name: str) -> None:
        """Another stage: its losses are others, so what was best before says nothing."""
        self.stage = name
        self.stage_began = self.step
        self.best_loss = math.inf
        self.best_step = 0
        self.stale = 0

    def judge(self, loss: float) -> None:
        """Takes down the loss of a validation."""
        if loss < self.best_loss:
            self.best_loss = loss
            self.best_step = self.step
            self.stale = 0
        else:
            self.stale += 1

    @property
    def judged(self) -> dict[str, Any]:
        """What validation says; without an infinite loss, which JSON has no word for."""
        said = {"best_step": self.best_step, "stale": self.stale, "pending": self.pending}
        return said if math.isinf(self.best_loss) else said | {"best_loss": self.best_loss}

    @property
    def on_card(self) -> dict[str, Any]:
        """What a card says of it."""
        best = {"step": self.best_step, "loss": self.judged.get("best_loss")}
        said = {"step": self.step, "best": best, "progress": self.judged}
        return said | {"stage": self.stage} if self.stage else said


def gather(trainer: Trainer) -> dict[str, Any]:
    """The state of every part. To be called on all processes, as each has a random state of its own."""
    from accelerate.utils import gather_object

    learning = trainer.learning
    scaler = trainer.accelerator.scaler
    return {
        "random": gather_object([random_state()]),
        "progress": asdict(trainer.progress),
        "networks": _states(learning.modules),
        "optimizers": _states(learning.optimizers),
        "schedulers": _states(learning.schedulers),
        "ema": None if learning.average is None else learning.average.state_dict(),
        "targets": _states({name: target.module for name, target in learning.targets.items()}),
        "scaler": scaler.state_dict() if scaler else None,
        "extra": trainer.extra_state,
    }


def _states(parts: dict[str, Any]) -> dict[str, Any]:
    return {name: part.state_dict() for name, part in parts.items()}


def restore(trainer: Trainer, state: dict[str, Any]) -> None:
    """Takes back what `gather` gave. Raises ValueError when a part is missing, of another kind, or of another shape."""
    try:
        prepared = trainer.progress.stage
        trainer.progress = build(Progress, state["progress"])
        if trainer.progress.stage != prepared:
            trainer.prepare()
        _restore_networks(trainer.learning, state)
        process = trainer.accelerator.process_index
        scaler = trainer.accelerator.scaler
        if scaler and state["scaler"]:
            scaler.load_state_dict(state["scaler"])
        trainer.restore_extra(state.get("extra", {}))
        if process < len(state["random"]):
            set_random_state(state["random"][process])
    except KeyError as error:
        raise ValueError(f"state.pt lacks {error}.") from error
    except (TypeError, AttributeError, IndexError, RuntimeError, ValueError) as error:
        raise ValueError(f"state.pt does not fit this model: {error}") from error


def _restore_networks(learning: Networks, state: dict[str, Any]) -> None:
    networks = state["networks"]
    optimizers = state["optimizers"]
    schedulers = state["schedulers"]
    for name, module in learning.modules.items():
        module.load_state_dict(networks[name])
        _restore_optimizer(learning.optimizers[name], optimizers[name])
        learning.schedulers[name].load_state_dict(schedulers[name])
    for name, target in learning.targets.items():
        target.module.load_state_dict(state["targets"][name])
    if learning.average is not None and state["ema"]:
        learning.average.load_state_dict(state["ema"])


def _restore_optimizer(optimizer: Any, state: dict[str, Any]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, moments in state["state"].items():  # torch would notice at the next step only
        wanted = parameters[number].shape
        for name, value in moments.items():
            if value.ndim and value.shape != wanted:
                given = tuple(value.shape)
                raise ValueError(f"the optimizer's {name} of parameter {number} is {given}, not {tuple(wanted)}")
    optimizer.load_state_dict(state)


def random_state() -> dict[str, Any]:
    """The state of every source of chance, as plain tensors and numbers (so that it loads without pickle)."""
    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys.astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Takes back what `random_state` gave."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = state["numpy"]
    words = keys.numpy().astype(np.uint32)
    np.random.set_state((name, words, *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
