"""What bins.infer offers: the options of the task and of the very model, ours or foreign; and what configs may set of them."""

import json
import re

import numpy as np
import pytest
import soundfile
import torch

from bins.infer import main
from bins.train import main as train
from models.base import choices
from models.base.checkpoint import save_release
from models.base.experiment import build_model, problems_of
from models.base.gan import GANTrainer
from models.base.loading import model_type_at
from models.base.model import Model
from models.base.task import make_task
from models.upstream import PROGRAMS
from models.vocoders.diffwave import DiffWave
from models.vocoders.distributions import Output
from models.vocoders.task import Vocoder
from processors.features import FeatureSet
from tests.conftest import ROOT
from tests.test_models import card_of
from tests.test_stream import vocoder
from tests.test_vocoder_task import around, mel_of
from tests.test_wavernn import HPARAMS, wavernn
from utils.config import signature_of
from utils.meanings import meaning
from utils.registry import load_object


@pytest.fixture
def lmnt(tmp_path):
    """A DiffWave as lmnt publishes one: a file that holds its own settings, and no card of ours."""
    torch.manual_seed(0)
    model = DiffWave(n_mel=5, residual_channels=8, residual_layers=3)
    folder = tmp_path / "lmnt"
    folder.mkdir()
    torch.save({"model": model.state_dict(), "params": {"n_mels": 5}}, folder / "weights-12.pt")
    return folder


@pytest.fixture
def fatchord(tmp_path):
    """A WaveRNN of fatchord's."""
    folder = tmp_path / "fatchord"
    folder.mkdir()
    (folder / "hparams.py").write_text(HPARAMS)
    model = wavernn(Output(kind="categorical", classes=32), padding="zeros")
    torch.save(model.state_dict(), folder / "latest_weights.pyt")
    return folder


@pytest.fixture
def release(tmp_path):
    """A release of the model of that name, random weights."""

    def made(name):
        torch.manual_seed(0)
        card = card_of(name)
        save_release(tmp_path / name, card, build_model(card).state_dict())
        return tmp_path / name

    return made


def listed(capsys, checkpoint):
    """What --help says of it."""
    with pytest.raises(SystemExit) as left:
        main(["--checkpoint", str(checkpoint), "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


def spoken(folder, bands, checkpoint, *words):
    """The samples of a mel of four frames by the program."""
    (folder / "in").mkdir(exist_ok=True)
    np.save(folder / "in/a.npy", mel_of(4, bands))
    out = folder / "-".join(("out", *words))
    assert main(["--checkpoint", str(checkpoint), "--folder", str(folder / "in"), "--out", str(out), *words]) == 0
    return soundfile.read(out / "a.wav")[0]


def test_a_foreign_diffwave_is_offered_its_own_steps(lmnt, tmp_path, capsys):
    shown = listed(capsys, lmnt)
    assert "--steps int" in shown and "--seed int" in shown and "DiffWave's own" in shown
    assert not any(f"--{name} " in shown.split("DiffWave's own")[1] for name in ("speed", "noise", "temperature"))
    assert re.search(r"--steps int +None is [^(]*\(default None\)", shown), "the docstring of infer tells what an option does"
    two, six = (spoken(tmp_path, 5, lmnt, "--seed", "1", "--steps", steps) for steps in ("2", "6"))
    assert np.isfinite(two).all() and two.shape == six.shape == (4 * 256,) and np.abs(two - six).max() > 1e-3
    with pytest.raises(ValueError, match="temperature: DiffWave has no such option; it has steps"):
        spoken(tmp_path, 5, lmnt, "--temperature", "0.5")


def test_a_foreign_wavernn_is_offered_its_own_temperature(fatchord, tmp_path, capsys):
    shown = listed(capsys, fatchord)
    assert "--temperature float" in shown and "--seam {" in shown and "--steps" not in shown
    cold, warm = (spoken(tmp_path, 6, fatchord, "--temperature", value) for value in ("0", "1"))
    assert np.isfinite(warm).all() and np.abs(cold - warm).max() > 1e-3


def test_the_kind_of_a_foreign_model_is_told_without_its_weights(fatchord):
    (fatchord / "latest_weights.pyt").write_bytes(b"")
    assert model_type_at(fatchord) == "WaveRNN"
    for program in PROGRAMS:
        assert callable(load_object(f"models.upstream.{program}:makes"))


@pytest.mark.parametrize(
    "section, model_type",
    [
        ({"model_type": "GANVocoder", "model": {"generator": "BigVGAN"}}, "BigVGAN"),
        ({"model_type": "DiffusionVocoder", "model": {"generator": "diffwave"}}, "DiffWave"),
        ({"model_type": "Fastspeech2"}, "FastSpeech2"),
        ({"model_type": "VITS"}, "VITS"),
    ],
)
def test_amphions_config_names_its_model(tmp_path, section, model_type):
    (tmp_path / "args.json").write_text(json.dumps(section))
    assert model_type_at(tmp_path) == model_type


def test_an_options_type_and_range_are_those_of_infer(release, tmp_path, capsys):
    shown = listed(capsys, release("VITS"))
    assert "--noise_scale float" in shown and "--speaker str" in shown and "--compile " in shown
    assert "--pitch" not in shown, "VITS has none"
    with pytest.raises(ValueError, match="speed must be above 0"):
        main(["--checkpoint", str(tmp_path / "VITS"), "--text", "a", "--speed", "0", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        main(["--checkpoint", str(tmp_path / "VITS"), "--text", "a", "--sped", "2", "--out", str(tmp_path)])
    told = capsys.readouterr().err
    assert "unrecognized arguments: --sped" in told and "did you mean --speed?" in told and "usage" not in told


def test_a_number_that_is_none_is_told_in_a_sentence(release, tmp_path, capsys):
    checkpoint = str(release("VITS"))
    wrong = {"speed": ("slow", "--speed: 'slow' is not a number, above 0"), "seed": ("1.5", "--seed: '1.5' is not a whole number")}
    for option, (value, told) in wrong.items():
        with pytest.raises(SystemExit) as left:
            main(["--checkpoint", checkpoint, "--text", "a", f"--{option}", value, "--out", str(tmp_path)])
        (line,) = capsys.readouterr().err.splitlines()
        assert left.value.code == 2 and told in line


def test_help_names_what_a_model_takes_and_what_its_training_may_be_set_to(capsys):
    for program, words in ((main, ["--model", "VITS"]), (main, ["--config", str(ROOT / "egs/tts/VITS/exp_config.json")])):
        with pytest.raises(SystemExit):
            program([*words, "--help"])
        shown = " ".join(capsys.readouterr().out.split())
        assert "--speed float" in shown and "(above 0 (1 changes nothing); default 1.0)" in shown
        assert "--speaker str a name in the card, or is one" in shown or "--speaker str is a name in the card" in shown
    with pytest.raises(SystemExit):
        train(["--config", str(ROOT / "egs/tts/VITS/exp_config.json"), "--help"])
    shown = capsys.readouterr().out
    for line in (
        "train.max_steps (int; default 100000; here ", "train.batch_seconds (float", "\n      padded audio at most",
        "train.optimizer.lr (float; default 0.0002", "model.latent (int; default 192", "model.duration.stochastic (true|false; default True",
        "preprocess.sample_rate (int; needed; here 22050)",
    ):  # fmt: skip
        assert line in shown, line
    with pytest.raises(ValueError, match="did you mean 'VITS'"):
        train(["--model", "Vits", "--help"])


def test_every_setting_of_training_says_what_it_means():
    lacking = [name for name in signature_of(GANTrainer.config_class) if not meaning(GANTrainer.config_class, name)]
    assert set(lacking) <= {"optimizer", "schedule", "discriminator_optimizer"}, lacking  # sections, whose own settings are told


def test_a_new_option_is_one_argument_of_infer(capsys, monkeypatch):
    class Warm(Model):
        receptive_field_frames = 0

        def infer(self, mel, *, warmth: float = 2.0):
            """`warmth` is how warm it is."""
            return (warmth * mel.mean(2)).repeat_interleave(64, dim=1)

    task = around(Warm())
    plain = task(mel_of(5)).samples
    np.testing.assert_allclose(task(mel_of(5), warmth=4.0).samples, 2 * plain, rtol=1e-6)
    with pytest.raises(ValueError, match="unknown option 'warmht', did you mean 'warmth'"):
        task(mel_of(5), warmht=4.0)


def test_what_a_model_lacks_may_stand_where_it_asks_for_nothing():
    """One call for all models of a task: what others have by default, and any seed, changes nothing in one that has none."""
    card = card_of("FastSpeech2")
    p = card["preprocess"]
    features = FeatureSet(p["features"], sample_rate=p["sample_rate"], hop_size=p["hop_size"])
    task = make_task(build_model(card), features, card, device="cpu")
    assert task.chosen({"noise_scale": 0.667, "seed": 3, "pitch": 1.5, "energy": None}) == {"pitch": 1.5}
    with pytest.raises(ValueError, match="noise_scale: FastSpeech2 has no such control; it has speed, pitch, energy"):
        task.chosen({"noise_scale": 0.5})
    assert vocoder("HiFiGAN").chosen({"steps": None, "seed": 1}) == {}


def test_the_section_inference_is_that_of_task_and_model():
    assert not choices.problems_of_section("DiffWave", {"steps": 6, "sampler": "ddpm", "chunk_seconds": 1.0})
    assert not choices.problems_of_section("VITS", {"speed": 0.9, "speaker": "ann", "pitch": 1.0, "seed": 4})
    for name, section, message in (
        ("DiffWave", {"stepz": 6}, "did you mean 'steps'"),
        ("DiffWave", {"steps": "six"}, "inference.steps"),
        ("DiffWave", {"noise": 1}, "unknown setting 'noise'"),
        ("VITS", {"pitch": 1.2}, "unknown setting 'pitch'"),
        ("VITS", {"speed": 0.0}, "inference.speed: must be above 0"),
        ("VITS", {"text": "hello"}, "unknown setting 'text'"),
        ("HiFiGAN", {"precision": "bf61"}, "inference.precision"),
    ):
        (problem,) = choices.problems_of_section(name, section)
        assert message in problem
    whole = problems_of({"model_type": "VITS", "inference": {"speed": -1.0}})
    assert any(problem.startswith("inference.speed: must be above 0") for problem in whole)


def test_a_vocoders_own_options_are_not_its_models():
    assert list(Vocoder.own_options()) == ["f0", "chunk_seconds", "precision", "compile"]
