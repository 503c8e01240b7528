"""ESC-50: 2,000 clips of five seconds in fifty classes of environmental sounds. CC BY-NC; the ten classes of ESC-10 are CC BY.

https://github.com/karolpiczak/ESC-50

    <root>/
      meta/esc50.csv            filename,fold,target,category,esc10,src_file,take; or <root>/esc50.csv, esc10.csv or meta/esc10.csv
      audio/1-100032-A-0.wav    fold, recording of freesound, take, class; in any format

Of the list filename and category are needed, and esc10 where it is asked for; a list esc10.csv holds those clips alone. A clip's captions are
four wordings of its class; those of valid and test are two others, so that what a model makes of new words can be seen. Clips of one
recording are in one split.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from preprocessors import captioned
from preprocessors.base import Utterance, split_of
from preprocessors.layout import Reasons, safe, without_suffix

LICENCE = "CC BY-NC 3.0"
LISTS = ("meta/esc50.csv", "esc50.csv", "meta/esc10.csv", "esc10.csv")


class Wording(NamedTuple):
    """What sounds, what it does, and what it is doing: "a dog", "barks", "is barking"."""

    subject: str
    verb: str
    progress: str

    @property
    def captions(self) -> list[str]:
        """Those of training."""
        doing = self.progress.partition(" ")[2]
        return [
            f"{self.subject} {self.verb}",
            f"{self.subject} {self.progress}",
            f"the sound of {self.subject} {doing}",
            f"{doing}, {self.subject}",
        ]

    @property
    def other_captions(self) -> list[str]:
        """Those of valid and test."""
        doing = self.progress.partition(" ")[2]
        return [f"{self.subject} can be heard {doing}", f"a recording in which {self.subject} {self.verb}"]


WORDINGS = {  # of each class, as the corpus or its older copies spell it
    "dog": Wording("a dog", "barks", "is barking"),
    "rooster": Wording("a rooster", "crows", "is crowing"),
    "pig": Wording("a pig", "grunts", "is grunting"),
    "cow": Wording("a cow", "moos", "is mooing"),
    "frog": Wording("a frog", "croaks", "is croaking"),
    "cat": Wording("a cat", "meows", "is meowing"),
    "hen": Wording("a hen", "clucks", "is clucking"),
    "insects": Wording("insects", "buzz", "are buzzing"),
    "sheep": Wording("a sheep", "bleats", "is bleating"),
    "crow": Wording("a crow", "caws", "is cawing"),
    "rain": Wording("rain", "falls", "is falling"),
    "sea waves": Wording("sea waves", "roll in", "are rolling in"),
    "crackling fire": Wording("a fire", "crackles", "is crackling"),
    "crickets": Wording("crickets", "chirp", "are chirping"),
    "chirping birds": Wording("birds", "chirp", "are chirping"),
    "water drops": Wording("drops of water", "drip", "are dripping"),
    "wind": Wording("wind", "blows", "is blowing"),
    "pouring water": Wording("water", "pours", "is pouring"),
    "toilet flush": Wording("a toilet", "flushes", "is flushing"),
    "thunderstorm": Wording("a thunderstorm", "rumbles", "is rumbling"),
    "crying baby": Wording("a baby", "cries", "is crying"),
    "sneezing": Wording("a person", "sneezes", "is sneezing"),
    "clapping": Wording("people", "clap", "are clapping"),
    "breathing": Wording("a person", "breathes", "is breathing"),
    "coughing": Wording("a person", "coughs", "is coughing"),
    "footsteps": Wording("a person", "walks by", "is walking by"),
    "laughing": Wording("a person", "laughs", "is laughing"),
    "brushing teeth": Wording("a person", "brushes teeth", "is brushing teeth"),
    "snoring": Wording("a person", "snores", "is snoring"),
    "drinking sipping": Wording("a person", "sips a drink", "is sipping a drink"),
    "door wood knock": Wording("a hand", "knocks on a wooden door", "is knocking on a wooden door"),
    "mouse click": Wording("a mouse", "clicks", "is clicking"),
    "keyboard typing": Wording("a person", "types on a keyboard", "is typing on a keyboard"),
    "door wood creaks": Wording("a wooden door", "creaks", "is creaking"),
    "can opening": Wording("a can", "opens with a hiss", "is opening with a hiss"),
    "washing machine": Wording("a washing machine", "runs", "is running"),
    "vacuum cleaner": Wording("a vacuum cleaner", "hums", "is humming"),
    "clock alarm": Wording("an alarm clock", "rings", "is ringing"),
    "clock tick": Wording("a clock", "ticks", "is ticking"),
    "glass breaking": Wording("glass", "breaks", "is breaking"),
    "helicopter": Wording("a helicopter", "flies by", "is flying by"),
    "chainsaw": Wording("a chainsaw", "roars", "is roaring"),
    "siren": Wording("a siren", "wails", "is wailing"),
    "car horn": Wording("a car horn", "honks", "is honking"),
    "engine": Wording("an engine", "runs", "is running"),
    "train": Wording("a train", "passes", "is passing"),
    "church bells": Wording("church bells", "ring", "are ringing"),
    "airplane": Wording("an airplane", "flies over", "is flying over"),
    "fireworks": Wording("fireworks", "explode", "are exploding"),
    "hand saw": Wording("a hand saw", "cuts wood", "is cutting wood"),
}
SPELLINGS = {"dog bark": "dog", "baby cry": "crying baby", "person sneeze": "sneezing", "fire crackling": "crackling fire"}


def class_of(category: str) -> str:
    """The class that a list means: "sea_waves", "Sea waves"."""
    name = category.strip().replace("_", " ").lower()
    return SPELLINGS.get(name, name)


def _rows(root: Path, esc10: bool, bad: Reasons | None = None) -> Iterator[tuple[dict[str, str], bool]]:
    """The lines of the list, by column, and whether each is asked for. Raises ValueError where there is none, or it lacks a column."""
    lists = [root / name for name in LISTS if (root / name).is_file()]
    if not lists:
        raise ValueError(f"esc50: {root} holds no list {' or '.join(LISTS)}: it comes with the corpus.")
    path = lists[0]
    is_told = esc10 and path.name != "esc10.csv"
    columns = ["filename", "category"]
    if is_told:
        columns.append("esc10")
    for row in captioned.table(path, columns, bad):
        said = row["esc10"].strip().lower() if is_told else "true"
        is_asked = said == "true"
        yield row, is_asked


def utterances(root: Path, *, esc10: bool = False) -> Iterator[Utterance]:
    """The clips that have a recording, once for each caption; `esc10`: those alone that the list says are of the ten classes."""
    sounds = captioned.Sounds(root)
    for row, is_asked in _rows(root, esc10):
        name = without_suffix(row["filename"].strip())
        wording = WORDINGS.get(class_of(row["category"]))
        audio = sounds.find([name], ["audio"])
        if audio and wording and is_asked:
            yield from captioned.captioned(safe(name), audio, _captions(safe(name), wording))


def _captions(name: str, wording: Wording) -> list[str]:
    return wording.captions if _split(name) == "train" else wording.other_captions


def orphans(root: Path, *, esc10: bool = False) -> Reasons:
    """Lines cut short, those asked for without a recording or of a class that is none of the fifty, and recordings not in the list."""
    strays: Reasons = []
    sounds = captioned.Sounds(root)
    for row, is_asked in _rows(root, esc10, strays):
        name = without_suffix(row["filename"].strip())
        audio = sounds.find([name], ["audio"])
        if not is_asked:
            continue
        if not audio:
            strays.append((safe(name), "its sound is not there"))
        elif class_of(row["category"]) not in WORDINGS:
            strays.append((safe(name), f"its class {row['category']!r} is none of the fifty"))
    return strays + sounds.unused("the list does not name it")


def _split(name: str) -> str:
    """By the recording of freesound that a clip was cut from: "1-100032-A-0" is of 100032."""
    parts = name.split("-")
    return split_of(parts[1] if len(parts) > 2 else name)


def split(utterance: Utterance) -> str:
    """By the recording that a clip was cut from."""
    return _split(utterance.recording or utterance.id)
