"""Features at 50, 75 and 80 frames a second and at 16 and 24 kHz, from corpus to batch: each frame of the model gets the right one."""

from fractions import Fraction

import numpy as np
import pytest

from models.base.data import Utterances
from preprocessors.base import read_manifest
from processors.features import FeatureSet
from tests.conftest import make_corpus
from tests.test_clock import by_hand
from tests.toy_features import Codes, Content, Slow
from utils.audio import Audio

OWN = {"content": Content, "half": Content, "line": Content, "codes": Codes, "slow": Slow}
GRIDS = [(22050, 256), (24000, 320), (16000, 200)]
CONVENTIONS = {"same": "hifigan", "center": "tacotron2"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("clocks"), [0.61, 1.003, 0.9, 1.2, 0.5])


def feature_set(folder, sizes, padding, store=True):
    rate, hop = sizes
    settings = {"mel": {"convention": CONVENTIONS[padding]}, "number": {}, "audio": {}, **{name: {} for name in OWN}}
    return FeatureSet(settings, sample_rate=rate, hop_size=hop, store=folder / "data" if store else None)


def utterances(folder):
    return read_manifest(folder / "data/custom/train.jsonl")


def expected(name, frames, kept, grid):
    own = OWN[name].clock
    if name != "line":
        return kept[[by_hand(grid, own, int(frame), len(kept)) for frame in frames]]
    places = [(grid.first + int(frame) / grid.rate - own.first) * own.rate for frame in frames]
    columns = [np.interp([float(p) for p in places], np.arange(len(kept)), column) for column in kept.T]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("segment", [None, 16])
@pytest.mark.parametrize("padding", CONVENTIONS)
@pytest.mark.parametrize("sizes", GRIDS)
def test_each_frame_gets_what_stands_at_its_centre(folder, sizes, padding, segment, store):
    features = feature_set(folder, sizes, padding, store)
    names = ["mel", "number", "audio", *OWN]
    data = Utterances(utterances(folder), features, names, [], segment_frames=segment, seed=3)
    for _ in range(2):  # computed, then as kept
        batch = data.collate([data[epoch, index] for epoch in (0, 1) for index in range(3)])
        for row in range(6):
            utterance = utterances(folder)[row % 3]
            frames = int(batch["frames"][row])
            numbers = batch["number"][row, :frames].numpy()
            if segment is None:
                assert frames == features.frames.of_sound(round(utterance.seconds * sizes[0]))
            for name in OWN:
                kept = features.raw(utterance, [name])[name]
                found = batch[name][row, :frames].numpy()
                np.testing.assert_allclose(found, expected(name, numbers, kept, features.frames.clock), atol=2e-6, err_msg=name)


def test_what_a_network_says_is_kept_in_half_floats_and_read_in_whole_ones(folder):
    features = feature_set(folder, GRIDS[0], "same")
    utterance = utterances(folder)[1]
    first = features(utterance, ["number", "half"])["half"]
    kept = np.load(features.path("half", utterance))
    assert kept.dtype == np.float16 and first.dtype == np.float32
    np.testing.assert_array_equal(first, features(utterance, ["number", "half"])["half"], "what was just computed is what is read")
    np.testing.assert_array_equal(first, feature_set(folder, GRIDS[0], "same", store=False)(utterance, ["number", "half"])["half"])


def test_what_no_half_float_holds_is_named(folder, monkeypatch):
    call = Content.__call__
    monkeypatch.setattr(Content, "__call__", lambda *given: call(*given) * 70_000)
    with pytest.raises(ValueError, match="clip01: half holds NaN or infinity"):
        feature_set(folder, GRIDS[0], "same", store=False)(utterances(folder)[1], ["half"])


def test_a_sound_is_read_once_and_resampled_once_for_each_rate(folder, monkeypatch):
    reads, rates = [], []
    read, resample = Audio.read.__func__, Audio.resample
    monkeypatch.setattr(Audio, "read", classmethod(lambda *given, **more: reads.append(given[1]) or read(*given, **more)))
    monkeypatch.setattr(Audio, "resample", lambda self, rate: rates.append(rate) or resample(self, rate))
    feature_set(folder, GRIDS[0], "same", store=False)(utterances(folder)[0])
    assert len(reads) == 1 and sorted(rates) == [16000, 22050, 24000]


def test_content_alone_says_how_many_frames_there_are(folder):
    features = feature_set(folder, GRIDS[0], "same")
    utterance = utterances(folder)[1]
    found = features(utterance, ["content", "codes"])
    whole = features(utterance, ["mel", "content"])
    assert len(found["content"]) == len(found["codes"]) and abs(len(found["content"]) - len(whole["mel"])) <= 2
    shared = min(len(found["content"]), len(whole["mel"]))
    np.testing.assert_array_equal(found["content"][:shared], whole["content"][:shared])


@pytest.mark.parametrize("factor", [Fraction(1, 2), 2])
def test_content_of_another_sound_is_refused(folder, monkeypatch, factor):
    call = Content.__call__

    def wrong(self, utterance, audio):
        array = call(self, utterance, audio)
        return np.resize(array, (int(len(array) * factor), 2))

    monkeypatch.setattr(Content, "__call__", wrong)
    with pytest.raises(ValueError, match=r"custom/clip01: features differ in frames by more than 3: .*'mel': 86, 'content'"):
        feature_set(folder, GRIDS[0], "same", store=False)(utterances(folder)[1], ["mel", "content"])
