"""Which of several hypotheses of a text is said: the one in which a recogniser hears the fewest wrong words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from utils import pretrained
from utils.transcription import RATE, WHISPER, code_of, spoken_in, transcript

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.base.model import Model
    from utils.audio import Audio

WORD = r"[\p{L}\p{M}\p{N}']+"


class Recogniser:
    """Chooses among hypotheses, of which `decode` makes sound.

    `name` is a Whisper: its .pt file, or a name such as "large-v3"; `language` as in manifests. Raises ValueError where it is not there.
    """

    def __init__(self, name: str, language: str, decode: Callable[[np.ndarray], Audio], device: str) -> None:
        self.place = pretrained.find(WHISPER, name)
        self.language = code_of(spoken_in(language))
        self.decode = decode
        self.device = device

    def best(self, texts: list[str], hypotheses: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Of each text the hypothesis with the fewest wrong words, the likeliest of these; rows go text by text, as many of each.

        `codes` (rows, frames, codebooks), `frames` (rows,), `likelihood` (rows,).
        """
        import torch

        codes = hypotheses["codes"]
        frames = hypotheses["frames"].tolist()
        likelihoods = hypotheses["likelihood"].tolist()
        several = len(frames) // len(texts)
        chosen = []
        for number, text in enumerate(texts):
            first = number * several
            ranks = {}
            for row in range(first, first + several):
                heard = self.heard(codes[row, : frames[row]])
                ranks[row] = (word_errors(text, heard), -likelihoods[row])
            chosen.append(min(ranks, key=ranks.__getitem__))
        rows = torch.tensor(chosen, device=codes.device)
        return {name: values[rows] for name, values in hypotheses.items()}

    def heard(self, codes: torch.Tensor) -> str:
        """The words in codes (frames, codebooks)."""
        sound = self.decode(codes.cpu().numpy())
        resampled = sound.resample(RATE)
        return transcript(resampled, place=self.place, language=self.language, device=self.device)


def word_errors(target: str, heard: str) -> float:
    """Edits of words over the words of `target`, case and punctuation left out; enough to compare what was heard of one text."""
    import regex  # here, as speaking alone needs none
    from rapidfuzz.distance import Levenshtein

    wanted = regex.findall(WORD, target.casefold())
    words = regex.findall(WORD, heard.casefold())
    return Levenshtein.distance(wanted, words) / max(1, len(wanted))


def check_recogniser(name: str | None, model: Model, controls: dict[str, Any], *, compiled: bool) -> None:
    """Raises ValueError for a recogniser where there is nothing to choose from, and for one that is not there."""
    if name is None:
        return
    if compiled:
        raise ValueError("compile: hypotheses for a recogniser are made without it: leave out compile, or recogniser.")
    if not model.says_several:
        raise ValueError(f"recogniser: {type(model).__name__} says a text in one way, and there is nothing to choose: leave {name!r} out.")
    if controls.get("hypotheses", 1) < 2:
        raise ValueError(f"recogniser: {name!r} chooses among hypotheses, and there is one: set hypotheses to 2 or more.")
    pretrained.find(WHISPER, name)
