"""Text to audio as users have it: captions, starts, candidates, and what is said of wrong ones."""

import numpy as np
import pytest

from bins import infer
from models import load
from models.base.checkpoint import save_release
from models.tta.ranking import Ranker
from models.tta.timed import TimedTTA
from models.vocoders.hifigan import HiFiGAN
from preprocessors.base import Utterance
from tests import audioldm, tta
from tests.text_encoders import save_encoder
from utils import pretrained
from utils.audio import Audio
from utils.config import build


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return audioldm.release(tmp_path_factory.mktemp("audioldm"))


@pytest.fixture(scope="module")
def model(folder):
    yield load(folder, device="cpu")
    pretrained.forget()


def noise(seconds, rate=tta.RATE):
    samples = 0.3 * np.random.default_rng(0).standard_normal(round(seconds * rate)).astype(np.float32)
    return Audio(samples, rate)


FAST = {"steps": 2, "seed": 0}


def test_a_caption_becomes_a_sound_of_the_length_asked_for(model, tmp_path):
    sound = model("rain on a roof", seconds=0.7, **FAST)
    assert len(sound.samples) == round(0.7 * tta.RATE) and sound.rate == tta.RATE
    assert sound.peak > 0
    sound.write(tmp_path / "rain.wav")
    again = model("rain on a roof", seconds=0.7, **FAST)
    np.testing.assert_array_equal(sound.samples, again.samples)
    other = model("a dog barks", seconds=0.7, **FAST)
    avoided = model("rain on a roof", seconds=0.7, negative="a dog barks twice", **FAST)
    assert not np.allclose(sound.samples, other.samples) and not np.allclose(sound.samples, avoided.samples)
    assert "AudioLDM" in repr(model)


def test_a_seed_below_zero_is_a_new_one_each_time(model):
    sounds = [model("rain", seconds=0.3, steps=1, seed=-1).samples for _ in range(2)]
    assert not np.array_equal(*sounds)


def test_several_candidates_are_ranked_by_clap_and_without_one_the_first_is_taken(model, monkeypatch, caplog):
    monkeypatch.delenv("AMPHION_MODELS", raising=False)
    first = model("rain", seconds=0.3, **FAST)
    several = model.several("rain", seconds=0.3, candidates=5, **FAST)
    assert len(several) == 5 and len({sound.samples.tobytes() for sound in several}) == 5
    np.testing.assert_allclose(several[0].samples, first.samples, atol=0.05)

    class Clap(Ranker):
        def __init__(self, clap, device):
            assert clap == "somewhere"

        def scores(self, caption, sounds):
            assert caption == "rain"
            return np.arange(len(sounds))

    monkeypatch.setattr("models.tta.task.Ranker", Clap)
    ranked = model.several("rain", seconds=0.3, candidates=5, clap="somewhere", **FAST)
    for one, other in zip(ranked, several[::-1], strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


def test_a_start_is_changed_as_far_as_strength_says(model, tmp_path):
    start = noise(0.8)
    path = start.write(tmp_path / "start.wav")
    options = {"init_audio": str(path), "steps": 10, "seed": 0, "guidance": 1.0}
    latent = model.autoencoder.encode(start).mean
    made = [model.autoencoder.encode(model("rain", strength=strength, **options)) for strength in (0.1, 1.0)]
    distances = [np.abs(latents.mean - latent).mean() for latents in made]
    assert distances[0] < distances[1]
    assert len(model("rain", **options).samples) == len(start.samples)
    assert len(model("rain", seconds=0.4, **options).samples) == round(0.4 * tta.RATE)


def test_a_start_of_which_nothing_is_left_is_said_to_be_idle(model, caplog):
    options = {"init_audio": noise(0.8), "steps": 2, "seed": 0, "strength": 1.0}
    model("rain", inpaint="0.2-0.6", **options)
    assert "nothing of init_audio is heard" not in caplog.text
    model("rain", **options)
    assert "strength: at 1 nothing of init_audio is heard" in caplog.text


def test_a_start_alone_is_changed_by_half_and_one_of_which_some_stays_wholly(model):
    options = {"steps": 4, "seed": 0, "guidance": 1.0}
    alone = {"init_audio": noise(0.8)}
    made = model("rain", **alone, **options).samples
    np.testing.assert_array_equal(made, model("rain", strength=0.5, **alone, **options).samples)
    assert not np.allclose(made, model("rain", seconds=0.8, **options).samples)
    spans = {**alone, "inpaint": "0.2-0.6"}
    anew = model("rain", **spans, **options).samples
    np.testing.assert_array_equal(anew, model("rain", strength=1.0, **spans, **options).samples)
    assert not np.allclose(anew, model("rain", strength=0.5, **spans, **options).samples)


def latents_of(model, monkeypatch, **options):
    """The latents of the start, and those that were made of it."""
    made = {}
    infer_of = model.network.infer

    def noted(**inputs):
        made["start"] = inputs["start"][0].numpy()
        out = infer_of(**inputs)
        made["latent"] = out["latent"][0].numpy()
        return out

    monkeypatch.setattr(model.network, "infer", noted)
    model("rain", init_audio=noise(0.8), **options, **FAST)
    return made["start"], made["latent"]


def test_a_span_is_made_anew_and_the_rest_stays(model, monkeypatch):
    start, made = latents_of(model, monkeypatch, inpaint="0.2-0.6")
    rate = float(model.autoencoder.latent_rate)
    inside = np.zeros(len(start), dtype=bool)
    inside[int(0.2 * rate) : round(0.6 * rate)] = True
    np.testing.assert_allclose(made[~inside], start[~inside], atol=1e-4)
    assert not np.isclose(made[inside], start[inside], atol=1e-4).any()


def test_what_is_beyond_the_end_of_a_start_is_made_anew(model, monkeypatch):
    start, made = latents_of(model, monkeypatch, seconds=1.2)
    known = model.autoencoder.latent_frames(0.8)
    np.testing.assert_allclose(made[:known], start[:known], atol=1e-4)
    assert len(made) == model.autoencoder.latent_frames(1.2) > known


def test_what_lies_above_a_frequency_is_made_anew(model, monkeypatch):
    start, made = latents_of(model, monkeypatch, restore_above=2000)
    kept = np.isclose(made, start, atol=1e-4).all((0, 1))
    assert kept.tolist() == sorted(kept, reverse=True) and kept.any() and not kept.all()


def test_an_utterance_is_made_as_long_as_its_recording(model, tmp_path):
    path = noise(0.6).write(tmp_path / "a.wav")
    sample = model.sample(Utterance(id="a", audio=str(path), text="a dog barks", seconds=0.6), steps=1)
    assert len(sample.audio.samples) == round(0.6 * tta.RATE)
    assert sample.generated["mel"].shape == sample.recorded["mel"].shape


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "has no word: say what sounds"),
        ("?!", {}, "has no word: say what sounds"),
        ("rain " * 600, {}, "has 602 tokens, and the text encoder reads 12: shorten it"),
        ("rain", {"seconds": 0.0}, "seconds must be 0.1 to 120, got 0"),
        ("rain", {"seconds": 600.0}, "seconds must be 0.1 to 120, got 600"),
        ("rain", {"seconds": 1e-6}, "seconds must be 0.1 to 120, got 1e-06"),
        (None, {}, "text must be a text, got None"),
        (5, {}, "text must be a text, got 5"),
        ("rain", {"steps": 0}, "steps must be 1 to 1000, got 0"),
        ("rain", {"steps": 1001}, "steps must be 1 to 1000, got 1001"),
        ("rain", {"guidance": -1.0}, "guidance must be 0 or above"),
        ("rain", {"sampler": "euler"}, "sampler must be ddim or"),
        ("rain", {"candidates": 0}, "candidates must be 1 to 64, got 0"),
        ("rain", {"strength": 0.5}, "strength: says what is changed of a sound: name one as init_audio"),
        ("rain", {"inpaint": "1-2"}, "inpaint: says what is changed of a sound: name one as init_audio"),
        ("rain", {"speed": 2.0}, "speed"),
        ("rain", {"init_audio": "nowhere.wav"}, "nowhere.wav"),
        ("rain", {"init_audio": Audio(np.zeros(16000, np.float32), 16000)}, "init_audio: it is silent"),
        ("rain", {"init_audio": noise(1.0), "inpaint": "two-three"}, "two times in seconds are expected"),
        ("rain", {"init_audio": noise(1.0), "inpaint": "0.5-0.2"}, "ends before it begins"),
        ("rain", {"init_audio": noise(1.0), "inpaint": "3-4"}, "begins beyond the end of the sound, which lasts 1.00 s"),
        ("rain", {"init_audio": noise(1.0), "restore_above": 9000.0}, "9000 Hz lies above all that this model makes"),
        ("rain", {"init_audio": noise(1.0), "restore_above": 1e9}, r"1e\+09 Hz lies above all that this model makes"),
        ("rain", {"init_audio": noise(0.05)}, "init_audio: it lasts 0.05 s, and 0.1 s are the least: say how many as seconds"),
        ("rain", {"clap": "/nowhere"}, "clap finds no model at /nowhere: check --clap"),
        ("rain", {"text_encoder": "/nowhere"}, "text_encoder finds no model at /nowhere: check --text_encoder"),
    ],
)
def test_what_is_wrong_is_named_before_a_sound_is_made(model, text, options, message):
    model.network.unet.register_forward_pre_hook(asked := lambda *_: pytest.fail("the network was asked"))
    try:
        with pytest.raises(ValueError, match=message):
            model(text, **options)
    finally:
        model.network.unet._forward_pre_hooks.clear()
    assert asked


def test_a_text_encoder_of_another_width_is_named(model, tmp_path):
    wide = save_encoder(tmp_path, "bert", width=12)
    with pytest.raises(ValueError, match="the text encoder gives 12 channels, and AudioLDM reads 8: give the one that it was trained with"):
        model("rain", text_encoder=str(wide), **FAST)


def test_a_clap_that_is_another_network_is_named_before_a_sound_is_made(model, tmp_path, monkeypatch):
    monkeypatch.setattr(model.network, "infer", lambda **_: pytest.fail("the network was asked"))
    other = save_encoder(tmp_path, "bert")
    with pytest.raises(ValueError, match="clap: .* is no CLAP, the model_type in its config.json is bert: give a folder or hub id"):
        model("rain", candidates=2, clap=str(other), **FAST)


def test_a_clap_without_its_tokenizer_is_named_before_a_sound_is_made(model, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "_sampled", lambda *_: pytest.fail("sounds were made"))
    (tmp_path / "config.json").write_text('{"model_type": "clap"}')
    with pytest.raises(ValueError, match="clap: .* holds no words of a tokenizer, which tokenizer.json should"):
        model("rain", candidates=2, clap=str(tmp_path), **FAST)


def test_a_clap_with_nothing_to_rank_is_said_to_be_idle(model, tmp_path, caplog):
    model("rain", seconds=0.2, clap=str(tmp_path), **FAST)
    assert "clap: there is one candidate, and nothing to rank" in caplog.text


def test_a_recording_of_an_instant_gets_the_shortest_sound(model, tmp_path):
    path = noise(0.05).write(tmp_path / "a.wav")
    sample = model.sample(Utterance(id="a", audio=str(path), text="rain", seconds=0.05), steps=1)
    assert sample.audio.seconds == pytest.approx(0.1)


@pytest.mark.parametrize("text", [None, 5])
def test_events_that_are_no_text_are_named(text):
    task = object.__new__(TimedTTA)
    with pytest.raises(ValueError, match=f"text must be a text, got {text}"):
        task.understood(text, 1.0)


def test_a_vocoder_that_is_none_is_named(model, folder):
    with pytest.raises(ValueError, match="is a AudioLDM, which is no vocoder"):
        model("rain", vocoder=str(folder), **FAST)


def test_a_vocoder_of_another_mel_is_named_before_a_sound_is_made(model, tmp_path):
    card = {
        "model_type": "HiFiGAN",
        "dataset": [],
        "preprocess": {"sample_rate": tta.RATE, "hop_size": tta.HOP, "features": {"mel": {"n_fft": 512, "win_size": 400, "n_mel": 20}}},
        "model": {"upsample_rates": [10, 16], "upsample_kernel_sizes": [20, 32], "upsample_initial_channel": 8},
        "facts": {"n_mel": 20, "hop_size": tta.HOP, "sample_rate": tta.RATE},
        "learned": {},
        "speakers": [],
    }
    save_release(tmp_path / "vocoder", card, build(HiFiGAN, card["model"], card["facts"]).state_dict())
    with pytest.raises(ValueError, match="(?s)reads another mel.*n_mel is 16 here and 20 there"):
        model("rain", vocoder=str(tmp_path / "vocoder"), **FAST)


def test_the_program_makes_sounds_of_texts_and_starts(folder, tmp_path, capsys):
    start = noise(0.5).write(tmp_path / "start.wav")
    texts = tmp_path / "captions.txt"
    texts.write_text("rain|rain on a roof\ndog|a dog barks\n")
    common = ["--checkpoint", str(folder), "--out", str(tmp_path / "out"), "--steps", "1", "--seed", "0"]
    assert infer.main([*common, "--list", str(texts), "--seconds", "0.3"]) == 0
    assert infer.main([*common, "--text", "rain", "--init_audio", str(start), "--strength", "0.5", "--inpaint", "0-0.2"]) == 0
    single = tmp_path / "text.txt"
    single.write_text("a dog barks\n")
    assert infer.main([*common, "--text-file", str(single), "--seconds", "0.3"]) == 0
    made = sorted(path.name for path in (tmp_path / "out").glob("*.wav"))
    assert made == ["0000.wav", "dog.wav", "rain.wav", "text.wav"]
    assert Audio.read(tmp_path / "out/0000.wav").seconds == pytest.approx(0.5)
