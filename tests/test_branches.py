"""A model that draws a branch trains on several processes as on one; where nobody said so, the error names the setting."""

import pytest

from models.base.experiment import Experiment
from models.base.trainer import Trainer
from tests.children import toy
from tests.conftest import sets, toy_config, train, train_here
from tests.test_trainer import furthest, weights

JUDGE = {"discriminator": {"mpd": {"channel_multiplier": 1 / 32}}, "train": {"segment_frames": 20}}


def config_of(corpus, model, **settings):
    """Adam divides by the size of a gradient: with a tiny eps the rounding of one near zero would become a whole step."""
    judge = JUDGE if model == "ToyGANBranches" else {"train": {}}
    return toy_config(corpus, model_type=model, **judge | {"train": judge["train"] | {"optimizer": {"eps": 1e-3}} | settings})


@pytest.mark.parametrize("model", ["ToyBranches", "ToyGANBranches"])
def test_one_each_on_two_processes_is_two_on_one(corpus, model):
    """A batch of one utterance uses one branch; the other process's often another."""
    config = config_of(corpus, model)
    train_here(config, "one", "train.batch_size=2")
    train(config, "two", "train.batch_size=1", processes=2)
    assert furthest(weights(config, "one"), weights(config, "two")) < 2e-7


def test_a_branch_that_only_the_first_of_accumulated_batches_uses_is_trained(corpus):
    config = config_of(corpus, "ToyBranches")
    train_here(config, "one", "train.batch_size=4")
    train(config, "two", "train.batch_size=1", "train.accumulate=2", processes=2)
    assert furthest(weights(config, "one"), weights(config, "two")) < 2e-7


def test_where_nobody_said_so_the_error_names_the_setting_and_the_parameters(corpus):
    config = config_of(corpus, "ToyBranches")
    settings = sets(("train.batch_size=1", "train.find_unused_parameters=false"))
    child = toy("--config", str(config), "--name", "a", *settings, processes=2)
    code = child.wait()
    output = child.output()
    assert code != 0 and "set train.find_unused_parameters to true" in output, output
    assert "branches.0.weight" in output or "branches.1.weight" in output, output


@pytest.mark.parametrize("model, settings, looked_for", [
    ("Toy", {}, False), ("ToyBranches", {}, True),
    ("Toy", {"find_unused_parameters": True}, True), ("ToyBranches", {"find_unused_parameters": False}, False),
])  # fmt: skip
def test_the_model_says_whether_unused_parameters_are_looked_for_unless_set(corpus, model, settings, looked_for):
    trainer = Trainer(Experiment.read(config_of(corpus, model, **settings)), "a")
    assert trainer.accelerator.ddp_handler.find_unused_parameters is looked_for
