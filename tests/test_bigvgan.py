"""BigVGAN: the network against the paper's formula, and the containers that it is published in."""

import json

import numpy as np
import pytest
import torch

from models import load
from models.upstream import read_foreign
from models.vocoders.bigvgan import BigVGAN
from processors.mel import MEL_CONVENTIONS
from tests.conftest import make
from tests.networks import expected, gan_folder, mel_of, reached, says, stirred
from tests.parity import old_keys
from tests.test_snake import plain_activation

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


MEL = mel_of(6, 20)


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


def test_a_frame_reaches_as_far_as_it_says_whatever_the_blocks():
    """Those of the other kind than in the recipe, which the tests over the table look at."""
    model = stirred(make(BigVGAN, **{**BIG, "resblock": "2", "activation": "snake"}), 0.2)
    assert 0.5 * model.receptive_field_frames <= reached(model, 8, torch.double) <= model.receptive_field_frames


NVIDIA = {**SIZES, "num_mels": 20, "n_fft": 1024, "hop_size": 32, "win_size": 1024, "sampling_rate": 24000, "fmin": 0, "fmax": None}
V2 = {"use_tanh_at_final": False, "use_bias_at_final": False}


@pytest.mark.parametrize("final", [{}, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("name", ["bigvgan_generator.pt", "g_05000000"])
@pytest.mark.parametrize("folded", [False, True])
def test_nvidia_folder_and_file(tmp_path, final, name, folded):
    model = stirred(make(BigVGAN, **{**BIG, "n_mel": 20, **final}))
    wanted = expected(model, MEL)
    (tmp_path / "config.json").write_text(json.dumps(NVIDIA | final))
    torch.save({"generator": old_keys(model.prepared().state_dict() if folded else model.state_dict())}, tmp_path / name)
    torch.save({"generator": {}}, tmp_path / "g_00400000")
    torch.save({"mpd": {}, "mrd": {}, "steps": 1}, tmp_path / "do_05000000")
    for place in (tmp_path, tmp_path / name):
        np.testing.assert_allclose(says(place, MEL), wanted, atol=1e-6)
    task = load(tmp_path, device="cpu")
    assert task.rate == 24000 and task.mel_settings.convention == MEL_CONVENTIONS["hifigan"]
    assert task.mel_settings.fmax == 12000


def test_amphion_folder(tmp_path):
    model = stirred(make(BigVGAN, **{**BIG, "n_mel": 20}))
    state = {"generator_state_dict": {f"module.{key}": value for key, value in old_keys(model.state_dict()).items()}}
    gan_folder(tmp_path, "bigvgan", SIZES, model.samples_per_frame, state)
    np.testing.assert_allclose(says(tmp_path, MEL), expected(model, MEL), atol=1e-6)
    assert load(tmp_path, device="cpu").mel_settings.convention == MEL_CONVENTIONS["hifigan"]


def test_a_folder_that_lacks_something_says_what(tmp_path):
    config = tmp_path / "config.json"
    for text, message in ((json.dumps(NVIDIA), "no bigvgan_generator.pt or g_"), ('{"upsample_rates": 1, "activation": 1}', "no bigvgan_gen")):
        config.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_foreign(tmp_path)
    torch.save({"generator": {}}, tmp_path / "g_00000001")
    for changed, message in (({"activation": "relu"}, "snakebeta"), ({}, "missing")):
        config.write_text(json.dumps(NVIDIA | changed))
        with pytest.raises(ValueError, match=message):
            load(tmp_path)
    config.write_text(json.dumps({k: v for k, v in NVIDIA.items() if k != "snake_logscale"}))
    with pytest.raises(ValueError, match="lacks .*'snake_logscale'"):
        load(tmp_path)
