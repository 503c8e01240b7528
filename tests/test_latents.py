"""Latents as a feature: kept with the autoencoder that made them, frame for frame where the model has as many, with their spread."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from models import load
from preprocessors.base import Utterance
from processors.features import FeatureSet, feature_class
from tests import tta
from tests.codec import speech_release
from tests.conftest import clip
from tests.networks import stirred
from utils.audio import Audio

LATENT_HOP = 4 * tta.HOP


def features_of(folder, place, hop_size=LATENT_HOP):
    return FeatureSet({"latent": {"model": place}}, sample_rate=tta.RATE, hop_size=hop_size, store=folder / "store")


def utterance_of(folder, seconds=0.5, name="one"):
    sound = Audio(clip(seconds, 220, 1), tta.RATE)
    path = sound.write(folder / f"{name}.wav")
    return Utterance(name, "custom", "", str(path), sound.seconds)


def test_latents_are_kept_frame_for_frame(tmp_path):
    place = tta.release(tmp_path / "autoencoder")
    utterance = utterance_of(tmp_path)
    features = features_of(tmp_path, place)
    assert features.facts["latent_channels"] == 3 and features.facts["latent_bins"] == 4
    assert set(features.features["latent"].facts) == set(feature_class("latent").gives)
    assert features.features["latent"].clock is None
    features.fit([utterance], ["custom"], jobs=1)
    moments = features(utterance)["latent"]
    coder = load(place, device="cpu")
    wanted = coder.encode(utterance.audio)
    assert moments.dtype == np.float32 and moments.shape == (13, 6, 4) == wanted.moments.shape
    np.testing.assert_allclose(moments, wanted.moments, rtol=2e-3, atol=2e-3)
    (kept,) = (tmp_path / "store").rglob("one.*.npy")
    assert np.load(kept).dtype == np.float16 and kept.parent.parent.name == coder.digest
    assert coder.latent_frames(0.5) == len(moments) and coder.latent_frames(1e-3) == 1


def test_latents_have_a_clock_of_their_own_where_frames_are_others(tmp_path):
    features = features_of(tmp_path, tta.release(tmp_path / "autoencoder"), hop_size=tta.HOP)
    clock = features.features["latent"].clock
    assert clock.rate == 25 and clock.first == Fraction(1, 50)


def test_how_far_latents_spread_is_measured_over_the_corpus(tmp_path):
    features = features_of(tmp_path, tta.release(tmp_path / "autoencoder"))
    utterances = [utterance_of(tmp_path, seconds, f"u{seconds}") for seconds in (0.3, 0.6)]
    features.fit(utterances, ["custom"], jobs=1)
    features.measure(["latent"], ["custom"], utterances)
    found = features.statistics(["latent"], ["custom"], utterances)["latent"]
    every = np.concatenate([features(utterance)["latent"] for utterance in utterances])
    np.testing.assert_allclose(found["std"], every.std(0), rtol=1e-2, atol=1e-4)
    assert np.shape(found["mean"]) == (6, 4)


def test_another_autoencoder_than_was_learnt_with_is_refused(tmp_path):
    utterance = utterance_of(tmp_path)
    features = features_of(tmp_path, tta.release(tmp_path / "autoencoder"))
    features.fit([utterance], ["custom"], jobs=1)
    learned = features.features["latent"].learned
    other = features_of(tmp_path, tta.release(tmp_path / "other", height="time"))
    other.restore({"latent": learned})
    assert other.features["latent"].whole(learned, tmp_path)  # its weights are the same
    model = stirred(tta.network())
    torch.manual_seed(0)
    from models.base.checkpoint import save_release

    save_release(tmp_path / "stirred", tta.card(), model.state_dict())
    changed = features_of(tmp_path, str(tmp_path / "stirred"))
    changed.restore({"latent": learned})
    with pytest.raises(ValueError, match=r'autoencoder: .* is another one than was learnt with.*"preprocess.features.latent.model": "FOLDER"'):
        changed(utterance)


def test_what_is_no_autoencoder_is_named(tmp_path):
    with pytest.raises(ValueError, match="autoencoder finds no model at"):
        features_of(tmp_path, str(tmp_path / "none")).facts  # noqa: B018
    with pytest.raises(ValueError, match="is a EnCodec, which codes no mels"):
        features_of(tmp_path, speech_release(tmp_path / "codec")).facts  # noqa: B018
