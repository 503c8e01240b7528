"""The trainer's promises: equal results however the work is split, resuming bit for bit, no checkpoint ever lost."""

import os
import resource
import signal
import time

import pytest
import torch

import tests.toy  # noqa: F401
from bins.cli import run
from bins.train import main
from models.base.checkpoint import Checkpoints
from models.base.experiment import Experiment
from models.base.settings import Schedule
from models.base.trainer import Trainer
from tests.children import Child, toy
from tests.conftest import extracted, make_corpus, toy_config, train, train_here
from utils.config import load_config, merge
from utils.files import read_weights
from utils.registry import load_object


def weights(config, name):
    return read_weights(Checkpoints(Experiment.read(config).run_folder(name)).newest() / "model.safetensors")


def furthest(a, b):
    assert a.keys() == b.keys()
    return max((a[k].double() - b[k].double()).abs().max().item() for k in a)


def same(a, b):
    """Equal to the last bit, all the way down."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return torch.equal(a, b) if torch.is_tensor(a) else a == b


@pytest.mark.parametrize("model", ["Toy", "ToyGAN"])
def test_sixteen_is_two_times_eight_is_eight_twice(corpus, model):
    gan = {"discriminator": {"mpd": {"channel_multiplier": 1 / 32}}, "train": {"segment_frames": 32}} if model == "ToyGAN" else {}
    config = toy_config(corpus, model_type=model, **gan)
    # Adam divides by the size of a gradient: with a tiny eps the rounding of a gradient near zero becomes a whole step.
    config = toy_config(corpus, **merge(load_config(config), {"train": {"optimizer": {"eps": 1e-3}}}))
    train_here(config, "one", "train.batch_size=16")
    train(config, "two", "train.batch_size=8", processes=2)
    assert furthest(weights(config, "one"), weights(config, "two")) < 2e-7
    if model == "Toy":  # a GAN's accumulated batches meet the discriminator of the step before: another algorithm
        train_here(config, "twice", "train.batch_size=8", "train.accumulate=2")
        assert furthest(weights(config, "one"), weights(config, "twice")) < 2e-7


@pytest.mark.parametrize("model", ["Toy", "ToyGAN"])
def test_killed_and_resumed_is_never_stopped(corpus, model):
    """SIGKILL in the middle of an epoch; weights, averages, optimizers, schedules and random state must all agree."""
    sections = {"model_type": model, "train": {"max_steps": 11, "ema_decay": 0.9, "workers": 2, "max_grad_norm": 1.0}}
    if model == "ToyGAN":
        sections |= {"discriminator": {"mpd": {"channel_multiplier": 1 / 32}}}
        sections["train"] |= {"segment_frames": 20}
    else:
        sections |= {"model": {"dropout": 0.3}}
    sections["train"]["schedule"] = {"name": "noam", "warmup": 4}
    config = toy_config(corpus, **sections)
    killed_and_resumed_is_whole(config, at=6, last=11)


def killed_and_resumed_is_whole(config, *, at, last):
    """Trains once without a stop and once with a SIGKILL after the checkpoint of step `at`; the states at `last` must agree."""
    experiment = Experiment.read(config)
    load_object(experiment.spec.trainer)(experiment, "whole").fit()
    child = toy("--config", str(config), "--name", "killed")
    run = experiment.run_folder("killed")
    step = f"step-{at:08d}"
    wait_for(lambda: (run / "checkpoint" / step / "card.json").is_file(), child)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL or Checkpoints(run).newest().name > step
    for late in Checkpoints(run).all():
        if late.name > step:  # the machine was quick: put the run back to mid-epoch
            os.rename(late, run / late.name)
    output = train(config, "killed")
    assert "going on from" in output and step in output, output
    runs = [Checkpoints(experiment.run_folder(name)) for name in ("whole", "killed")]
    states = [run.state(run.newest()) for run in runs]
    assert states[0]["progress"]["step"] == states[1]["progress"]["step"] == last
    assert states[0].keys() == states[1].keys()
    for key in states[0]:
        assert same(states[0][key], states[1][key]), key
    assert furthest(weights(config, "whole"), weights(config, "killed")) == 0.0
    return states[0]


def wait_for(ready, child, seconds=120):
    end = time.time() + seconds
    while not ready():
        assert child.poll() is None or ready(), child.output()
        assert time.time() < end, "the child took too long"
        time.sleep(0.005)


def test_sigkill_inside_a_step(corpus, monkeypatch):
    config = toy_config(corpus, model={"dropout": 0.3}, train={"max_steps": 9})
    train_here(config, "whole")
    monkeypatch.setenv("TOY_KILL_AT", "9")  # validation at step 4 is a call too: this is the eighth update
    child = toy("--config", str(config), "--name", "killed")
    assert child.wait() == -signal.SIGKILL, child.output()
    monkeypatch.delenv("TOY_KILL_AT")
    train(config, "killed")
    assert furthest(weights(config, "whole"), weights(config, "killed")) == 0.0


@pytest.mark.parametrize("asking", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_who_asks_it_to_end_has_it_saved(corpus, monkeypatch, asking):
    """A scheduler, Ctrl-C, and a terminal that closes; its workers hear of it too."""
    config = toy_config(corpus, train={"max_steps": 500, "save_every": 1000, "valid_every": 1000, "workers": 2})
    monkeypatch.setenv("TOY_KILL_AT", "5")
    monkeypatch.setenv("TOY_SIGNAL", asking)
    output = train(config, "asked")
    newest = Checkpoints(Experiment.read(config).run_folder("asked")).newest()
    assert newest.name == "step-00000005", output


def test_nan_stops_and_names_step_and_utterances(corpus):
    config = toy_config(corpus, model={"poison": True}, train={"save_every": 1})
    with pytest.raises(FloatingPointError) as error:
        Trainer(Experiment.read(config), "nan").fit()
    assert "step 3" in str(error.value) and "custom/clip" in str(error.value) and "step-00000002" in str(error.value)


def on_a_full_disk():
    """A training whose disk is full when it saves step 6."""
    save = Checkpoints.save

    def full(self, step, *rest):
        if step == 6:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
        return save(self, step, *rest)

    Checkpoints.save = full
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    run(main)


def test_full_disk_leaves_the_last_checkpoint_whole(corpus):
    """A limit on the size of files stands for a full disk: writes fail in the middle."""
    config = toy_config(corpus, model={"hidden": 512}, train={"save_every": 3, "valid_every": 3, "max_steps": 6})
    child = Child(on_a_full_disk, ("--config", str(config), "--name", "full"))
    code = child.wait()
    output = child.output()
    run = Experiment.read(config).run_folder("full")
    assert code == 2 and "could not be written" in output and "step-00000003" in output, output
    assert Checkpoints(run).newest().name == "step-00000003"
    assert read_weights(Checkpoints(run).newest() / "model.safetensors")
    assert not list((run / "checkpoint").glob(".*.tmp"))
    train_here(config, "full")  # and the same command goes on
    assert Checkpoints(run).newest().name == "step-00000006"


def test_unwritable_folder_says_so(corpus, capsys):
    blocked = corpus / "blocked"
    blocked.write_text("a file where a folder should be")
    config = toy_config(corpus, log_dir=str(blocked))
    with pytest.raises(SystemExit) as ended:
        run(main, ["--config", str(config), "--name", "x"])
    assert ended.value.code == 2 and "blocked" in capsys.readouterr().err


def test_two_runs_cannot_share_a_folder(corpus):
    config = toy_config(corpus, train={"max_steps": 100000, "save_every": 1})
    first = toy("--config", str(config), "--name", "shared")
    run = Experiment.read(config).run_folder("shared")
    wait_for(lambda: Checkpoints(run).newest() is not None, first)
    try:
        with pytest.raises(ValueError, match=f"another run \\(process {first.pid}\\)"):
            Trainer(Experiment.read(config), "shared").fit()
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()


def test_another_model_in_the_same_folder_is_refused(corpus):
    Trainer(Experiment.read(toy_config(corpus)), "a").fit()
    other = toy_config(corpus, model={"hidden": 8})
    with pytest.raises(ValueError, match="trained with other settings"):
        Trainer(Experiment.read(other), "a").fit()


def test_truncated_checkpoint_is_refused(corpus):
    config = toy_config(corpus)
    Trainer(Experiment.read(config), "a").fit()
    path = Checkpoints(Experiment.read(config).run_folder("a")).newest() / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    from models.base.task import load

    with pytest.raises(ValueError, match="damaged or cut short"):
        load(path.parent)


def test_loss_falls_best_and_last_are_kept_and_patience_stops(corpus):
    config = toy_config(corpus, train={"max_steps": 60, "valid_every": 5, "save_every": 5, "optimizer": {"lr": 1e-2}})
    progress = Trainer(Experiment.read(config), "falls").fit()
    checkpoints = Checkpoints(Experiment.read(config).run_folder("falls"))
    assert progress.best_step > 5 and progress.best_loss < 2.0
    assert checkpoints.newest().name == "step-00000060" and len(checkpoints.all()) <= 3
    assert checkpoints.best().name == f"step-{progress.best_step:08d}"
    config = toy_config(corpus, train={"max_steps": 60, "valid_every": 1, "patience": 3, "optimizer": {"lr": 10.0}})
    assert Trainer(Experiment.read(config), "patient").fit().step < 60


def test_a_model_takes_from_its_features_once(corpus, monkeypatch):
    taken = []
    monkeypatch.setattr(tests.toy.Toy, "take_from", lambda model, features: taken.append(sorted(features)))
    config = toy_config(corpus, train={"max_steps": 1, "save_every": 1, "valid_every": 1})
    Trainer(Experiment.read(config), "taking").fit()
    Trainer(Experiment.read(config, ["train.max_steps=2"]), "taking").fit()
    assert taken == [["audio", "mel"]], "and not again where it goes on"


def test_init_from_takes_weights_and_begins_at_zero(corpus):
    config = toy_config(corpus)
    Trainer(Experiment.read(config), "teacher").fit()
    source = Checkpoints(Experiment.read(config).run_folder("teacher")).newest()
    trainer = Trainer(Experiment.read(toy_config(corpus, train={"init_from": str(source), "max_steps": 1})), "pupil")
    trainer._resume_or_start()
    assert trainer.progress.step == 0
    assert furthest(trainer.unwrap("model").state_dict(), read_weights(source / "model.safetensors")) == 0.0


def test_utterances_of_unequal_length_and_several_speakers(tmp_path):
    config = toy_config(
        extracted(make_corpus(tmp_path, [0.4 + 0.1 * i for i in range(14)])), train={"batch_size": None, "batch_seconds": 4}
    )
    trainer = Trainer(Experiment.read(config), "ragged")
    trainer.fit()
    assert trainer.card["speakers"] == ["custom_ann", "custom_bob"] and trainer.card["facts"]["n_speakers"] == 2


@pytest.mark.parametrize(
    "name,early,late", [("constant", 1, 1), ("exponential", 1, 0.5), ("noam", 0.25, 0.5), ("cosine", 1, 0.0)]
)
def test_schedules(name, early, late):
    schedule = Schedule(name=name, warmup=4 if name == "noam" else 0, decay=0.5, decay_every=15)
    assert schedule.factor(0, 15) == pytest.approx(early)
    assert schedule.factor(15, 15) == pytest.approx(late, abs=1e-6)


def test_weights_of_no_loss_and_a_warmup_without_end_are_named(corpus, caplog):
    config = toy_config(corpus, train={"max_steps": 2, "loss_weights": {"nest": 3, "next": 1}, "schedule": {"warmup": 2}})
    train_here(config, "doubtful")
    assert "train.loss_weights.nest changes nothing: unknown loss 'nest', did you mean 'next'?" in caplog.text
    assert "train.loss_weights.next changes" not in caplog.text
    assert "train.schedule.warmup is 2 and train.max_steps 2: the learning rate rises to the end" in caplog.text
