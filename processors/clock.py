"""When the frames of a feature are, in exact fractions, and which of its frames stand for those of a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

# Where frame i is centred: on sample (i + 1/2) * hop, or on i * hop, which gives one frame more.
Padding = Literal["same", "center"]
LARGEST = 2**62  # of the whole numbers that are reckoned with, which are of 64 bits


def frame_count(samples: int, hop_size: int, padding: Padding) -> int:
    """How many frames a sound of that many samples has."""
    return samples // hop_size + (padding == "center")


@dataclass(frozen=True)
class Clock:
    """`rate` frames a second, the first of them centred `first` seconds after the sound begins: whole numbers or fractions.

    Raises ValueError for a float, as 0.1 is no tenth, and for a rate that is not above 0.
    """

    rate: Fraction | int
    first: Fraction | int = 0

    def __post_init__(self) -> None:
        for name in ("rate", "first"):
            value = getattr(self, name)
            if not isinstance(value, int | Fraction):
                raise ValueError(f"a clock's {name} is a whole number or a Fraction, so that it is exact; got {value!r}.")
            object.__setattr__(self, name, Fraction(value))
        if self.rate <= 0:
            raise ValueError(f"a clock has a rate above 0 frames a second, got {self.rate}.")


def frame_clock(sample_rate: int, hop_size: int, padding: Padding) -> Clock:
    """The clock of frames that are `hop_size` samples apart."""
    period = Fraction(hop_size, sample_rate)
    first = period / 2 if padding == "same" else Fraction(0)
    return Clock(1 / period, first)


def positions(clock: Clock, own: Clock, first: int, count: int) -> tuple[np.ndarray, int]:
    """Where the centres of `count` frames of `clock`, from frame `first` on, lie in frames of `own`: numerators and their denominator.

    Raises ValueError where the fractions are so fine that 64 bits do not hold them.
    """
    offset = (clock.first - own.first) * own.rate
    step = own.rate / clock.rate
    denominator = math.lcm(offset.denominator, step.denominator)
    begin = int(offset * denominator)
    stride = int(step * denominator)
    end = first + count
    greatest = abs(begin) + stride * end + denominator
    if 2 * greatest > LARGEST:
        own_frames = f"{own.rate} a second from {own.first} s"
        asked_frames = f"{clock.rate} from {clock.first} s"
        raise ValueError(f"frames at {own_frames} cannot be matched with {asked_frames}.")
    frames = np.arange(first, end, dtype=np.int64)
    numerators = begin + stride * frames
    return numerators, denominator


def nearest(clock: Clock, own: Clock, first: int, count: int, length: int) -> np.ndarray:
    """For `count` frames of `clock` from frame `first` on, the frame of `own`, of which there are `length`, with the nearest centre.

    Of two that are equally near it is the earlier. Before its first frame `own` has its first, behind its last its last.
    """
    numerators, denominator = positions(clock, own, first, count)
    rounded = -((denominator - 2 * numerators) // (2 * denominator))  # up from a half below, so that ties go down
    return rounded.clip(0, length - 1)


def covered(length: int, clock: Clock, own: Clock) -> int:
    """How many frames of `clock`, from the first on, have one of the `length` frames of `own` as the nearest, its last one not held."""
    offset = (clock.first - own.first) * own.rate
    last = (length - Fraction(1, 2) - offset) * clock.rate / own.rate
    return max(0, math.floor(last) + 1)


def placed(array: np.ndarray, clock: Clock, own: Clock, first: int, count: int, *, linear: bool = False) -> np.ndarray:
    """`array` (frames of `own`, ...) as `count` frames of `clock` from frame `first` on: what stands at the centre of each.

    That is the frame with the nearest centre (see `nearest`), or, `linear`, what lies on the line between the two around it.
    The array may lie on disk: no more of it is read than is needed.
    """
    if linear:
        return _interpolated(array, clock, own, first, count)
    rows = nearest(clock, own, first, count, len(array))
    return _rows(array, rows)


def pooled(array: np.ndarray, clock: Clock, own: Clock, first: int, count: int) -> np.ndarray:
    """`array` (frames of `own`, channels) at the rate of `clock`, whatever the centres of both: what stands in the time of each frame
    of `clock`, averaged, if the first frames of both began together. Behind the end stands the last that is whole.

    So Amphion's released converters were trained: each frame repeated as often, and the mean of each so many, as the rates are one to
    the other.
    """
    ratio = clock.rate / own.rate
    repeats = ratio.numerator
    group = ratio.denominator
    whole = max(1, len(array) * repeats // group)
    numbers = np.arange(first, first + count)
    frames = numbers.clip(max=whole - 1)
    begin = frames * group
    end = begin + group
    found = np.zeros((count, array.shape[1]), dtype=np.float32)
    most = (group - 1) // repeats + 2  # rows that a frame may touch
    for further in range(most):
        row = begin // repeats + further
        shared = np.minimum(end, (row + 1) * repeats) - np.maximum(begin, row * repeats)
        weight = shared.clip(min=0) / group
        weight = weight[:, None].astype(np.float32)
        values = _rows(array, row.clip(max=len(array) - 1))
        found += weight * values
    return found


def _interpolated(array: np.ndarray, clock: Clock, own: Clock, first: int, count: int) -> np.ndarray:
    numerators, denominator = positions(clock, own, first, count)
    last = len(array) - 1
    inside = numerators.clip(0, last * denominator)
    before = inside // denominator
    after = np.minimum(before + 1, last)
    low = _rows(array, before).astype(np.float32)
    high = _rows(array, after).astype(np.float32)
    weight = (inside % denominator) / denominator
    weight = weight.astype(np.float32)
    while weight.ndim < low.ndim:
        weight = weight[..., None]
    return low + weight * (high - low)


def _rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows in rising order, of which only the stretch that holds them is read."""
    if not len(rows):
        return np.array(array[:0])
    begin = rows[0]
    stretch = np.array(array[begin : rows[-1] + 1])
    return stretch[rows - begin]
