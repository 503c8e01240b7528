"""The batches of one process: those that it trains on, epoch after epoch, and its share of those that validate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from models.base.batching import Batches
from models.base.data import Utterances
from models.base.experiment import Experiment
from models.base.settings import TrainConfig
from models.base.validation import readable
from utils.log import log

if TYPE_CHECKING:
    from accelerate import Accelerator


class Feeds:
    """What of a corpus the processes of `accelerator` read. `voices` are the speakers that the model knows, None where it
    tells none apart."""

    def __init__(self, experiment: Experiment, config: TrainConfig, accelerator: Accelerator, voices: list[str] | None) -> None:
        self.experiment = experiment
        self.config = config
        self.accelerator = accelerator
        self.voices = voices or []
        division = experiment.division(voices)
        self.utterances = {split: division.take(split) for split in ("train", "valid")}

    def training(self) -> tuple[Utterances, Batches]:
        """What is trained on, and the plan of its batches."""
        data = self._data("train")
        batches = Batches(
            data.seconds,
            batch_size=self.config.batch_size,
            batch_seconds=self.config.batch_seconds,
            processes=self.accelerator.num_processes,
            rank=self.accelerator.process_index,
            accumulate=self.config.accumulate,
            seed=self.config.seed,
        )
        if self.accelerator.is_main_process:
            updates = batches.updates(0)
            log.info(f"{len(data)} utterances, {updates} updates an epoch, {batches.waste():.1%} of each is padding.")
        return data, batches

    def validation(self) -> Iterator[dict[str, Any]]:
        """This process's share of the valid split; nothing where there are fewer utterances than processes."""
        data = self._data("valid")
        sharing = min(self.accelerator.num_processes, len(data))
        if self.accelerator.process_index >= sharing:
            return iter(())
        batches = Batches(
            data.seconds,
            batch_size=self.config.batch_size,
            batch_seconds=self.config.batch_seconds,
            processes=sharing,
            rank=self.accelerator.process_index,
            seed=self.config.seed,
            shuffle=False,
        )
        return readable(data, batches)

    def _data(self, split: str) -> Utterances:
        return self.experiment.data(self.utterances[split], voices=self.voices, config=self.config)
