"""Your own recordings, in any of three layouts, in any format of utils.decode.SUFFIXES. No licence but yours.

    <root>/metadata.csv               id|text, or id|speaker|text, or id|speaker|text|language (as "de": English where none stands);
                                      id|text|text, LJSpeech's, is known by its second field repeating the third;
                                      audio: <root>/wavs/<id>.wav or <root>/<id>.wav
    <root>/<id>.wav, <id>.txt         a transcript beside each recording (.txt or .lab)
    <root>/<speaker>/.../<id>.wav     the same in a folder for each speaker

Phone times are used where they exist: `TextGrid/<id>.TextGrid`, `TextGrid/<speaker>/<id>.TextGrid`, or beside the recording. Recordings
without words serve vocoders and voice conversion.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from preprocessors.base import Utterance
from preprocessors.layout import by_name, lines, named, own_name, recordings, safe, text_of, twins
from utils.tree import composed, files_under

METADATA = "metadata.csv"
TEXTS = (".txt", ".lab")
OWN_SPEAKER = 0.9  # speakers a line, from where on they seem to be none


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
    found: dict[str, Path] = {}
    root = root.absolute()
    grids = {name: paths[0] for name, paths in by_name(files_under(root), root, [".textgrid"]).items()}
    for name in sorted(grids, key=lambda name: (not name.lower().startswith("textgrid/"), name)):  # those of that folder go first
        top, _, within = name.partition("/")
        found.setdefault(within if within and top.lower() in ("textgrid", "wavs") else name, grids[name])
    return found


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _listed(root: Path, bad: list[tuple[str, str]] | None = None) -> Iterator[tuple[str, str, str, str]]:
    """(recording as written, speaker, text, language) of metadata.csv; lines in another encoding go to `bad`."""
    rows = list(lines(root / METADATA, 2, bad=bad))
    twice = _says_twice(rows)
    for name, *fields in rows:
        if len(fields) == 1 or twice:
            speaker, text, language = own_name(root), fields[-1].strip() or fields[0], ""
        else:
            speaker, text, language = (*fields, "")[:3]
        yield name, composed(speaker).strip(" \t"), text.strip(), language.strip() or Utterance.language


def _says_twice(rows: list[list[str]]) -> bool:
    """Whether the lines are LJSpeech's, id|text|text: the second field has words of the third, and is hardly ever the same."""
    pairs = [[set(field.lower().split()) for field in row[1:]] for row in rows if len(row) == 3]
    alike = [first for first, second in pairs if first and 2 * len(first & second) >= len(first)]
    return bool(alike) and len(alike) > len(rows) / 2 and len({row[1] for row in rows}) >= OWN_SPEAKER * len(rows)


def _folder(root: Path) -> Path:
    """Where the recordings lie."""
    return (root / "wavs" if (root / "wavs").is_dir() else root).absolute()


def utterances(root: Path) -> Iterator[Utterance]:
    """The recordings, with their texts where they have one; with metadata.csv, those that it names."""
    found = recordings(_folder(root))
    grids = textgrids(root, found)
    rows = _named(root, found) if (root / METADATA).is_file() else _beside(root, found)
    for name, speaker, text, language in rows:
        yield Utterance(
            id=safe(name),
            speaker=speaker,
            audio=str(found[name]),
            text=text,
            language=language,
            textgrid=grids.get(name, ""),
        )


def _named(root: Path, found: dict[str, Path]) -> Iterator[tuple[str, str, str, str]]:
    for written, *rest in _listed(root):
        name = named(found, written, root)
        if name:
            yield name, *rest


def _beside(root: Path, found: dict[str, Path]) -> Iterator[tuple[str, str, str, str]]:
    texts = _texts(root)
    for name in found:
        folder, _, _ = name.rpartition("/")
        text, _ = text_of(texts.get(name, []), "")
        yield name, folder.split("/")[0] or own_name(root), text, Utterance.language


def _texts(root: Path) -> dict[str, list[Path]]:
    return by_name(files_under(_folder(root)), _folder(root), TEXTS)


def orphans(root: Path) -> list[tuple[str, str]]:
    """Transcripts and TextGrids without a recording; with metadata.csv, also recordings it does not name."""
    found = recordings(_folder(root))
    strays = [(safe(name), reason) for name, reason in twins(_folder(root))]
    if (root / METADATA).is_file():
        names = {written: named(found, written, root) for written, *_ in _listed(root, strays)}
        lost = sorted(written for written, name in names.items() if not name)
        strays += [(safe(name), f"metadata.csv names it, but there is no recording {name}") for name in lost]
        strays += [(safe(name), "it has no line in metadata.csv") for name in sorted(set(found) - set(names.values()))]
    else:
        texts = _texts(root)
        lost = [path for name in sorted(set(texts) - set(found)) for path in texts[name]]
        strays += [(safe(path.stem), f"{path} has no recording beside it") for path in lost]
    return strays + unused_textgrids(root, found)


def mute(root: Path) -> list[tuple[str, str]]:
    """Why recordings have no text, where texts lie beside them."""
    if (root / METADATA).is_file():
        return []
    texts = _texts(root)
    why = {name: text_of(texts.get(name, []), "it has no transcript beside it")[1] for name in recordings(_folder(root))}
    return [(safe(name), reason) for name, reason in why.items() if reason]


def doubts(root: Path) -> list[tuple[str, str]]:
    """Says where the second field of metadata.csv seems to hold texts, as LJSpeech's does, and not speakers."""
    rows = list(lines(root / METADATA, 2)) if (root / METADATA).is_file() else []
    if _says_twice(rows):
        return [(METADATA, "its lines are read as id|text|text, LJSpeech's, not as id|speaker|text: the second field repeats the third")]
    speakers = {row[1].strip() for row in rows if len(row) > 2}
    words = max((len(speaker.split()) for speaker in speakers), default=0)
    if len(rows) < 2 or len(speakers) < OWN_SPEAKER * len(rows) or (len(rows) < 10 and words < 3):
        return []
    advice = "If the second field is a text, name the dataset ljspeech (id|text|text); if it is no speaker, leave it out (id|text)"
    return [(METADATA, f"{len(rows)} lines name {len(speakers)} speakers, e.g. {rows[0][1][:60]!r}. {advice}.")]
