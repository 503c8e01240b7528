"""Which utterances train, validate and test: of a corpus's own splits what a model can use, and something for one that is empty."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from preprocessors.base import SPLITS, Utterance
from processors.store import identity
from utils.log import log
from utils.names import some

SHARE = 0.05  # of the training utterances that are held back where none validate
MOST = 200  # of them at most
SHOWN = 5  # names in a message


@dataclass
class Division:
    """The utterances of each split, and what is to be said of how they were chosen."""

    splits: dict[str, list[Utterance]]
    notes: dict[str, list[str]] = field(default_factory=lambda: {split: [] for split in SPLITS})

    def take(self, split: str) -> list[Utterance]:
        """The utterances of a split, once it is said how they were chosen."""
        for note in self.notes[split]:
            log.warning(f"{split}: {note}")
        return self.splits[split]


def divide(splits: dict[str, list[Utterance]], voices: Collection[str] | None) -> Division:
    """`splits` ("train", "valid" and "test") as a model can use them; the same ones are always divided alike.

    `voices` are the speakers that the model knows, None where it tells none apart: utterances of others are left out. Where
    nothing is left to validate with, some training utterances are held back; where nothing is left to test with, what
    validates is tested. A split stays empty only where there is no training utterance either.
    """
    made = Division({})
    for name in SPLITS:
        made.splits[name] = [u for u in splits[name] if voices is None or speaker_name(u) in voices]
        strangers = [u for u in splits[name] if voices is not None and speaker_name(u) not in voices]
        if strangers:
            who = some(sorted({speaker_name(u) for u in strangers}), SHOWN)
            made.notes[name].append(f"{len(strangers)} utterance(s) of speakers that the model does not know are left out: {who}.")
    if not made.splits["valid"] and made.splits["train"]:
        _fill_valid(made, one_voice=voices is None)
    if not made.splits["test"] and made.splits["valid"]:
        made.splits["test"] = made.splits["valid"]
        made.notes["test"] += ["no utterance is left of this split: those that validate are taken, too.", *made.notes["valid"]]
    return made


def _fill_valid(made: Division, *, one_voice: bool) -> None:
    train, held = hold_back(made.splits["train"], one_voice=one_voice)
    how = "which goes on without them"
    if not held:
        held = train[:1]
        how = "which keeps it, as none can be spared"
    made.splits |= {"train": train, "valid": held}
    names = some([identity(u) for u in held], SHOWN)
    made.notes["valid"].append(f"no utterance is left of this split: {len(held)} taken from training, {how}: {names}.")


def hold_back(train: list[Utterance], *, one_voice: bool) -> tuple[list[Utterance], list[Utterance]]:
    """`train` without a twentieth, and that twentieth: by a hash of their ids, so that it does not move; no speaker's last one."""

    def voice(utterance: Utterance) -> str:
        return "" if one_voice else speaker_name(utterance)

    left, held = Counter(map(voice, train)), []
    wanted = max(1, min(MOST, round(SHARE * len(train))))
    for utterance in sorted(train, key=_hash):
        if len(held) < wanted and left[voice(utterance)] > 1:
            left[voice(utterance)] -= 1
            held.append(utterance)
    gone = set(held)
    return [u for u in train if u not in gone], held


def speaker_name(utterance: Utterance) -> str:
    """The name of a voice across corpora: "vctk_p225"."""
    return f"{utterance.dataset}_{utterance.speaker or 'default'}"


def _hash(utterance: Utterance) -> str:
    return hashlib.sha1(identity(utterance).encode()).hexdigest()
