"""Text as the tokens a model reads: `Phones` turns an utterance into symbols, and symbols into ids."""

from __future__ import annotations

from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from preprocessors.base import Utterance
from processors import g2p as sounds
from processors.chinese import packages, pinyin
from processors.feature import Feature
from processors.store import textgrid_of
from utils.audio import Audio
from utils.log import log
from utils.parallel import parallel
from utils.registry import nearest

if TYPE_CHECKING:
    from processors.features import FeatureSet

SILENCE = "sil"
PAD = "<pad>"
PAUSES = frozenset({SILENCE, sounds.BOUNDARY, *sounds.MARKS})  # tokens that may last no time at all
LEARNED = ("amphion-espeak", "letters", "piper")  # ways to read for which the symbols are found in the data
MADE_WITH = {  # symbols: what can have turned words into them
    "amphion": ["lexicon", "characters"],
    "amphion-espeak": ["espeak"],
    "amphion-letters": ["lexicon"],
    "letters": ["characters"],
    "ming024": ["lexicon", "characters", "pinyin"],
    "naturalspeech2": ["lexicon"],
    "piper": ["espeak", "characters"],
    "vits": ["espeak"],
}


class Phones(Feature):
    """The tokens of an utterance, (tokens,) strings; `encode` makes them int64 ids.

    `g2p`: who turns words into phones; "pinyin" is for Chinese. `language` is that of the texts, as espeak calls it ("de", "fr",
    "cmn"); "" is what the corpus says, English where it says nothing. `source`: "textgrid" takes the tokens from the corpus's
    own phone times, so that each has a length; at inference, where there is only text, punctuation then becomes "sil" and word
    boundaries go, as in a TextGrid. `lexicon`: a file for g2p "lexicon", and of words that "pinyin" is to read otherwise.
    `blanks` puts id 0 around every token (VITS), or "between" them (Piper).
    `symbols` names a published table and with it the exact tokens of its models: "vits" (jaywalnut310), "amphion",
    "ming024", "naturalspeech2", "amphion-espeak" (Amphion's VITS and VALL-E, whose table is learnt from the data),
    "amphion-letters" (its first VITS, which read the phones of a lexicon as letters), "letters" (those of the text that the
    table learnt from the data has: transformers' VITS), or "piper" (characters of espeak's phones, or of the text).
    Without it, tokens start and end with "sil", and the table is "<pad>" and all that occurs, sorted.
    """

    axis = "token"
    of = "text"
    gives = ("n_vocab",)
    kept = True
    kind = "U"
    edition = 2

    def __init__(
        self,
        *,
        g2p: Literal["espeak", "lexicon", "characters", "pinyin"] = "espeak",
        source: Literal["text", "textgrid"] = "text",
        lexicon: str | None = None,
        symbols: Literal["amphion", "amphion-espeak", "amphion-letters", "letters", "ming024", "piper", "vits", "naturalspeech2"]
        | None = None,
        blanks: bool | Literal["between"] = False,
        language: str = "",
    ) -> None:
        self.g2p = g2p
        self.source = source
        self.lexicon = lexicon
        self.symbols = symbols
        self.blanks = blanks
        self.own_language = language
        self.language = language  # or what `fit` learnt
        self._check()
        self.table: list[str] = []
        if symbols and symbols not in LEARNED:
            from processors.lexicon.published import TABLES

            table_of = TABLES["amphion" if symbols == "amphion-letters" else symbols]
            self._set(table_of())

    def _check(self) -> None:
        allowed = MADE_WITH[self.symbols] if self.symbols else [self.g2p]
        if self.g2p not in allowed:
            raise ValueError(f"phone.g2p: symbols {self.symbols!r} were made with {' or '.join(allowed)}, got {self.g2p!r}.")
        if self.symbols and self.source == "textgrid":
            raise ValueError(f"phone.source: symbols {self.symbols!r} come from text; leave source at \"text\".")
        if self.lexicon and self.g2p not in ("lexicon", "pinyin"):
            raise ValueError(f"phone.lexicon: only g2p \"lexicon\" and \"pinyin\" read one, got g2p {self.g2p!r}.")

    @property
    def facts(self) -> dict[str, Any]:
        return {"n_vocab": len(self.table)} if self.table else {}

    def __call__(self, utterance: Utterance, audio: Audio | None = None) -> np.ndarray:
        """Tokens as strings. Raises ValueError when the text is empty or holds nothing that can be spoken."""
        if self.source == "textgrid" and utterance.textgrid:
            return np.array(textgrid_tokens(utterance.textgrid))
        language = self.language or utterance.language
        tokens_of = self.published if self.symbols else self.own
        return np.array(tokens_of(utterance.text, language))

    def basis(self, utterance: Utterance) -> Any:
        if self.source == "textgrid" and utterance.textgrid:
            return textgrid_of(utterance)
        return [utterance.text, self.language or utterance.language]

    def problem(self, array: np.ndarray) -> str:
        return super().problem(array) or ("" if len(array) else "holds no token")

    def check_language(self, language: str) -> None:
        """Raises ValueError where this front end reads another language alone."""
        published = "en-us" if self.symbols and self.symbols not in ("letters", "piper") else ""
        alone = self.language or ("cmn" if self.g2p == "pinyin" else published)
        if alone and language != alone:
            raise ValueError(f"language: this model reads {alone!r} alone, leave {language!r} out.")

    def own(self, text: str, language: str) -> list[str]:
        """Tokens of our own models."""
        if self.g2p == "lexicon":
            tokens = sounds.lexicon(text, language, path=self.lexicon)
        elif self.g2p == "pinyin":
            tokens = pinyin(text, path=self.lexicon)
        else:
            tokens = {"espeak": sounds.espeak, "characters": sounds.characters}[self.g2p](text, language)
        if self.source == "textgrid":
            return as_textgrid(tokens)
        return [SILENCE, *tokens, SILENCE]

    def published(self, text: str, language: str = "en-us") -> list[str]:
        """Tokens of the models whose table `symbols` names."""
        from processors.lexicon import published

        if self.symbols == "letters":
            return self._letters(sounds.clean(text, language))
        if self.symbols == "piper":
            letters = published.piper(sounds.clean(text, language), language, phones=self.g2p == "espeak")
            known = [letter for letter in letters if letter in self.ids] if self.table else letters
            return [published.PIPER_BEGIN, *known, published.PIPER_END]
        if self.symbols == "amphion-espeak":
            return ["<bos>", *published.espeak_tokens(sounds.clean(text)), "<eos>"]
        if self.symbols == "vits":
            known = set(self.table) - {"_"}  # what the table lacks was never said: old espeaks dropped brackets
            letters = published.english_cleaners2(sounds.clean(text))
            return [letter for letter in letters if letter in known]
        if self.g2p == "pinyin":
            tokens = [token for token in pinyin(text, path=self.lexicon) if token != sounds.BOUNDARY]
            return ["@sp" if token in sounds.MARKS else f"@{token}" for token in tokens]
        if self.g2p == "characters":
            return published.characters(text)
        phones = sounds.published_lexicon(text, path=self.lexicon)
        if self.symbols == "amphion-letters":
            return published.characters(" ".join(phones))
        return phones if self.symbols == "naturalspeech2" else ["@" + phone for phone in phones]

    def _letters(self, text: str) -> list[str]:
        if not self.table:
            return list(text.lower())
        letters = [letter if letter in self.ids else letter.lower() for letter in text]
        known = [letter for letter in letters if letter in self.ids]  # the rest is not said, as where these models come from
        if not any(map(str.isalnum, known)):
            raise ValueError(f"phone: the model has no letter of the text {text!r}: is it in another script or language?")
        return known

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Computes (and keeps) the tokens of the corpus, and gives the table of its symbols."""
        self.language = self.own_language
        if self.symbols and self.symbols not in LEARNED:
            return {"symbols": self.table}
        if self.g2p == "pinyin":
            packages()  # said once, and not as a fault of every utterance
        tokens, lost = self._tokens_of(utterances, features, jobs, cluster)
        learned = self._table_of(tokens)
        languages = {utterance.language for utterance in utterances}
        if len(languages) == 1 and languages != {Utterance.language}:
            learned["language"] = languages.pop()
        if lost:
            learned["lost"] = lost
        return learned

    def _tokens_of(
        self, utterances: list[Utterance], features: FeatureSet, jobs: int, cluster: str
    ) -> tuple[list[list[str]], int]:
        """The tokens of each utterance that has some, and how many were lost with their process. Raises ValueError for none at all."""
        lost: list[str] = []

        def lose(_: Utterance, reason: str) -> str:
            lost.append(reason)
            return reason

        results = list(parallel(partial(_tokens, features), utterances, what="phones", jobs=jobs, cluster=cluster, lost=lose))
        failed = [result for result in results if isinstance(result, str)]
        if len(failed) == len(results):
            first = f" The first: {failed[0]}" if failed else ""
            raise ValueError(f"phone: none of {len(failed)} utterances gave tokens: do the manifests hold text?{first}")
        if failed:
            log.warning(f"phone: {len(failed)} of {len(results)} utterances give no tokens; the extract stage lists them.")
        return [result for result in results if not isinstance(result, str)], len(lost)

    def _table_of(self, tokens: list[list[str]]) -> dict[str, Any]:
        symbols = set(chain.from_iterable(tokens))
        if self.symbols == "letters":
            return {"symbols": [PAD, *sorted(symbols)]}
        if self.symbols == "piper":
            from processors.lexicon.published import piper_table

            return {"symbols": piper_table(symbols)}
        if self.symbols == "amphion-espeak":
            from processors.lexicon.published import espeak_table

            return {"symbols": espeak_table(symbols - {"<bos>", "<eos>"})}
        # A TextGrid need not hold a pause, and yet a reader may ask for one.
        return {"symbols": [PAD, *sorted(symbols | {SILENCE})]}

    def whole(self, learned: dict[str, Any], folder: Path) -> bool:
        symbols = learned.get("symbols")
        return isinstance(symbols, list) and bool(symbols) and all(isinstance(symbol, str) for symbol in symbols)

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        if learned.get("symbols"):
            self._set(learned["symbols"])
        self.language = self.own_language or learned.get("language", "")  # a model that learnt German speaks it

    def _set(self, symbols: list[str]) -> None:
        from processors.lexicon.published import index

        self.table = list(symbols)
        self.ids = index(symbols)

    def encode(self, tokens: np.ndarray) -> np.ndarray:
        """Ids (tokens,), or (2 tokens + 1,) with blanks, (2 tokens - 1,) with those between. Raises ValueError for a symbol it lacks."""
        if not self.table:
            raise ValueError("phone: no symbol table yet: run the extract stage first (run.sh --stage 1).")
        unknown = sorted({str(token) for token in tokens if token not in self.ids})
        if unknown:
            raise ValueError(
                f"phone: {nearest(unknown[0], self.table, 'symbol')} The model never saw {', '.join(map(repr, unknown))}: "
                "reword the text, or train on a corpus that holds the sound."
            )
        ids = np.array([self.ids[str(token)] for token in tokens], dtype=np.int64)
        if not self.blanks:
            return ids
        spread = interspersed(ids)
        return spread[1:-1] if self.blanks == "between" else spread


def _tokens(features: FeatureSet, utterance: Utterance) -> list[str] | str:
    """Tokens, or why there are none: counted by fit, and listed by the extract stage."""
    try:
        return features.raw(utterance, ["phone"])["phone"].tolist()
    except ValueError as error:
        return str(error)


def interspersed(ids: np.ndarray, blank: int = 0) -> np.ndarray:
    """`blank` before, between and after the ids: (n,) -> (2 n + 1,)."""
    spread = np.full(2 * len(ids) + 1, blank, dtype=ids.dtype)
    spread[1::2] = ids
    return spread


def places_of(tokens: int, ids: int) -> range:
    """Where so many tokens lie among their ids: all of them, or every second beside blanks, around them or between."""
    if ids == tokens:
        return range(tokens)
    return range(1 if ids > 2 * tokens else 0, ids, 2)


def as_textgrid(tokens: list[str]) -> list[str]:
    """Text tokens as a TextGrid would have them: marks are silences, word boundaries are nothing."""
    spoken = [token for token in tokens if token != sounds.BOUNDARY]
    return _bounded(["" if token in sounds.MARKS else token for token in spoken])


def textgrid_tokens(path: str) -> list[str]:
    """The labels of the phones tier; silences that touch are one "sil", and one stands at either end, even without time."""
    from utils.textgrid import read_textgrid

    return _bounded([label for label, _, _ in read_textgrid(path, "phones")])


def _bounded(labels: list[str]) -> list[str]:
    tokens = [SILENCE]
    for label in labels:
        if label or tokens[-1] != SILENCE:
            tokens.append(label or SILENCE)
    return tokens if tokens[-1] == SILENCE else [*tokens, SILENCE]
