"""Cepstra as content: the library's numbers, no loudness in them, and their motion."""

import librosa
import numpy as np
import pytest

from processors.features import FeatureSet
from tests.conftest import RATE, clip
from utils.audio import Audio

SETTINGS = {"mel": {"n_fft": 512, "win_size": 512, "n_mel": 40}, "mfcc": {"coefficients": 12}, "mfcc_delta": {"coefficients": 12}}


@pytest.fixture
def features():
    return FeatureSet(SETTINGS, sample_rate=RATE, hop_size=128)


def test_they_are_the_librarys_but_the_first_and_models_know_how_many(features):
    arrays = features.of_sound(Audio(clip(0.6, 140, 0), RATE), ["mel", "mfcc"])
    expected = librosa.feature.mfcc(S=arrays["mel"].T, n_mfcc=13, norm="ortho").T[:, 1:]
    np.testing.assert_allclose(arrays["mfcc"], expected, atol=1e-4)
    assert features.facts["channels"] == {"mfcc": 12, "mfcc_delta": 12}


def test_a_louder_sound_has_the_same(features):
    quiet = Audio(0.2 * clip(0.6, 140, 0), RATE)
    loud = Audio(clip(0.6, 140, 0), RATE)
    one, other = (features.of_sound(sound, ["mfcc"])["mfcc"] for sound in (quiet, loud))
    assert np.abs(one - other).max() < 0.02 * np.abs(other).max()


def test_the_motion_of_what_rises_evenly_is_its_slope(features):
    frames = np.arange(30, dtype=np.float32)
    rising = frames[:, None] * np.linspace(-1, 1, 12, dtype=np.float32)
    slopes = features.features["mfcc_delta"](None, None, mfcc=rising)
    np.testing.assert_allclose(slopes[5:-5], np.broadcast_to(np.linspace(-1, 1, 12), (20, 12)), atol=1e-5)


def test_numbers_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="mfcc.coefficients: 1 or more"):
        FeatureSet({**SETTINGS, "mfcc": {"coefficients": 0}}, sample_rate=RATE, hop_size=128)
    sound = Audio(clip(0.3, 140, 0), RATE)
    too_many = FeatureSet({**SETTINGS, "mfcc": {"coefficients": 40}}, sample_rate=RATE, hop_size=128)
    with pytest.raises(ValueError, match="a mel of 40 bands has 39 at most, got 40"):
        too_many.of_sound(sound, ["mfcc"])
    unequal = FeatureSet({**SETTINGS, "mfcc": {"coefficients": 8}}, sample_rate=RATE, hop_size=128)
    with pytest.raises(ValueError, match="those of mfcc, 8, are needed, got 12"):
        unequal.of_sound(sound, ["mfcc_delta"])
