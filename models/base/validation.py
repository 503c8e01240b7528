"""What a validation is made of: batches without the utterances that cannot be read, and means over all processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from models.base.batching import Batches
from models.base.data import Utterances
from utils.log import log


def readable(data: Utterances, batches: Batches) -> Iterator[dict[str, Any]]:
    """The batches, read one after another; an utterance that cannot be read is named and left out."""
    for keys in batches:
        items = []
        for key in keys:
            try:
                items.append(data[key])
            except (ValueError, OSError) as error:
                log.error(f"not validated: {error}")
        if items:
            yield data.collate(items)


class Means:
    """Means of losses, each batch counted by its utterances."""

    def __init__(self) -> None:
        self.sums: dict[str, tuple[float, int]] = {}

    def add(self, losses: dict[str, Tensor], count: int) -> None:
        self._join({name: (value.item() * count, count) for name, value in losses.items()})

    def over_processes(self) -> dict[str, float]:
        """The means of what all processes added; to be called on each of them."""
        from accelerate.utils import gather_object

        everyone = Means()
        for sums in gather_object([self.sums]):
            everyone._join(sums)
        return {name: total / count for name, (total, count) in everyone.sums.items()}

    def _join(self, sums: dict[str, tuple[float, int]]) -> None:
        for name, (total, count) in sums.items():
            before = self.sums.get(name, (0.0, 0))
            self.sums[name] = (before[0] + total, before[1] + count)
