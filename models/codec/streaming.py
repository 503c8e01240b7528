"""Codes of a sound that still comes, and sound of codes that still come: each layer keeps what the next piece needs.

Only the work on a piece is done without gradients, as what takes the pieces may be training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from models.codec.encodec import EnCodec
from modules.seanet import Memory


def codes_of(model: EnCodec, pieces: Iterable[Tensor], books: int | None) -> Iterator[Tensor]:
    """Codes (1, codebooks, frames) of sound (1, channels, samples) that comes in pieces of any length."""

    @torch.inference_mode()
    def encode(samples: Tensor, memory: Memory) -> Tensor:
        return model.quantizer.encode(model.encoder(samples, memory), books)

    return _in_wholes(encode, pieces, model.samples_per_frame, model.sizes.least_frames)


def sound_of(model: EnCodec, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    """Sound (1, channels, samples) of codes (1, codebooks, frames) that come in pieces of any length."""
    if model.looks_ahead:
        return _looking_ahead(model, _alike(pieces))

    @torch.inference_mode()
    def decode(codes: Tensor, memory: Memory) -> Tensor:
        return model.decoder(model.quantizer.decode(codes), memory)

    return _in_wholes(decode, _alike(pieces), 1, model.sizes.least_frames)


def _looking_ahead(model: EnCodec, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    """The sound of each frame when as many are behind it as it sees; of those before it as many are kept."""
    reach = model.decoder.reach
    kept = None
    done = 0  # of the frames that are kept, those that were heard
    for piece in pieces:
        kept = piece if kept is None else torch.cat([kept, piece], 2)
        ready = kept.shape[2] - reach
        if ready <= done:
            continue
        yield _sound_between(model, kept, done, ready)
        first = max(0, ready - reach)
        kept = kept[..., first:]
        done = ready - first
    if kept is not None:
        yield _sound_between(model, kept, done, kept.shape[2])


@torch.inference_mode()
def _sound_between(model: EnCodec, codes: Tensor, first: int, last: int) -> Tensor:
    """The samples of some frames of codes (1, codebooks, frames)."""
    wave = model.decoder(model.quantizer.decode(codes))
    hop = model.samples_per_frame
    return wave[..., first * hop : last * hop]


def _alike(pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    """The pieces (1, codebooks, frames). Raises ValueError for one of another number of codebooks than the first."""
    first = None
    for piece in pieces:
        codebooks = piece.shape[1]
        first = first or codebooks
        if codebooks != first:
            raise ValueError(f"a piece of a stream has {codebooks} codebooks, and the first had {first}: give as many, codes.first({first}).")
        yield piece


def _in_wholes(work: Callable[[Tensor, Memory], Tensor], pieces: Iterable[Tensor], whole: int, least: int) -> Iterator[Tensor]:
    """`work` on what comes, `whole` samples or frames or a multiple of them at a time, on `least` of these at first, and on the rest at last."""
    memory: Memory = {}
    waiting: list[Tensor] = []
    needed = whole * least
    for piece in pieces:
        waiting.append(piece)
        length = sum(part.shape[-1] for part in waiting)
        if length < needed:
            continue
        together = torch.cat(waiting, -1)
        ready = length - length % whole
        yield work(together[..., :ready], memory)
        waiting = [together[..., ready:]]
        needed = whole
    rest = torch.cat(waiting, -1) if waiting else None
    if rest is not None and rest.shape[-1]:
        yield work(rest, memory)
