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
    made = parser(__doc__, config=False)
    made.allow_abbrev = False  # what is not ours is bins.evaluate's, and must not be taken for short
    made.add_argument("--reference", help="the recordings to come close to; not needed where every system is a result.json")
    made.add_argument("--generated", nargs="+", required=True, metavar="NAME=PATH", help="a folder, or a result.json, for each system")
    made.add_argument("--metrics", nargs="+", default=[], help='names, as in --metrics "mcd pesq"; "all" for every one')
    made.add_argument("--out", required=True, help="folder for what is written")
    made.add_argument("--test", default="wilcoxon", help="wilcoxon (default) or bootstrap")
    made.add_argument("--family", default="table", help="Holm's correction is over the whole table (default), or over each metric")
    made.add_argument("--title", default="Comparison", help="of the page")
    made.add_argument("--worst", type=int, default=20, help="utterances with players for each metric (default 20)")
    made.add_argument("--seconds", type=float, default=12.0, help="that a player holds at most (default 12)")
    made.add_argument("--megabytes", type=float, default=48.0, help="of sounds and pictures in the page (default 48)")
    made.add_argument("--codec", default="mp3", help="of the players: mp3 (default), ogg or flac")
    made.add_argument("--no_page", action="store_true", help="write no page")
    options, others = made.parse_known_args(argv)
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
    found = compare(results, metrics=names, test=options.test, family=options.family)
    for path, text in ((out / "comparison.md", markdown(found)), (out / "comparison.tex", latex(found))):
        write_whole(path, lambda p, text=text: p.write_text(text + "\n", encoding="utf-8"))
    write_json(out / "comparison.json", dataclasses.asdict(found))
    if not options.no_page:
        folders = {name: path for name, path in systems.items() if path.suffix != ".json"}
        limits = {name: getattr(options, name) for name in ("title", "worst", "seconds", "megabytes", "codec")}
        write_page(found, out / "comparison.html", reference=reference, folders=folders, **limits)
    print(markdown(found))
    return 0


if __name__ == "__main__":
    run(main)
