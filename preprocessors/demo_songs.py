"""Demo songs: two singers and the same songs by both, made on the spot, so that every recipe of singing runs offline.

Two voices of the demo corpus say the lines of a song; WORLD moves each vowel to a note of its melody and holds it for as long. Both
singers keep the same beat, so that a song by one is the song by the other in time, too; the man sings an octave lower.

    <root>/
      metadata.csv                      id|singer|text
      wavs/fay-00.wav                   singer and song
      f0/fay-00.csv                     seconds,hertz every 5 ms: the F0 that it was made with, 0 where it has no voice
      TextGrid/fay-00.TextGrid          tiers phones, words and notes (their names, as "A4")

The folder is made when it does not exist. Of six songs four are to train, one to validate and one to test, for both singers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from preprocessors import demo
from preprocessors.base import Utterance
from utils.audio import Audio
from utils.files import write_whole
from utils.textgrid import Interval

LICENCE = "CC0 1.0"
SONGS = 6
LINES = (
    "A silver moon is shining on the sea.",
    "The river runs along the quiet hill.",
    "We dance until the morning bells are ringing.",
    "My love is like a ship without a sail.",
    "Oh lonely bird, come sing your song for me.",
    "The summer rain is falling on the roses.",
    "I follow every star across the valley.",
    "So close your eyes and let the evening go.",
    "The golden leaves are floating down the lane.",
    "No winter wind will ever find our garden.",
    "They wander home beneath a glowing lantern.",
    "Remember all the gentle days of June.",
)
SCALE = (-5, -3, 0, 2, 4, 7)  # semitones from the key note: five of an octave, so that no step sounds wrong
KEY = 57  # the key note as a MIDI number: A3, 220 Hz
BEAT = 0.26  # seconds of a syllable
LONG = 0.6  # seconds of the last
LEAD = 0.25  # seconds before the first, for the consonants that begin the line
MOST = 0.6  # of a beat that consonants may take from the vowel before them
GLIDE = 0.06  # seconds from note to note
VIBRATO = (5.5, 0.3)  # Hz and semitones, on long notes
FRAME = 0.005  # seconds between two frames of WORLD
FAINT = 1e-12  # power of a spectrum that nobody hears
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
VOWELS = frozenset("aeiouyæɐɑɒɔəɚɛɜɪʊʌ")


@dataclass(frozen=True)
class Singer:
    """A voice of the demo corpus that sings so many semitones from the melody."""

    voice: demo.Voice
    transposed: int


VOICES = {voice.name: voice for voice in demo.VOICES}
SINGERS = (Singer(VOICES["fay"], 0), Singer(VOICES["adam"], -12))


class Score:
    """When the phones of a spoken line are sung, and on which notes, by someone who sings `transposed` semitones from the melody.

    `knots` are the borders of the phones as they were spoken, `times` as they are sung, `onsets` the beginnings of the vowels, in
    seconds; `notes` are MIDI numbers, one a vowel.
    """

    def __init__(self, phones: list[Interval], rng: random.Random, transposed: int) -> None:
        labels, _, ends = zip(*phones, strict=True)
        initials = [label[:1] for label in labels]
        vowels = [place for place, initial in enumerate(initials) if initial in VOWELS]
        count = len(vowels)
        beats = np.arange(count)
        melody = np.array(_melody(rng, count))
        self.knots = [0.0, *ends]
        self.onsets = LEAD + BEAT * beats
        self.end = float(self.onsets[-1]) + LONG
        self.notes = melody + transposed
        self.times = self._times(vowels)

    def _times(self, vowels: list[int]) -> list[float]:
        """Vowels begin on the beat; consonants go before it, at the cost of the vowel that they follow."""
        lengths = np.diff(self.knots)
        beats = [0.0, *self.onsets, self.end]
        times: list[float] = []
        groups = np.split(lengths, vowels)  # the first without a vowel, the others behind theirs
        for number, group in enumerate(groups):
            spoken = group[1:] if number else group
            opened = beats[number]
            closed = beats[number + 1]
            most = MOST * (closed - opened)
            scale = min(1.0, most / max(spoken.sum(), FRAME))
            before = np.cumsum(scale * spoken[::-1])
            starts = closed - before[::-1]
            times += [*starts, closed]
        return times

    @property
    def frames(self) -> np.ndarray:
        """The times of WORLD's frames, (frames,) seconds."""
        return np.arange(0, self.end, FRAME)

    def spoken_at(self, times: np.ndarray) -> np.ndarray:
        """Where in the spoken line is what is sung at `times`."""
        return np.interp(times, self.times, self.knots)

    def sung(self, intervals: list[Interval]) -> list[Interval]:
        """Intervals of the spoken line, as they are sung."""
        moved = []
        for label, *borders in intervals:
            start, end = np.interp(borders, self.knots, self.times)
            moved.append((label, float(start), float(end)))
        return moved

    def pitch(self) -> np.ndarray:
        """The melody, (frames,) Hz: glides between notes, vibrato on long ones."""
        from scipy.ndimage import uniform_filter1d

        place = np.searchsorted(self.onsets, self.frames, side="right") - 1
        note = np.maximum(place, 0)
        held = self.frames - self.onsets[note]
        steps = self.notes[note].astype(float)
        gliding = uniform_filter1d(steps, round(GLIDE / FRAME), mode="nearest")
        rate, depth = VIBRATO
        swing = np.clip((held - BEAT) / BEAT, 0, 1) * depth
        vibrato = swing * np.sin(2 * np.pi * rate * held)
        semitones = gliding + vibrato - 69
        return 440 * 2 ** (semitones / 12)

    def note_intervals(self) -> list[Interval]:
        """The names of the notes, from vowel to vowel."""
        borders = pairwise([*self.onsets, self.end])
        return [(_note_name(note), start, end) for note, (start, end) in zip(self.notes, borders, strict=True)]


def _melody(rng: random.Random, count: int) -> list[int]:
    """Notes of which each is near the one before; the last is the key note."""
    place = rng.randrange(len(SCALE))
    notes = []
    for _ in range(count - 1):
        notes.append(KEY + SCALE[place])
        step = rng.choice((-2, -1, -1, 1, 1, 2))
        place = min(max(place + step, 0), len(SCALE) - 1)
    return [*notes, KEY]


def _note_name(note: int) -> str:
    octave = note // 12 - 1
    return f"{NAMES[note % 12]}{octave}"


def sing(speech: Audio, score: Score) -> tuple[Audio, np.ndarray]:
    """A spoken line as the score says, and its F0 (frames of 5 ms,) Hz, 0 where it has no voice."""
    import pyworld

    samples = speech.samples.astype(np.float64)
    spoken, spectrum, noisiness = _analysed(samples, speech.rate)
    places = score.spoken_at(score.frames) / FRAME
    nearest = np.rint(places).astype(int)
    silent = score.frames < score.times[0]
    last = len(spoken) - 1
    has_voice = spoken[np.minimum(nearest, last)] > 0
    f0 = np.where(has_voice & ~silent, score.pitch(), 0.0)
    moved = _rows(spectrum, places)
    moved[silent] = FAINT
    noise = _rows(noisiness, places)
    sung = pyworld.synthesize(f0, moved, noise, speech.rate, 1000 * FRAME)
    length = round(score.end * speech.rate)
    missing = max(0, length - len(sung))
    padded = np.pad(sung, (0, missing))
    ended = padded[:length]
    return Audio(ended, speech.rate), f0


def _analysed(samples: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F0 (frames,), spectrum and share of noise (frames, bins) by WORLD."""
    import pyworld

    period = 1000 * FRAME
    rough, at = pyworld.dio(samples, rate, f0_floor=50, f0_ceil=400, frame_period=period)
    f0 = pyworld.stonemask(samples, rough, at, rate)
    spectrum = pyworld.cheaptrick(samples, f0, at, rate)
    noisiness = pyworld.d4c(samples, f0, at, rate)
    return f0, spectrum, noisiness


def _rows(frames: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The rows at `places`, between two of them a mixture."""
    last = len(frames) - 1
    places = np.clip(places, 0, last)
    lower = places.astype(int)
    upper = np.minimum(lower + 1, last)
    share = (places - lower)[:, None]
    from_below = (1 - share) * frames[lower]
    from_above = share * frames[upper]
    return from_below + from_above


def make(folder: str | Path, *, seed: int = 0, songs: int = SONGS, singers: tuple[Singer, ...] = SINGERS) -> Path:
    """Makes the corpus in `folder`, the same songs by each singer; the same seed gives the same files.

    Raises ValueError for more songs than there are lines.
    """
    if not 1 <= songs <= len(LINES):
        raise ValueError(f"songs={songs}: there are lines for 1 to {len(LINES)} songs.")
    folder = Path(folder)
    synthesiser = demo.Synthesiser()
    metadata = []
    seconds = 0.0
    for singer in singers:
        rng = np.random.default_rng([seed, *singer.voice.name.encode()])
        for number in range(songs):
            name = f"{singer.voice.name}-{number:02d}"
            line = LINES[number]
            speech, phones, words = synthesiser(line, singer.voice)
            score = Score(phones, random.Random(f"{seed} {number}"), singer.transposed)
            sound, f0 = sing(speech, score)
            tiers = {"phones": score.sung(phones), "words": score.sung(words), "notes": score.note_intervals()}
            seconds += demo.record(folder, name, sound, tiers, rng)
            path = folder / "f0" / f"{name}.csv"
            _write_f0(path, f0)
            metadata.append(f"{name}|{singer.voice.name}|{line}\n")
    return demo.finish(folder, "demo_songs", metadata, seconds)


def _write_f0(path: Path, f0: np.ndarray) -> None:
    times = demo.EDGE + FRAME * np.arange(len(f0))
    table = np.stack([times, f0], axis=1)
    write_whole(path, lambda temporary: np.savetxt(temporary, table, fmt="%.4f", delimiter=","))


def known_f0(utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
    """(frames,) seconds and (frames,) Hz of what an utterance of this corpus was made with."""
    path = Path(utterance.audio).parents[1] / "f0" / f"{utterance.id}.csv"
    times, hertz = np.loadtxt(path, delimiter=",", unpack=True)
    return times, hertz


def ensure(root: str | Path) -> None:
    """Makes the corpus unless it is there."""
    if not (Path(root) / "metadata.csv").is_file():
        make(root)


def utterances(root: Path) -> Iterator[Utterance]:
    """The songs of the corpus, which is made first if it is not there."""
    ensure(root)
    yield from demo.listed(root)


def split(utterance: Utterance) -> str:
    """By the song: of six one is kept back to validate, one to test."""
    number = int(utterance.id.rpartition("-")[2])
    return {4: "valid", 5: "test"}.get(number % SONGS, "train")
