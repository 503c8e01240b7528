"""The median F0 of each speaker: worked out by the extract stage, kept in the card."""

import numpy as np
import pytest

from bins.extract import extract
from models import MODELS, SUPERVISED, VOCODER, Spec
from models.base.experiment import Experiment
from tests.conftest import RATE, make_corpus, toy_config
from tests.toy import Toy
from utils.audio import Audio


class Singer(Toy):
    registers = True


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "Singer", Spec(VOCODER, "tests.test_registers:Singer", SUPERVISED))
    folder = make_corpus(tmp_path, [0.5] * 8)
    return toy_config(folder, model_type="Singer", preprocess={"features": {"f0": {"method": "dio"}}})


def test_a_card_holds_the_median_of_the_voiced_frames_of_each_speaker(config):
    experiment = Experiment.read(config)
    with pytest.raises(ValueError, match="extract stage"):
        experiment.card  # noqa: B018
    extract(experiment, jobs=1)
    features = experiment.features
    expected = {}
    for speaker in ("ann", "bob"):
        mine = [u for u in experiment.utterances("train") if u.speaker == speaker]
        pitch = np.concatenate([features(u, ["f0"])["f0"] for u in mine])
        expected[f"custom_{speaker}"] = pytest.approx(np.median(pitch[pitch > 0]), abs=1e-3)
    assert Experiment.read(config).card["registers"] == expected
    assert 120 < expected["custom_bob"].expected < expected["custom_ann"].expected < 220


def test_models_that_do_not_ask_have_none(config):
    experiment = Experiment.read(config, ["model_type=Toy"])
    extract(experiment, jobs=1)
    assert "registers" not in experiment.card


def test_a_sound_of_no_corpus_is_read_as_a_file_is(config, tmp_path):
    experiment = Experiment.read(config)
    utterance = experiment.manifests["train"][0]
    from_file = experiment.features(utterance, ["mel", "f0"])
    other_rate = Audio.read(utterance.audio).resample(2 * RATE)
    for sound, tolerance in ((Audio.read(utterance.audio), 0), (other_rate, 0.2)):
        arrays = experiment.features.of_sound(sound, ["mel", "f0"])
        assert arrays.keys() == from_file.keys()
        np.testing.assert_allclose(arrays["mel"][:, :10], from_file["mel"][:, :10], atol=tolerance)
