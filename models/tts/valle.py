"""VALL-E: text and the codes of a few seconds of somebody to codes of the text in that voice (https://arxiv.org/abs/2301.02111).

One network draws the first codebook, code after code; the other adds the rest, a codebook at a time. Sound is a codec's (feature `codec`).
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from models.base.model import Model
from models.base.options import Deviation, Range
from models.tts.valle_conditions import Condition, Prefixed, concatenated, gathered, places_from, prepended
from models.tts.valle_networks import Autoregressive, Parallel
from models.tts.valle_sampling import Drawing, Sampling
from modules.language import DecoderSizes
from modules.masks import valid
from modules.noise import Noise
from utils.log import log

FRAMES_PER_TOKEN = 16  # that are drawn at most, as in the published program
Share = Annotated[float, Range("0 to 1 (1 is no limit)", below=1.0 + 1e-9)]
Count = Annotated[int, Range("0 (no limit) or above", below=float("inf"))]
Several = Annotated[int, Range("1 to 64", least=1, below=65)]


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """What the second network is given whole in training, all codebooks of it, as it is given a prompt in use.

    0: nothing. 1: how the utterance begins, a quarter to a half of the shortest, 3 s at most. 2: a stretch of the utterance, put before it.
    4: a stretch of what the loader draws (`train.prompt_from: "speaker"`), put before it; it then reads the text without the prompt's.
    """

    mode: Literal[0, 1, 2, 4] = 1
    longest: int = 225  # frames

    def __post_init__(self) -> None:
        if self.longest < 1:
            raise ValueError(f"prefix.longest: 1 frame or more is needed, got {self.longest}.")


class VALLE(Model):
    """Phones and codes (batch, frames, codebooks) to codes. The sizes are those of the published 367 M parameters.

    `nar_scale` is how many times as many channels, heads and layers the second network has. Without `prepend_bos` the first code cannot
    be predicted, so that there must be a prompt of a frame at least. Trained in the stages "ar" and "nar", or both at once.
    Raises ValueError when the settings do not fit together.
    """

    reads = ("phone", "codec")
    prompts = ("codec",)
    prompted_by = ("codec", "phone")
    tells_durations = False
    says_several = True
    tables = {"symbols": ("ar.text_embedding.weight", "nar.text_embedding.weight")}
    compiles = "nar.decoder.forward"

    def __init__(
        self,
        *,
        n_vocab: int,
        codebooks: int,
        codebook_size: int,
        sample_rate: int,
        hop_size: int,
        hidden: int = 1024,
        decoder: DecoderSizes = DecoderSizes(),
        nar_scale: float = 1.0,
        prenet: bool = False,
        prefix: Prefix = Prefix(),
        share_embedding: bool = True,
        prepend_bos: bool = False,
    ) -> None:
        super().__init__()
        if codebooks < 2:
            raise ValueError(f"VALLE predicts 2 codebooks or more, and the codec gives {codebooks}: raise preprocess.features.codec.bandwidth.")
        self.codebooks = codebooks
        self.codebook_size = codebook_size
        self.sample_rate = sample_rate
        self.hop_size = hop_size
        self.prefix = prefix
        common = {"n_vocab": n_vocab, "codebook_size": codebook_size, "prenet": prenet}
        self.ar = Autoregressive(channels=hidden, sizes=decoder, prepend_bos=prepend_bos, **common)
        heads = int(decoder.heads * nar_scale)
        layers = int(decoder.layers * nar_scale)
        sizes = DecoderSizes(layers=layers, heads=heads, dropout=decoder.dropout, norm_first=decoder.norm_first)
        channels = int(hidden * nar_scale)
        self.nar = Parallel(channels=channels, sizes=sizes, codebooks=codebooks, share_embedding=share_embedding, **common)

    # Training

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`ar` and `nar`, nats a code: of the first codebook, and of one of the others, which is drawn; of all others in eval mode.

        In the stages "ar" and "nar" the one alone.
        """
        codes = batch["codec"]
        self._check_codes(codes)
        inputs = (batch["phone"], batch["tokens"], codes, batch["frames"])
        losses = {}
        if self.stage != "nar":
            losses["ar"] = self._ar_loss(*inputs)
        if self.stage != "ar":
            losses["nar"] = self._nar_loss(*inputs, batch)
        return losses

    def _ar_loss(self, phone: Tensor, tokens: Tensor, codes: Tensor, frames: Tensor) -> Tensor:
        first = codes[..., 0]
        scores = self.ar(phone, tokens, first, frames)
        targets = self.ar.targets(first, frames)
        lengths = frames + self.ar.before
        inside = valid(lengths, targets.shape[1])
        return cross_entropy(scores, targets, inside)

    def _nar_loss(self, phone: Tensor, tokens: Tensor, codes: Tensor, frames: Tensor, batch: dict[str, Any]) -> Tensor:
        prefixed = self._prefixed(codes, frames, batch)
        stages = list(range(1, self.codebooks))
        if self.training:
            drawn = torch.randint(len(stages), ())
            stages = [stages[drawn]]
        losses = []
        for stage in stages:
            scores = self.nar(phone, tokens, prefixed.codes, prefixed.lengths, stage, prefixed.prompt)
            loss = cross_entropy(scores, prefixed.codes[..., stage], prefixed.wanted)
            losses.append(loss)
        return torch.stack(losses).mean()

    def _prefixed(self, codes: Tensor, frames: Tensor, batch: dict[str, Any]) -> Prefixed:
        """The input of the second network for each utterance, as `prefix.mode` says."""
        inside = valid(frames, codes.shape[1])
        mode = self.prefix.mode
        if mode == 0:
            return Prefixed(codes, frames, None, inside)
        if mode == 1:
            prompt = valid(self._beginnings(frames), codes.shape[1])
            return Prefixed(codes, frames, prompt, inside & ~prompt)
        if mode == 2:
            return self._with_stretch(codes, frames)
        counts = batch["prompt_frames"].clamp(max=self.prefix.longest)
        return prepended(batch["prompt_codec"], counts, codes, frames, inside)

    def _with_stretch(self, codes: Tensor, frames: Tensor) -> Prefixed:
        """A quarter of the shortest utterance from anywhere in each, in eval mode from its beginning; the stretch need not be predicted."""
        shortest = int(frames.min())
        count = max(1, min(shortest // 4, self.prefix.longest))
        share = torch.rand(frames.shape) if self.training else torch.zeros(frames.shape)
        room = frames - count + 1
        first = (share.to(frames.device) * room).long()
        counts = torch.full_like(frames, count)
        places = places_from(first, count)
        prompt = gathered(codes, places)
        length = codes.shape[1]
        inside = valid(frames, length)
        ahead = valid(first, length)
        not_behind = valid(first + counts, length)
        stretch = not_behind & ~ahead
        return prepended(prompt, counts, codes, frames, inside & ~stretch)

    def _beginnings(self, frames: Tensor) -> Tensor:
        """How many frames of each utterance are its prompt: in training a quarter to a half of the shortest, else a quarter."""
        least = int(frames.min()) // 4
        counts = torch.full(frames.shape, least)
        if self.training and least:
            counts = torch.randint(least, 2 * least, frames.shape)
        return counts.clamp(max=self.prefix.longest).to(frames.device)

    # Use

    @torch.inference_mode()
    def infer(
        self,
        phone: Tensor,
        prompt_codec: Tensor,
        prompt_tokens: Tensor | None = None,
        tokens: Tensor | None = None,
        prompt_frames: Tensor | None = None,
        *,
        temperature: Deviation = 1.0,
        top_k: Count = 0,
        top_p: Share = 1.0,
        repeats: Share = 1.0,
        hypotheses: Several = 1,
        precision: Literal["float32", "bfloat16"] = "float32",
        seed: int | None = None,
    ) -> dict[str, Tensor]:
        """`codes` (batch, frames, codebooks) with `frames` (batch,), and `likelihood` (batch,), the mean log-likelihood of a first code.

        `phone` (batch, tokens) is what is said in the prompt, `prompt_tokens` (batch,) of it, then what is to be said; `prompt_codec`
        (batch, frames, codebooks) are the prompt's codes, which are not given back. `tokens` and `prompt_frames` (batch,) are their lengths.
        A `temperature` below 1 keeps to what is likely, 0 always takes the likeliest; `top_k` and `top_p` leave out all codes but the
        likeliest: so many, or as many as make up that share of chance. `repeats` is the share of the last ten frames that one code may
        have before another is drawn. Of several `hypotheses`, drawn at once, the likeliest is said. `precision` "bfloat16" is faster on
        GPUs, and on processors that have it. The same `seed` says the same twice. A text that does not end is stopped after 16 frames a
        token, and the log says so. Raises ValueError for codes that no codec of this model's gives.
        """
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, repeats=repeats)
        condition = self._condition(phone, prompt_codec, prompt_tokens, tokens, prompt_frames)
        drawing = self._drawing(condition, sampling, hypotheses, precision)
        drawing.run(Noise(seed, device=phone.device), hypotheses)
        best = best_of(drawing.likelihood, hypotheses)
        lengths = drawing.lengths[best]
        longest = int(lengths.max())  # the other hypotheses may be longer
        first = drawing.drawn[best, :longest]
        self._name_endless(lengths, drawing.ended[best])
        codes = self.completed(condition, first, lengths)
        return {"codes": codes, "frames": lengths, "likelihood": drawing.likelihood[best]}

    @torch.inference_mode()
    def several(
        self,
        phone: Tensor,
        prompt_codec: Tensor,
        prompt_tokens: Tensor | None = None,
        tokens: Tensor | None = None,
        *,
        hypotheses: int,
        precision: Literal["float32", "bfloat16"] = "float32",
        seed: int | None = None,
        **sampling: float,
    ) -> dict[str, Tensor]:
        """All `hypotheses` of each text, text by text, for others to choose from; what `infer` gives and takes besides."""
        condition = self._condition(phone, prompt_codec, prompt_tokens, tokens, None)
        drawing = self._drawing(condition, Sampling(**sampling), hypotheses, precision)
        drawing.run(Noise(seed, device=phone.device), hypotheses)
        repeated = condition.repeated(hypotheses)
        codes = self.completed(repeated, drawing.drawn, drawing.lengths)
        return {"codes": codes, "frames": drawing.lengths, "likelihood": drawing.likelihood}

    @torch.inference_mode()
    def pieces(
        self,
        phone: Tensor,
        prompt_codec: Tensor,
        prompt_tokens: Tensor | None = None,
        *,
        chunk_frames: int,
        hypotheses: int = 1,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        repeats: float = 1.0,
        precision: Literal["float32", "bfloat16"] = "float32",
        seed: int | None = None,
    ) -> Iterator[Tensor]:
        """Codes (1, frames, codebooks) of one text as they come, `chunk_frames` at a time; see `infer`.

        The first codebook is that of `infer`. The others are added to each chunk alone, with all that was said before it as its prompt:
        they do not know what comes behind the chunk, and so are others than those of the whole. Memory and work for a chunk grow with
        what was said. Raises ValueError for several `hypotheses`: which is the best, is known when all are said.
        """
        if hypotheses > 1:
            raise ValueError(f"hypotheses: {hypotheses} cannot be streamed in pieces of a sentence: leave out chunk_seconds, or hypotheses.")
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, repeats=repeats)
        condition = self._condition(phone, prompt_codec, prompt_tokens, None, None)
        drawing = self._drawing(condition, sampling, 1, precision)
        done = 0
        for _ in drawing.steps(Noise(seed, device=phone.device), 1):
            count = len(drawing.history)
            if count - done < chunk_frames:
                continue
            condition, chunk = self._chunk(condition, drawing.drawn[:, done:])
            done = count
            yield chunk
        self._name_endless(drawing.lengths, drawing.ended)
        if len(drawing.history) > done:
            yield self._chunk(condition, drawing.drawn[:, done:])[1]

    def _chunk(self, condition: Condition, first: Tensor) -> tuple[Condition, Tensor]:
        """The codes of a chunk by its first codebook (1, frames), and the condition from then on: the chunk too."""
        lengths = torch.full((1,), first.shape[1], device=first.device)
        codes = self.completed(condition, first, lengths)
        return condition.longer(codes, lengths), codes

    def completed(self, condition: Condition, first: Tensor, lengths: Tensor) -> Tensor:
        """All codebooks (batch, frames, codebooks) of what goes on from the prompt with the first codebook (batch, frames)."""
        phone, tokens = condition.text(self.prefix.mode in (2, 4))
        begun = torch.zeros_like(first)[..., None].repeat(1, 1, self.codebooks)
        begun[..., 0] = first
        codes = concatenated(condition.codes, condition.frames, begun, lengths)
        total = condition.frames + lengths
        is_prompt = valid(condition.frames, codes.shape[1])
        prompt = is_prompt if self.prefix.mode else None
        for stage in range(1, self.codebooks):
            scores = self.nar(phone, tokens, codes, total, stage, prompt)
            likeliest = scores.argmax(-1)
            book = codes[..., stage]
            book[~is_prompt] = likeliest[~is_prompt]
        longest = first.shape[1]
        places = places_from(condition.frames, longest)
        behind = gathered(codes, places)
        inside = valid(lengths, longest)
        return behind * inside[..., None]

    def continual(self, phone: Tensor, codes: Tensor) -> Tensor:
        """The further codebooks of one utterance (1, frames, codebooks) worked out anew behind its beginning, half of it or 3 s at most.

        Returns (1, frames behind the beginning, codebooks); the first codebook stays as it is. The text is that of the whole.
        Raises ValueError for a single frame.
        """
        half = codes.shape[1] // 2
        if not half:
            raise ValueError(f"codes: 2 frames or more are needed, to go on from the first half of them, got {codes.shape[1]}.")
        count = min(half, self.prefix.longest)
        begun = codes[:, :count]
        rest = codes[:, count:, 0]
        condition = self._condition(phone, begun, None, None, None)
        lengths = torch.full_like(condition.frames, rest.shape[1])
        with torch.inference_mode():
            return self.completed(condition, rest, lengths)

    def _condition(
        self,
        phone: Tensor,
        codes: Tensor,
        prompt_tokens: Tensor | None,
        tokens: Tensor | None,
        frames: Tensor | None,
    ) -> Condition:
        """What was condition, for as many rows as there are texts. Raises ValueError for codes that are no use."""
        self._check_codes(codes)
        rows = len(phone)
        full = functools.partial(torch.full, (rows,), device=phone.device)
        tokens = full(phone.shape[1]) if tokens is None else tokens
        frames = full(codes.shape[1]) if frames is None else frames
        enrolled = full(0) if prompt_tokens is None else prompt_tokens
        if int(frames.min()) + self.ar.before < 1:
            raise ValueError("prompt: VALLE goes on from a frame of sound or more, and there is none: give a longer prompt.")
        codes = codes.expand(rows, -1, -1)
        return Condition(phone, tokens, enrolled.expand(rows), codes, frames.expand(rows))

    def _drawing(self, condition: Condition, sampling: Sampling, hypotheses: int, precision: str) -> Drawing:
        network = self.ar if precision == "float32" else self._half()
        repeated = condition.repeated(hypotheses)
        most = FRAMES_PER_TOKEN * repeated.tokens
        longest = most + 1 - self.ar.before
        return Drawing(network, repeated, longest, sampling)

    def _half(self) -> Autoregressive:
        """The first network in bfloat16. It is made anew each time, which is nothing beside drawing, so that it is never of older weights."""
        return copy.deepcopy(self.ar).to(torch.bfloat16)

    def _name_endless(self, lengths: Tensor, ended: Tensor) -> None:
        """Warns of what was stopped, of texts of these lengths (batch,)."""
        for frames in lengths[~ended].tolist():
            seconds = frames * self.hop_size / self.sample_rate
            log.warning(
                f"VALLE did not end a text by itself: it was stopped after {frames} frames ({seconds:.1f} s), {FRAMES_PER_TOKEN} for each "
                "token. What is said then is seldom right: try another seed, a lower top_p or temperature, or a shorter text."
            )

    def check_codec(self, codec: Any) -> None:
        """Raises ValueError for a codec that is not the one on whose codes it was trained."""
        own = {"rate": self.sample_rate, "hop_size": self.hop_size, "codebook_size": self.codebook_size}
        for name, value in own.items():
            if getattr(codec, name) != value:
                raise ValueError(
                    f"codec: the {name} of this one is {getattr(codec, name)}, and that of the codec on whose codes VALLE was trained {value}: "
                    "give that one as preprocess.features.codec.model, or put it into the folder AMPHION_MODELS as codec."
                )
        if codec.codebooks < self.codebooks:
            raise ValueError(f"codec: it has {codec.codebooks} codebooks, and VALLE speaks in {self.codebooks}: give the one of its training.")

    def _check_codes(self, codes: Tensor) -> None:
        """Raises ValueError for codes that are another codec's."""
        if codes.shape[-1] != self.codebooks:
            raise ValueError(
                f"codec: {codes.shape[-1]} codebooks are given, and this VALLE speaks in {self.codebooks}: set the codec's bandwidth to that "
                "with which it was trained, or take its codec."
            )
        least = int(codes.min())
        most = int(codes.max())
        if least < 0 or most >= self.codebook_size:
            raise ValueError(f"codec: codes are 0 to {self.codebook_size - 1} here, got {least} to {most}: they are another codec's.")


def best_of(likelihood: Tensor, hypotheses: int) -> Tensor:
    """The row of the likeliest of the hypotheses of each text."""
    by_text = likelihood.unflatten(0, (-1, hypotheses))
    first = torch.arange(len(by_text), device=likelihood.device) * hypotheses
    return first + by_text.argmax(1)


def cross_entropy(scores: Tensor, targets: Tensor, counts: Tensor) -> Tensor:
    """Nats a code, over the places (batch, places) that count."""
    each = F.cross_entropy(scores.float().transpose(1, 2), targets, reduction="none")
    return (each * counts).sum() / counts.sum().clamp(min=1)
