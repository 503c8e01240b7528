"""Long sounds in pieces that are made side by side, and joined by a cross-fade.

|=========|--|            a fold: `target` samples between two overlaps
       |--|=========|--|  in an overlap the new fold warms up unheard for one half, and is faded in over the other
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Seam = Literal["linear", "power"]


@dataclass(frozen=True)
class Folds:
    """How `total` samples fall into folds of `target` samples with `overlap` on either side.

    Raises ValueError when `target` or `overlap` is below one sample.
    """

    total: int
    target: int
    overlap: int

    def __post_init__(self) -> None:
        if self.target < 1 or self.overlap < 1:
            raise ValueError(f"fold_seconds and overlap_seconds must be a sample or more, got {self.target} and {self.overlap}.")

    @property
    def starts(self) -> list[int]:
        step = self.target + self.overlap
        return list(range(0, max(self.total - self.overlap, 1), step))

    @property
    def length(self) -> int:
        """Samples of one fold; the last may reach beyond the end."""
        return self.target + 2 * self.overlap


def fold(sound: Tensor, folds: Folds) -> Tensor:
    """(total,) as (folds, length), zeros beyond the end."""
    longest = folds.starts[-1] + folds.length
    sound = torch.nn.functional.pad(sound, (0, max(longest - len(sound), 0)))
    return torch.stack([sound[s : s + folds.length] for s in folds.starts])


def unfold(pieces: Tensor, folds: Folds, seam: Seam = "linear") -> Tensor:
    """(folds, length) joined to (total,).

    "linear" adds up to one, which is right for folds that agree. "power" keeps the loudness of folds that do not, as the
    published WaveRNN does; like that, it fades the two ends of the sound as well.
    """
    overlap = folds.overlap
    rise = _rise(overlap, seam, pieces)
    fall = _fall(overlap, seam, pieces)
    pieces = pieces.clone()
    fades_ends = seam == "power"
    faded_in = pieces if fades_ends else pieces[1:]
    faded_out = pieces if fades_ends else pieces[:-1]
    faded_in[:, :overlap] *= rise
    faded_out[:, -overlap:] *= fall
    longest = folds.starts[-1] + folds.length
    out = pieces.new_zeros(longest)
    for start, piece in zip(folds.starts, pieces, strict=True):
        out[start : start + folds.length] += piece
    return out[: folds.total]


def _rise(overlap: int, seam: Seam, like: Tensor) -> Tensor:
    silent = overlap // 2
    ramp = torch.linspace(0, 1, overlap - silent, dtype=torch.float64)
    ramp = ramp.sqrt() if seam == "power" else ramp
    return torch.cat([torch.zeros(silent, dtype=torch.float64), ramp]).to(like)


def _fall(overlap: int, seam: Seam, like: Tensor) -> Tensor:
    whole = overlap // 2
    ramp = torch.linspace(1, 0, overlap - whole, dtype=torch.float64)
    ramp = ramp.sqrt() if seam == "power" else ramp
    return torch.cat([torch.ones(whole, dtype=torch.float64), ramp]).to(like)
