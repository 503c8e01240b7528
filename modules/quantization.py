"""Residual vector quantisation: each codebook says what those before it left over (SoundStream, https://arxiv.org/abs/2107.03312).

Rows of a codebook are moving averages of the vectors that choose them. They begin as the centres of clusters (k-means) of the first
batch; a row that hardly anything chooses becomes a vector of the batch. Several processes share what they count.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

AMOUNT = 1e-5  # added to each row's count: what was never chosen must not divide by zero


class Quantized(NamedTuple):
    """`vectors` (batch, channels, frames) with a straight-through gradient, `codes` (batch, codebooks, frames), `commitment` a scalar."""

    vectors: Tensor
    codes: Tensor
    commitment: Tensor


class Codebook(nn.Module):
    """`size` rows of `channels` numbers. Only training moves them, and no gradient does.

    `decay`: of the moving averages. `kmeans`: iterations on the first batch; with 0 rows begin at random. `dead_below`: a row
    whose average count of a batch is smaller is replaced.
    """

    def __init__(self, size: int, channels: int, *, decay: float, kmeans: int, dead_below: float) -> None:
        super().__init__()
        self.size = size
        self.decay = decay
        self.kmeans = kmeans
        self.dead_below = dead_below
        rows = torch.zeros(size, channels)
        if not kmeans:
            nn.init.kaiming_uniform_(rows)
        self.register_buffer("inited", torch.tensor([float(not kmeans)]))
        self.register_buffer("cluster_size", torch.zeros(size))
        self.register_buffer("embed", rows)
        self.register_buffer("embed_avg", rows.clone())

    def encode(self, vectors: Tensor) -> Tensor:
        """The nearest row of each of (..., channels): (...)."""
        return self.distances(vectors).argmin(-1)

    def distances(self, vectors: Tensor) -> Tensor:
        """The squared distances of (..., channels) to the rows: (..., size)."""
        products = vectors @ self.embed.t()
        lengths = self.embed.square().sum(1)
        own = vectors.square().sum(-1, keepdim=True)
        return own - 2 * products + lengths

    def decode(self, codes: Tensor) -> Tensor:
        """The rows of codes of any shape (...,): (..., channels)."""
        return F.embedding(codes, self.embed)

    @torch.no_grad()
    def begin(self, vectors: Tensor) -> None:
        """Rows begin as the centres of clusters of (count, channels), unless they have begun."""
        if bool(self.inited):
            return
        centres, counts = clustered(vectors, self.size, self.kmeans)
        from_first_process(centres, counts)
        self.embed.copy_(centres)
        self.embed_avg.copy_(centres * counts[:, None])
        self.cluster_size.copy_(counts)
        self.inited.fill_(1)

    @torch.no_grad()
    def learn(self, vectors: Tensor, codes: Tensor) -> None:
        """Moves each row towards the mean of the (count, channels) that chose it, and replaces those that are hardly chosen."""
        chosen = F.one_hot(codes, self.size).to(vectors.dtype)
        counts = chosen.sum(0)
        sums = chosen.t() @ vectors
        over_processes(counts, sums)
        weight = 1 - self.decay
        self.cluster_size.lerp_(counts, weight)
        self.embed_avg.lerp_(sums, weight)
        self._revive(vectors)
        total = self.cluster_size.sum()
        smoothed = (self.cluster_size + AMOUNT) / (total + self.size * AMOUNT) * total
        self.embed.copy_(self.embed_avg / smoothed[:, None])

    def _revive(self, vectors: Tensor) -> None:
        dead = self.cluster_size < self.dead_below
        if not bool(dead.any()):
            return
        drawn = some_of(vectors, self.size)
        from_first_process(drawn)
        # As if it had been chosen just often enough: the next batches decide.
        count = max(self.dead_below, AMOUNT)
        self.cluster_size[dead] = count
        self.embed_avg[dead] = drawn[dead] * count


class ResidualQuantizer(nn.Module):
    """`codebooks` of them one after another, any number of which may be used from the first on.

    In eval mode it is exact and leaves everything as it is. `commitment` pulls what is quantised to the rows. Raises ValueError for
    sizes that cannot be.
    """

    def __init__(
        self,
        *,
        codebooks: int,
        codebook_size: int,
        channels: int,
        decay: float = 0.99,
        kmeans: int = 50,
        dead_below: float = 2.0,
    ) -> None:
        super().__init__()
        if codebooks < 1:
            raise ValueError(f"codebooks: 1 or more are needed, got {codebooks}: is the highest bandwidth too low for one?")
        self.codebook_size = codebook_size
        layers = nn.ModuleList()
        for _ in range(codebooks):
            codebook = Codebook(codebook_size, channels, decay=decay, kmeans=kmeans, dead_below=dead_below)
            layers.append(nn.ModuleDict({"codebook": codebook}))
        self.layers = layers

    @property
    def codebooks(self) -> list[Codebook]:
        """In their order."""
        return [layer["codebook"] for layer in self.layers]

    def forward(self, x: Tensor, used: int | None = None) -> Quantized:
        """(batch, channels, frames) by the first `used` codebooks, or all. In training mode the codebooks learn."""
        with torch.autocast(x.device.type, enabled=False):
            return self._quantized(x.float(), used)

    def _quantized(self, x: Tensor, used: int | None) -> Quantized:
        batch = x.shape[0]
        rest = x.transpose(1, 2).flatten(0, 1)
        total = torch.zeros_like(rest)
        codes = []
        losses = []
        for codebook in self.codebooks[:used]:
            if self.training:
                codebook.begin(rest.detach())
            chosen = codebook.encode(rest.detach())
            rows = codebook.decode(chosen)
            losses.append(F.mse_loss(rest, rows))
            if self.training:
                codebook.learn(rest.detach(), chosen)
            rest = rest - rows
            total = total + rows
            codes.append(chosen.unflatten(0, (batch, -1)))
        vectors = total.unflatten(0, (batch, -1)).transpose(1, 2)
        through = x + (vectors - x).detach()
        return Quantized(through, torch.stack(codes, 1), torch.stack(losses).mean())

    def encode(self, x: Tensor, used: int | None = None) -> Tensor:
        """The codes (batch, codebooks, frames) of (batch, channels, frames)."""
        batch = x.shape[0]
        rest = x.transpose(1, 2).flatten(0, 1)
        codes = []
        for codebook in self.codebooks[:used]:
            chosen = codebook.encode(rest)
            rest = rest - codebook.decode(chosen)
            codes.append(chosen.unflatten(0, (batch, -1)))
        return torch.stack(codes, 1)

    def decode(self, codes: Tensor) -> Tensor:
        """The sum of the rows that codes (batch, codebooks, frames) name, (batch, channels, frames): as many codebooks as there are in it.

        Raises ValueError for more codebooks than there are, and for codes that name no row.
        """
        check_codes(codes, len(self.layers), self.codebook_size)
        total = None
        for codebook, chosen in zip(self.codebooks, codes.unbind(1), strict=False):
            rows = codebook.decode(chosen)
            total = rows if total is None else total + rows
        return total.transpose(1, 2)

    def scores(self, x: Tensor, used: int, codes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """How near (batch, channels, frames) is to each row of the first `used` codebooks, minus the squared distances.

        (batch, codebooks, frames, rows), and the nearest rows, (batch, codebooks, frames). A codebook is asked for what those before it
        left over: by `codes`, or by what was nearest.
        """
        rest = x.transpose(1, 2)
        scores = []
        nearest = []
        for number, codebook in enumerate(self.codebooks[:used]):
            nearness = -codebook.distances(rest)
            best = nearness.argmax(-1)
            scores.append(nearness)
            nearest.append(best)
            followed = best if codes is None else codes[:, number]
            rest = rest - codebook.decode(followed)
        return torch.stack(scores, 1), torch.stack(nearest, 1)

    @property
    def use(self) -> Tensor:
        """The share of each codebook's rows that batches choose as often as `dead_below`, (codebooks,)."""
        shares = [(book.cluster_size >= book.dead_below).float().mean() for book in self.codebooks]
        return torch.stack(shares)


def check_codes(codes: Tensor, codebooks: int, size: int) -> None:
    """Raises ValueError for codes (batch, used, frames) that `codebooks` of `size` rows do not have."""
    shape = tuple(codes.shape)
    if len(shape) != 3 or not 1 <= shape[1] <= codebooks or not shape[2]:
        raise ValueError(f"codes of shape (batch, 1 to {codebooks} codebooks, frames) are expected, got {shape}.")
    if codes.is_floating_point():
        raise ValueError(f"codes are whole numbers, got {codes.dtype}.")
    least = int(codes.min())
    greatest = int(codes.max())
    if least < 0 or greatest >= size:
        raise ValueError(f"codes must be 0 to {size - 1}, got {least} to {greatest}: are they another codec's?")


def some_of(vectors: Tensor, count: int) -> Tensor:
    """`count` rows of (many, channels), drawn: each once, as far as there are enough."""
    many = len(vectors)
    enough = many >= count
    order = torch.randperm(many)[:count] if enough else torch.randint(many, (count,))
    return vectors[order.to(vectors.device)]


def clustered(vectors: Tensor, count: int, iterations: int) -> tuple[Tensor, Tensor]:
    """Centres (count, channels) of clusters of (many, channels), and how many are in each, by k-means."""
    centres = some_of(vectors, count)
    counts = vectors.new_zeros(count)
    for _ in range(iterations):
        nearest = torch.cdist(vectors, centres).argmin(1)
        chosen = F.one_hot(nearest, count).to(vectors.dtype)
        counts = chosen.sum(0)
        means = chosen.t() @ vectors / counts.clamp(min=1)[:, None]
        centres = torch.where(counts[:, None] > 0, means, centres)
    return centres, counts


def _several() -> bool:
    distributed = torch.distributed
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def over_processes(*tensors: Tensor) -> None:
    """Sums each tensor over all processes, in place."""
    if _several():
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)


def from_first_process(*tensors: Tensor) -> None:
    """Gives all processes the first one's."""
    if _several():
        for tensor in tensors:
            torch.distributed.broadcast(tensor, 0)
