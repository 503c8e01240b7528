"""Frames per phone: from TextGrids where the corpus has them, else from the built-in aligner, without MFA."""

from __future__ import annotations

import re
from dataclasses import asdict
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np

from preprocessors.base import Utterance
from processors.features import Feature, FeatureSet
from processors.text import PAUSES
from processors.textgrid import Interval, read_textgrid, write_srt, write_textgrid
from utils.audio import Audio
from utils.files import read_json, write_json
from utils.log import log
from utils.parallel import parallel

__all__ = ["Durations", "read_textgrid", "write_srt", "write_textgrid"]

POOR_FIT = 6.0  # times the usual spread below the usual fit; a text of another utterance lies 50 times below
SECONDS_PER_PHONE = (0.035, 0.35)  # a mean outside says that text and sound do not belong together
SQUEEZED, SQUEEZED_SHARE = 0.016, 0.4  # seconds: the shortest phone the aligner can find; more than this share is no speech
LONG = 1.0  # seconds of one phone


def silent(token: str) -> bool:
    """True for a token that may last no time at all: a pause, a mark, a word boundary, in our tables and published ones."""
    bare = token.lstrip("@")
    return bare in PAUSES or bare in {"sp", "spn", "<bos>", "<eos>"} or not any(c.isalnum() for c in bare)


class Durations(Feature):
    """Frames of each token, (tokens,) int32; their sum is that of the utterance.

    `source`: "textgrid" reads the utterance's TextGrid, "aligner" has the built-in aligner find the times (fit trains it on
    the corpus itself and writes them), "auto" takes the first where there is one.
    """

    axis = "token"
    kept = True
    needs = ("phone",)

    def __init__(self, *, sample_rate: int, hop_size: int, source: Literal["auto", "textgrid", "aligner"] = "auto") -> None:
        self.sample_rate, self.hop_size, self.source = sample_rate, hop_size, source
        self.folder: Path | None = None
        self.aligner = ""

    def __call__(self, utterance: Utterance, audio: Audio, phone: np.ndarray) -> np.ndarray:
        """Raises ValueError when a TextGrid does not say the same phones, or the utterance was never aligned."""
        tokens = phone.tolist()
        ends = match(tokens, read_textgrid(utterance.textgrid)) if self._has_textgrid(utterance) else self._aligned(utterance, tokens)
        frames = np.round(np.array(ends) * self.sample_rate / self.hop_size).astype(np.int64)
        total = len(audio.samples) // self.hop_size
        frames = np.minimum(np.maximum.accumulate(frames), total)
        frames[-1] = total
        return np.diff(frames, prepend=0).astype(np.int32)

    def _has_textgrid(self, utterance: Utterance) -> bool:
        if self.source == "textgrid" and not utterance.textgrid:
            raise ValueError("it has no TextGrid: put one into the corpus's TextGrid folder, or set duration.source to \"aligner\".")
        return self.source != "aligner" and bool(utterance.textgrid)

    def _aligned(self, utterance: Utterance, tokens: list[str]) -> list[float]:
        if self.folder is None or not self.aligner:
            raise ValueError("it has no TextGrid and no aligner is at hand: run the extract stage first (run.sh --stage 1).")
        path = alignment_path(self.folder, utterance)
        if not path.is_file():  # it came to the corpus after the aligner was trained
            _write_alignment(self.folder, self.aligner, utterance, tokens)
        found = read_json(path)
        if found["tokens"] != tokens:
            raise ValueError(f"{path} holds other phones than the text now gives: delete it and extract again.")
        return found["ends"]

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        self.folder, self.aligner = folder, learned.get("aligner", "")

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Aligns what has no TextGrid, and goes on where an interrupted run stopped.

        Writes under `folder`: the aligner, and for each utterance alignment/*.json, TextGrid/*.TextGrid and srt/*.srt;
        distrusted-<datasets>.json lists those that a person should listen to, worst first, each with the reason.
        """
        rows = [u for u in utterances if self.source == "aligner" or (self.source == "auto" and not u.textgrid)]
        read = parallel(partial(_tokens, features), rows, what="phones", jobs=jobs, cluster=cluster, lost=_no_tokens) if rows else ()
        tokens = {identity: found for identity, found in read if found}
        rows = [u for u in rows if _identity(u) in tokens]
        if not rows:
            return {}
        corpora = "+".join(sorted({u.dataset for u in rows}))
        name = f"aligner-{corpora}.safetensors"
        if not (folder / name).is_file():
            _train(rows, tokens, folder / name, jobs)
        todo = [u for u in rows if not alignment_path(folder, u).is_file()]
        work = [(u, tokens[_identity(u)]) for u in todo]
        done = parallel(partial(_align, folder, name), work, what="align", jobs=jobs, cluster=cluster, lost=_not_aligned)
        failed = dict(f for f in done if f)
        distrusted = failed | distrust(folder, rows)
        listed = write_json(folder / f"distrusted-{corpora}.json", distrusted)
        log.info(f"aligned {len(rows) - len(failed)} of {len(rows)} utterances; {len(distrusted)} to listen to, listed in {listed}.")
        for identity, reason in list(distrusted.items())[:5]:
            log.warning(f"  listen to {identity}: {reason}")
        return {"aligner": name, "aligned": len(rows) - len(failed), "failed": len(failed), "distrusted": len(distrusted)}


def _identity(utterance: Utterance) -> str:
    return f"{utterance.dataset}/{utterance.id}"


def alignment_path(folder: Path, utterance: Utterance) -> Path:
    """Where the alignment of an utterance lies."""
    return folder / "alignment" / utterance.dataset / f"{utterance.id}.json"


def _tokens(features: FeatureSet, utterance: Utterance) -> tuple[str, list[str] | None]:
    try:
        return _identity(utterance), features.raw(utterance, ["phone"])["phone"].tolist()
    except ValueError:
        return _identity(utterance), None  # the extract stage lists it with its reason


def _no_tokens(utterance: Utterance, reason: str) -> tuple[str, None]:
    return _identity(utterance), None


def _not_aligned(pair: tuple[Utterance, list[str]], reason: str) -> tuple[str, str]:
    return _identity(pair[0]), reason


def _train(rows: list[Utterance], tokens: dict[str, list[str]], path: Path, jobs: int) -> None:
    from processors.aligner import RATE, Aligner

    hours = sum(u.seconds for u in rows) / 3600
    log.info(f"{len(rows)} utterances ({hours:.2f} hours) have no TextGrid: the aligner learns from them, a minute or two.")
    sequences = [tokens[_identity(u)] for u in rows]
    pauses = frozenset(token for sequence in sequences for token in sequence if silent(token))
    Aligner.train(lambda i: rows[i].read(RATE), sequences, pauses, jobs=jobs).save(path)


@lru_cache(maxsize=1)
def _aligner(path: Path) -> Any:
    """Loaded once in each worker process: that costs more than aligning."""
    from processors.aligner import Aligner

    return Aligner.load(path)


def _align(folder: Path, name: str, pair: tuple[Utterance, list[str]]) -> tuple[str, str] | None:
    try:
        _write_alignment(folder, name, *pair)
    except ValueError as error:
        return _identity(pair[0]), str(error)
    return None


def _write_alignment(folder: Path, name: str, utterance: Utterance, tokens: list[str]) -> None:
    from processors.aligner import RATE

    found = _aligner(folder / name).align(utterance.read(RATE), tokens, frozenset(filter(silent, tokens)))
    times = list(zip(tokens, found.starts, found.ends, strict=True))
    phones = [("" if silent(token) else token, start, end) for token, start, end in times]
    words = word_times(times, utterance.text)
    write_textgrid(folder / "TextGrid" / f"{_identity(utterance)}.TextGrid", {"words": words, "phones": phones})
    write_srt(folder / "srt" / f"{_identity(utterance)}.srt", words)
    # Last: an utterance counts as aligned once this file is there.
    write_json(alignment_path(folder, utterance), asdict(found))


def word_times(times: list[Interval], text: str) -> list[Interval]:
    """The spoken runs between pauses; named by the words of the text where they are as many, else by their phones."""
    runs = [list(run) for quiet, run in groupby(times, lambda row: silent(row[0])) if not quiet]
    words = [word.strip(".,;:!?\"()“”") for word in text.split() if any(c.isalnum() for c in word)]
    names = words if len(words) == len(runs) else ["".join(token for token, _, _ in run) for run in runs]
    return [(name, run[0][1], run[-1][2]) for name, run in zip(names, runs, strict=True)]


def distrust(folder: Path, utterances: list[Utterance]) -> dict[str, str]:
    """The utterances whose alignment a person should listen to, worst fit first, each with the reason."""
    found = [(_identity(u), read_json(p)) for u in utterances if (p := alignment_path(folder, u)).is_file()]
    scores = [row["score"] for _, row in found]
    usual = float(np.median(scores)) if scores else 0.0
    spread = float(np.median(np.abs(np.array(scores) - usual))) if scores else 0.0
    lowest = usual - max(POOR_FIT * spread, 0.5)  # a synthetic corpus has next to no spread
    rows = sorted(found, key=lambda item: item[1]["score"])
    reasons = {identity: _doubt(row, usual, lowest) for identity, row in rows}
    return {identity: reason for identity, reason in reasons.items() if reason}


def _doubt(row: dict[str, Any], usual: float, lowest: float) -> str:
    times = zip(row["tokens"], row["starts"], row["ends"], strict=True)
    spoken = np.array([end - start for token, start, end in times if not silent(token)])
    squeezed, mean = float((spoken < SQUEEZED).mean()), float(spoken.mean())
    if row["score"] < lowest:
        return f"the sound fits its text poorly: {row['score']:.2f} nats a frame, {usual:.2f} is usual"
    if mean < SECONDS_PER_PHONE[0] or squeezed > SQUEEZED_SHARE:
        return f"the text is too long for the sound: {mean * 1000:.0f} ms a phone, {squeezed:.0%} of them as short as can be"
    if mean > SECONDS_PER_PHONE[1]:
        return f"the text is too short for the sound: {mean * 1000:.0f} ms a phone"
    return f"one phone lasts {spoken.max():.1f} s" if spoken.max() > LONG else ""


def match(tokens: list[str], intervals: list[Interval]) -> list[float]:
    """The second at which each token ends, from a TextGrid's intervals that say the same.

    Each spoken token takes the next label (stress digits aside); a silence goes to the first pause token at its place,
    or to the token before where there is none. Raises ValueError at the first difference.
    """
    labels = [row for row in intervals if not silent(row[0])]
    _compare([token for token in tokens if not silent(token)], [label for label, _, _ in labels])
    ends, spoken = [], 0
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        spoken += not silent(token)
        if not silent(token) and silent(following):
            ends.append(labels[spoken - 1][2])
        else:  # up to the next phone: a second pause at one place finds nothing left
            ends.append(labels[spoken][1] if spoken < len(labels) else intervals[-1][2])
    return ends


def _compare(spoken: list[str], labels: list[str]) -> None:
    for i in range(max(len(spoken), len(labels))):
        token, label = (side[i] if i < len(side) else "the end" for side in (spoken, labels))
        if _plain(token) != _plain(label):
            before = " ".join(spoken[max(0, i - 4) : i]) or "the start"
            raise ValueError(
                f"text and TextGrid differ at phone {i + 1}, after {before}: the text says {' '.join(spoken[i : i + 4]) or token!r}, "
                f"the TextGrid {' '.join(labels[i : i + 4]) or label!r}. "
                'Set phone.source to "textgrid" to take the phones from there, or duration.source to "aligner".'
            )
    if not labels:
        raise ValueError('its TextGrid holds no phones: mend it, or set duration.source to "aligner".')


def _plain(label: str) -> str:
    """Without ARPAbet's stress digits, IPA's stress marks, and the "@" of published tables."""
    return re.sub(r"(?<=[A-Z])[012]$", "", label.lstrip("@ˈˌ"))
