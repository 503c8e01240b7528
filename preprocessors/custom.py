"""Your own recordings, in any of three layouts, in any format that soundfile reads. No licence but yours.

    <root>/metadata.csv               id|text, or id|speaker|text, or id|speaker|text|language (as "de": English where none stands);
                                      audio: <root>/wavs/<id>.wav or <root>/<id>.wav
    <root>/<id>.wav, <id>.txt         a transcript beside each recording (.txt or .lab)
    <root>/<speaker>/.../<id>.wav     the same in a folder for each speaker

Phone times are used where they exist: `TextGrid/<id>.TextGrid`, `TextGrid/<speaker>/<id>.TextGrid`, or beside the recording. Recordings
without words serve vocoders and voice conversion.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from preprocessors.base import Utterance, lines

SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"}
TEXTS = (".txt", ".lab")


def recordings(folder: Path) -> dict[str, Path]:
    """Name without suffix -> absolute path, for every sound below `folder`. Raises ValueError when two share a name."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise ValueError(f"{path} and {found[name].name} are one recording in two formats: keep one.")
            found[name] = path.resolve()
    return found


def textgrids(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Name of a recording -> absolute path of its TextGrid, as far as there are.

    It has the recording's path within `TextGrid/` or lies beside it; else its file name must be that of one recording alone,
    as where an aligner sorted them by speaker.
    """
    grids, names = _grids(root), list(names)
    stems, known = Counter(map(_stem, names)), Counter(map(_stem, grids))
    alone = {_stem(key): path for key, path in grids.items() if known[_stem(key)] == 1 == stems[_stem(key)]}
    found = {name: grids.get(name) or alone.get(_stem(name)) for name in names}
    return {name: str(path) for name, path in found.items() if path}


def unused_textgrids(root: Path, names: Iterable[str]) -> list[tuple[str, str]]:
    """(id, why) of the TextGrids that belong to no recording, or to more than one."""
    used = set(textgrids(root, names).values())
    why = "is ignored: its name is not that of one recording, or another TextGrid has it too"
    return [(safe(_stem(key)), f"{path} {why}") for key, path in _grids(root).items() if str(path) not in used]


def _grids(root: Path) -> dict[str, Path]:
    """Path within the corpus, without suffix and without the folder that holds all TextGrids or recordings -> absolute path."""
    found = {}
    for folder, folders, files in os.walk(root.absolute(), followlinks=True):
        folders.sort(key=lambda name: (name.lower() != "textgrid", name))  # those of the folder TextGrid go first
        for path in (Path(folder) / name for name in sorted(files) if name.lower().endswith(".textgrid")):
            parts = path.relative_to(root.absolute()).with_suffix("").parts
            within = parts[1:] if parts[0].lower() in ("textgrid", "wavs") else parts
            if not path.name.startswith("."):
                found.setdefault("/".join(within), path)
    return found


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def safe(name: str) -> str:
    """`name` as one file name: "anna/take 1" -> "anna_take_1"."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")


def _transcript(path: Path) -> Path | None:
    return next((path.with_suffix(suffix) for suffix in TEXTS if path.with_suffix(suffix).is_file()), None)


def _listed(root: Path) -> Iterator[tuple[str, str, str, str]]:
    """(id, speaker, text, language) of metadata.csv."""
    for name, *fields in lines(root / "metadata.csv", 2):
        speaker, text, language = (root.resolve().name, fields[0], "") if len(fields) == 1 else (*fields, "")[:3]
        name = Path(name).with_suffix("").as_posix() if Path(name).suffix.lower() in SUFFIXES else name
        yield name, speaker, text, language.strip() or Utterance.language


def _sounds(root: Path) -> dict[str, Path]:
    return recordings(root / "wavs" if (root / "wavs").is_dir() else root)


def utterances(root: Path) -> Iterator[Utterance]:
    """The recordings, with their texts where they have one."""
    found = _sounds(root)
    grids = textgrids(root, found)
    if (root / "metadata.csv").is_file():
        for name, speaker, text, language in _listed(root):
            if name in found:
                yield Utterance(
                    id=safe(name),
                    speaker=speaker,
                    audio=str(found[name]),
                    text=text,
                    language=language,
                    textgrid=grids.get(name, ""),
                )
        return
    for name, path in found.items():
        transcript = _transcript(path)
        folders = name.split("/")[:-1]
        yield Utterance(
            id=safe(name),
            speaker=folders[0] if folders else root.resolve().name,
            audio=str(path),
            text=transcript.read_text(encoding="utf-8").strip() if transcript else "",
            textgrid=grids.get(name, ""),
        )


def orphans(root: Path) -> list[tuple[str, str]]:
    """Transcripts and TextGrids without a recording; with metadata.csv, also recordings it does not name."""
    found = _sounds(root)
    unused = unused_textgrids(root, found)
    if (root / "metadata.csv").is_file():
        named = {name for name, *_ in _listed(root)}
        missing = [
            (safe(name), f"metadata.csv names it, but there is no recording {name}") for name in sorted(named - set(found))
        ]
        return unused + missing + [(safe(name), "it has no line in metadata.csv") for name in sorted(set(found) - named)]
    known = {path.with_suffix("") for path in found.values()}
    texts = sorted(p.resolve() for p in root.rglob("*") if p.suffix in TEXTS)
    return unused + [(safe(p.stem), f"{p} has no recording beside it") for p in texts if p.with_suffix("") not in known]
