"""The fair comparison: one config over several recipes, and the table of their results."""

import json

import pytest

from bins.compare_vocoders import SHARED, main, merged, recipe_of, table
from tests.conftest import ROOT
from utils.config import ConfigError, load_config
from utils.files import write_json

FILLED = ["dataset_path.ljspeech=here"]


@pytest.mark.parametrize("recipe", ["hifigan", "egs/vocoder/gan/hifigan", "egs/vocoder/gan/hifigan/v3.json"])
def test_what_is_shared_wins_and_the_rest_is_the_recipes(recipe):
    name, path = recipe_of(recipe if "/" not in recipe else str(ROOT / recipe))
    assert name == ("hifigan-v3" if recipe.endswith("v3.json") else "hifigan")
    config, own, shared = merged(path, str(ROOT / SHARED), FILLED), load_config(path), load_config(ROOT / SHARED)
    for key in ("dataset", "log_dir"):
        assert config[key] == shared[key]
    assert config["train"]["max_steps"] == shared["train"]["max_steps"] != own["train"]["max_steps"]
    assert config["preprocess"]["features"]["mel"] == shared["preprocess"]["features"]["mel"]
    assert config["model"] == own["model"] and config["train"]["loss_weights"] == own["train"]["loss_weights"]


def test_what_does_not_fit_is_listed():
    with pytest.raises(ValueError, match="did you mean 'hifigan'"):
        recipe_of("hifigun")
    with pytest.raises(ConfigError, match="did you mean 'max_steps'"):
        merged(recipe_of("hifigan")[1], str(ROOT / SHARED), [*FILLED, "train.max_step=3"])


def result(**metrics):
    rows = {
        name: {"mean": mean, "interval": interval, "unit": unit, "higher_is_better": higher}
        for name, (mean, interval, unit, higher) in metrics.items()
    }
    return {"metrics": rows}


def test_the_table_has_a_row_a_run_and_a_dash_for_what_is_not_there(tmp_path):
    write_json(tmp_path / "a/result/result.json", result(pesq=(3.5, [3.25, 3.75], "MOS", True), mcd=(2.0, None, "dB", False)))
    write_json(tmp_path / "a/checkpoint/step-00000100/card.json", {"parameters": 1_460_000, "step": 100})
    write_json(tmp_path / "b/result/result.json", result(mcd=(None, None, "dB", False), stoi=(0.98123, None, "", True)))
    lines = table([(name, tmp_path / name) for name in ("a", "b", "c")]).splitlines()
    assert lines == [
        "| vocoder | parameters | steps | pesq (MOS, higher) | mcd (dB, lower) | stoi (higher) |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| a | 1.46 M | 100 | 3.5 ± 0.25 | 2 | - |",
        "| b | - | - | - | - | 0.9812 |",
        "| c | - | - | - | - | - |",
    ]
    with pytest.raises(ValueError, match="no result of c yet"):
        table([("c", tmp_path / "c")])


def test_points_of_training_have_a_row_each(tmp_path):
    for step, value in ((100, 2.0), (300, 1.5)):
        write_json(tmp_path / f"a/result-{step}/result.json", result(mcd=(value, None, "dB", False)))
        write_json(tmp_path / f"a/checkpoint/step-{step:08d}/card.json", {"parameters": 2_000_000, "step": step})
    lines = table([("a", tmp_path / "a")], (100, 300, 900)).splitlines()
    assert lines[2:] == ["| a | 2.00 M | 100 | 2 |", "| a | 2.00 M | 300 | 1.5 |", "| a | - | - | - |"]


@pytest.mark.parametrize("text", ["100,abc", "0", "-5", "1,,2"])
def test_points_that_are_no_steps_are_refused(text):
    with pytest.raises(ValueError, match="--points .*such as 1000,10000"):
        main(["hifigan", f"--points={text}"])


def test_with_points_each_checkpoint_is_kept_heard_and_measured(tmp_path, monkeypatch):
    ran = []

    def stage(words, options):
        ran.append(words[2:])
        if words[2] == "bins.evaluate":
            write_json(tmp_path / words[-1], result(mcd=(1.0, None, "dB", False)))
        return 0

    monkeypatch.setattr("bins.recipe._run", stage)
    words = ["hifigan", "--shared", str(ROOT / SHARED), "--set", f"log_dir={json.dumps(str(tmp_path))}", "--set", FILLED[0]]
    assert main([*words, "--points", "20,50", "--stage", "2-4", "--limit", "3"]) == 0
    assert [words[0] for words in ran] == ["bins.train", *["bins.infer", "bins.evaluate"] * 2]
    config = load_config(tmp_path / "hifigan/config.json")
    assert [config["train"][key] for key in ("max_steps", "save_every", "keep_last")] == [50, 10, 5]
    assert f"{tmp_path}/hifigan/checkpoint/step-00000020" in ran[1] and ran[1][-2:] == ["--limit", "3"]
    assert ran[4][-1] == f"{tmp_path}/hifigan/result-50/result.json"


def test_the_program_writes_the_table(tmp_path, capsys):
    write_json(tmp_path / "hifigan/result/result.json", result(pesq=(3.5, None, "MOS", True)))
    words = ["hifigan", "--shared", str(ROOT / SHARED), "--set", f"log_dir={json.dumps(str(tmp_path))}", "--set", FILLED[0]]
    assert main([*words, "--stage", "table"]) == 0
    assert "| hifigan | - | - | 3.5 |" in capsys.readouterr().out
    assert "| hifigan |" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("card", [5, [], {"parameters": "x"}, {"step": None}])
def test_a_card_that_is_none_is_named(tmp_path, card):
    write_json(tmp_path / "a/result/result.json", result(mcd=(2.0, None, "dB", False)))
    write_json(tmp_path / "a/checkpoint/step-00000100/card.json", card)
    with pytest.raises(ValueError, match="card.json"):
        table([("a", tmp_path / "a")])
