"""A blind listening test as one HTML file, and the key that says afterwards which system was which: opinions (MOS), or A against B.

The page knows its sounds by codes only; which system is behind a code stands in key.json, which listeners do not get.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.audio import Audio
from utils.files import write_json, write_whole
from utils.recordings import find_audio
from utils.registry import nearest
from visualization.embed import assemble, sound_uri

REFERENCE = "reference"
QUESTIONS = {
    "mos": "How natural does this sound?",
    "ab": "Which of the two sounds more natural?",
}
Trial = dict[str, Any]  # code, utterance, and the systems of its sounds, in the order in which they are offered
Files = Mapping[str, Mapping[str, Path]]  # {system: {utterance: path}}


def make_page(
    systems: Mapping[str, Path],
    out: Path,
    *,
    kind: str = "mos",
    reference: Path | None = None,
    utterances: int = 20,
    seed: int = 0,
    question: str = "",
    title: str = "Listening test",
    codec: str = "flac",
    megabytes: float = 150.0,
) -> tuple[Path, Path]:
    """Writes out/listen.html for listeners and out/key.json for you; `utterances` are drawn among those that every folder has.

    "mos" has a trial for each utterance and system, with the reference hidden among them; "ab" one for each utterance and pair of
    systems. Sounds are whole and, unless `codec` says otherwise, lossless. Raises ValueError for a kind or codec that is unknown, too
    few systems, folders that share no stem, and a page of more than `megabytes`.
    """
    if utterances < 1:
        raise ValueError(f"utterances {utterances}: one or more is needed.")
    folders = _folders(kind, systems, reference)
    files = {name: find_audio(Path(folder)) for name, folder in folders.items()}
    rng = np.random.default_rng(seed)
    chosen = _drawn(_shared(files), utterances, rng)
    trials = list(_trials(kind, list(folders), chosen, seed, rng))
    question = question or QUESTIONS[kind]
    shown = _embedded(trials, files, codec, megabytes)
    page = _signature(kind, question, trials, shown)
    data = {"kind": kind, "page": page, "question": question, "trials": shown}
    text = assemble("listen", title=title, style="style.css", script="listen.js", data=data)
    key = {
        "page": page,
        "kind": kind,
        "question": question,
        "seed": seed,
        "systems": list(folders),
        "trials": trials,
    }
    page_path = write_whole(out / "listen.html", lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return page_path, write_json(out / "key.json", key)


def _folders(kind: str, systems: Mapping[str, Path], reference: Path | None) -> dict[str, Path]:
    """The folders to listen to, the reference first. Raises ValueError for a test that cannot be."""
    if kind not in QUESTIONS:
        raise ValueError(nearest(kind, QUESTIONS, "kind"))
    if REFERENCE in systems:
        raise ValueError(f"a system is called {REFERENCE!r}, which is the name of the recordings: give it another.")
    folders = {REFERENCE: reference} if reference else {}
    folders |= systems
    if not systems or (kind == "ab" and len(folders) < 2):
        raise ValueError(f"{len(folders)} folder ({', '.join(folders) or 'none'}): an A/B test compares two or more.")
    return folders


def _shared(files: Files) -> list[str]:
    """The utterances that every system has. Raises ValueError where there is none."""
    shared = set.intersection(*map(set, files.values()))
    if not shared:
        raise ValueError(f"no utterance is in all of {', '.join(files)}: files of one utterance have the same stem in each folder.")
    return sorted(shared)


def _drawn(names: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """`count` of the names, or all, in their order."""
    places = rng.permutation(len(names))[:count]
    return [names[place] for place in sorted(places)]


def _trials(kind: str, systems: Sequence[str], utterances: Sequence[str], seed: int, rng: np.random.Generator) -> Iterator[Trial]:
    """Every trial, in an order that `rng` draws."""
    group_size = 1 if kind == "mos" else 2
    trials = []
    for group in itertools.combinations(systems, group_size):
        # Half of a pair's trials have its first system as A: who always prefers A says nothing then.
        alternating = np.arange(len(utterances)) % 2
        reverse = rng.permutation(alternating)
        for utterance, backwards in zip(utterances, reverse, strict=True):
            order = list(group[::-1]) if backwards else list(group)
            trials.append((utterance, order))
    for place in rng.permutation(len(trials)):
        utterance, order = trials[place]
        identity = json.dumps([seed, kind, utterance, order])
        digest = hashlib.sha256(identity.encode())
        code = digest.hexdigest()[:12]
        yield {"code": code, "utterance": utterance, "systems": order}


def _embedded(trials: Sequence[Trial], files: Files, codec: str, megabytes: float) -> list[dict[str, Any]]:
    """What the page knows of each trial: its code, and its sounds as data URIs. Raises ValueError where they pass `megabytes`."""
    uris: dict[Path, str] = {}
    shown = []
    size = 0
    for trial in trials:
        paths = [files[system][trial["utterance"]] for system in trial["systems"]]
        for path in paths:
            if path not in uris:
                uris[path] = sound_uri(Audio.read(path), codec)
            size += len(uris[path])
        if size > megabytes * 1e6:
            raise ValueError(
                f"the page would pass {megabytes:g} MB at trial {len(shown) + 1} of {len(trials)}: "
                "take fewer utterances, shorter ones, another codec (mp3, ogg), or allow more."
            )
        shown.append({"code": trial["code"], "sounds": [uris[path] for path in paths]})
    return shown


def _signature(kind: str, question: str, trials: Sequence[Trial], shown: Sequence[Mapping[str, Any]]) -> str:
    """The name of a page, which its answers bear: a digest of its sounds and of its key.

    The systems are part of it, so that two keys over the same sounds cannot be taken for one another.
    """
    digest = hashlib.sha256()
    for trial in shown:
        for uri in trial["sounds"]:
            digest.update(uri.encode())
    digest.update(json.dumps([kind, question, trials], sort_keys=True).encode())
    return digest.hexdigest()
