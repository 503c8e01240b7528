"""Convolutions of three by three places without gradients, on a CPU, in ways that are faster than torch's direct one where matrix products are
fast (processors with AMX).

Of small maps all windows are laid out and mixed by one matrix product. Larger ones go by Winograd's algorithm
(https://arxiv.org/abs/1509.09308): a map is cut into overlapping tiles, and for each place of a transformed tile the channels are mixed by a
matrix: of 4 x 4 results that takes 36 products a channel in place of 144. The rest are products with small constant matrices.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAST_AREA = 256  # places of a map that goes by Winograd; of smaller ones the weights are too large a part of the work
TILE = (4, 4)  # results of a tile, in height and width; of larger tiles rounding tells
CENTRE = 1 + (TILE[1] + 2)  # the place of a transformed tile from which all its results take the same
KERNEL = 3
# By how many results along an axis: of a tile's inputs, of the kernel, and back to results.
INPUTS = {
    2: [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
    4: [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]],
}
KERNELS = {
    2: [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
    4: [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]],
}
RESULTS = {
    2: [[1, 1, 1, 0], [0, 1, -1, -1]],
    4: [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
}


class Conv3x3(nn.Conv2d):
    """`nn.Conv2d` of three by three places, which leaves a map as large as it was.

    The kernel transformed for Winograd's algorithm is kept beside the weights until these change.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, KERNEL, padding=1)
        self._transformed: tuple[tuple[int, int], Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """`x` (batch, inputs, height, width)."""
        height, width = x.shape[2:]
        area = height * width
        if torch.is_grad_enabled() or x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        if area < LEAST_AREA:
            return by_windows(x, self.weight, self.bias)
        if x.dtype != torch.float32:
            return super().forward(x)
        return winograd(x, self.transformed(), self.bias)

    def transformed(self) -> Tensor:
        """See `transformed_kernel`."""
        weight = self.weight
        changes = 0 if weight.is_inference() else weight._version
        state = (weight.data_ptr(), changes)
        if self._transformed is None or self._transformed[0] != state:
            self._transformed = (state, transformed_kernel(weight))
        return self._transformed[1]


class Conv1x1(nn.Conv2d):
    """`nn.Conv2d` of one place: a matrix product, which of the channels-last layout takes no copy."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (batch, inputs, height, width)."""
        places = x.permute(0, 2, 3, 1)
        matrix = self.weight.flatten(1)
        return F.linear(places, matrix, self.bias).permute(0, 3, 1, 2)


def by_windows(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The convolution of `x` (batch, inputs, height, width), one place of zeros around it, by a kernel (outputs, inputs, 3, 3)."""
    padded = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    by_row = padded.unfold(1, KERNEL, 1)
    windows = by_row.unfold(2, KERNEL, 1)
    rows = windows.permute(0, 1, 2, 4, 5, 3).flatten(3)
    kernel = weight.permute(0, 2, 3, 1)
    matrix = kernel.flatten(1)  # in the channels-last layout no copy
    mixed = F.linear(rows, matrix, bias)
    return mixed.permute(0, 3, 1, 2)


def transformed_kernel(weight: Tensor) -> Tensor:
    """A kernel (outputs, inputs, 3, 3) as a matrix for each place of a tile, (places, inputs, outputs)."""
    _, of_kernel, _ = matrices(*TILE)
    places = weight.detach().permute(2, 3, 1, 0)
    mixed = of_kernel @ places.flatten(0, 1).flatten(1)
    return mixed.view(len(of_kernel), *places.shape[2:])


def winograd(x: Tensor, mixing: Tensor, bias: Tensor) -> Tensor:
    """The convolution of `x` (batch, inputs, height, width), one place of zeros around it, by a kernel that was transformed."""
    of_inputs, _, of_results = matrices(*TILE)
    height, width = x.shape[2:]
    tiles = tiled(x)
    transformed = of_inputs @ tiles.flatten(1)
    by_place = transformed.view(*tiles.shape)
    rows = by_place.flatten(1, 3)
    mixed = torch.bmm(rows, mixing)
    mixed[CENTRE] += bias
    results = of_results @ mixed.flatten(1)
    sizes = tiles.shape[1:4]
    by_tile = results.view(*TILE, *sizes, -1)
    whole = by_tile.permute(2, 3, 0, 4, 1, 5)
    plane = whole.flatten(3, 4).flatten(1, 2)
    kept = plane[:, :height, :width]
    return kept.permute(0, 3, 1, 2)


def tiled(x: Tensor) -> Tensor:
    """(places of a tile, batch, down, across, channels): overlapping tiles that cover a map (batch, channels, height, width)."""
    rows, columns = TILE
    height, width = x.shape[2:]
    down = -(-height // rows)
    across = -(-width // columns)
    below = 1 + down * rows - height
    right = 1 + across * columns - width
    padded = F.pad(x, (1, right, 1, below)).permute(0, 2, 3, 1)
    border = KERNEL - 1
    windows = padded.unfold(1, rows + border, rows).unfold(2, columns + border, columns)
    tiles = windows.permute(4, 5, 0, 1, 2, 3)
    return tiles.flatten(0, 1)


@functools.cache
def matrices(rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """For tiles of so many results: of their inputs, of the kernel, and back."""
    found = []
    for table in (INPUTS, KERNELS, RESULTS):
        vertical = torch.tensor(table[rows], dtype=torch.float64)
        horizontal = torch.tensor(table[columns], dtype=torch.float64)
        together = torch.kron(vertical, horizontal)
        found.append(together.float())
    of_inputs, of_kernel, of_results = found
    return of_inputs, of_kernel, of_results
