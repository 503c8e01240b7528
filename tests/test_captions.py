"""Captions as text encoders see them: any encoder of transformers, in batches, kept, and what it says of bad captions."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from preprocessors.base import Utterance
from processors.captions import Captions
from processors.features import FeatureSet
from tests.conftest import SHARED
from tests.text_encoders import save_encoder
from utils import pretrained

TOOL = SHARED / "tools/real_models.py"
WEIGHTS = Path(os.environ.get("AMPHION_WEIGHTS", "~/.cache/amphion-weights")).expanduser()


@pytest.fixture(autouse=True)
def fresh():
    yield
    pretrained.forget()


def utterance(text):
    return Utterance(id="a", text=text)


@pytest.mark.parametrize("kind", ["bert", "t5", "clap"])
def test_a_caption_is_the_same_alone_and_in_a_batch(kind, tmp_path):
    feature = Captions(model=str(save_encoder(tmp_path, kind)))
    texts = ["rain", "a dog barks twice", "rain on a roof"]
    together = feature.compute([utterance(text) for text in texts], [], "cpu")
    for text, array in zip(texts, together, strict=True):
        alone = feature(utterance(text), None)
        tokens = 1 if kind == "clap" else 2 + len(text.split())
        assert array.shape == (tokens, 8)
        np.testing.assert_allclose(alone, array, atol=1e-6)
    assert not np.allclose(together[0][:1], together[1][:1], atol=1e-3)


def test_claps_vectors_have_length_one_and_others_can_be_pooled(tmp_path):
    clap = Captions(model=str(save_encoder(tmp_path / "clap", "clap")))
    np.testing.assert_allclose(np.linalg.norm(clap(utterance("rain"), None)), 1.0, atol=1e-6)
    folder = str(save_encoder(tmp_path / "bert", "bert"))
    tokens = Captions(model=folder)(utterance("rain on a roof"), None)
    pooled = Captions(model=folder, pooled=True)(utterance("rain on a roof"), None)
    np.testing.assert_allclose(pooled, tokens.mean(0, keepdims=True), atol=1e-6)


def test_what_it_makes_of_no_words_is_a_fact_and_travels_in_the_card(tmp_path):
    folder = save_encoder(tmp_path / "encoder", "bert", width=12)
    features = FeatureSet({"caption": {"model": str(folder)}}, sample_rate=16000, hop_size=160, store=tmp_path / "store")
    features.fit([utterance("rain")], ["demo"])
    assert features.facts["caption_channels"] == 12
    assert features.facts["empty_tokens"] == 2
    learned = features.learned(["demo"])
    for file in folder.glob("*"):
        file.unlink()
    restored = FeatureSet({"caption": {"model": str(folder)}}, sample_rate=16000, hop_size=160)
    restored.restore(learned)
    assert restored.facts == features.facts, "training needs the encoder no more"
    np.testing.assert_array_equal(restored.features["caption"].empty, features.features["caption"].empty)


def test_another_encoder_than_was_learnt_with_is_named(tmp_path):
    folder = save_encoder(tmp_path / "encoder", "bert")
    feature = Captions(model=str(folder))
    feature.learned = {"network": "another", "empty": [[0.0]]}
    with pytest.raises(ValueError, match="is another text encoder than was trained with, whose digest is another"):
        feature(utterance("rain"), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no word: say what sounds"),
        (" . ! ", "has no word: say what sounds"),
        ("rain " * 600, r"has 602 tokens, and the text encoder reads 12: shorten it"),
    ],
)
def test_captions_that_say_nothing_or_too_much_are_named(text, message, tmp_path):
    feature = Captions(model=str(save_encoder(tmp_path, "bert")))
    with pytest.raises(ValueError, match=message):
        feature(utterance(text), None)


def test_an_encoder_that_is_not_there_is_named_with_what_to_download(monkeypatch):
    monkeypatch.delenv("AMPHION_MODELS", raising=False)
    with pytest.raises(ValueError, match=r"google/flan-t5-base.*to have it fetched.*Needed is a text encoder"):
        Captions()(utterance("rain"), None)


def test_shorter_captions_can_be_padded_where_the_encoder_sees_it(tmp_path):
    feature = Captions(model=str(save_encoder(tmp_path, "t5")))
    (plain,) = feature.embedded(["rain"])
    (padded,) = feature.embedded(["rain"], least=6)
    assert padded.shape == (6, 8)
    assert not np.allclose(padded[:3], plain, atol=1e-4), "what stands behind it was seen"


def test_a_folder_of_a_pipeline_has_encoder_and_tokenizer_apart(tmp_path):
    save_encoder(tmp_path / "text_encoder", "clap")
    expected = Captions(model=str(tmp_path / "text_encoder"))(utterance("rain"), None)
    (tmp_path / "tokenizer").mkdir()
    for file in (tmp_path / "text_encoder").glob("*token*"):
        file.rename(tmp_path / "tokenizer" / file.name)
    pretrained.forget()
    np.testing.assert_array_equal(Captions(model=str(tmp_path))(utterance("rain"), None), expected)


@pytest.mark.skipif(not TOOL.is_file(), reason=f"no {TOOL}")
def test_minilm_hears_what_other_words_mean():
    """A real encoder: of each caption the nearest of the others is the one that says the same."""
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    with open(WEIGHTS / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run([sys.executable, str(TOOL), "minilm"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no MiniLM: {made.stderr.strip()}")
    feature = Captions(model=str(WEIGHTS / "minilm"), pooled=True)
    assert feature.facts == {"caption_channels": 384, "empty_tokens": 1}
    pairs = ["a dog barks", "barking of a puppy", "rain falls on a roof", "a heavy shower outside", "a helicopter flies by"]
    pairs += ["the rotor of an aircraft"]
    vectors = np.concatenate(feature.embedded(pairs))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = vectors @ vectors.T - 2 * np.eye(len(pairs))
    assert likeness.argmax(1).tolist() == [1, 0, 3, 2, 5, 4]
