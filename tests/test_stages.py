"""Training in stages: each trains its parts and nothing else, begins where the one before ended, and goes on after a kill."""

import json
import os

import pytest
import torch

from models.base.checkpoint import Checkpoints, save_release
from models.base.experiment import Experiment
from models.base.gan import GANConfig
from models.base.trainer import Trainer
from models.base.watch import Watch
from tests.conftest import toy_config, train, train_here
from tests.test_discriminators import Bench
from tests.test_trainer import furthest, killed_and_resumed_is_whole, same, weights
from utils.config import ConfigError
from utils.files import read_weights

CODER = {"max_steps": 5, "parts": ["encoder", "decoder"], "loss_weights": {"size": 0.1}}
PRIOR = {"max_steps": 6, "parts": ["prior"], "optimizer": {"lr": 1e-2}}
STAGES = {"coder": CODER, "prior": PRIOR}


def staged(corpus, *, model=None, **settings):
    return toy_config(corpus, model_type="ToyStages", model=model or {}, train={"max_steps": None, "stages": STAGES} | settings)


def trainer(corpus, name="a", **settings):
    return Trainer(Experiment.read(staged(corpus, **settings)), name)


def state(run, step):
    return read_weights(run / f"checkpoint/step-{step:08d}/state.pt")


def card(run, step):
    return json.loads((run / f"checkpoint/step-{step:08d}/card.json").read_text())


def moved(before, after):
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


def test_each_stage_trains_its_parts_and_nothing_else(corpus):
    made = trainer(corpus, keep_last=99, save_every=1)
    begun = {name: value.clone() for name, value in made.unwrap("model").state_dict().items()}
    made.fit()
    run = made.checkpoints.run
    coder, prior = (state(run, step)["networks"]["model"] for step in (5, 11))
    assert moved(begun, coder) == {"encoder", "decoder"}
    assert moved(coder, prior) == {"prior"}, "no weight, and no statistics of a batch norm, of what does not learn"
    assert [card(run, step)["stage"] for step in (1, 5, 6, 11)] == ["coder", "coder", "prior", "prior"]
    optimizers = [state(run, step)["optimizers"]["model"]["param_groups"][0] for step in (5, 11)]
    assert [(len(group["params"]), group["lr"]) for group in optimizers] == [(6, 1e-3), (2, 1e-2)]
    assert [int(state(run, step)["optimizers"]["model"]["state"][0]["step"]) for step in (5, 11)] == [5, 6]


def test_the_best_of_a_stage_is_of_that_stage(corpus):
    made = trainer(corpus, valid_every=2)
    said = iter([{"rebuilt": 0.1}] * 3 + [{"prior": 5.0}] * 4)
    made.validate = lambda: next(said)
    progress = made.fit()
    assert progress.best_loss == 5.0 and progress.best_step == 6
    assert made.checkpoints.best().name == "step-00000006"


def test_a_stage_begins_with_what_a_release_of_the_one_before_holds(corpus):
    """The averaged weights: what follows is trained on what is used."""
    made = trainer(corpus, ema_decay=0.9, keep_last=99, save_every=1)
    made.fit()
    run = made.checkpoints.run
    coder, prior = state(run, 5), state(run, 6)
    released = read_weights(run / "checkpoint/step-00000005/model.safetensors")
    assert furthest(released, coder["networks"]["model"]) > 0
    encoder = {name: value for name, value in released.items() if name.startswith(("encoder", "decoder"))}
    assert same(encoder, {name: prior["networks"]["model"][name] for name in encoder})
    assert same(encoder, {name: prior["ema"][f"module.{name}"] for name in encoder})


def test_a_loss_of_one_stage_is_reported_as_its_own_mean(corpus, monkeypatch):
    """The report at step 6 is of a step of either stage."""
    noted, told = {}, {}
    note, scalars = Watch.note, Watch._scalars

    def noting(watch, name, value):
        noted.setdefault(name, []).append(value.item())
        note(watch, name, value)

    def telling(watch, group, values, step):
        told[group, step] = values
        scalars(watch, group, values, step)

    monkeypatch.setattr(Watch, "note", noting)
    monkeypatch.setattr(Watch, "_scalars", telling)
    trainer(corpus, log_every=2).fit()
    means = told["train", 6]
    assert means["rebuilt"] == pytest.approx(noted["rebuilt"][4]) and means["prior"] == pytest.approx(noted["prior"][0])


@pytest.mark.parametrize("at", [3, 5, 8], ids=["within the first", "between the two", "within the second"])
def test_killed_and_resumed_is_never_stopped(corpus, at):
    config = staged(corpus, model={"dropout": 0.3}, ema_decay=0.9, workers=2, save_every=1, keep_last=99,
                    schedule={"name": "noam", "warmup": 3})  # fmt: skip
    killed_and_resumed_is_whole(config, at=at, last=11)


def test_two_processes_are_one(corpus):
    """No batch norm of theirs: each process's would see a batch of its own."""
    stages = {"prior": {"max_steps": 3, "parts": ["prior"]}, "decoder": {"max_steps": 3, "parts": ["decoder"]}}
    config = staged(corpus, optimizer={"eps": 1e-3}, stages=stages)
    train_here(config, "one", "train.batch_size=16")
    train(config, "two", "train.batch_size=8", processes=2)
    assert furthest(weights(config, "one"), weights(config, "two")) < 2e-7


def test_patience_ends_a_stage_and_the_next_begins(corpus):
    made = trainer(corpus, valid_every=1, patience=2)
    made.validate = lambda: {"prior": 1.0}
    progress = made.fit()
    assert progress.stage == "prior" and progress.stage_began == 3 and progress.step == 6


def test_an_ended_training_does_nothing_more_and_more_steps_go_on_with_the_last_stage(corpus):
    trainer(corpus).fit()
    again = trainer(corpus)
    again.save = None  # would fail if called
    assert again.fit().step == 11 and "train.stages.prior.max_steps is 6: raise it" in again.ended
    longer = trainer(corpus, stages=STAGES | {"prior": PRIOR | {"max_steps": 8}})
    assert longer.fit().step == 13 and longer.progress.stage == "prior"


def test_a_stage_that_the_config_has_no_more_is_named(corpus):
    trainer(corpus).fit()
    other = trainer(corpus, stages={"all": {"max_steps": 3}, "rest": {"max_steps": 3}})
    with pytest.raises(ValueError, match="saved in the stage 'prior', and those of the config are all, rest"):
        other.fit()
    with pytest.raises(ValueError, match="saved in the stage 'prior', and the config has none"):
        Trainer(Experiment.read(toy_config(corpus, model_type="ToyStages")), "a").fit()


@pytest.mark.parametrize("settings, told", [
    ({"max_steps": 5}, r"train.max_steps: each of train.stages has its own"),
    ({"stages": {"coder": CODER | {"steps": 3}}}, r"train.stages.coder.steps: unknown setting"),
    ({"stages": {"coder": {"parts": []}}}, r"train.stages.coder.max_steps: is missing"),
    ({"init_from": {"encoder": {"path": "a", "prt": "b"}}}, r"train.init_from.*prt"),
])  # fmt: skip
def test_what_is_wrong_with_stages_is_said_before_training(corpus, settings, told):
    with pytest.raises(ConfigError, match=told):
        trainer(corpus, **settings)


def test_a_part_that_is_none_is_named_with_the_choices(corpus):
    with pytest.raises(ValueError, match="train.stages.coder.parts: ToyStages has no part 'enc' that learns. Choices: decoder, encoder, prior"):
        trainer(corpus, stages={"coder": CODER | {"parts": ["enc"]}})


def test_a_stage_that_makes_no_sound_leaves_the_discriminator_alone():
    judged = Bench(GANConfig(max_steps=1))
    judged.networks["model"] = lambda batch: {"prior": torch.tensor(1.0)}
    assert judged.step({}).keys() == {"prior"} and judged.seen.keys() == {"model"}


# Where a part begins


@pytest.fixture
def coder(corpus):
    """The folder of a trained coder."""
    made = trainer(corpus, "coder", stages={"coder": CODER})
    made.fit()
    return made.checkpoints.newest()


def begun(corpus, name="b", **settings):
    made = trainer(corpus, name, **settings)
    fresh = {name: value.clone() for name, value in made.unwrap("model").state_dict().items()}
    made._resume_or_start()
    return fresh, made.unwrap("model").state_dict()


def test_a_part_is_taken_and_the_others_stay(corpus, coder):
    fresh, now = begun(corpus, seed=7, init_from={"encoder": str(coder)})
    given = read_weights(coder / "model.safetensors")
    assert moved(fresh, now) == {"encoder"} == {name.split(".")[0] for name in given if torch.equal(given[name], now[name])}


def test_a_part_is_taken_from_a_part_of_another_name_or_from_the_whole(corpus, coder, tmp_path):
    given = read_weights(coder / "model.safetensors")
    theirs = json.loads((coder / "card.json").read_text())
    save_release(tmp_path / "renamed", theirs, {name.replace("encoder.", "net."): value for name, value in given.items()})
    save_release(tmp_path / "alone", theirs, {name.removeprefix("encoder."): value for name, value in given.items() if "encoder" in name})
    for folder, part in (("renamed", "net"), ("alone", "")):
        _, now = begun(corpus, folder, seed=7, init_from={"encoder": {"path": str(tmp_path / folder), "part": part}})
        assert all(torch.equal(now[name], value) for name, value in given.items() if name.startswith("encoder")), folder
    with pytest.raises(ValueError, match="train.init_from.encoder: .*it has no part 'encoder'. Its parts: decoder, net, prior"):
        begun(corpus, seed=7, init_from={"encoder": str(tmp_path / "renamed")})
    with pytest.raises(ValueError, match="train.init_from.encodr: .*ToyStages has no part 'encodr'. Its parts: decoder, encoder, prior"):
        begun(corpus, seed=7, init_from={"encodr": str(coder)})


def test_a_later_stage_begins_with_its_own_file_once(corpus, coder):
    stages = {"prior": PRIOR, "coder": CODER | {"init_from": {"encoder": str(coder), "decoder": str(coder)}, "optimizer": {"lr": 1e-9}}}
    made = trainer(corpus, stages=stages, seed=7)
    made.fit()
    given = read_weights(coder / "model.safetensors")
    now = read_weights(made.checkpoints.newest() / "model.safetensors")
    assert max((now[f"decoder.{name}"] - given[f"decoder.{name}"]).abs().max() for name in ("weight", "bias")) < 1e-6
    os.rename(coder, coder.with_name("gone"))  # what goes on has it in its state
    for late in (11, 9):
        os.rename(made.checkpoints.run / f"checkpoint/step-{late:08d}", made.checkpoints.run / f"late-{late}")
    assert trainer(corpus, stages=stages, seed=7).fit().step == 11


def test_a_file_of_which_too_little_fits_is_refused_with_what_does_not(corpus, coder):
    with pytest.raises(ValueError) as error:
        begun(corpus, model={"hidden": 4}, init_from=str(coder))
    told = str(error.value)
    assert told.startswith(f"train.init_from: {coder}: only ") and "50% are asked for" in told and "train.init_share" in told
    assert "encoder.0.weight is (8, 20) there, (4, 20) here" in told
    fresh, now = begun(corpus, model={"hidden": 4}, init_from=str(coder), init_share=0.05)
    assert [name for name in now if moved({name: fresh[name]}, now)] == ["encoder.1.num_batches_tracked", "decoder.bias"]


def test_the_share_is_of_the_part(corpus, coder):
    """The decoder fits, the encoder has another width: the whole is refused, the part is not."""
    given = read_weights(coder / "model.safetensors")
    theirs = json.loads((coder / "card.json").read_text())
    halved = {name: value[:2] if name.startswith(("encoder", "prior")) and value.ndim else value for name, value in given.items()}
    save_release(coder.with_name("halved"), theirs, halved)
    with pytest.raises(ValueError, match="train.init_share"):
        begun(corpus, seed=7, init_from=str(coder.with_name("halved")))
    fresh, now = begun(corpus, "c", seed=7, init_from={"decoder": str(coder.with_name("halved"))})
    assert moved(fresh, now) == {"decoder"}


def test_checkpoints_of_a_staged_run_load(corpus):
    from models import load

    made = trainer(corpus)
    made.fit()
    assert load(made.checkpoints.run, device="cpu").card["stage"] == "prior"
    assert Checkpoints(made.checkpoints.run).newest().name == "step-00000011"
