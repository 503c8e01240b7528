"""Runs the stages of a recipe, printing each command before it runs, so that it can be read and copied.

    python -m bins.recipe egs/tts/FastSpeech2 --stage 1-4 --name ex1     (the same as sh egs/tts/FastSpeech2/run.sh ...)
    python -m bins.recipe egs/tts/FastSpeech2 --tiny                     (all stages on the demo corpus, in minutes)

Stages: 1 preprocess and extract, 2 train, 3 infer, 4 evaluate; numbers, names and ranges are understood.
Relative paths, those of configs too (data, ckpts), are taken from the folder that you are in.
Options that are not listed here go to the program of the stage: --stage infer --text "Hello."
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from bins.cli import run
from utils.files import ROOT

STAGES = {"preprocess": 1, "extract": 1, "train": 2, "infer": 3, "evaluate": 4}
ENDED = 128 + signal.SIGTERM  # as a shell has it
JUDGED = 10  # recordings of the test split, each to be converted to two voices
INPUTS = ("--text", "--list", "--text-file", "--folder")  # what else than a split the infer stage speaks
RENAMED = {  # what published commands of upstream call these options
    "--infer_text": "--text",
    "--infer_speaker_name": "--speaker",
    "--infer_output_dir": "--out",
    "--infer_audio_dir": "--folder",
    "--infer_audio_prompt": "--prompt",
    "--infer_text_prompt": "--prompt_text",
    "--vocoder_dir": "--vocoder",
}


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    arguments.add_argument("recipe", help="the recipe's folder")
    arguments.add_argument("-s", "--stage", default="1-4", help="1 to 4, a name, or a range such as 2-4 (default: all)")
    arguments.add_argument("-c", "--config", help="another config than the recipe's exp_config.json")
    arguments.add_argument("-n", "--name", default="default", help="what to call this run")
    arguments.add_argument("--gpu", help='the GPUs to use, such as "0" or "0,1"')
    arguments.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change one setting; may be repeated")
    arguments.add_argument("--tiny", action="store_true", help="the recipe's tiny twin (tiny.json): small model, demo corpus")
    arguments.add_argument("--dry-run", action="store_true", help="only print the commands")
    options, rest = arguments.parse_known_args(argv)
    programs = stages(options.stage)
    rest = [RENAMED.get(word, word) for word in rest]
    numbers = {STAGES[program] for program in programs}
    if rest and len(numbers) > 1:
        raise ValueError(f"{' '.join(rest)}: options of a stage need a single --stage, one of {', '.join(STAGES)}.")
    default = "tiny.json" if options.tiny else "exp_config.json"
    config = _found(options.config or Path(options.recipe) / default)
    if not config.is_file():
        raise ValueError(f"no config {config}: is {options.recipe} a recipe's folder?")
    name = "tiny" if options.tiny and options.name == "default" else options.name
    _folder(config, name, options)  # a name that cannot be one is said before the first stage
    for program in _with_judging(programs, config, options, rest):
        code = _run(command(program, config, name, options, rest), options)
        if code:
            advice = "mend it and run the same command again"
            print(f"error: the stage {program} failed (exit code {code}); {advice}.", file=sys.stderr)
            return code
    if not options.dry_run:
        _tell(config, name, programs, options, rest)
    return 0


def _found(path: str | Path) -> Path:
    """A config as the caller names it: where they are, or in the clone."""
    here = Path(path)
    return ROOT / here if not here.is_file() and (ROOT / here).is_file() else here


def _with_judging(programs: list[str], config: Path, options: Any, rest: list[str]) -> list[str]:
    """And, where conversions are what the model is for, the program that judges them, after the metrics of the evaluate stage."""
    judged = "evaluate" in programs and not rest and _task(config, options).conversion_metrics
    return [*programs, "voices"] if judged else programs


def stages(asked: str) -> list[str]:
    """The programs of "3", "train", "1-2" or "preprocess-train", in order. Raises ValueError with the choices."""
    if asked in STAGES:
        return [asked]
    ends = [_number(end.strip()) for end in asked.split("-")]
    if len(ends) > 2 or None in ends:
        last = max(STAGES.values())
        raise ValueError(f"--stage {asked}: choose 1 to {last}, one of {', '.join(STAGES)}, or a range such as 1-2.")
    low = ends[0]
    high = ends[-1]
    if low > high:
        raise ValueError(f"--stage {asked}: the range runs backwards.")
    return [program for program, number in STAGES.items() if low <= number <= high]


def _number(end: str) -> int | None:
    """The number of a stage, which may be given by name; None where there is no such stage."""
    numbers = {str(number): number for number in STAGES.values()}
    return STAGES.get(end, numbers.get(end))


def command(program: str, config: Path, name: str, options: Any, rest: list[str]) -> list[str]:
    """The command of one stage, as a user could type it."""
    words = [sys.executable, "-m"]
    gpus = options.gpu.split(",") if options.gpu else []
    if program == "train" and len(gpus) > 1:
        words += ["accelerate.commands.launch", "--multi_gpu", "--num_processes", str(len(gpus)), "-m"]
    words.append(f"bins.{program}")
    if program == "evaluate":
        return [*words, *_compared(config, name, options), *rest]
    words += ["--config", str(config)]
    if program in ("train", "infer", "voices"):
        words += ["--name", name]
    if program == "voices":
        words += ["--limit", str(JUDGED), "--targets", "2"]
    return [*words, *_sets(options), *rest]


def _sets(options: Any) -> list[str]:
    words = []
    for setting in options.set:
        words += ["--set", setting]
    return words


def _compared(config: Path, name: str, options: Any) -> list[str]:
    """The two folders that the infer stage filled, and what this task is measured by."""
    task = _task(config, options)
    result = _folder(config, name, options) / "result"
    prompted = [task.prompted_metrics] if _model(config, options).prompted_by else []
    choices = {
        "--reference": result / "reference",
        "--generated": result / "generated",
        "--metrics": " ".join([task.metrics, *prompted]),
        "--align": task.align,
        "--length_ratio": f"{task.length_ratio:g}",
        "--out": result / "result.json",
    }
    words = ["--partial"]
    for option, value in choices.items():
        words += [option, str(value)]
    return words


def _folder(config: Path, name: str, options: Any) -> Path:
    """Where the run lies. Raises ValueError for a name that cannot be one."""
    from models.base.experiment import run_folder
    from utils.config import load_config

    return run_folder(load_config(config, options.set).get("log_dir", "ckpts"), name)


def _task(config: Path, options: Any) -> Any:
    """The task class of a config."""
    return _of_table(config, options, "task")


def _model(config: Path, options: Any) -> Any:
    """Its model class."""
    return _of_table(config, options, "model")


def _of_table(config: Path, options: Any, part: str) -> Any:
    from models import MODELS
    from utils.config import load_config
    from utils.registry import load_object, pick

    settings = load_config(config, options.set)
    spec = pick(MODELS, settings.get("model_type", ""), "model")
    return load_object(getattr(spec, part))


def _run(words: list[str], options: Any) -> int:
    print(f"+ {shlex.join(['python', *words[1:]])}", flush=True)
    if options.dry_run:
        return 0
    chosen = {"CUDA_VISIBLE_DEVICES": options.gpu} if options.gpu else {}
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    chosen["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(ROOT), *filter(None, before)]))
    stage = subprocess.Popen(words, env={**os.environ, **chosen})
    ended = False

    def end(*_: Any) -> None:
        nonlocal ended
        ended = True
        stage.terminate()  # a training then saves, and does not go on alone

    handler = signal.signal(signal.SIGTERM, end)
    try:
        code = stage.wait()
    except KeyboardInterrupt:
        stage.wait()  # which heard of it too, and may still be saving
        raise
    finally:
        signal.signal(signal.SIGTERM, handler)
    return code or (ENDED if ended else 0)  # a training that saved has done all right, but the next stage is not to begin


def _tell(config: Path, name: str, programs: list[str], options: Any, rest: list[str]) -> None:
    """What there is to hear, see and read, and what to try next."""
    folder = _folder(config, name, options)
    result = folder / "result"
    lines = []
    inputs = [word for word in rest if word.split("=")[0] in INPUTS]
    if "infer" in programs and not inputs:
        lines += _first("hear", result / "generated", "*.wav")
        lines += _first("see", result / "pictures", "*.png")
    table = result / "result.md"
    if table.is_file() and "evaluate" in programs:
        lines.append(f"  read  {table}")
    if lines:
        print("\n".join(["", "Done.", *lines]))
    judged = result / "voices" / "voices.md"
    if judged.is_file() and "evaluate" in programs:
        print("\n".join(_first("hear", result / "voices" / "converted", "*.wav") + [f"  read  {judged}"]))
    if "infer" in programs:
        example = _task(config, options).example
        if _model(config, options).prompted_by:
            example += ' --prompt voice.wav --prompt_text "What is said there."'
        print(f"\nNext: {_again(name, options)} --stage infer {example}")
        print(f"      tensorboard --logdir {folder / 'log'}")


def _first(label: str, folder: Path, pattern: str) -> list[str]:
    """A line that names the first file of a folder, if it has one, and how many there are."""
    files = sorted(folder.glob(pattern))
    return [f"  {label:5} {files[0]}   ({len(files)} in all)"] if files else []


def _again(name: str, options: Any) -> str:
    """The command that runs stages of the same run: of the same config and settings."""
    words = ["python", "-m", "bins.recipe", options.recipe]
    if options.config:
        words += ["--config", options.config]
    if options.tiny:
        words.append("--tiny")
    return shlex.join([*words, *_sets(options), "--name", name])


if __name__ == "__main__":
    run(main)
