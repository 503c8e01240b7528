"""What a person sees of training: the progress bar with its ETA, and losses, sounds and pictures in TensorBoard."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from models.base.validation import Means
from utils.log import log
from utils.progress import progress

if TYPE_CHECKING:
    from accelerate import Accelerator

    from models.base.task import Task
    from preprocessors.base import Utterance


def gigabytes() -> dict[str, float]:
    """The memory of this process as it is, and of its GPU at the most so far."""
    import psutil
    import torch

    resident = psutil.Process().memory_info().rss
    used = {"process_gb": resident / 1e9}
    if torch.cuda.is_available():
        used["gpu_gb"] = torch.cuda.max_memory_allocated() / 1e9
    return used


class Watch:
    """The eyes of one run. Every process notes and averages; only the first shows."""

    def __init__(self, accelerator: Accelerator, run: Path, *, every: int, step: int, max_steps: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.accelerator = accelerator
        self.every = every
        self.main = accelerator.is_main_process
        self.writer = SummaryWriter(str(run / "log"), purge_step=step + 1) if self.main else None
        self.bar = progress(initial=step, total=max_steps, desc="train", unit="step", disable=not self.main, smoothing=0.05)
        self.speed = {"steps_per_second": 0.0, "data_wait": 0.0}  # as of the last report
        self._begin()

    def note(self, name: str, value: Tensor) -> None:
        """Adds to the running mean of `name`; nothing is copied from the GPU before the next report."""
        self._sums[name] = self._sums.get(name, 0.0) + value.detach()
        self._counts[name] = self._counts.get(name, 0) + 1

    def waited(self, seconds: float) -> None:
        """Counts time spent waiting for data."""
        self._waited += seconds

    def updated(self, step: int, schedulers: dict[str, Any]) -> None:
        """One optimizer update is done; every so often, says how it goes."""
        self._updates += 1
        self.bar.update()
        if step % self.every == 0:
            self._report(step, schedulers)

    def _report(self, step: int, schedulers: dict[str, Any]) -> None:
        noted = Means()
        for name, total in self._sums.items():
            count = self._counts[name]
            noted.add({name: total / count}, count)
        means = noted.over_processes()
        seconds = time.perf_counter() - self._begun
        self.speed = {"steps_per_second": self._updates / seconds, "data_wait": self._waited / seconds}
        if self.main:
            self._show(means, schedulers, step)
        self._begin()

    def _begin(self) -> None:
        """Begins to count for the next report."""
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._begun = time.perf_counter()
        self._waited = 0.0
        self._updates = 0

    def _show(self, means: dict[str, float], schedulers: dict[str, Any], step: int) -> None:
        losses = {}
        for name, mean in means.items():
            if "/" not in name:
                losses[name] = f"{mean:.3g}"
        self.bar.set_postfix(losses, refresh=False)
        rates = {name: schedule.get_last_lr()[0] for name, schedule in schedulers.items()}
        self._scalars("train", means, step)
        self._scalars("lr", rates, step)
        self._scalars("speed", self.speed, step)
        self._scalars("memory", gigabytes(), step)

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
            listed = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
            log.info(f"step {step}: valid {total:.4f} ({listed})")

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
            self.writer.add_image(f"{tag}/mel", result.picture(task.scale), step, dataformats="HWC")
            if audio:
                self.writer.add_audio(f"{tag}/recorded", audio.samples, step, sample_rate=audio.rate)

    def close(self) -> None:
        self.bar.close()
        if self.writer:
            self.writer.close()
