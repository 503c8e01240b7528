"""The training loop, once, for every model: Accelerate underneath, counted in optimizer updates, resumable bit for bit."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from models.base.batching import Batches
from models.base.checkpoint import Checkpoints
from models.base.experiment import Experiment
from models.base.lock import lock
from models.base.settings import Optimizer, TrainConfig
from models.base.signals import StopSignal
from models.base.state import Progress, gather, random_state, restore, set_random_state
from models.base.tables import begin_with, tells_speakers
from models.base.validation import Means, readable
from models.base.watch import Watch
from models.base.workers import DEATH, Reader
from utils.config import build, check
from utils.files import write_json
from utils.log import log


class Trainer:
    """Trains the model of an experiment. A subclass changes `step` and `extra_networks`, never the loop."""

    config_class = TrainConfig

    def __init__(self, experiment: Experiment, name: str) -> None:
        from accelerate import Accelerator
        from accelerate.utils import set_seed

        self.experiment = experiment
        self.config = build(self.config_class, experiment.sections.train)
        # Without cpu=True every process started by torchrun on a machine without GPU believes it is alone.
        self.accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=self._precision())
        self.main = self.accelerator.is_main_process
        self.checkpoints = Checkpoints(experiment.run_folder(name), keep=self.config.keep_last)
        set_seed(self.config.seed)  # equal initial weights on every process
        self.progress = Progress()
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, Any] = {}
        self.schedulers: dict[str, Any] = {}
        model = experiment.model()
        voices = experiment.speakers if tells_speakers(model) else None
        self.voices = voices or []
        division = experiment.division(voices)
        self.utterances = {split: division.take(split) for split in ("train", "valid")}
        self.ema = self._average(model)
        for key, network in {"model": model, **self.extra_networks()}.items():
            self._add(key, network)
        set_seed(self.config.seed, device_specific=True)  # different dropout on each
        self._stop = StopSignal()
        self._sync = True
        self._batch_ids: list[str] = []
        self._reader: Reader | None = None

    # What a subclass may change

    def extra_networks(self) -> dict[str, nn.Module]:
        """Further networks to train, such as a discriminator; each gets its own optimizer and schedule."""
        return {}

    @classmethod
    def problems(cls, config: dict[str, Any]) -> list[str]:
        """What is wrong with the sections that this trainer reads."""
        extra = ["discriminator: this model is trained without one, remove it"] if config.get("discriminator") else []
        return check(cls.config_class, config.get("train", {}), "train") + extra

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
        """Trains to `max_steps`, from the newest checkpoint where there is one; returns where it ended."""
        with lock(self.checkpoints.run) if self.main else contextlib.nullcontext(), self._stop:
            if self.main:
                self.checkpoints.clean()
            self._resume_or_start()
            if self.ended and not self.progress.pending:
                log.info(f"nothing to do: {self.ended}.")
                return self.progress
            self._open_watch()
            try:
                self._loop_and_close()
            except (RuntimeError, OSError, EOFError) as error:
                told = self._reader.told(error, self.config, self.checkpoints.newest()) if self._reader else ""
                if not told:
                    raise
                raise ChildProcessError(told) from error
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
            self.accelerator.end_training()

    @property
    def ended(self) -> str:
        """Why there is nothing more to train, and how to go on; "" while there is."""
        p, c = self.progress, self.config
        if p.step >= c.max_steps:
            return f"training has ended at step {p.step}, and train.max_steps is {c.max_steps}: raise it to go on"
        if c.patience and p.stale >= c.patience:
            told = f"{p.stale} validations (train.patience {c.patience}) were no better than step {p.best_step}"
            return f"training has ended early at step {p.step}, as {told}: raise it to go on"
        return ""

    def _loop(self) -> None:
        if self.progress.pending:  # the run was killed after saving, before it had validated
            self._validate()
        for group in () if self.ended else self._updates():
            self._one_update(group)
            self.watch.updated(self.progress.step, self.config.accumulate, self.schedulers)
            stop = self._should_stop()
            self._save_and_validate(stop)
            if stop or self.ended:
                log.info(f"stopping: {self.ended or 'as asked; the same command goes on'}.")
                return

    def _save_and_validate(self, stop: bool) -> None:
        """What is due after an update. Saved first: a validation that fails, or is killed, costs nothing and is made up for."""
        self.progress.pending = self._due(self.config.valid_every) or bool(self.ended)
        if self.progress.pending or stop or self._due(self.config.save_every):
            self.save()
        if self.progress.pending and not stop:
            self._validate()

    def _updates(self) -> Iterator[list[dict[str, Any]]]:
        """The batches of one update after another, over as many epochs as it takes; timed, to tell waiting from work."""
        data, batches = self._training_data()
        self._reader = Reader(data, batches, self.config.workers, pin=torch.cuda.is_available())
        while True:
            batches.epoch, batches.skip = self.progress.epoch, self.progress.updates
            group: list[dict[str, Any]] = []
            asked = time.perf_counter()
            for batch in self._reader:
                group.append(batch)
                if len(group) < self.config.accumulate:
                    continue
                self.watch.waited(time.perf_counter() - asked)
                self.progress.updates += 1
                yield group
                group, asked = [], time.perf_counter()
            self.progress.epoch, self.progress.updates = self.progress.epoch + 1, 0

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
        self.progress.step += 1
        if self.ema is not None:
            self.ema.update_parameters(self.unwrap("model"))

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
        network, optimizer = self.networks[name], self.optimizers[name]
        if self.config.max_grad_norm:
            norm = self.accelerator.clip_grad_norm_(network.parameters(), self.config.max_grad_norm)
            self.watch.note(f"grad_norm/{name}", norm * self.config.accumulate)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self.schedulers[name].step()

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the scalar losses: what is minimised."""
        weights = self.config.loss_weights
        return sum(weights.get(name, 1.0) * value for name, value in losses.items() if value.ndim == 0)

    def unwrap(self, name: str) -> nn.Module:
        """The network itself, without DDP or compilation around it."""
        return self.accelerator.unwrap_model(self.networks[name], keep_torch_compile=False)

    def to_device(self, batch: dict[str, Any]) -> dict[str, Any]:
        device = self.accelerator.device
        return {k: v.to(device, non_blocking=True) if torch.is_tensor(v) else v for k, v in batch.items()}

    # Looking

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
        set_random_state(state)

    def _judge(self, losses: dict[str, float]) -> None:
        p = self.progress
        p.pending = False
        if not losses:
            log.warning(f"step {p.step}: nothing could be validated; training goes on.")
            return
        total = float(self.total({k: torch.tensor(v) for k, v in losses.items()}))
        better = total < p.best_loss
        p.best_loss, p.best_step, p.stale = (total, p.step, 0) if better else (p.best_loss, p.best_step, p.stale + 1)
        self.watch.validated(p.step, losses, total)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean losses over the valid split, each utterance counted once. What cannot be read or validated is named and left out."""
        model, means = self.best_model(), Means()
        model.eval()
        for batch in self._validation_feed():
            try:
                with self.accelerator.autocast():
                    means.add(self.evaluate(model, self.to_device(batch)), len(batch["id"]))
            except (ValueError, RuntimeError) as error:
                if DEATH.search(str(error)):
                    raise
                log.error(f"not validated, {', '.join(batch['id'])}: {error}")
        model.train()
        return means.over_processes()

    def best_model(self) -> nn.Module:
        """The weights that a release would hold: the averaged ones where there are any."""
        return self.unwrap("model") if self.ema is None else self.ema.module

    def sample(self) -> None:
        """Hears and draws a few validation utterances in TensorBoard."""
        from models.base.task import make_task

        if not self.config.samples:
            return
        model = self.best_model()
        task = make_task(model, self.experiment.features, self.card, device=self.accelerator.device)
        utterances = self.utterances["valid"][: self.config.samples]
        self.watch.sample(task, utterances, self.progress.step, recorded=self.progress.step <= self.config.valid_every)
        model.train()

    # Saving and going on

    @property
    def card(self) -> dict[str, Any]:
        p = self.progress
        loss = None if math.isinf(p.best_loss) else p.best_loss
        parameters = sum(w.numel() for w in self.unwrap("model").parameters())
        training = {"step": p.step, "parameters": parameters, "best": {"step": p.best_step, "loss": loss}, "progress": p.judged}
        return {**self.experiment.card, **training}

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
            if self.config.init_from:
                begin_with(self.config.init_from, self.unwrap("model"), self.experiment.card)
            return
        with self.checkpoints.or_older(newest):
            state = self.checkpoints.state(newest)
        self.checkpoints.check_same_model(newest, self.experiment.card)
        with self.checkpoints.or_older(newest):
            restore(self, state)
        if self.main:
            self.checkpoints.mend_weights(newest, self.best_model().state_dict())
        log.info(f"going on from {newest} (step {self.progress.step} of {self.config.max_steps})")

    # Making the parts

    def _precision(self) -> str:
        if self.config.mixed_precision != "auto":
            return self.config.mixed_precision
        return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"

    def _add(self, key: str, network: nn.Module) -> None:
        section = self.optimizer_of(key)
        cls = getattr(torch.optim, section.name)
        optimizer = cls(
            network.parameters(), lr=section.lr, betas=section.betas, eps=section.eps, weight_decay=section.weight_decay
        )
        schedule, steps = self.config.schedule, self.config.max_steps
        # Not prepared: Accelerate would step it once per process, and one step here is one update whatever their number.
        self.schedulers[key] = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule.factor(step, steps))
        if self.config.compile:
            network = torch.compile(network)
        self.networks[key], self.optimizers[key] = self.accelerator.prepare(network, optimizer)

    def optimizer_of(self, key: str) -> Optimizer:
        return self.config.optimizer

    def _average(self, model: nn.Module) -> nn.Module | None:
        if self.config.ema_decay is None:
            return None
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        def averaging(averaged: list[Any], current: list[Any], updates: Any) -> None:
            # Quick at first: the average of a short run must not be of its beginnings. (`updates` lies on the GPU: not asked.)
            step = self.progress.step
            decay = min(self.config.ema_decay, (1 + step) / (10 + step))
            get_ema_multi_avg_fn(decay)(averaged, current, updates)

        # Copied before Accelerate touches the model: a prepared one carries a forward bound to itself.
        average = AveragedModel(model, multi_avg_fn=averaging)
        return average.to(self.accelerator.device)

    def _training_data(self) -> tuple[Any, Batches]:
        c, a = self.config, self.accelerator
        data = self._data("train")
        batches = Batches(
            data.seconds,
            batch_size=c.batch_size,
            batch_seconds=c.batch_seconds,
            processes=a.num_processes,
            rank=a.process_index,
            accumulate=c.accumulate,
            seed=c.seed,
        )
        if self.main:
            log.info(f"{len(data)} utterances, {batches.updates(0)} updates an epoch, {batches.waste():.1%} of each is padding.")
        return data, batches

    def _validation_feed(self) -> Iterator[dict[str, Any]]:
        """This process's share of the valid split; nothing where there are fewer utterances than processes."""
        c, a = self.config, self.accelerator
        data = self._data("valid")
        shared = min(a.num_processes, len(data))
        if a.process_index >= shared:
            return iter(())
        batches = Batches(
            data.seconds,
            batch_size=c.batch_size,
            batch_seconds=c.batch_seconds,
            processes=shared,
            rank=a.process_index,
            seed=c.seed,
            shuffle=False,
        )
        return readable(data, batches)

    def _data(self, split: str) -> Any:
        c = self.config
        return self.experiment.data(self.utterances[split], voices=self.voices, segment_frames=c.segment_frames, seed=c.seed)

    def _open_watch(self) -> None:
        c = self.config
        self.watch = Watch(
            self.accelerator, self.checkpoints.run, every=c.log_every, step=self.progress.step, max_steps=c.max_steps
        )
        if self.main:
            write_json(self.checkpoints.run / "config.json", self.experiment.config)

    def _should_stop(self) -> bool:
        if self.accelerator.num_processes == 1:
            return self._stop.asked
        asked = torch.tensor(int(self._stop.asked), device=self.accelerator.device)
        return bool(self.accelerator.reduce(asked, "sum").item())
