"""A target network: an average that a step uses, apart from the one that is released; in the state, and in nothing else."""

import pytest
import torch

from models.base.experiment import Experiment, build_model
from models.base.trainer import Trainer
from tests.conftest import toy_config, train
from tests.test_trainer import furthest, killed_and_resumed_is_whole, same, weights
from utils.files import read_weights

TRAIN = {"train": {"max_steps": 11, "ema_decay": 0.5, "workers": 2}}


def test_it_follows_the_weights_and_copies_buffers(corpus, monkeypatch):
    trainer = Trainer(Experiment.read(toy_config(corpus, model_type="ToyTarget", train={"max_steps": 5})), "a")
    wanted = {name: value.clone() for name, value in trainer.unwrap("model").net.state_dict().items()}
    move = trainer.learning.move_averages

    def noted(updates):
        move(updates)
        for name, value in trainer.unwrap("model").net.state_dict().items():
            learnt = name.endswith(("weight", "bias"))
            wanted[name] = 0.9 * wanted[name] + 0.1 * value if learnt else value.clone()

    monkeypatch.setattr(trainer.learning, "move_averages", noted)
    trainer.fit()
    target = trainer.learning.targets["net"].module
    for name, value in target.state_dict().items():
        torch.testing.assert_close(value, wanted[name])
    assert not target.training and not any(parameter.requires_grad for parameter in target.parameters())
    assert furthest(target.state_dict(), trainer.unwrap("model").net.state_dict()) > 1e-4, "it is slow"


def test_it_is_in_the_state_and_in_nothing_else(corpus):
    config = toy_config(corpus, model_type="ToyTarget", train={"ema_decay": 0.5})
    trainer = Trainer(Experiment.read(config), "a")
    bare = build_model(trainer.card).state_dict().keys()
    trainer.fit()
    assert weights(config, "a").keys() == bare == trainer.unwrap("model").state_dict().keys()
    counted = sum(len(group["params"]) for group in trainer.optimizers["model"].param_groups)
    assert counted == len(list(build_model(trainer.card).parameters()))
    state = read_weights(trainer.checkpoints.newest() / "state.pt")
    assert same(state["targets"]["net"], trainer.learning.targets["net"].module.state_dict())


def test_killed_and_resumed_is_never_stopped(corpus):
    config = toy_config(corpus, model_type="ToyTarget", model={"dropout": 0.3}, **TRAIN)
    state = killed_and_resumed_is_whole(config, at=6, last=11)
    assert state["targets"]["net"]


def test_without_the_target_a_state_is_refused(corpus):
    config = toy_config(corpus, model_type="ToyTarget")
    trainer = Trainer(Experiment.read(config), "a")
    trainer.fit()
    path = trainer.checkpoints.newest() / "state.pt"
    torch.save({key: value for key, value in read_weights(path).items() if key != "targets"}, path)
    with pytest.raises(ValueError, match="state.pt lacks 'targets'"):
        Trainer(Experiment.read(config), "a").fit()


def test_outside_of_a_training_there_is_none_and_it_says_so(corpus):
    trainer = Trainer(Experiment.read(toy_config(corpus, model_type="ToyTarget")), "a")
    with pytest.raises(ValueError, match="ToyTarget has no target 'net'"):
        build_model(trainer.card).target("net")


def test_it_begins_where_the_model_begins(corpus):
    config = toy_config(corpus, model_type="ToyTarget")
    first = Trainer(Experiment.read(config), "a")
    first.fit()
    begun = toy_config(corpus, model_type="ToyTarget", train={"init_from": str(first.checkpoints.newest()), "seed": 7})
    trainer = Trainer(Experiment.read(begun), "b")
    trainer._resume_or_start()
    assert same(trainer.learning.targets["net"].module.state_dict(), first.unwrap("model").net.state_dict())


def test_it_is_the_same_on_all_processes(corpus, tmp_path, monkeypatch):
    folder = tmp_path / "dumped"
    folder.mkdir()
    monkeypatch.setenv("TOY_DUMP", str(folder))
    config = toy_config(corpus, model_type="ToyTarget", train={"batch_size": 2})
    train(config, "two", processes=2)
    steps = sorted(path.name.removeprefix("0-") for path in folder.glob("0-*"))
    assert len(steps) == 6
    for step in steps:
        assert same(read_weights(folder / f"0-{step}"), read_weights(folder / f"1-{step}")), step
