"""Loading: releases, runs, checkpoints; and clear refusals of what is broken, foreign, dangerous, or of another mel."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch

from models import load
from models.base.checkpoint import save_release
from models.base.experiment import build_model
from tests.conftest import ROOT
from tests.test_models import card_of
from utils.files import read_weights


@pytest.fixture
def release(tmp_path):
    def make(name="FastSpeech2", folder="release", **changes):
        torch.manual_seed(0)
        card = card_of(name)
        card["preprocess"]["features"] = {**card["preprocess"]["features"], **changes}
        save_release(tmp_path / folder, card, build_model(card).state_dict())
        return tmp_path / folder

    return make


def test_nothing_there_and_no_card(tmp_path):
    with pytest.raises(ValueError, match="nothing at"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError):
        load(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"nothing at .*/emtpy \(did you mean .*/empty\?\): give"):
        load(tmp_path / "emtpy")


@pytest.mark.parametrize("signs", [(".lock", "config.json", "log/"), ("checkpoint/", "config.json")])
def test_a_run_that_has_saved_nothing_yet_says_so(tmp_path, signs):
    for sign in signs:
        (tmp_path / sign).mkdir() if sign.endswith("/") else (tmp_path / sign).write_text("{}")
    with pytest.raises(ValueError, match="holds no whole checkpoint yet"):
        load(tmp_path)


def test_a_recipe_is_no_model():
    for path in (ROOT / "egs/tts/VITS", ROOT / "egs/tts/VITS/exp_config.json", ROOT / "egs/tts/VITS/tiny.json"):
        with pytest.raises(ValueError, match=r"is a recipe.* load a run of it, ckpts/.*/<name>"):
            load(path)


def test_a_file_of_a_release_stands_for_it(release):
    folder = release()
    for name in ("card.json", "model.safetensors"):
        assert load(folder / name, device="cpu").name == "FastSpeech2"


def test_a_foreign_configuration_stands_for_the_weights_beside_it(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"resblock": "1", "upsample_rates": [8, 8, 2, 2]}))
    with pytest.raises(ValueError, match=r"holds a config.json, but no generator or g_\* file"):
        load(config)


def test_truncated_weights(release):
    folder = release()
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="damaged or cut short"):
        load(folder)


def test_weights_of_another_model_are_listed(release):
    folder, other = release(), release("HiFiGAN", "other")
    shutil.copy(other / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(ValueError, match="do not fit FastSpeech2.*\n.*missing|unknown"):
        load(folder)


def test_card_of_a_stranger(release):
    folder = release()
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "model_type": "FastSpeech3"}))
    with pytest.raises(ValueError, match="did you mean 'FastSpeech2'"):
        load(folder)
    (folder / "card.json").write_text("{}")
    with pytest.raises(ValueError, match="lacks model_type"):
        load(folder)


class Malicious:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".pth", ".pkl"])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, suffix, capsys):
    path = tmp_path / f"evil{suffix}"
    torch.save({"generator": Malicious()}, path)
    with pytest.raises(ValueError, match="is refused"):
        read_weights(path)
    path.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(ValueError, match="refused|damaged"):
        read_weights(path)
    assert "code ran" not in capsys.readouterr().out


def test_a_vocoder_of_another_mel_is_refused_with_both_values(release):
    tts = load(release(), device="cpu")
    mel = card_of("HiFiGAN")["preprocess"]["features"]["mel"]
    other = release("HiFiGAN", "wide", mel={**mel, "fmax": 11025})
    with pytest.raises(ValueError, match="reads another mel") as error:
        tts._vocode(np.zeros((4, 80), dtype=np.float32), str(other))
    assert "8000" in str(error.value) and "11025" in str(error.value)
    same = release("HiFiGAN", "same")
    assert len(tts._vocode(np.zeros((4, 80), dtype=np.float32), str(same)).samples) == 4 * 256


def test_a_vocoder_of_another_logarithm_gets_what_it_reads(release):
    tts = load(release(), device="cpu")
    settings = card_of("HiFiGAN")["preprocess"]["features"]["mel"]
    other = release("HiFiGAN", "log10", mel={**settings, "convention": {"log": "log10"}})
    mel = np.random.default_rng(0).uniform(-9, 0, (6, 80)).astype(np.float32)
    direct = load(other, device="cpu")(mel / np.log(10).astype(np.float32))
    np.testing.assert_allclose(tts._vocode(mel, str(other)).samples, direct.samples, atol=1e-6)


@pytest.mark.parametrize(
    "text,options,message",
    [
        ("", {}, "empty"),
        ("   ", {}, "empty"),
        ("hello", {"speaker": "carla"}, "unknown speaker 'carla'"),
        ("hello", {"speed": 0.0}, "speed must be above 0"),
        ("hello", {"pitch": -1.0}, "pitch must be above 0"),
        ("\u2603\u2603", {}, "\u2603|phone"),
    ],
)
def test_what_cannot_be_spoken(release, text, options, message):
    with pytest.raises(ValueError, match=message):
        load(release(), device="cpu")(text, **options)


def test_griffin_lim_speaks_without_a_vocoder(release):
    folder = release()
    card = json.loads((folder / "card.json").read_text())
    symbols = ["<pad>", "sil", "_", "h", "ə", "l", "oʊ", "a", "."]
    card["learned"]["phone"] = {"symbols": symbols}
    card["facts"]["n_vocab"] = len(symbols)
    save_release(folder, card, build_model(card).state_dict())
    audio = load(folder, device="cpu")("Hello.", speaker="bob", speed=0.5)
    assert audio.rate == 22050 and len(audio.samples) >= 256 and np.isfinite(audio.samples).all()
