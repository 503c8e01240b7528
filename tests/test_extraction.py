"""Features that are networks: batches say what single utterances say, whatever fails is named, and no process is forked beside a GPU."""

import os
import random
import signal
import time
from concurrent.futures import Future

import numpy as np
import pytest
import torch

import tests.toy_features  # noqa: F401 (puts "slow" and "content" into the table)
from bins.extract import extract
from models.base.experiment import Experiment
from preprocessors.base import Utterance, inspect
from processors import extraction
from processors.device_process import Computer, Input, Work, read
from processors.extraction import Options, batches, devices_of, extract_batched
from processors.features import FeatureSet
from tests import toy_networks
from tests.conftest import RATE, clip, make_corpus, python, toy_config
from tests.toy_networks import Steady, Swaying, rows
from utils.audio import Audio
from utils.parallel import parallel

LENGTHS = [0.61, 1.003, 0.9, 1.2, 0.5, 0.9, 0.6101, 1.0031, 0.9, 0.7]


@pytest.fixture
def folder(tmp_path):
    return make_corpus(tmp_path, LENGTHS)


def experiment(folder, store="files", **features):
    return Experiment.read(toy_config(folder, preprocess={"features": features, "store": store}))


def computer(made, name, device="cpu"):
    return Computer(Work(made.features, name, device, 1))


def put(value):
    future = Future()
    future.set_result(value)
    return future


def readings(work, utterances):
    return [put(read(work, utterance)) for utterance in utterances]


def batched(made, name, utterances):
    """What a device's process answers to a batch, computed here."""
    work = Work(made.features, name, "cpu", 1)
    return Computer(work)(readings(work, utterances))


def kept(made, name, utterances):
    arrays = {u.id: made.features.arrays.read(made.features.path(name, u)) for u in utterances}
    return {identity: array for identity, array in arrays.items() if array is not None}


def alone(made, name, utterances):
    """Each utterance's array as training and inference compute it."""
    fresh = FeatureSet(made.features.settings, sample_rate=RATE, hop_size=256)
    return {u.id: fresh.raw(u, [name])[name] for u in utterances}


@pytest.mark.parametrize("size", [1, 3, 20])
@pytest.mark.parametrize("name", ["steady", "swaying"])
def test_a_batch_says_what_each_says_alone(folder, name, size):
    made = experiment(folder, **{name: {}})
    utterances = list(made.everything())[:10]
    expected = alone(made, name, utterances)
    random.Random(size).shuffle(utterances)
    for first in range(0, 10, size):
        batch = utterances[first : first + size]
        assert batched(made, name, batch) == (len(batch), {})
    found = kept(made, name, utterances)
    assert len(found) == 10
    for identity, array in expected.items():
        assert len(array) > 20
        assert array.std() > 0.01
        np.testing.assert_allclose(found[identity], array, rtol=0, atol=1e-6)


def test_padding_would_change_what_says_so(folder):
    """Or the test above would hold of any batches."""
    made = experiment(folder, swaying={})
    utterances = list(made.everything())[:2]
    audios = [u.read(RATE) for u in utterances]
    together = Swaying().compute(utterances, audios, "cpu")
    assert np.abs(together[0] - Swaying()(utterances[0], audios[0])).max() > 1e-3


def planned(feature, lengths, seconds):
    utterances = [Utterance(str(i), seconds=length) for i, length in enumerate(lengths)]
    return [[u.seconds for u in batch] for batch in batches(utterances, feature, RATE, seconds)]


def test_batches_are_bounded_with_their_padding_and_the_longest_come_first():
    assert planned(Steady(), [1.0, 3.0, 2.0, 9.0, 2.5, 1.0, 1.0], 6.0) == [[9.0], [3.0, 2.5], [2.0, 1.0, 1.0], [1.0]]


def test_where_padding_changes_a_feature_batches_are_of_one_length():
    assert planned(Swaying(), [1.0, 2.0, 1.0, 2.0, 2.0], 4.0) == [[2.0, 2.0], [2.0], [1.0, 1.0]]
    assert planned(Swaying(), [1.012, 1.01, 1.006], 4.0) == [[1.012, 1.01, 1.006]], "of one number of frames"


def test_what_fills_no_frame_is_left_off_so_that_more_lengths_are_equal(folder):
    log = folder / "log"
    made = experiment(folder, swaying={"log": str(log)})
    close = [u for u in made.everything() if u.seconds in (1.003, 1.0031)]
    assert batched(made, "swaying", close) == (2, {})
    assert [row[3] for row in rows(log)] == [["clip01", "clip07"]]
    audio = close[0].read(RATE)
    assert len(audio.samples) == 16048
    cut = Swaying().cut(audio)
    assert len(cut.samples) == 400 + 48 * 320


def test_an_utterance_of_unknown_length_is_alone():
    assert planned(Steady(), [0.0, 1.0, 0.0], 9.0) == [[1.0], [0.0], [0.0]]


def test_a_batch_that_finds_no_memory_is_halved_and_the_next_ones_are_as_small(folder):
    log = folder / "log"
    made = experiment(folder, steady={"log": str(log), "most": 2})
    utterances = list(made.everything())[:8]
    work = Work(made.features, "steady", "cpu", 1)
    computer = Computer(work)
    for batch in (utterances[:4], utterances[4:]):
        assert computer(readings(work, batch)) == (4, {})
    assert [len(row[3]) for row in rows(log)] == [4, 2, 2, 2, 2]
    assert len(kept(made, "steady", utterances)) == 8


@pytest.mark.parametrize(("how", "said"), [("broken", "the toy does not like it"), ("nan", "steady holds NaN")])
def test_who_fails_in_a_batch_is_found_and_named(folder, how, said):
    made = experiment(folder, steady={how: "clip03"})
    utterances = list(made.everything())[:8]
    count, refused = batched(made, "steady", utterances)
    assert count == 8
    assert list(refused) == ["custom/clip03"]
    assert said in refused["custom/clip03"]
    found = kept(made, "steady", utterances)
    assert len(found) == 7


def test_an_utterance_without_memory_is_told_where_there_may_be_some(folder):
    made = experiment(folder, steady={"most": 0})
    count, refused = batched(made, "steady", list(made.everything())[:2])
    assert refused == {f"custom/clip0{i}": "steady: there was not enough memory for it on cpu" for i in (0, 1)}
    given = Input(None, None)
    reason = computer(made, "steady", "cuda:1")._reason(given, MemoryError())
    assert reason.endswith("on cuda:1; with --device cpu there may be")


def test_a_mistake_in_a_network_is_no_fault_of_the_utterance(folder, monkeypatch):
    made = experiment(folder, steady={})
    monkeypatch.setattr(Steady, "compute", lambda *given: 1 / 0)
    with pytest.raises(RuntimeError, match="custom/clip00: steady cannot be computed on cpu: ZeroDivisionError"):
        batched(made, "steady", list(made.everything())[:4])


def test_arrays_of_fewer_utterances_are_a_mistake(folder, monkeypatch):
    made = experiment(folder, steady={})
    monkeypatch.setattr(Steady, "compute", lambda *given: [])
    with pytest.raises(RuntimeError, match="Steady.compute gave 0 arrays for 1 utterances"):
        batched(made, "steady", list(made.everything())[:2])


def test_a_sound_that_changed_or_is_gone_is_refused(folder):
    made = experiment(folder, steady={})
    utterances = [inspect(u, needs_text=False)[0] for u in list(made.everything())[:3]]
    Audio(clip(0.61, 300, 9), RATE).write(folder / "wavs/clip00.wav")
    (folder / "wavs/clip01.wav").write_bytes(b"RIFF broken")
    _, refused = batched(made, "steady", utterances)
    assert list(refused) == ["custom/clip00", "custom/clip01"]
    assert refused["custom/clip00"].startswith("its sound changed since the preprocess stage")
    assert "cannot read audio" in refused["custom/clip01"]
    assert list(kept(made, "steady", utterances)) == ["clip02"]


def test_two_devices_share_the_work_in_processes_that_are_not_forked(folder, monkeypatch):
    monkeypatch.setattr(toy_networks, "forked", True)
    log = folder / "log"
    mel = {"n_fft": 512, "win_size": 512, "n_mel": 20}
    steady = {"log": str(log), "pause": 0.2}
    features = {"mel": mel, "steady": steady, "f0": {}}
    made = experiment(folder, "shards", **features)
    refused = extract(made, jobs=2, device="cpu,cpu", batch_seconds=1.3)
    assert not refused
    processes = {row[0] for row in rows(log)}
    assert len(processes) == 2
    assert str(os.getpid()) not in processes
    assert {row[2] for row in rows(log)} == {"0"}, "a forked process would have what this one has"
    computed = [identity for row in rows(log) for identity in row[3]]
    listed = [u.id for u in made.everything()]
    assert sorted(computed) == sorted(listed), "each as often as it is listed, and by no other process"
    for utterance in made.everything():
        found = made.features(utterance)
        assert len(found["mel"]) == len(found["steady"]) == len(found["f0"])
    lines = len(rows(log))
    again = experiment(folder, "shards", **features)
    extract(again, jobs=1, device="cpu")
    assert len(rows(log)) == lines, "what is kept is not computed again"


def test_whoever_kills_the_process_or_disagrees_with_the_rest_is_left_out(folder):
    made = experiment(folder, steady={"killed": "clip02", "twice": "clip05"})
    refused = extract(made, jobs=1, device="cpu", batch_seconds=2.0)
    assert list(refused) == ["custom/clip02", "custom/clip05"]
    assert "SIGKILL" in refused["custom/clip02"] and "differ in frames" in refused["custom/clip05"]
    assert len(kept(made, "steady", made.everything())) == 9


def test_a_killed_extraction_goes_on(folder):
    log = folder / "log"
    config = toy_config(folder, preprocess={"features": {"swaying": {"log": str(log), "pause": 0.3}}})
    child = python("-m", "tests.toy_networks", "--config", str(config), "--batch_seconds", "0.5")
    while len(rows(log)) < 4:
        assert child.poll() is None
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    made = Experiment.read(config)
    before = kept(made, "swaying", made.everything())
    assert 3 <= len(before) < 10
    log.unlink()
    assert not extract(made, jobs=1, device="cpu")
    again = {identity for row in rows(log) for identity in row[3]}
    assert again and not again & before.keys()
    found = kept(made, "swaying", made.everything())
    for identity, array in alone(made, "swaying", set(made.everything())).items():
        np.testing.assert_allclose(found[identity], array, rtol=0, atol=1e-6)


def test_workers_of_a_process_that_touched_a_gpu_are_spawned(monkeypatch):
    monkeypatch.setattr(toy_networks, "forked", True)
    work = toy_networks.is_forked
    before = list(parallel(work, range(3), what="before", jobs=2))
    assert before == [True, True, True]
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    after = list(parallel(work, range(3), what="after", jobs=2))
    assert after == [True, False, False], "the first is this process's own"


def test_which_devices_there_are_is_asked_without_touching_one(monkeypatch):
    def touch():
        raise AssertionError("a GPU is touched")

    monkeypatch.setattr(torch.cuda, "_lazy_init", touch)
    assert devices_of("cpu, cpu") == ("cpu", "cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert devices_of() == ("cpu",)
    with pytest.raises(ValueError, match="--device cuda: 'cuda' is not here; there are cpu"):
        devices_of("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices_of() == devices_of("cuda") == ("cuda:0", "cuda:1") and devices_of("cuda:1,cpu") == ("cuda:1", "cpu")
    for wrong in ("cuda:2", "gpu", "cpu,"):
        with pytest.raises(ValueError, match="is not here; there are cpu, cuda:0, cuda:1"):
            devices_of(wrong)
    with pytest.raises(ValueError, match="--batch_seconds is above 0, got 0"):
        Options(batch_seconds=0)


def test_what_a_network_is_worked_out_from_comes_before_it(folder, monkeypatch):
    order = []

    def noted(work):
        return lambda *given: order.append(given[1]) or work(*given)

    monkeypatch.setattr(extraction, "_on_all_cores", noted(extraction._on_all_cores))
    monkeypatch.setattr(extraction, "_computed", noted(_here))
    made = experiment(folder, steady={}, needing={}, slow={}, content={})
    utterances = set(made.everything())
    options = Options(jobs=1)
    refused = extract_batched(made.features, utterances, options)
    assert not refused
    assert order == ["steady", ["slow"], "needing"]
    assert len(kept(made, "slow", utterances)) == 10
    assert len(kept(made, "needing", utterances)) == 10
    assert not kept(made, "content", utterances), "what no network needs waits for all cores"


def _here(features, name, planned, options, what):
    work = Work(features, name, "cpu", 1)
    for batch in planned:
        yield Computer(work)(readings(work, batch))
