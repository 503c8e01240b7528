"""MelGAN: the network against the paper's formula, mels too short to be mirrored, and the containers that it is published in."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models import load
from models.base.task import fit_weights
from models.upstream import read_foreign
from models.upstream.descriptinc import melgan_card
from models.upstream.seungwonpark import VARIANT
from models.vocoders.melgan import MelGAN, Variant
from processors.mel import MEL_CONVENTIONS
from tests.conftest import make
from tests.networks import expected, gan_folder, mel_of, says, stirred
from tests.parity import melgan as melgan_parity

MEL = mel_of(6, 20)


def plain_melgan(model, x):
    """Mirrored edges and convolutions one after the other."""
    act = lambda h: F.leaky_relu(h, 0.2)  # noqa: E731
    mirror = lambda conv, h, p: conv(nn.ReflectionPad1d(p)(h))  # noqa: E731
    x = mirror(model.conv_pre, (x - model.variant.mean) / model.variant.scale, 3)
    for up, blocks in zip(model.ups, model.blocks, strict=True):
        x = up(act(x))
        for i, block in enumerate(blocks):
            x = block.shortcut(x) + block.mixed(act(mirror(block.dilated, act(x), 3**i)))
    return torch.tanh(mirror(model.conv_post, act(x), 3))


@pytest.mark.parametrize("ratios, layers", [((8, 8, 2, 2), 3), ((5, 3), 2), ((3, 4, 5), 4)])
@pytest.mark.parametrize("variant", [Variant(), Variant(**VARIANT)])
def test_melgan_is_the_papers_formula(ratios, layers, variant):
    model = stirred(make(MelGAN, n_mel=8, ratios=ratios, ngf=4, n_residual_layers=layers, variant=variant))
    mel, hop = torch.randn(2, 8, 12), math.prod(ratios)
    with torch.no_grad():
        expected = plain_melgan(model, mel)
        torch.testing.assert_close(model.decode(mel), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model.prepared().decode(mel), expected, rtol=1e-4, atol=1e-5)
        tail = torch.cat([mel, torch.full((2, 8, variant.tail_frames), variant.tail_value)], 2)
        torch.testing.assert_close(model.infer(mel.transpose(1, 2)), plain_melgan(model, tail)[:, 0, : 12 * hop], rtol=1e-4, atol=1e-5)


def test_a_mel_too_short_to_be_mirrored_is_held_on():
    model = stirred(make(MelGAN, n_mel=8, ratios=(2, 2), ngf=4, n_residual_layers=4))
    mel = torch.randn(1, 8, 3)
    held = torch.cat([mel, mel[..., -1:].expand(-1, -1, 20)], 2)[..., : model.least_frames]
    assert model.least_frames == 14  # the last layer of the first stage mirrors 27 samples, two a frame
    torch.testing.assert_close(model.decode(mel), plain_melgan(model, held)[..., :12], rtol=1e-4, atol=1e-5)
    for frames in (1, 13, 14, 15):
        assert model.infer(torch.randn(1, frames, 8)).shape == (1, frames * 4)


NAMESPACE = """!!python/object:argparse.Namespace
batch_size: 16
data_path: !!python/object/apply:pathlib.PosixPath
- data
load_path: null
n_mel_channels: 20
n_residual_layers: 3
ngf: 2
ratios: !!python/tuple
- 8
- 8
- 2
- 2
save_path: logs/baseline
"""


def test_amphion_folder(tmp_path):
    section = {"ratios": [4, 3], "ngf": 4, "n_residual_layers": 2, "num_D": 3, "ndf": 16}
    model = stirred(make(MelGAN, n_mel=20, ratios=(4, 3), ngf=4, n_residual_layers=2))
    names = melgan_parity.reference_names(model, "amphion")
    state = {"generator_state_dict": {f"module.{key}": value for key, value in names.items()}}
    gan_folder(tmp_path, "melgan", section, model.samples_per_frame, state)
    np.testing.assert_allclose(says(tmp_path, MEL), expected(model, MEL), atol=1e-6)
    assert load(tmp_path, device="cpu").mel_settings.convention == MEL_CONVENTIONS["hifigan"]


def test_descriptinc_folder_and_file(tmp_path):
    model = stirred(make(MelGAN, n_mel=20, ngf=2))
    (tmp_path / "args.yml").write_text(NAMESPACE)
    torch.save(melgan_parity.reference_names(model, "descriptinc"), tmp_path / "best_netG.pt")
    torch.save({}, tmp_path / "optG.pt")
    for place in (tmp_path, tmp_path / "best_netG.pt"):
        np.testing.assert_allclose(says(place, MEL), expected(model, MEL), atol=1e-6)
    settings = load(tmp_path, device="cpu").mel_settings
    assert (settings.convention.log, settings.fmax, settings.hop_size) == ("log10", 11025, 256)
    (tmp_path / "args.yml").write_text(NAMESPACE.replace("ngf: 2", "ngf: !!python/object/apply:os.system ['echo ran']"))
    with pytest.raises((ValueError, TypeError)):
        load(tmp_path)


PARK = """
train: {spk: null}
audio: {n_mel_channels: 20, filter_length: 1024, hop_length: 256, win_length: 1024, sampling_rate: 22050, mel_fmin: 0.0, mel_fmax: 8000.0}
model: {feat_match: 10.0}
"""


@pytest.mark.parametrize("folded", [False, True])
def test_seungwonpark_folder_and_file(tmp_path, folded):
    model = stirred(make(MelGAN, n_mel=20, ngf=2, variant=Variant(**VARIANT)))
    wanted = expected(model, MEL)
    state = melgan_parity.reference_names(model.prepared() if folded else model, "seungwonpark")
    (tmp_path / "default.yaml").write_text(PARK)
    torch.save({"model_g": state, "model_d": {}, "step": 3, "hp_str": PARK, "githash": "aca5990"}, tmp_path / "first_aca5990_6400.pt")
    torch.save({"model_g": {}}, tmp_path / "first_aca5990_0900.pt")
    for place in (tmp_path, tmp_path / "first_aca5990_6400.pt"):
        np.testing.assert_allclose(says(place, MEL), wanted, atol=1e-6)
    settings = load(tmp_path, device="cpu").mel_settings
    assert settings.convention == MEL_CONVENTIONS["tacotron2"] and settings.fmax == 8000
    (tmp_path / "default.yaml").unlink()
    hub = (tmp_path / "first_aca5990_6400.pt").rename(tmp_path / "nvidia_tacotron2_LJ11_epoch6400.pt")
    np.testing.assert_allclose(says(hub, MEL), wanted, atol=1e-6)


def test_the_weights_that_descriptinc_published_need_no_configuration(tmp_path):
    model = stirred(make(MelGAN, n_mel=80))
    torch.save(melgan_parity.reference_names(model, "descriptinc"), tmp_path / "linda_johnson.pt")
    card, state = read_foreign(tmp_path)
    assert card == melgan_card(card["model"], 80) and card["model"]["ngf"] == 32
    fit_weights(make(MelGAN, n_mel=80), state, "linda_johnson.pt")


def test_folders_that_lack_something_say_what(tmp_path):
    cases = {
        "args.yml": [(NAMESPACE, "no best_netG.pt"), ("- [", "is not YAML"), ("a: 1", "none of the configurations"), ("", "no settings")],
        "default.yaml": [(PARK, "no <name>_<epoch>.pt"), ("audio: {}", "none of the configurations")],
    }
    for name, texts in cases.items():
        (tmp_path / name).mkdir()
        for text, message in texts:
            (tmp_path / name / name).write_text(text)
            with pytest.raises(ValueError, match=message):
                read_foreign(tmp_path / name)
    (tmp_path / "default.yaml/default.yaml").write_text(PARK)
    torch.save({"model_g": {"encoder.weight": torch.ones(1)}}, tmp_path / "default.yaml/a_1.pt")
    with pytest.raises(ValueError, match="no generator.1.bias .*encoder.weight"):
        load(tmp_path / "default.yaml")
