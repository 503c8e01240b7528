"""How alike two pictures are built (SSIM, doi:10.1109/TIP.2003.819861), for mels as a loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, DEVIATION = 11, 1.5  # places and places, of the bell that local means are taken by
STABLE_MEAN, STABLE_SPREAD = 0.01**2, 0.03**2


def dissimilarity(made: Tensor, wanted: Tensor, mask: Tensor | None = None, bias: float = 6.0) -> Tensor:
    """1 minus the similarity of two mels (batch, frames, n_mel) around each place, of the same shape.

    `bias` is added to both, so that means are not near 0. `mask` (batch, frames): what it is False for counts as not there.
    """
    pictures = [made[:, None] + bias, wanted[:, None] + bias]
    if mask is not None:
        inside = mask[:, None, :, None].to(made.dtype)
        pictures = [picture * inside for picture in pictures]
    first, second = pictures
    mean_1 = _local_mean(first)
    mean_2 = _local_mean(second)
    variance_1 = _local_mean(first * first) - mean_1.square()
    variance_2 = _local_mean(second * second) - mean_2.square()
    covariance = _local_mean(first * second) - mean_1 * mean_2
    product = 2 * mean_1 * mean_2
    squares = mean_1.square() + mean_2.square()
    means = (product + STABLE_MEAN) / (squares + STABLE_MEAN)
    variances = variance_1 + variance_2
    spreads = (2 * covariance + STABLE_SPREAD) / (variances + STABLE_SPREAD)
    similarity = means * spreads
    return 1 - similarity[:, 0]


def _local_mean(picture: Tensor) -> Tensor:
    """Of (batch, 1, height, width), around each place."""
    half = WINDOW // 2
    places = torch.arange(-half, half + 1, device=picture.device, dtype=picture.dtype)
    exponents = -places.square() / (2 * DEVIATION**2)
    bell = torch.exp(exponents)
    bell = bell / bell.sum()
    window = bell[:, None] * bell
    return F.conv2d(picture, window[None, None], padding=half)
