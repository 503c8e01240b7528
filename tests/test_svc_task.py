"""Singing voice conversion as users call it: whose voice, where it sings, sounds of any kind, and streams."""

import itertools
import json
import logging
import re
import shutil

import numpy as np
import pytest
import torch

from bins.infer import main as infer
from models import load
from models.base.checkpoint import save_release
from models.base.experiment import build_model
from models.svc.streaming import Conversion, in_chunks
from models.svc.task import SVC
from processors import melody
from processors.features import FeatureSet
from tests.conftest import clip
from tests.svc import CHANNELS, CONDITION, GENERATOR
from tests.test_models import card_of
from utils import changes
from utils.audio import Audio
from utils.registry import nearest

RATE = 22050
REGISTERS = {"made_ann": 220.0, "made_bob": 110.0}


def glide(seconds=1.0, low=150.0, high=190.0, rate=RATE):
    """A tone with overtones whose pitch rises."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(low + (high - low) * t / seconds) / rate
    return Audio(sum(0.2 * np.sin(k * phase) / k for k in range(1, 6)), rate)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """An untrained TransformerSVC of two voices, whose registers are known; it draws nothing."""
    torch.manual_seed(0)
    card = card_of("TransformerSVC") | {"registers": REGISTERS}
    folder = tmp_path_factory.mktemp("svc") / "release"
    save_release(folder, card, build_model(card).state_dict())
    return folder


@pytest.fixture
def svc(release):
    return load(release, device="cpu")


@pytest.fixture
def asked(svc, monkeypatch):
    """What the network was asked to sing, call by call: (F0, speaker)."""
    calls = []
    plain = svc.network.infer

    def infer(contents, *, f0, speaker, **rest):
        calls.append((f0[0].numpy(), int(speaker)))
        return plain(contents, f0=f0, speaker=speaker, **rest)

    monkeypatch.setattr(svc.network, "infer", infer)
    return calls


def test_a_song_comes_out_as_long_as_it_went_in_whatever_file_it_is_in(svc, tmp_path):
    assert isinstance(svc, SVC)
    for rate in (16000, 44100):
        sound = glide(rate=rate)
        out = svc(sound.write(tmp_path / f"{rate}.wav"), target="ann", key_shift=0)
        assert out.rate == RATE and abs(out.seconds - sound.seconds) < 2 * 256 / RATE
        np.testing.assert_array_equal(out.samples, svc(Audio.read(tmp_path / f"{rate}.wav"), target="ann", key_shift=0).samples)


def test_the_melody_moves_by_semitones_and_unvoiced_frames_stay_so(svc, asked):
    svc(glide(), target="bob", key_shift=0)
    svc(glide(), target="bob", key_shift=7)
    (plain, bob), (higher, _) = asked
    assert bob == 1
    voiced = plain > 0
    assert voiced.mean() > 0.8 and ((higher > 0) == voiced).all()
    np.testing.assert_allclose(higher[voiced] / plain[voiced], 2 ** (7 / 12), rtol=1e-5)


@pytest.mark.parametrize(("target", "register"), [("ann", 220.0), ("bob", 110.0)])
def test_by_itself_it_moves_to_where_the_voice_sings(svc, asked, target, register):
    svc(glide(), target=target)
    ((sung, _),) = asked
    assert melody.median(sung) == pytest.approx(register, rel=1e-3)


def test_formants_are_moved_before_the_model_hears_and_the_melody_stays(svc, asked, monkeypatch):
    heard = []
    features = svc.features.of_sound
    monkeypatch.setattr(svc.features, "of_sound", lambda sound, names: heard.append(sound) or features(sound, names))
    for factor in (1.0, 1.25):
        svc(glide(), target="ann", key_shift=0, formant_shift=factor)
    plain, moved = heard
    expected = changes.apply(glide(), "formant 1.25")
    np.testing.assert_array_equal(plain.samples, glide().samples)
    np.testing.assert_array_equal(moved.samples, expected.samples)
    (melody_before, _), (melody_after, _) = asked
    inside = slice(5, -5)
    np.testing.assert_allclose(melody_after[inside], melody_before[inside], rtol=0.01)


@pytest.mark.parametrize("factor", [0.4, 2.1, "up", True, np.nan, None, np.ones(2)])
def test_a_factor_of_formants_that_cannot_be_is_named(svc, factor):
    with pytest.raises(ValueError, match="formant_shift must be (0.5 to 2|a number)"):
        svc(glide(), target="ann", formant_shift=factor)


def test_a_glide_moved_by_seven_semitones_is_moved_back(svc, asked):
    """The source is known to be seven semitones above the voice."""
    up = 2 ** (7 / 12)
    svc.card["registers"] = {"made_ann": melody.median(svc.features.of_sound(glide(), ["f0"])["f0"])}
    svc(glide(low=150 * up, high=190 * up), target="ann")
    svc(glide(), target="ann", key_shift=0)
    (moved, _), (plain, _) = asked
    both = (moved > 0) & (plain > 0)
    semitones = 12 * np.log2(moved[both] / plain[both])
    assert np.abs(semitones).max() < 0.1


def test_what_cannot_be_converted_is_said(svc):
    noise = Audio(0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    with pytest.raises(ValueError, match="silent"):
        svc(Audio(np.zeros(RATE, np.float32), RATE), target="ann")
    with pytest.raises(ValueError, match=r"no frame is voiced.*key shift in semitones"):
        svc(noise, target="ann")
    assert svc(noise, target="ann", key_shift=0).seconds == pytest.approx(1, abs=0.03)
    with pytest.raises(ValueError, match=r"unknown speaker 'anne'.*made_ann"):
        svc(glide(), target="anne")
    with pytest.raises(ValueError, match="reference: .* name one as target"):
        svc(glide(), reference="somebody.wav")
    with pytest.raises(ValueError, match="key_shift: a number of semitones"):
        svc(glide(), target="ann", key_shift=float("nan"))
    svc.card["registers"] = {"made_bob": 100.0}
    with pytest.raises(ValueError, match="where made_ann sings is not known.* give semitones"):
        svc(glide(), target="ann")


def test_a_voice_of_which_no_register_is_known_keeps_the_melody_and_says_so(svc, asked, caplog):
    """As those of RVC and so-vits-svc."""
    del svc.card["registers"]
    with caplog.at_level(logging.WARNING):
        svc(glide(), target="ann")
    svc(glide(), target="ann", key_shift=0)
    (by_itself, _), (plain, _) = asked
    np.testing.assert_array_equal(by_itself, plain)
    assert "the melody stays, as where made_ann sings is not known" in caplog.text


@pytest.fixture
def unpitched():
    """An untrained RVC that is told no F0."""
    torch.manual_seed(0)
    card = card_of("RVC")
    card["model"] = card["model"] | {"pitched": False, "decoding": {"vocoder": "hifigan", "sizes": {"generator": GENERATOR}}}
    p = card["preprocess"]
    return SVC(build_model(card), FeatureSet(p["features"], sample_rate=p["sample_rate"], hop_size=p["hop_size"]), card)


def test_a_voice_without_a_melody_streams_and_cannot_be_moved(unpitched):
    (part,) = unpitched.stream([glide(0.3)])
    assert len(part.samples) == len(glide(0.3).samples) and not part.silent
    assert unpitched(glide(0.3), key_shift=0).rate == RATE
    with pytest.raises(ValueError, match="key_shift: RVC sings by no F0, which 5 semitones could move: leave it out"):
        unpitched(glide(0.3), key_shift=5)


def test_a_trained_voice_beside_a_reference_is_refused():
    card = card_of("TransformerSVC")
    card["model"] = card["model"] | {"condition": {**CONDITION, "speakers": "vectors"}}
    card["facts"]["channels"] = {**CHANNELS, "speaker_vector": 5}
    p = card["preprocess"]
    features = FeatureSet(p["features"], sample_rate=p["sample_rate"], hop_size=p["hop_size"])
    with pytest.raises(ValueError, match="target: TransformerSVC sings in the voice of the reference, and knows no 'nobody'"):
        SVC(build_model(card), features, card)(glide(), target="nobody", reference="somebody.wav")


def test_a_vocoder_is_the_one_that_was_named_else_that_of_the_card(svc, monkeypatch):
    named = []

    def trained(path):
        return lambda mel, f0: named.append((path, len(mel) == len(f0))) or glide()

    monkeypatch.setattr(svc._vocode, "_trained", trained)
    monkeypatch.setattr(svc._vocode, "_griffin_lim", lambda: lambda mel: named.append("Griffin-Lim") or glide())
    svc(glide(), target="ann")
    svc.card["vocoder"] = "that/of/the/card"
    svc(glide(), target="ann")
    svc(glide(), target="ann", vocoder="another")
    assert named == ["Griffin-Lim", ("that/of/the/card", True), ("another", True)]


# Streams


def test_a_stream_is_as_long_as_what_came_and_its_latency_is_said(svc, caplog):
    sound = glide(2.3)
    pieces = [Audio(sound.samples[i : i + 1000], RATE) for i in range(0, len(sound.samples), 1000)]
    how = Conversion(chunk=0.5, context=0.5, ahead=0.1, fade=0.02)
    with caplog.at_level(logging.INFO):
        parts = list(svc.stream(iter(pieces), target="ann", conversion=how))
    assert len(parts) == 5 and sum(len(part.samples) for part in parts) == len(sound.samples)
    assert re.search(r"first sound after \d+ ms: 500 ms of chunk, 100 ms of lookahead, \d+ ms of computing", caplog.text)


def test_the_key_shift_of_a_stream_is_found_once(svc, asked):
    quiet = Audio(np.zeros(RATE, np.float32), RATE)
    how = Conversion(chunk=0.5, context=0.0, ahead=0.1, fade=0.05)
    list(svc.stream([quiet, glide(1.0), glide(1.0, 300, 380)], target="ann", conversion=how))
    sung = [f0 for f0, _ in asked if (f0 > 0).any()]
    assert melody.median(sung[0]) == pytest.approx(220, rel=0.05)
    assert melody.median(sung[-1]) > 1.5 * 220, "an octave above, as it came"


def test_the_windows_of_a_stream_are_as_loud_as_their_mels_and_silence_is_silence(svc, monkeypatch):
    """By Griffin-Lim, too."""
    gains = itertools.chain([-5.0, -5.0 + np.log(0.1)], itertools.repeat(0.0))
    plain = svc.network.infer

    def infer(contents, **rest):
        out = plain(contents, **rest)
        return {"mel": out["mel"] + next(gains)}

    monkeypatch.setattr(svc.network, "infer", infer)
    how = Conversion(chunk=0.5, context=0.0, ahead=0.02, fade=0.02)
    song = glide(1.0)
    silence = Audio(np.zeros(RATE // 2, np.float32), RATE)
    parts = list(svc.stream([song, silence], target="ann", key_shift=0, conversion=how))
    loud, quiet, silent, *_ = [np.sqrt(np.mean(part.samples[RATE // 10 :] ** 2)) for part in parts]
    assert quiet / loud == pytest.approx(0.1, rel=0.5) and silent == 0


@pytest.mark.parametrize("size", [300, 1000, 4410])
def test_chunks_of_what_changes_nothing_are_the_sound(size):
    """No sample is lost, repeated or bent at the seams, whatever pieces it comes in."""
    sound = Audio(clip(1.7, 130, 0), 16000)
    pieces = [Audio(sound.samples[i : i + size], 16000) for i in range(0, len(sound.samples), size)]
    how = Conversion(chunk=0.3, context=0.2, ahead=0.1, fade=0.05)
    parts = list(in_chunks(lambda window: window, pieces, 16000, how, name="a copy"))
    np.testing.assert_allclose(np.concatenate([part.samples for part in parts]), sound.samples, atol=1e-6)
    assert len(parts) == 6


def test_a_stream_of_another_rate_is_as_long_as_what_came():
    """Where a chunk is no whole number of samples that come out."""
    pieces = [Audio(np.zeros(4800), 48000)] * 50
    how = Conversion(chunk=0.25, context=0.5, ahead=0.05, fade=0.02)
    parts = in_chunks(lambda window: window.resample(RATE), pieces, RATE, how, name="a copy")
    assert sum(len(part.samples) for part in parts) == 5 * RATE


def test_streams_that_cannot_be(svc):
    with pytest.raises(ValueError, match="before its first sample"):
        list(svc.stream([], target="ann"))
    with pytest.raises(ValueError, match="of one rate.* 22050 Hz came 16000 Hz"):
        list(svc.stream([glide(0.1), glide(0.1, rate=16000)], target="ann"))
    nowhere = float("nan")
    for wrong in ({"chunk": 0}, {"fade": 0.3}, {"context": -1}, {"chunk": np.inf}, {"context": nowhere}, {"ahead": np.inf}):
        with pytest.raises(ValueError, match=f"conversion.{next(iter(wrong))}"):
            Conversion(**wrong)


def test_a_stream_that_ends_before_a_frame_does_is_silence_of_its_length(svc):
    """Whatever shift: there is no melody to find one by."""
    for options in ({}, {"key_shift": 0}, {"formant_shift": 1.2}):
        (part,) = svc.stream([Audio(np.full(100, 0.3), RATE)], target="ann", **options)
        assert len(part.samples) == 100 and part.silent


@pytest.mark.parametrize("shift", ["up", "3", None, [1], np.inf, 1000, np.zeros(2)])
def test_a_shift_that_is_no_number_of_semitones_is_named(svc, shift):
    with pytest.raises(ValueError, match="key_shift: a number of semitones is needed, -60 to 60"):
        svc(glide(), target="ann", key_shift=shift)


def test_recordings_that_cannot_be_sung_are_named(svc):
    with pytest.raises(ValueError, match=r"0.0045 s, less than a frame"):
        svc(Audio(np.full(100, 0.3), RATE), target="ann", key_shift=0)
    broken = glide().samples.copy()
    broken[1000] = np.nan
    with pytest.raises(ValueError, match="recording holds NaN or infinity"):
        svc(Audio(broken, RATE), target="ann")


def test_a_card_without_what_the_model_sings_by_is_named(release, tmp_path):
    folder = tmp_path / "cut"
    shutil.copytree(release, folder)
    card = json.loads((folder / "card.json").read_text())
    del card["preprocess"]["features"]["f0"]
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="TransformerSVC sings by f0, which its card lacks"):
        load(folder, device="cpu")


def test_a_vocoder_that_is_none_is_named(svc, release):
    with pytest.raises(ValueError, match="vocoder: .* is a TransformerSVC, which is no vocoder"):
        svc(glide(), target="ann", key_shift=0, vocoder=str(release))


# The program


def test_the_program_converts_folders_and_streams_them(release, tmp_path):
    songs = tmp_path / "songs"
    glide().write(songs / "a/one.wav")
    glide(0.8, 200, 150).write(songs / "two.flac")
    words = ["--checkpoint", str(release), "--folder", str(songs), "--target", "bob"]
    infer([*words, "--out", str(tmp_path / "out"), "--key_shift", "auto"])
    infer([*words, "--out", str(tmp_path / "moved"), "--key_shift", "-2.5", "--formant_shift", "1.1", "--stream"])
    for name, seconds in (("a/one.wav", 1.0), ("two.wav", 0.8)):
        for folder in ("out", "moved"):
            assert Audio.read(tmp_path / folder / name).seconds == pytest.approx(seconds, abs=0.03)


def test_a_line_of_a_list_names_the_voice_of_its_song(release, svc, tmp_path):
    song = glide().write(tmp_path / "song.wav")
    (tmp_path / "songs.txt").write_text(f"one|ann|{song}\ntwo|bob|{song}\n")
    infer(["--checkpoint", str(release), "--list", str(tmp_path / "songs.txt"), "--key_shift", "0", "--out", str(tmp_path / "out")])
    for name, target in (("one", "ann"), ("two", "bob")):
        wanted = svc(song, target=target, key_shift=0).samples
        np.testing.assert_allclose(Audio.read(tmp_path / "out" / f"{name}.wav").samples, wanted, atol=1e-3)


def test_the_program_refuses_a_shift_that_is_no_number(release, capsys):
    with pytest.raises(SystemExit):
        infer(["--checkpoint", str(release), "--folder", ".", "--key_shift", "up"])
    assert "'up' is no number, and none of auto" in capsys.readouterr().err


def test_a_wrong_vocoder_is_found_before_the_song_is_sung(svc, asked, release, tmp_path):
    with pytest.raises((ValueError, OSError), match="nowhere"):
        svc(glide(), target="ann", vocoder=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="which is no vocoder"):
        svc.stream([glide()], target="ann", vocoder=str(release))
    assert not asked


@pytest.mark.parametrize("name", ["Ann", "anne", "made_an"])
def test_an_unknown_voice_is_answered_with_the_nearest(svc, name):
    with pytest.raises(ValueError, match=f"unknown speaker {name!r}, did you mean 'made_ann'"):
        svc(glide(), target=name)


def test_a_singer_is_suggested_whatever_the_corpus_is_called():
    voices = ["demo_songs_adam", "demo_songs_fay"]
    assert "did you mean 'demo_songs_fay'?" in nearest("Fay", voices, "speaker", ends=True)
    assert "did you mean" not in nearest("Wolfgang", voices, "speaker", ends=True)


def test_a_silent_file_that_is_streamed_is_said_to_be(svc, tmp_path, caplog):
    silent = Audio(np.zeros(RATE // 2), RATE).write(tmp_path / "silent.wav")
    with caplog.at_level(logging.WARNING, "amphion"):
        out = svc.stream_file(str(silent), target="ann", key_shift=0)
        assert "silent.wav is silent" in caplog.text and len(out.samples) == RATE // 2
        caplog.clear()
        svc.stream_file(str(glide(0.5).write(tmp_path / "sung.wav")), target="ann", key_shift=0)
    assert "is silent" not in caplog.text


def test_a_task_that_is_printed_says_what_it_is(svc):
    assert re.fullmatch(
        r"<SVC: TransformerSVC, 0\.\d M parameters, 22050 Hz, voices made_ann, made_bob, sings by f0, energy, words, sounds>", str(svc)
    )
