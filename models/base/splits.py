"""Which utterances train, validate and test: of a corpus's own splits what a model can use, and something for one that is empty."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from preprocessors.augmentation import neighbour
from preprocessors.base import SPLITS, Utterance
from processors.manifest import Manifest
from processors.store import identity
from utils.changes import KINDS, SAME_VOICE
from utils.log import log
from utils.names import some

SHARE = 0.05  # of the training utterances that are held back where none validate
MOST = 200  # of them at most
SHOWN = 5  # names in a message


@dataclass
class Division:
    """The utterances of each split, and what is to be said of how they were chosen."""

    splits: dict[str, Manifest]
    notes: dict[str, list[str]] = field(default_factory=lambda: {split: [] for split in SPLITS})

    def take(self, split: str) -> Manifest:
        """The utterances of a split, once it is said how they were chosen."""
        for note in self.notes[split]:
            log.warning(f"{split}: {note}")
        return self.splits[split]


def divide(
    splits: dict[str, Sequence[Utterance]], voices: Collection[str] | None, copies: Sequence[Utterance] = ()
) -> Division:
    """`splits` ("train", "valid" and "test") as a model can use them; the same ones are always divided alike.

    `copies` are changed ones of training utterances (`preprocessors.augmentation`): they train, but for those of what validates.

    `voices` are the speakers that the model knows, None where it tells none apart: utterances of others are left out. Where
    nothing is left to validate with, some training utterances are held back; where nothing is left to test with, what
    validates is tested. A split stays empty only where there is no training utterance either.
    """
    division = Division({name: Manifest.of(splits[name]) for name in SPLITS})
    if voices is not None:
        for name in SPLITS:
            _leave_out_strangers(division, name, set(voices))
    if not division.splits["valid"] and division.splits["train"]:
        _fill_valid(division, one_voice=voices is None)
    if not division.splits["test"] and division.splits["valid"]:
        division.splits["test"] = division.splits["valid"]
        division.notes["test"] += ["no utterance is left of this split: those that validate are taken, too.", *division.notes["valid"]]
    if copies:
        division.splits["train"] += _training(Manifest.of(copies), voices, division.splits["valid"])
    return division


def _training(copies: Manifest, voices: Collection[str] | None, held: Manifest) -> Manifest:
    """The copies of voices that the model knows, without those that were made from what validates."""
    if voices is not None:
        copies = copies.take(_of_voices(copies, voices))
    return copies.without(f"{neighbour(utterance.dataset, kind)}/{utterance.id}" for utterance in held for kind in KINDS)


def _leave_out_strangers(division: Division, split: str, voices: set[str]) -> None:
    utterances = division.splits[split]
    kept = _of_voices(utterances, voices)
    if kept.all():
        return
    division.splits[split] = utterances.take(kept)
    numbers, names = speaker_names(utterances)
    gone = np.unique(numbers[~kept])
    who = some(sorted({names[number] for number in gone}), SHOWN)
    count = len(kept) - int(kept.sum())
    division.notes[split].append(f"{count} utterance(s) of speakers that the model does not know are left out: {who}.")


def _of_voices(utterances: Manifest, voices: Collection[str]) -> np.ndarray:
    """Which of them are by one of the voices, (utterances,) bool."""
    numbers, names = speaker_names(utterances)
    known = np.array([name in voices for name in names], dtype=bool)
    return known[numbers]


def _fill_valid(division: Division, *, one_voice: bool) -> None:
    train, held = hold_back(division.splits["train"], one_voice=one_voice)
    how = "which goes on without them"
    if not held:
        held = train[:1]
        how = "which keeps it, as none can be spared"
    division.splits |= {"train": train, "valid": held}
    names = some([identity(u) for u in held], SHOWN)
    division.notes["valid"].append(f"no utterance is left of this split: {len(held)} taken from training, {how}: {names}.")


def hold_back(train: Manifest, *, one_voice: bool) -> tuple[Manifest, Manifest]:
    """`train` without a twentieth, and that twentieth: by a hash of their ids, so that it does not move; no speaker's last one."""
    numbers, names = speaker_names(train)
    voices = {name: 0 if one_voice else number for number, name in enumerate(names)}
    voice_of = np.array([voices[name] for name in names], dtype=np.int64)[numbers]
    left = Counter(voice_of.tolist())
    held: list[int] = []
    wanted = max(1, min(MOST, round(SHARE * len(train))))
    order = np.argsort(_hashes(train), kind="stable")
    for place in order.tolist():
        if len(held) == wanted:
            break
        if left[voice_of[place]] > 1:
            left[voice_of[place]] -= 1
            held.append(place)
    kept = np.ones(len(train), dtype=bool)
    kept[held] = False
    return train.take(kept), train.take(np.array(held, dtype=np.int64))


def speaker_name(utterance: Utterance) -> str:
    """The name of a voice across corpora: "vctk_p225"."""
    return _speaker_name(utterance.dataset, utterance.speaker)


def speaker_names(utterances: Manifest) -> tuple[np.ndarray, list[str]]:
    """For each utterance a number, and the `speaker_name` that each number stands for; two numbers may have one name."""
    numbers, pairs = utterances.distinct("dataset", "speaker")
    return numbers, [_speaker_name(*pair) for pair in pairs]


def _speaker_name(dataset: str, speaker: str) -> str:
    corpus, _, kind = dataset.partition(".")
    if kind in SAME_VOICE:
        dataset = corpus
    return f"{dataset}_{speaker or 'default'}"


def _hashes(utterances: Manifest) -> np.ndarray:
    """The SHA-1 of each identity, (utterances,) of 20 bytes."""
    chunks = utterances.identities.chunks
    names = (name for chunk in chunks for name in chunk.to_pylist())
    return np.fromiter((hashlib.sha1(name.encode()).digest() for name in names), dtype="S20", count=len(utterances))
