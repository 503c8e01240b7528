"""A stretch is what the same frames of the whole are: kept features and samples to the last bit, spectra to the rounding of sums."""

import itertools

import numpy as np
import pytest

from models.base.data import Utterances
from preprocessors.base import Utterance, inspect
from processors import stretch
from processors.f0 import F0
from processors.features import FeatureSet
from processors.mel import MEL_CONVENTIONS
from processors.stretch import Stretches
from tests.conftest import clip
from tests.toy_features import HEARD
from utils.audio import Audio

RATE = HEARD
SIZES = [(256, 1024), (256, 512), (160, 400), (300, 512)]  # hop, n_fft = win_size; of the last the reach is no whole window
LENGTHS = [400, 512, 2560, 8000, 16384, 16511, 20011]
EXACT = ("audio", "f0", "number", "content", "slow")


def written(folder, samples, rate=RATE, name="a.wav", **more):
    """The utterance of a file as the preprocess stage leaves it."""
    sound = clip(max(samples, 400) / RATE, 150, samples)[:samples]
    path = Audio(sound, rate).write(folder / name)
    row = Utterance(id=path.stem, dataset="custom", audio=str(path), text="a", **more)
    return inspect(row, needs_text=False)[0]


def feature_set(folder, sizes=(256, 1024), convention="hifigan", **more):
    hop, n_fft = sizes
    spectrum = {"n_fft": n_fft, "win_size": n_fft}
    settings = {"mel": {**spectrum, "convention": convention, "n_mel": 20}, "linear": spectrum, "energy": spectrum}
    settings |= {"audio": {}, "number": {}, **more}
    return FeatureSet(settings, sample_rate=RATE, hop_size=hop, store=folder / "data")


def whole_cut(features, utterance, names, first, count):
    """What the dataset did before it knew of stretches: everything computed, and most of it thrown away."""
    arrays = features(utterance, names)
    hop = features.hop_size
    cut = {}
    for name, array in arrays.items():
        unit = {"frame": 1, "sample": hop}.get(features.features[name].axis)
        cut[name] = array if unit is None else array[first * unit : (first + count) * unit]
    return cut


def compare(found, expected, tolerance=1e-6):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].shape == array.shape and found[name].dtype == array.dtype, name
        if name in EXACT:
            np.testing.assert_array_equal(found[name], array, err_msg=name)
        else:  # the product with the mel filters adds up in another order for another number of frames
            scale = max(1.0, float(np.abs(array).max(initial=0.0)))
            np.testing.assert_allclose(found[name], array, rtol=0, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("convention", MEL_CONVENTIONS)
@pytest.mark.parametrize("sizes", SIZES)
def test_any_stretch_is_that_of_the_whole(tmp_path, sizes, convention):
    features = feature_set(tmp_path, sizes, convention)
    names = list(features.features)
    for samples in LENGTHS:
        utterance = written(tmp_path, samples, name=f"{samples}.wav")
        stretches = Stretches(features, utterance, names)
        assert stretches.computed == ["mel", "linear", "energy", "audio"]
        frames = stretches.frames
        assert frames == len(features(utterance, ["mel"])["mel"])
        ends = [0, 1, frames // 2, frames - 9, frames - 1]
        for first, count in itertools.product(ends, (1, 8, 40)):
            if 0 <= first <= max(0, frames - count):
                expected = whole_cut(features, utterance, names, first, count)
                compare(stretches(first, count), expected)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_segment_is_the_one_that_it_was_before(tmp_path, suffix):
    """Same seed, same place: drawn from the same number of frames, however it is found."""
    features = feature_set(tmp_path, f0={}, content={}, slow={})
    rows = [written(tmp_path, samples, name=f"{samples}.{suffix}") for samples in (20011, 16000, 4000)]
    names = list(features.features)
    for store in (False, True):  # the second time F0, content and the slow ones are on disk
        data = Utterances(rows, features, names, [], segment_frames=16, seed=7)
        for epoch, index in itertools.product(range(4), range(3)):
            item = data[epoch, index]
            if store:
                assert Stretches(features, rows[index], names).kept.keys() == {"f0", "content", "slow"}
            frames = len(features(rows[index], ["mel"])["mel"])
            first = int(np.random.default_rng((7, epoch, index)).integers(0, max(frames - 16, 0) + 1))
            expected = whole_cut(features, rows[index], names, first, 16)
            compare({name: item[name] for name in names}, expected)


def test_a_section_of_a_recording(tmp_path):
    features = feature_set(tmp_path)
    written(tmp_path, 48000)
    row = Utterance(id="part", dataset="custom", audio=str(tmp_path / "a.wav"), start=0.70003, seconds=1.2)
    part = inspect(row, needs_text=False)[0]
    names = ["mel", "audio"]
    stretches = Stretches(features, part, names)
    assert not stretches.whole and stretches.frames == 75
    for first in (0, 20, 75 - 16):
        compare(stretches(first, 16), whole_cut(features, part, names, first, 16))


def wholes(folder):
    """Utterances and features of which only the whole tells what a stretch holds."""
    plain = written(folder, 20000)
    stereo = folder / "stereo.wav"
    sound = clip(1.0, 150, 0)
    import soundfile

    soundfile.write(stereo, np.stack([sound, -0.999 * sound], 1), RATE)
    yield "channels that cancel", inspect(Utterance("stereo", "custom", audio=str(stereo)), needs_text=False)[0], {}
    yield "resampled", written(folder, 20000, rate=24000, name="b.wav"), {}
    yield "a coding that is entered at its beginning", written(folder, 20000, name="c.ogg"), {}
    yield "a manifest that does not know its length", Utterance("a", "custom", audio=plain.audio, seconds=1.0), {}
    yield "the loudest band of the utterance", plain, {"convention": {"range_db": 40.0}}
    yield "the other features fit the sound no more", plain, {"f0": {}}


def test_what_only_the_whole_tells_is_computed_from_it(tmp_path):
    for what, utterance, more in wholes(tmp_path):
        features = feature_set(tmp_path, **more)
        names = ["mel", "audio", *(["f0"] if "f0" in more else [])]
        if "f0" in more:  # kept of a sound that was longer: made again, and said
            stretch.Stretches(features, utterance, names)
            np.save(features.path("f0", utterance), np.zeros(500, np.float32))
        stretches = Stretches(features, utterance, names)
        assert stretches.whole, what
        compare(stretches(11, 8), whole_cut(features, utterance, names, 11, 8), tolerance=0)


def test_kept_arrays_that_cannot_be_are_made_again_when_a_stretch_meets_them(tmp_path):
    features = feature_set(tmp_path, f0={})
    utterance = written(tmp_path, 20000)
    right = features(utterance, ["mel", "f0"])["f0"]
    wrong = right.copy()
    wrong[30] = np.nan
    np.save(features.path("f0", utterance), wrong)
    stretches = Stretches(features, utterance, ["mel", "f0"])
    assert "f0" in stretches.kept
    np.testing.assert_array_equal(stretches(25, 10)["f0"], right[25:35])
    np.testing.assert_array_equal(np.load(features.path("f0", utterance)), right)


def test_no_more_is_decoded_and_analysed_than_a_stretch_needs(tmp_path, monkeypatch):
    import soundfile

    features = feature_set(tmp_path, f0={})
    utterance = written(tmp_path, 160_000)
    features(utterance)
    read, frames = [], soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda self, n, **k: read.append(n) or frames(self, n, **k))
    monkeypatch.setattr(F0, "__call__", None)
    Stretches(features, utterance, ["mel", "audio", "f0", "energy"])(200, 32)
    assert read == [(32 + 2 * 3) * 256]


def test_errors_name_the_utterance(tmp_path):
    features = feature_set(tmp_path)
    gone = Utterance("gone", "custom", audio=str(tmp_path / "gone.wav"), seconds=1.0)
    with pytest.raises(ValueError, match=r"custom/gone: cannot read audio .*gone.wav \(no such file\)"):
        Utterances([gone], features, ["mel"], [], segment_frames=16)[0, 0]
