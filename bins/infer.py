"""Stage 3: let a trained model speak, or sing a recording in another voice.

Options beyond these are the model's own: --help lists them with --checkpoint X, --config X or --model VITS.

python -m bins.infer --config egs/tts/FastSpeech2/exp_config.json --name ex1                (the test split)
python -m bins.infer --config ... --name ex1 --text "Hello there." --speed 0.9
python -m bins.infer --config ... --name ex1 --list sentences.txt             (one a line: text, id|text or id|speaker|text)
python -m bins.infer --config ... --name ex1 --text-file book.txt --stream            (sentence by sentence)
python -m bins.infer --checkpoint amphion/some-release --text "Hello there."
python -m bins.infer --config egs/svc/DiffWaveNetSVC/exp_config.json --name ex1 --folder my/songs --target Alto-1
python -m bins.infer --checkpoint path/to/a/vocoder --folder my/recordings --stream                 (piece by piece; says the latency)
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from bins.cli import early, known_model, model_of, offer, parser, run
from bins.texts import Source, read_list, read_text, say


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    arguments.add_argument("-c", "--config", help="a recipe's exp_config.json")
    arguments.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change one setting; may be repeated")
    arguments.add_argument("-n", "--name", help="the run to load, with --config")
    arguments.add_argument("--checkpoint", help="instead of --name: a release, run, checkpoint, foreign folder or hub id")
    arguments.add_argument("--model", help="with --help: list the options of this model")
    arguments.add_argument("--which", choices=("newest", "best"), default="newest", help="which checkpoint of a run")
    arguments.add_argument(
        "--out", help="folder of the results (default: result in the folder of a run, results/<its name> here for what is no run)"
    )
    arguments.add_argument(
        "--split", default="test", choices=("train", "valid", "test"), help="what to speak when nothing else is named"
    )
    arguments.add_argument("--limit", type=int, help="at most so many utterances of the split")
    source = arguments.add_mutually_exclusive_group()
    source.add_argument("--text", help="one text to speak")
    source.add_argument("--list", help="a text file, one text a line; or id|text, or id|speaker|text; for a converter files in place of texts")
    source.add_argument("--text-file", help="a file that holds one text, of any length")
    source.add_argument("--folder", help="a folder of recordings, or for a vocoder of mels (.npy), to start from")
    arguments.add_argument("--stream", action="store_true", help="piece by piece, saying the latency: texts, or the recordings of --folder")
    arguments.add_argument(
        "--srt", nargs="?", const="lines", choices=("lines", "words"), help="for texts: subtitles beside each, of lines or of words"
    )
    arguments.add_argument("--textgrid", action="store_true", help="for texts: the times of lines, words and phones beside each, for Praat")
    arguments.add_argument("--resume", action="store_true", help="leave out what is there already")
    arguments.add_argument("--overwrite", action="store_true", help="make anew what is there already")
    model_type = _model_type(argv)
    names = offer(arguments, model_type)
    options = arguments.parse_args(argv)
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    return _infer(options, given)


def _model_type(argv: list[str] | None) -> str | None:
    """The model whose options to offer, looked up before parsing: what a config, card or foreign configuration names, or none."""
    options = early(argv, ("-c", "--config"), ("--checkpoint",), ("--which",), ("--model",))
    if options.checkpoint:
        from models.base.loading import model_type_at

        return model_type_at(options.checkpoint, which=options.which or "newest")
    if options.model:
        return known_model(options.model)
    if not options.config:
        return None
    return model_of(options.config)


def _infer(options: Any, given: dict[str, Any]) -> int:
    from models.base.experiment import run_folder
    from models.base.task import load
    from utils.config import load_config
    from utils.log import log

    config = load_config(options.config, options.set) if options.config else {}
    if not options.checkpoint and not (config and options.name is not None):
        raise ValueError("which model? Give --config and --name, or --checkpoint.")
    folder = run_folder(config.get("log_dir", "ckpts"), options.name) if options.name is not None else Path(".")
    usual = _results_of(options.checkpoint) if options.name is None else folder / "result"
    out = Path(options.out) if options.out else usual
    given_sources = options.text is not None or options.list or options.text_file or options.folder
    sources, failed = _sources(options, out) if given_sources else ([], [])
    _refuse_overwriting([out / f"{source.name}.wav" for source in sources], options)
    task = load(options.checkpoint or folder, which=options.which)
    settings = {**config.get("inference", {}), **given}
    _check(task, options)
    for reason in task.forbidding:
        log.info(f"Of what it makes: {reason}.")
    if given_sources:
        written = _speak_each(task, options, out, settings, sources, failed)
    else:
        if not config:
            raise ValueError("what to speak? Give --text, --list, --text-file or --folder, or a --config whose test split to speak.")
        written = _speak_split(task, options, out, settings)
    log.info(f"{len(written)} result(s) in {out}; the first: {written[0]}")
    return 0


def _check(task: Any, options: Any) -> None:
    """Raises ValueError for options that this task, or what it is given, has no use for."""
    text = options.text is not None or options.list or options.text_file
    streams = text if task.streams_text else options.folder and task.streams_files
    if options.stream and not streams:
        raise ValueError("--stream: needs a vocoder, a codec or a converter, and --folder with recordings; or a TTS model, and texts.")
    for name in ("srt", "textgrid"):
        if getattr(options, name) and not (task.tells_times and text):
            raise ValueError(f"--{name}: needs a TTS model that tells how long its phones last, and --text, --list or --text-file.")
        if getattr(options, name) and options.stream:
            raise ValueError(f"--{name}: times are known when all is said: leave out --stream.")


def _results_of(path: str | Path) -> Path:
    """Where results go that were not told where: into the run that made the model, or into a folder of its name where the user is."""
    from models.base.checkpoint import is_run

    expanded = Path(path).expanduser()
    place = Path(os.path.abspath(expanded))
    for folder in (place, *place.parents[:2]):
        if is_run(folder):
            return folder / "result"
    name = place.stem if place.is_file() else place.name
    return Path("results") / name


def _refuse_overwriting(paths: list[Path], options: Any) -> None:
    """Raises ValueError where results are there already and the user did not say what is to become of them."""
    there = [path for path in paths if path.is_file()]
    if there and not options.resume and not options.overwrite:
        cure = "--resume leaves them as they are, --overwrite makes them anew, --out takes another folder"
        raise ValueError(f"{len(there)} of {len(paths)} results are there already, the first in {there[0]}: {cure}.")


def _sources(options: Any, out: Path) -> tuple[list[Source], list[str]]:
    """What the user handed over, and what of it cannot be read; one text has the next number that is free in `out`."""
    if options.text is not None:
        taken = 0 if options.resume or options.overwrite else _numbers_taken(out)
        return [Source(f"{taken:04d}", options.text)], []
    if options.text_file:
        return [read_text(Path(options.text_file))], []
    if options.list:
        return read_list(Path(options.list))
    return _starts(Path(options.folder)), []


def _numbers_taken(out: Path) -> int:
    """One more than the highest number that is the name of a result."""
    numbers = [int(path.stem) for path in out.glob("[0-9][0-9][0-9][0-9]*.wav") if path.stem.isdecimal()]
    return max(numbers, default=-1) + 1


def _starts(folder: Path) -> list[Source]:
    """The recordings and mels below `folder`; results keep the folders, and the suffix where two files differ in it alone."""
    from utils.decode import SUFFIXES
    from utils.tree import files_under

    suffixes = (*SUFFIXES, ".npy")
    paths = [path for path in files_under(folder) if path.suffix.lower() in suffixes]
    if not paths:
        raise ValueError(f"--folder: nothing to start from ({', '.join(suffixes)}) in {folder}.")
    names = [path.relative_to(folder) for path in paths]
    stems = [name.with_suffix("") for name in names]
    alike = Counter(stems)
    names = [stem if alike[stem] == 1 else name for name, stem in zip(names, stems, strict=True)]
    return [Source(name.as_posix(), str(path)) for name, path in zip(names, paths, strict=True)]


def _speak_each(
    task: Any, options: Any, out: Path, settings: dict[str, Any], sources: list[Source], failed: list[str]
) -> list[Path]:
    from utils.progress import progress

    written = []
    for source in progress(sources, desc="infer", disable=len(sources) < 2):
        path = out / f"{source.name}.wav"
        try:
            written.append(path if options.resume and path.is_file() else say(task, source, path, settings, options))
        except ValueError as error:
            failed.append(f"{source.name} ({source.source[:60]!r}): {error}")
    return _reported(written, failed)


def _speak_split(task: Any, options: Any, out: Path, settings: dict[str, Any]) -> list[Path]:
    """The split's utterances, generated beside recorded, with a picture of each: what the evaluate stage compares.

    What this model cannot say is named and left out. Raises ValueError where that is all.
    """
    from models.base.experiment import Experiment
    from utils.log import log
    from utils.progress import progress

    experiment = Experiment.read(options.config, options.set)
    voices = None if settings.get("speaker") is not None else task.voices  # a chosen one says what others said
    utterances = experiment.division(voices).take(options.split)[: options.limit]
    task.features.restore(task.card["learned"], experiment.processed_dir)  # the recordings' durations and pitch lie there
    if not utterances:
        raise ValueError(f"the {options.split} split is empty: choose another --split, or a --speaker of the model, or give --text.")
    earlier = len(list((out / "generated").glob("*.wav")))
    if earlier:
        log.info(f"{out / 'generated'} holds {earlier} result(s) of before: those of the same names are made anew.")
    written, failed = [], []
    for utterance in progress(utterances, desc="infer"):
        try:
            sample = task.sample(utterance, **settings)
        except ValueError as error:
            failed.append(f"{utterance.id}: {error}")
            continue
        recorded = utterance.read(task.rate)
        place = recorded.write(out / "reference" / f"{utterance.id}.wav")
        _note(utterance, place, captioned=task.captioned)
        sample.draw(out / "pictures" / f"{utterance.id}.png", task.scale)
        written.append(sample.audio.write(out / "generated" / f"{utterance.id}.wav"))
    return _reported(written, failed)


def _note(utterance: Any, place: Path, *, captioned: bool) -> None:
    """Writes beside a reference what was asked for, where metrics read it: the events, and of a captioned sound its caption."""
    notes = {".events": utterance.events, ".txt": utterance.text if captioned else ""}
    for ending, text in notes.items():
        if text:
            path = place.with_suffix(ending)
            path.write_text(f"{text}\n", encoding="utf-8")


def _reported(written: list[Path], failed: list[str]) -> list[Path]:
    """`written`, once the failures are named. Raises ValueError where nothing was written."""
    if failed and not written:
        raise ValueError("; ".join(failed))
    for line in failed:
        print(f"left out {line}", file=sys.stderr)
    return written


if __name__ == "__main__":
    run(main)
