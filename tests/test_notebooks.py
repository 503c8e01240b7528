"""The notebooks, every cell of them, and how tasks and sounds show themselves there."""

import json
import re

import pytest

from tests.conftest import ROOT
from utils.audio import Audio

NOTEBOOKS = sorted((ROOT / "egs").rglob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"] and cell["execution_count"] is None, "clear the outputs before you keep it"
            exec(compile("".join(cell["source"]), path.name, "exec"), names)  # noqa: S102
    shown = names["tts"]._repr_html_()
    assert "VITS" in shown and re.search(r"<td>speed</td><td>[^<]+\(default 1.0\)", shown)
    player = names["speech"].audio._repr_html_()
    assert re.fullmatch(r"<Audio: \d+\.\d\d s, \d+ Hz>", repr(names["speech"].audio))
    assert player.startswith("<audio controls") and re.search(r"[1-9]\.\d\d s, 22050 Hz$", player)
    assert isinstance(names["coded"], Audio) and "stoi" in capsys.readouterr().out
