"""More to train with: changed copies of a corpus's training utterances, in manifests of their own.

No corpus itself. For each kind of change the corpus "custom" gets a neighbour, "custom.pitch": its utterances have the ids of those that they
were made from, name their change, and lie as sound in `<processed_dir>/custom.pitch/sounds`. Features are made from that sound and are kept
under its digest, so that none of the original is taken for one of the copy.
"""

from __future__ import annotations

import contextlib
import math
import random
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from preprocessors.base import Checked, Report, Utterance, inspect, read_manifest, write_manifest
from utils.changes import EDITION, KINDS, apply
from utils.digest import digest
from utils.events import Event, line_of, parse
from utils.files import write_json
from utils.log import log
from utils.parallel import parallel
from utils.textgrid import read_textgrid, write_textgrid

Range = tuple[float, float]
FACTORS = ("formant", "tempo")  # drawn so that twice and half are as likely
LIMITS = {"pitch": (-24, 24), "formant": (0.5, 2), "tempo": (0.4, 3)}
TIERS = ("phones", "words")


@dataclass(frozen=True)
class Augmentation:
    """The section `preprocess.augment`: which changes are made, from which to which value. Those that are not named are not made.

    Each training utterance is changed once by each. After a change of tempo it is still the same voice; pitch, formants and colours
    belong to voices of their own, so that none sounds like a target. Raises ValueError naming a range that cannot be.
    """

    pitch: Range | None = None  # semitones, such as [-12, 12]
    formant: Range | None = None  # factor, such as [0.71, 1.4]
    tempo: Range | None = None  # factor of the speed, such as [0.8, 1.25]
    equaliser: float | None = None  # most dB up or down in each of ten bands, such as 12
    share: float = 1.0  # of the utterances that are changed, by each kind
    seed: int = 0

    def __post_init__(self) -> None:
        for kind, limits in LIMITS.items():
            least, most = limits
            low, high = getattr(self, kind) or limits
            is_range = least <= low <= high <= most
            if not is_range:
                raise ValueError(f"preprocess.augment.{kind} is a range [low, high] within {least} to {most}, got [{low}, {high}].")
        if self.equaliser is not None and not 0 < self.equaliser <= 24:
            raise ValueError(f"preprocess.augment.equaliser is above 0 and at most 24 dB, got {self.equaliser}.")
        if not 0 < self.share <= 1:
            raise ValueError(f"preprocess.augment.share is above 0 and at most 1, got {self.share}.")

    @property
    def kinds(self) -> list[str]:
        """The kinds of changes that are made."""
        return [kind for kind in KINDS if getattr(self, kind) is not None]

    def draw(self, kind: str, identity: str) -> str:
        """The change of that kind for an utterance, as `utils.changes` names it; "" where it is none of the share."""
        rng = random.Random(f"{self.seed} {kind} {identity}")
        if rng.random() >= self.share:
            return ""
        if kind == "equaliser":
            return f"{kind} {self.equaliser:g} {rng.randrange(2**31)}"
        low, high = getattr(self, kind)
        if kind in FACTORS:
            power = rng.uniform(math.log(low), math.log(high))
            return f"{kind} {math.exp(power):.4f}"
        return f"{kind} {rng.uniform(low, high):.2f}"


def neighbour(name: str, kind: str) -> str:
    """The dataset of the changed copies of the corpus `name`."""
    return f"{name}.{kind}"


def augment(name: str, out: str | Path, settings: Augmentation, *, jobs: int = 0, cluster: str = "") -> dict[str, int]:
    """Writes `<out>/<name>.<kind>/train.jsonl` and its sounds, for each kind; returns how many utterances each has.

    What is there already of the same sound and change is kept. What cannot be changed is listed in `report.json` beside the manifest.
    """
    folder = Path(out).absolute()
    rows = read_manifest(folder / name / "train.jsonl")
    counts = {}
    for kind in settings.kinds:
        dataset = neighbour(name, kind)
        home = folder / dataset
        drawn = [(row, settings.draw(kind, row.id)) for row in rows]
        chosen = [pair for pair in drawn if pair[1]]
        work = partial(changed_copy, home=home)
        results = parallel(work, chosen, what=f"change {name}: {kind}", jobs=jobs, cluster=cluster, lost=_lost)
        counts[dataset] = _write(home, dataset, list(results))
    return counts


def changed_copy(pair: tuple[Utterance, str], *, home: Path) -> Checked:
    """The changed copy of an utterance in the folder `home`, and what `inspect` says of it."""
    utterance, change = pair
    source = [utterance.audio_digest, utterance.textgrid_digest, change, EDITION]
    stem = home / "sounds" / f"{utterance.id}.{digest(source)}"
    path = stem.with_name(f"{stem.name}.flac")
    try:
        if not path.is_file():
            sound = apply(utterance.read(), change)
            sound.write(path)
        grid = _grid(utterance, change, stem)
    except ValueError as error:
        return utterance, str(error), ""
    events = _events(utterance, change)
    copy = replace(utterance, dataset=home.name, audio=str(path), start=None, textgrid=grid, events=events, change=change)
    return inspect(copy, needs_text=False)


def _events(utterance: Utterance, change: str) -> str:
    """The events of the copy, at the times where they then are."""
    kind, value, *_ = change.split()
    if not utterance.events or kind != "tempo":
        return utterance.events
    factor = float(value)
    moved = [Event(name, start / factor, end / factor) for name, start, end in parse(utterance.events)]
    return line_of(moved)


def _grid(utterance: Utterance, change: str, stem: Path) -> str:
    """The phone times of the copy: those of the original where they stay, else scaled; "" where there are none."""
    kind, value, *_ = change.split()
    if not utterance.textgrid or utterance.start is not None:
        return ""
    if kind != "tempo":
        return utterance.textgrid
    path = stem.with_name(f"{stem.name}.TextGrid")
    tiers = {}
    for tier in TIERS:
        with contextlib.suppress(ValueError):  # a tier that is not there
            tiers[tier] = read_textgrid(utterance.textgrid, tier)
    factor = float(value)
    scaled = {tier: [(label, start / factor, end / factor) for label, start, end in rows] for tier, rows in tiers.items()}
    return str(write_textgrid(path, scaled)) if scaled else ""


def _lost(pair: tuple[Utterance, str], reason: str) -> Checked:
    return pair[0], reason, ""


def _write(home: Path, dataset: str, results: list[Checked]) -> int:
    """The manifest and the report of one kind; sounds that it does not name are removed."""
    report = Report()
    kept = []
    for utterance, reason, doubt in results:
        if reason:
            report.skipped.append((utterance.id, reason))
            continue
        if doubt:
            report.warnings.append((utterance.id, doubt))
        kept.append(utterance)
    write_manifest(home / "train.jsonl", kept)
    report.counts = {"train": len(kept)}
    write_json(home / "report.json", asdict(report))
    named = {path for utterance in kept for path in (utterance.audio, utterance.textgrid)}
    for path in (home / "sounds").glob("*"):
        if str(path) not in named:
            path.unlink()
    skipped = f"; {len(report.skipped)} cannot be changed, listed in {home / 'report.json'}" if report.skipped else ""
    log.info(f"{dataset}: {len(kept)} train{skipped}.")
    return len(kept)
