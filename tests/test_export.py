"""Vocoders of the table as ONNX: the same samples as PyTorch for any number of frames, or a refusal and no file."""

import json

import numpy as np
import pytest
import torch

from bins.export import main
from models.base.checkpoint import save_release
from models.base.experiment import build_model
from models.vocoders.export import difference, export, shortest
from tests.test_models import card_of
from tests.test_stream import CONVOLUTIONAL, VOCODERS, vocoder

onnxruntime = pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install -e '.[onnx]'")
onnx = pytest.importorskip("onnx", reason="no onnx: pip install -e '.[onnx]'")


EXPORTED = [name for name in CONVOLUTIONAL if "noise" not in vocoder(name).model.draws]


@pytest.mark.parametrize("name", EXPORTED)
def test_onnx_says_what_pytorch_says(name, tmp_path):
    task = vocoder(name)
    path = tmp_path / "vocoder.onnx"
    assert export(task, path) <= 1e-4
    assert [p.name for p in tmp_path.iterdir()] == ["vocoder.onnx"]
    for size in ((1, shortest(task)), (2, 13), (3, 9), (1, 150)):
        assert difference(task, path, *size) <= 1e-4
    model = onnx.load(path)
    facts = {p.key: p.value for p in model.metadata_props}
    assert facts["model_type"] == name and int(facts["hop_size"]) == task.hop_size
    assert json.loads(facts["mel"])["n_mel"] == task.mel_settings.n_mel


def test_the_check_can_fail(tmp_path):
    """A file of other weights is found to differ."""
    torch.manual_seed(1)
    task = vocoder("HiFiGAN")
    export(task, tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    weight = max(model.graph.initializer, key=lambda w: int(np.prod(w.dims)))
    moved = onnx.numpy_helper.to_array(weight) * 1.5
    weight.CopyFrom(onnx.numpy_helper.from_array(moved, weight.name))
    onnx.save(model, tmp_path / "b.onnx")
    assert difference(task, tmp_path / "b.onnx", 1, 20) > 1e-4


def test_what_is_not_right_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("models.vocoders.export.difference", lambda *_: 0.5)
    with pytest.raises(ValueError, match="0.5 off PyTorch"):
        export(vocoder("HiFiGAN"), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", sorted(set(VOCODERS) - set(EXPORTED)))
def test_what_draws_as_it_goes_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="step by step|from noise"):
        export(vocoder(name), tmp_path / "a.onnx")


def test_the_program(tmp_path):
    card = card_of("HiFiGAN")
    save_release(tmp_path / "release", card, build_model(card).state_dict())
    assert main(["--checkpoint", str(tmp_path / "release"), "--out", str(tmp_path / "v.onnx")]) == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "v.onnx"), providers=["CPUExecutionProvider"])
    assert session.run(None, {"mel": np.zeros((1, 5, 80), np.float32)})[0].shape == (1, 5 * 256)
    with pytest.raises(ValueError, match="end in .onnx"):
        main(["--checkpoint", str(tmp_path / "release"), "--out", str(tmp_path / "v.pt")])
    codec = card_of("EnCodec")
    save_release(tmp_path / "codec", codec, build_model(codec).state_dict())
    with pytest.raises(ValueError, match="only vocoders and TTS models"):
        main(["--checkpoint", str(tmp_path / "codec"), "--out", str(tmp_path / "v.onnx")])
