"""What the preprocess stage says of a corpus: how much there is of whom, in which languages, what was left out, and what looks wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.log import log
from utils.names import some

if TYPE_CHECKING:
    from preprocessors.base import Report, Utterance

SHOWN = 5  # voices and languages by name, and reasons
LITTLE_MINUTES = 10.0  # of speech, from which a voice can hardly be learnt from nothing
ADVICE = "half an hour or more is better; with less, go on from a model that speaks (egs/tts/own_voice.md)"
LEAST_SECONDS = 1.0  # of a recording of which a tempo can be told
UNLIKE_TEMPO = 3.0  # so many times the usual letters a second, or as many times fewer, no one speaks


def tell(name: str, report: Report, splits: Mapping[str, list[Utterance]], path: Path, *, spoken: bool) -> None:
    """Logs what was found in the corpus `name`, whose report lies at `path`; `spoken` where its texts are to be learnt."""
    every = []
    counts = []
    for split, utterances in splits.items():
        every += utterances
        counts.append(f"{len(utterances)} {split}")
    seconds = sum(utterance.seconds for utterance in every)
    log.info(f"{name}: {', '.join(counts)}; {seconds / 3600:.2f} hours.")
    log.info(f"  voices: {_minutes(every, 'speaker')}")
    if spoken:
        log.info(f"  languages: {_minutes(every, 'language')}")
    if spoken and seconds < 60 * LITTLE_MINUTES:
        log.warning(f"  {seconds / 60:.1f} minutes are little to learn to speak from: {ADVICE}.")
    _tell_rows("skipped", report.skipped, path)
    _tell_rows("doubtful", report.warnings, path)


def _minutes(utterances: Iterable[Utterance], field: str) -> str:
    """How many minutes there are of each value of a field, most first."""
    seconds: Counter[str] = Counter()
    for utterance in utterances:
        seconds[getattr(utterance, field)] += utterance.seconds
    said = [f"{value or 'unnamed'} {total / 60:.1f} min" for value, total in seconds.most_common()]
    return some(said, SHOWN)


def odd_tempos(utterances: Iterable[Utterance]) -> list[tuple[str, str]]:
    """(id, why) of utterances whose text is far too long or short for their sound: it may be another recording's."""
    by_language: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        if utterance.text and utterance.seconds >= LEAST_SECONDS:
            by_language.setdefault(utterance.language, []).append(utterance)
    odd = []
    for language, spoken in by_language.items():
        usual = float(np.median([_tempo(utterance) for utterance in spoken]))
        for utterance in spoken:
            ratio = _tempo(utterance) / usual
            if not 1 / UNLIKE_TEMPO < ratio < UNLIKE_TEMPO:
                told = f"{len(utterance.text)} letters in {utterance.seconds:.1f} s are {ratio:.2g} times what is usual in {language} here"
                odd.append((utterance.id, f"{told}: is it the text of this recording?"))
    return odd


def _tempo(utterance: Utterance) -> float:
    """Letters a second."""
    return len(utterance.text) / utterance.seconds


def _tell_rows(kind: str, rows: list[tuple[str, str]], path: Path) -> None:
    """The five reasons that most of the (id, reason) have, each with the first of its ids."""
    ids: dict[str, list[str]] = {}
    for identity, reason in rows:
        ids.setdefault(reason, []).append(identity)
    counts = {reason: len(named) for reason, named in ids.items()}
    alike = Counter(counts)
    for reason, count in alike.most_common(SHOWN):
        first = ids[reason][0]
        if count > 1:
            first += f" and {count - 1} more"
        log.warning(f"  {kind} {first}: {reason}")
    if len(ids) > SHOWN:
        log.warning(f"  ... {len(rows)} {kind} in all, listed in {path}.")
