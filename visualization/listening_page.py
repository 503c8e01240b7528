"""A blind listening test as one HTML file, and the key that says afterwards what was heard: opinions (MOS), or A against B.

The page knows its sounds by codes only; which system is behind a code stands in key.json, which listeners do not get.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
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
    if kind not in QUESTIONS:
        raise ValueError(nearest(kind, QUESTIONS, "kind"))
    if utterances < 1:
        raise ValueError(f"utterances {utterances}: one or more is needed.")
    if REFERENCE in systems:
        raise ValueError(f"a system is called {REFERENCE!r}, which is the name of the recordings: give it another.")
    folders = {**({REFERENCE: reference} if reference else {}), **systems}
    if not systems or (kind == "ab" and len(folders) < 2):
        raise ValueError(f"{len(folders)} folder ({', '.join(folders) or 'none'}): an A/B test compares two or more.")
    files = _files(folders)
    rng = np.random.default_rng(seed)
    shared = sorted(set.intersection(*map(set, files.values())))
    chosen = [shared[i] for i in sorted(rng.permutation(len(shared))[:utterances])]
    trials = list(_trials(kind, list(folders), chosen, seed, rng))
    shown, digest = _embedded(trials, files, codec, megabytes)
    question = question or QUESTIONS[kind]
    # The systems are part of what is signed, so that two keys over the same sounds cannot be taken for one another.
    digest.update(json.dumps([kind, question, trials], sort_keys=True).encode())
    page = digest.hexdigest()
    data = {"kind": kind, "page": page, "question": question, "trials": shown}
    text = assemble("listen", title=title, style="style.css", script="listen.js", data=data)
    key = {"page": page, "kind": kind, "question": question, "seed": seed, "systems": list(folders), "trials": trials}
    return write_whole(out / "listen.html", lambda p: p.write_text(text, encoding="utf-8")), write_json(out / "key.json", key)


def _files(folders: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    files = {name: find_audio(Path(folder)) for name, folder in folders.items()}
    if not set.intersection(*map(set, files.values())):
        raise ValueError(f"no utterance is in all of {', '.join(folders)}: files of one utterance have the same stem in each folder.")
    return files


def _trials(kind: str, systems: list[str], chosen: list[str], seed: int, rng: np.random.Generator) -> Iterator[Trial]:
    groups = [[system] for system in systems] if kind == "mos" else [list(pair) for pair in itertools.combinations(systems, 2)]
    every = []
    for group in groups:
        # Half of a pair's trials have its first system as A: who always prefers A says nothing then.
        turned = rng.permutation(np.arange(len(chosen)) % 2)
        every += [(name, group[::-1] if turn else group) for name, turn in zip(chosen, turned, strict=True)]
    for i in rng.permutation(len(every)):
        name, group = every[i]
        told = json.dumps([seed, kind, name, group])
        yield {"code": hashlib.sha256(told.encode()).hexdigest()[:12], "utterance": name, "systems": group}


def _embedded(trials: list[Trial], files: Mapping[str, Mapping[str, Path]], codec: str, megabytes: float) -> tuple[list[Any], Any]:
    digest, shown, size, made = hashlib.sha256(), [], 0, {}
    for trial in trials:
        uris = []
        for system in trial["systems"]:
            where = files[system][trial["utterance"]]
            if where not in made:
                made[where] = sound_uri(Audio.read(where), codec)
            uris.append(made[where])
            digest.update(made[where].encode())
            size += len(made[where])
        if size > megabytes * 1e6:
            raise ValueError(
                f"the page would pass {megabytes:g} MB at trial {len(shown) + 1} of {len(trials)}: "
                "take fewer utterances, shorter ones, another codec (mp3, ogg), or allow more."
            )
        shown.append({"code": trial["code"], "sounds": uris})
    return shown, digest
