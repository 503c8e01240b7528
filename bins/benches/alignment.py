"""The alignment search of VITS and Jets beside what one would use instead."""

from __future__ import annotations

import torch
from torch import Tensor

from bins.benches.measure import Row, one_core, row
from modules.alignment import durations

FRAMES, TOKENS = 344, 81  # four seconds of speech, with blanks
NOWHERE = float("-inf")  # the log-likelihood of a place that no way leads to


def alignment() -> list[Row]:
    """Eight utterances handed from frames to tokens: numba (in use), batched torch, and plain Python on one of the eight."""
    scores = torch.randn(8, FRAMES, TOKENS)
    frames = torch.full((8,), FRAMES)
    tokens = torch.full((8,), TOKENS)
    seconds = {
        "numba": one_core(lambda: durations(scores, frames, tokens)),
        "torch": one_core(lambda: batched_search(scores, frames, tokens)),
        "plain Python": 8 * one_core(lambda: plain_search(scores[0].tolist()), times=1),
    }
    rows = [row(f"alignment search, 8 x {FRAMES} x {TOKENS}: {name}", spent, "seconds") for name, spent in seconds.items()]
    gain = seconds["torch"] / seconds["numba"]
    return [*rows, row("alignment search: compiled against torch", gain, "times", target="2 or more")]


def batched_search(scores: Tensor, frames: Tensor, tokens: Tensor) -> Tensor:
    """As `modules.alignment.durations`; all items at once, a step a frame, on the device of `scores`."""
    moves = _moves(scores.detach().float())
    batch, length, width = scores.shape
    frames = frames.to(scores.device)
    token = tokens.to(scores.device) - 1
    counts = torch.zeros(batch, width, dtype=torch.long, device=scores.device)
    for frame in range(length - 1, -1, -1):
        active = frames > frame
        place = token[:, None]
        counts.scatter_add_(1, place, active[:, None].long())
        moved = moves[frame].gather(1, place)[:, 0]
        may = (token > 0) & active
        step = may & ((token >= frame) | moved)
        token = token - step.long()
    return counts


def _moves(scores: Tensor) -> list[Tensor]:
    """Of each frame, whether the best way to a token comes from the one before, (batch, tokens)."""
    batch, length, width = scores.shape
    places = torch.arange(width, device=scores.device)
    best = torch.full((batch, width), -torch.inf, device=scores.device)
    before = torch.zeros((batch, 1), device=scores.device)
    moves = []
    for frame in range(length):
        come = torch.cat([before, best[:, :-1]], 1)
        stay = best.masked_fill(places == frame, -torch.inf)
        moves.append(come > stay)
        best = torch.maximum(stay, come) + scores[:, frame]
        before = torch.full_like(before, -torch.inf)
    return moves


def plain_search(scores: list[list[float]]) -> list[int]:
    """The same search as its definition reads, for one utterance."""
    frames = len(scores)
    tokens = len(scores[0])
    best = _best(scores)
    durations = [0] * tokens
    token = tokens - 1
    for t in range(frames - 1, -1, -1):
        durations[token] += 1
        if not (t and token):
            continue
        if token == t or best[t - 1][token] < best[t - 1][token - 1]:
            token -= 1
    return durations


def _best(scores: list[list[float]]) -> list[list[float]]:
    """The log-likelihood of the best way to each (frame, token)."""
    tokens = len(scores[0])
    best = [[NOWHERE] * tokens for _ in scores]
    best[0][0] = scores[0][0]
    for t in range(1, len(scores)):
        before = best[t - 1]
        last = min(tokens, t + 1)
        for token in range(last):
            come = before[token - 1] if token else NOWHERE
            stay = before[token]
            best[t][token] = scores[t][token] + max(stay, come)
    return best
