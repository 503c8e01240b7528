"""Your own recordings, in any of three layouts, in any format of utils.decode.SUFFIXES. No licence but yours.

    <root>/metadata.csv               id|text, or id|speaker|text, or id|speaker|text|language (as "de": English where none stands);
                                      id|text|text, LJSpeech's, is known by its second field repeating the third;
                                      audio: <root>/wavs/<id>.wav or <root>/<id>.wav
    <root>/<id>.wav, <id>.txt         a transcript, or the caption of a sound, beside each recording (.txt or .lab)
    <root>/<speaker>/.../<id>.wav     the same in a folder for each speaker

Phone times are used where they exist: `TextGrid/<id>.TextGrid`, `TextGrid/<speaker>/<id>.TextGrid`, or beside the recording. So are the
events of a sound, `<id>.events` beside it with a line like dog_bark__1.0-1.5_3.0-3.6--rain__0.0-10.0 (see utils.events). Recordings
without words serve vocoders and voice conversion.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from preprocessors.base import Utterance
from preprocessors.layout import Reasons, by_name, named, own_name, recordings, rows, safe, text_of, twins
from utils.events import parse
from utils.tree import composed, files_under

LICENCE = "not told"
METADATA = "metadata.csv"
LINE_ENDS = re.compile(r"\s*[\r\n]+\s*")
TEXTS = (".txt", ".lab")
EVENTS = ".events"
Row = tuple[str, str, str, str]  # name of a recording, speaker, text, language
OWN_SPEAKER = 0.9  # speakers a line, from where on they seem to be none


def textgrids(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Name of a recording -> absolute path of its TextGrid, as far as there are.

    It has the recording's path within `TextGrid/` or lies beside it; else its file name must be that of one recording alone,
    as where an aligner sorted them by speaker.
    """
    names = list(names)
    grids = _grids(root)
    recordings_of = Counter(map(_stem, names))
    grids_of = Counter(map(_stem, grids))
    by_stem = {_stem(name): path for name, path in grids.items()}
    grid_of = {}
    for name in names:
        stem = _stem(name)
        if name in grids:
            grid_of[name] = str(grids[name])
        elif recordings_of[stem] == 1 == grids_of[stem]:
            grid_of[name] = str(by_stem[stem])
    return grid_of


def unused_textgrids(root: Path, names: Iterable[str]) -> Reasons:
    """(id, why) of the TextGrids that belong to no recording, or to more than one."""
    used = set(textgrids(root, names).values())
    why = "is ignored: its name is not that of one recording, or another TextGrid has it too"
    return [(safe(_stem(key)), f"{path} {why}") for key, path in _grids(root).items() if str(path) not in used]


def _grids(root: Path) -> dict[str, Path]:
    """Path within the corpus, without suffix and without the folder that holds all TextGrids or recordings -> absolute path."""
    root = root.absolute()
    grids = by_name(files_under(root), root, [".textgrid"])
    holders: dict[str, Path] = {}
    for name in sorted(grids, key=_own_folder_first):
        top, _, within = name.partition("/")
        is_holder = within and top.lower() in ("textgrid", "wavs")
        holders.setdefault(within if is_holder else name, grids[name][0])
    return holders


def _own_folder_first(name: str) -> tuple[bool, str]:
    return not name.lower().startswith("textgrid/"), name


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _listed(root: Path, bad: Reasons | None = None) -> Iterator[Row]:
    """The lines of metadata.csv, recordings as written there; lines in another encoding go to `bad`."""
    listed = list(rows(root / METADATA, 2, bad=bad, lenient=True))
    twice = _says_twice(listed)
    for name, *fields in listed:
        if twice or len(fields) == 1:
            text = fields[-1].strip() or fields[0]
            fields = [own_name(root), text]
        speaker, text, *others = fields
        language = others[0].strip() if others else ""
        speaker = composed(speaker).strip(" \t")
        yield name, speaker, text.strip(), language or Utterance.language


def _says_twice(listed: list[list[str]]) -> bool:
    """Whether the lines are LJSpeech's, id|text|text: the second field has words of the third, and is hardly ever the same."""
    alike = [row for row in listed if len(row) == 3 and _repeats(row[1], row[2])]
    are_most = len(alike) > len(listed) / 2
    return are_most and len({row[1] for row in listed}) >= OWN_SPEAKER * len(listed)


def _repeats(first: str, second: str) -> bool:
    """Whether half of the words of the first field stand in the second too."""
    words = set(first.lower().split())
    shared = words & set(second.lower().split())
    return bool(words) and 2 * len(shared) >= len(words)


def _folder(root: Path) -> Path:
    """Where the recordings lie."""
    return (root / "wavs" if (root / "wavs").is_dir() else root).absolute()


def utterances(root: Path) -> Iterator[Utterance]:
    """The recordings, with their texts where they have one; with metadata.csv, those that it names."""
    recorded = recordings(_folder(root))
    grids = textgrids(root, recorded)
    events = _events(root)
    listed = _named(root, recorded) if (root / METADATA).is_file() else _beside(root, recorded)
    for name, speaker, text, language in listed:
        events_line, _ = _line_of_events(events.get(name, []))
        yield Utterance(
            id=safe(name),
            speaker=speaker,
            audio=str(recorded[name]),
            text=text,
            language=language,
            textgrid=grids.get(name, ""),
            events=events_line,
        )


def _named(root: Path, recorded: dict[str, Path]) -> Iterator[Row]:
    for written, *rest in _listed(root):
        name = named(recorded, written, root)
        if name:
            yield name, *rest


def _beside(root: Path, recorded: dict[str, Path]) -> Iterator[Row]:
    texts = _texts(root)
    for name in recorded:
        folder, _, _ = name.rpartition("/")
        speaker = folder.split("/")[0] or own_name(root)
        written, _ = text_of(texts.get(name, []), "")
        text = LINE_ENDS.sub(" ", written)
        yield name, speaker, text, Utterance.language


def _texts(root: Path) -> dict[str, list[Path]]:
    return by_name(files_under(_folder(root)), _folder(root), TEXTS)


def _events(root: Path) -> dict[str, list[Path]]:
    return by_name(files_under(_folder(root)), _folder(root), [EVENTS])


def orphans(root: Path) -> Reasons:
    """Transcripts, events and TextGrids without a recording; with metadata.csv, also recordings it does not name."""
    recorded = recordings(_folder(root))
    strays = [(safe(name), reason) for name, reason in twins(_folder(root))]
    is_listed = (root / METADATA).is_file()
    if is_listed:
        strays += _unlisted(root, recorded)
    else:
        strays += _lone(_texts(root), recorded)
    strays += _lone(_events(root), recorded)
    return strays + unused_textgrids(root, recorded)


def _unlisted(root: Path, recorded: dict[str, Path]) -> Reasons:
    strays: Reasons = []
    names = {}
    for written, *_ in _listed(root, strays):
        names[written] = named(recorded, written, root)
    lost = sorted(written for written, name in names.items() if not name)
    others = sorted(recorded.keys() - set(names.values()))
    for name in lost:
        strays.append((safe(name), f"metadata.csv names it, but there is no recording {name}"))
    for name in others:
        strays.append((safe(name), "it has no line in metadata.csv"))
    return strays


def _lone(texts: dict[str, list[Path]], recorded: dict[str, Path]) -> Reasons:
    lost = [path for name in sorted(texts.keys() - recorded.keys()) for path in texts[name]]
    return [(safe(path.stem), f"{path} has no recording beside it") for path in lost]


def mute(root: Path) -> Reasons:
    """Why recordings have no text, where texts lie beside them."""
    if (root / METADATA).is_file():
        return []
    texts = _texts(root)
    mutes = []
    for name in recordings(_folder(root)):
        _, reason = text_of(texts.get(name, []), "it has no transcript beside it")
        if reason:
            mutes.append((safe(name), reason))
    return mutes


def doubts(root: Path) -> Reasons:
    """Events that cannot be read, and where the second field of metadata.csv seems to hold texts, as LJSpeech's does, and not speakers."""
    return [*_unread_events(root), *_odd_metadata(root)]


def _unread_events(root: Path) -> Reasons:
    doubted = []
    events = _events(root)
    for name in sorted(events.keys() & recordings(_folder(root)).keys()):
        paths = events[name]
        _, why = _line_of_events(paths)
        if why:
            doubted.append((safe(name), f"it is taken without its events: {paths[0].name} {why}"))
    return doubted


def _line_of_events(paths: list[Path]) -> tuple[str, str]:
    """The line of the first file that has one, or "" and why it cannot be read."""
    line, reason = text_of(paths, "")
    if not line:
        return "", reason.removeprefix("its transcript ")
    try:
        parse(line)
    except ValueError as error:
        return "", f"cannot be read: {error}"
    return line, ""


def _odd_metadata(root: Path) -> Reasons:
    if not (root / METADATA).is_file():
        return []
    listed = list(rows(root / METADATA, 2, lenient=True))
    if _says_twice(listed):
        return [(METADATA, "its lines are read as id|text|text, LJSpeech's, not as id|speaker|text: the second field repeats the third")]
    speakers = {row[1].strip() for row in listed if len(row) > 2}
    if not _seem_texts(speakers, len(listed)):
        return []
    advice = "If the second field is a text, name the dataset ljspeech (id|text|text); if it is no speaker, leave it out (id|text)"
    return [(METADATA, f"{len(listed)} lines name {len(speakers)} speakers, e.g. {listed[0][1][:60]!r}. {advice}.")]


def _seem_texts(speakers: set[str], n_lines: int) -> bool:
    """Whether names of speakers are too many, or in a short list too long, to be such."""
    most_words = max((len(speaker.split()) for speaker in speakers), default=0)
    if n_lines < 2 or len(speakers) < OWN_SPEAKER * n_lines:
        return False
    return n_lines >= 10 or most_words >= 3
