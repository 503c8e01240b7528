"""Multilingual LibriSpeech (MLS): audiobooks of LibriVox in eight languages; 44,659 hours of English, 6,000 of the others, 16 kHz.

https://www.openslr.org/94

    <root>/                                    or the folder of one language itself
      mls_german/                              or mls_german_opus; english, dutch, french, spanish, italian, portuguese, polish
        train/transcripts.txt                  id, tab, text in lower case that keeps its apostrophes and hyphens
        train/audio/1844/931/1844_931_000003.flac      <speaker>/<book>/<id>, or .opus
        train/limited_supervision/9hr/handles.txt      ids of nine hours; 1hr/0 to 1hr/5 of ten minutes each
        dev/...   test/...

The corpus's own division is kept: no speaker is in two parts. `supervision` takes of train what is listed below that folder of
limited_supervision: "9hr", "1hr", "1hr/0", or "." for all ten hours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from preprocessors.base import Utterance
from preprocessors.layout import Reasons, own_name, recordings, rows, twins
from utils.files import read_lines

LICENCE = "CC BY 4.0"
PARTS = {"train": "train", "dev": "valid", "test": "test"}
LANGUAGES = {
    "english": "en-us", "german": "de", "dutch": "nl", "french": "fr-fr", "spanish": "es", "italian": "it", "portuguese": "pt",
    "polish": "pl",
}  # fmt: skip
LIMITED = "limited_supervision"


def _parts(root: Path) -> list[tuple[str, Path]]:
    """(language, folder) of every part."""
    root = root.absolute()
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    parts = []
    for folder in folders:
        language = own_name(folder).removeprefix("mls_").removesuffix("_opus")
        if language in LANGUAGES:
            parts += [(language, folder / part) for part in PARTS if (folder / part).is_dir()]
    if not parts:
        names = ", ".join(f"mls_{language}" for language in LANGUAGES)
        raise ValueError(f"mls: {root} neither is nor holds a folder of a language with train, dev or test in it: {names}.")
    return parts


def _texts(part: Path) -> dict[str, str]:
    """Id -> text. Raises ValueError for a line without a tab."""
    path = part / "transcripts.txt"
    if not path.is_file():
        return {}
    return {name: text.strip() for name, text, *_ in rows(path, 2, "\t")}


def _recorded(part: Path) -> dict[str, Path]:
    """Id -> recording."""
    folder = part / "audio"
    return {_own(name): path for name, path in recordings(folder).items()}


def _own(name: str) -> str:
    """The id of a recording, <speaker>/<book>/<id>."""
    return name.rsplit("/", 1)[-1]


def _chosen(part: Path, supervision: str) -> set[str] | None:
    """The ids that `supervision` names; None for all. Raises ValueError, with the choices, for a folder without lists."""
    if not supervision or part.name != "train":
        return None
    folder = part / LIMITED
    lists = sorted((folder / supervision).glob("**/handles.txt"))
    if not lists:
        choices = sorted(path.parent.relative_to(folder).as_posix() for path in folder.glob("**/handles.txt"))
        raise ValueError(
            f"preprocess.corpora.mls.supervision: {folder / supervision} holds no handles.txt. "
            f"Choices: {', '.join(choices) or 'none, as there are no lists'}."
        )
    return {line.strip() for path in lists for _, line in read_lines(path) if line.strip()}


@dataclass(frozen=True)
class Part:
    """A part of a language, as far as it is asked for: id -> recording, id -> text."""

    language: str
    folder: Path
    recorded: dict[str, Path]
    texts: dict[str, str]


def _listed(root: Path, supervision: str) -> Iterator[Part]:
    for language, folder in _parts(root):
        chosen = _chosen(folder, supervision)
        recorded = _recorded(folder)
        texts = _texts(folder)
        if chosen is not None:
            recorded = {name: path for name, path in recorded.items() if name in chosen}
            texts = {name: text for name, text in texts.items() if name in chosen}
        yield Part(language, folder, recorded, texts)


def utterances(root: Path, *, supervision: str = "") -> Iterator[Utterance]:
    """Every recording, with its text where there is one."""
    for part in _listed(root, supervision):
        language = LANGUAGES[part.language]
        for name, path in part.recorded.items():
            speaker = path.parents[1].name
            text = part.texts.get(name, "")
            yield Utterance(id=name, speaker=speaker, audio=str(path), text=text, language=language)


def split(utterance: Utterance) -> str:
    """The split of the folder it lies in."""
    return PARTS[Path(utterance.audio).parents[3].name]


def orphans(root: Path, *, supervision: str = "") -> Reasons:
    """Lines of transcripts.txt without a recording, and recordings that are there in another format too."""
    strays: Reasons = []
    for part in _listed(root, supervision):
        lost = sorted(part.texts.keys() - part.recorded.keys())
        for name in lost:
            strays.append((name, f"{part.folder}/transcripts.txt names it, but there is no recording"))
        for name, reason in twins(part.folder / "audio"):
            strays.append((_own(name), reason))
    return strays


def mute(root: Path, *, supervision: str = "") -> Reasons:
    """Why recordings have no text."""
    mutes: Reasons = []
    for part in _listed(root, supervision):
        reason = f"{part.folder}/transcripts.txt has no line for it"
        mutes += [(name, reason) for name in sorted(part.recorded.keys() - part.texts.keys())]
    return mutes
