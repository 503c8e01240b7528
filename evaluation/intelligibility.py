"""Word and character error rates of what Whisper hears (Radford et al. 2022, https://arxiv.org/abs/2212.04356)."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.metric import Ratio, metric, refuse_silence
from evaluation.normalise import levelled
from utils import pretrained, transcription
from utils.audio import Audio
from utils.files import read_lines
from utils.recordings import stem_of
from utils.transcription import RATE, WHISPER, code_of

if TYPE_CHECKING:
    from evaluation.pair import Pair

DROPPED = str.maketrans("", "", " .'-,!")  # by upstream, spaces too


def whisper_absent(*, whisper: str, ltr_path: str, intelligibility_mode: str, language: str) -> str:
    """Why no transcription can be had, or ""."""
    try:
        code_of(language)
    except ValueError as error:
        return f"knows no such language: {error}"
    if intelligibility_mode == "gt_content" and not ltr_path:
        return "compares with transcripts, and has none: give --ltr_path FILE with lines like name.wav|text."
    if ltr_path and not Path(ltr_path).is_file():
        return f"finds no transcripts at {ltr_path}: check --ltr_path."
    return pretrained.absent(WHISPER, whisper)


def transcript(audio: Audio, *, whisper: str, language: str, device: str) -> str:
    """What Whisper hears; see `utils.transcription`."""
    place = pretrained.find(WHISPER, whisper)
    return transcription.transcript(audio, place=place, language=language, device=device)


@functools.cache
def transcripts(path: str) -> dict[str, str]:
    """The texts of a file with lines like `name.wav|text`, by stem. Raises ValueError naming a line that is not like that."""
    texts: dict[str, str] = {}
    for number, line in read_lines(Path(path)):
        if not line.strip():
            continue
        fields = line.split("|")
        if len(fields) != 2:
            wrong = "no bar" if len(fields) == 1 else f"{len(fields) - 1} bars"
            raise ValueError(f"{path}:{number} has {wrong}: lines like name.wav|text are needed, it is {line[:40]!r}.")
        path_in_list, text = fields
        file = re.split(r"[/\\]", path_in_list.strip())[-1]
        stem = stem_of(file)
        if texts.setdefault(stem, text) != text:
            raise ValueError(f"{path}:{number} gives {stem} a second text.")
    return texts


def word_errors(target: str, hypothesis: str) -> Ratio:
    """Edits that turn the words of `target` into those of `hypothesis`, both normalised, over the words of `target`.

    Counts substitutions, deletions and insertions.
    """
    import jiwer

    return _counted(jiwer.process_words(target, hypothesis), len(target.split()))


def character_errors(target: str, hypothesis: str) -> Ratio:
    """The same in characters, spaces left out."""
    import jiwer

    target = target.replace(" ", "")
    hypothesis = hypothesis.replace(" ", "")
    return _counted(jiwer.process_characters(target, hypothesis), len(target))


def _counted(alignment: Any, length: int) -> Ratio:
    parts = {name: float(getattr(alignment, name)) for name in ("substitutions", "deletions", "insertions")}
    return Ratio(sum(parts.values()), float(length), parts)


def _target(pair: Pair, mode: str, path: str) -> str:
    if mode == "gt_audio":
        refuse_silence(pair.ref.audio, None)
        return pair.ref.view(transcript, RATE)
    texts = transcripts(path)
    if pair.name not in texts:
        raise ValueError(f"{path} has no line for {pair.name}.")
    return texts[pair.name]


ERRORS: dict[str, Any] = {
    "kind": "pair",
    "of": transcript,
    "rate": RATE,
    "higher_is_better": False,
    "packages": ("openai-whisper", "jiwer", "num2words", "regex"),
    "needs": whisper_absent,
}


@metric("wer", **ERRORS)
def wer(pair: Pair, rate: int, *, intelligibility_mode: str, ltr_path: str, language: str, normaliser: str) -> Ratio:
    """Word error rate of Whisper's transcription, normalised, against the transcript or the reference's transcription.

    Pooled over the corpus: all edits over all words. 0 up, lower is better; at 16 kHz. Chinese and Japanese count letters.
    Vowel signs count, case, punctuation and the spelling of numbers, Chinese ones too, do not; with the normaliser "whisper" as most
    papers have it, whose Hindi and Thai know no vowel signs. Upstream's definition differs.
    """
    target = _target(pair, intelligibility_mode, ltr_path)
    hypothesis = pair.deg.view(transcript, rate)
    return word_errors(*levelled(target, hypothesis, language, normaliser))


@metric("cer", **ERRORS)
def cer(pair: Pair, rate: int, *, intelligibility_mode: str, ltr_path: str, language: str, normaliser: str) -> Ratio:
    """Character error rate, spaces left out, of Whisper's transcription; targets and normalisation, of Chinese numbers too, as for wer.

    Pooled over the corpus. 0 up, lower is better; at 16 kHz. Upstream's definition differs.
    """
    target = _target(pair, intelligibility_mode, ltr_path)
    hypothesis = pair.deg.view(transcript, rate)
    return character_errors(*levelled(target, hypothesis, language, normaliser))


def upstream_errors(target: str, hypothesis: str, *, words: bool) -> float:
    """Upstream's rate for one file: spaces and six marks are dropped first, so that a sentence is one word; inf, nan when empty."""
    from rapidfuzz.distance import Levenshtein

    target = target.lower().translate(DROPPED)
    hypothesis = hypothesis.lower().translate(DROPPED)
    a = target.split() if words else target
    b = hypothesis.split() if words else hypothesis
    edits = Levenshtein.distance(a, b)
    if len(a):
        return edits / len(a)
    return float("inf") if edits else float("nan")


def _upstream(pair: Pair, rate: int, mode: str, path: str, language: str, words: bool) -> float:
    hypothesis = pair.deg.view(transcript, rate)
    if mode == "gt_audio" and code_of(language) != "zh":
        return upstream_errors(hypothesis, hypothesis, words=words)  # it transcribes the generated file twice
    return upstream_errors(_target(pair, mode, path), hypothesis, words=words)


@metric("wer", definition="upstream", **ERRORS)
def upstream_wer(pair: Pair, rate: int, *, intelligibility_mode: str, ltr_path: str, language: str) -> float:
    """Upstream's word error rate: spaces are dropped, so that a sentence is one word; in English always 0 against audio.

    A mean over files. 0 up, lower is better; at 16 kHz.
    """
    return _upstream(pair, rate, intelligibility_mode, ltr_path, language, words=True)


@metric("cer", definition="upstream", **ERRORS)
def upstream_cer(pair: Pair, rate: int, *, intelligibility_mode: str, ltr_path: str, language: str) -> float:
    """Upstream's character error rate: most punctuation counts; in English always 0 against audio.

    A mean over files. 0 up, lower is better; at 16 kHz.
    """
    return _upstream(pair, rate, intelligibility_mode, ltr_path, language, words=False)
