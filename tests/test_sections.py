"""Utterances that are sections of long recordings, from the corpus to evaluated sound: the first one begins at 0.0 and is no whole file."""

from dataclasses import replace

import numpy as np
import pytest

from bins.extract import extract
from bins.infer import main as infer
from models.base.experiment import Experiment
from models.base.settings import TrainConfig
from models.base.trainer import Trainer
from preprocessors import custom
from preprocessors.base import Utterance, changed, prepare, read_manifest
from processors.store import sound_of
from tests.conftest import RATE, clip, toy_config
from utils.audio import Audio
from utils.digest import digest, digest_of_bytes

SECONDS = 3.0
PLACES = (0.0, 3.0, 6.5)
SPLITS = {"a": "train", "b": "valid", "c": "test"}  # each recording is a split


@pytest.fixture
def sections(tmp_path, monkeypatch):
    """Three recordings of ten seconds, of each of which three sections are utterances; prepared."""
    rows = []
    for seed, name in enumerate(SPLITS):
        path = Audio(clip(10.0, 120 + 20 * seed, seed), RATE).write(tmp_path / f"raw/{name}.wav")
        for place in PLACES:
            rows.append(Utterance(f"{name}{place}", speaker="ann", audio=str(path), start=place, seconds=SECONDS, text="a"))
    monkeypatch.setattr(custom, "utterances", lambda root: iter(rows))
    monkeypatch.setattr(custom, "split", lambda utterance: SPLITS[utterance.id[0]], raising=False)
    for other in ("orphans", "doubts", "mute"):
        monkeypatch.delattr(custom, other, raising=False)
    prepare("custom", tmp_path / "raw", tmp_path / "data", jobs=1)
    return tmp_path


def piece(folder, utterance):
    """What the utterance must sound like."""
    whole = Audio.read(folder / f"raw/{utterance.id[0]}.wav").samples
    first = round(utterance.start * RATE)
    return whole[first : first + round(SECONDS * RATE)]


def test_a_section_stays_a_section_from_preparing_to_inference(sections):
    config = toy_config(sections, dataset_path={"custom": str(sections / "raw")}, train={"max_steps": 2, "valid_every": 2})
    experiment = Experiment.read(config)
    rows = experiment.everything()
    assert {u.start for u in rows} == set(PLACES) and len(rows) == 9
    for utterance in rows:
        expected = piece(sections, utterance)
        assert utterance.seconds == SECONDS and not changed(utterance)
        assert utterance.audio_digest == digest_of_bytes(str(RATE).encode(), np.ascontiguousarray(expected).data)
    assert extract(experiment, jobs=1) == {}
    for utterance in rows:
        arrays = experiment.features(utterance, ["mel", "audio"])
        frames = int(SECONDS * RATE) // 256
        assert len(arrays["mel"]) == frames
        np.testing.assert_array_equal(arrays["audio"], piece(sections, utterance)[: frames * 256])
    data = experiment.data(experiment.utterances("train"), voices=[], config=TrainConfig(seed=0))
    assert data.seconds.tolist() == [SECONDS] * 3
    Trainer(experiment, "run").fit()
    assert infer(["--config", str(config), "--name", "run"]) == 0
    for utterance in experiment.utterances("test"):
        reference = Audio.read(sections / f"ckpts/run/result/reference/{utterance.id}.wav")
        generated = Audio.read(sections / f"ckpts/run/result/generated/{utterance.id}.wav")
        assert abs(reference.seconds - SECONDS) < 1e-3 and abs(generated.seconds - SECONDS) < 0.02
        np.testing.assert_allclose(reference.samples, piece(sections, utterance), atol=1e-4)


def test_what_is_kept_of_sections_is_each_ones_own(sections):
    features = {"features": {"f0": {}, "mel": {"n_fft": 512, "win_size": 512, "n_mel": 20}}}
    experiment = Experiment.read(toy_config(sections, dataset_path={"custom": str(sections / "raw")}, preprocess=features))
    extract(experiment, jobs=1)
    first, second, _ = experiment.utterances("train")
    assert experiment.features.version("f0", first) != experiment.features.version("f0", second)
    assert abs(len(experiment.features.raw(first, ["f0"])["f0"]) - SECONDS * RATE / 256) <= 1


def test_a_section_and_the_whole_are_told_apart_without_digests(sections):
    """As in a manifest that was written by hand."""
    first = replace(read_manifest(sections / "data/custom/train.jsonl")[0], audio_digest="")
    whole = replace(first, start=None)
    assert sound_of(first) != sound_of(whole)
    assert sound_of(whole) == digest([whole.audio, 0.0, SECONDS]), "what was kept of whole files stays of use"
