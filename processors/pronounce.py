"""The parts of a line, text and phonemes, as the tokens of one model: how fast each is said, and which word it belongs to."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain, groupby, pairwise

import numpy as np

from preprocessors.base import Utterance
from processors.duration import silent
from processors.forms import WIDE
from processors.g2p import BOUNDARY, MARKS
from processors.lexicon.published import PIPER_BEGIN, PIPER_END
from processors.markup import Said
from processors.phonemes import phones_of
from processors.sentences import HAN, words
from processors.text import SILENCE, Phones, as_textgrid

Span = tuple[str, int, int]  # a word, its first token and the one behind its last
ENCLOSING = {"amphion-espeak": (["<bos>"], ["<eos>"]), "piper": ([PIPER_BEGIN], [PIPER_END])}
ENDS = (SILENCE, "<bos>", "<eos>", PIPER_BEGIN, PIPER_END)
# Marks that belong to what stands before.
LEADING = re.compile(rf"\s*[,.!?;:…]+(?=[\s\"'”’)\]{HAN}]|$)|\s*[{''.join(map(chr, WIDE))}]+")


@dataclass(frozen=True)
class Reading:
    """`tokens` (n,) strings, their `ids` (n,), or more with blanks (`processors.text.places_of`), and how fast each is said, `rates` (n,)."""

    tokens: np.ndarray
    ids: np.ndarray
    rates: np.ndarray


@dataclass(frozen=True)
class Stretch:
    """The tokens of one part; `spaced`: a space stands before it; `marks`: it is nothing but marks."""

    part: Said
    tokens: list[str]
    spaced: bool
    marks: bool = False


class Tokeniser:
    """Turns lines into tokens for the model whose feature `phone` is, in `language`."""

    def __init__(self, phone: Phones, language: str) -> None:
        self.phone = phone
        self.language = language
        self.own = phone.symbols is None
        self.bounded = self.own or phone.g2p not in ("lexicon", "pinyin")  # published phones stand without boundaries
        self.plain = copy.copy(phone)
        self.text_language = "cmn" if phone.g2p == "pinyin" else phone.language or language  # what tells where sentences end
        self.plain.source = "text"  # with the boundaries between words, which a TextGrid does not have

    def tokenise(self, parts: tuple[Said, ...]) -> Reading:
        """Raises ValueError for what cannot be said, or not by this model."""
        if not self.phone.table:
            raise ValueError("the model's card has no symbols (learned.phone.symbols): without them no text becomes its ids.")
        if len(parts) == 1 and not parts[0].phones:
            part = parts[0]
            tokens = self.phone(self._utterance(part.text))
            rates = np.full(len(tokens), part.rate)
            return Reading(tokens, self.phone.encode(tokens), rates)
        return self._joined(self._stretches(parts))

    def words(self, parts: tuple[Said, ...]) -> list[Span]:
        """Each word with its first and the one after its last, counted in spoken tokens."""
        named = []
        start = 0
        for stretch in self._stretches(parts):
            part = stretch.part
            size = len(_spoken(stretch.tokens))
            if part.phones:
                named.append((part.text or part.phones, start, start + size))
            elif size:
                named += [(word, start + first, start + last) for word, first, last in self._inside(stretch)]
            start += size
        return named

    def beginning(self, parts: tuple[Said, ...]) -> int:
        """How many tokens these parts are at the beginning of a longer line. Raises ValueError as `tokenise` does."""
        tokens = self._joined(self._stretches(parts)).tokens
        return len(tokens) - 1 if tokens[-1] in ENDS else len(tokens)

    def _utterance(self, text: str) -> Utterance:
        return Utterance(id="-", text=text.strip(), language=self.language)

    def _bare(self, text: str) -> list[str]:
        """The tokens of a text without those that only begin and end an utterance."""
        tokens = self.plain(self._utterance(text)).tolist()
        if len(tokens) > 1 and tokens[-1] in ENDS:
            tokens.pop()
        return tokens[1:] if tokens[0] in ENDS else tokens

    def _stretches(self, parts: tuple[Said, ...]) -> list[Stretch]:
        stretches: list[Stretch] = []
        spaced = False
        for part in parts:
            if part.phones:
                tokens = phones_of(part.phones, part.alphabet, self.phone)
                stretches.append(Stretch(part, tokens, spaced or _is_han(part.text[:1])))
                spaced = _is_han(part.text[-1:])
                continue
            text = part.text
            leading = LEADING.match(text) if stretches else None
            if leading:
                stretches.append(Stretch(part, self._marks(leading[0]), False, marks=True))
                text = text[leading.end() :]
            if text.strip():
                stretches.append(self._stretch(part, text, spaced))
            spaced = _parts_after(part.text) or (spaced and not part.text.strip())
        return stretches

    def _stretch(self, part: Said, text: str, spaced: bool) -> Stretch:
        if not any(map(str.isalnum, text)):
            return Stretch(part, self._marks(text), spaced, marks=True)
        tokens = self._bare(text)
        if self._drops_last:
            tokens += self._marks(text.rstrip()[-1])
        begins_apart = text[:1].isspace() or _is_han(text[:1])
        return Stretch(part, tokens, spaced or begins_apart)

    @property
    def _drops_last(self) -> bool:
        """True for the front ends of published models that say no pause where a text ends."""
        return not self.own and self.phone.g2p == "lexicon"

    def _marks(self, text: str) -> list[str]:
        """Marks as the model has them."""
        text = text.translate(WIDE)
        marks = [sign for sign in text if sign in MARKS]
        if self.own:
            return marks[:1]
        if not self.bounded:
            pause = [symbol for symbol in ("@sp", "sp") if symbol in self.phone.ids]
            return pause if marks else []
        return [sign for sign in text.strip() if sign in self.phone.ids]

    def _joined(self, stretches: list[Stretch]) -> Reading:
        tokens: list[str] = []
        rates: list[float] = []  # of the spoken tokens: these stay when a TextGrid's form loses others
        for stretch in stretches:
            begins_word = stretch.spaced and not stretch.marks
            if tokens and begins_word and self._parted_after(tokens[-1]):
                tokens.append(self._boundary)
            tokens += stretch.tokens
            rates += [stretch.part.rate] * len(_spoken(stretch.tokens))
        enclosed = np.array(self._enclosed(tokens))
        if not rates:
            raise ValueError(f"the text {''.join(stretch.part.text for stretch in stretches)!r} holds nothing that can be spoken.")
        is_spoken = [not silent(token) for token in enclosed]
        owner = np.cumsum(is_spoken).clip(1) - 1  # a pause goes with what is before
        return Reading(enclosed, self.phone.encode(enclosed), np.array(rates)[owner])

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
        begin, end = ENCLOSING.get(self.phone.symbols, ([], []))
        return [*begin, *tokens, *end]

    def _inside(self, stretch: Stretch) -> list[Span]:
        """The words of a stretch of text: its runs between boundaries where they are as many, else whatever sounds alike."""
        named = words(stretch.part.text)
        runs = groupby(stretch.tokens, silent)
        sizes = [len(list(run)) for is_silent, run in runs if not is_silent]
        if len(sizes) != len(named):
            return by_sound(named, _spoken(stretch.tokens), self._alone)
        bounds = np.cumsum([0, *sizes]).tolist()
        return _between(bounds, named)

    def _alone(self, word: str) -> list[str]:
        try:
            return _spoken(self._bare(word))
        except ValueError:  # a bare sign, said only beside others
            return []


def _spoken(tokens: list[str]) -> list[str]:
    return [token for token in tokens if not silent(token)]


def _is_han(character: str) -> bool:
    """True for a character that is a word of its own, with or without a space beside it."""
    return bool(re.match(f"[{HAN}]", character))


def _parts_after(text: str) -> bool:
    """Whether a word behind `text` is another one than its last."""
    return text[-1:].isspace() or _is_han(text[-1:])


def by_sound(named: list[str], spoken: list[str], alone: Callable[[str], list[str]]) -> list[Span]:
    """Which of the `spoken` tokens each word has, by comparing them with each word `alone`.

    A word without a token joins the word before.
    """
    different = set(named)
    known = {word: alone(word) for word in different}
    expected = [known[word] for word in named]
    if not any(expected):
        whole = (" ".join(named), 0, len(spoken))
        return [whole] if named and spoken else []
    owner = _owners(expected, spoken)
    steps = np.diff(owner)
    changes = np.flatnonzero(steps) + 1
    owners = owner[changes].tolist()
    first_words = [0, *owners, len(named)]
    labels = []
    for first, last in pairwise(first_words):
        label = " ".join(named[first:last])
        labels.append(label)
    places = [0, *changes.tolist(), len(spoken)]
    return _between(places, labels)


def _between(bounds: list[int], labels: list[str]) -> list[Span]:
    """Each label with its first place and the one behind its last."""
    return [(label, first, last) for label, (first, last) in zip(labels, pairwise(bounds), strict=True)]


def _owners(expected: list[list[str]], spoken: list[str]) -> np.ndarray:
    """For each spoken token, the word that it belongs to; `expected` has the tokens of each word."""
    words_of_tokens = np.repeat(np.arange(len(expected)), list(map(len, expected)))
    tokens = list(chain.from_iterable(expected))
    return words_of_tokens[_counterparts(tokens, spoken)]


def _counterparts(expected: list[str], spoken: list[str]) -> np.ndarray:
    """For each spoken token, the place of the expected one that it stands for."""
    places = np.zeros(len(spoken), dtype=int)
    matcher = SequenceMatcher(a=expected, b=spoken, autojunk=False)
    for _, first, last, start, stop in matcher.get_opcodes():
        steps = np.arange(stop - start)
        if last > first:
            places[start:stop] = first + steps * (last - first) // max(stop - start, 1)
        else:
            places[start:stop] = max(first - 1, 0)
    return places
