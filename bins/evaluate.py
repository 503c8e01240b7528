"""Compares a folder of generated recordings with a folder of references, file by file of the same stem.

    python -m bins.evaluate --reference DIR --generated DIR --metrics "mcd pesq stoi f0rmse"

Writes result.json (means, intervals, every value, every failure, settings) and result.md (the table) beside the generated folder.
"""

from __future__ import annotations

from pathlib import Path

from bins.cli import parser, run


def main(argv: list[str] | None = None) -> int:
    made = parser(__doc__, config=False, many=True)
    made.add_argument("--reference", "--reference_folder", "--ref_dir", required=True, help="the recordings to come close to")
    made.add_argument("--generated", "--generated_folder", "--deg_dir", required=True, help="the recordings to judge")
    made.add_argument("--metrics", required=True, nargs="+", help='names, as in --metrics "mcd pesq"; "all" for every one')
    made.add_argument(
        "--align", "--align_method", choices=("cut", "dtw"), default="cut", help="how frames are paired (default cut)"
    )
    made.add_argument("--rate", "--fs", default=None, help="sampling rate for metrics that fix none (default: the reference's)")
    made.add_argument("--out", help="result.json (default: beside the generated folder)")
    made.add_argument("--dump_folder", "--dump_dir", help="folder for result.json, in place of --out")
    options = made.parse_args(argv)
    from evaluation.base import all_metrics, evaluate
    from utils.log import log

    names = [name for word in options.metrics for name in word.replace(",", " ").split()]
    names = sorted(all_metrics()) if names == ["all"] else names
    out = _out(options.out, options.dump_folder, options.generated)
    result = evaluate(
        options.reference,
        options.generated,
        names,
        align=options.align,
        rate=_rate(options.rate),
        jobs=options.jobs,
        cluster=options.cluster,
    )
    result.save(out)
    log.info(f"{out}\n\n{result.table()}\n")
    for name, failures in result.failed.items():
        for utterance, reason in list(failures.items())[:3]:
            log.info(f"{name} failed on {utterance}: {reason}")
    # A metric without a single value is no evaluation: whoever called must not take it for one.
    return int(any(not row["n"] for row in result.metrics.values()))


def _out(out: str | None, dump_folder: str | None, generated: str) -> Path:
    if out and dump_folder:
        raise ValueError("--out and --dump_folder say the same thing: give one.")
    if out and Path(out).suffix != ".json":
        raise ValueError(f"--out {out}: it must end in .json.")
    return Path(out) if out else Path(dump_folder or Path(generated).resolve().parent) / "result.json"


def _rate(text: str | None) -> int | None:
    if text in (None, "", "None"):
        return None
    if not text.isdigit():
        raise ValueError(f"--rate {text}: a whole number of Hz is needed, such as 24000.")
    return int(text)


if __name__ == "__main__":
    run(main)
