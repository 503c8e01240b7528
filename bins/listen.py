"""A blind listening test: makes the page that listeners open, and scores the files that they send back.

    python -m bins.listen make --kind mos --generated ours=DIR baseline=DIR --reference DIR --out test     (opinions, 1 to 5)
    python -m bins.listen make --kind ab  --generated ours=DIR baseline=DIR --out test                     (A against B)
    python -m bins.listen score --key test/key.json answers/*.json

Send listen.html and keep key.json: it says which system is behind which code. The page is one file and asks for no other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bins.cli import parser, run


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    parts = arguments.add_subparsers(dest="part", required=True)
    page = parts.add_parser("make", help="make the page and its key")
    page.add_argument("--generated", nargs="+", required=True, metavar="NAME=FOLDER", help="the folder of each system")
    page.add_argument("--reference", help="recordings, to be hidden among the systems")
    page.add_argument("--kind", default="mos", help="mos (default) or ab")
    page.add_argument("--out", required=True, help="folder for listen.html and key.json")
    page.add_argument("--utterances", type=int, default=20, help="drawn among those that all have (default 20)")
    page.add_argument("--seed", type=int, default=0, help="of the draw, the order and the sides (default 0)")
    page.add_argument("--question", default="", help="what is asked of each trial (default: how natural)")
    page.add_argument("--title", default="Listening test", help="what listeners see above it")
    page.add_argument("--codec", default="flac", help="flac (default, lossless), mp3 or ogg")
    page.add_argument("--megabytes", type=float, default=150.0, help="that the page may have (default 150)")
    scores = parts.add_parser("score", help="score answers")
    scores.add_argument("answers", nargs="+", help="the files that listeners sent back")
    scores.add_argument("--key", required=True, help="key.json")
    scores.add_argument("--out", help="also write the scores here, as JSON")
    options = arguments.parse_args(argv)
    return _make(options) if options.part == "make" else _score(options)


def _make(options: argparse.Namespace) -> int:
    from evaluation.compare import systems_of
    from visualization.listening_page import make_page

    chosen = ("kind", "utterances", "seed", "question", "title", "codec", "megabytes")
    reference = Path(options.reference) if options.reference else None
    more = {name: getattr(options, name) for name in chosen}
    page, key = make_page(systems_of(options.generated), Path(options.out), reference=reference, **more)
    print(f"{page}: for listeners, {page.stat().st_size / 1e6:.1f} MB\n{key}: keep this; it says which system is behind which code")
    return 0


def _score(options: argparse.Namespace) -> int:
    from evaluation.listening_score import score, table
    from utils.files import write_json

    scores = score(Path(options.key), [Path(path) for path in options.answers])
    if options.out:
        write_json(Path(options.out), scores)
    print(table(scores))
    return 0


if __name__ == "__main__":
    run(main)
