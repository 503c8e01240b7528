"""The bench program: groups and names, and rows from a process of its own."""

import json

import pytest

from bins.bench import benches, chosen, groups, main
from bins.benches import vocoders
from bins.benches.measure import best, one_core
from tests.conftest import ROOT


def test_names_are_benches_or_groups():
    assert {"signal", "training", "vocoders"} <= set(groups())
    assert list(chosen(["training", "mel"])) == ["trainer", "data", "batches", "imports", "mel"]
    assert set(chosen([])) == {name for group in groups() for name in benches(group)}
    with pytest.raises(ValueError, match="did you mean 'trainer'.*|groups: .*signal"):
        chosen(["trainers"])
    every = [name for group in groups() for name in benches(group)]
    assert len(every) == len(set(every))


def test_every_vocoder_recipe_is_measured_and_every_target_is_of_one():
    names = set(vocoders.benches())
    assert {p.parent.name for p in (ROOT / "egs/vocoder").rglob("exp_config.json")} <= names
    assert not any("tiny" in name or "small" in name for name in names)


def test_a_vocoder_is_measured():
    config = ROOT / "egs/vocoder/gan/hifigan/tiny.json"
    task = vocoders.untrained(config, "cpu")
    made = vocoders._noise(task, 0.5)
    assert len(made["source"]) == round(0.5 * task.rate / task.hop_size)
    assert vocoders._speed(task, 0.2, one_core) > 0
    rows = vocoders._first_sound("tiny", task)
    assert rows[0]["value"] == pytest.approx(1000 * task.reach * task.hop_size / task.rate) and rows[1]["value"] > 0


def test_the_best_of_some():
    calls = []
    clock = iter([0.0, 5.0, 5.0, 6.5, 7.0, 10.0]).__next__
    assert best(lambda: calls.append(1), 3, clock) == 1.5 and len(calls) == 4


def test_the_program_measures_in_a_child(tmp_path, capfd):
    assert main(["batches", "--out", str(tmp_path / "rows.json")]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert rows[0]["what"] == "batches: padding" and rows[-1]["what"] == "batches: peak memory" and rows[-1]["value"] > 10
    assert "batches: padding" in capfd.readouterr().out
    assert main(["--list"]) == 0
    assert "hifigan-v3" in capfd.readouterr().out
