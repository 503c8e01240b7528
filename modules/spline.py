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
    of_one = math.log(math.expm1(1 - LEAST))  # what becomes a slope of 1
    padded = F.pad(slopes, (1, 1), value=of_one)
    slope = LEAST + F.softplus(padded)
    first = slope[..., :-1]
    last = slope[..., 1:]
    edges = floor if inverse else left
    number = _bin(place, edges)
    curve = [_take(values, number) for values in (left, width, floor, height, first, last)]
    move = _place if inverse else _height
    moved, log_slope = move(place, *curve)
    y = torch.where(inside, moved, x)
    log_slope = torch.where(inside, log_slope, torch.zeros_like(x))
    return y, log_slope


def _edges(free: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Where each bin begins (..., bins), from -bound, and how far it reaches."""
    bins = free.shape[-1]
    to_share = 1 - LEAST * bins
    shares = LEAST + to_share * free.softmax(-1)
    running = shares.cumsum(-1)
    ends = F.pad(running, (1, 0))
    edges = ends * 2 * bound - bound
    begins = edges[..., :-1]
    last = torch.full_like(begins[..., :1], bound)  # the sum is not quite one
    edges = torch.cat([begins, last], -1)
    ends = edges[..., 1:]
    sizes = ends - edges[..., :-1]
    return begins, sizes


def _bin(place: Tensor, edges: Tensor) -> Tensor:
    begun = place[..., None] >= edges
    return (begun.long().sum(-1, keepdim=True) - 1).clamp(min=0)


def _take(values: Tensor, number: Tensor) -> Tensor:
    return values.gather(-1, number)[..., 0]


def _height(
    x: Tensor, left: Tensor, width: Tensor, floor: Tensor, height: Tensor, first: Tensor, last: Tensor
) -> tuple[Tensor, Tensor]:
    t = (x - left) / width
    mean = height / width
    mixed = t * (1 - t)
    below = mean + (first + last - 2 * mean) * mixed
    above = mean * t.square() + first * mixed
    y = floor + height * above / below
    log_slope = _log_slope(t, mixed, mean, first, last, below)
    return y, log_slope


def _place(
    y: Tensor, left: Tensor, width: Tensor, floor: Tensor, height: Tensor, first: Tensor, last: Tensor
) -> tuple[Tensor, Tensor]:
    mean = height / width
    above = y - floor
    bend = above * (first + last - 2 * mean)
    # The place within the bin is the root of a quadratic.
    a = bend + height * (mean - first)
    b = height * first - bend
    c = -mean * above
    discriminant = b.square() - 4 * a * c
    root = discriminant.clamp(min=0).sqrt()
    t = 2 * c / (-b - root)
    mixed = t * (1 - t)
    below = mean + (first + last - 2 * mean) * mixed
    log_slope = _log_slope(t, mixed, mean, first, last, below)
    return left + t * width, -log_slope


def _log_slope(t: Tensor, mixed: Tensor, mean: Tensor, first: Tensor, last: Tensor, below: Tensor) -> Tensor:
    above = mean.square() * (last * t.square() + 2 * mean * mixed + first * (1 - t).square())
    return above.log() - 2 * below.log()
