"""All that a model may ask of its training at once: two processes, killed in mid-epoch, go on to the last bit.

`SECTIONS` is the config; `ToyFloor` of tests/toy.py is the model. What a model may come to ask for joins these two.
"""

import pytest

from bins.extract import extract
from models.base.checkpoint import Checkpoints
from models.base.experiment import Experiment
from models.base.trainer import Trainer
from tests import toy_features  # noqa: F401 (registers the content features)
from tests.children import toy
from tests.conftest import python, toy_config, train
from tests.test_trainer import furthest, same, weights
from utils.files import read_weights

CODER = {"model_type": "ToyStages", "model": {"hidden": 8}}
SECTIONS = {
    "model_type": "ToyFloor",
    "model": {"dropout": 0.3, "contents": ["content", "half"]},
    "preprocess": {"features": {"content": {}, "half": {}}},
    "train": {
        "max_steps": None,  # each stage has its own
        "segment_frames": 16, "prompt_seconds": [0.1, 0.3], "prompt_from": "speaker",
        "batch_size": 2, "workers": 1, "ema_decay": 0.9, "save_every": 1, "valid_every": 6, "keep_last": 99,
        "stages": {
            "teacher": {"max_steps": 5, "parts": ["condition", "branches", "teacher"]},
            "student": {"max_steps": 6, "parts": ["student"], "optimizer": {"lr": 1e-2}},
        },
    },
}  # fmt: skip
LAST = 11
KILLED_AT = 7  # sixteen utterances in twos on two processes are four updates an epoch: within the second, and the second stage


def floor_config(corpus):
    """The config on that corpus, with a trained autoencoder as its frozen part."""
    Trainer(Experiment.read(toy_config(corpus, **CODER)), "coder").fit()
    config = toy_config(corpus, frozen={"autoencoder": str(corpus / "ckpts/coder")}, **SECTIONS)
    extract(Experiment.read(config), jobs=1)
    return config


@pytest.mark.slow
def test_two_processes_killed_in_mid_epoch_go_on_bit_for_bit(corpus, monkeypatch):
    config = floor_config(corpus)
    whole = python("-m", "tests.toy", "--config", str(config), "--name", "whole", processes=2)  # by torchrun, as a user starts it
    output, _ = whole.communicate(timeout=240)
    assert whole.returncode == 0, output
    monkeypatch.setenv("TOY_KILL_AT", str(KILLED_AT + 1))  # in the middle of the next step, on both
    child = toy("--config", str(config), "--name", "killed", processes=2)
    code = child.wait()
    run = Experiment.read(config).run_folder("killed")
    assert code != 0 and Checkpoints(run).newest().name == f"step-{KILLED_AT:08d}", child.output()
    monkeypatch.delenv("TOY_KILL_AT")
    output = train(config, "killed", processes=2)
    assert f"step {KILLED_AT} of {LAST}" in output, output
    runs = [Checkpoints(Experiment.read(config).run_folder(name)) for name in ("whole", "killed")]
    whole, killed = ([read_weights(folder / "state.pt") for folder in run.all()] for run in runs)
    assert [state["progress"]["step"] for state in whole] == [state["progress"]["step"] for state in killed] == list(range(1, LAST + 1))
    for before, after in zip(whole, killed, strict=True):
        for key in before:
            assert same(before[key], after[key]), (before["progress"]["step"], key)
    assert len(whole[-1]["random"]) == 2 and whole[-1]["targets"]["student"] and whole[-1]["progress"]["stage"] == "student"
    assert furthest(weights(config, "whole"), weights(config, "killed")) == 0.0

