"""Rules that turn what is written into what is read: each a pattern and its words, or a function that gives them, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

Words = str | Callable[[re.Match], str]
Rule = tuple[str, Words]


def compiled(rules: Iterable[Rule]) -> list[tuple[re.Pattern[str], Words]]:
    """The rules with their patterns ready to use."""
    return [(re.compile(pattern), words) for pattern, words in rules]


def applied(rules: Iterable[tuple[re.Pattern[str], Words]], text: str) -> str:
    """`text` after one rule after another."""
    for pattern, words in rules:
        text = pattern.sub(words, text)
    return text


def any_of(words: Iterable[str]) -> str:
    """A pattern for any of the words, the longest first."""
    longest_first = sorted(words, key=len, reverse=True)
    return "|".join(map(re.escape, longest_first))
