"""The infer stage on a corpus without TextGrids, or with a few: every utterance is spoken, its recording drawn from the store."""

import pytest

from bins import infer
from bins.extract import extract
from models.base.checkpoint import save_release
from models.base.experiment import Experiment
from models.base.task import Sample, load
from preprocessors.base import prepare
from tests.conftest import toy_config
from tests.test_store import WORDS, make
from utils.textgrid import write_textgrid

SIZES = {"hidden": 16, "encoder_layers": 1, "decoder_layers": 1, "conv_filter": 16, "predictor_filter": 16, "postnet": False}


@pytest.fixture(params=["no TextGrids", "two TextGrids"])
def trained(request, tmp_path):
    """A corpus, prepared and extracted, and a release of an untrained model of it."""
    root = make(tmp_path / "raw", WORDS[:6])
    for i in range(2 if request.param == "two TextGrids" else 0):
        ends, at = [("", 0.0, 0.1)], 0.1
        for c in WORDS[i]:
            at += 0.05 if c == " " else 0.12
            ends.append(("" if c == " " else c, ends[-1][2], at))
        write_textgrid(root / f"TextGrid/ann/u{i}.TextGrid", {"phones": [*ends, ("", at, at + 0.1)]})
    features = {"phone": {"g2p": "characters"}, "duration": {}, "f0": {}, "energy": {"n_fft": 512, "win_size": 512}}
    sections = {"model_type": "FastSpeech2", "model": SIZES, "preprocess": {"features": features}}
    config = toy_config(tmp_path, dataset_path={"custom": str(root)}, **sections)
    experiment = Experiment.read(config)
    prepare("custom", root, experiment.processed_dir, needs_text=True, jobs=1)
    assert extract(experiment, jobs=1) == {}
    save_release(tmp_path / "release", experiment.card, experiment.model().state_dict())
    return tmp_path, config, experiment


def test_every_utterance_of_the_split_is_spoken_and_drawn(trained, capsys, monkeypatch):
    folder, config, experiment = trained
    drawn, draw = [], Sample.draw
    monkeypatch.setattr(Sample, "draw", lambda sample, *where: drawn.append(set(sample.recorded)) or draw(sample, *where))
    asked = ["--checkpoint", str(folder / "release"), "--out", str(folder / "out"), "--split", "train"]
    assert infer.main(["--config", str(config), *asked]) == 0
    names = sorted(u.id for u in experiment.utterances("train"))
    for part in ("generated", "reference", "pictures"):
        assert sorted(p.stem for p in (folder / "out" / part).iterdir()) == names
    assert all({"mel", "f0", "phones", "duration"} <= found for found in drawn)
    assert "left out" not in capsys.readouterr().err


def test_the_recording_has_its_durations_from_the_store_and_is_drawn_without_them_elsewhere(trained):
    folder, _, experiment = trained
    task = load(folder / "release", device="cpu")
    for utterance in experiment.utterances("train"):
        plain = task.sample(utterance).recorded
        assert "mel" in plain and "f0" in plain and ("phones" in plain) == ("duration" in plain) == bool(utterance.textgrid)
    task.features.restore(task.card["learned"], experiment.processed_dir)
    kept = {p: p.stat().st_mtime_ns for p in experiment.processed_dir.rglob("*") if p.is_file()}
    for utterance in experiment.utterances("train"):
        drawn, stored = task.sample(utterance).recorded, experiment.features.raw(utterance, ["phone", "duration"])
        assert drawn["phones"].tolist() == stored["phone"].tolist() and drawn["duration"].sum() == len(drawn["mel"])
        assert abs(drawn["duration"] - stored["duration"]).sum() <= 2
    assert kept == {p: p.stat().st_mtime_ns for p in experiment.processed_dir.rglob("*") if p.is_file()}


def test_a_sample_in_training_says_its_own_text(trained):
    from models.base.task import make_task

    *_, experiment = trained
    task = make_task(experiment.model(), experiment.features, experiment.card, device="cpu")
    for utterance in experiment.utterances("train")[:3]:
        sample = task.sample(utterance)
        assert sample.generated["phones"].tolist() == sample.recorded["phones"].tolist()
