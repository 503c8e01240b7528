"""What is kept of a corpus on disk: every file's name says what it was made from, so that a corrected corpus never meets old arrays.

What is there is a function of corpus and settings, not of what was done before: a name that is missing is made, one that
nothing asks for any more is removed.
"""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import numpy as np

from preprocessors.base import Utterance, corpora
from utils.digest import digest, digest_of_bytes
from utils.files import write_whole
from utils.log import log

KINDS = ("text", "sound", "TextGrid")  # what an utterance is made of, in the order of `facts`
DAMAGE = (ValueError, TypeError, EOFError, OSError, MemoryError, OverflowError, SyntaxError, TokenError)  # what numpy raises of a file
NEXT = "run the extract stage again (run.sh --stage 1)"


def identity(utterance: Utterance) -> str:
    """The name of an utterance among several corpora."""
    return f"{utterance.dataset}/{utterance.id}"


def text_of(utterance: Utterance) -> str:
    """What tells its text, with the language that it is in, from another."""
    return digest_of_bytes(utterance.language.encode(), b"|", utterance.text.encode())


def sound_of(utterance: Utterance) -> str:
    """What tells its sound from another; manifests of before say only where it lies."""
    if utterance.audio_digest:
        return utterance.audio_digest
    place = [utterance.audio, utterance.start or 0.0, utterance.seconds]
    if utterance.start == 0:
        place.append("section")  # which the whole of a file, of a length that was mistaken, is not
    return digest(place)


def textgrid_of(utterance: Utterance) -> str:
    """What tells its phone times from others, "" where it has none."""
    return utterance.textgrid_digest or (digest(utterance.textgrid) if utterance.textgrid else "")


def facts(utterance: Utterance) -> str:
    """All three, in the order of `KINDS`."""
    return f"{text_of(utterance)} {sound_of(utterance)} {textgrid_of(utterance) or '-'}"


def read_array(path: Path) -> np.ndarray | None:
    """The array in a file; None where there is none, or, with a word, where it is damaged.

    One of our own: it is read at once, in half the time of `utils.files.read_array`, which measures somebody else's file first.
    """
    try:
        with open(path, "rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        return None
    except DAMAGE as error:
        log.warning(f"{path} is damaged ({error or type(error).__name__}): made again.")
        return None


def write_array(path: Path, array: np.ndarray) -> None:
    """Keeps an array, whole or not at all."""
    write_whole(path, lambda p: np.save(p, array))


def sweep(folder: Path, dataset: str, names: set[str]) -> int:
    """Removes from a feature's folders for `dataset` what is none of the file `names`; returns how many it were."""
    removed = 0
    places = [path for path in folder.glob(f"*/{dataset}") if path.parent.name not in corpora()]  # an id may have folders too
    for part in (folder / dataset, *places):
        for path in part.rglob("*"):
            if path.is_file() and path.relative_to(part).as_posix() not in names and not path.name.startswith("."):
                path.unlink(missing_ok=True)
                removed += 1
    return removed
