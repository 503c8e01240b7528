"""VALL-E for users: a text in the voice of a prompt through its codec, long texts at once, streams, the card that knows the codec."""

import numpy as np
import pytest
import torch

from models import load
from models.base.checkpoint import save_release
from models.base.experiment import build_model
from models.base.task import make_task
from preprocessors.base import Utterance
from processors.features import FeatureSet
from processors.tokens import codec_at
from tests.codec import HOP, RATE, SETTINGS, network
from tests.test_tts_task import LETTERS
from utils.audio import Audio

BOOKS = 4
SIZE = 32


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codec") / "small"
    card = {
        "model_type": "EnCodec", "preprocess": {"sample_rate": RATE, "hop_size": HOP, "features": {"audio": {}}}, "model": SETTINGS,
        "facts": {"sample_rate": RATE, "hop_size": HOP}, "learned": {}, "speakers": ["a"], "dataset": [],
    }  # fmt: skip
    save_release(folder, card, network().state_dict())
    return folder


@pytest.fixture(scope="module")
def release(codec, tmp_path_factory):
    """A VALL-E on the codes of the small codec, which its card knows."""
    torch.manual_seed(0)
    features = {"phone": {"g2p": "characters"}, "codec": {"model": str(codec)}}
    coder = FeatureSet(features, sample_rate=RATE, hop_size=HOP).features["codec"]
    learned = {"phone": {"symbols": LETTERS}, "codec": coder.fit([], None, None, jobs=1, cluster="")}
    card = {
        "model_type": "VALLE", "preprocess": {"sample_rate": RATE, "hop_size": HOP, "features": features}, "dataset": [],
        "model": {"hidden": 16, "decoder": {"layers": 1, "heads": 2}}, "speakers": ["made_ann"], "learned": learned,
        "facts": {"sample_rate": RATE, "hop_size": HOP, "n_vocab": len(LETTERS), "codebooks": BOOKS, "codebook_size": SIZE},
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("valle") / "release"
    save_release(folder, card, build_model(card).state_dict())
    return folder


@pytest.fixture(scope="module")
def task(release):
    return load(release, device="cpu")


def voice(seconds=1.5):
    random = np.random.default_rng(0)
    return Audio(0.2 * random.standard_normal(round(seconds * RATE)), RATE)


SAID = {"prompt": voice(), "prompt_text": "hi", "seed": 3}


def test_a_text_is_said_by_the_codec_that_the_card_knows(task):
    audio = task("go now", **SAID)
    assert audio.rate == RATE and len(audio.samples) % HOP == 0 and np.abs(audio.samples).max() > 0
    assert np.array_equal(task("go now", **SAID).samples, audio.samples)


def test_lines_side_by_side_are_what_they_are_one_after_another(task):
    text = "go. [pause 0.1] run now. [pause 0.1] stay."
    together = task(text, **SAID)
    after = [piece.samples for piece in task.stream(text, **SAID)]
    assert len(after) > 2
    np.testing.assert_allclose(np.concatenate(after), together.samples, atol=1e-5)


def test_nothing_of_a_longer_hypothesis_is_heard_behind_the_one_that_is_said(task, monkeypatch):
    whole = task.network.infer

    def padded(**given):
        out = whole(**given)
        rest = torch.ones_like(out["codes"])
        return out | {"codes": torch.cat([out["codes"], rest], 1)}

    wanted = task("go now", **SAID).samples
    monkeypatch.setattr(task.network, "infer", padded)
    (said,) = task.stream("go now", **SAID)
    assert np.array_equal(said.samples, wanted)


def test_a_stream_gives_pieces_of_a_sentence(task):
    pieces = list(task.stream("go. [pause 0.1] no.", chunk_seconds=0.02, **SAID))
    whole = list(task.stream("go. [pause 0.1] no.", **SAID))
    assert len(pieces) > len(whole) == 2
    assert sum(len(piece.samples) for piece in pieces) == sum(len(piece.samples) for piece in whole)
    with pytest.raises(ValueError, match="hypotheses: 2 cannot be streamed in pieces of a sentence"):
        list(task.stream("go.", chunk_seconds=0.02, hypotheses=2, **SAID))
    for seconds in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"chunk_seconds: 0 .* or above, got {seconds}"):
            task.stream("go.", chunk_seconds=seconds, **SAID)


def test_no_option_is_passed_over(task, monkeypatch):
    called = []
    compiled = lambda **given: called.append(given) or task.network.infer(**given)  # noqa: E731
    monkeypatch.setitem(vars(task), "_compiled", compiled)
    assert np.array_equal(task("go.", compile=True, **SAID).samples, task("go.", **SAID).samples) and len(called) == 1
    with pytest.raises(ValueError, match="compile: pieces of a sentence are made without it"):
        task.stream("go.", chunk_seconds=0.02, compile=True, **SAID)
    with pytest.raises(ValueError, match="vocoder: VALLE makes sound itself, leave 'x' out"):
        task.stream("go.", chunk_seconds=0.02, vocoder="x", **SAID)


def test_an_utterance_goes_on_from_how_its_recording_begins(task, tmp_path):
    path = voice(0.2).write(tmp_path / "a.wav")
    sample = task.sample(Utterance("a", "custom", "x", audio=str(path), seconds=0.2, text="go now"))
    begun = 0.1 * RATE
    assert len(sample.audio.samples) > begun
    prompted = task.sample(Utterance("a", "custom", "x", audio=str(path), seconds=0.2, text="go now"), **SAID)
    assert np.isfinite(prompted.audio.samples).all()


@pytest.mark.parametrize("text", ["\U0001f600", "...!!"])
def test_a_text_that_says_nothing_does_not_hide_behind_the_words_of_the_prompt(task, text):
    with pytest.raises(ValueError, match=r"holds nothing that can be spoken"):
        task(text, **SAID)


def test_a_trained_speaker_is_not_passed_over_for_the_prompt(task, tmp_path):
    with pytest.raises(ValueError, match="speaker: VALLE speaks in the voice of its prompt, and of no trained speaker: leave 'ann' out"):
        task("go", speaker="ann", **SAID)
    path = voice(0.2).write(tmp_path / "a.wav")
    with pytest.raises(ValueError, match="leave 'ann' out"):
        task.sample(Utterance("a", "custom", "x", audio=str(path), seconds=0.2, text="go now"), speaker="ann")


def test_what_it_cannot_say_is_named(task, codec, tmp_path):
    with pytest.raises(ValueError, match="é|unknown"):
        task("caf\u00e9 \u4f60", **SAID)
    with pytest.raises(ValueError, match="rate: VALLE has no control of its tempo"):
        task("[rate 0.5]go[/rate] now", **SAID)
    with pytest.raises(ValueError, match="VALLE does not tell how long its phones last"):
        task.timed("go", **SAID)
    card = task.card | {"facts": task.card["facts"] | {"codebook_size": 64}}
    other = make_task(build_model(card), task.features, card, device="cpu")
    with pytest.raises(ValueError, match="codec: the codebook_size of this one is 32, and that of the codec on whose codes"):
        other("go", **SAID)


def test_a_codec_that_is_another_now_is_refused(release, codec, tmp_path):
    task = load(release, device="cpu")
    task.features.features["codec"].learned["network"] = "another"
    codec_at.cache_clear()
    with pytest.raises(ValueError, match="codec: .* is another one than was learnt with, whose digest is another"):
        task("go", **SAID)
