"""Published autoencoders of mels in their containers: Amphion's step files and folders, and a folder of diffusers."""

import json

import numpy as np
import pytest
import torch

from models import load
from models.tta.autoencoderkl import AutoencoderKL
from models.upstream import read_foreign
from tests.conftest import make
from tests.networks import stirred

SIZES = {"channels": 32, "multipliers": (1, 2), "blocks": 1, "latent": 2, "groups": 32}


def network(bands, **settings):
    torch.manual_seed(0)
    sizes = SIZES | settings.pop("sizes", {})
    return stirred(make(AutoencoderKL, n_mel=bands, sizes=sizes, **settings), 0.02)


def mel_of(bands, frames=9):
    return np.random.default_rng(0).standard_normal((frames, bands)).astype(np.float32) - 4


def same(path, model, bands):
    coder = load(path, device="cpu")
    mel = mel_of(bands)
    latents = coder.encode(mel)
    with torch.no_grad():
        expected = model.by_frame(model.encode(torch.from_numpy(mel)[None]).moments)[0]
    np.testing.assert_allclose(latents.moments, expected.numpy(), rtol=1e-4, atol=1e-5)
    return coder


def amphion_file(folder, model, name="step-0445000_loss-0.3306.pt"):
    path = folder / "tta/autoencoder_kl_debug/checkpoints" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {**model.state_dict(), "criterion.logvar": torch.zeros(())}
    torch.save({"model": state, "optimizer_ae": {"state": {}}, "step": 1, "epoch": 2, "batch_size": 12}, path)
    return path


def test_a_step_file_of_amphion(tmp_path):
    model = network(80, sizes={"multipliers": (1, 1, 2)})
    path = amphion_file(tmp_path, model)
    coder = same(path, model, 80)
    assert coder.rate == 16000 and coder.hop_size == 256 and coder.model.height == "frequency"
    assert "vocoder" not in coder.card
    amphion_file(tmp_path, network(80), "step-0005000_loss-0.1.pt")
    same(path.parent, model, 80)


def test_the_vocoder_of_the_release_is_named(tmp_path):
    path = amphion_file(tmp_path, network(80))
    vocoder = tmp_path / "tta/hifigan_checkpoints"
    vocoder.mkdir()
    (vocoder / "config.json").write_text(json.dumps({"upsample_rates": [8, 8, 4]}))
    card, _ = read_foreign(path)
    assert card["vocoder"] == str(vocoder)


def test_a_folder_of_amphion_with_its_settings(tmp_path):
    model = network(40)
    path = amphion_file(tmp_path, model)
    p = {"n_mel": 40, "sample_rate": 24000, "hop_size": 240, "n_fft": 512, "win_size": 512, "fmin": 0, "fmax": 12000}
    config = {"model_type": "AutoencoderKL", "preprocess": p, "model": {"loss": {"logvar_init": 0.5}}}
    (path.parents[1] / "args.json").write_text(json.dumps(config))
    coder = same(path.parents[1], model, 40)
    assert (coder.rate, coder.hop_size, coder.mel_settings.fmax, coder.model.logvar) == (24000, 240, 12000, 0.5)


def test_bands_that_the_levels_cannot_halve_are_named(tmp_path):
    path = amphion_file(tmp_path, network(80))
    config = {"model_type": "AutoencoderKL", "preprocess": {"n_mel": 41, "sample_rate": 16000, "hop_size": 256}}
    (path.parents[1] / "args.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="n_mel is 41, no multiple of 2"):
        load(path.parents[1], device="cpu")


def test_other_step_files_are_not_taken_for_it(tmp_path):
    torch.save({"model": {"unet.out.2.weight": torch.zeros(1)}}, tmp_path / "step-1.pt")
    with pytest.raises(ValueError, match="none of the configurations that can be read|is no checkpoint of ours"):
        load(tmp_path / "step-1.pt", device="cpu")


@pytest.fixture
def vae(tmp_path):
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    sizes = {"block_out_channels": (32, 64), "layers_per_block": 1, "latent_channels": 2, "in_channels": 1, "out_channels": 1}
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    theirs = stirred(diffusers.AutoencoderKL(**sizes, **blocks, norm_num_groups=16), 0.02)
    theirs.save_pretrained(tmp_path / "vae")
    return theirs


def test_a_folder_of_diffusers_gives_the_same_latents_and_mels(vae, tmp_path):
    coder = load(tmp_path / "vae", device="cpu")
    assert coder.model.height == "time" and coder.hop_size == 160
    mel = torch.from_numpy(mel_of(64, 12))[None, None]
    with torch.no_grad():
        posterior = vae.encode(mel).latent_dist
        decoded = vae.decode(posterior.mean).sample
    ours = coder.encode(mel[0, 0].numpy())
    np.testing.assert_allclose(ours.mean.transpose(1, 0, 2), posterior.mean[0].numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.logvar.transpose(1, 0, 2), posterior.logvar[0].numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(coder.decode(ours), decoded[0, 0].numpy(), rtol=1e-4, atol=1e-4)


def test_a_setting_of_diffusers_that_is_not_built_is_named(vae, tmp_path):
    path = tmp_path / "vae/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "act_fn": "relu"}))
    with pytest.raises(ValueError, match="act_fn is 'relu': only 'silu' is built here"):
        load(tmp_path / "vae", device="cpu")
    for file in (tmp_path / "vae").glob("*.safetensors"):
        file.unlink()
    with pytest.raises(ValueError, match=r"holds no diffusion_pytorch_model.safetensors .*download the weights too"):
        load(tmp_path / "vae", device="cpu")
