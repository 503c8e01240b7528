"""train.init_from: rows of symbols and speakers go by their names, and what found none is listed."""

import itertools

import pytest
import torch

from models import MODELS, SVC
from models.base.checkpoint import save_release
from models.base.experiment import Experiment, build_model
from models.base.tables import begin_with, inherit, tables, tells_speakers
from models.base.trainer import Trainer
from tests.conftest import toy_config
from tests.test_models import OURS, SYMBOLS, card_of

SPEAKING = ["FastSpeech2", "VITS", "Jets", "FACodec"]
SIZES = {"n_vocab": 41, "n_speakers": 37}  # of nothing else


def with_names(name, symbols, speakers):
    card = card_of(name)
    card["learned"] = {"phone": {"symbols": symbols}}
    card["speakers"] = speakers
    card["facts"] |= {"n_vocab": len(symbols), "n_speakers": len(speakers)}
    return card


def made(card, seed):
    torch.manual_seed(seed)
    return build_model(card)


@pytest.mark.parametrize("name", OURS)
def test_every_table_of_symbols_or_speakers_is_declared(name):
    """A tensor that counts symbols or speakers on any axis is named in `tables`, and counts them on its first."""
    card = card_of(name)
    card["facts"] |= SIZES
    if name == "WaveNet":
        card["model"] = card["model"] | {"speaker_channels": 4}
    model = build_model(card)
    declared = tables(model)
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    for kind, size in (("symbols", 41), ("speakers", 37)):
        named = {key for key in declared if declared[key] == kind}
        assert {key for key, shape in shapes.items() if size in shape} == named
        assert all(shapes[key][0] == size for key in named)
    converts = MODELS[name].task == SVC
    assert tells_speakers(model) == (name in (*SPEAKING, "WaveNet") or converts)
    card["facts"] |= {"n_speakers": 1}
    assert not tells_speakers(build_model(card)) or name == "WaveNet" or converts


@pytest.mark.parametrize("name", SPEAKING)
def test_rows_go_by_name(name):
    theirs = with_names(name, [*SYMBOLS, "q"], ["custom_anna", "custom_bob"])
    own = with_names(name, ["<pad>", "new", *SYMBOLS[:0:-1]], ["custom_bob", "custom_carl", "custom_dora"])
    base, model = made(theirs, 0), made(own, 1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    told = "\n".join(inherit(model, own, base.state_dict(), theirs))
    given, now = base.state_dict(), model.state_dict()
    for kind, here, there in (
        ("speakers", own["speakers"], theirs["speakers"]),
        ("symbols", own["learned"]["phone"]["symbols"], theirs["learned"]["phone"]["symbols"]),
    ):
        keys = [name for name, stands_for in tables(model).items() if stands_for == kind]
        assert keys
        for key, (row, label) in itertools.product(keys, enumerate(here)):
            expected = given[key][there.index(label)] if label in there else before[key][row]
            assert torch.equal(now[key][row], expected), (key, label)
    rest = now.keys() - set(tables(model))
    assert all(torch.equal(now[key], given[key]) for key in rest)
    assert "1 of 3 speakers by name; as initialised: custom_carl, custom_dora" in told
    assert f"{len(SYMBOLS)} of {len(SYMBOLS) + 1} symbols by name; as initialised: new" in told


def test_equal_numbers_of_other_names_carry_nothing_by_number():
    theirs, own = (with_names("VITS", SYMBOLS, names) for names in (["a_x", "a_y"], ["b_x", "b_y"]))
    base, model = made(theirs, 0), made(own, 1)
    before = model.emb_g.weight.detach().clone()
    told = "\n".join(inherit(model, own, base.state_dict(), theirs))
    assert torch.equal(model.emb_g.weight, before) and "0 of 2 speakers by name; as initialised: b_x, b_y" in told
    assert "emb_g.weight" in told.splitlines()[0]


def test_the_same_names_and_cards_without_names_go_whole():
    own = with_names("VITS", SYMBOLS, ["a_x", "a_y"])
    for theirs in (own, own | {"speakers": []}, own | {"speakers": ["foreign_default"]}, own | {"learned": {}}):
        base, model = made(own, 0), made(own, 1)
        told = inherit(model, own, base.state_dict(), theirs)
        assert all(torch.equal(value, base.state_dict()[key]) for key, value in model.state_dict().items())
        assert told[0].endswith("as initialised: none") and len(told) == 1


def test_a_published_table_of_symbols_is_known_though_the_card_names_none():
    """Foreign cards hold no list of symbols; the settings say which table it is."""
    theirs = with_names("FastSpeech2", SYMBOLS, ["a_x", "a_y"])
    theirs["preprocess"]["features"]["phone"] = {"g2p": "lexicon", "symbols": "amphion"}
    theirs["learned"] = {}
    from processors.text import Phones

    table = Phones(g2p="lexicon", symbols="amphion").table
    theirs["facts"]["n_vocab"] = len(table) + 3  # as published ones have some rows more
    own = with_names("FastSpeech2", ["<pad>", table[9], table[5], "new"], ["a_x", "a_y"])
    base, model = made(theirs, 0), made(own, 1)
    inherit(model, own, base.state_dict(), theirs)
    key = "encoder.src_word_emb.weight"
    given, now = base.state_dict()[key], model.state_dict()[key]
    assert torch.equal(now[1], given[table.index(table[9])]) and torch.equal(now[2], given[table.index(table[5])])


def test_another_models_weights_are_refused(tmp_path, corpus):
    card = card_of("HiFiGAN")
    save_release(tmp_path / "other", card, build_model(card).state_dict())
    with pytest.raises(ValueError, match="train.init_from.*other.*shares no tensor with Toy"):
        Trainer(Experiment.read(toy_config(corpus, train={"init_from": str(tmp_path / "other")})), "a").fit()


def test_a_missing_beginning_is_named_with_its_setting(tmp_path):
    with pytest.raises(ValueError, match=r"train\.init_from: .*nothing at .*gone"):
        begin_with(str(tmp_path / "gone"), torch.nn.Linear(1, 1), {})
