"""BigVGAN and MelGAN: the activation and the networks against plain definitions, reach, and the containers they are published in."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import modules.snake
from models import load
from models.base.task import fit_weights
from models.upstream import read_foreign
from models.upstream.descriptinc import melgan_card
from models.upstream.seungwonpark import VARIANT
from models.vocoders.bigvgan import BigVGAN
from models.vocoders.melgan import MelGAN, Variant
from modules.snake import AntiAliased, Snake, low_pass
from processors.mel import MEL_CONVENTIONS
from tests.conftest import SHARED, make
from tests.parity import bigvgan as bigvgan_parity
from tests.parity import melgan as melgan_parity
from tests.parity import old_keys
from utils.config import build

SIZES = {
    "upsample_rates": [8, 4],
    "upsample_kernel_sizes": [16, 8],
    "upsample_initial_channel": 16,
    "resblock": "1",
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 3], [1, 2]],
    "activation": "snakebeta",
    "snake_logscale": True,
}
BIG = {"n_mel": 8, **{k: tuple(map(tuple, v)) if k.endswith("dilation_sizes") else v for k, v in SIZES.items()}}
MEL = np.random.default_rng(0).standard_normal((6, 20)).astype(np.float32)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def stirred(model, size=0.1):
    """`model` with weights unlike those it begins with."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    return model.eval()


def plain_activation(layer, x):
    """The definition: samples put between, activated, filtered, every second one dropped."""
    r, up, down, channels = layer.ratio, layer.upsample.filter, layer.downsample.lowpass.filter, x.shape[1]
    size = up.shape[2]
    pad = size // r - 1
    left, right = pad * r + (size - r) // 2, pad * r + (size - r + 1) // 2
    wider = F.pad(x, (pad, pad), mode="replicate")
    between = r * F.conv_transpose1d(wider, up.expand(channels, -1, -1), stride=r, groups=channels)[..., left:-right]
    ends = (size // 2 - (size % 2 == 0), size // 2)
    return F.conv1d(F.pad(layer.act(between), ends, mode="replicate"), down.expand(channels, -1, -1), stride=r, groups=channels)


@pytest.mark.parametrize("log_scale", [True, False])
@pytest.mark.parametrize("beta", [True, False])
def test_snake_is_a_line_with_a_ripple(beta, log_scale):
    layer, x = stirred(Snake(3, beta=beta, log_scale=log_scale)), torch.randn(2, 3, 9)
    alpha = layer.alpha.exp() if log_scale else layer.alpha
    divisor = alpha if not beta else layer.beta.exp() if log_scale else layer.beta
    expected = x + (alpha[:, None] * x).sin() ** 2 / (divisor[:, None] + 1e-9)
    before = x.clone()
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer(x[:, :, None]), expected[:, :, None])
    assert torch.equal(x, before) and ("beta" in layer.state_dict()) is beta


@pytest.mark.parametrize("ratio, size", [(2, 12), (2, 8), (3, 12), (4, 20)])
@pytest.mark.parametrize("samples", [1, 2, 7, 60])
def test_the_phases_are_the_plain_definition(ratio, size, samples, monkeypatch):
    layer = stirred(AntiAliased(Snake(5), ratio=ratio, kernel_size=size), 0.5)
    x = torch.randn(3, 5, samples)
    expected = plain_activation(layer, x)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(modules.snake, "PIECE", 3 * 5 * 4)  # four samples at a time
    with torch.no_grad():
        torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(layer(x[:, :, None]), expected[:, :, None], rtol=1e-5, atol=1e-5)


def test_the_phases_have_the_gradient_of_the_plain_definition():
    layer, x = stirred(AntiAliased(Snake(4))).double(), torch.randn(2, 4, 15, dtype=torch.double, requires_grad=True)
    weight = torch.randn(2, 4, 15, dtype=torch.double)
    wanted = [x, *layer.parameters()]
    for ours, plain in zip(
        torch.autograd.grad((layer(x) * weight).sum(), wanted),
        torch.autograd.grad((plain_activation(layer, x) * weight).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(ours, plain)


# Cycles a sample, all above a quarter, so that the octave lies above half the rate. Twelve taps do not take all of it.
@pytest.mark.parametrize("tone, left", [(0.26, 0.46), (0.30, 0.3), (0.33, 0.25), (0.36, 0.3), (0.40, 0.42)])
def test_a_high_tone_folds_back_less(tone, left):
    time = torch.arange(4096.0)
    x = (1.2 * torch.sin(2 * math.pi * tone * time)).view(1, 1, -1)
    bare, layer = Snake(1), AntiAliased(Snake(1))
    alias = round((1 - 2 * tone) * 4096)  # where the octave would land

    def level(y):
        spectrum = torch.fft.rfft(y.flatten().detach() * torch.hann_window(4096)).abs()
        return spectrum[alias - 3 : alias + 4].max()

    assert level(bare(x)) > 100
    assert level(layer(x)) < left * level(bare(x))
    low = torch.sin(2 * math.pi * 0.02 * time).view(1, 1, -1)
    torch.testing.assert_close(layer(low)[..., 20:-20], bare(low)[..., 20:-20], rtol=0, atol=0.02)


def test_the_filter_is_a_kaiser_windowed_sinc():
    from scipy.signal import firwin

    attenuation = 2.285 * 5 * math.pi * 1.2 + 7.95  # dB, of 12 taps with that slope
    wanted = firwin(12, 0.5, window=("kaiser", 0.1102 * (attenuation - 8.7)))
    np.testing.assert_allclose(low_pass(0.25, 0.3, 12).numpy(), wanted, atol=1e-6)
    with pytest.raises(ValueError, match="multiple of ratio 2, two or more, got 11"):
        AntiAliased(Snake(1), kernel_size=11)


def plain_bigvgan(model, x):
    """The same network layer by layer, in the usual layout."""
    x, count = model.conv_pre(x), len(model.resblocks) // len(model.ups)
    for i, up in enumerate(model.ups):
        x, outs = up[0](x), []
        for block in model.resblocks[i * count : (i + 1) * count]:
            h, acts = x, list(block.activations)
            if hasattr(block, "convs"):
                for conv, act in zip(block.convs, acts, strict=True):
                    h = h + conv(plain_activation(act, h))
            else:
                for j, (first, second) in enumerate(zip(block.convs1, block.convs2, strict=True)):
                    inner = first(plain_activation(acts[2 * j], h))
                    h = h + second(plain_activation(acts[2 * j + 1], inner))
            outs.append(h)
        x = sum(outs) / count
    x = model.conv_post(plain_activation(model.activation_post, x))
    return torch.tanh(x) if model.use_tanh_at_final else x.clamp(-1, 1)


@pytest.mark.parametrize("resblock", ["1", "2"])
@pytest.mark.parametrize("activation, log_scale", [("snakebeta", True), ("snake", False)])
@pytest.mark.parametrize("second_version", [False, True])
def test_bigvgan_is_the_papers_formula(resblock, activation, log_scale, second_version):
    final = {"use_tanh_at_final": not second_version, "use_bias_at_final": not second_version}
    changes = {"resblock": resblock, "activation": activation, "snake_logscale": log_scale}
    model = stirred(make(BigVGAN, **{**BIG, **changes, **final}), 0.2)
    assert (model.conv_post.bias is None) is second_version
    mel = torch.randn(2, 8, 7)
    with torch.no_grad():
        expected = plain_bigvgan(model, mel)
        torch.testing.assert_close(model.decode(mel), expected, rtol=1e-4, atol=1e-5)
        assert model.prepared() is model and not any("parametrizations" in key for key in model.state_dict())
        torch.testing.assert_close(model.decode(mel), expected, rtol=1e-4, atol=1e-5)
    assert model.infer(mel.transpose(1, 2)).shape == (2, 7 * 32)


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


NETWORKS = {
    "BigVGAN 1": lambda: make(BigVGAN, **{**BIG, "use_tanh_at_final": False}),
    "BigVGAN 2": lambda: make(BigVGAN, **{**BIG, "resblock": "2", "activation": "snake"}),
    "MelGAN": lambda: make(MelGAN, n_mel=8, ratios=(4, 4), ngf=4, n_residual_layers=2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_frame_reaches_no_further_than_receptive_field_frames(name):
    model = stirred(NETWORKS[name](), 0.2)
    reach, hop = model.receptive_field_frames, model.samples_per_frame
    mel = torch.randn(1, 4 * reach, 8)
    other = mel.clone()
    other[:, 2 * reach] += 1
    model, mel, other = model.double(), mel.double(), other.double()  # so that a faint influence counts too
    changed = (model.infer(mel) != model.infer(other))[0].nonzero().flatten() // hop
    assert 2 * reach - changed.min() <= reach and changed.max() - 2 * reach <= reach
    assert reach <= 2 * max(2 * reach - changed.min(), 1)  # no idle boast either


def test_sizes_that_do_not_fit_say_what_to_change():
    with pytest.raises(ValueError, match=r"make 256 samples.*hop_size is 300.*product is 300"):
        make(BigVGAN, n_mel=80, hop_size=300)
    with pytest.raises(ValueError, match="upsample_kernel_sizes needs one size"):
        make(BigVGAN, n_mel=80, upsample_rates=(8, 8))
    with pytest.raises(ValueError, match="no shorter than its rate, got 4 for 8"):
        make(BigVGAN, n_mel=80, upsample_rates=(8,), upsample_kernel_sizes=(4,))
    with pytest.raises(ValueError, match="must be odd"):
        make(BigVGAN, n_mel=80, resblock_kernel_sizes=(3, 4, 5))
    with pytest.raises(ValueError, match="needs a list for each"):
        make(BigVGAN, n_mel=80, resblock_kernel_sizes=(3,))
    with pytest.raises(ValueError, match="nothing is left"):
        make(BigVGAN, n_mel=80, upsample_initial_channel=8)
    with pytest.raises(ValueError, match=r"make 256 samples.*hop_size is 300.*product is 300"):
        make(MelGAN, n_mel=80, hop_size=300)
    with pytest.raises(ValueError, match=r"ratios \[\].*must be 1 or more"):
        make(MelGAN, n_mel=80, ratios=())
    for model in (make(BigVGAN, **BIG), make(MelGAN, n_mel=8, ngf=2)):
        with pytest.raises(ValueError, match="decoder inside another model"):
            model({"mel": torch.zeros(1, 8, 8), "audio": torch.zeros(1, 2048), "samples": torch.tensor([2048])})


def says(folder):
    return load(folder, device="cpu")(MEL).samples


def expected(model):
    return model.infer(torch.from_numpy(MEL)[None])[0].numpy()


NVIDIA = {**SIZES, "num_mels": 20, "n_fft": 1024, "hop_size": 32, "win_size": 1024, "sampling_rate": 24000, "fmin": 0, "fmax": None}
V2 = {"use_tanh_at_final": False, "use_bias_at_final": False}


@pytest.mark.parametrize("final", [{}, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("name", ["bigvgan_generator.pt", "g_05000000"])
@pytest.mark.parametrize("folded", [False, True])
def test_nvidia_folder_and_file(tmp_path, final, name, folded):
    model = stirred(make(BigVGAN, **{**BIG, "n_mel": 20, **final}))
    wanted = expected(model)
    (tmp_path / "config.json").write_text(json.dumps(NVIDIA | final))
    torch.save({"generator": old_keys(model.prepared().state_dict() if folded else model.state_dict())}, tmp_path / name)
    torch.save({"generator": {}}, tmp_path / "g_00400000")
    torch.save({"mpd": {}, "mrd": {}, "steps": 1}, tmp_path / "do_05000000")
    for place in (tmp_path, tmp_path / name):
        np.testing.assert_allclose(says(place), wanted, atol=1e-6)
    task = load(tmp_path, device="cpu")
    assert task.rate == 24000 and task.mel_settings.convention == MEL_CONVENTIONS["hifigan"]
    assert task.mel_settings.fmax == 12000


def test_amphion_folders(tmp_path):
    section = {"ratios": [4, 3], "ngf": 4, "n_residual_layers": 2, "num_D": 3, "ndf": 16}
    big = stirred(make(BigVGAN, **{**BIG, "n_mel": 20}))
    small = stirred(make(MelGAN, n_mel=20, ratios=(4, 3), ngf=4, n_residual_layers=2))
    names = melgan_parity.reference_names(small, "amphion")
    for generator, its, model, state in (("bigvgan", SIZES, big, old_keys(big.state_dict())), ("melgan", section, small, names)):
        folder = tmp_path / generator
        folder.mkdir()
        p = {"n_mel": 20, "sample_rate": 24000, "hop_size": model.samples_per_frame, "n_fft": 1024, "win_size": 1024, "fmax": 12000}
        config = {"model_type": "GANVocoder", "preprocess": p, "model": {"generator": generator, generator: its}}
        (folder / "args.json").write_text(json.dumps(config))
        torch.save({"generator_state_dict": {f"module.{k}": v for k, v in state.items()}}, folder / "400000.pt")
        np.testing.assert_allclose(says(folder), expected(model), atol=1e-6)
        assert load(folder, device="cpu").mel_settings.convention == MEL_CONVENTIONS["hifigan"]


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


def test_descriptinc_folder_and_file(tmp_path):
    model = stirred(make(MelGAN, n_mel=20, ngf=2))
    (tmp_path / "args.yml").write_text(NAMESPACE)
    torch.save(melgan_parity.reference_names(model, "descriptinc"), tmp_path / "best_netG.pt")
    torch.save({}, tmp_path / "optG.pt")
    for place in (tmp_path, tmp_path / "best_netG.pt"):
        np.testing.assert_allclose(says(place), expected(model), atol=1e-6)
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
    wanted = expected(model)
    state = melgan_parity.reference_names(model.prepared() if folded else model, "seungwonpark")
    (tmp_path / "default.yaml").write_text(PARK)
    torch.save({"model_g": state, "model_d": {}, "step": 3, "hp_str": PARK, "githash": "aca5990"}, tmp_path / "first_aca5990_6400.pt")
    torch.save({"model_g": {}}, tmp_path / "first_aca5990_0900.pt")
    for place in (tmp_path, tmp_path / "first_aca5990_6400.pt"):
        np.testing.assert_allclose(says(place), wanted, atol=1e-6)
    settings = load(tmp_path, device="cpu").mel_settings
    assert settings.convention == MEL_CONVENTIONS["tacotron2"] and settings.fmax == 8000
    (tmp_path / "default.yaml").unlink()
    hub = (tmp_path / "first_aca5990_6400.pt").rename(tmp_path / "nvidia_tacotron2_LJ11_epoch6400.pt")
    np.testing.assert_allclose(says(hub), wanted, atol=1e-6)


def test_the_weights_that_descriptinc_published_need_no_configuration(tmp_path):
    model = stirred(make(MelGAN, n_mel=80))
    torch.save(melgan_parity.reference_names(model, "descriptinc"), tmp_path / "linda_johnson.pt")
    card, state = read_foreign(tmp_path)
    assert card == melgan_card(card["model"], 80) and card["model"]["ngf"] == 32
    fit_weights(make(MelGAN, n_mel=80), state, "linda_johnson.pt")


def test_folders_that_lack_something_say_what(tmp_path):
    cases = {
        "config.json": [(json.dumps(NVIDIA), "no bigvgan_generator.pt or g_"), ('{"upsample_rates": 1, "activation": 1}', "no bigvgan_gen")],
        "args.yml": [(NAMESPACE, "no best_netG.pt"), ("- [", "is not YAML"), ("a: 1", "none of the configurations"), ("", "no settings")],
        "default.yaml": [(PARK, "no <name>_<epoch>.pt"), ("audio: {}", "none of the configurations")],
    }
    for name, texts in cases.items():
        (tmp_path / name).mkdir()
        for text, message in texts:
            (tmp_path / name / name).write_text(text)
            with pytest.raises(ValueError, match=message):
                read_foreign(tmp_path / name)
    config = tmp_path / "config.json/config.json"
    torch.save({"generator": {}}, tmp_path / "config.json/g_00000001")
    for changed, message in (({"activation": "relu"}, "snakebeta"), ({}, "missing")):
        config.write_text(json.dumps(NVIDIA | changed))
        with pytest.raises(ValueError, match=message):
            load(tmp_path / "config.json")
    config.write_text(json.dumps({k: v for k, v in NVIDIA.items() if k != "snake_logscale"}))
    with pytest.raises(ValueError, match="lacks .*'snake_logscale'"):
        load(tmp_path / "config.json")
    (tmp_path / "default.yaml/default.yaml").write_text(PARK)
    torch.save({"model_g": {"encoder.weight": torch.ones(1)}}, tmp_path / "default.yaml/a_1.pt")
    with pytest.raises(ValueError, match="no generator.1.bias .*encoder.weight"):
        load(tmp_path / "default.yaml")


MANIFESTS = SHARED / "parity/manifests"
FILES = sorted([*MANIFESTS.glob("bigvgan*.json"), *MANIFESTS.glob("melgan__*.json")])


@pytest.mark.skipif(not FILES, reason="no ../shared/parity/manifests beside the repository")
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_published_key_and_shape_has_its_place(path):
    manifest = json.loads(path.read_text())
    state = {key: torch.zeros(shape) for key, (shape, _) in manifest["keys"].items()}
    if path.stem.startswith("bigvgan"):
        (arguments, state, bands), network = bigvgan_parity.translate(manifest["config"], state), BigVGAN
    else:
        (arguments, state, bands), network = melgan_parity.translate(manifest["source"], manifest["config"], state), MelGAN
    model = build(network, json.loads(json.dumps(arguments)), {"n_mel": bands})
    assert sum(p.numel() for p in model.parameters()) == manifest["param_count"]
    fit_weights(model, state, path.name)
