"""WaveGlow and DiffWave: inverses and determinants, samplers against closed forms, padding, stretches, learning, foreign files."""

import json
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import weight_norm as old_weight_norm

import models.vocoders.diffwave as diffwave_module
from models import load
from models.base.task import fit_weights
from models.upstream import read_foreign
from models.upstream.lmnt import lmnt_diffwave
from models.upstream.nvidia_waveglow import merge_old
from models.vocoders.diffwave import FAST, LINEAR, DiffWave
from models.vocoders.waveglow import InvertibleConv, WaveGlow
from modules.diffusion import SAMPLERS
from modules.gated import GatedStack, gate
from modules.norm import modern_keys
from modules.planes import planes
from tests.conftest import SHARED
from tests.parity import diffwave as diffwave_parity
from tests.parity import old_keys
from tests.parity import waveglow as waveglow_parity
from utils.config import build

GLOW = {"n_mel": 5, "hop_size": 16, "upsample_kernel_size": 40, "n_flows": 4, "n_early_every": 2, "n_layers": 2, "n_channels": 6}
WAVE = {"n_mel": 5, "residual_channels": 6, "residual_layers": 4, "dilation_cycle_length": 2, "upsample_factors": (4, 4)}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def stirred(model, size=0.3):
    """The model with weights far from their start, where what should matter does."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "convinv" not in name:
                parameter.add_(size * torch.randn_like(parameter) / max(1, parameter[0].numel()) ** 0.5)
    return model.eval()


def glow(**sizes):
    return stirred(WaveGlow(**{**GLOW, **sizes}))


def wave(**sizes):
    return stirred(DiffWave(**{**WAVE, **sizes}))


def batch_of(frames, hop, n_mel=5, pad=0):
    """Utterances of those lengths; beyond their ends lies what must not be heard."""
    random = torch.Generator().manual_seed(1)
    longest = max(frames) + pad
    mel = torch.full((len(frames), longest, n_mel), -7.0)
    audio = torch.zeros(len(frames), longest * hop)
    for i, f in enumerate(frames):
        mel[i, :f] = torch.randn(f, n_mel, generator=random)
        audio[i, : f * hop] = 0.3 * torch.randn(f * hop, generator=random)
    return {"mel": mel, "audio": audio, "frames": torch.tensor(frames), "samples": torch.tensor(frames) * hop}


# The gated stack


def test_the_stack_is_the_plain_formula():
    stack = GatedStack(channels=6, kernel_size=5, dilations=(1, 3, 2), condition_channels=4).eval()
    x, condition = torch.randn(2, 6, 21), torch.randn(2, 4, 21)
    h, total, shares = x, 0, stack.cond_layer(condition).chunk(3, 1)
    for into, out, share in zip(stack.in_layers, stack.res_skip_layers, shares, strict=True):
        a, b = (into(h) + share).chunk(2, 1)
        both = out(torch.tanh(a) * torch.sigmoid(b))
        if both.shape[1] == 12:
            h = h + both[:, :6]
        total = total + both[:, -6:]
    torch.testing.assert_close(stack(planes(x), planes(condition)).squeeze(2), total)
    with torch.inference_mode():
        torch.testing.assert_close(stack(planes(x), planes(condition)).squeeze(2), total, rtol=1e-5, atol=1e-5)
    assert stack.reach == 2 * (1 + 3 + 2)


@pytest.mark.parametrize("tanh_first", [True, False])
def test_the_quick_gate_is_the_plain_one(tanh_first):
    hidden = torch.linspace(-12, 12, 2 * 8 * 50).reshape(2, 8, 1, 50)
    plain = gate(hidden.clone(), tanh_first=tanh_first)
    first, second = hidden.chunk(2, 1)
    wanted = first.tanh() * second.sigmoid() if tanh_first else first.sigmoid() * second.tanh()
    torch.testing.assert_close(plain, wanted)
    with torch.inference_mode():
        torch.testing.assert_close(gate(hidden.clone(), tanh_first=tanh_first), wanted, rtol=0, atol=5e-7)


# WaveGlow

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


@pytest.mark.parametrize(
    "sizes, message",
    [
        ({"n_group": 7}, "n_group must be even.*7"),
        ({"n_early_size": 1}, "n_early_size must be even"),
        ({"n_early_every": 1, "n_flows": 5}, "4 times n_early_size 2 leaves nothing of n_group 8"),
        ({"kernel_size": 4}, "kernel_size must be odd.*4"),
        ({"upsample_kernel_size": 8}, "upsample_kernel_size 8 is shorter than preprocess.hop_size 16"),
    ],
)
def test_glow_sizes_that_do_not_fit_are_named(sizes, message):
    with pytest.raises(ValueError, match=message):
        WaveGlow(**{**GLOW, **sizes})


# DiffWave


def levels_of(betas):
    return np.cumprod(1 - np.asarray(betas))


@pytest.mark.parametrize("steps", [None, 1, 2, 5, 6, 7, 20, 49, 50])
def test_every_number_of_steps_keeps_to_the_levels_of_training(steps):
    respacing = DiffWave(**WAVE).respacing(steps)
    positions = respacing.positions
    assert len(positions) == (steps or 6)
    assert (np.diff(positions) > 0).all() and positions.min() >= 0 and positions.max() <= 49
    training = np.sqrt(levels_of(LINEAR))
    np.testing.assert_allclose(np.interp(positions, np.arange(50), training), np.sqrt(respacing.levels), atol=1e-9)


def test_the_two_schedules_are_what_was_given():
    model = DiffWave(**WAVE)
    for steps, betas in ((None, FAST), (6, FAST), (50, LINEAR)):
        np.testing.assert_allclose(model.respacing(steps).betas, betas, rtol=1e-9)
    assert model.respacing(50).positions.tolist() == list(range(50))
    for bad in (0, 51, -1):
        with pytest.raises(ValueError, match=f"steps: 1 to 50.*{bad}"):
            model.respacing(bad)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_sampler_makes_sound_and_the_papers_is_the_default(sampler):
    model, mel = wave(), torch.randn(1, 3, 5)
    sound = model.infer(mel, sampler=sampler, seed=2)
    assert sound.shape == (1, 48) and sound.abs().max() <= 1
    assert torch.equal(model.infer(mel, seed=2), sound) == (sampler == "ddpm")


@pytest.mark.parametrize("steps", [1, 3, None, 10, 50])
def test_who_hears_the_noise_perfectly_is_led_to_the_sound(steps, monkeypatch):
    model = DiffWave(**WAVE)
    sound = 0.5 * torch.sin(torch.arange(64) / 3)[None]
    training, seen = np.sqrt(levels_of(LINEAR)), []

    def oracle(audio, step, conditions, mask=None):
        kept = float(np.interp(step.item(), np.arange(50), training))
        seen.append((audio - kept * sound).std().item() / (1 - kept**2) ** 0.5)
        return (audio - kept * sound) / (1 - kept**2) ** 0.5

    monkeypatch.setattr(model, "_network", oracle)
    found = model.infer(torch.zeros(1, 4, 5), steps=steps, noise=0.3 * torch.randn(steps or 6, 1, 64))
    torch.testing.assert_close(found, sound, rtol=0, atol=1e-4)
    assert len(seen) == (steps or 6)


@pytest.mark.parametrize("factors", [(4, 4), (3, 5), (2, 3, 2), (16,)])
def test_wave_gives_hop_samples_a_frame_and_the_same_for_a_seed(factors):
    model = wave(upsample_factors=factors)
    for frames in (1, 5):
        mel = torch.randn(2, frames, 5)
        sound = model.infer(mel, steps=3, seed=4)
        assert sound.shape == (2, frames * np.prod(factors)) and sound.abs().max() <= 1
        assert torch.equal(sound, model.infer(mel, steps=3, seed=4))
        assert not torch.equal(sound, model.infer(mel, steps=3, seed=5))


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("keep", [2**31, 0])
def test_long_utterances_are_worked_on_in_stretches_that_nobody_hears(monkeypatch, keep, conditional):
    model, mel, noise = wave(conditional=conditional), torch.randn(2, 45, 5), torch.randn(6, 2, 45 * 16) * 0.3
    whole = model.infer(mel, noise=noise)
    monkeypatch.setattr(diffwave_module, "CACHE_BYTES", keep)
    monkeypatch.setattr(diffwave_module, "STRETCH", 10)
    torch.testing.assert_close(model.infer(mel, noise=noise), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("factors", [(4, 4), (3, 5)])
def test_a_padded_mixture_is_heard_as_alone(factors):
    hop = int(np.prod(factors))
    model, batch, steps = wave(upsample_factors=factors), batch_of([9, 4], hop, pad=3), torch.tensor([7, 31])
    inside = torch.arange(12 * hop)[None] < batch["samples"][:, None]
    with torch.no_grad():
        mask = inside[:, None, None].float()
        together = model.denoise(batch["audio"], steps, batch["mel"], batch["frames"], mask)
        for i, f in enumerate((9, 4)):
            alone = model.denoise(batch["audio"][i : i + 1, : f * hop], steps[i : i + 1], batch["mel"][i : i + 1, :f])
            torch.testing.assert_close(together[i : i + 1, : f * hop], alone, rtol=1e-4, atol=1e-5)


def test_the_layers_are_the_plain_formula():
    model, mel, audio = wave(), torch.randn(2, 3, 5), torch.randn(2, 48)
    with torch.no_grad():
        ours = model.denoise(audio, torch.tensor([3, 40]), mel)
        fine = model.spectrogram_upsampler(mel.mT, None)
        step, x, skips = model.diffusion_embedding(torch.tensor([3, 40])), F.relu(model.input_projection(audio[:, None])), 0
        for layer in model.residual_layers:
            h = layer.dilated_conv(x + layer.diffusion_projection(step)[..., None]) + layer.conditioner_projection(fine)
            residual, skip = layer.output_projection(torch.sigmoid(h[:, :6]) * torch.tanh(h[:, 6:])).chunk(2, 1)
            x, skips = (x + residual) / 2**0.5, skips + skip
        plain = model.output_projection(F.relu(model.skip_projection(skips / 2)))[:, 0]
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


def test_steps_between_two_lie_between_them():
    embed = DiffWave(**WAVE).diffusion_embedding
    table = embed.table
    assert torch.equal(embed(torch.tensor([7])), embed(torch.tensor([7.0])))
    embed.projection1, embed.projection2 = nn.Identity(), nn.Identity()
    wanted = F.silu(F.silu(0.75 * table[7] + 0.25 * table[8]))
    torch.testing.assert_close(embed(torch.tensor([7.25]))[0], wanted)


def test_validation_hears_the_same_noise_each_time_and_training_does_not():
    model, batch = wave(), batch_of([9, 4], 16)
    with torch.no_grad():
        assert model(batch)["noise"] == model(batch)["noise"]
        torch.testing.assert_close(model(batch_of([9, 4], 16, pad=5))["noise"], model(batch)["noise"], rtol=1e-5, atol=1e-6)
        model.train()
        assert model(batch)["noise"] != model(batch)["noise"]


def test_the_loss_is_the_distance_of_the_noise(monkeypatch):
    for loss, wanted in (("l1", (2 / np.pi) ** 0.5), ("l2", 1.0)):
        model = DiffWave(**WAVE, loss=loss).train()
        monkeypatch.setattr(model, "_network", lambda audio, *rest: torch.zeros_like(audio))
        assert model(batch_of([400, 300], 16))["noise"].item() == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize(
    "sizes, message",
    [
        ({"hop_size": 20}, r"upsample_factors \[4, 4\] make 16 samples.*hop_size is 20"),
        ({"noise_schedule": (0.1, 1.5)}, "noise_schedule needs shares.*1.5"),
        ({"inference_noise_schedule": ()}, "inference_noise_schedule needs"),
    ],
)
def test_wave_sizes_that_do_not_fit_are_named(sizes, message):
    with pytest.raises(ValueError, match=message):
        DiffWave(**{**WAVE, **sizes})


# Learning


def learnt(model, batch, updates, rate):
    optimizer, values = torch.optim.Adam(model.parameters(), rate), []
    for _ in range(updates):
        loss = sum(model(batch).values())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        values.append(loss.item())
    return np.mean(values[:5]), np.mean(values[-5:])


def tones():
    """Loud and soft tones, and mels that say which."""
    loud = torch.linspace(0.05, 0.8, 6)[:, None]
    audio = loud * torch.sin(torch.arange(8 * 16) / torch.linspace(2, 5, 6)[:, None])
    lengths = {"frames": torch.full((6,), 8), "samples": torch.full((6,), 128)}
    return {"mel": loud[..., None].log().expand(6, 8, 5), "audio": audio, **lengths}


def test_glow_learns():
    before, after = learnt(WaveGlow(**GLOW).train(), tones(), 60, 3e-3)
    assert after < before - 1.0  # nats a sample


def test_wave_learns():
    model = DiffWave(**{**WAVE, "residual_channels": 16}).train()
    before, after = learnt(model, tones(), 120, 3e-3)
    assert before > 0.7 and after < 0.75 * before


# Foreign files


MEL = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
LMNT = {**WAVE, "upsample_factors": (16, 16), "dilation_cycle_length": 10}
NVIDIA = {**GLOW, "hop_size": 256, "upsample_kernel_size": 1024, "n_early_every": 4}


def says(path, **options):
    return load(path, device="cpu").model.infer(torch.from_numpy(MEL)[None], seed=1, **options)


def expected(model):
    return model.infer(torch.from_numpy(MEL)[None], seed=1)


@pytest.mark.parametrize("name", ["weights.pt", "weights-1200.pt", "diffwave-ljspeech-22kHz-1000578.pt"])
def test_lmnts_file_needs_nothing_beside_it(tmp_path, name):
    model = wave(**LMNT)
    torch.save({"step": 3, "model": model.state_dict(), "optimizer": {}, "scaler": None}, tmp_path / name)
    for path in (tmp_path / name, tmp_path):
        torch.testing.assert_close(says(path), expected(model))
    task = load(tmp_path, device="cpu")
    assert task.rate == 22050 and task.mel_settings.convention.log == "dB" and task.mel_settings.fmin == 20


def test_lmnts_own_settings_are_followed_and_the_furthest_file_is_taken(tmp_path):
    model = wave(**{**LMNT, "dilation_cycle_length": 3, "noise_schedule": LINEAR[:20], "inference_noise_schedule": FAST[:4]})
    params = {"dilation_cycle_length": 3, "noise_schedule": list(LINEAR[:20]), "inference_noise_schedule": list(FAST[:4])}
    other = {"model": wave(**LMNT).state_dict()}
    torch.save(other, tmp_path / "weights-900.pt")
    torch.save(
        {"model": model.state_dict(), "params": {**params, "sample_rate": 24000, "n_mels": 5}}, tmp_path / "weights-1000.pt"
    )
    torch.testing.assert_close(says(tmp_path), expected(model))
    assert load(tmp_path, device="cpu").rate == 24000
    torch.save(other, tmp_path / "weights.pt")
    torch.testing.assert_close(says(tmp_path), expected(load(tmp_path / "weights-900.pt", device="cpu").model))


def test_lmnts_model_without_a_mel(tmp_path):
    model = wave(**LMNT, conditional=False)
    torch.save({"model": model.state_dict(), "params": {"n_mels": 5}}, tmp_path / "weights.pt")
    torch.testing.assert_close(says(tmp_path), expected(model))


def test_another_weights_file_is_refused(tmp_path):
    torch.save({"model": {"encoder.weight": torch.ones(1)}}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="no DiffWave of lmnt.*encoder.weight"):
        read_foreign(tmp_path)


@pytest.mark.parametrize("written", ["schedule", "ends"])
def test_amphions_diffwave_folder(tmp_path, written):
    model = wave()
    section = {"residual_channels": 6, "residual_layers": 4, "dilation_cycle_length": 2, "upsample_factors": [4, 4]}
    section |= {"noise_schedule_factors": [1e-4, 0.05, 50], "inference_noise_schedule": list(FAST)}
    section |= {"noise_schedule": list(LINEAR)} if written == "schedule" else {}
    p = {"n_mel": 5, "sample_rate": 24000, "n_fft": 64, "hop_size": 16, "win_size": 64, "fmin": 0, "fmax": 12000}
    config = {"model_type": "DiffusionVocoder", "preprocess": p, "model": {"generator": "diffwave", "diffwave": section}}
    (tmp_path / "args.json").write_text(json.dumps(config))
    torch.save({"state_dict": model.state_dict()}, tmp_path / "1000.pt")
    torch.testing.assert_close(says(tmp_path), expected(model))


def test_amphions_waveglow_folder(tmp_path):
    model = glow(**NVIDIA)
    capitals = {"INPUT_DIM": 5, "N_GROUP": 8, "N_FLOWS": 4, "N_EARLY_EVERY": 4, "N_EARLY_SIZE": 2}
    capitals |= {"N_LAYERS": 2, "N_CHANNELS": 6, "KERNEL_SIZE": 3}
    p = {"n_mel": 5, "sample_rate": 24000, "n_fft": 1024, "hop_size": 256, "win_size": 1024, "fmin": 0, "fmax": 12000}
    config = {"model_type": "FlowVocoder", "preprocess": p, "model": {"generator": "waveglow"}, "VOCODER": capitals}
    (tmp_path / "args.json").write_text(json.dumps(config))
    torch.save({"state_dict": old_keys(model.state_dict())}, tmp_path / "1000.pt")
    torch.testing.assert_close(says(tmp_path), expected(model), rtol=1e-4, atol=1e-5)


def test_nvidias_state_dict_alone_and_with_its_config(tmp_path):
    model = glow(**NVIDIA)
    torch.save({"state_dict": old_keys(model.state_dict())}, tmp_path / "waveglow_weights.pt")
    torch.testing.assert_close(says(tmp_path), expected(model), rtol=1e-4, atol=1e-5)
    task = load(tmp_path / "waveglow_weights.pt", device="cpu")
    assert (task.mel_settings.fmax, task.mel_settings.convention.padding, task.model.sigma) == (8000, "center", 1.0)
    every = glow(**{**NVIDIA, "n_early_every": 2})
    torch.save({"state_dict": old_keys(every.state_dict())}, tmp_path / "waveglow_weights.pt")
    config = {
        "waveglow_config": {"n_early_every": 2, "n_early_size": 2},
        "data_config": {"mel_fmax": 7600.0, "sampling_rate": 16000},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    torch.testing.assert_close(says(tmp_path), expected(every), rtol=1e-4, atol=1e-5)
    assert load(tmp_path, device="cpu").rate == 16000


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
    torch.testing.assert_close(says(tmp_path), expected(model), rtol=1e-4, atol=1e-5)


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


MANIFESTS = sorted(f for name in ("waveglow__*", "diffwave__*") for f in (SHARED / "parity/manifests").glob(f"{name}.json"))


@pytest.mark.skipif(not MANIFESTS, reason="no ../shared/parity/manifests beside the repository")
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.stem)
def test_every_published_key_and_shape_has_its_place(path):
    manifest = json.loads(path.read_text())
    state = {key: torch.zeros(shape) for key, (shape, _) in manifest["keys"].items()}
    if path.stem.startswith("waveglow"):
        arguments, facts = waveglow_parity.sizes(manifest["config"])
        model, state = build(WaveGlow, json.loads(json.dumps(arguments)), facts), modern_keys(state)
    else:
        arguments, facts = diffwave_parity.sizes(manifest["config"], {})
        model = build(DiffWave, json.loads(json.dumps(arguments)), facts)
        assert lmnt_diffwave({}, state)[0]["residual_layers"] == len(model.residual_layers)
    fit_weights(model, state, path.name)
