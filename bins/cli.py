"""What every program shares: how it is called, and how it says that something is wrong."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial
from inspect import Parameter
from typing import Any


def parser(doc: str, *, config: bool = True, many: bool = False) -> argparse.ArgumentParser:
    """An argument parser that shows the module's docstring; with --config and --set, and --jobs and --cluster where `many`."""
    arguments = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if config:
        arguments.add_argument("-c", "--config", required=True, help="a recipe's exp_config.json")
        arguments.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change one setting; may be repeated")
    if many:
        arguments.add_argument("--jobs", type=int, default=0, help="processes (0: every core)")
        arguments.add_argument("--cluster", default="", help="address of a Dask scheduler, to run on its workers instead")
    return arguments


def run(main: Callable[[list[str] | None], int | None], argv: list[str] | None = None) -> None:
    """Calls `main` and exits with its code: 2 and one clean line for what a user can mend, 130 for Ctrl-C."""
    try:
        sys.exit(main(argv) or 0)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from what is saved.", file=sys.stderr)
        sys.exit(130)


def model_of(config: str) -> str | None:
    """The name of the model that a config names; None where it names none that there is."""
    from models import MODELS
    from utils.config import load_config

    name = load_config(config).get("model_type", "")
    return name if isinstance(name, str) and name in MODELS else None


def offer(arguments: argparse.ArgumentParser, model_type: str | None, *, without: tuple[str, ...] = ()) -> list[str]:
    """Adds the options of a model and of its task to the parser, with what their docstrings tell; returns their names.

    Those that only other models of the task have are read as well, so that the model itself says that it lacks them. Options in
    `without` are no business of the program's.
    """
    from models import MODELS
    from models.base.choices import options_elsewhere
    from utils.registry import load_object

    if model_type is None:
        return []
    task = load_object(MODELS[model_type].task)
    model = load_object(MODELS[model_type].model)
    of_task = _left(task.own_options(), without)
    of_model = _left(model.options(), without)
    elsewhere = {name: parameters[0] for name, parameters in options_elsewhere(task).items()}
    elsewhere = _left(elsewhere, {*of_task, *of_model, *without})
    task_group = arguments.add_argument_group("this task's own", inspect.getdoc(task.__call__))
    names = add_options(task_group, of_task)
    model_group = arguments.add_argument_group(f"{model_type}'s own", inspect.getdoc(model.infer))
    names += add_options(model_group, of_model)
    return names + add_options(arguments, elsewhere, hidden=True)


def _left(options: Mapping[str, Parameter], without: Collection[str]) -> dict[str, Parameter]:
    return {name: option for name, option in options.items() if name not in without}


def add_options(arguments: Any, options: Mapping[str, Parameter], *, hidden: bool = False) -> list[str]:
    """Adds the options of a task or a model to a parser or a group of one; returns their names. `hidden` are not in the help."""
    for name, parameter in options.items():
        note = argparse.SUPPRESS if hidden else f"(default {parameter.default})"
        arguments.add_argument(f"--{name}", default=None, help=note, **_form(parameter.annotation))
    return list(options)


def _form(annotation: Any) -> dict[str, Any]:
    """How an option of that type is read: a flag, one of some words, or a number."""
    from models.base.options import kinds, words_of

    plain = kinds(annotation)
    if bool in plain:
        return {"action": "store_true"}
    words = words_of(annotation)
    number = next((kind for kind in (float, int) if kind in plain), None)
    if words and number:
        return {"type": partial(_word_or_number, words, number), "metavar": "|".join([number.__name__, *words])}
    if words:
        return {"choices": words}
    kind = number or str
    return {"type": kind, "metavar": kind.__name__}


def _word_or_number(words: list[str], number: type, text: str) -> Any:
    """What a user gave for an option that is one of some words, or a number."""
    if text in words:
        return text
    try:
        return number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number, and none of {', '.join(words)}") from error
