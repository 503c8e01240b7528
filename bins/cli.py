"""What every program shares: how it is called, and how it says that something is wrong."""

from __future__ import annotations

import argparse
import difflib
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial
from inspect import Parameter
from typing import Any, NoReturn


def parser(doc: str, *, config: bool = True, many: bool = False) -> argparse.ArgumentParser:
    """An argument parser that shows the module's docstring; with --config and --set, and --jobs and --cluster where `many`."""
    arguments = Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if config:
        arguments.add_argument("-c", "--config", required=True, help="a recipe's exp_config.json")
        arguments.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change one setting; may be repeated")
    if many:
        arguments.add_argument("--jobs", type=int, default=0, help="processes (0: every core)")
        arguments.add_argument("--cluster", default="", help="address of a Dask scheduler, to run on its workers instead")
    return arguments


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the words of a command in one sentence, with the option that may have been meant."""

    def __init__(self, **options: Any) -> None:
        module = getattr(sys.modules["__main__"], "__spec__", None)
        called = sys.argv[0].startswith("amphion ")  # by the one command
        name = module.name.removesuffix(".__main__") if module else "bins"
        usual = sys.argv[0] if called else f"python -m {name}"
        super().__init__(**{"prog": usual} | options)  # a program's parts are given theirs

    def error(self, message: str) -> NoReturn:
        strangers = message.removeprefix("unrecognized arguments: ")
        if strangers != message:
            known = list(self._option_string_actions)
            near = difflib.get_close_matches(strangers.split("=")[0].split()[0], known, 1)
            message += f": did you mean {near[0]}?" if near else ": there is no such option here"
        print(f"error: {message.removeprefix('argument ').rstrip('.')}. {self.prog} --help lists the options.", file=sys.stderr)
        sys.exit(2)


def wants_help(argv: list[str] | None) -> bool:
    """Whether the user asked what there is."""
    return bool({"-h", "--help"} & set(sys.argv[1:] if argv is None else argv))


def early(argv: list[str] | None, *options: tuple[str, ...]) -> argparse.Namespace:
    """Some options, looked up before the parser that depends on them can read the whole command."""
    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for names in options:
        reader.add_argument(*names)
    return reader.parse_known_args(argv)[0]


def known_model(name: str) -> str:
    """The name of a model. Raises ValueError with the nearest and the choices."""
    from models import MODELS
    from utils.registry import pick

    pick(MODELS, name, "model")
    return name


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
    task_group = arguments.add_argument_group("this task's own", first_line(task.__call__))
    names = add_options(task_group, of_task, task.__call__)
    model_group = arguments.add_argument_group(f"{model_type}'s own", first_line(model.infer))
    names += add_options(model_group, of_model, model.infer)
    return names + add_options(arguments, elsewhere)


def first_line(function: Callable[..., Any]) -> str:
    """What it does, in its own words."""
    lines = (inspect.getdoc(function) or "").splitlines()
    return lines[0] if lines else ""


def _left(options: Mapping[str, Parameter], without: Collection[str]) -> dict[str, Parameter]:
    return {name: option for name, option in options.items() if name not in without}


def add_options(arguments: Any, options: Mapping[str, Parameter], told_by: Callable[..., Any] | None = None) -> list[str]:
    """Adds the options of a task or a model to a parser or a group of one; returns their names.

    The help has them as the docstring of the function `told_by` tells them, and not where there is none.
    """
    for name, parameter in options.items():
        note = _note(parameter, told_by) if told_by else argparse.SUPPRESS
        arguments.add_argument(f"--{name}", default=None, help=note, **_form(parameter.annotation))
    return list(options)


def _note(parameter: Parameter, told_by: Callable[..., Any]) -> str:
    """What an option means, the values that it may have, and its default."""
    from models.base.options import Range, notes
    from utils.meanings import meaning

    ranges = [note.said for note in notes(parameter.annotation) if isinstance(note, Range)]
    facts = [*ranges, f"default {parameter.default}"]
    said = f"{meaning(told_by, parameter.name)} ({'; '.join(facts)})"
    return said.replace("%", "%%").strip()


def _form(annotation: Any) -> dict[str, Any]:
    """How an option of that type is read: a flag, one of some words, or a number."""
    from models.base.options import Range, kinds, notes, words_of

    plain = kinds(annotation)
    if bool in plain:
        return {"action": "store_true"}
    words = words_of(annotation)
    number = next((kind for kind in (float, int) if kind in plain), None)
    if words and number:
        return {"type": partial(_word_or_number, words, number), "metavar": "|".join([number.__name__, *words])}
    if words:
        return {"choices": words}
    if number:
        ranges = [note.said for note in notes(annotation) if isinstance(note, Range)]
        return {"type": partial(_number, number, "".join(f", {said}" for said in ranges)), "metavar": number.__name__}
    return {"type": str, "metavar": "str"}


def _number(number: type, allowed: str, text: str) -> Any:
    """What a user gave for a number; `allowed` says which may be."""
    noun = "a whole number" if number is int else "a number"
    try:
        return number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {noun}{allowed}") from error


def _word_or_number(words: list[str], number: type, text: str) -> Any:
    """What a user gave for an option that is one of some words, or a number."""
    if text in words:
        return text
    try:
        return number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number, and none of {', '.join(words)}") from error
