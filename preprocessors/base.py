"""A corpus becomes a list of `Utterance`s: the manifests that every later stage reads.

The folder is the registry: `preprocessors.<name>` offers `utterances(root)`, a generator of
`Utterance`s, and, if the corpus has its own division, `split(utterance) -> "train" | "valid" | "test"`. It may list, as
(id, reason): `orphans(root)`, what has no partner; `mute(root)`, why recordings have no text; `doubts(root)`, what is odd.
Keyword-only arguments of `utterances` are its settings, `preprocess.corpora.<name>`, and the lists take them too. A corpus of long
recordings says how they are cut, `SLICE`, and may know where somebody speaks: `speech(utterance) -> [(start, end)] | None`.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
import reprlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from preprocessors.telling import odd_tempos, tell
from preprocessors.transcripts import transcribed
from utils.audio import Audio, AudioError
from utils.digest import digest_of_bytes
from utils.files import parse_json, read_json, read_lines, write_json, write_jsonl
from utils.log import log
from utils.names import LongName, check_name
from utils.parallel import parallel
from utils.registry import nearest
from utils.slicing import Slicing, Speech, sections
from utils.transcription import Transcription

SPLITS = ("train", "valid", "test")
MUTE = "it has no transcript"
OTHERS = ("augmentation", "base", "captioned", "layout", "telling", "transcripts")  # modules of this folder that are no corpora


@dataclass(frozen=True)
class Utterance:
    """One line of a manifest. Paths are absolute; times are seconds within the audio file."""

    id: str
    dataset: str = ""
    speaker: str = ""
    audio: str = ""
    seconds: float = 0.0
    text: str = ""
    language: str = "en-us"
    textgrid: str = ""  # phone times from a forced aligner, where the corpus has them
    events: str = ""  # what sounds when, as `utils.events` writes it, where the corpus knows
    recording: str = ""  # where several utterances are captions of one sound: the name by which they share what is made of it
    start: float | None = None  # where the utterance begins in a longer recording, to last `seconds`; without it, it is the whole file
    audio_digest: str = ""  # of its samples and rate as the preprocess stage read them
    textgrid_digest: str = ""  # of the TextGrid's content then
    change: str = ""  # what was done to the sound on purpose, as `utils.changes` names it; `audio` is the changed sound

    @property
    def part(self) -> tuple[float, float | None]:
        """Where it begins in its file and how long it lasts there, in seconds; None is to the end of the file."""
        whole = self.start is None or not self.seconds
        return self.start or 0.0, None if whole else self.seconds

    def read(self, rate: int | None = None) -> Audio:
        """Its sound at `rate`, or as it was recorded. A section without `seconds` goes on to the end of the file."""
        start, seconds = self.part
        return Audio.read(self.audio, rate, start=start, seconds=seconds)


NUMBERS = ("seconds", "start")
KINDS = {known.name: (int, float) if known.name in NUMBERS else str for known in fields(Utterance)}


@dataclass
class Report:
    """What `prepare` found: the corpus's folder, utterances per split, and each skip or doubt as (id, reason)."""

    root: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)


def corpora() -> list[str]:
    """Names of the corpora that can be prepared: the modules of this folder."""
    import preprocessors

    return sorted(m.name for m in pkgutil.iter_modules(preprocessors.__path__) if m.name not in OTHERS)


def corpus(name: str):
    """The module of the corpus `name`. Raises ValueError with the choices."""
    if name not in corpora():
        raise ValueError(nearest(name, corpora(), "dataset"))
    return importlib.import_module(f"preprocessors.{name}")


def by_hash(utterance: Utterance) -> str:
    """A split that never moves: that of the id."""
    return split_of(utterance.id)


def split_of(name: str) -> str:
    """90 % train, 5 % valid, 5 % test by a hash of a name: of an utterance, or of a song, so that all who sing it are in one split."""
    bucket = int(hashlib.sha1(name.encode()).hexdigest(), 16) % 100
    return "train" if bucket < 90 else "valid" if bucket < 95 else "test"


def read_manifest(path: Path) -> list[Utterance]:
    """The utterances of a JSON-lines manifest; one whose id is too long for a file is named and left out.

    Raises ValueError naming the line that is no utterance, or whose id leads out of the folder of its arrays.
    """
    return list(manifest_rows(path))


def manifest_rows(path: Path, say: Callable[[str], Any] = log.warning) -> Iterator[Utterance]:
    """As `read_manifest`, one after another; what is left out is told by `say`."""
    if not Path(path).is_file():
        raise ValueError(f"no manifest {path}: run the preprocess stage first (run.sh --stage 1).")
    for number, line in read_lines(path):
        source = f"{path}:{number}"
        try:
            yield _utterance(line, source)
        except LongName as error:
            say(f"  left out {source}: {error}")


def _utterance(line: str, source: str) -> Utterance:
    row = parse_json(line, dict[str, Any], source)
    for name, value in row.items():
        if name not in KINDS:
            raise ValueError(f"{source}: {nearest(name, KINDS, 'field')}")
        if not _valid(name, value):
            raise ValueError(f"{source}: {name} cannot be {reprlib.repr(value)}: run the preprocess stage again.")
    if "id" not in row:
        raise ValueError(f"{source}: it has no id: run the preprocess stage again.")
    try:
        check_name(row["id"], "the id")
        check_name(row.get("dataset") or "none", "the dataset")
    except LongName:
        raise
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    return Utterance(**row)


def _valid(name: str, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, KINDS[name]):
        return False
    return name not in NUMBERS or 0 <= value <= sys.float_info.max


def write_manifest(path: Path, utterances: list[Utterance]) -> Path:
    """Writes utterances as JSON lines, defaults left out."""
    plain = asdict(Utterance(id=""))
    rows = [{k: v for k, v in asdict(u).items() if k == "id" or v != plain[k]} for u in utterances]
    return write_jsonl(Path(path), rows)


def inspect(utterance: Utterance, *, needs_text: bool) -> tuple[Utterance, str, str]:
    """The utterance with its true length, a reason to skip it (or ""), and a doubt worth naming (or "")."""
    if _readable(utterance.audio) != utterance.audio:
        return utterance, f"the path {utterance.audio} is not in UTF-8: rename what it goes through (convmv does that)", ""
    try:
        check_name(utterance.id, "the id")
    except ValueError as error:
        return utterance, str(error), ""
    if needs_text and not utterance.text.strip():
        return utterance, MUTE, ""
    try:
        utterance, audio = _timed(utterance)
    except AudioError as error:
        return utterance, str(error), ""
    utterance = replace(utterance, **_digests(utterance, audio))
    if audio.silent:
        return utterance, "it is silent: no sample reaches -60 dB of full scale", ""
    doubts = list(audio.doubts)
    if audio.peak > 1 and audio.clipped:
        doubts.append(f"it goes beyond full scale, to {audio.peak:.2f}, as float sound may: what writes it with 16 bits will clip it")
    elif audio.clipped:
        doubts.append("it is clipped: samples lie flat at full scale")
    if audio.rate < 16000:
        doubts.append(f"it is sampled at {audio.rate} Hz: nothing above {audio.rate // 2} Hz can be learnt from it")
    return utterance, "", "; ".join(doubts)


def _timed(utterance: Utterance) -> tuple[Utterance, Audio]:
    """The utterance with its true length, rounded as a manifest has it, and the sound that every later stage reads by that."""
    audio = utterance.read()
    timed = replace(utterance, seconds=round(audio.seconds, 4))
    if timed.part == utterance.part:
        return timed, audio
    audio = timed.read()  # a section to the end of its file: the rounded length may leave off a sample or two
    return replace(timed, seconds=round(audio.seconds, 4)), audio


def _digests(utterance: Utterance, audio: Audio) -> dict[str, str]:
    """What tells this sound and this TextGrid from those that the same files hold after a correction."""
    grid = Path(utterance.textgrid)
    return {
        "audio_digest": digest_of_bytes(str(audio.rate).encode(), audio.samples.data),
        "textgrid_digest": digest_of_bytes(grid.read_bytes()) if utterance.textgrid and grid.is_file() else "",
    }


def changed(utterance: Utterance) -> str:
    """What of an utterance is no longer as the preprocess stage read it, "" if nothing is; older manifests cannot tell."""
    if not utterance.audio_digest:
        return ""
    now, kinds = _digests(utterance, utterance.read()), {"audio_digest": "sound", "textgrid_digest": "TextGrid"}
    changes = [kind for name, kind in kinds.items() if now[name] != getattr(utterance, name)]
    return f"its {' and '.join(changes)} changed since the preprocess stage read it: run that stage again" if changes else ""


Checked = tuple[Utterance, str, str]  # see `inspect`


def examine(
    utterance: Utterance, *, needs_text: bool, slicing: Slicing | None, speech: Callable[[Utterance], Speech | None] | None = None
) -> tuple[Utterance, list[Checked]]:
    """An utterance and what `inspect` says of it, or of the sections of one that is long. A section has no words: nobody knows which.

    `speech` knows of an utterance where somebody speaks.
    """
    checked = inspect(utterance, needs_text=needs_text)
    whole, reason, _ = checked
    if reason or slicing is None or whole.seconds <= slicing.longest:
        return utterance, [checked]
    try:
        spoken = speech(utterance) if speech else None
    except ValueError as error:
        return _unexamined(whole, str(error))
    sound = utterance.read()
    places = enumerate(sections(sound, slicing, spoken))
    cut = [_section(whole, number, place, slicing) for number, place in places]
    return (utterance, cut) if cut else _unexamined(whole, "nobody speaks in it, as far as it goes")


def _section(whole: Utterance, number: int, place: tuple[float, float], slicing: Slicing) -> Checked:
    """Section `number` of a long recording, inspected."""
    start, seconds = place
    begin = (whole.start or 0.0) + start
    name = f"{whole.id}_{number:04d}"
    mute = replace(whole, id=name, text="", events="", recording="")
    plain = replace(mute, textgrid="", textgrid_digest="", audio_digest="")
    section = replace(plain, start=round(begin, 4), seconds=round(seconds, 4))
    if seconds < slicing.shortest:
        return section, f"it lasts {seconds:.2f} s, less than preprocess.slice.shortest", ""
    return inspect(section, needs_text=False)


def _unexamined(utterance: Utterance, reason: str) -> tuple[Utterance, list[Checked]]:
    return utterance, [(utterance, reason, "")]


def prepare(
    name: str,
    root: str | Path,
    out: str | Path,
    *,
    needs_text: bool = False,
    slicing: Slicing | None = None,
    transcribe: Transcription | None = None,
    settings: Mapping[str, Any] | None = None,
    jobs: int = 0,
    cluster: str = "",
) -> Report:
    """Writes `<out>/<name>/{train,valid,test}.jsonl` and `report.json` for the corpus `name` at `root`.

    Bad recordings and repeated ids are skipped and listed, never dropped in silence. With `slicing`, or where the corpus says so, long
    recordings become sections, all in the split of the recording. `transcribe` gives words to those without; `settings` are the corpus's
    own. Raises ValueError when `root` is missing, nothing usable is left, texts are needed of sections, or the manifests there are those
    of another folder.
    """
    module, root = corpus(name), Path(root).expanduser()
    folder = Path(out) / name
    if needs_text and slicing and not transcribe:
        raise ValueError(
            "preprocess.slice: this model reads text, and sections of a recording have none: leave the section out, or set "
            'preprocess.transcribe: { model: "large-v3" } to have them heard by a Whisper.'
        )
    if hasattr(module, "ensure"):  # a corpus that is made on the spot
        module.ensure(root)
    if not root.is_dir():
        raise ValueError(f"dataset_path.{name}: no folder {root}. Its layout is described in preprocessors/{name}.py.")
    _check_root(name, root, folder)
    own = dict(settings or {})
    said = partial(_said, module, root=root, settings=own)
    report = Report(root=_readable(str(root.absolute())))
    utterances = _unrepeated(list(module.utterances(root, **own)), report)
    report.skipped.extend(said("orphans"))
    report.warnings.extend(said("doubts"))
    wants_text = needs_text and not transcribe
    how = {"slicing": slicing or getattr(module, "SLICE", None), "speech": getattr(module, "speech", None)}
    check = partial(examine, needs_text=wants_text, **how)
    checks = parallel(check, utterances, what=f"inspect {name}", jobs=jobs, cluster=cluster, lost=_unexamined)
    why_mute = dict(said("mute")) if wants_text else {}
    splits = _divided(name, module, checks, report, why_mute)
    if transcribe:
        splits = _with_words(splits, transcribe, folder, report, needs_text=needs_text)
    if needs_text:
        report.warnings.extend(odd_tempos(utterance for s in SPLITS for utterance in splits[s]))
    report.skipped, report.warnings = ([tuple(map(_readable, row)) for row in rows] for rows in (report.skipped, report.warnings))
    if not any(splits.values()):
        reasons = "; ".join(f"{i}: {r}" for i, r in report.skipped[:3]) or "no utterance was found"
        raise ValueError(f"{name}: nothing usable in {root} ({reasons}). Its layout is described in preprocessors/{name}.py.")
    for s in SPLITS:
        splits[s].sort(key=lambda u: u.id)
        write_manifest(folder / f"{s}.jsonl", splits[s])
    report.counts = {s: len(splits[s]) for s in SPLITS}
    write_json(folder / "report.json", asdict(report))
    tell(name, report, splits, folder / "report.json", spoken=needs_text)
    return report


def _check_root(name: str, root: Path, folder: Path) -> None:
    """Raises ValueError where the manifests in `folder` are of another corpus than that at `root`; one that was moved is the same."""
    path = folder / "report.json"
    before = read_json(path, dict[str, Any]).get("root", "") if path.is_file() else ""
    if before and Path(before).is_dir() and not os.path.samefile(before, root):
        raise ValueError(
            f"dataset_path.{name} is {root}, and {folder} holds what was made of {before}: give this corpus a place of its own, "
            f"--set preprocess.processed_dir=data/{root.absolute().name}, or delete {path} to have it take the other's place."
        )


def _with_words(
    splits: dict[str, list[Utterance]], transcribe: Transcription, folder: Path, report: Report, *, needs_text: bool
) -> dict[str, list[Utterance]]:
    """The utterances with words that were heard; those without are skipped where words are needed, and else doubted."""
    spoken = {}
    for split, utterances in splits.items():
        named, reasons = transcribed(utterances, transcribe, folder)
        silent = {identity for identity, _ in reasons} if needs_text else set()
        spoken[split] = [utterance for utterance in named if utterance.id not in silent]
        listed = report.skipped if needs_text else report.warnings
        listed.extend(reasons)
    return spoken


def _divided(
    name: str, module: Any, checks: Iterable[tuple[Utterance, list[Checked]]], report: Report, why_mute: dict[str, str]
) -> dict[str, list[Utterance]]:
    """The usable utterances of each split; what is skipped or doubtful goes to the report. `why_mute`: id -> why it has no text."""
    split = getattr(module, "split", by_hash)
    splits: dict[str, list[Utterance]] = {s: [] for s in SPLITS}
    taken: set[str] = set()
    for whole, checked in checks:
        for utterance, reason, doubt in checked:
            if utterance.id in taken:
                reason = f"the id {utterance.id!r} occurs twice, as a recording and as a section of one: rename the recording"
            taken.add(utterance.id)
            if reason:
                report.skipped.append((utterance.id, why_mute.get(utterance.id, reason) if reason == MUTE else reason))
                continue
            if doubt:
                report.warnings.append((utterance.id, doubt))
            splits[split(whole)].append(replace(utterance, dataset=name))
    return splits


def _readable(text: str) -> str:
    """`text` with what is no UTF-8 spelled out: names on a disk may be in any encoding, what we write is not."""
    return text.encode("utf-8", "backslashreplace").decode()


def _said(module: Any, what: str, *, root: Path, settings: dict[str, Any]) -> list[tuple[str, str]]:
    """(id, reason) of a corpus module's own list, if it has one."""
    return getattr(module, what)(root, **settings) if hasattr(module, what) else []


def _unrepeated(utterances: list[Utterance], report: Report) -> list[Utterance]:
    """One utterance for each id: of equal ones the first. Where they differ, nobody knows which is right: all are left out.

    One recording may be reached through two links, as where a part of a corpus is a link to another part.
    """
    by_id: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        by_id.setdefault(utterance.id, []).append(utterance)
    kept = []
    for identity, (first, *others) in by_id.items():
        other = next((utterance for utterance in others if _resolved(utterance) != _resolved(first)), None)
        if other:
            both = " and ".join(f"{u.audio} {u.text[:40]!r}" for u in (first, other))
            report.skipped.append((identity, f"the id {identity!r} occurs twice, for {both}: none is taken, give each its own"))
            continue
        kept.append(first)
        if others:
            report.warnings.append((identity, f"it is listed {len(others) + 1} times, alike: it is taken once"))
    return kept


def _resolved(utterance: Utterance) -> Utterance:
    return replace(utterance, audio=os.path.realpath(utterance.audio))
