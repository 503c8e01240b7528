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
    from models.base.trainer import Trainer


@dataclass
class Progress:
    """Where training stands; saved with every checkpoint."""

    step: int = 0
    epoch: int = 0
    updates: int = 0  # done within the epoch
    best_loss: float = math.inf
    best_step: int = 0
    stale: int = 0  # validations since the best
    pending: bool = False  # this step is saved, and still to be validated

    @property
    def judged(self) -> dict[str, Any]:
        """What validation says; without an infinite loss, which JSON has no word for."""
        said = {"best_step": self.best_step, "stale": self.stale, "pending": self.pending}
        return said if math.isinf(self.best_loss) else said | {"best_loss": self.best_loss}


def gather(trainer: Trainer) -> dict[str, Any]:
    """The state of every part. To be called on all processes, as each has a random state of its own."""
    from accelerate.utils import gather_object

    scaler = trainer.accelerator.scaler
    return {
        "random": gather_object([random_state()]),
        "progress": asdict(trainer.progress),
        "networks": {name: trainer.unwrap(name).state_dict() for name in trainer.networks},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in trainer.optimizers.items()},
        "schedulers": {name: scheduler.state_dict() for name, scheduler in trainer.schedulers.items()},
        "ema": None if trainer.ema is None else trainer.ema.state_dict(),
        "scaler": scaler.state_dict() if scaler else None,
    }


def restore(trainer: Trainer, state: dict[str, Any]) -> None:
    """Takes back what `gather` gave. Raises ValueError when a part is missing, of another kind, or of another shape."""
    try:
        trainer.progress = build(Progress, state["progress"])
        for name in trainer.networks:
            trainer.unwrap(name).load_state_dict(state["networks"][name])
            _restore_optimizer(trainer.optimizers[name], state["optimizers"][name])
            trainer.schedulers[name].load_state_dict(state["schedulers"][name])
        if trainer.ema is not None and state["ema"]:
            trainer.ema.load_state_dict(state["ema"])
        if trainer.accelerator.scaler and state["scaler"]:
            trainer.accelerator.scaler.load_state_dict(state["scaler"])
        if trainer.accelerator.process_index < len(state["random"]):
            set_random_state(state["random"][trainer.accelerator.process_index])
    except KeyError as error:
        raise ValueError(f"state.pt lacks {error}.") from error
    except (TypeError, AttributeError, IndexError, RuntimeError, ValueError) as error:
        raise ValueError(f"state.pt does not fit this model: {error}") from error


def _restore_optimizer(optimizer: Any, state: dict[str, Any]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, moments in state["state"].items():  # torch would notice at the next step only
        shape = parameters[number].shape
        for name, value in moments.items():
            if value.ndim and value.shape != shape:
                raise ValueError(f"the optimizer's {name} of parameter {number} is {tuple(value.shape)}, not {tuple(shape)}")
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
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
