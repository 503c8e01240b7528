"""What validates and tests: voices that training never heard are left out and named, and no split that is used stays empty."""

import json
from dataclasses import replace

import pytest

from bins import infer
from models.base.checkpoint import Checkpoints
from models.base.data import Utterances
from models.base.experiment import Experiment, build_model
from models.base.settings import TrainConfig
from models.base.splits import divide
from models.base.task import make_task
from models.base.trainer import Trainer
from preprocessors.base import Utterance, read_manifest, write_manifest
from processors.features import FeatureSet
from tests.conftest import RATE, extracted, make_corpus, toy_config
from tests.test_models import card_of

SPLITS = ("train", "valid", "test")


def people(*names, start=0):
    return [Utterance(f"{name}{i}", "custom", name) for i, name in enumerate(names, start)]


def empty(folder, *splits):
    for split in splits:
        write_manifest(folder / f"data/custom/{split}.jsonl", [])


# Choosing


def test_nothing_is_touched_where_all_is_there():
    splits = {"train": people("ann", "bob"), "valid": people("ann"), "test": people("bob")}
    made = divide(splits, ["custom_ann", "custom_bob"])
    assert made.splits == splits and not any(made.notes.values())


def test_strangers_are_left_out_and_named_only_for_a_model_that_tells_voices_apart():
    splits = {"train": people("ann", "bob"), "valid": people("ann", "carl", "dora"), "test": people("carl", "bob")}
    made = divide(splits, ["custom_ann", "custom_bob"])
    assert made.splits["valid"] == people("ann") and [u.speaker for u in made.splits["test"]] == ["bob"]
    assert "2 utterance(s)" in made.notes["valid"][0] and "custom_carl, custom_dora" in made.notes["valid"][0]
    assert divide(splits, None).splits == splits


@pytest.mark.parametrize("size, held", [(20, 1), (100, 5), (9000, 200)])
def test_where_nothing_validates_a_twentieth_of_training_is_held_back(size, held):
    train = people(*["ann"] * size)
    made = divide({"train": train, "valid": [], "test": []}, None)
    assert len(made.splits["valid"]) == held and made.splits["test"] == made.splits["valid"]
    places = {utterance.id: place for place, utterance in enumerate(train)}
    assert sorted(made.splits["train"] + made.splits["valid"], key=lambda utterance: places[utterance.id]) == train
    again = divide({"train": train[::-1], "valid": [], "test": []}, None)
    assert set(again.splits["valid"]) == set(made.splits["valid"]), "whatever the order"
    assert "goes on without" in made.notes["valid"][0] and made.splits["valid"][0].id in made.notes["test"][-1]


def test_no_speaker_loses_the_last_recording():
    train = people("ann", "bob", "carl", "carl")
    made = divide({"train": train, "valid": people("dora"), "test": []}, ["custom_ann", "custom_bob", "custom_carl"])
    assert [u.speaker for u in made.splits["valid"]] == ["carl"] and {u.speaker for u in made.splits["train"]} == {"ann", "bob", "carl"}
    alone = people("ann", "bob")
    made = divide({"train": alone, "valid": [], "test": []}, ["custom_ann", "custom_bob"])
    assert made.splits["train"] == alone and len(made.splits["valid"]) == 1 and "keeps it" in made.notes["valid"][0]


# Training


@pytest.mark.parametrize("how", ["no valid", "no valid and test", "all refused", "all unreadable"])
def test_a_training_without_validation_utterances_ends_well(tmp_path, caplog, how):
    folder = make_corpus(tmp_path, [1.0] * 20)
    if how.startswith("no"):
        empty(folder, *(("valid", "test") if "test" in how else ("valid",)))
    extracted(folder)
    config = toy_config(folder, train={"samples": 1})
    if how == "all refused":
        experiment = Experiment.read(config)
        refused = {f"custom/{u.id}": "too loud" for u in experiment.utterances("valid")}
        experiment.corpus.write(experiment.features.extracted, "refused", refused)
    if how == "all unreadable":
        for utterance in read_manifest(folder / "data/custom/valid.jsonl"):
            (folder / "wavs" / f"{utterance.id}.wav").unlink()
    progress = Trainer(Experiment.read(config), "a").fit()
    assert progress.step == 6 and Checkpoints(folder / "ckpts/a").newest().name == "step-00000006"
    if how == "all unreadable":
        assert "nothing could be validated; training goes on" in caplog.text and progress.best_step == 0
    else:
        assert progress.best_step and "taken from training, which goes on without" in caplog.text


def test_an_utterance_that_cannot_be_validated_is_named_and_the_others_count(corpus, caplog):
    made = Trainer(Experiment.read(toy_config(corpus)), "a")
    first, second = made.utterances["valid"]
    whole = made.validate()
    (corpus / "wavs" / f"{first.id}.wav").unlink()
    made.utterances["valid"] = [first, second]
    part = made.validate()
    assert f"custom/{first.id}" in caplog.text and part["next"] > 0 and part != whole
    made.utterances["valid"] = [second]
    assert made.validate() == part
    made.evaluate = lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory"))
    assert made.validate() == {} and f"custom/{second.id}: out of memory" in caplog.text


def test_a_failed_validation_leaves_the_checkpoint(corpus):
    made = Trainer(Experiment.read(toy_config(corpus, train={"valid_every": 2, "save_every": 50})), "a")
    made.evaluate = lambda *_: {}["a mistake of ours"]
    with pytest.raises(KeyError):
        made.fit()
    assert made.checkpoints.newest().name == "step-00000002"


def test_one_validation_utterance_is_enough_for_two_processes(tmp_path):
    from tests.conftest import train, train_here

    folder = extracted(make_corpus(tmp_path, [1.0] * 10, valid=1))
    config = toy_config(folder, train={"max_steps": 2})
    train(config, "two", processes=2)
    train_here(config, "one", "train.batch_size=8")
    losses = [json.loads((Checkpoints(folder / f"ckpts/{name}").newest() / "card.json").read_text())["best"] for name in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_data_of_a_stranger_is_refused_and_not_the_first_speakers(corpus):
    experiment = Experiment.read(toy_config(corpus))
    stranger = replace(experiment.utterances("valid")[0], speaker="zoe")
    data = experiment.data([stranger], voices=experiment.speakers, config=TrainConfig(seed=0))
    with pytest.raises(ValueError, match="custom_zoe"):
        _ = data[0, 0]
    assert experiment.data([stranger], voices=[], config=TrainConfig(seed=0))[0, 0]["speaker"] == 0
    assert isinstance(data, Utterances)


# Speaking


def spoken(name="FastSpeech2", **facts):
    card = card_of(name)
    symbols = ["<pad>", "sil", "_", "h", "ə", "l", "oʊ", "a", "."]
    card["learned"]["phone"] = {"symbols": symbols}
    card["facts"] |= {"n_vocab": len(symbols)} | facts
    p = card["preprocess"]
    features = FeatureSet(p["features"], sample_rate=p["sample_rate"], hop_size=p["hop_size"])
    features.restore(card["learned"])
    return make_task(build_model(card), features, card, device="cpu")


def test_a_sample_of_a_stranger_is_refused_or_said_by_a_chosen_voice():
    task, heard = spoken(), []
    task._utter = lambda reading, voice, *_: heard.append(int(voice["speaker"])) or {"mel": _mel(), "duration": _ones(len(reading.ids))}
    stranger, bob = Utterance("a", "made", "zoe", text="Hello."), Utterance("b", "made", "bob", text="Hello.")
    with pytest.raises(ValueError, match="never heard its speaker, 'made_zoe'.*--speaker"):
        task.sample(stranger)
    task.sample(bob)
    task.sample(stranger, speaker="bob")
    task.sample(bob, speaker="ann")
    assert heard == [1, 1, 0]
    alone = spoken(n_speakers=1)
    alone._utter = task._utter
    assert alone.voices is None and alone.sample(stranger) and heard[-1] == 0


def _mel():
    import numpy as np

    return np.full((8, 80), -5.0, np.float32)


def _ones(size):
    import numpy as np

    return np.ones(size)


def test_a_vocoder_that_tells_voices_apart_hears_the_utterances_own(tmp_path):
    card = card_of("WaveNet")
    card["model"] = card["model"] | {"speaker_channels": 4}
    p = card["preprocess"]
    features = FeatureSet(p["features"], sample_rate=p["sample_rate"], hop_size=p["hop_size"])
    task, heard = make_task(build_model(card), features, card, device="cpu"), []
    task._decode = lambda arrays, **how: heard.append(how) or task_audio(task)
    (path,) = [task_audio(task).write(tmp_path / "a.wav")]
    task.sample(Utterance("a", "made", "bob", audio=str(path)))
    task.sample(Utterance("a", "made", "bob", audio=str(path)), speaker=0)
    assert [how["speaker"] for how in heard] == [1, 0]
    with pytest.raises(ValueError, match="made_zoe"):
        task.sample(Utterance("a", "made", "zoe", audio=str(path)))


def task_audio(task):
    from tests.conftest import clip
    from utils.audio import Audio

    return Audio(clip(0.5, 150, 0), RATE).resample(task.rate)


@pytest.mark.parametrize("speaker, said", [(None, ["clip17"]), ("ann", ["clip16", "clip17"])])
def test_the_infer_stage_leaves_strangers_out_unless_a_speaker_is_chosen(corpus, caplog, speaker, said):
    rows = read_manifest(corpus / "data/custom/test.jsonl")
    rows = [replace(rows[0], id="clip16", speaker="zoe"), replace(rows[1], id="clip17")]
    write_manifest(corpus / "data/custom/test.jsonl", rows)
    assert voices_of_split(corpus, speaker) == said
    assert ("custom_zoe" in caplog.text) == (speaker is None)


def test_the_infer_stage_of_an_empty_test_split_takes_what_validates(corpus, caplog):
    empty(corpus, "test")
    assert voices_of_split(corpus, None) == [u.id for u in read_manifest(corpus / "data/custom/valid.jsonl")]
    assert "those that validate are taken" in caplog.text


def voices_of_split(corpus, speaker):
    """Ids of what the infer stage lets a made-up task of the corpus's voices say."""
    import argparse

    said = []

    class Made:
        voices, rate, card = ["custom_ann", "custom_bob"], RATE, {"learned": {}}
        features = FeatureSet({}, sample_rate=RATE, hop_size=256)

        def sample(self, utterance, **_):
            said.append(utterance.id)
            raise ValueError("enough")

    options = argparse.Namespace(config=toy_config(corpus), set=[], split="test", limit=None)
    with pytest.raises(ValueError, match="enough"):
        infer._speak_split(Made(), options, corpus / "out", {"speaker": speaker} if speaker else {})
    return said


@pytest.mark.parametrize("split", SPLITS)
def test_each_split_of_a_small_corpus_has_something(tmp_path, split):
    folder = make_corpus(tmp_path, [1.0] * 4)
    empty(folder, "valid", "test")
    assert Experiment.read(toy_config(folder)).division(None).take(split)
