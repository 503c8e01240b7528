"""Frames per phone: from TextGrids where the corpus has them, else from the built-in aligner, without MFA."""

from __future__ import annotations

import contextlib
import re
import shutil
from dataclasses import asdict
from functools import lru_cache, partial
from itertools import groupby, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from typing_extensions import TypedDict

from preprocessors.base import Utterance
from processors.clock import Padding, frame_count
from processors.feature import Feature
from processors.g2p import has_sound
from processors.store import identity, sound_of, textgrid_of
from processors.text import PAUSES
from utils.audio import Audio
from utils.digest import digest
from utils.files import read_json, write_json
from utils.log import log
from utils.parallel import parallel
from utils.textgrid import UNKNOWN, Interval, read_tier, write_srt, write_textgrid

if TYPE_CHECKING:
    from processors.features import FeatureSet

POOR_FIT = 6.0  # times the usual spread below the usual fit; a text of another utterance lies 50 times below
SECONDS_PER_PHONE = (0.035, 0.35)  # a mean outside says that text and sound do not belong together
SQUEEZED, SQUEEZED_SHARE = 0.016, 0.4  # seconds: the shortest phone the aligner can find; more than this share is no speech
LONG = 1.0  # seconds of one phone
APART = 5  # frames by which a TextGrid may be shorter or longer than its sound: more, and one of them is another's
GONE: list[str] = []  # stands for tokens that a killed process did not hand over
SUFFIX = ".safetensors"  # of an aligner

Work = list[tuple[Utterance, list[str]]]  # what is to be aligned: utterances with their tokens


def silent(token: str) -> bool:
    """True for a token that may last no time at all: a pause, a mark, a word boundary, in our tables and published ones."""
    bare = token.lstrip("@")
    return bare in PAUSES or bare in {"sp", "<bos>", "<eos>"} or not has_sound(bare)


class Durations(Feature):
    """Frames of each token, (tokens,) int32; their sum is that of the utterance.

    `source`: "textgrid" reads the utterance's TextGrid, "aligner" has the built-in aligner find the times (fit trains it on
    the corpus itself and writes them), "auto" takes the first where there is one.
    """

    axis = "token"
    kept = True
    kind = "i"
    counts_frames = True
    needs = ("phone",)

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_size: int,
        source: Literal["auto", "textgrid", "aligner"] = "auto",
        frame_padding: Padding = "same",
    ) -> None:
        self.sample_rate, self.hop_size, self.source, self.padding = sample_rate, hop_size, source, frame_padding
        self.folder: Path | None = None
        self.aligner = ""

    def __call__(self, utterance: Utterance, audio: Audio, phone: np.ndarray) -> np.ndarray:
        """Raises ValueError when a TextGrid does not say the same phones or is not of this sound, or the utterance was never aligned."""
        tokens = phone.tolist()
        total = frame_count(len(audio.samples), self.hop_size, self.padding)
        ends = self._by_textgrid(utterance, tokens, audio) if self._timed(utterance) else self._aligned(utterance, tokens)
        # A token has the frames whose centres lie in it; frame i is centred on i + 1/2 hops, or on i.
        earlier = 0.5 if self.padding == "center" else 0.0
        hops = np.array(ends) * self.sample_rate / self.hop_size
        places = hops + earlier
        frames = np.round(places).astype(np.int64)
        frames = np.maximum.accumulate(frames)
        frames = np.minimum(frames, total)
        frames[-1] = total
        counts = np.diff(frames, prepend=0)
        return counts.astype(np.int32)

    def basis(self, utterance: Utterance) -> Any:
        return [sound_of(utterance), textgrid_of(utterance) if self._has_textgrid(utterance) else ""]

    def place(self, utterance: Utterance) -> str:
        return "" if self._has_textgrid(utterance) else self.aligner.removesuffix(SUFFIX)

    def problem(self, array: np.ndarray) -> str:
        return super().problem(array) or ("holds negative numbers or none" if not len(array) or (array < 0).any() else "")

    def beside(self, utterance: Utterance) -> list[Path]:
        aligned = self.folder and self.aligner and not self._has_textgrid(utterance)
        return [alignment_path(self.folder, utterance), *copies(self.folder, utterance)] if aligned else []

    def _has_textgrid(self, utterance: Utterance) -> bool:
        return self.source != "aligner" and bool(utterance.textgrid)

    def _timed(self, utterance: Utterance) -> bool:
        if self.source == "textgrid" and not utterance.textgrid:
            raise ValueError("it has no TextGrid: put one into the corpus's TextGrid folder, or set duration.source to \"aligner\".")
        return self._has_textgrid(utterance)

    def _by_textgrid(self, utterance: Utterance, tokens: list[str], audio: Audio) -> list[float]:
        intervals, seconds = read_tier(utterance.textgrid)
        ends = match(tokens, intervals)
        frames = round((seconds - audio.seconds) * self.sample_rate / self.hop_size)
        if abs(frames) > APART:
            raise ValueError(
                f"its TextGrid is {seconds:.2f} s long, its sound {audio.seconds:.2f} s: is one of them another recording's, or cut since? "
                'Align it again, or set duration.source to "aligner".'
            )
        return ends

    def _aligned(self, utterance: Utterance, tokens: list[str]) -> list[float]:
        if self.folder is None or not self.aligner:
            raise ValueError("it has no TextGrid and no aligner is at hand: run the extract stage first (run.sh --stage 1).")
        return _alignment(self.folder, self.aligner, utterance, tokens)["ends"]

    def whole(self, learned: dict[str, Any], folder: Path) -> bool:
        """The aligner must be there, since what it aligned can then be made again, and the list of what to listen to."""
        name = learned.get("aligner", "")
        return name == "" or (name == Path(name).name and _readable(folder / name) and _distrusted(folder, name).is_file())

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        self.folder, self.aligner = folder, learned.get("aligner", "")

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Aligns what has no TextGrid, and goes on where an interrupted run stopped.

        Writes under `folder`: the aligner, and for each utterance alignment/*.json, TextGrid/*.TextGrid and srt/*.srt;
        distrusted-<datasets>.json lists those that a person should listen to, worst first, each with the reason.
        """
        rows = [u for u in utterances if self.source != "textgrid" and not self._has_textgrid(u)]
        if not rows:
            return {}
        how = {"jobs": jobs, "cluster": cluster}
        read_tokens = partial(_tokens, features)
        read = dict(parallel(read_tokens, rows, what="phones", lost=_no_tokens, **how))
        tokens = {name: sequence for name, sequence in read.items() if sequence}
        outcomes = list(read.values())
        gone = outcomes.count(GONE)
        lost = {"lost": gone} if gone else {}
        work = [(u, tokens[identity(u)]) for u in rows if identity(u) in tokens]
        if not work:
            return lost
        return _align_all(work, folder, how) | lost

    def tidy(self, folder: Path, learned: list[dict[str, Any]]) -> None:
        """Aligners that no corpora name any more go, with the durations that they gave."""
        named = {row.get("aligner", "").removesuffix(SUFFIX) for row in learned}
        for path in folder.glob("aligner-*"):
            if path.name.removesuffix(SUFFIX) in named:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _align_all(work: Work, folder: Path, how: dict[str, Any]) -> dict[str, Any]:
    """Trains the aligner of these utterances, aligns them with it, and says how many went well; `how` is what `parallel` takes."""
    name = _trained(work, folder, how["jobs"])
    align = partial(_align, folder, name)
    results = parallel(align, work, what="align", lost=_not_aligned, **how)
    failures = sorted(failure for failure in results if failure)
    failed = dict(failures)
    aligned = [u for u, _ in work if identity(u) not in failed]
    distrusted = failed | distrust(folder, aligned)
    path = _distrusted(folder, name)
    _report(distrusted, path, len(aligned), len(work))
    return {
        "aligner": name,
        "aligned": len(aligned),
        "failed": len(failed),
        "distrusted": len(distrusted),
    }


def _report(distrusted: dict[str, str], path: Path, aligned: int, total: int) -> None:
    """Writes the list of what to listen to, and says the worst."""
    write_json(path, distrusted)
    count = len(distrusted)
    log.info(f"aligned {aligned} of {total} utterances; {count} to listen to, listed in {path}.")
    worst = list(distrusted.items())[:5]
    for name, reason in worst:
        log.warning(f"  listen to {name}: {reason}")


def alignment_path(folder: Path, utterance: Utterance) -> Path:
    """Where the alignment of an utterance lies."""
    return folder / "alignment" / f"{identity(utterance)}.json"


def copies(folder: Path, utterance: Utterance) -> list[Path]:
    """Where it lies for other programs, as a TextGrid and as subtitles."""
    return [folder / kind / f"{identity(utterance)}.{kind}" for kind in ("TextGrid", "srt")]


def _distrusted(folder: Path, aligner: str) -> Path:
    """The list of utterances to listen to, of the corpora that the aligner's name says."""
    corpora, _, _ = aligner.removeprefix("aligner-").rpartition("-")
    return folder / f"distrusted-{corpora}.json"


def _tokens(features: FeatureSet, utterance: Utterance) -> tuple[str, list[str] | None]:
    try:
        return identity(utterance), features.raw(utterance, ["phone"])["phone"].tolist()
    except ValueError:
        return identity(utterance), None  # the extract stage lists it with its reason


def _no_tokens(utterance: Utterance, reason: str) -> tuple[str, list[str]]:
    return identity(utterance), GONE


def _not_aligned(pair: tuple[Utterance, list[str]], reason: str) -> tuple[str, str]:
    return identity(pair[0]), reason  # tried once more when its durations are extracted


def _trained(work: Work, folder: Path, jobs: int) -> str:
    """The name of the aligner for these utterances, which says what it learnt from; trained unless it is there."""
    from processors.aligner import EDITION, RATE, Aligner, lessons

    rows = [utterance for utterance, _ in work]
    sequences = [tokens for _, tokens in work]
    every = {token for sequence in sequences for token in sequence}
    pauses = frozenset(filter(silent, every))
    keys = [identity(u) for u in rows]
    seconds = [u.seconds for u in rows]
    chosen = lessons(sequences, keys, seconds, pauses)
    learnt_from = [[sequences[i], sound_of(rows[i])] for i in chosen]
    names = sorted(every)
    basis = digest([EDITION, names, learnt_from])
    corpora = sorted({u.dataset for u in rows})
    name = f"aligner-{'+'.join(corpora)}-{basis}{SUFFIX}"
    path = folder / name
    if not _readable(path):
        hours = sum(seconds[i] for i in chosen) / 3600
        log.info(f"{len(rows)} utterances have no TextGrid: the aligner learns from {hours:.2f} hours of them, a minute or two.")
        spoken = [sequences[i] for i in chosen]
        aligner = Aligner.train(lambda i: rows[chosen[i]].read(RATE), spoken, pauses, names=every, jobs=jobs)
        aligner.save(path)
        _aligner.cache_clear()
    return name


def _readable(path: Path) -> bool:
    from processors.aligner import Aligner

    try:
        return path.is_file() and bool(Aligner.load(path))
    except ValueError as error:
        log.warning(str(error))
        return False


@lru_cache(maxsize=1)
def _aligner(path: Path) -> Any:
    """Loaded once in each worker process: that costs more than aligning."""
    from processors.aligner import Aligner

    return Aligner.load(path)


class Aligned(TypedDict):
    """An alignment as it is kept; see aligner.Alignment."""

    tokens: list[str]
    starts: list[float]
    ends: list[float]
    score: float
    of: str


def _align(folder: Path, name: str, pair: tuple[Utterance, list[str]]) -> tuple[str, str] | None:
    try:
        _alignment(folder, name, *pair)
    except ValueError as error:
        return identity(pair[0]), str(error)
    return None


def _alignment(folder: Path, name: str, utterance: Utterance, tokens: list[str]) -> dict[str, Any]:
    """What the aligner `name` says of an utterance; kept, and made again where tokens, words, sound or aligner are others."""
    from processors.aligner import RATE

    of = digest([name, tokens, utterance.text, sound_of(utterance)])
    path = alignment_path(folder, utterance)
    textgrid, subtitles = copies(folder, utterance)
    with contextlib.suppress(ValueError, FileNotFoundError):
        saved = read_json(path, Aligned)
        has_copies = textgrid.is_file() and subtitles.is_file()
        if saved["of"] == of and len(saved["ends"]) == len(tokens) and has_copies:
            return saved
    pauses = frozenset(filter(silent, tokens))
    alignment = _aligner(folder / name).align(utterance.read(RATE), tokens, pauses)
    times = list(zip(tokens, alignment.starts, alignment.ends, strict=True))
    phones = [("" if silent(token) else token, start, end) for token, start, end in times]
    words = word_times(times, utterance.text)
    write_textgrid(textgrid, {"words": words, "phones": phones})
    write_srt(subtitles, words)
    # Last: an utterance counts as aligned once this file is there.
    record = asdict(alignment) | {"of": of}
    write_json(path, record)
    return record


def word_times(times: list[Interval], text: str) -> list[Interval]:
    """The spoken runs between pauses; named by the words of the text where they are as many, else by their phones."""
    runs = _spoken_runs(times)
    written = text.split()
    names = [word.strip(".,;:!?\"()“”") for word in written if any(c.isalnum() for c in word)]
    if len(names) != len(runs):
        names = ["".join(token for token, _, _ in run) for run in runs]
    words = []
    for name, run in zip(names, runs, strict=True):
        _, start, _ = run[0]
        _, _, end = run[-1]
        words.append((name, start, end))
    return words


def _spoken_runs(times: list[Interval]) -> list[list[Interval]]:
    runs = groupby(times, lambda row: silent(row[0]))
    return [list(run) for quiet, run in runs if not quiet]


def distrust(folder: Path, utterances: list[Utterance]) -> dict[str, str]:
    """The utterances whose alignment a person should listen to, worst fit first, each with the reason."""
    alignments = {}
    for utterance in utterances:
        path = alignment_path(folder, utterance)
        if path.is_file():
            alignments[identity(utterance)] = read_json(path, Aligned)
    if not alignments:
        return {}
    scores = np.array([row["score"] for row in alignments.values()])
    usual = float(np.median(scores))
    spread = float(np.median(np.abs(scores - usual)))
    lowest = usual - max(POOR_FIT * spread, 0.5)  # a synthetic corpus has next to no spread
    rows = sorted(alignments.items(), key=lambda item: item[1]["score"])
    reasons = {name: _doubt(row, usual, lowest) for name, row in rows}
    return {name: reason for name, reason in reasons.items() if reason}


def _doubt(row: dict[str, Any], usual: float, lowest: float) -> str:
    times = zip(row["tokens"], row["starts"], row["ends"], strict=True)
    seconds = np.array([end - start for token, start, end in times if not silent(token)])
    squeezed = float((seconds < SQUEEZED).mean())
    mean = float(seconds.mean())
    milliseconds = mean * 1000
    longest = seconds.max()
    shortest_mean, longest_mean = SECONDS_PER_PHONE
    if row["score"] < lowest:
        return f"the sound fits its text poorly: {row['score']:.2f} nats a frame, {usual:.2f} is usual"
    if mean < shortest_mean or squeezed > SQUEEZED_SHARE:
        return f"the text is too long for the sound: {milliseconds:.0f} ms a phone, {squeezed:.0%} of them as short as can be"
    if mean > longest_mean:
        return f"the text is too short for the sound: {milliseconds:.0f} ms a phone"
    if longest > LONG:
        return f"one phone lasts {longest:.1f} s"
    return ""


def match(tokens: list[str], intervals: list[Interval]) -> list[float]:
    """The second at which each token ends, from a TextGrid's intervals that say the same.

    Each spoken token takes the next label (stress digits aside); a silence goes to the first pause token at its place,
    or to the token before where there is none. Raises ValueError at the first difference.
    """
    labels = [row for row in intervals if not silent(row[0])]
    said = [token for token in tokens if not silent(token)]
    _compare(said, [label for label, _, _ in labels])
    ends = []
    spoken = 0
    next_tokens = [*tokens[1:], ""]
    for token, following in zip(tokens, next_tokens, strict=True):
        is_pause = silent(token)
        spoken += not is_pause
        if not is_pause and silent(following):
            ends.append(labels[spoken - 1][2])
        elif spoken < len(labels):  # up to the next phone: a second pause at one place finds nothing left
            ends.append(labels[spoken][1])
        else:
            ends.append(intervals[-1][2])
    return ends


def _compare(spoken: list[str], labels: list[str]) -> None:
    pairs = zip_longest(spoken, labels, fillvalue="the end")
    for i, (token, label) in enumerate(pairs):
        if _plain(token) != _plain(label):
            before = " ".join(spoken[max(0, i - 4) : i]) or "the start"
            unknown = f" ({UNKNOWN!r} is an unknown word: add it to the aligner's dictionary and align again.)" if label == UNKNOWN else ""
            raise ValueError(
                f"text and TextGrid differ at phone {i + 1}, after {before}: the text says {' '.join(spoken[i : i + 4]) or token!r}, "
                f"the TextGrid {' '.join(labels[i : i + 4]) or label!r}.{unknown} "
                'Set phone.source to "textgrid" to take the phones from there, or duration.source to "aligner".'
            )
    if not labels:
        raise ValueError('its TextGrid holds no phones: mend it, or set duration.source to "aligner".')


def _plain(label: str) -> str:
    """Without ARPAbet's stress digits, IPA's stress marks, and the "@" of published tables."""
    return re.sub(r"(?<=[A-Z])[012]$", "", label.lstrip("@ˈˌ"))
