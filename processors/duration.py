"""Frames per phone: from TextGrids where the corpus has them, else from the built-in aligner, without MFA."""

from __future__ import annotations

import re
from functools import lru_cache, partial
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

WORST = 0.02  # share of utterances whose fit is so poor beside the others that a person should listen
SECONDS_PER_PHONE = (0.035, 0.35)  # a mean outside says that text and sound do not belong together


class Durations(Feature):
    """Frames of each token, (tokens,) int32; their sum is that of the utterance.

    `source`: "textgrid" reads the utterance's TextGrid, "aligner" the built-in aligner's, "auto" the first where there is one.
    """

    axis = "token"
    kept = True
    needs = ("phone",)

    def __init__(self, *, sample_rate: int, hop_size: int, source: Literal["auto", "textgrid", "aligner"] = "auto") -> None:
        self.sample_rate, self.hop_size, self.source = sample_rate, hop_size, source
        self.folder: Path | None = None

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
        path = alignment_path(self.folder, utterance) if self.folder else None
        if path is None or not path.is_file():
            raise ValueError("it could not be aligned: see distrusted.json beside the alignments." if path else "durations need a store.")
        found = read_json(path)
        if found["tokens"] != tokens:
            raise ValueError(f"{path} holds other phones than the text now gives: delete its folder and extract again.")
        return found["ends"]

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        self.folder = folder

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Aligns what has no TextGrid: trains on these very utterances, writes JSON, TextGrid, SRT, and distrusted.json."""
        rows = [u for u in utterances if self.source == "aligner" or (self.source == "auto" and not u.textgrid)]
        pairs = [(u, t) for u in rows if (t := _tokens(features, u)) is not None]
        if not pairs:
            return {}
        from processors.aligner import RATE, Aligner

        name = f"aligner-{'+'.join(sorted({u.dataset for u, _ in pairs}))}.safetensors"
        if not (folder / name).is_file():
            log.info(f"no TextGrids for {len(pairs)} utterances: training the aligner on them.")
            Aligner.train(lambda i: pairs[i][0].read(RATE), [tokens for _, tokens in pairs], PAUSES).save(folder / name)
        todo = [(u, t) for u, t in pairs if not alignment_path(folder, u).is_file()]
        failed = dict(f for f in parallel(partial(_align, folder, name), todo, what="align", jobs=jobs, cluster=cluster) if f)
        distrusted = {**distrust(folder, pairs), **failed}
        write_json(folder / f"distrusted-{Path(name).stem.removeprefix('aligner-')}.json", distrusted)
        for identity, reason in list(distrusted.items())[:5]:
            log.warning(f"  listen to {identity}: {reason}")
        log.info(f"aligned {len(pairs) - len(failed)} utterances; {len(distrusted)} to listen to, listed in {folder}.")
        return {"aligner": name, "aligned": len(pairs) - len(failed), "distrusted": len(distrusted)}


def alignment_path(folder: Path, utterance: Utterance) -> Path:
    """Where the alignment of an utterance lies."""
    return folder / "alignment" / utterance.dataset / f"{utterance.id}.json"


def _tokens(features: FeatureSet, utterance: Utterance) -> list[str] | None:
    try:
        return features.raw(utterance, ["phone"])["phone"].tolist()
    except ValueError:
        return None  # the extract stage lists it with its reason


@lru_cache(maxsize=1)
def _aligner(path: Path) -> Any:
    """Loaded once in each worker process: that costs more than aligning."""
    from processors.aligner import Aligner

    return Aligner.load(path)


def _align(folder: Path, name: str, pair: tuple[Utterance, list[str]]) -> tuple[str, str] | None:
    """Writes one alignment as JSON, TextGrid and SRT; or gives (utterance, why not)."""
    from processors.aligner import RATE

    utterance, tokens = pair
    try:
        found = _aligner(folder / name).align(utterance.read(RATE), tokens, PAUSES)
    except ValueError as error:
        return f"{utterance.dataset}/{utterance.id}", str(error)
    times = list(zip(tokens, found.starts, found.ends, strict=True))
    phones = [("" if token in PAUSES else token, a, b) for token, a, b in times]
    words = word_times(times, utterance.text)
    base = f"{utterance.dataset}/{utterance.id}"
    write_textgrid(folder / "TextGrid" / f"{base}.TextGrid", {"phones": phones, "words": words})
    write_srt(folder / "srt" / f"{base}.srt", words)
    write_json(alignment_path(folder, utterance), {"tokens": tokens, "starts": found.starts, "ends": found.ends, "score": found.score})
    return None


def word_times(times: list[Interval], text: str) -> list[Interval]:
    """The spoken runs between pauses; named by the words of the text where they are as many, else by their phones."""
    runs: list[list[Interval]] = [[]]
    for token, start, end in times:
        if token in PAUSES:
            runs += [[]] if runs[-1] else []
        else:
            runs[-1].append((token, start, end))
    runs = [run for run in runs if run]
    words = re.findall(r"[^\s]*\w[^\s]*", text)
    names = words if len(words) == len(runs) else ["".join(token for token, _, _ in run) for run in runs]
    return [(name.strip('.,;:!?"()'), run[0][1], run[-1][2]) for name, run in zip(names, runs, strict=True)]


def distrust(folder: Path, pairs: list[tuple[Utterance, list[str]]]) -> dict[str, str]:
    """The utterances whose alignment a person should listen to, worst fit first, each with the reason."""
    found = [(u, t, read_json(p)) for u, t in pairs if (p := alignment_path(folder, u)).is_file()]
    if not found:
        return {}
    scores = np.array([row["score"] for _, _, row in found])
    middle, spread = np.median(scores), np.median(np.abs(scores - np.median(scores))) + 1e-3
    reasons = {}
    for i in np.argsort(scores):
        utterance, tokens, row = found[i]
        spoken = [e - s for t, s, e in zip(tokens, row["starts"], row["ends"], strict=True) if t not in PAUSES]
        mean = float(np.mean(spoken))
        if scores[i] < middle - 6 * spread:
            reasons[f"{utterance.dataset}/{utterance.id}"] = f"fits poorly: {scores[i]:.1f} a frame, {middle:.1f} is usual"
        elif not SECONDS_PER_PHONE[0] <= mean <= SECONDS_PER_PHONE[1]:
            reasons[f"{utterance.dataset}/{utterance.id}"] = f"its phones last {mean * 1000:.0f} ms on average: is the text another's?"
        elif max(spoken) > 1.0:
            reasons[f"{utterance.dataset}/{utterance.id}"] = f"one phone lasts {max(spoken):.1f} s"
    return reasons


def match(tokens: list[str], intervals: list[Interval]) -> list[float]:
    """The second at which each token ends, from a TextGrid's intervals that say the same.

    Each spoken token takes the next label (stress digits aside); a silence goes to the first pause token at its place,
    or to the token before where there is none. Raises ValueError at the first difference.
    """
    ends: list[float] = []
    labels = [row for row in intervals if row[0]]
    spoken = [token for token in tokens if token not in PAUSES]
    for i, token in enumerate(spoken):
        label = labels[i][0] if i < len(labels) else "nothing"
        if _plain(token) != _plain(label):
            raise ValueError(
                f"text and TextGrid differ at phone {i + 1}: {token!r} and {label!r} (before it {' '.join(spoken[max(0, i - 4) : i])}). "
                'Set phone.source to "textgrid" to take the phones from there, or duration.source to "aligner".'
            )
    if len(labels) > len(spoken):
        raise ValueError(f"the TextGrid says {labels[len(spoken)][0]!r} after the text has ended; set phone.source to \"textgrid\".")
    number = 0
    for i, token in enumerate(tokens):
        if token not in PAUSES:
            ends.append(labels[number][2])
            number += 1
            continue
        # Up to the next phone, for the first pause at this place; the others find nothing left.
        following = labels[number][1] if number < len(labels) else intervals[-1][2]
        ends.append(following if not i or tokens[i - 1] not in PAUSES else ends[-1])
    for i, token in enumerate(tokens[1:], 1):
        if token not in PAUSES and tokens[i - 1] not in PAUSES:
            ends[i - 1] = max(ends[i - 1], labels[sum(t not in PAUSES for t in tokens[:i])][1])
    return ends


def _plain(label: str) -> str:
    return re.sub(r"(?<=[A-Z])[012]$", "", label)
