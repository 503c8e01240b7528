"""What a person sees of training: the progress bar with its ETA, and losses, sounds and pictures in TensorBoard."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from utils.log import log

if TYPE_CHECKING:
    from accelerate import Accelerator

    from models.base.task import Task
    from preprocessors.base import Utterance


class Watch:
    """The eyes of one run. Every process notes and averages; only the first shows."""

    def __init__(self, accelerator: Accelerator, run: Path, *, every: int, step: int, max_steps: int) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from tqdm import tqdm

        self.accelerator, self.every = accelerator, every
        self.main = accelerator.is_main_process
        self.writer = SummaryWriter(str(run / "log"), purge_step=step + 1) if self.main else None
        self.bar = tqdm(initial=step, total=max_steps, desc="train", unit="step", disable=not self.main, smoothing=0.05)
        self.speed = {"steps_per_second": 0.0, "data_wait": 0.0}  # as of the last report
        self._sums: dict[str, Tensor] = {}
        self._begun, self._waited, self._updates = time.perf_counter(), 0.0, 0

    def note(self, name: str, value: Tensor) -> None:
        """Adds to the running mean of `name`; nothing is copied from the GPU before the next report."""
        self._sums[name] = self._sums.get(name, 0.0) + value.detach()

    def waited(self, seconds: float) -> None:
        """Counts time spent waiting for data."""
        self._waited += seconds

    def updated(self, step: int, accumulate: int, schedulers: dict[str, Any]) -> None:
        """One optimizer update is done; every so often, says how it goes."""
        self._updates += 1
        self.bar.update()
        if step % self.every == 0:
            self._report(step, self._updates * accumulate, schedulers)

    def _report(self, step: int, count: int, schedulers: dict[str, Any]) -> None:
        means = {k: self.accelerator.reduce(v / count, "mean").item() for k, v in sorted(self._sums.items())}
        seconds = time.perf_counter() - self._begun
        self.speed = {"steps_per_second": self._updates / seconds, "data_wait": self._waited / seconds}
        if self.main:
            self.bar.set_postfix({k: f"{v:.3g}" for k, v in means.items() if "/" not in k}, refresh=False)
            rates = {name: schedule.get_last_lr()[0] for name, schedule in schedulers.items()}
            for group, values in (("train", means), ("lr", rates), ("speed", self.speed)):
                self._scalars(group, values, step)
        self._sums = {}
        self._begun, self._waited, self._updates = time.perf_counter(), 0.0, 0

    def _scalars(self, group: str, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(f"{group}/{name}", value, step)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Time within is no part of the speed of training."""
        entered = time.perf_counter()
        yield
        self._begun += time.perf_counter() - entered

    def validated(self, step: int, losses: dict[str, float], total: float) -> None:
        if self.main:
            self._scalars("valid", {**losses, "total": total}, step)
            log.info(f"step {step}: valid {total:.4f} ({', '.join(f'{k} {v:.4f}' for k, v in losses.items())})")

    def sample(self, task: Task, utterances: list[Utterance], step: int, *, recorded: bool) -> None:
        """Each utterance as the model gives it now, as sound and picture; with `recorded`, the recording too.

        One that cannot be made is named and left out: training goes on.
        """
        for utterance in utterances:
            tag = f"sample/{utterance.id}"
            try:
                result = task.sample(utterance)
                audio = utterance.read(task.rate) if recorded else None
            except (ValueError, OSError, RuntimeError) as error:
                log.warning(f"no {tag}: {error}")
                continue
            self.writer.add_audio(tag, result.audio.samples, step, sample_rate=result.audio.rate)
            self.writer.add_image(f"{tag}/mel", result.picture(), step, dataformats="HWC")
            if audio:
                self.writer.add_audio(f"{tag}/recorded", audio.samples, step, sample_rate=audio.rate)

    def close(self) -> None:
        self.bar.close()
        if self.writer:
            self.writer.close()
