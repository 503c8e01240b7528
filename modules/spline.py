"""The monotonic rational-quadratic spline of neural spline flows (arXiv 1906.04032): a curve of bins, and its inverse."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST = 1e-3  # of a bin's width and height (of the whole), and of a slope


def rational_quadratic(
    x: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, *, inverse: bool = False, bound: float = 5.0
) -> tuple[Tensor, Tensor]:
    """`x` (...) through a spline on [-bound, bound], outside of which it stays as it is; and log |dy/dx|, each (...).

    `widths`, `heights` (..., bins) and `slopes` (..., bins - 1) are free numbers: softmax and softplus make a curve of them;
    at either end the slope is 1. `inverse` goes from the curve's height back to its place.
    """
    bins = widths.shape[-1]
    if bins * LEAST >= 1:
        raise ValueError(f"a spline of {bins} bins has no room: {1 / LEAST:.0f} is too many.")
    inside = (x >= -bound) & (x <= bound)
    place = x.clamp(-bound, bound)
    left, width = _edges(widths, bound)
    floor, height = _edges(heights, bound)
    slope = LEAST + F.softplus(F.pad(slopes, (1, 1), value=math.log(math.expm1(1 - LEAST))))
    number = _bin(place, floor if inverse else left)
    here = [_take(t, number) for t in (left, width, floor, height, slope[..., :-1], slope[..., 1:])]
    y, log_slope = (_place if inverse else _height)(place, *here)
    return torch.where(inside, y, x), torch.where(inside, log_slope, torch.zeros_like(x))


def _edges(free: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Where each bin begins (..., bins), from -bound, and how far it reaches."""
    share = LEAST + (1 - LEAST * free.shape[-1]) * free.softmax(-1)
    edges = F.pad(share.cumsum(-1), (1, 0)) * 2 * bound - bound
    edges = torch.cat([edges[..., :-1], torch.full_like(edges[..., -1:], bound)], -1)  # the sum is not quite one
    return edges[..., :-1], edges.diff(dim=-1)


def _bin(place: Tensor, edges: Tensor) -> Tensor:
    return ((place[..., None] >= edges).sum(-1, keepdim=True) - 1).clamp(min=0)


def _take(values: Tensor, number: Tensor) -> Tensor:
    return values.gather(-1, number)[..., 0]


def _height(
    x: Tensor, left: Tensor, width: Tensor, floor: Tensor, height: Tensor, first: Tensor, last: Tensor
) -> tuple[Tensor, Tensor]:
    t, mean = (x - left) / width, height / width
    mixed = t * (1 - t)
    below = mean + (first + last - 2 * mean) * mixed
    y = floor + height * (mean * t.square() + first * mixed) / below
    return y, _log_slope(t, mixed, mean, first, last, below)


def _place(
    y: Tensor, left: Tensor, width: Tensor, floor: Tensor, height: Tensor, first: Tensor, last: Tensor
) -> tuple[Tensor, Tensor]:
    mean, above = height / width, y - floor
    bend = above * (first + last - 2 * mean)
    a, b, c = bend + height * (mean - first), height * first - bend, -mean * above
    root = (b.square() - 4 * a * c).clamp(min=0).sqrt()
    t = 2 * c / (-b - root)
    mixed = t * (1 - t)
    below = mean + (first + last - 2 * mean) * mixed
    return left + t * width, -_log_slope(t, mixed, mean, first, last, below)


def _log_slope(t: Tensor, mixed: Tensor, mean: Tensor, first: Tensor, last: Tensor, below: Tensor) -> Tensor:
    above = mean.square() * (last * t.square() + 2 * mean * mixed + first * (1 - t).square())
    return above.log() - 2 * below.log()
