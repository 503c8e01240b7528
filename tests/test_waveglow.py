"""WaveGlow: inverses and determinants, padding, stretches, and the containers that it is published in."""

import json
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import weight_norm as old_weight_norm

from models import load
from models.upstream.nvidia_waveglow import merge_old
from models.vocoders.waveglow import InvertibleConv, WaveGlow
from tests.networks import batch_of, expected, losses_of, mel_of, stirred, tones
from tests.parity import old_keys

GLOW = {"n_mel": 5, "hop_size": 16, "upsample_kernel_size": 40, "n_flows": 4, "n_early_every": 2, "n_layers": 2, "n_channels": 6}


def glow(**sizes):
    return stirred(WaveGlow(**{**GLOW, **sizes}), but="convinv")




SHAPES = [
    {},
    {"n_group": 4, "n_early_size": 0},
    {"n_group": 6, "n_early_every": 1, "n_early_size": 2, "n_flows": 3, "kernel_size": 5},
    {"n_group": 12, "n_early_size": 4, "n_early_every": 3, "kernel_size": 1},
    {"n_flows": 1, "upsample_kernel_size": 16},
]


@pytest.mark.parametrize("sizes", SHAPES)
def test_the_flow_can_be_undone_from_both_sides(sizes):
    model = glow(**sizes)
    mel, audio = torch.randn(2, 7, 5), torch.rand(2, 7 * 16) * 2 - 1
    with torch.no_grad():
        z, _, _ = model.encode(mel, audio)
        whole = z.shape[1] * z.shape[2]
        assert whole > 7 * 16 - model.n_group
        torch.testing.assert_close(model.decode(z, mel), audio[:, :whole], rtol=0, atol=1e-4)
        noise = torch.randn_like(z)
        torch.testing.assert_close(model.encode(mel, model.decode(noise, mel))[0], noise, rtol=0, atol=1e-4)
    assert (z - audio[:, :whole].unflatten(1, (-1, model.n_group)).mT).abs().max() > 0.1, "the flow does something"


@pytest.mark.parametrize("sizes", SHAPES[:3])
def test_the_determinant_is_that_of_the_jacobian_and_the_loss_the_likelihood(sizes):
    model = glow(**sizes, sigma=0.7)
    mel, audio = torch.randn(1, 2, 5), torch.rand(1, 24) - 0.5
    flat = lambda x: model.encode(mel, x)[0].flatten()  # noqa: E731
    jacobian = torch.autograd.functional.jacobian(flat, audio)[:, 0]
    with torch.no_grad():
        z, log_scales, log_dets = model.encode(mel, audio)
        ours = sum(s.sum() for s in log_scales) + z.shape[2] * log_dets.sum()
        wanted = torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(ours, wanted, rtol=1e-3, atol=1e-3)
        prior = torch.distributions.Normal(0.0, 0.7).log_prob(z).sum()
        constant = np.log(0.7) + 0.5 * np.log(2 * np.pi)
        lengths = {"frames": torch.tensor([2]), "samples": torch.tensor([24])}
        loss = model({"mel": mel, "audio": audio, **lengths})["nll"]
    torch.testing.assert_close(loss + constant, -(prior + wanted) / 24, rtol=1e-3, atol=1e-3)


def test_a_padded_utterance_is_as_likely_as_alone():
    model = glow()
    with torch.no_grad():
        together = model(batch_of([9, 4], 16, pad=3))["nll"]
        whole = batch_of([9, 4], 16)
        alone = [
            model(
                {
                    k: v[i : i + 1, :n] if v.ndim > 1 else v[i : i + 1]
                    for (k, v), n in zip(whole.items(), (f, 16 * f, 0, 0), strict=True)
                }
            )
            for i, f in enumerate((9, 4))
        ]
    torch.testing.assert_close(together, (9 * alone[0]["nll"] + 4 * alone[1]["nll"]) / 13, rtol=1e-5, atol=1e-5)


def test_samples_that_make_no_whole_frame_or_group_are_left_out():
    batch = batch_of([6], 16)
    short = {**batch, "samples": torch.tensor([6 * 16 - 3])}
    clipped = {**batch, "audio": batch["audio"][:, : 6 * 16 - 3], "samples": torch.tensor([6 * 16 - 3])}
    with torch.no_grad():
        model = glow()
        assert torch.isfinite(model(clipped)["nll"])
        torch.testing.assert_close(model(short)["nll"], model(clipped)["nll"])


@pytest.mark.parametrize("sizes", SHAPES)
def test_glow_gives_hop_samples_a_frame_and_the_same_for_a_seed(sizes):
    model = glow(**sizes, hop_size=15)
    for frames in (1, 8):
        mel = torch.randn(2, frames, 5)
        sound = model.infer(mel, seed=4)
        assert sound.shape == (2, frames * 15) and torch.isfinite(sound).all()
        assert torch.equal(sound, model.infer(mel, seed=4)) and not torch.equal(sound, model.infer(mel, seed=5))
    assert torch.equal(model.infer(mel, noise_scale=0.0), model.infer(mel, noise_scale=0.0, seed=1))


def test_a_stretch_with_its_noise_sounds_as_in_the_whole():
    model = glow()
    reach, mel = model.receptive_field_frames, torch.randn(1, 60, 5)
    noise = torch.randn(1, 8, 60 * 2)
    whole = model.infer(mel, noise=noise)
    a, b = 25, 33
    part = model.infer(mel[:, a - reach : b + reach], noise=noise[..., 2 * (a - reach) : 2 * (b + reach)])
    torch.testing.assert_close(part[:, reach * 16 : -reach * 16], whole[:, a * 16 : b * 16], rtol=0, atol=1e-5)
    assert 2 * reach < 25 * 2 and reach < 25


def test_folding_changes_nothing_and_new_weights_are_inverted_anew():
    model, mel = glow(), torch.randn(1, 6, 5)
    before = model.infer(mel, seed=1)
    torch.testing.assert_close(model.prepared().infer(mel, seed=1), before, rtol=1e-4, atol=1e-5)
    assert model.convinv[0].inverted is not None
    state = {k: v + 0.05 if k.startswith("convinv") else v for k, v in model.state_dict().items()}
    model.load_state_dict(state)
    after = model.infer(mel, seed=1)
    torch.testing.assert_close(model.prepared().infer(mel, seed=1), after, rtol=1e-4, atol=1e-5)
    assert (after - before).abs().max() > 1e-3


def test_the_mixing_begins_as_a_rotation():
    mix = InvertibleConv(6)
    torch.testing.assert_close(mix.matrix @ mix.matrix.T, torch.eye(6), rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.linalg.det(mix.matrix), torch.tensor(1.0))


MEL = mel_of(4, 5)
NVIDIA = {**GLOW, "hop_size": 256, "upsample_kernel_size": 1024, "n_early_every": 4}


def test_amphions_waveglow_folder(tmp_path):
    model = glow(**NVIDIA)
    capitals = {"INPUT_DIM": 5, "N_GROUP": 8, "N_FLOWS": 4, "N_EARLY_EVERY": 4, "N_EARLY_SIZE": 2}
    capitals |= {"N_LAYERS": 2, "N_CHANNELS": 6, "KERNEL_SIZE": 3}
    p = {"n_mel": 5, "sample_rate": 24000, "n_fft": 1024, "hop_size": 256, "win_size": 1024, "fmin": 0, "fmax": 12000}
    config = {"model_type": "FlowVocoder", "preprocess": p, "model": {"generator": "waveglow"}, "VOCODER": capitals}
    (tmp_path / "args.json").write_text(json.dumps(config))
    torch.save({"state_dict": old_keys(model.state_dict())}, tmp_path / "1000.pt")
    np.testing.assert_allclose(expected(load(tmp_path, device="cpu").model, MEL, seed=1), expected(model, MEL, seed=1), rtol=1e-4, atol=1e-5)


def test_nvidias_state_dict_alone_and_with_its_config(tmp_path):
    model = glow(**NVIDIA)
    torch.save({"state_dict": old_keys(model.state_dict())}, tmp_path / "waveglow_weights.pt")
    np.testing.assert_allclose(expected(load(tmp_path, device="cpu").model, MEL, seed=1), expected(model, MEL, seed=1), rtol=1e-4, atol=1e-5)
    task = load(tmp_path / "waveglow_weights.pt", device="cpu")
    assert (task.mel_settings.fmax, task.mel_settings.convention.padding, task.model.sigma) == (8000, "center", 1.0)
    every = glow(**{**NVIDIA, "n_early_every": 2})
    torch.save({"state_dict": old_keys(every.state_dict())}, tmp_path / "waveglow_weights.pt")
    config = {
        "waveglow_config": {"n_early_every": 2, "n_early_size": 2},
        "data_config": {"mel_fmax": 7600.0, "sampling_rate": 16000},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    np.testing.assert_allclose(expected(load(tmp_path, device="cpu").model, MEL, seed=1), expected(every, MEL, seed=1), rtol=1e-4, atol=1e-5)
    assert load(tmp_path, device="cpu").rate == 16000


def test_it_learns_which_tones_are_loud():
    losses = losses_of(WaveGlow(**GLOW).train(), tones(), 60, 3e-3, anew=True)
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 1.0  # nats a sample


@pytest.fixture
def glow_module(monkeypatch):
    """A stand-in for the module `glow` that NVIDIA's pickles name, with classes of those names and old weight norms."""
    module = types.ModuleType("glow")
    for name in ("WaveGlow", "WN", "Invertible1x1Conv"):
        made = type(name, (nn.Module,), {"__module__": "glow"})
        setattr(module, name, made)
    monkeypatch.setitem(sys.modules, "glow", module)
    return module


def pickled(module, model):
    """`model` as NVIDIA's classes hold it."""
    out = module.WaveGlow()
    out.upsample = nn.ConvTranspose1d(5, 5, 1024, 256)
    out.WN, out.convinv = nn.ModuleList(), nn.ModuleList()
    for ours, mix in zip(model.WN, model.convinv, strict=True):
        net, inverse = module.WN(), module.Invertible1x1Conv()
        net.in_layers, net.res_skip_layers = nn.ModuleList(), nn.ModuleList()
        normed = lambda conv: old_weight_norm(nn.Conv1d(conv.in_channels, conv.out_channels, conv.kernel_size[0]))  # noqa: E731
        net.in_layers.extend(normed(conv) for conv in ours.in_layers)
        net.res_skip_layers.extend(normed(conv) for conv in ours.res_skip_layers)
        net.cond_layer, net.start = normed(ours.cond_layer), normed(ours.start)
        net.end = nn.Conv1d(ours.end.in_channels, ours.end.out_channels, 1)
        inverse.conv = nn.Conv1d(mix.conv.in_channels, mix.conv.in_channels, 1, bias=False)
        out.WN.append(net)
        out.convinv.append(inverse)
    out.load_state_dict(old_keys(model.state_dict()))
    return out


@pytest.mark.filterwarnings("ignore")
def test_nvidias_pickled_module_gives_its_tensors_and_runs_no_code(tmp_path, glow_module, monkeypatch):
    model = glow(**NVIDIA)
    held = {"model": pickled(glow_module, model), "iteration": 5, "optimizer": {}, "learning_rate": 1e-4}
    torch.save(held, tmp_path / "waveglow_256channels_universal_v5.pt")
    monkeypatch.delitem(sys.modules, "glow")  # whoever reads it has no such module, and needs none
    np.testing.assert_allclose(expected(load(tmp_path, device="cpu").model, MEL, seed=1), expected(model, MEL, seed=1), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_read_safely_is_refused_with_the_cure(tmp_path, glow_module, capsys):
    path = tmp_path / "waveglow_256channels.pt"
    torch.save({"model": pickled(glow_module, glow(**NVIDIA))}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=r"waveglow_256channels.pt is a module.*state_dict\(\)"):
        load(path)

    class Malicious:
        def __reduce__(self):
            return (print, ("code ran",))

    torch.save({"model": Malicious()}, path)
    with pytest.raises(ValueError, match="without running code"):
        load(path)
    assert "code ran" not in capsys.readouterr().out
    torch.save({"model": {"encoder.weight": torch.ones(1)}}, path)
    with pytest.raises(ValueError, match="no WaveGlow of NVIDIA's.*encoder.weight"):
        load(path)


def test_the_first_releases_layers_are_joined():
    model = glow(**NVIDIA)
    new = old_keys(model.state_dict())
    old = {k: v for k, v in new.items() if "cond_layer." not in k and "res_skip_layers" not in k}
    for k, v in new.items():
        head, _, tail = k.partition(".res_skip_layers.")
        if tail and len(v) == 12:
            old[f"{head}.res_layers.{tail}"], old[f"{head}.skip_layers.{tail}"] = v[:6], v[6:]
        elif tail:
            old[f"{head}.skip_layers.{tail}"] = v
        head, _, tail = k.partition(".cond_layer.")
        if tail:
            old |= {f"{head}.cond_layers.{i}.{tail}": part for i, part in enumerate(v.chunk(2))}
    joined = merge_old(old)
    assert joined.keys() == new.keys() and all(torch.equal(joined[k], v) for k, v in new.items())
    assert merge_old(new) == new
