"""Every JSON that ships under config/ and egs/ fits the signatures it speaks of."""

import pytest

from models.base.experiment import problems_of
from tests.conftest import ROOT
from utils.config import load_config

CONFIGS = sorted([*(ROOT / "config").rglob("*.json"), *(ROOT / "egs").rglob("*.json")])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: str(p.relative_to(ROOT)))
def test_config(path):
    config = load_config(path)
    assert not config.problems
    if "model_type" not in config:
        assert path.is_relative_to(ROOT / "config"), "only a base may leave the model open"
        return
    left = [p for p in problems_of(config) if not p.endswith("is for you to fill in")]
    assert not left


def test_recipes_are_whole():
    for path in (ROOT / "egs").rglob("run.sh"):
        if path.parent == ROOT / "egs/metrics":  # it measures what is there, and trains nothing
            continue
        names = {p.name for p in path.parent.iterdir()}
        assert {"exp_config.json", "tiny.json", "README.md"} <= names, path.parent
        assert len(path.read_text().splitlines()) == 3, "a recipe is values, not shell"
