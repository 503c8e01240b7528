"""The sounds of a page and their spectrograms: each kept once, and all of them under a limit of bytes."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.audio import Audio
from utils.log import log
from visualization.embed import picture_uri, sound_uri

RATE = 24000  # Hz, the highest on the page: pictures and players are for finding faults, not for judging the last octave


class Players:
    """What the players of a page hold.

    `files`: {system: {utterance: path}}; a sound is cut to `seconds`, and sounds and pictures together are at most `limit` bytes.
    `left_out` has the utterances that did not fit, `cut` the (system, utterance) that are longer than `seconds`.
    """

    def __init__(self, files: Mapping[str, Mapping[str, Path]], seconds: float, limit: float, codec: str) -> None:
        self.files = files
        self.seconds = seconds
        self.limit = limit
        self.codec = codec
        self.sounds: list[dict[str, Any]] = []
        self.positions: dict[tuple[str, str], int] = {}  # of (system, utterance) among the sounds
        self.size = 0
        self.left_out: set[str] = set()
        self.cut: set[tuple[str, str]] = set()
        self.read = functools.lru_cache(maxsize=32)(self._read)

    def add(self, utterance: str, systems: Sequence[str]) -> None:
        """Takes in an utterance of `systems`, all or, when it would not fit any more, none."""
        recordings = {}
        for system in systems:
            audio = self.read(system, utterance)
            if audio is not None:
                recordings[system] = audio
        longest = max((audio.seconds for audio in recordings.values()), default=0.0)
        new = {
            system: self._embedded(audio, longest)
            for system, audio in recordings.items()
            if (system, utterance) not in self.positions
        }
        size = sum(len(sound["audio"]) + len(sound["picture"]) for sound in new.values())
        if self.size + size > self.limit:
            self.left_out.add(utterance)
            return
        self.size += size
        for system, sound in new.items():
            self.positions[system, utterance] = len(self.sounds)
            self.sounds.append(sound)

    def data(self) -> dict[str, Any]:
        """What the page's script reads."""
        return {"sounds": self.sounds}

    def _embedded(self, audio: Audio, seconds: float) -> dict[str, Any]:
        return {
            "audio": sound_uri(audio, self.codec),
            "picture": picture_uri(audio, seconds),
            "seconds": round(seconds, 3),
        }

    def _read(self, system: str, utterance: str) -> Audio | None:
        path = self.files.get(system, {}).get(utterance)
        if path is None:
            return None
        try:
            audio = Audio.read(path, seconds=self.seconds)
        except ValueError as error:
            log.warning(f"no player for {system}: {error}")
            return None
        if audio.seconds >= self.seconds:
            self.cut.add((system, utterance))
        return audio.resample(min(audio.rate, RATE))
