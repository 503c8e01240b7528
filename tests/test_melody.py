"""Melodies that move to another voice, the energy of the mel, and the vector of a voice."""

import numpy as np
import pytest

from processors.f0 import F0
from processors.feature import Feature
from processors.features import FeatureSet, feature_class
from processors.melody import median, semitones_to, shift
from tests.conftest import RATE, clip
from utils import pretrained
from utils.audio import Audio


def glide(semitones=0.0):
    """A sung glide from 200 to 300 Hz within two seconds, moved by semitones; (samples,)."""
    seconds = np.arange(2 * RATE) / RATE
    pitch = (200 + 50 * seconds) * 2 ** (semitones / 12)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tones = [np.sin(k * phase) / k for k in range(1, 6)]
    return 0.2 * sum(tones)


def track(samples):
    f0 = F0(sample_rate=RATE, hop_size=160)
    return f0(None, Audio(samples, RATE))


@pytest.mark.parametrize("semitones", [7, -12, 3])
def test_a_glide_that_was_moved_is_moved_back_by_as_much(semitones):
    voice = track(glide(semitones))
    song = track(glide())
    found = semitones_to(song, median(voice))
    assert found == pytest.approx(semitones, abs=0.1)
    assert median(shift(song, found)) == pytest.approx(median(voice), rel=1e-5)


def test_unvoiced_frames_stay_so_and_have_no_say():
    f0 = np.array([0, 0, 0, 200, 210, 0], dtype=np.float32)
    moved = shift(f0, 12)
    assert moved.tolist() == [0, 0, 0, 400, 420, 0]
    assert moved.dtype == f0.dtype
    assert median(f0) == 205


def test_octaves_that_the_tracker_is_mistaken_by_do_not_move_a_song():
    song = np.linspace(200, 300, 1000).astype(np.float32)
    mistaken = song.copy()
    for first in range(0, 1000, 100):
        mistaken[first : first + 40] /= 2
    assert np.median(mistaken) < 240
    assert median(mistaken) == pytest.approx(median(song), rel=1e-4)


def test_a_melody_that_really_leaps_by_an_octave_is_left_as_it_is():
    song = np.repeat([200.0, 400.0, 200.0, 410.0, 400.0], 300)
    assert median(song) == 400


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_song_without_a_voice_says_so(seconds):
    with pytest.raises(ValueError, match="no frame is voiced, .* give the key shift in semitones"):
        semitones_to(np.zeros(100 * seconds), 200.0)


@pytest.mark.parametrize("register", [0.0, -1.0, float("nan")])
def test_a_register_that_is_none_is_named(register):
    with pytest.raises(ValueError, match=f"above 0 Hz, got {register}"):
        semitones_to(np.full(9, 200.0), register)


# Energy


@pytest.mark.parametrize("convention", ["hifigan", "melgan", "tacotron2"])
def test_the_energy_of_the_mel_is_the_norm_of_its_bands(convention):
    settings = {"mel": {"n_mel": 40, "convention": convention}, "energy": {"measure": "mel"}}
    features = FeatureSet(settings, sample_rate=RATE, hop_size=256)
    audio = Audio(clip(1.0, 200, 0), RATE)
    mel = features.features["mel"](None, audio)
    base = 10 if convention == "melgan" else np.e
    bands = base**mel
    expected = np.sqrt((bands**2).sum(axis=1))
    energy = features.features["energy"]
    np.testing.assert_allclose(energy(None, audio), expected, rtol=1e-4)
    assert energy.reach == features.features["mel"].reach


def test_the_energy_of_a_mel_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match='energy.measure "mel" .* add "mel"'):
        FeatureSet({"energy": {"measure": "mel"}}, sample_rate=RATE, hop_size=256)


def test_what_was_kept_before_there_was_a_choice_stays_of_use():
    """Digests of the settings name the folders of arrays."""
    features = FeatureSet({"mel": {}, "energy": {}, "f0": {}}, sample_rate=22050, hop_size=256)
    assert features.digests == DIGESTS


DIGESTS = {"mel": "9472eb88", "energy": "a0aeeea1", "f0": "9102a26e"}


# Voices


@pytest.fixture
def vector():
    pytest.importorskip("resemblyzer")
    return feature_class("speaker_vector")()


def said(feature: Feature, samples):
    return feature(None, Audio(samples, RATE))


def test_the_vector_of_a_voice_is_resemblyzers_in_a_batch_or_alone(vector):
    import resemblyzer

    samples = clip(2.0, 150, 0)
    other = clip(3.0, 220, 1)
    found = vector.compute([None, None], [Audio(samples, RATE), Audio(other, RATE)], "cpu")
    spoken = resemblyzer.preprocess_wav(samples)
    expected = resemblyzer.VoiceEncoder("cpu", verbose=False).embed_utterance(spoken)
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    np.testing.assert_allclose(found[1], said(vector, other), atol=1e-6)
    assert found[0].shape == (vector.channels,)
    assert np.linalg.norm(found[0]) == pytest.approx(1, abs=1e-5)


def test_a_sound_in_which_no_speech_is_found_is_taken_as_it_is(vector, monkeypatch):
    monkeypatch.setattr("resemblyzer.preprocess_wav", lambda samples: samples[:0])
    samples = clip(2.0, 150, 0)
    louder = Audio(samples, RATE).normalised().samples
    expected = pretrained.resemblyzer("cpu").embed_utterance(louder)
    np.testing.assert_allclose(said(vector, samples), expected, atol=1e-6)


def test_silence_is_nobodys_voice(vector):
    with pytest.raises(ValueError, match="speaker_vector: the recording is silent"):
        said(vector, np.zeros(RATE))
