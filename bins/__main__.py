"""Amphion: turns any input into audio. A toolkit to train, compare and use models for speech, singing, music and sound.

    amphion infer --checkpoint pretrained/vits_kathleen --text "Hello there."
    amphion infer --help                                                        (what a program takes)

`python -m bins.infer` is the same where `amphion` is not installed. The programs:
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path

from bins.cli import run

FOLDER = Path(__file__).parent
FIRST = ("infer", "models", "recipe", "preprocess", "extract", "train", "evaluate", "compare", "listen")  # as one comes to need them


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0
    if words[0] == "--version":
        from amphion import __version__

        print(f"amphion {__version__}")
        return 0
    name = words[0].replace("-", "_")
    if name not in programs():
        from utils.registry import nearest

        raise ValueError(nearest(words[0], programs(), "program"))
    sys.argv = [f"amphion {name}", *words[1:]]
    return import_module(f"bins.{name}").main(words[1:]) or 0


def programs() -> dict[str, str]:
    """What each program does, in a line: its docstring's first, read without importing what it needs."""
    found = {}
    for path in sorted(FOLDER.glob("[a-z]*.py")):
        source = path.read_text(encoding="utf-8")
        if "\ndef main(" in source:
            found[path.stem] = ast.get_docstring(ast.parse(source)).splitlines()[0]
    firsts = {name: found[name] for name in FIRST if name in found}
    return firsts | found


def overview() -> str:
    """What there is."""
    lines = [__doc__.strip(), ""]
    width = max(map(len, programs()))
    lines += [f"  {name.ljust(width)}  {line}" for name, line in programs().items()]
    return "\n".join(lines)


def command() -> None:
    """The command `amphion`."""
    run(main)


if __name__ == "__main__":
    command()
