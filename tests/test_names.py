"""--name: a run lies below log_dir, whatever it is called, in every program that takes one."""

import pytest

from bins import infer, recipe, train, voices
from models.base.experiment import Experiment, run_folder
from tests.conftest import make_corpus, toy_config

BAD = ["../../x", "/tmp/x", "", ".", "..", "a/../../b", "a/..", "a\\..\\b", "a\nb", "a\0b", "x" * 221, "a/" + "é" * 111]
GOOD = ["ex1", "group/ex1", "my run", "é" * 100, "..a", "a..b", "v1.2"]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_leads_elsewhere_or_is_none_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="--name"):
        run_folder(tmp_path, name)


@pytest.mark.parametrize("name", GOOD)
def test_a_name_is_a_folder_below(tmp_path, name):
    assert run_folder(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize("name", ["../../x", "/tmp/amphion-elsewhere", "", ".."])
def test_every_program_refuses_it_before_it_writes(tmp_path, monkeypatch, name):
    folder = make_corpus(tmp_path / "deep/er", [1.0] * 4)
    config = str(toy_config(folder))
    monkeypatch.setattr(recipe, "_run", lambda *_: pytest.fail("a stage has begun"))
    before = sorted(tmp_path.rglob("*"))
    for call in (
        lambda: train.main(["--config", config, "--name", name]),
        lambda: infer.main(["--config", config, "--name", name]),
        lambda: voices.main(["--config", config, "--name", name]),
        lambda: recipe.main([str(folder), "--config", config, "--name", name]),
        lambda: Experiment.read(config).run_folder(name),
    ):
        with pytest.raises(ValueError, match="--name"):
            call()
    assert sorted(tmp_path.rglob("*")) == before
