"""Times of labels as files: Praat TextGrids (long and short text format) in and out, SubRip subtitles out.

Both text formats hold the same strings and numbers in the same order, and Praat itself skips whatever else
stands between them, so one reader of twenty lines serves both. (praatio 6.2 takes the words "item [1]:" or
a line break within a label for structure, hence our own for all; the tests hold it against Praat.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from utils.files import write_whole

Interval = tuple[str, float, float]  # label, start and end in seconds
ROUNDING = 0.002  # seconds by which intervals may overlap: some programs write three digits

SILENCES = {"", "sil", "sp", "<eps>", "<sil>", "pau"}
UNKNOWN = "spn"  # speech that the aligner had no phones for: a word that its dictionary lacks. It is heard, so it is no silence
UNKNOWNS = {UNKNOWN, "<unk>", "<spn>", "oov", "<oov>"}
SPELLINGS = {"phone": "phones", "phoneme": "phones", "phonemes": "phones", "word": "words"}
# A string with doubled quotes in it, or a number that stands alone: "[1]:" and "item" are words to skip.
TOKEN = re.compile(r'"(?P<text>(?:[^"]|"")*)"|(?<!\S)(?P<number>[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?!\S)')


def read_textgrid(path: str | Path, tier: str = "phones") -> list[Interval]:
    """The (label, start, end) of one tier, in seconds from the start of the audio; "" is silence, "spn" an unknown word.

    Tier names match in any case, in singular or plural, and after a speaker's name ("anna - phones").
    Raises ValueError naming the file: what is wrong with it, or its tiers if none fits.
    """
    return read_tier(path, tier)[0]


def read_tier(path: str | Path, tier: str = "phones") -> tuple[list[Interval], float]:
    """As `read_textgrid`, and how many seconds the tier says that the sound lasts."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no TextGrid {path}: check the corpus folder, or set duration.source to \"aligner\".")
    try:
        tiers = {name: (intervals, end) for name, intervals, end in _tiers(_decode(path.read_bytes()))}
    except TierError as error:
        raise ValueError(f"{path}: {error}") from error
    except (StopIteration, RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path} is not a TextGrid in Praat's text format, or is cut short: save it again in Praat.") from error
    for name, (intervals, end) in tiers.items():
        if _canonical(name) == _canonical(tier):
            _check_order(path, name, intervals)
            labelled = [(_label(label.strip()), *times) for label, *times in intervals]
            seconds = max([end, *(row[2] for row in intervals)])
            return labelled, seconds
    raise ValueError(f"{path} has no interval tier {tier!r}; it has {sorted(tiers)}: rename one of them.")


class TierError(ValueError):
    """A tier that is not what its head says."""


def _label(label: str) -> str:
    if label.lower() in UNKNOWNS:
        return UNKNOWN
    return "" if label.lower() in SILENCES else label


def _check_order(path: Path, tier: str, intervals: list[Interval]) -> None:
    before = 0.0
    for i, (label, start, end) in enumerate(intervals, 1):
        if not before - ROUNDING <= start <= end + ROUNDING:
            raise ValueError(
                f"{path}: interval {i} of the tier {tier!r}, {label!r} from {start:g} to {end:g} s, begins before the one "
                f"before it ends ({before:g} s) or ends before it begins: mend it in Praat, or align again."
            )
        before = end


def _decode(data: bytes) -> str:
    # Praat writes UTF-16 with a byte order mark as soon as a label is not ASCII.
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")


def _tiers(text: str) -> Iterator[tuple[str, list[Interval], float]]:
    """Name, intervals and end of each interval tier."""
    tokens = map(_value, TOKEN.finditer(text))
    if [next(tokens), next(tokens)] != ["ooTextFile", "TextGrid"]:
        raise ValueError("its first lines are not those of a TextGrid")
    _, _, count = (next(tokens) for _ in range(3))
    name = ""
    for _ in range(int(count)):
        kind = next(tokens)
        _check_size(kind, name)
        name, _, end, size = (next(tokens) for _ in range(4))
        if kind == "IntervalTier":
            yield name, [_interval(tokens) for _ in range(int(size))], float(end)
            continue
        for _ in range(2 * int(size)):  # points, each a time and a mark
            next(tokens)
    _check_size(next(tokens, ""), name)


def _value(token: re.Match[str]) -> str | float:
    if token["number"] is None:
        return token["text"].replace('""', '"')
    return float(token["number"])


def _interval(tokens: Iterator[str | float]) -> Interval:
    start, end, label = (next(tokens) for _ in range(3))
    return str(label), float(start), float(end)


def _check_size(following: str | float, tier: str) -> None:
    """After a tier comes the class of the next one, or the end."""
    if isinstance(following, float):
        raise TierError(
            f"its tier {tier!r} holds more intervals than its size says, and which are right cannot be told. "
            "MFA 3.0.0 wrote such files: align again with a later version."
        )


def _canonical(name: str) -> str:
    last = name.rsplit(" - ", 1)[-1].strip().lower()
    return SPELLINGS.get(last, last)


def write_textgrid(path: str | Path, tiers: dict[str, list[Interval]], *, seconds: float = 0.0) -> Path:
    """Writes the named tiers in Praat's long format; gaps become empty intervals, labels without length are left out.

    `seconds`: how long the sound is, where it goes on after the last interval.
    """
    ends = [end for intervals in tiers.values() for _, _, end in intervals]
    last = max(ends, default=0.0)
    if not last:
        raise ValueError(f"not writing {path}: its tiers {list(tiers)} hold no interval.")
    seconds = max(seconds, last)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {seconds:.9g}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers.items(), 1):
        lines.append(f"    item [{number}]:")
        filled = _filled(intervals, seconds)
        lines += _tier_lines(name, filled, seconds)
    text = "\n".join(lines) + "\n"
    path = Path(path)
    return write_whole(path, lambda p: p.write_text(text, encoding="utf-8"))


def _tier_lines(name: str, intervals: list[Interval], seconds: float) -> list[str]:
    lines = ['        class = "IntervalTier"', f"        name = {_quoted(name)}"]
    lines += ["        xmin = 0", f"        xmax = {seconds:.9g}"]
    lines.append(f"        intervals: size = {len(intervals)}")
    for number, (label, start, end) in enumerate(intervals, 1):
        lines.append(f"        intervals [{number}]:")
        lines.append(f"            xmin = {start:.9g}")
        lines.append(f"            xmax = {end:.9g}")
        lines.append(f"            text = {_quoted(label)}")
    return lines


def _filled(intervals: list[Interval], seconds: float) -> list[Interval]:
    """With an empty interval wherever there was none."""
    rows: list[Interval] = []
    at = 0.0
    for label, start, end in [*intervals, ("", seconds, seconds)]:
        if start > at:
            rows.append(("", at, start))
        if end > start:  # Praat refuses intervals without length
            rows.append((label, start, end))
        at = max(at, end)
    return rows


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def write_srt(path: str | Path, words: list[Interval]) -> Path:
    """Writes the words as SubRip subtitles, one cue a word; silences are left out."""
    spoken = [word for word in words if word[0]]
    cues = [f"{i}\n{_clock(start)} --> {_clock(end)}\n{label}\n" for i, (label, start, end) in enumerate(spoken, 1)]
    return write_whole(Path(path), lambda p: p.write_text("\n".join(cues), encoding="utf-8"))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d},{rest % 1000:03d}"
