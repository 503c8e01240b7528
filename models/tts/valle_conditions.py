"""The condition of VALL-E, a text and the codes of a prompt; and utterances behind prompts, in training. Rows have unequal lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from modules.masks import valid


@dataclass(frozen=True)
class Condition:
    """`phone` (rows, tokens), of which `enrolled` (rows,) are said in the prompt, and its `codes` (rows, frames, codebooks), with their
    lengths `tokens` and `frames` (rows,)."""

    phone: Tensor
    tokens: Tensor
    enrolled: Tensor
    codes: Tensor
    frames: Tensor

    def repeated(self, times: int) -> Condition:
        """Each row so many times, one behind the other."""
        parts = (self.phone, self.tokens, self.enrolled, self.codes, self.frames)
        return Condition(*(part.repeat_interleave(times, 0) for part in parts))

    def longer(self, codes: Tensor, lengths: Tensor) -> Condition:
        """With `codes` behind the others."""
        together = concatenated(self.codes, self.frames, codes, lengths)
        return Condition(self.phone, self.tokens, self.enrolled, together, self.frames + lengths)

    def text(self, without_prompt: bool) -> tuple[Tensor, Tensor]:
        """Phones and their count, `without_prompt` those that are said there; the first token, which begins a text, stays."""
        if not without_prompt or not bool(self.enrolled.any()):
            return self.phone, self.tokens
        left_out = (self.enrolled - 1).clamp(min=0)
        tokens = self.tokens - left_out
        longest = int(tokens.max())
        places = torch.arange(longest, device=self.phone.device)
        behind = places + left_out[:, None]
        behind[:, 0] = 0
        last = self.phone.shape[1] - 1
        phone = self.phone.gather(1, behind.clamp(max=last))
        return phone, tokens


def concatenated(first: Tensor, first_lengths: Tensor, second: Tensor, second_lengths: Tensor) -> Tensor:
    """Each row of `second` (rows, places, channels) right behind that of `first`; what lies behind both has no meaning."""
    lengths = first_lengths + second_lengths
    longest = int(lengths.max())
    places = torch.arange(longest, device=first.device)
    places = places.expand(len(first), -1)
    behind = places - first_lengths[:, None]
    is_first = valid(first_lengths, longest)
    before = gathered(first, places)
    after = gathered(second, behind)
    return torch.where(is_first[..., None], before, after)


def gathered(values: Tensor, places: Tensor) -> Tensor:
    """`values` (rows, n, channels) at `places` (rows, m), (rows, m, channels); what lies outside is that of the nearest end."""
    last = values.shape[1] - 1
    inside = places.clamp(0, last)
    index = inside[..., None].expand(-1, -1, values.shape[2])
    return values.gather(1, index)


def places_from(first: Tensor, count: int) -> Tensor:
    """(rows, count): so many places from the `first` (rows,) on."""
    steps = torch.arange(count, device=first.device)
    return first[:, None] + steps


class Prefixed(NamedTuple):
    """`codes` (batch, places, codebooks) of which `lengths` (batch,) are real; what of them is a `prompt` and what is `wanted`, both
    (batch, places)."""

    codes: Tensor
    lengths: Tensor
    prompt: Tensor | None
    wanted: Tensor


def prepended(prompts: Tensor, counts: Tensor, codes: Tensor, frames: Tensor, wanted: Tensor) -> Prefixed:
    """Utterances (batch, frames, codebooks) behind `prompts` (batch, frames, codebooks); both with their lengths."""
    together = concatenated(prompts, counts, codes, frames)
    length = together.shape[1]
    lengths = counts + frames
    own = places_from(-counts, length)
    prompt = own < 0
    inside = valid(lengths, length)
    each = gathered(wanted[..., None], own)
    asked = each[..., 0] & inside
    return Prefixed(together, lengths, prompt, asked & ~prompt)
