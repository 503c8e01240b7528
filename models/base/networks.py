"""All that learns in a training: networks, their optimizers and schedules, and the averages of their weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from models.base.distributed import prepared, share_buffers, unprepare
from models.base.model import Model
from models.base.settings import Optimizer, Schedule, Stage, TrainConfig
from models.base.stages import Parts, train_mode
from modules.average import Target, averaged

if TYPE_CHECKING:
    from accelerate import Accelerator


class Networks:
    """The networks of a training by name, "model" among them.

    `modules` are they themselves; `prepared` are they as a stage calls them, within DDP and compiled; `average` is the model's
    that is released, None where there is none, and `targets` are those that it uses within a step.
    """

    def __init__(self, modules: dict[str, nn.Module], config: TrainConfig, accelerator: Accelerator) -> None:
        self.modules = modules
        self.config = config
        self.accelerator = accelerator
        self.model: Model = modules["model"]
        self.parts = Parts(self.model, config.stages)
        self.prepared: dict[str, nn.Module] = {}
        self.optimizers: dict[str, Any] = {}
        self.schedulers: dict[str, Any] = {}
        self.targets = {name: Target(self.model.get_submodule(name), decay) for name, decay in self.model.targets.items()}
        self.model.averages = self.targets
        self.average: nn.Module | None = None
        self._decay = 0.0
        if config.ema_decay is not None:
            # Copied before Accelerate touches the model: a prepared one carries a forward bound to itself.
            self.average = averaged(self.model, lambda: self._decay).to(accelerator.device)

    def prepare(self, name: str, stage: Stage, optimizer_of: Callable[[str], Optimizer]) -> None:
        """Makes the networks ready for a stage: which parts learn, and new optimizers, schedules and processes."""
        for kept in (self.prepared, self.optimizers, self.schedulers):  # what the stage before had would still share gradients
            kept.clear()
        self.accelerator.free_memory()
        self.stage = stage
        self.model.stage = name
        self.best.stage = name
        self.parts.choose(self.model, stage.parts)
        for key in self.modules:
            self._prepare(key, optimizer_of(key))

    def _prepare(self, key: str, section: Optimizer) -> None:
        module = self.modules[key]
        unprepare(module)
        parameters = list(module.parameters())
        find_unused = False
        if key == "model":
            find_unused = self._finds_unused
            if self.stage.parts:  # where all learn, those that never do stay in: older states count them
                parameters = [parameter for parameter in parameters if parameter.requires_grad]
        optimizer = optimizer_with(section, parameters)
        self.schedulers[key] = schedule_with(self.stage.schedule, optimizer, self.stage.max_steps)
        network = torch.compile(module) if self.config.compile else module
        network, optimizer = prepared(self.accelerator, network, optimizer, find_unused=find_unused)
        self.prepared[key] = network
        self.optimizers[key] = optimizer

    def part(self, *, failed: bool) -> None:
        """Ends what the processes of a training share, unless one `failed` once all are done.

        What DDP holds goes first: threads of a group that is still held when Python ends abort the process.
        """
        if self.accelerator.num_processes > 1:
            if not failed:
                self.accelerator.wait_for_everyone()
            self.prepared.clear()
            self.accelerator.free_memory()
        self.accelerator.end_training()

    @property
    def _finds_unused(self) -> bool:
        asked = self.config.find_unused_parameters
        return not self.model.uses_all_parameters if asked is None else asked

    @property
    def best(self) -> Model:
        """The weights that a release would hold: the averaged ones where there are any."""
        return self.model if self.average is None else self.average.module

    def train_mode(self) -> None:
        """Back to training after `best` was looked at."""
        train_mode(self.model, self.stage.parts)

    def move_averages(self, updates: int) -> None:
        """After an update, `updates` of the stage being done."""
        if self.average is not None:
            # Quick at first: the average of a short run must not be of its beginnings.
            self._decay = min(self.config.ema_decay, (1 + updates) / (10 + updates))
            self.average.update_parameters(self.model)
        for name, target in self.targets.items():
            target.update(self.model.get_submodule(name))
            share_buffers(target.module)

    def restart_averages(self) -> None:
        """Lets every average begin again, from the weights that the model has now."""
        if self.average is not None:
            self.average.module.load_state_dict(self.model.state_dict())
            self.average.n_averaged.zero_()
        for name, target in self.targets.items():
            target.begin(self.model.get_submodule(name))


def optimizer_with(section: Optimizer, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer of these settings over `parameters`."""
    make_optimizer = getattr(torch.optim, section.name)
    return make_optimizer(parameters, lr=section.lr, betas=section.betas, eps=section.eps, weight_decay=section.weight_decay)


def schedule_with(schedule: Schedule, optimizer: torch.optim.Optimizer, max_steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """How the rate of `optimizer` moves over `max_steps` updates.

    Not prepared by Accelerate, which would step it once for each process: one step of it is one update, whatever their number.
    """
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule.factor(step, max_steps))
