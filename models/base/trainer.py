"""The training loop, once, for every model: Accelerate underneath, counted in optimizer updates, resumable bit for bit."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from models.base.checkpoint import Checkpoints
from models.base.distributed import accelerator_of, any_asked, unused_parameters
from models.base.experiment import Experiment
from models.base.feeds import Feeds
from models.base.lock import lock
from models.base.networks import Networks
from models.base.settings import InitFrom, Optimizer, Stage, TrainConfig
from models.base.signals import StopSignal
from models.base.stages import check_stage, stage_doubts, stage_problems, stages_of
from models.base.state import Progress, gather, random_state, restore, set_random_state
from models.base.tables import begin_with, tells_speakers
from models.base.validation import Means
from models.base.watch import Watch
from models.base.workers import DEATH, Reader
from utils.config import build, check
from utils.files import write_json
from utils.log import log
from utils.registry import nearest


class Trainer:
    """Trains the model of an experiment. A subclass changes `step` and `extra_networks`, never the loop."""

    config_class = TrainConfig
    added_losses: tuple[str, ...] = ()  # to those of the model

    def __init__(self, experiment: Experiment, name: str) -> None:
        from accelerate.utils import set_seed

        self.experiment = experiment
        self.config = build(self.config_class, experiment.sections.train)
        self.stages = stages_of(self.config)
        self.progress = Progress(stage=next(iter(self.stages)))
        self.accelerator = accelerator_of(self.config)
        self.main = self.accelerator.is_main_process
        self.checkpoints = Checkpoints(experiment.run_folder(name), keep=self.config.keep_last)
        set_seed(self.config.seed)  # equal initial weights on every process
        model = experiment.model()
        self.learning = Networks({"model": model, **self.extra_networks()}, self.config, self.accelerator)
        self.networks = self.learning.prepared
        self.optimizers = self.learning.optimizers
        self.schedulers = self.learning.schedulers
        self.prepare()
        set_seed(self.config.seed, device_specific=True)  # different dropout on each
        voices = experiment.speakers if tells_speakers(model) else None
        self.feeds = Feeds(experiment, self.config, self.accelerator, voices)
        self.utterances = self.feeds.utterances
        self._stop = StopSignal()
        self._sync = True
        self._looked = False
        self._batch_ids: list[str] = []
        self._reader: Reader | None = None

    # What a subclass may change

    def extra_networks(self) -> dict[str, nn.Module]:
        """Further networks to train, such as a discriminator; each gets its own optimizer and schedule."""
        return {}

    def optimizer_of(self, key: str) -> Optimizer:
        """The settings of the optimizer of network `key`."""
        return self.stage.optimizer

    @property
    def extra_state(self) -> dict[str, Any]:
        """What else goes on with a training, as plain tensors and numbers."""
        return {}

    def restore_extra(self, state: dict[str, Any]) -> None:
        """Takes back what `extra_state` gave; nothing of it in a state from before there was any."""

    @classmethod
    def problems(cls, config: dict[str, Any]) -> list[str]:
        """What is wrong with the sections that this trainer reads."""
        extra = ["discriminator: this model is trained without one, remove it"] if config.get("discriminator") else []
        return cls.train_problems(config) + extra

    @classmethod
    def train_problems(cls, config: dict[str, Any]) -> list[str]:
        """What is wrong with the section `train`."""
        section = config.get("train", {})
        return check(cls.config_class, section, "train") + stage_problems(section)

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Losses of one batch, after `update` was called for each network."""
        losses = self.networks["model"](batch)
        self.update("model", self.total(losses))
        return losses

    def evaluate(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Losses of one validation batch."""
        return {name: value for name, value in model(batch).items() if value.ndim == 0}

    # The loop

    def fit(self) -> Progress:
        """Trains to the end of the last stage, from the newest checkpoint where there is one; returns where it ended."""
        with lock(self.checkpoints.run) if self.main else contextlib.nullcontext(), self._stop:
            if self.main:
                self.checkpoints.clean()
            self._resume_or_start()
            if self.ended and self.last_stage and not self.progress.pending:
                log.info(f"nothing to do: {self.ended}.")
                return self.progress
            self._open_watch()
            for doubt in stage_doubts(self.stages):
                log.warning(f"{doubt}.")
            try:
                self._loop_and_close()
            except (RuntimeError, OSError, EOFError) as error:
                self._explain(error)
                raise
        return self.progress

    def _loop_and_close(self) -> None:
        failed = True
        try:
            self._loop()
            failed = False
        finally:
            if self._reader:
                self._reader.close(failed=failed)
            self.watch.close()
            self.learning.part(failed=failed)

    def _loop(self) -> None:
        if self.progress.pending:  # the run was killed after saving, before it had validated
            self._validate()
        if not self._goes_on():
            return
        for group in self._updates():
            self._one_update(group)
            self.watch.updated(self.progress.step, self.schedulers)
            stop = any_asked(self.accelerator, self._stop.asked)
            self._save_and_validate(stop)
            if stop or not self._goes_on():
                log.info(f"stopping: {self.ended or 'as asked; the same command goes on'}.")
                return

    def _updates(self) -> Iterator[list[dict[str, Any]]]:
        """The batches of one update after another, over as many epochs as it takes; timed, to tell waiting from work."""
        data, batches = self.feeds.training()
        self._reader = Reader(data, batches, self.config.workers, pin=torch.cuda.is_available())
        while True:
            batches.epoch = self.progress.epoch
            batches.skip = self.progress.updates
            group: list[dict[str, Any]] = []
            asked = time.perf_counter()
            for batch in self._reader:
                group.append(batch)
                if len(group) < self.config.accumulate:
                    continue
                self.watch.waited(time.perf_counter() - asked)
                self.progress.updates += 1
                yield group
                group = []
                asked = time.perf_counter()
            self.progress.epoch += 1
            self.progress.updates = 0

    def _one_update(self, group: list[dict[str, Any]]) -> None:
        for turn, batch in enumerate(group):
            self._sync = turn == len(group) - 1
            self._batch_ids = batch["id"]
            with contextlib.ExitStack() as stack:
                if not self._sync:
                    for network in self.networks.values():
                        stack.enter_context(self.accelerator.no_sync(network))
                losses = self.step(self.to_device(batch))
            for key, value in losses.items():
                if value.ndim == 0:
                    self.watch.note(key, value)
        if not self._looked:
            self._look_at_weights(losses)
        self.progress.step += 1
        self.learning.move_averages(self.progress.stage_step)

    def _look_at_weights(self, losses: dict[str, Tensor]) -> None:
        """Warns once of weights for losses that there are not; where stages follow, they may be those of another."""
        self._looked = True
        if len(self.stages) > 1:
            return
        known = [*losses, *self.added_losses]
        for name in self.stage.loss_weights:
            if name not in known:
                log.warning(f"train.loss_weights.{name} changes nothing: " + nearest(name, known, "loss"))

    def update(self, name: str, loss: Tensor) -> None:
        """Backward through `loss`, and at the end of an update the optimizer and schedule of network `name`.

        Raises FloatingPointError naming the step and the utterances when the loss is not finite.
        """
        if not math.isfinite(value := loss.item()):
            raise FloatingPointError(
                f"the loss of {name!r} is {value} at step {self.progress.step + 1}, on {', '.join(self._batch_ids)}. "
                "Look at these recordings; if they are sound, lower train.optimizer.lr or set train.max_grad_norm. "
                f"The last checkpoint is untouched: {self.checkpoints.newest() or 'none yet'}."
            )
        self.accelerator.backward(loss / self.config.accumulate)
        if not self._sync:
            return
        if self.config.max_grad_norm:
            parameters = self.networks[name].parameters()
            norm = self.accelerator.clip_grad_norm_(parameters, self.config.max_grad_norm)
            self.watch.note(f"grad_norm/{name}", norm)
        optimizer = self.optimizers[name]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self.schedulers[name].step()

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the scalar losses: what is minimised."""
        weights = self.stage.loss_weights
        return sum(weights.get(name, 1.0) * value for name, value in losses.items() if value.ndim == 0)

    def unwrap(self, name: str) -> nn.Module:
        """The network itself, without DDP or compilation around it."""
        return self.learning.modules[name]

    def to_device(self, batch: dict[str, Any]) -> dict[str, Any]:
        device = self.accelerator.device
        return {k: v.to(device, non_blocking=True) if torch.is_tensor(v) else v for k, v in batch.items()}

    # Stages

    @property
    def stage(self) -> Stage:
        """The settings of the present stage; the only one where the config has none."""
        return self.stages[self.progress.stage]

    @property
    def _all_steps(self) -> int:
        return sum(stage.max_steps for stage in self.stages.values())

    @property
    def last_stage(self) -> bool:
        return self.progress.stage == list(self.stages)[-1]

    @property
    def ended(self) -> str:
        """Why the stage has nothing more to train, and how to go on; "" while it has."""
        p = self.progress
        patience = self.config.patience
        what = f"stage {p.stage!r}" if p.stage else "training"
        setting = f"train.stages.{p.stage}.max_steps" if p.stage else "train.max_steps"
        if p.stage_step >= self.stage.max_steps:
            return f"{what} has ended at step {p.step}, and {setting} is {self.stage.max_steps}: raise it to go on"
        if patience and p.stale >= patience:
            reason = f"{p.stale} validations (train.patience {patience}) were no better than step {p.best_step}"
            return f"{what} has ended early at step {p.step}, as {reason}: raise it to go on"
        return ""

    def prepare(self) -> None:
        """Makes the networks ready for the present stage."""
        self.learning.prepare(self.progress.stage, self.stage, self.optimizer_of)

    def _goes_on(self) -> bool:
        """Whether there is more to train. Where a stage has ended and another follows, that one begins."""
        while self.ended and not self.last_stage:
            names = list(self.stages)
            self._begin_stage(names[names.index(self.progress.stage) + 1])
        return not self.ended

    def _begin_stage(self, name: str) -> None:
        """Begins a stage with the weights that a release of the one before would hold."""
        log.info(f"stage {self.progress.stage!r} has ended at step {self.progress.step}; {name!r} begins.")
        self.unwrap("model").load_state_dict(self.best_model().state_dict())
        self.progress.begin_stage(name)
        self.prepare()
        self.unwrap("model").begin_stage()
        self._begin_with(self.stage.init_from, f"train.stages.{name}.init_from")

    def _begin_with(self, source: InitFrom, setting: str) -> None:
        """Gives the model the weights that a setting `init_from` names."""
        if source is not None:
            begin_with(source, self.unwrap("model"), self.experiment.card, share=self.config.init_share, setting=setting)
        self.learning.restart_averages()

    # Validating

    def _save_and_validate(self, stop: bool) -> None:
        """What is due after an update. Saved first: a validation that fails, or is killed, costs nothing and is made up for."""
        self.progress.pending = self._due(self.config.valid_every) or bool(self.ended)
        if self.progress.pending or stop or self._due(self.config.save_every):
            self.save()
        if self.progress.pending and not stop:
            self._validate()

    def _due(self, every: int) -> bool:
        return self.progress.step % every == 0

    def _validate(self) -> None:
        """Validates what was saved last, with the averaged weights where there are any, and notes it in the checkpoint."""
        state = random_state()  # looking and listening must not change what is trained
        with self.watch.aside():
            self._judge(self.validate())
            if self.main:
                self.checkpoints.note(self.progress.step, self.card)
                self.sample()
        self.learning.train_mode()
        set_random_state(state)

    def _judge(self, losses: dict[str, float]) -> None:
        self.progress.pending = False
        if not losses:
            log.warning(f"step {self.progress.step}: nothing could be validated; training goes on.")
            return
        total = self.total({name: torch.tensor(value) for name, value in losses.items()}).item()
        self.progress.judge(total)
        self.watch.validated(self.progress.step, losses, total)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean losses over the valid split, each utterance counted once. What cannot be read or validated is named and left out."""
        model = self.best_model().eval()
        means = Means()
        for batch in self.feeds.validation():
            try:
                with self.accelerator.autocast():
                    means.add(self.evaluate(model, self.to_device(batch)), len(batch["id"]))
            except (ValueError, RuntimeError) as error:
                if DEATH.search(str(error)):
                    raise
                log.error(f"not validated, {', '.join(batch['id'])}: {error}")
        self.learning.train_mode()
        return means.over_processes()

    def best_model(self) -> nn.Module:
        """The weights that a release would hold: the averaged ones where there are any."""
        return self.learning.best

    def sample(self) -> None:
        """Hears and draws a few validation utterances in TensorBoard."""
        from models.base.task import make_task

        if not self.config.samples:
            return
        task = make_task(self.best_model(), self.experiment.features, self.card, device=self.accelerator.device)
        utterances = self.utterances["valid"][: self.config.samples]
        self.watch.sample(task, utterances, self.progress.step, recorded=self.progress.step <= self.config.valid_every)

    def _open_watch(self) -> None:
        run = self.checkpoints.run
        step = self.progress.step
        self.watch = Watch(self.accelerator, run, every=self.config.log_every, step=step, max_steps=self._all_steps)
        if self.main:
            write_json(run / "config.json", self.experiment.config)

    # Saving and going on

    @property
    def card(self) -> dict[str, Any]:
        """The experiment's card with what training has come to."""
        parameters = sum(parameter.numel() for parameter in self.unwrap("model").parameters())
        return {**self.experiment.card, "parameters": parameters, **self.progress.on_card}

    def save(self) -> None:
        """Writes a whole checkpoint; the one before stays until this one is complete."""
        state = gather(self)
        if self.main:
            folder = self.checkpoints.save(self.progress.step, self.card, self.best_model().state_dict(), state)
            log.info(f"saved {folder}")
        self.accelerator.wait_for_everyone()

    def _resume_or_start(self) -> None:
        newest = self.checkpoints.newest()
        if newest is None:
            self._begin_with(self.config.init_from, "train.init_from")
            self.unwrap("model").take_from(self.experiment.features.features)
            self.unwrap("model").begin_stage()
            self._begin_with(self.stage.init_from, f"train.stages.{self.progress.stage}.init_from")
            return
        with self.checkpoints.or_older(newest):
            state = self.checkpoints.state(newest)
        self.checkpoints.check_same_model(newest, self.experiment.card)
        check_stage(newest, state["progress"], self.stages)
        with self.checkpoints.or_older(newest):
            restore(self, state)
        if self.main:
            self.checkpoints.mend_weights(newest, self.best_model().state_dict())
        log.info(f"going on from {newest} (step {self.progress.step} of {self._all_steps})")

    def _explain(self, error: Exception) -> None:
        """Raises an error that says what to do, where it is known what `error` means."""
        killed = self._reader.diagnosis(error, self.config, self.checkpoints.newest()) if self._reader else ""
        if killed:
            raise ChildProcessError(killed) from error
        unused = unused_parameters(error, self.unwrap("model"))
        if unused:
            raise ValueError(unused) from error
