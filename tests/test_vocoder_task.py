"""Vocoders for users: options, precision, compiling, long and broken input, F0, mels of another scale, the program."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

from bins.infer import main
from models.base.checkpoint import save_release
from models.base.experiment import build_model
from models.base.model import Model
from models.base.task import make_task
from models.vocoders import task as vocoder_task
from models.vocoders.task import Vocoder
from modules.noise import placed
from processors.features import FeatureSet
from processors.mel import MEL_CONVENTIONS, MelSettings, MelSpectrogram, mel_converted
from tests.conftest import RATE, clip
from tests.test_models import card_of
from tests.test_stream import CONVOLUTIONAL, VOCODERS, arrays, seeded, speak, vocoder
from utils.audio import Audio

HOP = 64


class Voiced(Model):
    """A network that reads F0 and has options: one sample value a frame, known in closed form."""

    receptive_field_frames = 0

    def __init__(self):
        super().__init__()
        self.asked = []

    def infer(self, mel, f0, *, steps: int = 4, seed: int = 0):
        self.asked.append((mel.shape, steps, seed))
        return (mel.mean(2) + f0 / 1000 + steps + seed).repeat_interleave(HOP, dim=1)


class Stepwise(Model):
    """A network that is no convolution: each sample hangs on all before it."""

    def infer(self, mel, *, temperature: float = 1.0):
        return (temperature * mel.mean(2)).cumsum(1).repeat_interleave(HOP, dim=1)


@pytest.fixture
def voiced():
    return around(Voiced())


def around(network, **mel):
    features = FeatureSet(
        {"mel": {"n_mel": 8, "n_fft": 256, "win_size": 256, **mel}, "f0": {}, "audio": {}}, sample_rate=RATE, hop_size=HOP
    )
    return Vocoder(network, features, {})


def mel_of(frames, bands=8):
    return np.random.default_rng(frames).standard_normal((frames, bands)).astype(np.float32)


def test_options_go_to_the_model_and_strangers_are_refused(voiced):
    mel, f0 = mel_of(5), np.full(5, 200.0)
    plain = voiced(mel, f0=f0).samples
    np.testing.assert_allclose(voiced(mel, f0=f0, steps=6, seed=3).samples, plain + 5, rtol=1e-6)
    np.testing.assert_allclose(plain[::HOP], mel.mean(1) + 0.2 + 4, rtol=1e-5)
    with pytest.raises(ValueError, match="temperature: Voiced has no such option; it has steps, seed"):
        voiced(mel, f0=f0, temperature=0.5)
    with pytest.raises(ValueError, match="steps: HiFiGAN has no such option; it has none"):
        vocoder("HiFiGAN")(mel_of(4, 80), steps=3)
    with pytest.raises(ValueError, match="did you mean 'bf16'"):
        voiced(mel, f0=f0, precision="bf61")


def test_f0_that_does_not_fit(voiced):
    mel = mel_of(5)
    for f0, message in (
        (None, "reads F0 beside the mel"),
        (np.full(6, 100.0), r"f0 of shape \(6,\) does not fit a mel of 5 frames"),
        (np.full((5, 1), 100.0), r"\(5, 1\)"),
        (np.array([100, np.nan, 0, 0, 0]), "holds NaN"),
        (np.array([100, -1, 0, 0, 0]), "negative"),
    ):
        with pytest.raises(ValueError, match=message):
            voiced(mel, f0=f0)
    with pytest.raises(ValueError, match="HiFiGAN reads no F0"):
        vocoder("HiFiGAN")(mel_of(5, 80), f0=np.zeros(5))
    with pytest.raises(ValueError, match="one f0 for each mel"):
        voiced.batch([mel, mel], [np.zeros(5)])
    with pytest.raises(ValueError, match="reads F0 beside the mel"):
        list(voiced.stream([mel]))


def test_f0_comes_from_the_recording(voiced, tmp_path):
    path = Audio(clip(1.0, 150, 0), RATE).write(tmp_path / "a.wav")
    read = voiced.analyse(Audio.read(path))
    assert read["f0"].shape == read["mel"].shape[:1] and 120 < np.median(read["f0"][read["f0"] > 0]) < 180
    np.testing.assert_allclose(voiced(str(path)).samples, voiced(read["mel"], f0=read["f0"]).samples)
    with pytest.raises(ValueError, match="worked out from the recording"):
        voiced(str(path), f0=np.zeros(3))
    for recording in (path, Audio.read(path)):
        np.testing.assert_array_equal(voiced(recording).samples, voiced(str(path)).samples)
    np.testing.assert_array_equal(voiced(Audio.read(path).samples, RATE).samples, voiced(str(path)).samples)
    other = Audio.read(path).resample(22050)
    assert abs(voiced(other.samples, 22050).seconds - voiced(str(path)).seconds) < 0.01
    with pytest.raises(ValueError, match="rate=22050: a file and an Audio have their own"):
        voiced(other, 22050)
    other = around(Voiced(), convention="tacotron2")  # a centred mel has a frame more than the track
    read = other.analyse(Audio.read(path))
    assert len(read["f0"]) == len(read["mel"])


@pytest.mark.parametrize("name", VOCODERS)
def test_a_mel_that_cannot_be_is_refused(name):
    task = vocoder(name)
    good = arrays(task, 3)
    bands = good["mel"].shape[1]
    for bad, message in (
        (np.zeros((0, bands)), "one frame or more"),
        (np.zeros((5, bands - 1)), str(bands)),
        (np.zeros(bands), "give their rate"),
        (np.full((5, bands), np.nan), "NaN"),
        (np.full((5, bands), np.inf), "NaN or infinity"),
    ):
        with pytest.raises(ValueError, match=message):
            task(bad, f0=None)
    assert len(speak(task, arrays(task, 1))) == task.hop_size


@pytest.mark.parametrize("name", VOCODERS)
def test_using_a_model_leaves_it_fit_to_train(name):
    """The trainer listens to the model it is training: its norms must still be there afterwards."""
    task = vocoder(name)
    before = set(task.model.state_dict())
    speak(task, arrays(task, 2))
    assert set(task.model.state_dict()) == before and all(p.requires_grad for p in list(task.model.parameters())[:1])
    assert not any("parametrizations" in key for key in task.network.state_dict())


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_bf16_is_near(name):
    task = vocoder(name)
    given = arrays(task, 40)
    whole, half = speak(task, given), speak(task, given, precision="bf16")
    assert half.dtype == np.float32 and np.abs(half - whole).max() > 0
    # BigVGAN's random weights give nearly silence, which is lost among the rounding of what cancels to it.
    allowed = 0.6 if name == "BigVGAN" else 0.05
    assert np.linalg.norm(half - whole) < allowed * np.linalg.norm(whole)


class Small(Model):
    """Two convolutions, so that compiling takes seconds."""

    receptive_field_frames = 2

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(8, 16, 3, padding=1), nn.Tanh(), nn.Conv1d(16, HOP, 3, padding=1))

    @torch.inference_mode()
    def infer(self, mel, *, noise_scale: float = 1.0):
        return noise_scale * self.layers(mel.transpose(1, 2)).transpose(1, 2).flatten(1)


@pytest.mark.slow
def test_compiled_says_the_same(monkeypatch):
    monkeypatch.setattr("torch._inductor.config.compile_threads", 1)  # a pool of processes costs more than it saves here
    torch.manual_seed(0)
    task = around(Small())
    for frames in (30, 41):
        plain = task(mel_of(frames), noise_scale=2.0).samples
        np.testing.assert_allclose(task(mel_of(frames), noise_scale=2.0, compile=True).samples, plain, atol=1e-5)
    with pytest.raises(ValueError, match="cannot be compiled"):
        around(Stepwise())(mel_of(3), compile=True)


def test_ten_minutes_are_made_in_pieces_without_being_asked():
    network = Voiced()
    task = around(network)
    frames = 600 * RATE // HOP
    mel, f0 = mel_of(frames), np.full(frames, 100.0)
    long = task(mel, f0=f0)
    assert max(shape[1] for shape, *_ in task.network.asked) * HOP <= vocoder_task.CHUNK_SECONDS * RATE + HOP
    np.testing.assert_allclose(long.samples[::HOP], mel.mean(1) + 0.1 + 4, rtol=1e-5)
    assert len(long.samples) == frames * HOP


def test_what_is_long_is_cut_where_its_samples_do_not_show_it(monkeypatch):
    monkeypatch.setattr(vocoder_task, "LONGEST_SECONDS", 1.0)
    monkeypatch.setattr(vocoder_task, "CHUNK_SECONDS", 0.4)
    task = vocoder("HiFiGAN")
    mel = arrays(task, 300)["mel"]
    np.testing.assert_allclose(task(mel).samples, task(mel, chunk_seconds=0).samples, atol=1e-5)


def test_what_is_no_convolution():
    task = around(Stepwise())
    mels = [mel_of(5), mel_of(9)]
    for audio, mel in zip(task.batch(mels, temperature=2.0), mels, strict=True):
        np.testing.assert_allclose(audio.samples, task(mel, temperature=2.0).samples)
    with pytest.raises(ValueError, match="cannot be cut"):
        task(mels[0], chunk_seconds=1.0)
    with pytest.raises(ValueError, match="chunk_seconds must be 0"):
        vocoder("HiFiGAN")(mel_of(3, 80), chunk_seconds=-1.0)


class Noisy(Model):
    """A network that makes sound from noise, four samples at a time, as WaveGlow does."""

    receptive_field_frames = 1
    draws = ("noise",)

    def drawn(self, inputs, *, seed, first):
        numbers = placed(seed, first, first + inputs["mel"].shape[1], HOP)
        return {"noise": numbers.reshape(1, -1, 4).transpose(1, 2)}

    @torch.inference_mode()
    def infer(self, mel, *, noise_scale: float = 0.5, seed: int | None = None, noise=None):
        loud = nn.functional.avg_pool1d(mel.mean(2)[:, None], 3, 1, 1)[:, 0].repeat_interleave(HOP, dim=1)
        return loud + noise_scale * noise.transpose(1, 2).flatten(1)


def test_noise_runs_along_with_the_mel_however_it_is_cut():
    task = around(Noisy())
    mel = mel_of(200)
    whole = task(mel, seed=5, chunk_seconds=0).samples
    assert 0.3 < (whole - task(mel, noise_scale=0.0).samples).std() < 0.7
    for seconds in (0.02, 0.3):
        np.testing.assert_allclose(task(mel, seed=5, chunk_seconds=seconds).samples, whole, atol=1e-6)
        streamed = [a.samples for a in task.stream([mel[:7], mel[7:90], mel[90:]], seed=5, chunk_seconds=seconds)]
        np.testing.assert_allclose(np.concatenate(streamed), whole, atol=1e-6)
    for audio, part in zip(task.batch([mel, mel[:33]], seed=5, chunk_seconds=0.1), (mel, mel[:33]), strict=True):
        np.testing.assert_allclose(audio.samples, task(part, seed=5).samples, atol=1e-6)
    assert np.abs(task(mel, seed=6).samples - whole).max() > 0.5
    first, second = (task(mel).samples for _ in range(2))
    assert np.abs(first - second).max() > 0.5, "without a seed, chance"
    torch.manual_seed(1)
    first = task(mel).samples
    torch.manual_seed(1)
    np.testing.assert_allclose(task(mel).samples, first)


# Mels of other settings

SIZES = {"sample_rate": RATE, "hop_size": 200, "n_fft": 1024, "win_size": 800, "n_mel": 40}
BASE = vars(MEL_CONVENTIONS["hifigan"]) | {"floor": 1e-5}


def settings(**changes):
    return {**SIZES, "convention": {**BASE, **changes}}


SCALES = {
    "log10": {"log": "log10"},
    "decibels": {"log": "dB"},
    "power in decibels": {"log": "dB", "power": 2, "floor": 1e-10},
    "normal": {"mean": -4.92, "std": 2.85},
    "no logarithm": {"log": "none"},
    "between 0 and 1": {"log": "dB", "mean": -100.0, "std": 140.0, "clip": (0.0, 1.0)},
    "floor added": {"floor_added": True},
    "a window of unit energy": {"window_energy": True, "epsilon": 0.0, "floor": 1e-7},
}


@pytest.mark.parametrize("scale", SCALES)
def test_a_mel_of_another_scale_is_converted(scale):
    """Against the mel computed with the wanted settings from the same sound."""
    changes = SCALES[scale]
    base = {k: changes[k] for k in ("power", "epsilon") if k in changes}  # what no conversion can change is that of both
    wanted = settings(**base, floor=1e-4) if "power" not in base else settings(**base, floor=1e-8)
    samples = torch.from_numpy(clip(0.5, 150, 0))[None]
    other, ours = (MelSpectrogram(MelSettings(**s))(samples)[0].numpy() for s in (settings(**changes), wanted))
    assert np.abs(other - ours).max() > 3e-3
    np.testing.assert_allclose(mel_converted(other, settings(**changes), wanted), ours, atol=2e-3)


def test_a_mel_of_other_settings_is_refused_with_both_values():
    for changes, message in (
        ({"fmax": 4000.0}, "fmax is 4000.0 here and 8000.0 there"),
        ({"hop_size": 100}, "hop_size is 100 here and 200 there"),
        ({"n_mel": 20}, "n_mel is 20 here and 40 there"),
        ({"convention": {**BASE, "padding": "center"}}, "padding is 'center' here and 'same' there"),
        ({"convention": {**BASE, "power": 2}}, "power is 2 here and 1 there"),
        ({"convention": {**BASE, "floor": 1e-3}}, "floor is 0.001 here and 1e-05 there"),
        ({"convention": {**BASE, "log": "dB", "clip": (-60.0, 0.0)}}, "the least energy is 0.001 here and 1e-05 there"),
        ({"convention": {**BASE, "log": "dB", "clip": (-100.0, -1.0)}}, "clip is (-100.0, -1.0) here and None there"),
    ):
        with pytest.raises(ValueError, match="other settings") as error:
            mel_converted(np.zeros((3, 40)), {**settings(), **changes}, settings())
        assert message in str(error.value)


def test_a_task_converts_what_it_reads():
    task = vocoder("HiFiGAN")
    mel, ours = mel_of(6, 80), task.mel_settings
    assert task.convert(mel, ours) is mel
    tens = dataclasses.replace(ours, convention=dataclasses.replace(ours.convention, log="log10"))
    np.testing.assert_allclose(task.convert(mel / np.log(10) - 4, tens), np.maximum(mel - 4 * np.log(10), np.log(1e-5)), rtol=1e-5)
    with pytest.raises(ValueError, match="fmax is 1234 here and 8000"):
        task.convert(mel, dataclasses.replace(ours, fmax=1234))


# Files and the program


@pytest.fixture
def release(tmp_path):
    torch.manual_seed(0)
    card = card_of("HiFiGAN")
    save_release(tmp_path / "release", card, build_model(card).state_dict())
    return tmp_path / "release"


def test_the_program_speaks_mels_and_streams(release, tmp_path, capsys):
    np.save(tmp_path / "mels.npy", mel_of(40, 80))
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "mels.npy").rename(folder / "a.npy")
    Audio(clip(0.5, 150, 0), RATE).write(folder / "b.wav")
    words = ["--checkpoint", str(release), "--folder", str(folder)]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    assert main([*words, "--out", str(tmp_path / "streamed"), "--stream", "--chunk_seconds", "0.05"]) == 0
    for name, frames in (("a", 40), ("b", int(0.5 * 22050) // 256)):
        whole, streamed = (Audio.read(tmp_path / side / f"{name}.wav").samples for side in ("whole", "streamed"))
        assert len(whole) == frames * 256
        np.testing.assert_allclose(streamed, whole, atol=1e-4)  # 16 bits
    with pytest.raises(ValueError, match="temperature: HiFiGAN has no such option"):
        main([*words, "--temperature", "0.5"])
    with pytest.raises(ValueError, match="--stream: needs a vocoder"):
        main(["--checkpoint", str(release), "--text", "hello", "--stream"])
    (folder / "c.npy").write_bytes(b"no array")
    main([*words, "--out", str(tmp_path / "again")])
    assert "left out c" in capsys.readouterr().err


def test_every_vocoder_says_what_its_options_are():
    for name in VOCODERS:
        assert seeded(vocoder(name)) in ({}, {"seed": 7})


def test_a_card_of_a_vocoder_is_json(release):
    assert json.loads((release / "card.json").read_text())["model_type"] == "HiFiGAN"
    assert isinstance(make_task(build_model(card_of("HiFiGAN")), vocoder("HiFiGAN").features, card_of("HiFiGAN"), device="cpu"), Vocoder)
