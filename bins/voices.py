"""Does a model of several voices keep them apart? Resemblyzer compares what it says with recordings of all of them.

    python -m bins.voices --config egs/tts/VITS/vctk.json --name vctk --limit 20
    python -m bins.voices --config egs/svc/DiffWaveNetSVC/exp_config.json --name ex1 --songs my/songs --to m4singer_Alto-1 --steps 10

Of the test split every utterance is spoken in its own voice, and its recording converted to the voices that come after it
(`--targets`) or that are named (`--to`), where the model converts. `--songs` takes the recordings of a folder instead, by singers whom
the model never heard. `voices.md` says how alike each result is to recordings of the training split: of the voice it should have, of
the voice that it came from, and of the others; `voices.png` shows every voice against every other; all sounds lie beside them.
`vocoded` is copy-synthesis: the recording's own mel through the vocoder, what a converter of mels can sound like at best.

`--metrics` are measured on each conversion beside its source: whether the melody (fpc_log, v_uv_f1) and the words (wer) are kept, and how
it sounds (dnsmos). Where the same song exists in the target's voice, MCD compares the conversion with that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bins.cli import model_of, offer, parser, run
from bins.evaluate import add_networks, choices_of
from evaluation.likeness import Judged, matrix, table

if TYPE_CHECKING:
    import numpy as np

    from models.base.experiment import Experiment
    from preprocessors.base import Utterance

CONVERTED = "converted"  # the folder of what was converted
SOURCES = "source"  # and of what it was converted from
VOCODED = "vocoded"  # of copy-synthesis
BEGUN = "settings.json"  # says that what lies in the folder is of this program
PARALLEL = "parallel"  # of the same song in the target's own voice
OURS = ("target", "reference", "speaker", "seed")  # options of a conversion that are not the user's to set here
TITLES = {
    "conversions": "Conversions beside their sources:",
    "copies": "Copy-synthesis of the sources, beside them:",
    PARALLEL: "Conversions beside the same songs in the voice that they should have:",
}
RECORDINGS = 10  # of each voice that a result is compared with


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__)
    arguments.add_argument("-n", "--name", required=True, help="the run to judge")
    arguments.add_argument("--which", choices=("newest", "best"), default="newest", help="which checkpoint of the run")
    arguments.add_argument("--limit", type=int, help="at most so many recordings")
    arguments.add_argument("--songs", help="a folder of recordings to convert, of singers as its folders, instead of the test split")
    arguments.add_argument("--targets", type=int, default=5, help="voices that each recording is converted to, at most (default 5)")
    arguments.add_argument("--to", nargs="+", default=[], help="the voices that each recording is converted to")
    arguments.add_argument("--out", help="folder of the results (default: result/voices beside the checkpoints)")
    arguments.add_argument("--metrics", nargs="+", help='of each conversion beside its source, as in --metrics "fpc_log v_uv_f1 wer"')
    add_networks(arguments)
    names = offer(arguments, _model_type(argv), without=OURS)
    options = arguments.parse_args(argv)
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    return _judge(options, given)


def _model_type(argv: list[str] | None) -> str | None:
    """The model of the config, looked up before parsing, as its options are offered; None without one that can be read."""
    import argparse

    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("-c", "--config")
    options, _ = early.parse_known_args(argv)
    return model_of(options.config) if options.config else None


def _judge(options: Any, given: dict[str, Any]) -> int:
    from models.base.experiment import Experiment
    from models.base.task import load
    from utils.config import load_config
    from utils.files import write_json, write_whole
    from utils.log import log

    experiment = Experiment.read(options.config, options.set)
    folder = experiment.run_folder(options.name)
    out = Path(options.out) if options.out else folder / "result" / "voices"
    known = _known(experiment.utterances("train"))
    if len(known) < 2:
        raise ValueError(f"the train split has one voice ({', '.join(known)}): this tells voices apart, and needs two or more.")
    _check(options.to, known)
    utterances = _utterances(experiment, known, options)
    task = load(folder, which=options.which)
    metrics = _metrics(task, options)
    settings = load_config(options.config, options.set).get("inference", {}) | given
    settings = {name: value for name, value in settings.items() if name not in OURS}
    same = _parallel(experiment, utterances)
    plan = Plan(task, settings, known, options.to, options.targets, same)
    _clear(out, options.songs)
    write_json(out / BEGUN, {"run": str(folder), "songs": options.songs, "to": options.to, "options": settings})
    sounds = judge(plan, utterances, out)
    text = table(sounds)
    if metrics:
        text += "\n" + kept(out, metrics, choices_of(options))
    write_json(out / "voices.json", [vars(sound) for sound in sounds])
    write_whole(out / "voices.md", lambda path: path.write_text(text, encoding="utf-8"))
    involved = {name for sound in sounds for name in (sound.wanted, sound.source)}
    _draw(sounds, sorted(involved), out / "voices.png")
    print(text)
    log.info(f"{len(sounds)} sounds, the table and a picture in {out}")
    return 0


def _check(wanted: list[str], known: dict[str, Any]) -> None:
    """Raises ValueError for a voice that no training recording has."""
    from utils.registry import nearest

    for name in wanted:
        if name not in known:
            raise ValueError("--to: " + nearest(name, list(known), "voice"))


def _utterances(experiment: Experiment, known: dict[str, list[Utterance]], options: Any) -> list[Utterance]:
    """What is to be judged: the test split, or a folder of songs. Raises ValueError where that is nothing."""
    if options.songs:
        return songs(Path(options.songs), options.limit)
    utterances = experiment.division(known).take("test")[: options.limit]
    if not utterances:
        raise ValueError("the test split holds no utterance of a voice of the train split: there is nothing to judge.")
    return utterances


def songs(folder: Path, limit: int | None) -> list[Utterance]:
    """So many recordings of a folder, or all, each sung by whom the folder that it lies in is called after; what cannot be read is named.

    Raises ValueError where nothing can.
    """
    from preprocessors.base import Utterance
    from utils.audio import Audio
    from utils.log import log
    from utils.recordings import find_audio

    recordings = []
    for stem, path in sorted(find_audio(folder).items())[:limit]:
        singer = path.parent.name
        try:
            Audio.read(path)
        except ValueError as error:
            log.warning(f"{path} is left out: {error}")
            continue
        recordings.append(Utterance(f"{singer}_{stem}", dataset="songs", speaker=singer, audio=str(path)))
    if not recordings:
        raise ValueError(f"--songs: no recording below {folder} can be read.")
    return recordings


def _metrics(task: Any, options: Any) -> list[str]:
    """Those that are asked for; else those of the task that this machine has the networks for, the others named.

    Raises ValueError for one that there is not or that lacks its network, and where there will be no conversions to measure.
    """
    from evaluation.base import find_metric, measurable
    from evaluation.metric import Options

    choices = Options(**choices_of(options))
    if options.metrics:
        if not task.converts:
            raise ValueError(f"--metrics: {task.name} converts no voices, so that there is nothing to measure beside its source.")
        asked = [name for word in options.metrics for name in word.replace(",", " ").split()]
        for name in asked:
            lack = find_metric(name, choices).absent(choices)
            if lack:
                raise ValueError(f"--metrics: {name} {lack}")
        return asked
    return measurable(task.conversion_metrics.split(), choices)


def _known(utterances: list[Utterance]) -> dict[str, list[Utterance]]:
    """The first recordings of each voice."""
    from models.base.splits import speaker_name

    known: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        recordings = known[speaker_name(utterance)]
        if len(recordings) < RECORDINGS:
            recordings.append(utterance)
    return dict(known)


def _parallel(experiment: Experiment, utterances: list[Utterance]) -> dict[tuple[str, str, str], Utterance]:
    """The recordings of the corpus that are of the same song and words as one of `utterances`, by voice, song and text."""
    from models.base.splits import speaker_name

    wanted = {(song_name(utterance), utterance.text) for utterance in utterances}
    found = {}
    for split in ("train", "valid", "test"):
        for utterance in experiment.utterances(split):
            song = (song_name(utterance), utterance.text)
            if song in wanted:
                voice = speaker_name(utterance)
                found[voice, song[0], song[1]] = utterance
    return found


def song_name(utterance: Utterance) -> str:
    """What a recording is called without its singer: recordings of one song by several singers share it, where a corpus names both."""
    return utterance.id.replace(utterance.speaker, "", 1)


def _clear(out: Path, songs: str | None) -> None:
    """Takes away the sounds of an earlier run, which the metrics would count among those of this one.

    Raises ValueError where there are sounds that no earlier run can have made.
    """
    ways = (CONVERTED, SOURCES, VOCODED, PARALLEL, "recorded", "spoken")
    sounds = [path for made in ways for path in (out / made).glob("*.wav")]
    if not sounds:
        return
    outer = out.resolve()
    inside = songs is not None and Path(songs).resolve().is_relative_to(outer)
    if inside or not (out / BEGUN).is_file():
        raise ValueError(f"--out {out}: it holds recordings that are not of this program, such as {sounds[0]}; name an empty folder.")
    for path in sounds:
        path.unlink()


@dataclass(frozen=True)
class Plan:
    """What is judged: a task with the options that it makes sound by, the recordings of its voices, and whom to convert to."""

    task: Any
    settings: dict[str, Any]
    known: dict[str, list[Utterance]]
    to: list[str]
    targets: int
    parallel: dict[tuple[str, str, str], Utterance]

    def goals(self, source: str) -> list[str]:
        """The voices that a recording of `source` is converted to: those named, else the next in order."""
        others = sorted(set(self.known) - {source})
        if self.to:
            return [name for name in others if name in self.to]
        behind = [name for name in others if name > source]
        before = [name for name in others if name < source]
        return (behind + before)[: self.targets]


def judge(plan: Plan, utterances: list[Utterance], out: Path) -> list[Judged]:
    """All recordings, what the model says of their texts, and their conversions.

    What cannot be said, and sounds of no voice, are left out and named.
    """
    from evaluation.similarity import cosine
    from models.base.splits import speaker_name
    from utils.log import log
    from utils.progress import progress

    rate = plan.task.rate
    recordings = dict(plan.known)
    for utterance in utterances:
        name = speaker_name(utterance)
        if name not in plan.known:
            recordings[name] = [*recordings.get(name, []), utterance][:RECORDINGS]
    voices = {name: _voice(name, group, rate) for name, group in recordings.items()}
    sounds = []
    for utterance in progress(utterances, desc="voices"):
        for way in _ways(plan, utterance):
            try:
                audio = way.make()
                _write(plan, utterance, way, audio, out)
                own = embedding(audio)
            except ValueError as error:
                log.warning(f"{utterance.id}, {way.made} as {way.wanted}: {error}")
                continue
            likeness = {name: float(cosine(own, voice)[0, 0]) for name, voice in voices.items()}
            sounds.append(Judged(way.made, way.wanted, way.source, likeness))
    return sounds


def _write(plan: Plan, utterance: Utterance, way: _Way, audio: Any, out: Path) -> None:
    """The sound, and beside what was made of a recording that recording, and the same song by the wanted voice where there is one."""
    rate = plan.task.rate
    name = f"{utterance.id}_{way.wanted}.wav"
    audio.write(out / way.made / name)
    if way.made in (VOCODED, CONVERTED):
        recorded = utterance.read(rate)
        recorded.write(out / SOURCES / name)
    if way.made == CONVERTED:
        song = (way.wanted, song_name(utterance), utterance.text)
        same = plan.parallel.get(song)
        if same is not None:
            sung = same.read(rate)
            sung.write(out / PARALLEL / name)


@dataclass(frozen=True)
class _Way:
    """How a sound of an utterance comes about; the fields are those of `Judged`."""

    made: str
    wanted: str
    source: str
    make: Callable[[], Any]


def _ways(plan: Plan, utterance: Utterance) -> list[_Way]:
    """As it was recorded, as the model says it in its own voice, as its vocoder gives it, and converted to each voice that is wanted."""
    from models.base.splits import speaker_name

    task = plan.task
    source = speaker_name(utterance)
    recorded = utterance.read(task.rate)
    ways = [_Way("recorded", source, source, lambda: recorded)]
    if source in plan.known:
        ways.append(_Way("spoken", source, source, lambda: task.sample(utterance, **plan.settings).audio))
    if task.copies:
        vocoder = plan.settings.get("vocoder")
        ways.append(_Way(VOCODED, source, source, lambda: task.copy(recorded, vocoder)))
    if task.converts:
        convert = partial(task.convert, recorded, source_speaker=source, seed=0, **plan.settings)
        for name in plan.goals(source):
            ways.append(_Way(CONVERTED, name, source, partial(convert, target_speaker=name)))
    return ways


def kept(out: Path, names: list[str], choices: dict[str, Any]) -> str:
    """The tables of these metrics over all conversions, and all copies, beside their sources, and of conversions beside the same songs.

    Raises ValueError where nothing was converted.
    """
    from evaluation.base import evaluate

    if not (out / CONVERTED).is_dir():
        raise ValueError("--metrics: nothing was converted, as the model converts no voices or each of its files failed.")
    text = ""
    compared = [("conversions", SOURCES, CONVERTED, names), ("copies", SOURCES, VOCODED, names), (PARALLEL, PARALLEL, CONVERTED, ["mcd"])]
    for title, references, made, metrics in compared:
        if not ((out / references).is_dir() and (out / made).is_dir()):
            continue
        align = "dtw" if title == PARALLEL else "cut"
        result = evaluate(out / references, out / made, metrics, align=align, **choices)
        result.save(out / f"{title}.json")
        text += f"\n{TITLES[title]}\n\n{result.table()}\n"
    return text


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


def _draw(sounds: list[Judged], names: list[str], path: Path) -> None:
    """For each way of making, the wanted voice (rows) against the voices of the recordings (columns)."""
    from visualization.plot import matrices, save

    tables = {}
    for way in dict.fromkeys(sound.made for sound in sounds):
        group = [sound for sound in sounds if sound.made == way]
        tables[way] = matrix(group, names)
    save(matrices(tables, names, across="likeness to recordings of", along="should be"), path)


if __name__ == "__main__":
    run(main)
