"""WaveNet: its receptive field, its speakers, and the containers that it is published in."""

import json

import numpy as np
import pytest
import torch

from models.vocoders.distributions import Output
from models.vocoders.wavenet import Upsampling, WaveNet
from tests.conftest import make
from tests.networks import expected, mel_of, says, stirred
from tests.parity import old_keys
from tests.test_distributions import OUTPUTS

FACTS = {"n_mel": 6, "sample_rate": 600, "hop_size": 6}
MEL = mel_of(4, 6)


def wavenet(output=OUTPUTS["mu-law"], **options):
    sizes = {"layers": 6, "stacks": 2, "residual_channels": 10, "gate_channels": 14, "skip_channels": 9, "kernel_size": 3}
    sizes |= {"upsampling": Upsampling(factors=(2, 3), context=1), "one_hot": output.kind == "categorical"}
    return stirred(make(WaveNet, **FACTS, output=output, **{**sizes, **options}))


def test_the_receptive_field_is_what_the_dilations_add_up_to():
    model = wavenet(OUTPUTS["logistics"], layers=6, stacks=2, kernel_size=3)
    field = model.receptive_field_samples
    assert field == 2 * 2 * (1 + 2 + 4) + 1
    told, x = torch.randn(1, 6, 60), torch.randn(1, 1, 60)
    other = x.clone()
    other[..., 59 - field] = 3.0
    with torch.no_grad():
        torch.testing.assert_close(model.predict(x, told)[..., 59], model.predict(other, told)[..., 59], rtol=0, atol=0)
        other[..., 60 - field] = 3.0
        assert not torch.equal(model.predict(x, told)[..., 59], model.predict(other, told)[..., 59])


def test_who_speaks_matters_and_must_be_said():
    model, mel = wavenet(speaker_channels=3, n_speakers=4), torch.randn(1, 9, 6)
    first, second = (model.infer(mel, speaker=i, temperature=0) for i in (0, 3))
    assert not torch.equal(first, second)
    with pytest.raises(ValueError, match="who speaks"):
        model.predict(torch.zeros(1, 32, 5), torch.zeros(1, 6, 5))


def autoregressive_folder(folder, kind, section, model):
    """A folder of Amphion's."""
    p = {"sample_rate": 600, "hop_size": 6, "n_mel": 6, "n_fft": 64, "win_size": 64, "fmin": 0, "fmax": 300}
    (folder / "args.json").write_text(json.dumps({"model_type": kind, "preprocess": p, "VOCODER": section}))
    torch.save(old_keys(model.state_dict()), folder / "1000.pt")


SIZES = {
    "layers": 4,
    "stacks": 2,
    "residual_channels": 8,
    "gate_channels": 8,
    "skip_out_channels": 8,
    "kernel_size": 3,
    "dropout": 0.0,
}
R9Y9 = {
    **SIZES, "cin_channels": 6, "gin_channels": -1, "out_channels": 30, "scalar_input": True, "output_distribution": "Logistic",
    "upsample_conditional_features": True, "upsample_net": "ConvInUpsampleNetwork", "cin_pad": 2, "sample_rate": 600, "hop_size": 6,
    "upsample_params": {"upsample_scales": [2, 3], "cin_channels": 6, "cin_pad": 2}, "fft_size": 64, "fmin": 0, "fmax": 300,
}  # fmt: skip


def test_a_checkpoint_of_r9y9_is_read(tmp_path):
    from models.upstream import r9y9
    from utils.config import build

    arguments, facts, _ = r9y9.wavenet(R9Y9, {})
    model = stirred(build(WaveNet, json.loads(json.dumps(arguments)), {**facts, "sample_rate": 600, "hop_size": 6}))
    (tmp_path / "hparams.json").write_text(json.dumps(R9Y9))
    torch.save({"state_dict": old_keys(model.state_dict()), "optimizer": None}, tmp_path / "checkpoint_step000000020_ema.pth")
    torch.save({"state_dict": {"a": torch.ones(1)}}, tmp_path / "checkpoint_step000000030.pth")
    np.testing.assert_allclose(says(tmp_path, MEL), expected(model, MEL), atol=1e-5)
    wrong = [
        ({"cin_channels": -1}, "no vocoder"),
        ({"out_channels": 31}, "multiple"),
        ({"output_distribution": "Cauchy"}, "Cauchy"),
    ]
    for changed, message in wrong:
        with pytest.raises(ValueError, match=message):
            r9y9.wavenet({**R9Y9, **changed}, {})
    with pytest.raises(ValueError, match="transposed"):
        r9y9.wavenet(R9Y9, {"upsample_conv.0.weight_g": torch.ones(1)})


def test_a_folder_of_amphion_is_read(tmp_path):
    names = {"skip_out_channels": "SKIP_OUT_CHANNELS", **{name: name.upper() for name in SIZES}}
    section = {names[name]: value for name, value in SIZES.items()} | {"SCALAR_INPUT": True, "OUT_CHANNELS": 30}
    section |= {"UPSAMPLE_SCALES": [2, 3], "MEL_FRAME_PAD": 2, "INPUT_DIM": 6}
    up = Upsampling(factors=(2, 3), context=2, trim=True)
    model = wavenet(Output(), layers=4, residual_channels=8, gate_channels=8, skip_channels=8, upsampling=up)
    autoregressive_folder(tmp_path, "WaveNet", section, model)
    np.testing.assert_allclose(says(tmp_path, MEL), expected(model, MEL), atol=1e-5)
