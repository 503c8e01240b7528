"""Metrics of text to audio: when sounds begin, how far from when they were asked for, and whether a sound fits its caption."""

import json

import numpy as np
import pytest

from evaluation.base import evaluate
from evaluation.events import matched, onsets
from evaluation.metric import METRICS, Options
from evaluation.pair import Pair, Recording
from preprocessors import demo_events
from tests.test_metrics import voice
from tests.test_metrics_models import clap
from utils.audio import Audio
from utils.events import Event, parse


def mixed(events, seed=0):
    return demo_events.mix(events, np.random.default_rng(seed), 4.0)


def test_onsets_of_the_demo_corpus_are_found_where_they_are(tmp_path):
    demo_events.make(tmp_path, clips=20)
    hits = asked = found = 0
    for clip in demo_events.utterances(tmp_path):
        starts = np.array([event.start for event in parse(clip.events)])
        times = onsets(clip.read()).values
        errors = matched(starts, times)
        assert np.abs(errors).mean() < 0.02
        hits += len(errors)
        asked += len(starts)
        found += len(times)
    assert 2 * hits / (asked + found) > 0.97


def test_f1_and_error_follow_from_what_was_asked(tmp_path):
    asked = [Event("beep", 0.5, 0.8), Event("beep", 1.5, 1.8), Event("dog_bark", 2.5, 2.8)]
    played = [Event("beep", 0.6, 0.9), Event("beep", 1.9, 2.2), Event("dog_bark", 2.5, 2.8), Event("rain", 3.2, 3.9)]
    mixed(asked).write(tmp_path / "ref/a.wav")
    mixed(played).write(tmp_path / "deg/a.wav")
    heard = evaluate(tmp_path / "ref", tmp_path / "deg", ["event_f1", "onset_error"], jobs=1)
    assert heard.metrics["event_f1"]["mean"] == pytest.approx(2 * 2 / (3 + 4))
    assert heard.metrics["event_f1"]["totals"] == {"hits": 2, "asked": 3, "found": 4}
    assert heard.metrics["onset_error"]["mean"] == pytest.approx(0.05, abs=0.011)
    (tmp_path / "ref/a.events").write_text("beep__0.6-0.9_1.9-2.2--rain__3.2-3.9--bell_ring__2.5-3.0\n")
    told = evaluate(tmp_path / "ref", tmp_path / "deg", ["event_f1"], jobs=1)
    assert told.metrics["event_f1"]["mean"] == 1
    (tmp_path / "ref/a.events").write_text("beep\n")
    assert "names no class" in evaluate(tmp_path / "ref", tmp_path / "deg", ["event_f1"], jobs=1).failed["event_f1"]["a"]


def test_a_silent_sound_misses_all_that_was_asked_for(tmp_path):
    asked = [Event("beep", 0.5, 0.8), Event("beep", 1.5, 1.8)]
    for name in "abc":
        mixed(asked).write(tmp_path / f"ref/{name}.wav")
    mixed(asked).write(tmp_path / "deg/a.wav")
    faint = 1e-4 * np.random.default_rng(0).standard_normal(64000).astype(np.float32)
    Audio(faint, 16000).write(tmp_path / "deg/b.wav")
    Audio(np.zeros(160, np.float32), 16000).write(tmp_path / "deg/c.wav")
    heard = evaluate(tmp_path / "ref", tmp_path / "deg", ["event_f1", "onset_error"], jobs=1)
    assert not heard.failed["event_f1"]
    assert heard.metrics["event_f1"]["totals"] == {"hits": 2, "asked": 6, "found": 2}
    assert sorted(heard.failed["onset_error"]) == ["b", "c"]


def test_each_onset_belongs_to_one_of_the_other_side():
    assert matched(np.array([1.0, 1.1]), np.array([1.06])).tolist() == pytest.approx([-0.04])
    assert len(matched(np.array([1.0, 1.15]), np.array([1.1]))) == 1
    assert matched(np.array([1.0]), np.array([1.3])).size == 0
    assert matched(np.array([]), np.array([1.3])).size == 0


def test_steady_noise_has_one_onset_and_its_level_does_not_matter():
    rain = [Event("rain", 1.0, 3.5)]
    sound = mixed(rain)
    assert onsets(sound).values.tolist() == pytest.approx([1.0], abs=0.03)
    assert onsets(Audio(0.1 * sound.samples, sound.rate)).values.tolist() == pytest.approx([1.0], abs=0.03)


def clap_with_words(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    clap(folder, "rand_trunc")
    words = {word: number for number, word in enumerate(("<unk>", "<pad>", "rain", "falls", "dog"))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", model_max_length=12).save_pretrained(folder)
    return str(folder)


def test_clap_compares_a_sound_with_its_caption(tmp_path):
    folder = clap_with_words(tmp_path / "clap")
    options = Options(clap=folder)
    for name, caption in (("a", "rain falls"), ("b", "dog")):
        voice(1.5).write(tmp_path / f"ref/{name}.wav")
        voice(1.5).write(tmp_path / f"deg/{name}.wav")
        (tmp_path / f"ref/{name}.txt").write_text(caption)
    found = evaluate(tmp_path / "ref", tmp_path / "deg", ["clap"], jobs=1, clap=folder).values["clap"]
    assert len(set(found.values())) == 2
    captions = tmp_path / "captions.txt"
    captions.write_text("a.wav|dog\nb.wav|rain falls\n")
    swapped = evaluate(tmp_path / "ref", tmp_path / "deg", ["clap"], jobs=1, clap=folder, ltr_path=str(captions)).values["clap"]
    assert swapped == pytest.approx({"a": found["b"], "b": found["a"]}, abs=1e-6)
    bare = Recording(voice(1.5), options, tmp_path / "none.wav")
    with pytest.raises(ValueError, match=r"no caption of x in .*none.txt: give --ltr_path"):
        Pair(bare, bare, options, "x").score(METRICS["clap"], 48000)


def test_folders_without_pairs_are_judged_as_wholes_and_clap_says_what_it_lacks(tmp_path):
    lack = METRICS["clap"].absent(Options())
    assert "laion/clap-htsat-unfused" in lack
    for side, names in (("ref", "ab"), ("deg", "cd")):
        for name in names:
            mixed([Event("beep", 0.5, 0.5 + 0.1 * ord(name) / 100)], ord(name)).write(tmp_path / f"{side}/{name}.wav")
            np.save(tmp_path / f"{side}/{name}.npy", np.arange(4.0) + ord(name))
    result = evaluate(tmp_path / "ref", tmp_path / "deg", ["fad"], jobs=1, fad_model="given")
    assert json.loads(json.dumps(result.metrics))["fad_given"]["mean"] == pytest.approx(16)
