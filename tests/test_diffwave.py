"""DiffWave: samplers against closed forms, padding, stretches, and the containers that it is published in."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import models.vocoders.diffwave as diffwave_module
from models import load
from models.upstream import read_foreign
from models.vocoders.diffwave import FAST, LINEAR, DiffWave
from modules.diffusion import SAMPLERS
from tests.networks import batch_of, expected, losses_of, mel_of, stirred, tones

WAVE = {"n_mel": 5, "residual_channels": 6, "residual_layers": 4, "dilation_cycle_length": 2, "upsample_factors": (4, 4)}


def wave(**sizes):
    return stirred(DiffWave(**{**WAVE, **sizes}))


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


def test_it_learns_which_tones_are_loud():
    """With new noise and steps at each update, as in training."""
    losses = losses_of(DiffWave(**{**WAVE, "residual_channels": 16}).train(), tones(), 120, 3e-3, anew=True)
    before = np.mean(losses[:5])
    assert before > 0.7 and np.mean(losses[-5:]) < 0.75 * before


MEL = mel_of(4, 5)
LMNT = {**WAVE, "upsample_factors": (16, 16), "dilation_cycle_length": 10}


@pytest.mark.parametrize("name", ["weights.pt", "weights-1200.pt", "diffwave-ljspeech-22kHz-1000578.pt"])
def test_lmnts_file_needs_nothing_beside_it(tmp_path, name):
    model = wave(**LMNT)
    torch.save({"step": 3, "model": model.state_dict(), "optimizer": {}, "scaler": None}, tmp_path / name)
    for path in (tmp_path / name, tmp_path):
        np.testing.assert_allclose(expected(load(path, device="cpu").model, MEL, seed=1), expected(model, MEL, seed=1), atol=1e-6)
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
    np.testing.assert_allclose(expected(load(tmp_path, device="cpu").model, MEL, seed=1), expected(model, MEL, seed=1), atol=1e-6)
    assert load(tmp_path, device="cpu").rate == 24000
    torch.save(other, tmp_path / "weights.pt")
    plain = load(tmp_path / "weights-900.pt", device="cpu").model
    np.testing.assert_allclose(expected(load(tmp_path, device="cpu").model, MEL, seed=1), expected(plain, MEL, seed=1), atol=1e-6)


def test_lmnts_model_without_a_mel(tmp_path):
    model = wave(**LMNT, conditional=False)
    torch.save({"model": model.state_dict(), "params": {"n_mels": 5}}, tmp_path / "weights.pt")
    np.testing.assert_allclose(expected(load(tmp_path, device="cpu").model, MEL, seed=1), expected(model, MEL, seed=1), atol=1e-6)


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
    np.testing.assert_allclose(expected(load(tmp_path, device="cpu").model, MEL, seed=1), expected(model, MEL, seed=1), atol=1e-6)
