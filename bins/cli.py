"""What every program shares: how it is called, and how it says that something is wrong."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable
from typing import Any


def parser(doc: str, *, config: bool = True, many: bool = False) -> argparse.ArgumentParser:
    """An argument parser that shows the module's docstring; with --config and --set, and --jobs and --cluster where `many`."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if config:
        made.add_argument("-c", "--config", required=True, help="a recipe's exp_config.json")
        made.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change one setting; may be repeated")
    if many:
        made.add_argument("--jobs", type=int, default=0, help="processes (0: every core)")
        made.add_argument("--cluster", default="", help="address of a Dask scheduler, to run on its workers instead")
    return made


def run(main: Callable[[list[str] | None], int | None], argv: list[str] | None = None) -> None:
    """Calls `main` and exits with its code: 2 and one clean line for what a user can mend, 130 for Ctrl-C."""
    try:
        sys.exit(main(argv) or 0)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it was.", file=sys.stderr)
        sys.exit(130)


def add_options(made: argparse.ArgumentParser, call: Callable[..., Any]) -> list[str]:
    """Turns the keyword arguments of a task's call into options, so that they are declared once; returns their names."""
    names = []
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        told = str(parameter.annotation)  # such as "int | None"
        if told == "bool":
            made.add_argument(f"--{parameter.name}", action="store_true", default=None)
        else:
            kind = next((kind for kind in (float, int) if kind.__name__ in told), str)
            made.add_argument(f"--{parameter.name}", type=kind, default=None, help=f"(default {parameter.default})")
        names.append(parameter.name)
    return names
