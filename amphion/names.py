"""The packages that Amphion is made of have plain names, such as `utils`: a file of that name beside a script is told from ours."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

PACKAGES = ("bins", "evaluation", "models", "modules", "preprocessors", "processors", "utils", "visualization")
ROOT = Path(__file__).resolve().parents[1]


def check_names() -> None:
    """Sees to it that `import utils` and the like find ours. Raises ImportError where a file of the same name stands before them."""
    for name in PACKAGES:
        loaded = sys.modules.get(name)
        place = getattr(loaded, "__file__", None) if loaded else _first(name)
        if place and not Path(place).resolve().is_relative_to(ROOT):
            raise ImportError(
                f"{place} has the name of a package of Amphion's, {name}, and is found before it: rename yours (to my_{name}, say), "
                "or call your script from a folder without it.",
                name=name,
            )
    if not _first("utils"):  # from a clone that is not installed
        sys.path.append(str(ROOT))


def _first(name: str) -> str | None:
    """The file that importing `name` would run, by sys.path; None where there is none, as of what an editable installation finds."""
    found = PathFinder.find_spec(name)
    if found is None:
        return None
    folders = list(found.submodule_search_locations or ())
    return found.origin or (folders[0] if folders else None)
