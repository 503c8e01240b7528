"""Demo: a corpus made on the spot, so that every recipe can run offline in minutes; about 14 minutes, 22.05 kHz.

Four voices of espeak-ng (from the package espeakng-loader) read sentences of a small grammar; the phone times are the
synthesiser's own, so they are exact (but for an l that closes a syllable: see `_share`).

    <root>/
      metadata.csv                      id|speaker|text
      wavs/adam-000.wav
      TextGrid/adam-000.TextGrid        tiers words and phones; silence is ""

The folder is made when it does not exist. Twenty utterances are kept for validation and twenty for testing. The voices
were chosen by how well a speech recogniser understands them: see VOICES.

The same voices sing in `demo_songs`, which shares `Synthesiser`, `record`, `finish` and `listed`.
"""

from __future__ import annotations

import hashlib
import random
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from preprocessors.base import Utterance
from preprocessors.custom import textgrids
from preprocessors.layout import rows
from utils.audio import Audio
from utils.files import write_whole
from utils.log import log
from utils.textgrid import Interval, write_textgrid

LICENCE = "CC0 1.0"
NOISE = 10 ** (-62 / 20)  # digital silence is no recording: recognisers and log spectra both want a floor of noise
EDGE = 0.15  # seconds of silence before and after
SENTENCES = 75  # per voice

GRAMMAR = {
    "adjective": "small large old young quiet happy clever gentle broken heavy bright narrow yellow purple orange blue green "
    "golden famous strange cheap frozen thirsty careful usual joyful healthy smooth rough enormous",
    "animal": "horse mouse goose shark eagle rabbit chicken tiger donkey puppy zebra camel lion fox fish bear monkey giraffe",
    "person": "teacher doctor farmer soldier lawyer judge nurse captain writer singer baker student neighbor stranger engineer",
    "name": "Alice George Joyce Michael Thomas Martha Roger Judy Victor Karen Edward Sophie Charles Heather Leo Zoe",
    "relative": "mother father sister brother cousin uncle daughter nephew",
    "thing": "book chair watch bottle guitar basket ring treasure machine envelope camera blanket coin jacket pencil mirror vase "
    "hammer television ladder shovel candle bicycle violin",
    "things": "apples oranges oysters mushrooms cookies peaches onions cherries potatoes sandwiches books toys boxes clothes keys",
    "place": "garage kitchen garden museum church village river harbor office library valley forest beach castle station theater "
    "factory airport bridge field",
    "went": "walked ran moved jumped traveled wandered hurried returned drove went rushed",
    "did": "found bought lost moved watched noticed wanted painted measured finished opened washed covered touched enjoyed",
    "across": "across through behind near under beyond past toward around above",
    "when": "yesterday|today|this morning|last Thursday|every evening|before lunch|after the concert|in the winter|at noon|"
    "on Saturday|this afternoon|after dark",
    "number": "two three four five six seven eight nine ten eleven twelve thirteen fourteen twenty thirty fifty",
    "how": "slowly quickly quietly happily carefully usually always never suddenly gladly",
    "feeling": "tired angry surprised proud worried cheerful anxious delighted hungry ashamed nervous sure",
    "weather": "rain snow fog thunder sunshine cold wind heat storm",
    "material": "wood glass leather paper iron silver marble wool brick",
    "said": "said thought believed shouted agreed wrote",
}
TEMPLATES = """
The {adjective} {animal} {went} {across} the {place}.
{name} {did} the {adjective} {thing} {when}.
My {relative} {did} {number} {things} near the {place}.
Did {name} leave the {thing} in the {place}?
Please put the {thing} {across} the {place}, and close the door.
The {person} {said} that the {thing} was made of {material}.
After the {weather}, the {person} {how} {went} to the {place}.
We heard the {animal} {across} the {adjective} {place} {when}.
{name} and {name} are {feeling} about the {weather}.
How many {things} did your {relative} choose {when}?
It is {number} miles from the {place} to the {place}.
I {how} {did} a {thing} like the one in the {place}.
Would the {person} rather have {things}, or a {adjective} {thing}?
The {weather} made the {person} very {feeling}.
{name} has {number} {adjective} {things}, and a {thing}.
Why was the {animal} so {feeling}, {name}?
There is a {adjective} {thing} {across} the {place}.
The judge gave {name} a choice: the {thing}, or the {things}.
Oh boy, that {adjective} noise came from the {place}!
Could you show us the {adjective} {thing} with your usual pleasure?
The {person} should pull the {thing} out of the {place}.
Both of them put their {things} {across} the {material} wall.
"""


@dataclass(frozen=True)
class Voice:
    """A speaker: pitch from `pitch[0]` to `pitch[1]` Hz, the first four formants in percent of espeak's American voice."""

    name: str
    rate: int  # words per minute
    pitch: tuple[int, int]
    formants: tuple[int, int, int, int]

    @property
    def variant(self) -> str:
        """Lines of an espeak-ng voice file. Its sixth Klatt synthesiser is the clearest, and draws no random noise."""
        widths = (130, 80, 80, 60)
        formants = [f"formant {i} {f} 100 {w}" for i, (f, w) in enumerate(zip(self.formants, widths, strict=True), 1)]
        return "\n".join(["klatt 6", "consonants 85 85", f"pitch {self.pitch[0]} {self.pitch[1]}", *formants])


# Word error rates of pocketsphinx's general model on twenty sentences of each: 28, 37, 45 and 32 %. (espeak's own variants: 36 to 98 %.
# The sentences are grammatical nonsense, which a language model likes to correct.)
VOICES = (
    Voice("basil", 170, (68, 100), (92, 103, 103, 114)),
    Voice("adam", 170, (82, 118), (100, 100, 100, 100)),
    Voice("tom", 170, (112, 165), (100, 103, 103, 100)),
    Voice("fay", 165, (150, 220), (100, 106, 106, 114)),
)


def _choices(slot: str) -> list[str]:
    return GRAMMAR[slot].split("|" if "|" in GRAMMAR[slot] else None)


def _sentence(rng: random.Random) -> str:
    template = rng.choice(TEMPLATES.strip().splitlines())
    return re.sub(r"\{(\w+)\}", lambda slot: rng.choice(_choices(slot[1])), template)


def _held_out(sentence: str) -> bool:
    """One sentence in five of the grammar is never spoken in any demo corpus, whatever its seed."""
    return hashlib.sha1(sentence.encode()).digest()[0] % 5 == 0


def sentences_of(rng: random.Random, count: int, *, held_out: bool = False) -> list[str]:
    """Different sentences of the grammar: of those that the corpus may have, or of those that are `held_out` of it."""
    sentences: dict[str, None] = {}  # in the order in which they are drawn
    while len(sentences) < count:
        sentence = _sentence(rng)
        if _held_out(sentence) is held_out:
            sentences[sentence] = None
    return list(sentences)


class Synthesiser:
    """espeak-ng by its C interface, which also tells when each phone and word begins."""

    AUDIO_RETRIEVAL = 2
    PHONEME_EVENTS = 1
    PHONEME_IPA = 2
    RATE = 1  # number of the parameter
    WORD = 1  # types of events
    END = 5
    PHONEME = 7
    UTF_8 = 1
    CHARACTERS = 1  # what places are counted in

    def __init__(self) -> None:
        import ctypes

        import espeakng_loader

        class Event(ctypes.Structure):
            _fields_ = [
                ("type", ctypes.c_int), ("identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("milliseconds", ctypes.c_int), ("sample", ctypes.c_int),
                ("user_data", ctypes.c_void_p), ("label", ctypes.c_char * 8),
            ]  # fmt: skip

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path()
        flags = self.PHONEME_EVENTS | self.PHONEME_IPA
        self.rate = self._library.espeak_Initialize(self.AUDIO_RETRIEVAL, 0, str(data).encode(), flags)
        if self.rate <= 0:
            raise ValueError(f"espeak-ng does not start with the data in {data}: reinstall espeakng-loader.")
        self._american = (Path(data) / "lang/gmw/en-US").read_text(encoding="utf-8")
        self._chunks: list[np.ndarray] = []
        self._events: list[tuple[int, int, int, str]] = []  # type, place in the text, sample, label
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))
        self._callback = kind(self._receive)  # kept: C holds no reference to it
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples, n: int, events) -> int:
        if samples and n:
            self._chunks.append(np.ctypeslib.as_array(samples, (n,)).copy())
        i = 0
        while events[i].type:
            event = events[i]
            label = event.label.decode() if event.type == self.PHONEME else ""
            self._events.append((event.type, event.text_position, event.sample, label))
            i += 1
        return 0

    def __call__(self, text: str, voice: Voice) -> tuple[Audio, list[Interval], list[Interval]]:
        """The sound, its phones and its words, without silence around them."""
        self._chunks.clear()
        self._events.clear()
        self._take(voice)
        encoded = text.encode()
        size = len(encoded) + 1
        self._library.espeak_Synth(encoded, size, 0, self.CHARACTERS, 0, self.UTF_8, None, None)
        samples = np.concatenate(self._chunks).astype(np.float32) / 32768
        seconds = len(samples) / self.rate
        phones, words = self._times(text, seconds)
        return Audio(samples, self.rate), phones, words

    def _take(self, voice: Voice) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / voice.name
            path.write_text(f"{self._american}\n{voice.variant}\n", encoding="utf-8")
            if self._library.espeak_SetVoiceByFile(str(path).encode()):
                raise ValueError(f"espeak-ng cannot read its voice {voice}.")
        self._library.espeak_SetParameter(self.RATE, voice.rate, 0)

    def _times(self, text: str, seconds: float) -> tuple[list[Interval], list[Interval]]:
        """Phones and words from the events, in seconds."""
        phones: list[Interval] = []
        words: list[Interval] = []
        word = ""
        spoken = self._words(text)
        for event, after in zip(self._events, self._following(round(seconds * self.rate)), strict=True):
            kind, _, sample, label = event
            kind_after, sample_after, label_after = after
            if kind == self.WORD:
                word = spoken.pop(0)
            if kind != self.PHONEME:
                continue
            label = label.strip("ˈˌ")
            start = sample / self.rate
            end = sample_after / self.rate
            if not label and kind_after == self.PHONEME and label_after and phones:
                label, start, _ = phones.pop()  # a held breath between two vowels of a clause belongs to the first
            elif label and end <= start and phones:
                start = self._share(phones)
            phones.append((label, start, end))
            if label and word:
                words.append((word, start, end))
                word = ""
            elif label and words:
                words[-1] = (words[-1][0], words[-1][1], end)
        return phones, words

    def _words(self, text: str) -> list[str]:
        """The words that espeak speaks as one, in order: "in the" may be one of them."""
        starts = [position - 1 for kind, position, _, _ in self._events if kind == self.WORD]
        return [text[first:last].strip(" ,.?!:;") for first, last in pairwise([*starts, len(text)])]

    def _following(self, total: int) -> Iterator[tuple[int, int, str]]:
        """For each event (type, sample, label) of the next that ends a phone."""
        following = []
        last = (self.END, total, "")
        for kind, _, sample, label in reversed(self._events):
            following.append(last)
            if kind in (self.PHONEME, self.END):
                last = (kind, sample, label)
        return reversed(following)

    @staticmethod
    def _share(phones: list[Interval]) -> float:
        """espeak draws an l that closes a syllable within its vowel, and gives it no time: it gets the vowel's last third."""
        label, start, end = phones.pop()
        middle = end - (end - start) / 3
        phones.append((label, start, middle))
        return middle


def record(folder: Path, name: str, sound: Audio, tiers: dict[str, list[Interval]], rng: np.random.Generator) -> float:
    """Writes one utterance, EDGE of silence around it and a floor of noise under it, and its times; returns its seconds."""
    edge = round(EDGE * sound.rate)
    levelled = sound.normalised(-3.0)
    padded = np.pad(levelled.samples, edge)
    floor = rng.standard_normal(len(padded))
    noise = NOISE * floor
    audio = Audio(padded + noise, sound.rate)
    path = folder / "wavs" / f"{name}.wav"
    audio.write(path)
    behind = {tier: _behind_edge(intervals) for tier, intervals in tiers.items()}
    grid = folder / "TextGrid" / f"{name}.TextGrid"
    write_textgrid(grid, behind, seconds=audio.seconds)
    return audio.seconds


def _behind_edge(intervals: list[Interval]) -> list[Interval]:
    return [(label, start + EDGE, end + EDGE) for label, start, end in intervals]


def make(folder: str | Path, *, seed: int = 0, sentences: int = SENTENCES, voices: tuple[Voice, ...] = VOICES) -> Path:
    """Makes the corpus in `folder`, `sentences` for each voice; the same seed gives the same files."""
    folder = Path(folder)
    synthesiser = Synthesiser()
    texts = iter(sentences_of(random.Random(seed), sentences * len(voices)))
    metadata = []
    seconds = 0.0
    for voice in voices:
        rng = np.random.default_rng([seed, *voice.name.encode()])
        for i in range(sentences):
            name = f"{voice.name}-{i:03d}"
            text = next(texts)
            speech, phones, words = synthesiser(text, voice)
            seconds += record(folder, name, speech, {"phones": phones, "words": words}, rng)
            metadata.append(f"{name}|{voice.name}|{text}\n")
    return finish(folder, "demo", metadata, seconds)


def finish(folder: Path, corpus: str, metadata: list[str], seconds: float) -> Path:
    """Writes metadata.csv, last, so that a folder with it is a whole corpus; returns the folder."""
    write_whole(folder / "metadata.csv", lambda path: path.write_text("".join(metadata), encoding="utf-8"))
    log.info(f"{corpus}: made {len(metadata)} utterances, {seconds / 60:.1f} minutes, in {folder}.")
    return folder


def ensure(root: str | Path) -> None:
    """Makes the corpus unless it is there."""
    if not (Path(root) / "metadata.csv").is_file():
        make(root)


def utterances(root: Path) -> Iterator[Utterance]:
    """The utterances of the corpus, which is made first if it is not there."""
    ensure(root)
    yield from listed(root)


def listed(root: Path) -> Iterator[Utterance]:
    """What metadata.csv lists."""
    lines = list(rows(root / "metadata.csv", 3))
    names = [name for name, *_ in lines]
    grids = textgrids(root, names)
    for name, speaker, text in lines:
        audio = (root / "wavs" / f"{name}.wav").absolute()
        grid = grids.get(name, "")
        yield Utterance(id=name, speaker=speaker, audio=str(audio), text=text, textgrid=grid)


def split(utterance: Utterance) -> str:
    """Two in fifteen are kept back: with 75 sentences for each of four voices, 20 to validate and 20 to test."""
    return {3: "valid", 4: "test"}.get(int(utterance.id.rsplit("-", 1)[1]) % 15, "train")
