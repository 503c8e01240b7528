"""Checkpoints: the best is kept when it happens, a damaged one is named with an older whole one, an ended training stays as it is."""

import json
import os
import shutil

import pytest
import torch

import models.base.checkpoint
import models.base.trainer
from models import load
from models.base.checkpoint import Checkpoints
from models.base.experiment import Experiment
from models.base.task import read
from models.base.trainer import Trainer
from tests.conftest import toy_config
from tests.test_trainer import same
from utils.files import read_weights

STEPS = {"valid_every": 1, "save_every": 2, "keep_last": 1, "max_steps": 6}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


def trainer(corpus, name="a", losses=None, **train):
    """A trainer of the toy; its validations say `losses`, one after another."""
    made = Trainer(Experiment.read(toy_config(corpus, train=train)), name)
    if losses is not None:
        said = iter(losses)
        made.validate = lambda: {"next": next(said)}
    return made


def names(checkpoints):
    return [int(path.name.removeprefix("step-")) for path in checkpoints.all()]


def noted(checkpoints):
    return json.loads((checkpoints.folder / "best.json").read_text())


def everything(folder):
    """Each file below `folder` with its bytes and time."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


# The best


def test_the_best_is_kept_though_no_save_was_due(corpus):
    """Saves are due at 2, 4 and 6; the best validations are those of 1 and then 3."""
    made = trainer(corpus, losses=[5.0, 5.5, 3.0, 3.5, 3.7, 3.6], **STEPS)
    made.fit()
    assert names(made.checkpoints) == [3, 6]
    assert made.checkpoints.best().name == "step-00000003" and noted(made.checkpoints) == {"step": 3, "loss": 3.0}


@pytest.mark.parametrize("at", [1, 2, 3])
def test_killed_before_best_json_names_it_the_best_stays(corpus, monkeypatch, at):
    """The third validation is the best; the run dies while `at` of its files are written, and goes on."""
    made, writes = trainer(corpus, losses=[5.0, 4.0, 3.0, 9.0], **STEPS), []
    write = models.base.checkpoint.write_json

    def dying(path, value, **how):
        if made.progress.step == 3:
            writes.append(path)
            if len(writes) == at:
                raise Killed
        return write(path, value, **how)

    monkeypatch.setattr(models.base.checkpoint, "write_json", dying)
    with pytest.raises(Killed):
        made.fit()
    monkeypatch.undo()
    # Whatever was written when it died, best.json names a checkpoint that is there.
    assert noted(made.checkpoints)["step"] in names(made.checkpoints)
    again = trainer(corpus, losses=[9.0] * 3 if at == 3 else [3.0, 9.0, 9.0, 9.0], **STEPS)
    again.fit()
    assert names(again.checkpoints) == [3, 6], at
    assert noted(again.checkpoints) == {"step": 3, "loss": 3.0} and again.checkpoints.best().name == "step-00000003"


def test_a_half_deleted_folder_is_removed_at_the_next_start(corpus, monkeypatch):
    made = trainer(corpus, losses=[1.0] * 9, **STEPS)

    def dying(path, **_):
        if made.progress.step == 5 and os.path.isdir(path):
            os.remove(os.path.join(path, "card.json"))
            raise Killed

    monkeypatch.setattr(models.base.checkpoint.shutil, "rmtree", dying)
    with pytest.raises(Killed):
        made.fit()
    monkeypatch.undo()
    assert all((path / "card.json").is_file() for path in made.checkpoints.all()), "what carries a checkpoint's name is whole"
    old = made.checkpoints.folder / "step-00000002"  # as an older version of the program would have left it
    old.mkdir()
    (old / "model.safetensors").write_bytes(b"half")
    trainer(corpus, losses=[1.0] * 9, **STEPS).fit()
    assert names(made.checkpoints) == [1, 6] and not list(made.checkpoints.folder.glob(".*"))


def test_a_kill_in_a_validation_costs_nothing(corpus):
    """Validated after it was saved, and again after a kill: the same states, to the last bit, as without one."""
    how = {"valid_every": 2, "save_every": 50, "max_steps": 6, "keep_last": 9}
    trainer(corpus, "whole", **how).fit()
    killed = trainer(corpus, "killed", **how)
    killed.evaluate = lambda *_: (_ for _ in ()).throw(Killed)
    with pytest.raises(Killed):
        killed.fit()
    assert names(killed.checkpoints) == [2], "saved before it was validated"
    trainer(corpus, "killed", **how).fit()
    runs = [trainer(corpus, name, **how).checkpoints for name in ("whole", "killed")]
    assert names(runs[0]) == names(runs[1]) == [2, 4, 6]
    for pair in zip(runs[0].all(), runs[1].all(), strict=True):
        assert same(*(run.state(folder) for run, folder in zip(runs, pair, strict=True)))
        cards = [json.loads((folder / "card.json").read_text()) for folder in pair]
        assert cards[0] == cards[1] and cards[0]["best"]["loss"]


def test_validation_does_not_move_what_is_trained(corpus):
    """Nor its chance: dropout draws the same whether there are validations, which themselves may draw, or none."""
    states = []
    for name, every in (("often", 1), ("never", 50)):
        made = Trainer(Experiment.read(toy_config(corpus, model={"dropout": 0.5}, train={"valid_every": every, "max_steps": 4})), name)
        evaluate = made.evaluate
        made.evaluate = lambda model, batch, evaluate=evaluate: (torch.rand(3), evaluate(model, batch))[1]
        made.fit()
        states.append(read_weights(made.checkpoints.newest() / "model.safetensors"))
    assert same(*states)


# An ended training


def test_an_ended_training_does_nothing_more(corpus):
    made = trainer(corpus)
    made.fit()
    before = everything(made.checkpoints.run)
    before.pop(made.checkpoints.run / ".lock")
    again = trainer(corpus)
    again.validate = again.sample = again.save = None  # would fail if called
    assert again.fit().step == 6
    after = everything(made.checkpoints.run)
    after.pop(made.checkpoints.run / ".lock")
    assert before == after
    assert "raise it to go on" in again.ended and "6" in again.ended
    assert trainer(corpus, max_steps=8).fit().step == 8


def test_a_training_that_ended_early_does_nothing_more(corpus):
    how = {"valid_every": 1, "patience": 2, "max_steps": 50}
    ended = trainer(corpus, losses=[1.0, 2.0, 3.0], **how).fit().step
    assert ended == 3
    before = everything(trainer(corpus, **how).checkpoints.folder)
    again = trainer(corpus, losses=[], **how)
    assert again.fit().step == 3 and "train.patience 2" in again.ended
    assert before == everything(again.checkpoints.folder)
    assert trainer(corpus, losses=[1.5, 1.5], **how | {"patience": 4}).fit().step == 5


# Damage


def cut_state(folder):
    path = folder / "state.pt"
    path.write_bytes(path.read_bytes()[:-100])


def empty_state(folder):
    (folder / "state.pt").write_bytes(b"")


def no_state(folder):
    (folder / "state.pt").unlink()


def no_card(folder):
    (folder / "card.json").unlink()


def garbled_card(folder):
    (folder / "card.json").write_text('{"model_type": "To')


def changed_state(change):
    def damage(folder):
        torch.save(change(read_weights(folder / "state.pt")), folder / "state.pt")

    return damage


def other_shape(state):
    state["networks"]["model"]["net.0.weight"] = torch.zeros(3, 3)
    return state


def other_optimizer(state):
    state["optimizers"]["model"]["state"][0]["exp_avg"] = torch.zeros(3, 3)
    return state


DAMAGES = [
    cut_state, empty_state, no_state, no_card, garbled_card,
    changed_state(other_shape), changed_state(other_optimizer), changed_state(lambda state: [1, 2]), changed_state(lambda state: {}),
    changed_state(lambda state: state | {"networks": 5}), changed_state(lambda state: state | {"progress": {"step": "six"}}),
    changed_state(lambda state: state | {"optimizers": {}}), changed_state(lambda state: state | {"random": [7]}),
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a corpus with a run of two checkpoints, to be copied and damaged."""
    from tests.conftest import extracted, make_corpus

    folder = extracted(make_corpus(tmp_path_factory.mktemp("trained"), [1.0] * 10))
    trainer(folder).fit()
    return folder


def test_a_damaged_checkpoint_is_named_with_the_older_whole_one(trained):
    whole = trained / "ckpts/a"
    for number, damage in enumerate(DAMAGES):
        run = trained / f"ckpts/damaged{number}"
        shutil.copytree(whole, run)
        damage(run / "checkpoint/step-00000006")
        before = everything(run / "checkpoint/step-00000006")
        with pytest.raises(ValueError) as error:
            trainer(trained, run.name).fit()
        told = str(error.value)
        newest, older = (run / f"checkpoint/step-0000000{step}" for step in (6, 4))
        assert str(newest) in told and f"goes on from {older}" in told, (number, told)
        assert before == everything(run / "checkpoint/step-00000006"), "nothing is lost by the refusal"
        (word,) = [line for line in told.splitlines() if "mv " in line]
        _, source, target = word.split("(")[1].split(")")[0].split()
        os.rename(source, target)  # as the message says
        assert trainer(trained, run.name).fit().step == 6
        assert os.path.isdir(target) and Checkpoints(run).newest() == newest


def test_where_no_checkpoint_is_whole_it_says_so(trained):
    run = trained / "ckpts/all"
    shutil.copytree(trained / "ckpts/a", run)
    for folder in Checkpoints(run).all():
        cut_state(folder)
    with pytest.raises(ValueError, match="no older one is whole"):
        trainer(trained, "all").fit()


def test_damaged_weights_are_written_again_from_the_state(trained):
    """Training needs only the state, which holds them too."""
    run = trained / "ckpts/weights"
    shutil.copytree(trained / "ckpts/a", run)
    file = run / "checkpoint/step-00000006/model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    trainer(trained, "weights").fit()
    assert file.read_bytes() == whole


@pytest.mark.parametrize("damage", ["weights", "card", "no card"])
def test_loading_names_the_older_whole_one(trained, damage):
    run = trained / f"ckpts/load {damage}"
    shutil.copytree(trained / "ckpts/a", run)
    folder = run / "checkpoint/step-00000006"
    if damage == "weights":
        (folder / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    else:
        (garbled_card if damage == "card" else no_card)(folder)
    for call in (load, read):
        with pytest.raises(ValueError) as error:
            call(run)
        assert "step-00000006" in str(error.value) and f"{run / 'checkpoint/step-00000004'} is older and whole" in str(error.value)
    assert read(run / "checkpoint/step-00000004")


@pytest.mark.parametrize("text", ["5", "[]", "null", "{}", '"a"', '{"step": [1]}', "[" * 3000])
def test_best_json_of_another_kind_is_written_again(trained, text):
    run = trained / f"ckpts/best{abs(hash(text))}"
    shutil.copytree(trained / "ckpts/a", run)
    (run / "checkpoint/best.json").write_text(text)
    assert Checkpoints(run).best() == run / "checkpoint/step-00000006"
    trainer(trained, run.name).fit()
    assert noted(Checkpoints(run))["step"] == 6


OTHER_KINDS = [
    ("facts", 5), ("facts", {}), ("preprocess", []), ("preprocess", None), ("preprocess", {"sample_rate": "x"}), ("model", None),
    ("learned", {"phone": 3}), ("speakers", "ann"), ("step", "six"),
]  # fmt: skip


@pytest.mark.parametrize("part, value", OTHER_KINDS)
def test_a_card_with_a_part_of_another_kind_is_named(trained, part, value):
    folder = trained / "ckpts/card"
    shutil.copytree(trained / "ckpts/a/checkpoint/step-00000006", folder, dirs_exist_ok=True)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {part: value}))
    with pytest.raises(ValueError, match=f"{part}|n_mel"):
        load(folder, device="cpu")


# The disk


def test_all_is_on_the_disk_before_an_older_checkpoint_goes(corpus, monkeypatch):
    happened = []
    flush, replace, rmtree = os.fsync, os.replace, shutil.rmtree

    def noting(what, call):
        def noted(first, *rest, **how):
            name = os.readlink(f"/proc/self/fd/{first}") if what == "flush" else str(first)
            if "/checkpoint" in name and (what != "delete" or os.path.isdir(name)):
                happened.append((what, name.removeprefix(str(corpus / "ckpts/a/checkpoint"))))
            return call(first, *rest, **how)

        return noted

    made = trainer(corpus, max_steps=4, valid_every=50, save_every=2, keep_last=1)
    made.validate = dict
    monkeypatch.setattr(os, "fsync", noting("flush", flush))
    monkeypatch.setattr(os, "replace", noting("rename", replace))
    monkeypatch.setattr(shutil, "rmtree", noting("delete", rmtree))
    made.fit()
    happened = happened[: happened.index(("delete", "/.step-00000002.gone.tmp")) + 1]
    part = "/.step-00000004.tmp"
    renamed = happened.index(("rename", part))
    for name in ("/model.safetensors", "/state.pt", "/card.json", ""):
        assert ("flush", part + name) in happened[:renamed], (name, happened)
    assert happened[renamed + 1] == ("flush", ""), "the folder's own list of names"
    assert happened[renamed + 2 :] == [("rename", "/step-00000002"), ("delete", "/.step-00000002.gone.tmp")]
