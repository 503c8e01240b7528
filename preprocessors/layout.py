"""How corpora lie on a disk: recordings, their transcripts beside them or in a list, and the names that pair them.

No corpus itself. Paths are as they were found, never resolved: links to recordings, speakers and parts keep their names.
"""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from utils.decode import SUFFIXES
from utils.digest import digest_of_bytes
from utils.files import read_lines, read_text
from utils.tree import composed, files_under

Reasons = list[tuple[str, str]]  # (id, or file and line; why it is left out, or doubted)
LONGEST = 180  # bytes of an id; a file's name has 255, endings and temporary names included


def by_name(paths: Iterable[Path], folder: Path, endings: Sequence[str]) -> dict[str, list[Path]]:
    """Path within `folder` without its ending -> the files of that name, in the order of `endings`, whose case is ignored."""
    ranked: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for path in paths:
        within = path.relative_to(folder)
        name = composed(within.as_posix())
        rank = _rank(name, endings)
        if rank is not None:
            ending = endings[rank]
            stem = name[: -len(ending)]
            ranked[stem].append((rank, path))
    for files in ranked.values():
        files.sort()
    return {stem: [path for _, path in files] for stem, files in ranked.items()}


def _rank(name: str, endings: Sequence[str]) -> int | None:
    """Which of the endings a name has, the first of several."""
    return next((rank for rank, ending in enumerate(endings) if name.lower().endswith(ending)), None)


def recordings(folder: Path) -> dict[str, Path]:
    """Name without suffix -> absolute path, for every sound below `folder`; of one in two formats, the lossless."""
    return {name: paths[0] for name, paths in _sounds(folder).items()}


def twins(folder: Path) -> Reasons:
    """(name, why it is left out) of each recording that is there in another format too."""
    left_out = []
    for name, (first, *others) in _sounds(folder).items():
        left_out += [(name, f"{path} is left out: {first.name} has the same name") for path in others]
    return left_out


def _sounds(folder: Path) -> dict[str, list[Path]]:
    folder = folder.absolute()
    return by_name(files_under(folder), folder, SUFFIXES)


def named(recorded: dict[str, Path], written: str, root: Path) -> str | None:
    """The name in `found` that a list means by `written`: "x", "x.wav", "./wavs/x.wav", "wavs\\x", or its path on a disk."""
    for text in (written, written.strip(" \t")):  # first as it stands: a name may begin or end with a blank
        path = posixpath.normpath(composed(text).replace("\\", "/")).removeprefix(f"{root.absolute().as_posix()}/")
        below = f"/{path}".rpartition("/wavs/")[2].removeprefix("/")
        for name in (path, without_suffix(path), below, without_suffix(below)):
            if name in recorded:
                return name
    return None


def without_suffix(name: str) -> str:
    """`name` without the suffix of a sound; other dots belong to it."""
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in SUFFIXES else name


def own_name(root: Path) -> str:
    """The name of a folder, also of "." and of a link."""
    return Path(os.path.abspath(root)).name


def safe(name: str) -> str:
    """`name` as one file name: "anna/take 1" -> "anna_take_1". Letters keep their marks."""
    words = "".join(character if _is_safe(character) else " " for character in name).split()
    return short("_".join(words).strip("._") or "unnamed")


def _is_safe(character: str) -> bool:
    return character in "._-" or unicodedata.category(character)[0] in "LMN"


def short(name: str) -> str:
    """`name`, or the beginning and a digest of one that is too long to name files after."""
    raw = name.encode("utf-8", "surrogateescape")
    return name if len(raw) <= LONGEST else f"{raw[:LONGEST].decode(errors='ignore')}-{digest_of_bytes(raw)}"


def text_of(paths: Sequence[Path], missing: str) -> tuple[str, str]:
    """(text, "") of the first transcript that is not empty, or ("", why there is none)."""
    try:
        texts = (read_text(path).strip() for path in paths)
        text = next((text for text in texts if text), "")
    except (ValueError, OSError) as error:
        return "", f"its transcript cannot be read: {error}"
    if "\0" in text:
        return "", f"its transcript holds NUL characters: is {paths[0]} in UTF-16? Save it again as UTF-8."
    if text:
        return text, ""
    return "", f"its transcript {paths[0]} is empty" if paths else missing


def rows(
    path: Path, fields: int, separator: str = "|", bad: Reasons | None = None, *, lenient: bool = False
) -> Iterator[list[str]]:
    """The rows of a metadata file, their fields as they stand. Raises ValueError naming the line that has too few of them.

    Lines in another encoding are left out, and go to `bad` as (file and line, reason). So do lines with too few fields where the reader
    is `lenient`, as of lists that people write by hand, unless there is none with enough.
    """
    if not path.is_file():
        raise ValueError(f"no metadata file {path}.")
    unread: list[tuple[int, str]] = []
    short: list[tuple[int, str]] = []
    found = False
    for number, line in read_lines(path, unread):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        parts = line.split(separator)
        if len(parts) < fields:
            lacking = f"has {len(parts)} fields, {fields} expected, separated by {separator!r}: {line[:80]!r}"
            if not lenient:
                raise ValueError(f"{path}:{number} {lacking}")
            short.append((number, lacking))
            continue
        if "\r" in line:
            raise ValueError(f"{path}:{number} holds a carriage return: save the file with line feeds between its lines.")
        found = True
        yield parts
    if short and not found:
        raise ValueError(f"{path}:{short[0][0]} {short[0][1]}")
    if bad is not None:
        bad += in_another_encoding(path, unread)
        bad += [(f"{path.name}:{number}", f"the line {lacking}") for number, lacking in short]


def in_another_encoding(path: Path, unread: list[tuple[int, str]]) -> Reasons:
    """The lines of a file that `utils.files.read_lines` could not read, as (file and line, reason)."""
    return [(f"{path.name}:{number}", f"{reason}: save {path} again as UTF-8") for number, reason in unread]


class Tree:
    """Where a corpus has its recordings, told by their paths, and their texts, if it has any.

    `pattern`: of a recording's path without its ending, from any folder on; its named groups say who and what. `shape`: the same as
    people would write it. `texts`: endings of transcripts. `text_at(name)` is the path of a recording's transcript without its ending,
    where that is another than its own; `identity(match)` the id.
    """

    def __init__(
        self,
        pattern: str,
        shape: str,
        texts: Sequence[str] = (),
        *,
        text_at: Callable[[str], str] = str,
        identity: Callable[[re.Match[str]], str] = lambda match: match["name"],
    ) -> None:
        self.pattern = re.compile(f"(?:.*?/)??(?P<name>{pattern})", re.DOTALL)
        self.shape = shape
        self.texts = texts
        self.text_at = text_at
        self._identity = identity

    def identity(self, match: re.Match[str]) -> str:
        """The id of a recording."""
        return safe(self._identity(match))

    def of(self, path: str | Path) -> re.Match[str]:
        """What a recording's path says. Raises ValueError for one of another shape."""
        match = self.pattern.fullmatch(without_suffix(composed(Path(path).as_posix())))
        if match is None:
            raise ValueError(f"{path} is no {self.shape}.")
        return match

    def recordings(self, root: Path) -> dict[str, re.Match[str]]:
        """Absolute path -> what it says, of every recording below `root` that belongs to the corpus."""
        matches = {str(path): self.pattern.fullmatch(name) for name, path in recordings(root).items()}
        return {path: match for path, match in matches.items() if match}

    def songs(self, root: Path) -> Iterator[tuple[re.Match[str], dict[str, str]]]:
        """What each recording's path says, and its id, path and text, "" where it has none, as fields of an Utterance."""
        texts = self._texts(root)
        for path, match in self.recordings(root).items():
            name = self._text_name(match)
            paths = texts.get(name, [])
            text, _ = text_of(paths, "")
            identity = self.identity(match)
            fields = {"id": identity, "audio": path, "text": text}
            yield match, fields

    def orphans(self, root: Path) -> Reasons:
        """Recordings that lie elsewhere or are there in another format too, and transcripts without a recording."""
        strays = [(safe(name), reason) for name, reason in twins(root)]
        for name in recordings(root):
            if not self.pattern.fullmatch(name):
                strays.append((safe(name), f"its path is not {self.shape}"))
        matches = self.recordings(root).values()
        transcripts = {self._text_name(match) for match in matches}
        for name, paths in self._texts(root).items():
            if self.pattern.fullmatch(name) and name not in transcripts:
                strays.append((safe(name), f"{paths[0]} has no recording"))
        return strays

    def mute(self, root: Path) -> Reasons:
        """Why recordings have no text."""
        texts = self._texts(root)
        mutes = []
        for match in self.recordings(root).values():
            name = self._text_name(match)
            _, reason = text_of(texts.get(name, []), f"it has no transcript {name}{self.texts[0]}")
            if reason:
                mutes.append((self.identity(match), reason))
        return mutes

    def _texts(self, root: Path) -> dict[str, list[Path]]:
        folder = root.absolute()
        return by_name(files_under(folder), folder, self.texts) if self.texts else {}

    def _text_name(self, match: re.Match[str]) -> str:
        return self.text_at(match.string)
