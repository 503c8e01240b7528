"""A mel between -1 and 1, as networks that are trained on noise want it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

NARROWEST = 1e-5  # of a band that is the same in all of a corpus


class MelScale(nn.Module):
    """Of each band the least and the greatest value of a corpus become -1 and 1; what lies beyond them goes beyond.

    `statistics` are those of the mel: "min" and "max" of each band. Without them a mel stays as it is.
    """

    def __init__(self, n_mel: int, statistics: Mapping[str, Any] | None) -> None:
        super().__init__()
        known = statistics or {"min": -1.0, "max": 1.0}
        for name in ("min", "max"):
            values = torch.as_tensor(known[name], dtype=torch.float32)
            self.register_buffer(name, values.expand(n_mel).clone())

    @property
    def span(self) -> Tensor:
        """(n_mel,)."""
        return (self.max - self.min).clamp(min=NARROWEST)

    def normal(self, mel: Tensor) -> Tensor:
        """(batch, frames, n_mel), from the house's mel."""
        return 2 * (mel - self.min) / self.span - 1

    def natural(self, normal: Tensor) -> Tensor:
        """(batch, frames, n_mel), the house's mel."""
        return (normal + 1) / 2 * self.span + self.min
