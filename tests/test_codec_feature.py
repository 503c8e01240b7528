"""Codes as a feature: kept by the codec that made them, frame for frame where the model has as many, on their own clock where not."""

from fractions import Fraction

import numpy as np
import pytest

from models import load
from models.base.checkpoint import save_release
from models.codec.task import Codec
from preprocessors.base import Utterance
from processors.features import FeatureSet, feature_class
from tests.codec import HOP, RATE, SETTINGS, network, sound
from utils.audio import Audio

FACTS = {"sample_rate": RATE, "hop_size": HOP}


def release(folder, **settings):
    card = {"model_type": "EnCodec", "preprocess": {**FACTS, "features": {"audio": {}}}, "facts": FACTS, "learned": {}}
    model = network(**settings)
    save_release(folder, {**card, "model": {**SETTINGS, **settings}}, model.state_dict())
    return str(folder)


def features_of(tmp_path, place, hop_size=HOP, bandwidth=10):
    settings = {"codec": {"model": place, "bandwidth": bandwidth}, "audio": {}}
    return FeatureSet(settings, sample_rate=RATE, hop_size=hop_size, store=tmp_path / "store")


def utterance_of(tmp_path, samples=1003):
    audio = Audio(sound(samples)[0, 0].numpy(), RATE)
    path = audio.write(tmp_path / "one.wav")
    return Utterance("one", "custom", "ann", str(path), audio.seconds)


def test_codes_are_kept_and_read_frame_for_frame(tmp_path):
    place = release(tmp_path / "codec")
    utterance = utterance_of(tmp_path)
    features = features_of(tmp_path, place)
    assert features.facts | {"codebooks": 2, "codebook_size": 32} == features.facts
    assert set(features.features["codec"].facts) == set(feature_class("codec").gives)
    features.fit([utterance], ["custom"], jobs=1)
    arrays = features(utterance)
    heard = Audio.read(utterance.audio)
    wanted = load(place, device="cpu").encode(Audio(heard.samples[:1000], RATE), bandwidth=10)
    assert arrays["codec"].dtype == np.int64 and (arrays["codec"] == wanted.values.T).all()
    assert len(arrays["audio"]) == len(arrays["codec"]) * HOP
    (kept,) = (tmp_path / "store").rglob("one.*.npy")
    assert np.load(kept).dtype == np.int16 and kept.parent.parent.name == load(place, device="cpu").digest


def test_another_rate_of_frames_is_a_clock_of_its_own(tmp_path):
    features = features_of(tmp_path, release(tmp_path / "codec"), hop_size=20)
    clock = features.features["codec"].clock
    assert clock.rate == 1000 and clock.first == Fraction(1, 2000)
    arrays = features(utterance_of(tmp_path))
    whole = features_of(tmp_path, str(tmp_path / "codec"))(utterance_of(tmp_path))
    # A frame of the model is 2.5 of the codec's: centres lie at 1.25, 3.75, 6.25, 8.75 of these, whose own lie at a half.
    assert (arrays["codec"][:4] == whole["codec"][[1, 3, 6, 8]]).all()


def test_another_codec_than_was_learnt_with_is_refused(tmp_path):
    place = release(tmp_path / "codec")
    utterance = utterance_of(tmp_path)
    features = features_of(tmp_path, place)
    features.fit([utterance], ["custom"], jobs=1)
    learned = features.features["codec"].learned
    assert features.features["codec"].whole(learned, tmp_path)
    other = features_of(tmp_path, release(tmp_path / "other", seanet={**SETTINGS["seanet"], "lstm": 0}))
    other.restore({"codec": learned})
    assert not other.features["codec"].whole(learned, tmp_path)
    with pytest.raises(ValueError, match="is another one than was learnt with"):
        other(utterance)


def test_what_cannot_be_a_feature_is_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="codec finds no model at"):
        features_of(tmp_path, str(tmp_path / "none")).facts  # noqa: B018
    chunked = release(tmp_path / "chunked", chunking={"seconds": 0.05})
    with pytest.raises(ValueError, match="codes in chunks that overlap"):
        features_of(tmp_path, chunked).facts  # noqa: B018
    with pytest.raises(ValueError, match="bandwidth: 5 to 20 kbit/s"):
        features_of(tmp_path, release(tmp_path / "codec"), bandwidth=1).facts  # noqa: B018
    monkeypatch.setattr(Codec, "codebook_size", 40_000)
    with pytest.raises(ValueError, match="40000 rows in a codebook, and codes are kept of up to 32768"):
        features_of(tmp_path, release(tmp_path / "wide")).facts  # noqa: B018
