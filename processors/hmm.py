"""Hidden Markov models of token sequences: the chain of states, and Gaussian mixtures; the paths through it are in `loops.py`.

Rabiner, A Tutorial on Hidden Markov Models, 1989, https://doi.org/10.1109/5.18626.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PHONE_STATES = 3
PAUSE_STATES = 5


class AlignmentError(ValueError):
    """An utterance whose sound and tokens cannot be laid side by side; the message says why."""


@dataclass
class Chain:
    """The states that an utterance passes, in order, each with its distribution (`units`) and its token (`owner`).

    A run of pause tokens is one silence that may be passed over: `jump[s]` is the last state before
    the pause that ends at s - 1, or -1; `first` and `last` count the states that are optional at either end.

        a a a . . . . . b b b       . are PAUSE_STATES that share one distribution: a pause has a least length
            |___________^           jump of the first b
    """

    units: np.ndarray
    jump: np.ndarray
    owner: np.ndarray
    first: int
    last: int

    @property
    def shortest(self) -> int:
        """Frames of the shortest path."""
        optional = sum(s - before - 1 for s, before in enumerate(self.jump) if before >= 0)
        return len(self.units) - optional - self.first - self.last


def chain_of(tokens: list[str], pauses: frozenset[str], names: dict[str, int]) -> Chain:
    """The chain of `tokens`; a run of `pauses` belongs to the first of them.

    Raises AlignmentError when nothing is spoken, or a token is none of `names`.
    """
    unknown = sorted({token for token in tokens if token not in pauses and token not in names})
    if unknown:
        raise AlignmentError(f"the aligner never met {', '.join(unknown)}: run the extract stage again, and it learns them")
    if pauses.issuperset(tokens):
        raise AlignmentError(f"nothing is spoken in {tokens}")
    spoken = [i for i, token in enumerate(tokens) if token not in pauses]
    units: list[int] = []
    jump: list[int] = []
    owner: list[int] = []
    for i, token in enumerate(tokens):
        after_pause = i > 0 and tokens[i - 1] in pauses
        if token in pauses and after_pause:
            continue
        states = _states(token, pauses, names)
        over = -1
        if after_pause and i != spoken[0]:
            over = len(units) - PAUSE_STATES - 1
        jump += [over] + [-1] * (len(states) - 1)
        units += states
        owner += [i] * len(states)
    first = PAUSE_STATES if spoken[0] > 0 else 0
    last = PAUSE_STATES if spoken[-1] < len(tokens) - 1 else 0
    return Chain(np.array(units), np.array(jump), np.array(owner), first, last)


def _states(token: str, pauses: frozenset[str], names: dict[str, int]) -> list[int]:
    """The distributions of a token's states."""
    if token in pauses:
        return [0] * PAUSE_STATES
    first = 1 + PHONE_STATES * names[token]
    return list(range(first, first + PHONE_STATES))


class Mixtures:
    """A Gaussian mixture for every unit: weights (units, n), means and variances (units, n, dims), and the chance to stay (units,)."""

    def __init__(self, weights: np.ndarray, means: np.ndarray, variances: np.ndarray, stay: np.ndarray) -> None:
        self.weights = weights
        self.means = means
        self.variances = variances
        self.stay = stay
        precision = 1 / variances
        volume = np.log(2 * np.pi * variances).sum(-1)
        norm = volume + (means**2 * precision).sum(-1)
        constant = np.log(weights) - 0.5 * norm
        columns = [constant[..., None], means * precision, -0.5 * precision]
        table = np.concatenate(columns, axis=-1)
        self.table = table.astype(np.float32)  # (units, n, 1 + 2 dims)

    def parts(self, powers: np.ndarray, units: np.ndarray) -> np.ndarray:
        """Log densities of the parts of each mixture, (frames, units, n)."""
        table = self.table[units]
        return (powers @ table.reshape(-1, table.shape[-1]).T).reshape(len(powers), *table.shape[:2])

    def doubled(self) -> Mixtures:
        """Each part in two, a fifth of a deviation to either side."""
        offset = 0.2 * np.sqrt(self.variances)
        means = np.concatenate([self.means - offset, self.means + offset], axis=1)
        return Mixtures(np.tile(self.weights / 2, 2), means, np.tile(self.variances, (1, 2, 1)), self.stay)


def powers_of(rows: np.ndarray) -> np.ndarray:
    """1, x and x^2, (frames, 1 + 2 dims): with these, all Gaussians are one matrix product."""
    return np.concatenate([np.ones((len(rows), 1), np.float32), rows, rows**2], axis=1)
