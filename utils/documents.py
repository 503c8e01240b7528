"""Settings as people and programs write them, JSON5 and YAML: bounded before they are parsed, so that a small file costs little."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from utils.files import read_text

DEPTH = 50  # objects and lists inside one another
VALUES = 100_000  # in one file, once what YAML says by reference is written out
LARGEST = 2**22  # bytes; and of JSON5 and YAML, whose parsers take 10 to 100 us for each:
LARGEST_SLOW = 2**17


def read_json5(path: Path, pairs: Callable[[list], Any] | None = None) -> Any:
    """The value in a JSON5 file. Raises ValueError naming the file when it is not JSON5, too deep or too large."""
    return parse_json5(_text(path), path, pairs)


def parse_json5(text: str, source: Any, pairs: Callable[[list], Any] | None = None) -> Any:
    """The value of `text`; `pairs` makes objects of their (key, value) pairs, as in json.loads."""
    try:
        try:
            value = json.loads(text, object_pairs_hook=pairs)
        except ValueError:
            if len(text) > LARGEST_SLOW:
                raise ValueError(f"it is not plain JSON, and with {len(text)} characters too long for JSON5") from None
            value = copy.deepcopy(_slowly(text, pairs))
    except RecursionError as error:
        raise ValueError(f"{source} is nested deeper than {DEPTH} objects or lists: no settings are.") from error
    except ValueError as error:
        raise ValueError(f"{source} is not JSON5 ({error}).") from error
    _check_depth(value, source)
    return value


@functools.lru_cache(maxsize=64)
def _slowly(text: str, pairs: Callable[[list], Any] | None) -> Any:
    """By json5, which takes 10 ms for a recipe's base: a program reads the same ones many times."""
    import json5

    return json5.loads(text, object_pairs_hook=pairs)


def read_yaml(path: Path, loader: Any = None) -> dict[str, Any]:
    """The object in a YAML file, by a yaml.SafeLoader or one derived from it. Raises ValueError naming the file when it holds none."""
    text = _text(path)
    if len(text) > LARGEST_SLOW:
        raise ValueError(f"{path} has {len(text)} characters: no settings are so long.")
    value = parse_yaml(text, path, loader)
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no settings: download it again.")
    return value


def parse_yaml(text: str, source: Any, loader: Any = None) -> Any:
    """The value of `text`. Raises ValueError when it is not YAML, too deep, or grows beyond measure by its references."""
    import yaml

    loader = loader or safe_loader()
    try:
        _check_events(yaml.parse(text, loader), source)
        return yaml.load(text, loader)  # noqa: S506 (one derived from SafeLoader)
    except (yaml.YAMLError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{source} is not YAML ({error}).") from error
    except ValueError as error:  # a number or a date that cannot be
        raise error if str(source) in str(error) else ValueError(f"{source} is not YAML ({error}).") from error


def safe_loader() -> type:
    """yaml's loader of plain values, in C where it was built."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _check_events(events: Any, source: Any) -> None:
    """Counts every value of a YAML document, those that it names by reference each time."""
    import yaml

    sizes: dict[str, int] = {}
    open_ones: list[list[Any]] = [["", 0]]  # the anchor of each collection that is open, and its values so far
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            open_ones.append([event.anchor, 1])
            if len(open_ones) > DEPTH:
                raise ValueError(f"{source} is nested deeper than {DEPTH} objects or lists: no settings are.")
            continue
        if isinstance(event, yaml.AliasEvent):
            rings = event.anchor in [anchor for anchor, _ in open_ones]  # inside what it names, it never ends
            size = VALUES if rings else sizes.get(event.anchor, 0)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_ones.pop()
            sizes |= {anchor: size} if anchor else {}
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
            sizes |= {event.anchor: 1} if event.anchor else {}
        else:
            continue
        open_ones[-1][1] += size
        if open_ones[-1][1] > VALUES:
            raise ValueError(f"{source} holds more than {VALUES} values once its references (*{next(iter(sizes), '')}) are written out.")


def _check_depth(value: Any, source: Any) -> None:
    level = _inside(value)
    depth = 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"{source} is nested deeper than {DEPTH} objects or lists: no settings are.")
        level = [inner for outer in level for inner in _inside(outer)]


def _inside(value: Any) -> list[Any]:
    """What a dict or list holds; a list of pairs is an object as it was written."""
    if isinstance(value, dict):
        return list(value.values())
    return [item[1] if isinstance(item, tuple) else item for item in value] if isinstance(value, list) else []


def _text(path: Path) -> str:
    size = Path(path).stat().st_size
    if size > LARGEST:
        raise ValueError(f"{path} has {size} bytes, and {LARGEST} at most are read as settings.")
    return read_text(path)
