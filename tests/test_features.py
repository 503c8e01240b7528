"""One object offline, in training and at inference; a changed setting is another folder; whatever breaks is named."""

import numpy as np
import pytest

from bins.extract import extract
from models.base.data import Utterances
from models.base.experiment import Experiment
from preprocessors.base import read_manifest
from processors.feature import Feature
from processors.features import FeatureSet
from processors.frames import Frames
from tests.conftest import RATE, make_corpus, toy_config

SETTINGS = {
    "mel": {"n_mel": 20, "n_fft": 512, "win_size": 512},
    "f0": {"interpolate": True},
    "energy": {"n_fft": 512, "win_size": 512},
}


def utterances(folder):
    return read_manifest(folder / "data/custom/train.jsonl")


@pytest.fixture
def folder(tmp_path):
    return make_corpus(tmp_path, [0.6, 0.7, 0.8, 0.9, 1.0, 1.1])


def made(folder, store=True, **changed):
    settings = {name: {**section, **changed.get(name, {})} for name, section in SETTINGS.items()}
    return FeatureSet(settings, sample_rate=RATE, hop_size=256, store=folder / "data" if store else None)


def test_offline_is_online_is_inference(folder):
    kept, fresh, utterance = made(folder), made(folder, store=False), utterances(folder)[0]
    kept.extract(utterance)
    assert kept.path("f0", utterance).is_file() and not kept.path("mel", utterance).is_file()
    first, second, third = kept(utterance), made(folder)(utterance), fresh(utterance)
    for name in SETTINGS:
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_array_equal(first[name], third[name])
    assert len({len(first[name]) for name in SETTINGS}) == 1


def test_a_changed_setting_or_default_is_another_folder(folder):
    before = made(folder)
    assert before.folder("f0") == made(folder, f0={"fmin": 50.0}).folder("f0"), "the default written out is the same setting"
    assert before.folder("f0") != made(folder, f0={"fmin": 60.0}).folder("f0")
    other = FeatureSet(SETTINGS, sample_rate=RATE, hop_size=128, store=folder / "data")
    assert before.folder("f0") != other.folder("f0")


def test_extract_lists_what_it_leaves_out_and_goes_on(folder):
    (folder / "wavs/clip01.wav").write_bytes(b"RIFF broken")
    experiment = Experiment.read(toy_config(folder))
    refused = extract(experiment, jobs=1)
    assert list(refused) == ["custom/clip01"] and "cannot read audio" in refused["custom/clip01"]
    assert "clip01" not in [u.id for u in Experiment.read(toy_config(folder)).utterances("train")]


def test_training_before_extraction_says_what_to_run(folder):
    experiment = Experiment.read(toy_config(folder))
    with pytest.raises(ValueError, match="run the extract stage"):
        _ = experiment.card


def test_extraction_goes_on_where_it_stopped(folder):
    features = made(folder)
    for utterance in utterances(folder)[:2]:
        features.extract(utterance)
    stamps = {u.id: features.path("f0", u).stat().st_mtime_ns for u in utterances(folder)[:2]}
    for utterance in utterances(folder):
        features.extract(utterance)
    assert stamps == {u.id: features.path("f0", u).stat().st_mtime_ns for u in utterances(folder)[:2]}


def test_two_workers_of_a_cluster_extract_the_same(folder):
    distributed = pytest.importorskip("distributed")
    settings = {"preprocess": {"features": {"f0": {}}}}
    here = Experiment.read(toy_config(folder, **settings))
    extract(here, jobs=1)
    there = toy_config(folder, **settings, log_dir=str(folder / "other"))
    text = there.read_text().replace(str(folder / "data"), str(folder / "data2"))
    there.write_text(text)
    import shutil

    shutil.copytree(folder / "data/custom", folder / "data2/custom")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, processes=False) as cluster:
        extract(Experiment.read(there), cluster=cluster.scheduler_address)
    for utterance in utterances(folder):
        a, b = here.features.path("f0", utterance), Experiment.read(there).features.path("f0", utterance)
        np.testing.assert_array_equal(np.load(a), np.load(b))


def kind(axis, counts_frames=False):
    made = Feature()
    made.axis, made.counts_frames = axis, counts_frames
    return made


def test_arrays_are_cut_to_one_length_and_refused_beyond_rounding():
    features = {"mel": kind("frame"), "f0": kind("frame"), "audio": kind("sample"), "duration": kind("token", True)}
    frames = Frames(features, sample_rate=8, hop_size=4, padding="same")
    arrays = {"mel": np.zeros((10, 3)), "f0": np.zeros(9), "audio": np.zeros(10 * 4 + 3), "duration": np.array([3, 4, 4])}
    brought = frames.bring(arrays)
    assert [len(brought[n]) for n in ("mel", "f0", "audio")] == [9, 9, 36] and brought["duration"].tolist() == [3, 4, 2]
    short = frames.bring({"mel": np.zeros((12, 3)), "duration": np.array([3, 4, 4])})
    assert short["duration"].sum() == len(short["mel"]) == 11
    with pytest.raises(ValueError, match="differ in frames by more than"):
        frames.bring({"mel": np.zeros((10, 3)), "f0": np.zeros(5)})


def test_segments_are_cut_alike_and_differ_by_epoch(folder):
    features = FeatureSet({"mel": SETTINGS["mel"], "audio": {}}, sample_rate=RATE, hop_size=256)
    data = Utterances(utterances(folder), features, ["mel", "audio"], ["custom_ann", "custom_bob"], segment_frames=12, seed=1)
    batch = data.collate([data[0, 0], data[0, 1]])
    assert batch["mel"].shape == (2, 12, 20) and batch["audio"].shape == (2, 12 * 256)
    assert batch["speaker"].tolist() == [1, 0]
    again, later = data[0, 1]["audio"], data[1, 1]["audio"]
    np.testing.assert_array_equal(again, data[0, 1]["audio"])
    assert not np.array_equal(again, later)
    whole = features(utterances(folder)[1], ["audio"])["audio"]
    starts = [i for i in range(0, len(whole), 256) if np.array_equal(whole[i : i + 12 * 256], again)]
    assert starts, "a segment of sound begins at a frame"


def test_unknown_feature_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'mel'"):
        FeatureSet({"mell": {}}, sample_rate=RATE, hop_size=256)
