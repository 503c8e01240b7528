"""Foreign checkpoints in the containers they are published in: they load, sound the same, and are refused with reasons."""

import json
import re

import numpy as np
import pytest
import torch
from torch import nn

from models import load
from models.upstream import read_foreign
from models.upstream.amphion import newest_weights
from models.upstream.jik876 import hifigan_sizes
from models.upstream.parallel_wavegan import pwg_hifigan
from models.vocoders.hifigan import HiFiGAN
from modules.norm import modern_keys
from tests.conftest import SHARED, make
from tests.networks import expected, mel_of, says, stirred
from tests.parity import old_keys
from tests.parity.hifigan import reference_names
from utils.config import build

MANIFESTS = SHARED / "parity/manifests"
SIZES = {
    "resblock": 2,  # a number in some published files, a string in others
    "upsample_rates": [8, 8, 4],
    "upsample_kernel_sizes": [16, 16, 8],
    "upsample_initial_channel": 16,
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 2], [2, 6]],
}
JIK876 = {**SIZES, "num_mels": 20, "n_fft": 1024, "hop_size": 256, "win_size": 1024, "sampling_rate": 22050, "fmin": 0, "fmax": 8000}
MEL = mel_of(6, 20)


@pytest.fixture
def network():
    return stirred(make(HiFiGAN, n_mel=20, **hifigan_sizes(SIZES)))


def amphion_folder(folder, weights, *, name="checkpoint/epoch-0010_step-0001000_loss-1.5/pytorch_model.bin"):
    """args.json as Amphion dumps it: JSON5 with trailing commas, and a base_config that does not exist here."""
    p = {"n_mel": 20, "sample_rate": 24000, "n_fft": 1024, "hop_size": 256, "win_size": 1024, "fmin": 0, "fmax": 12000}
    text = json.dumps({"model_type": "GANVocoder", "preprocess": p, "model": {"generator": "hifigan", "hifigan": SIZES}}, indent=4)
    text = re.sub(r"([\]}\w\"])(\n\s*[\]}])", r"\1,\2", text).replace("{\n", '{\n    base_config: "egs/vocoder/gan/gone.json",\n', 1)
    assert ",\n}" in text
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (folder / "args.json").write_text(text)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({k: v.contiguous() for k, v in weights.items()}, path)
    else:
        torch.save(weights, path)
    return folder


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
def test_amphion_run(tmp_path, network, file):
    name = f"checkpoint/epoch-0010_step-0001000_loss-1.5/{file}"
    folder = amphion_folder(tmp_path, old_keys(network.state_dict()), name=name)
    np.testing.assert_allclose(says(folder, MEL), expected(network, MEL), atol=1e-6)
    assert load(folder, device="cpu").rate == 24000
    settings = load(folder, device="cpu").mel_settings
    assert (settings.n_mel, settings.fmax, settings.win_size) == (20, 12000, 1024)
    for inner in (tmp_path / "checkpoint/epoch-0010_step-0001000_loss-1.5", tmp_path / name):
        np.testing.assert_allclose(says(inner, MEL), expected(network, MEL), atol=1e-6)


@pytest.mark.parametrize("name", ["400000.pt", "checkpoints/step-0560000_loss-51.2373.pt"])
def test_amphion_legacy_file(tmp_path, network, name):
    state = {f"module.{key}": value for key, value in old_keys(network.state_dict()).items()}
    folder = amphion_folder(tmp_path, {"generator_state_dict": state, "discriminator_state_dict": {"a": torch.ones(1)}}, name=name)
    np.testing.assert_allclose(says(folder, MEL), expected(network, MEL), atol=1e-6)


def test_the_furthest_checkpoint_is_taken_whatever_lies_beside_it(tmp_path):
    names = ["epoch-0009_step-0009999_loss-0.1", "epoch-0100_step-0000500_loss-9.9", "final_epoch-0100_step-0000501_loss-9.0"]
    for name in names:
        (tmp_path / "checkpoint" / name).mkdir(parents=True)
        (tmp_path / "checkpoint" / name / "pytorch_model.bin").touch()
    for stray in ("epoch-0100_eval_audio_ljspeech.wav", "notes.txt", ".DS_Store", "epoch-0200_step-0000900_loss-1.0"):
        (tmp_path / "checkpoint" / stray).mkdir()  # the last is a checkpoint without weights
    assert newest_weights(tmp_path).parent.name == names[2]
    (tmp_path / "checkpoint" / names[2] / "model.safetensors").touch()
    assert newest_weights(tmp_path).name == "model.safetensors"


@pytest.mark.parametrize("name", ["g_02500000", "generator", "generator_v3.pt"])
def test_jik876_folder_and_file(tmp_path, network, name):
    (tmp_path / "config.json").write_text(json.dumps(JIK876))
    torch.save({"generator": old_keys(network.state_dict())}, tmp_path / name)
    torch.save({"mpd": {}, "optim_g": {}, "steps": 1}, tmp_path / "do_02500000")
    np.testing.assert_allclose(says(tmp_path, MEL), expected(network, MEL), atol=1e-6)
    np.testing.assert_allclose(says(tmp_path / name, MEL), expected(network, MEL), atol=1e-6)


def test_the_last_of_several_generators_is_taken(tmp_path, network):
    (tmp_path / "config.json").write_text(json.dumps(JIK876))
    torch.save({"generator": old_keys(network.state_dict())}, tmp_path / "g_00010000")
    torch.save({"generator": old_keys(make(HiFiGAN, n_mel=20, **hifigan_sizes(SIZES)).state_dict())}, tmp_path / "g_00005000")
    np.testing.assert_allclose(says(tmp_path, MEL), expected(network, MEL), atol=1e-6)


def test_norms_already_multiplied_out(tmp_path, network):
    (tmp_path / "config.json").write_text(json.dumps(JIK876))
    wanted = expected(network, MEL)
    torch.save({"generator": network.prepared().state_dict()}, tmp_path / "generator")
    np.testing.assert_allclose(says(tmp_path, MEL), wanted, atol=1e-6)


@pytest.mark.parametrize("lean, causal", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("statistics", [False, True])
def test_parallel_wavegan(tmp_path, lean, causal, statistics):
    import yaml

    params = {
        "in_channels": 20, "channels": 16, "upsample_scales": [8, 5], "upsample_kernal_sizes": [16, 10],
        "resblock_kernel_sizes": [3, 5], "resblock_dilations": [[1, 3], [1, 2]], "use_additional_convs": not lean,
        "nonlinear_activation": "LeakyReLU", "nonlinear_activation_params": {"negative_slope": 0.1}, "bias": True,
        "use_causal_conv": causal,
    }  # fmt: skip
    config = {"generator_type": "HiFiGANGenerator", "generator_params": params, "sampling_rate": 24000, "hop_size": 40}
    config |= {"fft_size": 2048, "win_length": None, "num_mels": 20, "fmin": 80, "fmax": 7600}
    arguments, _ = pwg_hifigan(params, {})
    model = build(HiFiGAN, json.loads(json.dumps(arguments)), {"n_mel": 20}).eval()
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
    state = reference_names(model.state_dict(), "kan-bayashi", causal)
    assert any(".deconv." in key for key in state) is causal
    assert any(".convs2." in key for key in state) is not lean
    torch.save({"model": {"generator": state, "discriminator": {}}, "steps": 2}, tmp_path / "checkpoint-2500000steps.pkl")
    torch.save({"model": {"generator": {}}}, tmp_path / "checkpoint-400000steps.pkl")
    mel = MEL
    if statistics:
        np.save(tmp_path / "stats.npy", np.stack([np.full(20, -2.0), np.full(20, 0.5)]))
        mel = (MEL + 2) / 0.5
    wanted = model.infer(torch.from_numpy(mel)[None])[0].numpy()
    np.testing.assert_allclose(says(tmp_path, MEL), wanted, atol=1e-6)
    settings = load(tmp_path, device="cpu").mel_settings
    assert settings.win_size == 2048 and settings.convention.log == "log10"


def test_what_does_not_fit_is_listed(tmp_path, network):
    state = old_keys(network.state_dict())
    state["conv_pre.bias"] = torch.zeros(3)
    state["extra.weight"] = state.pop("ups.0.bias")
    with pytest.raises(ValueError) as caught:
        load(amphion_folder(tmp_path, state))
    for said in (r"missing ups\.0\.bias", r"unknown extra\.weight", r"conv_pre\.bias is \(3,\), not \(16,\)"):
        assert re.search(said, str(caught.value))


class Malicious:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_checkpoint_with_code_is_refused_and_not_run(tmp_path, capsys):
    folder = amphion_folder(tmp_path, {"generator_state_dict": Malicious()}, name="1000.pt")
    with pytest.raises(ValueError, match="1000.pt is refused"):
        load(folder)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
def test_a_truncated_checkpoint_is_named(tmp_path, network, file):
    name = f"checkpoint/epoch-0001_step-0000010_loss-1.0/{file}"
    folder = amphion_folder(tmp_path, old_keys(network.state_dict()), name=name)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:1000])
    with pytest.raises(ValueError, match=f"{file} is (damaged|refused)"):
        load(folder)


def test_folders_that_lack_something_say_what(tmp_path):
    with pytest.raises(ValueError, match="args.json, .*config.json, .*config.yml, preprocess.yaml"):
        read_foreign(tmp_path)
    cases = {
        "args.json": [("{]", "is not JSON5"), ("{model_type: 'GANVocoder', preprocess: {}, model: {}}", "no model.safetensors")],
        "config.json": [("{}", "none of the configurations"), (json.dumps(JIK876), "no generator or g_"), ("{", "not valid JSON")],
        "config.yml": [("generator_type: MelGANGenerator", "HiFiGANGenerator"), ("- [", "is not YAML"), ("", "holds no settings")],
    }
    for name, texts in cases.items():
        (tmp_path / name).mkdir()
        for text, message in texts:
            (tmp_path / name / name).write_text(text)
            with pytest.raises(ValueError, match=message):
                read_foreign(tmp_path / name)
    torch.save({"generator_state_dict": {"a": torch.ones(1)}}, tmp_path / "args.json/1.pt")
    for text, message in (("{model_type: 'VITSS', preprocess: {}}", "VITSS"), ("{model_type: 'GANVocoder', model: {}}", "lacks .*'preprocess'")):
        (tmp_path / "args.json/args.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_foreign(tmp_path / "args.json")


def test_old_norm_keys_become_torchs_and_back():
    from torch.nn.utils import parametrizations, spectral_norm, weight_norm

    torch.manual_seed(0)
    for old, new in ((weight_norm, parametrizations.weight_norm), (spectral_norm, parametrizations.spectral_norm)):
        theirs, ours = old(nn.Conv1d(3, 4, 5)).eval(), new(nn.Conv1d(3, 4, 5)).eval()
        state = {f"a.{k}": v for k, v in theirs.state_dict().items()}
        assert old_keys(modern_keys(state)).keys() == state.keys()
        ours.load_state_dict({k.removeprefix("a."): v for k, v in modern_keys(state).items()})
        x = torch.randn(1, 3, 9)
        torch.testing.assert_close(ours(x), theirs(x))
