"""Compares a folder of generated recordings with a folder of references, file by file of the same stem.

    python -m bins.evaluate --reference DIR --generated DIR --metrics "mcd pesq stoi f0rmse"
    python -m bins.evaluate --reference DIR --generated DIR --metrics all         (whatever this machine has the models for)
    python -m bins.evaluate --list                                                (what there is)

Writes result.json (means, intervals, every value, every failure, settings) and result.md (the table) beside the generated folder,
and result.parts.jsonl while it runs: a run that was stopped goes on there, and a further metric costs only itself. Where the result.json
beside it is another folder's, these are called result-<folder>.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from bins.cli import parser, run
from evaluation.models import SOURCES


def main(argv: list[str] | None = None) -> int:
    options = options_parser().parse_args(argv)
    from evaluation.base import evaluate, measurable
    from evaluation.metric import Options
    from utils.log import log

    if options.list:
        return _list(options)
    for name in ("reference", "generated", "metrics"):
        if not getattr(options, name):
            raise ValueError(f"--{name} is needed.")
    names = [name for word in options.metrics for name in word.replace(",", " ").split()]
    choices = choices_of(options)
    if options.partial and names != ["all"]:
        names = measurable(names, Options(**choices))
    out = _out(options.out, options.dump_folder, options.generated)
    result = evaluate(
        options.reference,
        options.generated,
        names,
        align=options.align,
        rate=rate_of(options.rate),
        jobs=options.jobs,
        cluster=options.cluster,
        keep=out.with_suffix(".parts.jsonl"),
        **choices,
    )
    result.save(out)
    log.info(f"{out}\n\n{result.table()}\n")
    for name, failures in result.failed.items():
        for utterance, reason in list(failures.items())[:3]:
            log.info(f"{name} failed on {utterance}: {reason}")
    # A metric without a single value is no evaluation: whoever called must not take it for one, unless that will do.
    measured = [bool(row["n"]) for row in result.metrics.values()]
    enough = any(measured) if options.partial else all(measured)
    return 0 if enough else 1


def options_parser() -> argparse.ArgumentParser:
    options = parser(__doc__, config=False, many=True)
    options.add_argument("--reference", "--reference_folder", "--ref_dir", help="the recordings to come close to")
    options.add_argument("--generated", "--generated_folder", "--deg_dir", help="the recordings to judge")
    options.add_argument("--metrics", nargs="+", help='names, as in --metrics "mcd pesq"; "all" for every one')
    options.add_argument("--list", action="store_true", help="list the metrics, their definitions, and what each of them lacks here")
    options.add_argument("--out", help="the file to write, ending in .json (default: result.json beside the generated folder)")
    options.add_argument("--partial", action="store_true", help="a metric that lacks its network, or has no value, is listed, and no failure")
    options.add_argument("--dump_folder", "--dump_dir", help="folder for result.json, in place of --out")
    options.add_argument("--rate", "--fs", default=None, help="sampling rate for metrics that fix none (default: the reference's)")
    options.add_argument(
        "--align", "--align_method", choices=("cut", "dtw"), default="cut", help="how frames are paired (default cut)"
    )
    options.add_argument(
        "--length_ratio", type=float, help="a pair fails where one side is so many times as long as the other (default 2; 0: never)"
    )
    options.add_argument("--definition", choices=("correct", "upstream"), help="upstream: as Amphion v0.1 published them")
    options.add_argument("--energy_db_scale", "--db_scale", type=_yes_or_no, help="(upstream) energy in dB (default True)")
    options.add_argument("--f0_subtract_mean", type=_yes_or_no, help="(upstream) cents about the median (default True)")
    options.add_argument("--similarity_model", help="resemblyzer (default), wavlm, wespeaker or rawnet")
    options.add_argument("--similarity_mode", choices=("pairwith", "overall"), help="each pair, or every file with every file")
    options.add_argument(
        "--intelligibility_mode", choices=("gt_audio", "gt_content"), help="target: the reference's words, or --ltr_path"
    )
    options.add_argument("--ltr_path", help="transcripts, lines like name.wav|text")
    options.add_argument(
        "--normaliser", choices=("standard", "whisper"), help="of words: standard (default), or Whisper's as in most papers"
    )
    options.add_argument("--language", help="english (default), chinese, or a code of Whisper's")
    options.add_argument("--fad_model", help="vggish (default), clap, or given: <stem>.npy beside each recording")
    add_networks(options)
    return options


def add_networks(arguments: argparse.ArgumentParser) -> None:
    """Adds the options that say where the networks of metrics lie, and where they run."""
    arguments.add_argument("--gpu", help='run the networks on this GPU, such as "0" (default: the CPU, all cores)')
    for source in SOURCES:
        arguments.add_argument(f"--{source.name}", help=source.what)


def choices_of(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of metric.Options that the user named; "None" and empty strings are upstream's way of naming none."""
    import dataclasses

    from evaluation.metric import Options

    named = {f.name: getattr(options, f.name, None) for f in dataclasses.fields(Options) if f.name != "align"}
    chosen = {name: value for name, value in named.items() if value not in (None, "", "None")}
    if options.gpu not in (None, "", "None"):
        os.environ["CUDA_VISIBLE_DEVICES"] = options.gpu
        import torch

        if not torch.cuda.is_available():
            raise ValueError(f"--gpu {options.gpu}: no such GPU can be used here; leave --gpu out to run on the CPU.")
        chosen["device"] = "cuda"
    return chosen


def _list(options: argparse.Namespace) -> int:
    from evaluation.base import all_metrics
    from evaluation.metric import UPSTREAM, Options

    asked = Options(**choices_of(options))
    for name, row in sorted(all_metrics().items()):
        unit = f" [{row.unit}]" if row.unit else ""
        print(f"{name}{unit}\n    {row.doc}")
        lack = row.absent(asked)
        if lack:
            print(f"    NOT HERE: it {lack}")
        if name in UPSTREAM:
            print(f"    --definition upstream: {UPSTREAM[name].doc}")
    return 0


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r}: True or False is needed.")
    return text.lower() == "true"


def _out(out: str | None, dump_folder: str | None, generated: str) -> Path:
    if out and dump_folder:
        raise ValueError("--out and --dump_folder say the same thing: give one.")
    if out and Path(out).suffix != ".json":
        raise ValueError(f"--out {out}: it must end in .json.")
    if out:
        return Path(out)
    folder = Path(os.path.abspath(generated))
    result = Path(dump_folder or folder.parent) / "result.json"
    return result.with_stem(f"result-{folder.name}") if _is_of_another(result, folder) else result


def _is_of_another(result: Path, generated: Path) -> bool:
    """Whether there is a result of another folder than `generated`; one whose folder is gone may be written over."""
    from utils.files import read_json

    if not result.is_file():
        return False
    settings = read_json(result, dict[str, Any]).get("settings")
    other = Path(str(settings["generated"])) if isinstance(settings, dict) and settings.get("generated") else None
    return other is not None and other.is_dir() and not os.path.samefile(other, generated)


def rate_of(text: str | None) -> int | None:
    if text in (None, "", "None"):
        return None
    if not text.isdigit():
        raise ValueError(f"--rate {text}: a whole number of Hz is needed, such as 24000.")
    return int(text)


if __name__ == "__main__":
    run(main)
