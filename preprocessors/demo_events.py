"""Demo events: clips of synthesised sounds with the exact times of each, made on the spot, so that every recipe of text to audio runs
offline; 300 clips of 5.12 s, 26 minutes, 16 kHz.

Ten classes: six of short sounds, which come up to four times in a clip and never two at once, and four that go on for seconds, beneath them.

    <root>/
      metadata.csv                      id|events|caption, events as utils.events writes them
      wavs/clip-000.wav

A caption says the times, the counts, or both in a plain sentence, in turn. The folder is made when it does not exist. Of ten clips one is
kept to validate and one to test.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preprocessors import demo
from preprocessors.base import Utterance
from preprocessors.layout import rows
from utils.audio import Audio
from utils.events import Event, frequency_caption, line_of, onset_caption

LICENCE = "CC0 1.0"
RATE = 16000
SECONDS = 5.12
CLIPS = 300
PEAK = 0.4  # of a short sound
BENEATH = 0.06  # the loudness (RMS) of a long one
EDGE = 0.1  # seconds before the first sound and behind the last
GAP = 0.3  # seconds between two short sounds, so that one can tell where the second begins
FADE = 0.01  # seconds in which a long sound begins and ends
TIMES = ("", "once", "twice", "three times", "four times")

Draw = Callable[[float, np.random.Generator], np.ndarray]  # seconds -> samples at RATE


@dataclass(frozen=True)
class Sound:
    """A class: how it is made, how long it lasts in seconds, and the words for it."""

    draw: Draw
    lasts: tuple[float, float]
    phrase: str
    is_long: bool = False


def _clock(seconds: float) -> np.ndarray:
    """The time of each sample."""
    return np.arange(round(seconds * RATE)) / RATE


def _tone(hertz: np.ndarray) -> np.ndarray:
    """A sine whose frequency moves, (samples,)."""
    turns = np.cumsum(hertz) / RATE
    return np.sin(2 * np.pi * turns)


def _band(noise: np.ndarray, low: float, high: float) -> np.ndarray:
    """Noise between two frequencies."""
    from scipy.signal import butter, sosfilt

    sections = butter(4, [low, high], "bandpass", fs=RATE, output="sos")
    return sosfilt(sections, noise)


def _bump(seconds: float) -> np.ndarray:
    """A swell from silence to silence, steep at first."""
    time = _clock(seconds)
    place = time / seconds
    rise = np.minimum(1, time / FADE)
    return rise * np.cos(place * np.pi / 2)


def _beep(seconds: float, rng: np.random.Generator) -> np.ndarray:
    hertz = np.full(round(seconds * RATE), rng.uniform(900, 1100))
    edges = np.minimum(_clock(seconds), _clock(seconds)[::-1])
    return _tone(hertz) * np.minimum(1, edges / FADE)


def _dog_bark(seconds: float, rng: np.random.Generator) -> np.ndarray:
    fall = np.linspace(rng.uniform(480, 560), rng.uniform(260, 320), round(seconds * RATE))
    voice = sum(_tone(number * fall) / number for number in range(1, 9))
    breath = _band(rng.standard_normal(len(fall)), 800, 2500)
    return (voice + 0.5 * breath) * _bump(seconds)


def _door_knock(seconds: float, rng: np.random.Generator) -> np.ndarray:
    time = _clock(seconds)
    wood = sum(_tone(np.full(len(time), hertz * rng.uniform(0.95, 1.05))) for hertz in (140, 230, 390))
    strike = _band(rng.standard_normal(len(time)), 300, 1500)
    return (wood + strike) * np.exp(-time / (seconds / 6))


def _bird_chirp(seconds: float, rng: np.random.Generator) -> np.ndarray:
    sweep = np.linspace(rng.uniform(3200, 3600), rng.uniform(5200, 5800), round(seconds * RATE))
    return _tone(sweep) * _bump(seconds)


def _whistle(seconds: float, rng: np.random.Generator) -> np.ndarray:
    vibrato = 60 * np.sin(2 * np.pi * 6 * _clock(seconds))
    return _tone(rng.uniform(1900, 2300) + vibrato) * _bump(seconds)


def _bell_ring(seconds: float, rng: np.random.Generator) -> np.ndarray:
    time = _clock(seconds)
    base = rng.uniform(620, 700)
    partials = [_tone(np.full(len(time), base * ratio)) * np.exp(-time * ratio / (seconds / 3)) for ratio in (1, 2.76, 5.4, 8.9)]
    return sum(partials)


def _siren(seconds: float, rng: np.random.Generator) -> np.ndarray:
    swing = np.sin(2 * np.pi * rng.uniform(0.8, 1.2) * _clock(seconds))
    return _tone(1450 + 200 * swing)


def _rain(seconds: float, rng: np.random.Generator) -> np.ndarray:
    samples = rng.standard_normal(round(seconds * RATE))
    return _band(samples, 2500, 7500)


def _wind(seconds: float, rng: np.random.Generator) -> np.ndarray:
    gusts = 1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.5, 0.9) * _clock(seconds))
    return gusts * _band(rng.standard_normal(len(gusts)), 200, 700)


def _engine(seconds: float, rng: np.random.Generator) -> np.ndarray:
    turning = np.full(round(seconds * RATE), rng.uniform(45, 60))
    return sum(_tone(number * turning) / number for number in range(1, 7))


SOUNDS = {
    "beep": Sound(_beep, (0.2, 0.4), "a beep sounds"),
    "bell_ring": Sound(_bell_ring, (0.6, 1.0), "a bell rings"),
    "bird_chirp": Sound(_bird_chirp, (0.15, 0.3), "a bird chirps"),
    "dog_bark": Sound(_dog_bark, (0.25, 0.4), "a dog barks"),
    "door_knock": Sound(_door_knock, (0.15, 0.25), "someone knocks on a door"),
    "whistle": Sound(_whistle, (0.4, 0.8), "someone whistles"),
    "engine": Sound(_engine, (1.5, 3.5), "an engine runs", is_long=True),
    "rain": Sound(_rain, (1.5, 3.5), "rain falls", is_long=True),
    "siren": Sound(_siren, (1.5, 3.5), "a siren wails", is_long=True),
    "wind": Sound(_wind, (1.5, 3.5), "wind blows", is_long=True),
}
SHORT = [name for name, sound in SOUNDS.items() if not sound.is_long]
LONG = [name for name, sound in SOUNDS.items() if sound.is_long]


def plan(rng: random.Random, seconds: float = SECONDS) -> list[Event]:
    """What is to sound when in a clip: one or two classes of short sounds, and beneath them a long one in half of the clips."""
    events: list[Event] = []
    for name in _drawn(rng):
        event = _free(rng, name, events, seconds)
        if event is not None:
            events.append(event)
    if rng.random() < 0.5 or not events:
        name = rng.choice(LONG)
        event = _placed(rng, name, seconds)
        events.append(event)
    return sorted(events, key=lambda event: event.start)


def _placed(rng: random.Random, name: str, seconds: float) -> Event:
    """A sound of a class anywhere in the clip, its times in hundredths of a second."""
    lasts = rng.uniform(*SOUNDS[name].lasts)
    start = rng.uniform(EDGE, seconds - EDGE - lasts)
    end = start + lasts
    return Event(name, round(start, 2), round(end, 2))


def _drawn(rng: random.Random) -> list[str]:
    """The classes of the short sounds of a clip, each as often as it comes."""
    names = rng.sample(SHORT, rng.choice((0, 1, 1, 2)))
    counts = {name: rng.choice((1, 2, 2, 3)) for name in names}
    return [name for name, count in counts.items() for _ in range(count)]


def _free(rng: random.Random, name: str, events: list[Event], seconds: float) -> Event | None:
    """A sound of a class that keeps its distance to all `events`; None where none was drawn."""
    for _ in range(50):
        drawn = _placed(rng, name, seconds)
        distances = [max(event.start - drawn.end, drawn.start - event.end) for event in events]
        if min(distances, default=GAP) >= GAP:
            return drawn
    return None


def mix(events: list[Event], rng: np.random.Generator, seconds: float = SECONDS) -> Audio:
    """The clip with these events and a floor of noise."""
    total = round(seconds * RATE)
    samples = demo.NOISE * rng.standard_normal(total)
    for name, start, end in events:
        sound = SOUNDS[name]
        drawn = sound.draw(end - start, rng)
        level = _beneath if sound.is_long else _above
        levelled = level(drawn)
        first = round(start * RATE)
        place = slice(first, first + len(drawn))
        samples[place] += levelled[: total - first]
    return Audio(samples.astype(np.float32), RATE)


def _above(drawn: np.ndarray) -> np.ndarray:
    """A short sound at its loudness."""
    return drawn * (PEAK / np.abs(drawn).max())


def _beneath(drawn: np.ndarray) -> np.ndarray:
    """A long sound at its loudness, without a click at its ends."""
    edges = np.minimum(np.arange(len(drawn)), np.arange(len(drawn))[::-1])
    faded = drawn * np.minimum(1, edges / (FADE * RATE))
    loudness = np.sqrt(np.mean(faded**2))
    return faded * BENEATH / loudness


def sentence(events: list[Event]) -> str:
    """A plain sentence: "A dog barks twice, then a bell rings once, while rain falls"."""
    counts = Counter(event.name for event in events)
    turns = []
    beneath = []
    for name, count in counts.items():
        phrase = SOUNDS[name].phrase
        if SOUNDS[name].is_long:
            beneath.append(phrase)
        else:
            turns.append(f"{phrase} {TIMES[count]}")
    in_turn = ", then ".join(turns)
    text = " while ".join(filter(None, [in_turn, *beneath]))
    return text[:1].upper() + text[1:]


CAPTIONS = (onset_caption, frequency_caption, sentence)


def make(folder: str | Path, *, seed: int = 0, clips: int = CLIPS, seconds: float = SECONDS) -> Path:
    """Makes the corpus in `folder`; the same seed gives the same files."""
    folder = Path(folder)
    metadata = []
    for number in range(clips):
        name = f"clip-{number:03d}"
        drawn = random.Random(f"{seed} {number}")
        noise = np.random.default_rng([seed, number])
        events = plan(drawn, seconds)
        sound = mix(events, noise, seconds)
        path = folder / "wavs" / f"{name}.wav"
        sound.write(path)
        worded = CAPTIONS[number % len(CAPTIONS)]
        metadata.append(f"{name}|{line_of(events)}|{worded(events)}\n")
    return demo.finish(folder, "demo_events", metadata, clips * seconds)


def ensure(root: str | Path) -> None:
    """Makes the corpus unless it is there."""
    if not (Path(root) / "metadata.csv").is_file():
        make(root)


def utterances(root: Path) -> Iterator[Utterance]:
    """The clips of the corpus, which is made first if it is not there."""
    ensure(root)
    for name, events, caption in rows(root / "metadata.csv", 3):
        audio = (root / "wavs" / f"{name}.wav").absolute()
        yield Utterance(id=name, audio=str(audio), text=caption, events=events)


def split(utterance: Utterance) -> str:
    """By the number of the clip."""
    number = int(utterance.id.rpartition("-")[2])
    return {8: "valid", 9: "test"}.get(number % 10, "train")
