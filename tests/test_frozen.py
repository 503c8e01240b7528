"""Other trained models that a model uses as they are: loaded by name, never trained, never saved, and found again by their digest."""

import json
import os
import shutil

import pytest
import torch

from models import load
from models.base.experiment import Experiment
from models.base.frozen import digest_of_weights
from models.base.published import published
from models.base.trainer import Trainer
from tests.conftest import extracted, make_corpus, toy_config
from tests.test_trainer import same
from utils.config import ConfigError
from utils.files import read_weights


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The clips with a trained autoencoder, ckpts/coder, and a model that uses it, ckpts/user."""
    folder = extracted(make_corpus(tmp_path_factory.mktemp("frozen"), [1.0] * 10))
    Trainer(Experiment.read(toy_config(folder, model_type="ToyStages", model={"hidden": 8})), "coder").fit()
    trainer(folder, "user", ema_decay=0.5).fit()
    return folder


def config_of(folder, path, **train):
    return toy_config(folder, model_type="ToyFloor", frozen={"autoencoder": str(path)}, train=train)


def trainer(folder, name, **train):
    return Trainer(Experiment.read(config_of(folder, folder / "ckpts/coder", **train)), name)


@pytest.fixture
def copied(corpus, tmp_path):
    """The user's checkpoint and the autoencoder's, in a folder of their own; nothing is left where the card says."""
    checkpoint = tmp_path / "release"
    shutil.copytree(corpus / "ckpts/user/checkpoint/step-00000006", checkpoint)
    card = json.loads((checkpoint / "card.json").read_text())
    coder = tmp_path / "coder-of-old"
    shutil.copytree(card["frozen"]["autoencoder"]["path"], coder)
    card["frozen"]["autoencoder"]["path"] = "ckpts/old/coder-of-old"
    (checkpoint / "card.json").write_text(json.dumps(card))
    return checkpoint, coder


def test_it_is_used_and_never_trained_saved_or_counted(corpus):
    made = trainer(corpus, "free")
    model = made.unwrap("model")
    coder = model.autoencoder.module
    before = {name: value.clone() for name, value in coder.state_dict().items()}
    model.train()
    assert not coder.training and not any(parameter.requires_grad for parameter in coder.parameters())
    made.fit()
    assert same(before, coder.state_dict()), "its batch norm saw no batch"
    for names in (model.state_dict(), read_weights(made.checkpoints.newest() / "model.safetensors"), dict(model.named_parameters())):
        assert not [name for name in names if "autoencoder" in name]
    assert model.autoencoder.module is not None and "encoder.0.weight" not in str(made.optimizers["model"].state_dict())


def test_copies_and_averages_share_it(corpus):
    made = trainer(corpus, "shared", ema_decay=0.5)
    assert made.best_model() is not made.unwrap("model")
    assert made.best_model().autoencoder is made.unwrap("model").autoencoder


def test_it_moves_where_the_model_moves(corpus):
    model = trainer(corpus, "moved").unwrap("model").to("meta")
    assert {parameter.device.type for parameter in model.autoencoder.module.parameters()} == {"meta"}
    assert {parameter.device.type for parameter in model.target("student").parameters()} == {"meta"}


def test_gradients_pass_through_it_and_none_stays(corpus):
    coder = trainer(corpus, "through").unwrap("model").autoencoder.module
    frames = torch.randn(4, 20, requires_grad=True)
    coder.encoder(frames).sum().backward()
    assert frames.grad.abs().sum() > 0 and all(parameter.grad is None for parameter in coder.parameters())


def test_the_card_says_which_it_was_and_load_finds_it(corpus):
    folder = corpus / "ckpts/user/checkpoint/step-00000006"
    record = json.loads((folder / "card.json").read_text())["frozen"]["autoencoder"]
    coder = corpus / "ckpts/coder/checkpoint/step-00000006"
    weights = read_weights(coder / "model.safetensors")
    assert record == {"path": str(coder), "model_type": "ToyStages", "digest": digest_of_weights(weights)}
    model = load(folder, device="cpu").model
    assert same(model.autoencoder.module.state_dict(), weights)


@pytest.mark.parametrize("place", ["release/ckpts/old/coder-of-old", "release/frozen/autoencoder", "coder-of-old", "models/coder-of-old"])
def test_it_is_found_beside_the_checkpoint_and_in_the_models_folder(copied, tmp_path, monkeypatch, place):
    checkpoint, coder = copied
    monkeypatch.setenv("AMPHION_MODELS", str(tmp_path / "models"))
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    if place != "coder-of-old":
        os.rename(coder, tmp_path / place)
    model = load(checkpoint, device="cpu").model
    assert model.autoencoder.path == str(tmp_path / place)


def test_what_is_missing_is_named_with_where_to_put_it(copied):
    checkpoint, coder = copied
    shutil.rmtree(coder)
    with pytest.raises(ValueError) as error:
        load(checkpoint, device="cpu")
    told = str(error.value)
    assert "this ToyFloor uses another trained model, its autoencoder, a ToyStages" in told and "ckpts/old/coder-of-old: nothing at" in told
    assert f"into {checkpoint / 'frozen/autoencoder'}." in told


def test_another_ones_weights_are_refused_and_the_right_ones_further_on_are_taken(copied, corpus, tmp_path):
    checkpoint, coder = copied
    other = checkpoint / "frozen/autoencoder"
    shutil.copytree(corpus / "ckpts/coder/checkpoint/step-00000004", other)
    assert load(checkpoint, device="cpu").model.autoencoder.path == str(coder)
    shutil.rmtree(coder)
    with pytest.raises(ValueError, match="a ToyStages, but its weights are others"):
        load(checkpoint, device="cpu")


def test_a_training_goes_on_with_the_same_ones_alone(corpus, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(corpus / "ckpts/coder/checkpoint/step-00000006", moved)
    shutil.copytree(corpus / "ckpts/user", corpus / "ckpts/again")
    assert Trainer(Experiment.read(config_of(corpus, moved, max_steps=7, ema_decay=0.5)), "again").fit().step == 7
    other = corpus / "ckpts/coder/checkpoint/step-00000004"
    with pytest.raises(ValueError, match="frozen: .* there, .* now"):
        Trainer(Experiment.read(config_of(corpus, other, max_steps=8, ema_decay=0.5)), "again").fit()


def test_a_release_names_it_without_saying_where_it_lay(corpus):
    card = json.loads((corpus / "ckpts/user/checkpoint/step-00000006/card.json").read_text())
    stages = {"a": {"max_steps": 1, "init_from": {"net": str(corpus)}}}
    card["train"] |= {"init_from": {"net": {"path": card["frozen"]["autoencoder"]["path"], "part": "net"}}, "stages": stages}
    out = published(card)
    assert out["frozen"]["autoencoder"]["path"] == "coder" and out["train"]["init_from"]["net"] == {"path": "coder", "part": "net"}
    assert str(corpus) not in json.dumps({name: out[name] for name in ("frozen", "train")})


@pytest.mark.parametrize("section, told", [
    ({}, "frozen.autoencoder: is missing: ToyFloor uses another trained model by this name"),
    ({"autoencoder": "a", "autoencodr": "b"}, "frozen.autoencodr: unknown frozen model 'autoencodr', did you mean 'autoencoder'"),
    ({"autoencoder": 5}, "frozen"),
])  # fmt: skip
def test_what_is_wrong_with_the_section_is_said_before_training(corpus, section, told):
    with pytest.raises(ConfigError, match=told):
        Experiment.read(toy_config(corpus, model_type="ToyFloor", frozen=section))


def test_a_place_with_nothing_is_named_with_its_setting(corpus):
    with pytest.raises(ValueError, match=r"frozen\.autoencoder: nothing at .*nowhere"):
        Trainer(Experiment.read(config_of(corpus, corpus / "nowhere")), "b")
