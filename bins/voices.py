"""Does a model of several voices keep them apart? Resemblyzer compares what it says with recordings of all of them.

    python -m bins.voices --config egs/tts/VITS/vctk.json --name vctk --limit 20

Of the test split every utterance is spoken in its own voice, and its recording converted to the voices that come after it
(`--targets`), where the model converts. `voices.md` says how alike each result is to recordings of the training split: of the
voice it should have, of the voice that it came from, and of the others; `voices.png` shows every voice against every other;
all sounds lie beside them. `--metrics` are measured on each conversion beside its source: whether the melody (fpc_log, v_uv_f1) and the words
(wer) are kept, and how it sounds (dnsmos).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from bins.cli import parser, run

if TYPE_CHECKING:
    import numpy as np

    from preprocessors.base import Utterance

CONVERTED = "converted"  # the folder of what was converted
SOURCES = "source"  # and of what it was converted from
RECORDINGS = 10  # of each voice that a result is compared with


@dataclass(frozen=True)
class Judged:
    """One sound: how it was made, whose voice it should have, whose it was before (or the same), its likeness to each voice.

    The fields are the keys of voices.json.
    """

    made: str
    wanted: str
    source: str
    likeness: dict[str, float]

    @property
    def others(self) -> float | None:
        """The mean likeness to the voices that are neither wanted nor the source; None where there is none."""
        others = [value for name, value in self.likeness.items() if name not in (self.wanted, self.source)]
        return mean(others) if others else None

    @property
    def nearest(self) -> str:
        """The voice that it is most like."""
        return max(self.likeness, key=self.likeness.__getitem__)


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__)
    arguments.add_argument("-n", "--name", required=True, help="the run to judge")
    arguments.add_argument("--which", choices=("newest", "best"), default="newest", help="which checkpoint of the run")
    arguments.add_argument("--limit", type=int, help="at most so many utterances of the test split")
    arguments.add_argument("--targets", type=int, default=5, help="voices that each recording is converted to, at most (default 5)")
    arguments.add_argument("--out", help="folder of the results (default: result/voices beside the checkpoints)")
    arguments.add_argument("--metrics", nargs="+", help='of each conversion beside its source, as in --metrics "fpc_log v_uv_f1 wer"')
    options = arguments.parse_args(argv)
    from models.base.experiment import Experiment
    from models.base.task import load
    from utils.files import write_json, write_whole
    from utils.log import log

    experiment = Experiment.read(options.config, options.set)
    folder = experiment.run_folder(options.name)
    out = Path(options.out) if options.out else folder / "result" / "voices"
    known = _known(experiment.utterances("train"))
    if len(known) < 2:
        raise ValueError(f"the train split has one voice ({', '.join(known)}): this tells voices apart, and needs two or more.")
    utterances = experiment.division(known).take("test")[: options.limit]
    if not utterances:
        raise ValueError("the test split holds no utterance of a voice of the train split: there is nothing to judge.")
    task = load(folder, which=options.which)
    sounds = judge(task, utterances, known, out, options.targets)
    text = table(sounds)
    if options.metrics:
        text += "\n" + kept(out, options.metrics)
    write_json(out / "voices.json", [vars(sound) for sound in sounds])
    write_whole(out / "voices.md", lambda path: path.write_text(text, encoding="utf-8"))
    _draw(sounds, sorted(known), out / "voices.png")
    print(text)
    log.info(f"{len(sounds)} sounds, the table and a picture in {out}")
    return 0


def _known(utterances: list[Utterance]) -> dict[str, list[Utterance]]:
    """The first recordings of each voice."""
    from models.base.splits import speaker_name

    known: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        recordings = known[speaker_name(utterance)]
        if len(recordings) < RECORDINGS:
            recordings.append(utterance)
    return dict(known)


def judge(
    task: Any, utterances: list[Utterance], known: dict[str, list[Utterance]], out: Path, targets: int
) -> list[Judged]:
    """All recordings, what the model says of their texts, and their conversions.

    What cannot be said, and sounds of no voice, are left out and named.
    """
    from tqdm import tqdm

    from evaluation.similarity import cosine
    from utils.log import log

    voices = {name: _voice(name, recordings, task.rate) for name, recordings in known.items()}
    sounds = []
    for utterance in tqdm(utterances, desc="voices", unit="file"):
        recorded = utterance.read(task.rate)
        for way in _ways(task, utterance, list(voices), targets):
            try:
                name = f"{utterance.id}_{way.wanted}.wav"
                audio = way.make()
                audio.write(out / way.made / name)
                if way.made == CONVERTED:
                    recorded.write(out / SOURCES / name)
                own = embedding(audio)
            except ValueError as error:
                log.warning(f"{utterance.id}, {way.made} as {way.wanted}: {error}")
                continue
            likeness = {name: float(cosine(own, voice)[0, 0]) for name, voice in voices.items()}
            sounds.append(Judged(way.made, way.wanted, way.source, likeness))
    return sounds


@dataclass(frozen=True)
class _Way:
    """How a sound of an utterance comes about; the fields are those of `Judged`."""

    made: str
    wanted: str
    source: str
    make: Callable[[], Any]


def _ways(task: Any, utterance: Utterance, voices: list[str], targets: int) -> list[_Way]:
    """As it was recorded, as the model says its text, and converted to the next `targets` voices in order."""
    from models.base.splits import speaker_name

    source = speaker_name(utterance)
    recorded = utterance.read(task.rate)
    ways = [
        _Way("recorded", source, source, lambda: recorded),
        _Way("spoken", source, source, lambda: task.sample(utterance).audio),
    ]
    if not task.converts:
        return ways
    convert = partial(task.convert, recorded, source_speaker=source, seed=0)
    others = sorted(set(voices) - {source})
    behind = [name for name in others if name > source]
    before = [name for name in others if name < source]
    for name in (behind + before)[:targets]:
        ways.append(_Way(CONVERTED, name, source, partial(convert, target_speaker=name)))
    return ways


def kept(out: Path, words: list[str]) -> str:
    """The table of these metrics over all conversions beside their sources. Raises ValueError where nothing was converted."""
    from evaluation.base import evaluate

    if not (out / CONVERTED).is_dir():
        raise ValueError("--metrics: nothing was converted, as the model converts no voices or each of its files failed.")
    names = [name for word in words for name in word.replace(",", " ").split()]
    result = evaluate(out / SOURCES, out / CONVERTED, names)
    result.save(out / "conversions.json")
    return result.table() + "\n"


def embedding(audio: Any) -> np.ndarray:
    """Resemblyzer's embedding, (1, 256) of length one. Raises ValueError where there is no speech."""
    from evaluation.similarity import RATE, resemblyzer_speaker

    return resemblyzer_speaker(audio.resample(RATE), device="cpu").values


def _voice(name: str, utterances: list[Utterance], rate: int) -> np.ndarray:
    """The mean embedding, (1, 256), of what is speech among a voice's recordings. Raises ValueError where nothing is."""
    from utils.log import log

    embeddings = []
    for utterance in utterances:
        try:
            embeddings.append(embedding(utterance.read(rate)))
        except ValueError as error:
            log.warning(f"{utterance.id}, recorded for comparison: {error}")
    if not embeddings:
        raise ValueError(f"{name}: none of its first {len(utterances)} training recordings holds speech to compare with; look at them.")
    return sum(embeddings) / len(embeddings)


def table(sounds: list[Judged]) -> str:
    """Markdown: how alike, on average, what was made is to each kind of voice, and how often the wanted one is the nearest."""
    lines = [
        "| | sounds | to the wanted voice | to the source's | to others | nearest is the wanted |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for way in dict.fromkeys(sound.made for sound in sounds):
        group = [sound for sound in sounds if sound.made == way]
        wanted = [sound.likeness[sound.wanted] for sound in group]
        source = [sound.likeness[sound.source] for sound in group if sound.source != sound.wanted]
        others = [sound.others for sound in group if sound.others is not None]
        right = [sound for sound in group if sound.nearest == sound.wanted]
        cells = [way, str(len(group)), _mean(wanted), _mean(source), _mean(others), f"{len(right)} of {len(group)}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _mean(values: list[float]) -> str:
    return f"{mean(values):.2f}" if values else "-"


def _draw(sounds: list[Judged], names: list[str], path: Path) -> None:
    """For each way of making, the wanted voice (rows) against the voices of the recordings (columns)."""
    from visualization.plot import matrices, save

    tables = {}
    for way in dict.fromkeys(sound.made for sound in sounds):
        group = [sound for sound in sounds if sound.made == way]
        tables[way] = _likeness(group, names)
    save(matrices(tables, names, across="likeness to recordings of", along="should be"), path)


def _likeness(sounds: list[Judged], names: list[str]) -> np.ndarray:
    """The mean likeness (wanted voice, voice of the recordings); nan where nothing should have that voice."""
    import numpy as np

    likeness = np.full((len(names), len(names)), np.nan)
    for row, wanted in enumerate(names):
        own = [sound for sound in sounds if sound.wanted == wanted]
        if own:
            likeness[row] = [np.mean([sound.likeness[name] for sound in own]) for name in names]
    return likeness


if __name__ == "__main__":
    run(main)
