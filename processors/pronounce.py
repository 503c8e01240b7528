"""The parts of a line, text and phonemes, as the tokens of one model: how fast each is said, and which word it belongs to."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

import numpy as np

from preprocessors.base import Utterance
from processors.duration import silent
from processors.forms import WIDE
from processors.g2p import BOUNDARY, MARKS
from processors.markup import Said
from processors.phonemes import phones_of
from processors.sentences import HAN, words
from processors.text import SILENCE, Phones, as_textgrid

ENDS = (SILENCE, "<bos>", "<eos>")
# Marks that belong to what stands before.
LEADING = re.compile(rf"\s*[,.!?;:…]+(?=[\s\"'”’)\]{HAN}]|$)|\s*[{''.join(map(chr, WIDE))}]+")


@dataclass(frozen=True)
class Reading:
    """`tokens` (n,) strings, their `ids` (n,), or (2 n + 1,) with blanks, and how fast each is said, `rates` (n,)."""

    tokens: np.ndarray
    ids: np.ndarray
    rates: np.ndarray


@dataclass(frozen=True)
class Chunk:
    """The tokens of one part; `spaced`: a space stands before it; `marks`: it is nothing but marks."""

    part: Said
    tokens: list[str]
    spaced: bool
    marks: bool = False


class Reader:
    """Reads lines for the model whose feature `phone` is, in `language`."""

    def __init__(self, phone: Phones, language: str) -> None:
        self.phone, self.language = phone, language
        self.own = phone.symbols is None
        self.bounded = self.own or phone.g2p not in ("lexicon", "pinyin")  # published phones stand without boundaries
        self.plain = copy.copy(phone)
        self.text_language = "cmn" if phone.g2p == "pinyin" else phone.language or language  # what tells where sentences end
        self.plain.source = "text"  # with the boundaries between words, which a TextGrid does not have

    def read(self, parts: tuple[Said, ...]) -> Reading:
        """Raises ValueError for what cannot be said, or not by this model."""
        if not self.phone.table:
            raise ValueError("the model's card has no symbols (learned.phone.symbols): without them no text becomes its ids.")
        if len(parts) == 1 and not parts[0].phones:
            tokens = self.phone(self._utterance(parts[0].text))
            return Reading(tokens, self.phone.encode(tokens), np.full(len(tokens), parts[0].rate))
        return self._joined(self._chunks(parts))

    def words(self, parts: tuple[Said, ...]) -> list[tuple[str, int, int]]:
        """Each word with its first and the one after its last, counted in spoken tokens."""
        found, at = [], 0
        for chunk in self._chunks(parts):
            spoken = [token for token in chunk.tokens if not silent(token)]
            if chunk.part.phones:
                found.append((chunk.part.text or chunk.part.phones, at, at + len(spoken)))
            elif spoken:
                found += [(word, at + first, at + last) for word, first, last in self._inside(chunk)]
            at += len(spoken)
        return found

    def _utterance(self, text: str) -> Utterance:
        return Utterance(id="-", text=text.strip(), language=self.language)

    def _bare(self, text: str) -> list[str]:
        """The tokens of a text without those that only begin and end an utterance."""
        tokens = self.plain(self._utterance(text)).tolist()
        first, last = tokens[0] in ENDS, len(tokens) > 1 and tokens[-1] in ENDS
        return tokens[first : len(tokens) - last]

    def _chunks(self, parts: tuple[Said, ...]) -> list[Chunk]:
        found, spaced = [], False
        for part in parts:
            if part.phones:
                found.append(Chunk(part, phones_of(part.phones, part.alphabet, self.phone), spaced or _han(part.text[:1])))
                spaced = _han(part.text[-1:])
                continue
            leading = LEADING.match(part.text) if found else None
            body = part.text[leading.end() :] if leading else part.text
            if leading:
                found.append(Chunk(part, self._marks(leading[0]), False, marks=True))
            if body.strip():
                found.append(self._chunk(part, body, spaced))
            spaced = part.text[-1:].isspace() or _han(part.text[-1:]) or (spaced and not part.text.strip())
        return found

    def _chunk(self, part: Said, text: str, spaced: bool) -> Chunk:
        if any(c.isalnum() for c in text):
            last = text.rstrip()[-1] if self._drops_last else ""
            return Chunk(part, self._bare(text) + self._marks(last), spaced or text[:1].isspace() or _han(text[:1]))
        return Chunk(part, self._marks(text), spaced, marks=True)

    @property
    def _drops_last(self) -> bool:
        """True for the front ends of published models that say no pause where a text ends."""
        return not self.own and self.phone.g2p == "lexicon"

    def _marks(self, text: str) -> list[str]:
        """Marks as the model has them."""
        text = text.translate(WIDE)
        if self.own:
            return [c for c in text if c in MARKS][:1]
        if not self.bounded:
            pause = [s for s in ("@sp", "sp") if s in self.phone.ids]
            return pause if any(c in MARKS for c in text) else []
        return [c for c in text.strip() if c in self.phone.ids]

    def _joined(self, chunks: list[Chunk]) -> Reading:
        tokens: list[str] = []
        rates: list[float] = []  # of the spoken tokens: these stay when a TextGrid's form loses others
        for chunk in chunks:
            if tokens and chunk.spaced and not chunk.marks and self._parted_after(tokens[-1]):
                tokens.append(self._boundary)
            tokens += chunk.tokens
            rates += [chunk.part.rate] * sum(not silent(token) for token in chunk.tokens)
        tokens = np.array(self._enclosed(tokens))
        if not rates:
            raise ValueError(f"the text {''.join(chunk.part.text for chunk in chunks)!r} holds nothing that can be spoken.")
        said = np.cumsum([not silent(token) for token in tokens]).clip(1) - 1  # a pause goes with what is before
        return Reading(tokens, self.phone.encode(tokens), np.array(rates)[said])

    @property
    def _boundary(self) -> str:
        return BOUNDARY if self.own or self.phone.symbols == "amphion-espeak" else " "

    def _parted_after(self, token: str) -> bool:
        """Whether a boundary follows `token`: not where a mark already parts our words, nor in tables of phones alone."""
        if self.own:
            return token not in MARKS
        return self.bounded and self._boundary in self.phone.ids

    def _enclosed(self, tokens: list[str]) -> list[str]:
        if self.own:
            return as_textgrid(tokens) if self.phone.source == "textgrid" else [SILENCE, *tokens, SILENCE]
        if self._drops_last:
            while tokens and tokens[-1].lstrip("@") == "sp":
                tokens.pop()
        return ["<bos>", *tokens, "<eos>"] if self.phone.symbols == "amphion-espeak" else tokens

    def _inside(self, chunk: Chunk) -> list[tuple[str, int, int]]:
        """The words of a chunk: its runs between boundaries where they are as many, else whatever sounds alike."""
        named = words(chunk.part.text)
        sizes = [len(list(run)) for quiet, run in groupby(chunk.tokens, silent) if not quiet]
        if len(sizes) == len(named):
            stops = np.cumsum([0, *sizes]).tolist()
            return list(zip(named, stops[:-1], stops[1:], strict=True))
        spoken = [token for token in chunk.tokens if not silent(token)]
        return by_sound(named, spoken, self._alone)

    def _alone(self, word: str) -> list[str]:
        try:
            return [token for token in self._bare(word) if not silent(token)]
        except ValueError:  # a bare sign, said only beside others
            return []


def _han(character: str) -> bool:
    """True for a character that is a word of its own, with or without a space beside it."""
    return bool(re.match(f"[{HAN}]", character))


def by_sound(named: list[str], spoken: list[str], alone: Callable[[str], list[str]]) -> list[tuple[str, int, int]]:
    """Which of the `spoken` tokens each word has, by comparing them with each word `alone`; one not heard joins the word before."""
    known = {word: alone(word) for word in dict.fromkeys(named)}
    guess = [(i, token) for i, word in enumerate(named) for token in known[word]]
    if not guess:
        return [(" ".join(named), 0, len(spoken))] if named and spoken else []
    owner = np.zeros(len(spoken), dtype=int)
    for _, a, b, c, d in SequenceMatcher(a=[t for _, t in guess], b=spoken, autojunk=False).get_opcodes():
        for place in range(c, d):
            like = a + (place - c) * (b - a) // (d - c) if b > a else max(a - 1, 0)
            owner[place] = guess[like][0]
    firsts = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(spoken)]
    bounds = [0, *owner[firsts[1:-1]].tolist(), len(named)]  # the words from one run's to the next
    labels = [" ".join(named[a:b]) for a, b in zip(bounds, bounds[1:], strict=False)]
    return list(zip(labels, firsts, firsts[1:], strict=False))
