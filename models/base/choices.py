"""What a user names when a model generates, held against what the task and the model have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from models import MODELS
from models.base.options import out_of_range, problem_of
from utils.config import check_parameters
from utils.registry import load_object, nearest

if TYPE_CHECKING:
    from models.base.model import Model
    from models.base.task import Task

Options = Mapping[str, Parameter]


def options_of(model_type: str) -> dict[str, Parameter]:
    """All that a user may name when this model of the table generates: the options of its task, then its own."""
    spec = MODELS[model_type]
    of_task = load_object(spec.task).own_options()
    of_model = load_object(spec.model).options()
    return of_task | of_model


def options_elsewhere(task: type[Task]) -> dict[str, list[Parameter]]:
    """By name, the options of all models of the table that do this task."""
    parameters = defaultdict(list)
    for spec in MODELS.values():
        if load_object(spec.task) is not task:
            continue
        for name, parameter in load_object(spec.model).options().items():
            parameters[name].append(parameter)
    return dict(parameters)


def chosen(given: Mapping[str, Any], model: type[Model], task: type[Task]) -> dict[str, Any]:
    """Of what was `given`, the options that `model` has; None leaves one to the model.

    Raises ValueError for a value of another type or out of range, and for an option that the model lacks, unless it asks for nothing there.
    """
    own = model.options()
    kept = {}
    for name, value in given.items():
        if value is None or asks_nothing(name, value, own, task):
            continue
        if name not in own:
            raise ValueError(stranger(name, model, task))
        problem = problem_of(own[name], value)
        if problem:
            raise ValueError(f"{name} {problem}")
        kept[name] = value
    return kept


def asks_nothing(name: str, value: Any, own: Options, task: type[Task]) -> bool:
    """Whether an option that a model does not have stands as it would with other models of the task by itself.

    So does any seed: what draws nothing says the same for all of them.
    """
    if name in own:
        return False
    others = options_elsewhere(task).get(name, [])
    usual = [parameter.default for parameter in others]
    return bool(others) and (name == "seed" or value in usual)


def stranger(name: str, model: type[Model], task: type[Task]) -> str:
    """The sentence for an option that neither `model` nor its task has."""
    own = model.options()
    if name not in options_elsewhere(task):
        return nearest(name, task.own_options() | own, "option")
    has = ", ".join(own) or "none of the kind"
    return f"{name}: {model.__name__} has no such {task.option_noun}; it has {has}."


def problems_of_section(model_type: str, section: Any) -> list[str]:
    """What is wrong with the section `inference` of a config of this model, one line each."""
    options = options_of(model_type)
    if isinstance(section, dict):
        task = load_object(MODELS[model_type].task)
        section = {name: value for name, value in section.items() if not asks_nothing(name, value, options, task)}
    problems = check_parameters(options, section, "inference")
    if problems:
        return problems
    wrong = {name: out_of_range(options[name], value) for name, value in section.items()}
    return [f"inference.{name}: {problem}" for name, problem in wrong.items() if problem]
