"""Text to speech as ONNX: the numbers of PyTorch for any number of tokens and any speaker, run where there is no torch."""

import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from bins.export import main
from models.base.checkpoint import save_release
from models.base.experiment import build_model
from models.base.task import load
from models.tts.export import Network, difference, example, export
from models.vocoders.export import export as export_vocoder
from modules.noise import Noise
from processors.mel import MelSettings, MelSpectrogram
from tests.conftest import clip
from tests.test_models import card_of
from tests.test_stream import vocoder
from utils.audio import Audio
from utils.files import read_json

onnxruntime = pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install -e '.[onnx]'")
onnx = pytest.importorskip("onnx", reason="no onnx: pip install -e '.[onnx]'")

PAGE = Path(__file__).parents[1] / "egs" / "tts" / "onnx.md"


def release(folder, name, **settings):
    """A tiny model whose tokens last for some frames each, not all of them for as many."""
    torch.manual_seed(0)
    card = card_of(name)
    card["model"] = {**card["model"], **settings}
    model = build_model(card)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        adaptor = getattr(model, "variance_adaptor", None)
        if adaptor is not None:
            predictor = adaptor["duration_predictor"] if name == "Jets" else adaptor.duration_predictor
            predictor.linear_layer.bias.fill_(1.5)
    save_release(folder, card, model.state_dict())
    return folder


@pytest.fixture(scope="module", params=["FastSpeech2", "Jets", "VITS"])
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    task = load(release(folder / "release", request.param), device="cpu")
    far = export(task, folder / "voice.onnx")
    return task, folder / "voice.onnx", far


def test_the_file_says_what_pytorch_says(exported):
    task, path, far = exported
    assert far <= 1e-4
    names = sorted(entry.name for entry in path.parent.iterdir())
    assert names == ["release", "voice.json", "voice.onnx"]
    for seed, tokens in enumerate((2, 13, 33, 90), 10):
        assert difference(task, path, tokens, seed) <= 1e-4
    lasting = Network(task)(*example(task, 33, 12).values())[1]
    assert len(set(lasting[0].tolist())) > 1  # else lengths would prove nothing


def test_speakers_and_controls_are_heard(exported):
    task, path, _ = exported
    inputs = {name: value.numpy() for name, value in example(task, 20).items()}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ann, _ = session.run(None, inputs | {"speaker": np.array([0])})
    bob, _ = session.run(None, inputs | {"speaker": np.array([1])})
    assert ann.shape != bob.shape or np.abs(ann - bob).max() > 1e-5
    slow, _ = session.run(None, inputs | {"speed": np.array([0.5], np.float32)})
    fast, _ = session.run(None, inputs | {"speed": np.array([2.0], np.float32)})
    assert slow.shape[1] > 1.3 * fast.shape[1]


def test_vits_says_what_its_infer_says_for_a_seed(tmp_path):
    """Not only what the traced wrapper says: the draws of a seed, given as inputs, are the sound of that seed."""
    task = load(release(tmp_path / "r", "VITS"), device="cpu")
    export(task, tmp_path / "v.onnx")
    phone = torch.tensor([[3, 1, 4, 1, 5, 2, 3]])
    spoken = task.network.infer(phone, torch.tensor([1]), speed=0.8, noise_scale=0.5, duration_noise=0.6, seed=5)
    draw = Noise(5)
    fed = {"phone": phone.numpy(), "speaker": np.array([1])}
    fed |= {"speed": np.array([0.8], np.float32), "noise_scale": np.array([0.5], np.float32)}
    described = read_json(tmp_path / "v.json")
    if "duration_draws" in described["draws"]:
        fed["duration_noise"] = np.array([0.6], np.float32)
        fed["duration_draws"] = draw.normal(1, 2, 7).numpy()
    else:
        draw.normal(0)
    frames = int(spoken["frames"][0])
    fed["prior_draws"] = draw.normal(1, described["draws"]["prior_draws"][1], frames).numpy()
    session = onnxruntime.InferenceSession(str(tmp_path / "v.onnx"), providers=["CPUExecutionProvider"])
    samples, duration = session.run(None, fed)
    assert duration.tolist() == spoken["duration"].tolist()
    np.testing.assert_allclose(samples, spoken["audio"].numpy(), atol=1e-4)


def test_durations_that_are_not_drawn(tmp_path):
    task = load(release(tmp_path / "r", "VITS", duration={"stochastic": False}), device="cpu")
    assert export(task, tmp_path / "v.onnx") <= 1e-4
    described = read_json(tmp_path / "v.json")
    assert "duration_draws" not in described["draws"] and "duration_noise" not in described["controls"]


def test_the_check_can_fail(exported, tmp_path):
    """A file of other weights is found to differ."""
    task, path, _ = exported
    model = onnx.load(path)
    floats = [w for w in model.graph.initializer if w.data_type == onnx.TensorProto.FLOAT]
    for weight in (w for w in floats if len(w.dims) > 1):
        moved = onnx.numpy_helper.to_array(weight) * 1.5
        weight.CopyFrom(onnx.numpy_helper.from_array(moved, weight.name))
    onnx.save(model, tmp_path / "b.onnx")
    assert difference(task, tmp_path / "b.onnx", 20, 0) > 1e-4


def test_what_speaks_step_by_step_is_refused(tmp_path):
    card = card_of("VALLE")
    save_release(tmp_path / "release", card, build_model(card).state_dict())
    with pytest.raises(ValueError, match="of TTS models only FastSpeech2, Jets, VITS"):
        main(["--checkpoint", str(tmp_path / "release"), "--out", str(tmp_path / "v.onnx")])
    assert not (tmp_path / "v.onnx").exists()


def page():
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def without_torch(lines, folder):
    barred = "import sys\nsys.modules['torch'] = None\n"
    done = subprocess.run([sys.executable, "-c", barred + lines], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["VITS", "FastSpeech2"])
def test_the_lines_of_the_page_run_without_torch(name, tmp_path):
    assert main(["--checkpoint", str(release(tmp_path / "r", name)), "--out", str(tmp_path / "voice.onnx")]) == 0
    described = read_json(tmp_path / "voice.json")
    lines = page()[0]
    tokens = [symbol for symbol in described["symbols"] if symbol != "<pad>"]
    spoken = re.sub(r"^tokens = .*$", f"tokens = {tokens!r}", lines, count=1, flags=re.M)
    assert spoken != lines
    without_torch(spoken, tmp_path)
    written = "voice.wav" if name == "VITS" else "voice.npy"
    assert (tmp_path / written).stat().st_size > 500


@pytest.mark.parametrize("convention", ["hifigan", "vits", "nsfhifigan", "tacotron2", "apnet", "melgan", "vocos", "vevo", "parallelwavegan"])
@pytest.mark.parametrize("sizes", [{"win_size": 600}, {"fmin": 20.0, "fmax": 7600.0}])
def test_the_mel_of_the_page_is_ours(convention, sizes):
    settings = MelSettings(sample_rate=22050, hop_size=256, convention=convention, **sizes)
    names = {}
    exec(page()[1].partition("session = ")[0], names)  # noqa: S102
    samples = clip(0.25, 200, 0)
    mel = names["mel_of"](samples, json.loads(json.dumps(asdict(settings))))
    ours = MelSpectrogram(settings)(torch.from_numpy(samples)[None])[0].numpy()
    np.testing.assert_allclose(mel, ours, atol=1e-3)


def test_a_recording_is_made_anew_without_torch(tmp_path):
    task = vocoder("HiFiGAN")
    export_vocoder(task, tmp_path / "vocoder.onnx")
    Audio(clip(0.5, 200, 0), task.rate).write(tmp_path / "recording.wav")
    without_torch(page()[1], tmp_path)
    made = Audio.read(tmp_path / "made.wav")
    expected = task(Audio.read(tmp_path / "recording.wav"))
    assert made.rate == task.rate
    np.testing.assert_allclose(made.samples, expected.samples, atol=2e-3)
