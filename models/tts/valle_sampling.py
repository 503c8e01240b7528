"""How the first codebook is drawn, code after code, for several texts at once: what may be drawn, when it ends, and how likely it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.tts.valle_conditions import Condition
from models.tts.valle_networks import Autoregressive
from modules.language import Cache
from modules.masks import valid
from modules.noise import Noise

GROWTH = 512  # places by which a cache is made longer
NEVER = float("-inf")


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What is drawn from: scores over `temperature`, of the `top_k` likeliest codes (0 is all), of those that make up `top_p` together.

    A code that was drawn in more than `repeats` of the last `window` frames is drawn again, from all codes; 1 is never.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repeats: float = 1.0
    window: int = 10

    def drawn(self, scores: Tensor, uniform: Tensor) -> Tensor:
        """A code (rows,) by scores (rows, codes) and a number from 0 to 1 for each row."""
        if self.temperature == 0 or self.top_k == 1:
            return scores.argmax(-1)
        kept = self._kept(scores / self.temperature)
        return by_chance(kept, uniform)

    def _kept(self, scores: Tensor) -> Tensor:
        """The scores, those of codes that cannot be drawn far below all others."""
        if 0 < self.top_k < scores.shape[-1]:
            least = scores.topk(self.top_k).values[..., -1:]
            scores = scores.masked_fill(scores < least, NEVER)
        if self.top_p < 1:
            ordered, order = scores.sort(descending=True)
            chances = ordered.softmax(-1)
            before = chances.cumsum(-1) - chances
            beyond = before >= self.top_p
            beyond[..., 0] = False  # the likeliest is always there, were the share 0
            ordered = ordered.masked_fill(beyond, NEVER)
            scores = torch.empty_like(scores).scatter(-1, order, ordered)
        return scores

    def repeated(self, code: Tensor, recent: list[Tensor]) -> Tensor:
        """Whether each row's code (rows,) was drawn too often of late."""
        if self.repeats >= 1 or not recent:
            return torch.zeros_like(code, dtype=torch.bool)
        newest = recent[-self.window :]
        last = torch.stack(newest, 1)
        same = last == code[:, None]
        share = same.sum(1) / self.window
        return share > self.repeats


def by_chance(scores: Tensor, uniform: Tensor) -> Tensor:
    """The code (rows,) at which the chances, added up in order, pass the number (rows,)."""
    sums = scores.double().softmax(-1).cumsum(-1)
    reached = uniform.double()[:, None] * sums[:, -1:]
    place = torch.searchsorted(sums, reached, right=True)[:, 0]
    return place.clamp(max=scores.shape[-1] - 1)


class Drawing:
    """The first codebook of several rows, each with a text and the codes that it goes on from, a frame at a time.

    `longest` (rows,) codes are drawn at most. After `run`: `drawn` (rows, steps) codes, `lengths` (rows,), `likelihood` (rows,) the mean
    log-likelihood of a code, `ended` (rows,) whether a row ended by itself.
    """

    def __init__(self, network: Autoregressive, condition: Condition, longest: Tensor, sampling: Sampling) -> None:
        self.network = network
        self.sampling = sampling
        self.longest = longest
        self.text = condition.phone.shape[1]
        self.lengths = torch.zeros_like(condition.frames)
        self.sums = torch.zeros_like(condition.frames, dtype=torch.float32)
        self.ended = torch.zeros_like(condition.frames, dtype=torch.bool)
        self.stopped = torch.zeros_like(self.ended)
        self.history: list[Tensor] = []
        self._places = condition.frames + network.before
        self._real = _real_text(condition.tokens, self.text)
        self._begin(condition)

    def _begin(self, condition: Condition) -> None:
        """The first scores, with the whole condition in the cache."""
        network = self.network
        codes = condition.codes[..., 0]
        size = self.text + codes.shape[1] + network.before
        most = int(self.longest.max())
        room = min(most, GROWTH)
        weight = network.predict_layer.weight
        rows = torch.arange(len(codes), device=codes.device)
        self.cache = Cache(network.decoder, len(rows), size + room, weight)
        scores = network(condition.phone, condition.tokens, codes, condition.frames, self.cache)
        last = self._places - 1
        self.scores = scores[rows, last]

    @property
    def drawn(self) -> Tensor:
        return torch.stack(self.history, 1)

    @property
    def likelihood(self) -> Tensor:
        return self.sums / (self.lengths + self.ended).clamp(min=1)

    def run(self, noise: Noise, hypotheses: int) -> None:
        """To the end of all rows."""
        for _ in self.steps(noise, hypotheses):
            pass

    def steps(self, noise: Noise, hypotheses: int) -> Iterator[int]:
        """Draws to the end, giving how many frames there are so far. Rows go text by text, `hypotheses` of each.

        Each text has the same numbers by chance, so that it does not matter which others are drawn with it.
        """
        texts = len(self.scores) // hypotheses
        while not bool(self.stopped.all()):
            uniform = noise.uniform(hypotheses, 2).repeat(texts, 1)
            code = self._draw(uniform)
            if bool(self.stopped.all()):
                return
            self.history.append(code)
            yield len(self.history)
            self._advance(code)

    def _draw(self, uniform: Tensor) -> Tensor:
        """The next code of each row; rows that end now are marked so."""
        end = self.network.end
        scores = self.scores.float()
        if not self.history:  # nothing at all is no sound
            scores[:, end] = NEVER
        first, second = uniform.unbind(1)
        code = self.sampling.drawn(scores, first)
        again = self.sampling.repeated(code, self.history)
        if bool(again.any()):
            code = torch.where(again, by_chance(scores, second), code)
        ends = (code == end) | (scores.argmax(-1) == end)
        full = self.lengths >= self.longest
        going = ~self.stopped
        self._weigh(scores, torch.where(ends, end, code), going & ~(full & ~ends))
        self.ended |= going & ends
        self.stopped |= ends | full
        self.lengths += ~self.stopped
        return torch.where(self.stopped, 0, code)

    def _weigh(self, scores: Tensor, code: Tensor, counts: Tensor) -> None:
        likely = scores.log_softmax(-1).gather(1, code[:, None])[:, 0]
        self.sums += torch.where(counts, likely, 0.0)

    def _advance(self, code: Tensor) -> None:
        """The scores of what comes behind `code`."""
        places = self._places
        last = int(places.max())
        end = self.text + last + 1
        self.cache.reserve(end, GROWTH)
        together = int(places.min()) == last
        place = self.text + (last if together else places)
        self.cache.at(place, end)
        seen = None
        if not together or self._real is not None:
            seen = self._seen(places, last + 1)
        self.scores = self.network.step(code, places, seen, self.cache)
        self._places = places + 1

    def _seen(self, places: Tensor, longest: int) -> Tensor:
        """(rows, 1, 1, places): the real tokens of each text, and its codes up to the newest."""
        sound = valid(places + 1, longest)
        text = self._real
        if text is None:
            text = torch.ones(len(places), self.text, dtype=torch.bool, device=places.device)
        return torch.cat([text, sound], 1)[:, None, None]


def _real_text(tokens: Tensor, longest: int) -> Tensor | None:
    """(rows, longest) True where a token is real; None where all are."""
    real = valid(tokens, longest)
    return None if bool(real.all()) else real
