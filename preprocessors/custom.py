"""Your own recordings, in any of three layouts, in any format that soundfile reads. No licence but yours.

    <root>/metadata.csv               id|text, or id|speaker|text, or id|speaker|text|language (as "de": English where none stands);
                                      audio: <root>/wavs/<id>.wav or <root>/<id>.wav
    <root>/<id>.wav, <id>.txt         a transcript beside each recording (.txt or .lab)
    <root>/<speaker>/.../<id>.wav     the same in a folder for each speaker

`TextGrid/<id>.TextGrid` is used where it exists. Recordings without words serve vocoders and voice conversion.
"""

import re
from collections.abc import Iterator
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


def textgrid(root: Path, name: str) -> str:
    """The absolute path of the TextGrid of `name`, or ""."""
    path = root / "TextGrid" / f"{name}.TextGrid"
    return str(path.resolve()) if path.is_file() else ""


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
    if (root / "metadata.csv").is_file():
        for name, speaker, text, language in _listed(root):
            if name in found:
                yield Utterance(
                    id=safe(name),
                    speaker=speaker,
                    audio=str(found[name]),
                    text=text,
                    language=language,
                    textgrid=textgrid(root, name),
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
            textgrid=textgrid(root, name),
        )


def orphans(root: Path) -> list[tuple[str, str]]:
    """Transcripts without a recording; with metadata.csv, also recordings it does not name."""
    found = _sounds(root)
    if (root / "metadata.csv").is_file():
        named = {name for name, *_ in _listed(root)}
        missing = [
            (safe(name), f"metadata.csv names it, but there is no recording {name}") for name in sorted(named - set(found))
        ]
        return missing + [(safe(name), "it has no line in metadata.csv") for name in sorted(set(found) - named)]
    known = {path.with_suffix("") for path in found.values()}
    texts = sorted(p.resolve() for p in root.rglob("*") if p.suffix in TEXTS)
    return [(safe(p.stem), f"{p} has no recording beside it") for p in texts if p.with_suffix("") not in known]
