"""Configs: JSON5 over a `base_config`, `--set` on top, and every section checked against a signature.

A section holds the keyword arguments of one constructor, so the constructor's signature is its schema.
Problems are collected, not raised one by one: a user mends a config in one go.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import reprlib
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from utils.documents import parse_json5, read_json5
from utils.files import ROOT

FILL_IN = "[fill in]"  # what a shipped config says where only its user knows the value


class ConfigError(ValueError):
    """Everything that is wrong with a config, one line each."""

    def __init__(self, problems: list[str], source: str = "", overridden: typing.Collection[str] = ()) -> None:
        """`overridden` are the paths of settings that do not come from the file `source`, but from --set."""
        self.problems = problems
        by_hand = {problem for problem in problems if _is_of(problem, overridden)}
        where = f" in {source}" if source else ""
        if len(by_hand) == len(problems) > 0:
            where = " in what --set says"
        lines = [f"{len(problems)} problem(s){where}:"]
        for problem in problems:
            note = " (by --set)" if problem in by_hand and source in where else ""
            lines.append(f"  {problem}{note}")
        super().__init__("\n".join(lines))


def _is_of(problem: str, paths: typing.Collection[str]) -> bool:
    """Whether a problem is one of the settings at these paths, or of what they hold."""
    at = problem.removeprefix("--set ").partition(":")[0].partition("=")[0]
    return any(at == path or at.startswith((f"{path}.", f"{path}[")) for path in paths)


class Config(dict):
    """A merged config.

    `problems` holds what reading it already showed; `source` is its file, and `overridden` the paths of what --set changed.
    """

    problems: list[str]
    source: str
    overridden: list[str]


def load_config(path: str | Path, overrides: list[str] = ()) -> Config:
    """The config in `path` merged over its bases, with `overrides` ("train.max_steps=100") on top.

    Raises ConfigError when a file is missing, is not JSON5, or names itself as a base.
    """
    problems: list[str] = []
    config = Config(_read(_find(path, None), (), problems))
    for override in overrides:
        _override(config, override, problems)
    _name_datasets(config, overrides)
    config.problems = problems
    config.source = str(path)
    config.overridden = [override.partition("=")[0] for override in overrides]
    return config


def _find(path: str | Path, asked_by: Path | None) -> Path:
    candidates = [Path(path), ROOT / path] if asked_by is None else [ROOT / path, asked_by.parent / path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    if asked_by is None:
        raise ConfigError([f"no config file {path}"])
    raise ConfigError([f'base_config: no file "{path}" (looked in {ROOT} and {asked_by.parent})'], str(asked_by))


def _read(path: Path, chain: tuple[Path, ...], problems: list[str]) -> dict:
    if path in chain:
        loop = " -> ".join(config.name for config in (*chain, path))
        raise ConfigError([f"base_config: a loop, {loop}"], str(path))
    try:
        pairs = read_json5(path, _Pairs)
    except ValueError as error:
        raise ConfigError([str(error)], str(path)) from error
    if not isinstance(pairs, _Pairs):
        raise ConfigError(["a config is an object: { ... }"], str(path))
    own = _plain(pairs, "", path.name, problems)
    base = own.pop("base_config", None)
    if not isinstance(base, str | None):
        raise ConfigError([f"base_config: the path of another config is expected, got {reprlib.repr(base)}"], str(path))
    if base is None:
        return own
    below = _read(_find(base, path), (*chain, path), problems)
    return merge(below, own)


class _Pairs(list):
    """An object as it was written, repeated keys and all."""


def _plain(value: Any, at: str, file: str, problems: list[str]) -> Any:
    if isinstance(value, _Pairs):
        out: dict[str, Any] = {}
        for key, item in value:
            path = f"{at}.{key}" if at else key
            if key in out:
                problems.append(f"{path}: set twice in {file}")
            out[key] = _plain(item, path, file, problems)
        return out
    if isinstance(value, list):
        return [_plain(item, f"{at}[{i}]", file, problems) for i, item in enumerate(value)]
    return value


def merge(base: dict, over: dict) -> dict:
    """`over` on `base`: objects merge, everything else replaces, and null takes away what the base has set."""
    merged = dict(base)
    for key, value in over.items():
        if value is None and key in merged:
            del merged[key]
        else:
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = merge(merged[key], value) if both else value
    return merged


def _override(config: dict, override: str, problems: list[str]) -> None:
    path, equals, text = override.partition("=")
    if not equals:
        problems.append(f"--set {override}: write it as path=value, such as train.max_steps=100")
        return
    try:
        value = parse_json5(text, "--set")
    except ValueError:
        value = text  # a bare word is a string: --set log_dir=ckpts
    *parents, last = path.split(".")
    section = config
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            problems.append(f"--set {override}: {parent!r} is a value, not a section")
            return
    if value is None and last in section:
        del section[last]  # as null in a file takes away what the base has set
    else:
        section[last] = value


def _name_datasets(config: dict, overrides: list[str]) -> None:
    """One dataset is a list of one; and where --set says alone where a corpus lies that the config does not name, it is the dataset."""
    if isinstance(config.get("dataset"), str):
        config["dataset"] = [config["dataset"]]
    paths = [override.partition("=")[0] for override in overrides]
    prefix = "dataset_path."
    given = [path.removeprefix(prefix) for path in paths if path.startswith(prefix)]
    known = config.get("dataset")
    if "dataset" in paths or not isinstance(known, list):
        return
    if any(name not in known for name in given):
        config["dataset"] = given


def in_groups(target: Callable, section: Any) -> Any:
    """`section` with each setting in the group that it belongs to now.

    `target.former` says under which names settings went before they were grouped: {"encoder_layers": "encoder.layers"}.
    """
    former = getattr(target, "former", {})
    if not former or not isinstance(section, dict):
        return section
    grouped: dict[str, Any] = {}
    for name, value in section.items():
        group, _, setting = former.get(name, name).partition(".")
        held = grouped.get(group, {})
        own = {setting: value} if setting else value
        if isinstance(own, dict) and isinstance(held, dict):
            grouped[group] = {**held, **own}
        else:  # a group that is no section is named by `check`
            grouped[name if setting else group] = value
    return grouped


def check(target: Callable, section: Any, at: str, facts: typing.Container[str] = ()) -> list[str]:
    """Every way in which `section` does not fit the signature of `target`; `facts` are names that come from the data."""
    section = in_groups(target, section)
    section = _named(section, _hints(target))
    return check_parameters(signature_of(target), section, at, facts)


def signature_of(target: Callable) -> dict[str, inspect.Parameter]:
    """The settings of a section: the parameters of its constructor, their annotations as types."""
    hints = _hints(target)
    typed = {}
    for name, parameter in _parameters(target).items():
        annotation = hints.get(name, Any)
        typed[name] = parameter.replace(annotation=annotation)
    return typed


def _named(section: Any, hints: dict[str, Any]) -> Any:
    """`section` without what is null where that is no value: a null leaves a setting at its default."""
    if not isinstance(section, dict):
        return section
    return {name: value for name, value in section.items() if value is not None or name not in hints or _takes_none(hints[name])}


def _takes_none(hint: Any) -> bool:
    parts = (hint, *typing.get_args(hint))
    return Any in parts or type(None) in parts


def check_parameters(
    parameters: Mapping[str, inspect.Parameter], section: Any, at: str, facts: typing.Container[str] = ()
) -> list[str]:
    """As `check`, of parameters whose annotations are types."""
    from utils.registry import nearest

    if not isinstance(section, dict):
        return [f"{at}: a section {{ ... }} is expected, got {section!r}"]
    problems = []
    for key, value in section.items():
        if key in facts:
            problems.append(f"{at}.{key}: is worked out from the data, remove it")
        elif key not in parameters:
            problems.append(f"{at}.{key}: " + nearest(key, [p for p in parameters if p not in facts], "setting"))
        else:
            problems += _check_value(parameters[key].annotation, value, f"{at}.{key}")
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in section and name not in facts:
            problems.append(f"{at}.{name}: is missing and has no default")
    return problems


def _parameters(target: Callable) -> dict[str, inspect.Parameter]:
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {name: p for name, p in inspect.signature(target).parameters.items() if p.kind not in kinds and name != "self"}


def _hints(target: Callable) -> dict[str, Any]:
    # Of a dataclass the class itself is asked: a field it inherits is spelt in the names of its parent's module.
    plain = inspect.isclass(target) and not dataclasses.is_dataclass(target)
    return typing.get_type_hints(target.__init__ if plain else target, include_extras=True)


def _section_class(hint: Any) -> type | None:
    """The dataclass in `hint` (`X` or `X | None`), or None."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union else (hint,)
    return next((o for o in options if dataclasses.is_dataclass(o)), None)


def _entry_class(hint: Any) -> type | None:
    """The dataclass in `dict[str, X]`, sections that a config names itself, or None."""
    of_a_dict = typing.get_args(hint)[1:] if typing.get_origin(hint) is dict else ()
    return next((o for o in of_a_dict if dataclasses.is_dataclass(o)), None)


def _check_value(hint: Any, value: Any, at: str) -> list[str]:
    from pydantic import ValidationError

    if value == FILL_IN:
        return [f"{at}: is for you to fill in"]
    entry = _entry_class(hint)
    if entry is not None and isinstance(value, dict):
        return [problem for name, section in value.items() for problem in check(entry, section, f"{at}.{name}")]
    nested = _section_class(hint)
    if nested is not None and isinstance(value, nested):
        return []
    if nested is not None and isinstance(value, dict):
        return check(nested, value, at)
    try:
        _validate(hint, value)
    except ValidationError as error:
        return [_sentence(at, problem) for problem in error.errors()]
    return []


def _sentence(at: str, problem: Any) -> str:
    steps = "".join(f"[{step}]" if isinstance(step, int) else "" for step in problem["loc"])
    return f"{at}{steps}: {problem['msg']}, got {problem['input']!r}"


def _validate(hint: Any, value: Any) -> Any:
    from pydantic import TypeAdapter

    # JSON mode: a JSON array may become a tuple, but "12" never becomes 12.
    return TypeAdapter(hint).validate_json(json.dumps(value), strict=True)


def build(target: Callable, section: dict[str, Any], facts: dict[str, Any] | None = None) -> Any:
    """`target(**section)` with nested sections made into dataclasses and asked-for facts filled in.

    Raises ConfigError listing everything that does not fit.
    """
    facts = facts or {}
    section = in_groups(target, section)
    name = getattr(target, "__name__", str(target))
    problems = check(target, section, name, facts)
    if problems:
        raise ConfigError(problems)
    hints = _hints(target)
    section = _named(section, hints)
    given = {key: _build_value(hints.get(key), value) for key, value in section.items()}
    asked = _parameters(target)
    return target(**given, **{k: v for k, v in facts.items() if k in asked})


def _build_value(hint: Any, value: Any) -> Any:
    """`value` as the type `hint`, which is None where it may be of any."""
    nested = _section_class(hint)
    entry = _entry_class(hint)
    if nested is not None and isinstance(value, nested):
        return value
    if nested is not None and isinstance(value, dict):
        return build(nested, value)
    if entry is not None and isinstance(value, dict):
        return {name: build(entry, section) for name, section in value.items()}
    return value if hint is None else _validate(hint, value)
