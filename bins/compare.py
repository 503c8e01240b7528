"""Compares several systems with one reference: which differences are more than chance, tables for a paper, a page to listen to.

    python -m bins.compare --reference DIR --generated ours=DIR baseline=DIR --metrics "mcd pesq" --out comparison
    python -m bins.compare --generated ours=a/result.json baseline=b/result.json --out comparison     (evaluated before)

Writes comparison.md, comparison.tex, comparison.json and comparison.html (one file that needs no other, with players for the worst
utterances of each metric), and each system's own result. The same command goes on where one was stopped. Folders are measured by
bins.evaluate, and take its options: --align, --rate, --definition, --jobs, models, ...
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from bins import evaluate
from bins.cli import parser, run


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    arguments.allow_abbrev = False  # what is not ours is bins.evaluate's, and must not be taken for short
    arguments.add_argument("--reference", help="the recordings to come close to; not needed where every system is a result.json")
    arguments.add_argument("--generated", nargs="+", required=True, metavar="NAME=PATH", help="a folder, or a result.json, for each system")
    arguments.add_argument("--metrics", nargs="+", default=[], help='names, as in --metrics "mcd pesq"; "all" for every one')
    arguments.add_argument("--out", required=True, help="folder for what is written")
    arguments.add_argument("--test", default="wilcoxon", help="wilcoxon (default) or bootstrap")
    arguments.add_argument("--family", default="table", help="Holm's correction is over the whole table (default), or over each metric")
    arguments.add_argument("--title", default="Comparison", help="of the page")
    arguments.add_argument("--worst", type=int, default=20, help="utterances with players for each metric (default 20)")
    arguments.add_argument("--seconds", type=float, default=12.0, help="that a player holds at most (default 12)")
    arguments.add_argument("--megabytes", type=float, default=48.0, help="of sounds and pictures in the page (default 48)")
    arguments.add_argument("--codec", default="mp3", help="of the players: mp3 (default), ogg or flac")
    arguments.add_argument("--no_page", action="store_true", help="write no page")
    options, others = arguments.parse_known_args(argv)
    measuring = evaluate.options_parser().parse_args(others)
    from evaluation.compare import compare, results_of, systems_of
    from utils.files import write_json, write_whole
    from visualization.comparison_page import write_page
    from visualization.comparison_tables import latex, markdown

    systems, out = systems_of(options.generated), Path(options.out)
    if len(systems) < 2:
        raise ValueError(f"--generated {' '.join(options.generated)}: a comparison needs two systems or more.")
    names = [name for word in options.metrics for name in word.replace(",", " ").split()]
    reference = Path(options.reference) if options.reference else None
    choices = {name: getattr(measuring, name) for name in ("align", "jobs", "cluster")} | evaluate.choices_of(measuring)
    results = results_of(reference, systems, names, out, rate=evaluate.rate_of(measuring.rate), **choices)
    comparison = compare(results, metrics=names, test=options.test, family=options.family)
    for path, text in ((out / "comparison.md", markdown(comparison)), (out / "comparison.tex", latex(comparison))):
        write_whole(path, lambda p, text=text: p.write_text(text + "\n", encoding="utf-8"))
    write_json(out / "comparison.json", dataclasses.asdict(comparison))
    if not options.no_page:
        folders = {name: path for name, path in systems.items() if path.suffix != ".json"}
        limits = {name: getattr(options, name) for name in ("title", "worst", "seconds", "megabytes", "codec")}
        write_page(comparison, out / "comparison.html", reference=reference, folders=folders, **limits)
    print(markdown(comparison))
    page = "" if options.no_page else f"\n{out / 'comparison.html'}: open it in a browser, to listen"
    print(f"\n{out / 'comparison.md'}, .tex, .json: the tables and all values{page}")
    return 0


if __name__ == "__main__":
    run(main)
