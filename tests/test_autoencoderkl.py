"""AutoencoderKL: any length, padding that changes nothing, both layouts; its losses, its discriminator, and the task."""

import numpy as np
import pytest
import torch

from models import load
from models.base.balancer import AdaptiveWeight, adaptive_weight
from models.base.gan import GANTrainer
from models.tta.autoencoderkl import SILENCE, AutoencoderKL
from models.tta.latents import Latents
from modules.discriminators.patch import ActNorm, PatchDiscriminator
from tests import tta
from tests.conftest import clip, make
from tests.networks import stirred
from utils.audio import Audio


def mels(*frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, count, tta.BANDS, generator=generator) - 4 for count in frames]


def batch_of(parts, longest):
    mel = torch.full((len(parts), longest, tta.BANDS), SILENCE)
    for row, part in zip(mel, parts, strict=True):
        row[: part.shape[1]] = part[0]
    return {"mel": mel, "frames": torch.tensor([part.shape[1] for part in parts])}


@pytest.mark.parametrize("height", ["frequency", "time"])
@pytest.mark.parametrize("attention", [{}, {"mid_attention": True, "attention_levels": [1]}], ids=["plain", "attention"])
def test_a_clip_is_coded_beside_longer_ones_as_it_is_alone(height, attention):
    model = stirred(tta.network(height=height, sizes=attention), 0.02)
    parts = mels(37, 21, 8)
    with torch.no_grad():
        together = model(batch_of(parts, 46))
        decoded = model.mel(together["fake"])
        alone = [model(batch_of([part], part.shape[1])) for part in parts]
    for row, part, own in zip(decoded, parts, alone, strict=True):
        frames = part.shape[1]
        torch.testing.assert_close(row[:frames], model.mel(own["fake"])[0, :frames], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(row[frames:], torch.full_like(row[frames:], SILENCE))
    weights = torch.tensor([37.0, 21.0, 8.0])
    expected = (torch.stack([own["reconstruction"] for own in alone]) * weights).sum() / weights.sum()
    torch.testing.assert_close(together["reconstruction"], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together["kl"], torch.stack([own["kl"] for own in alone]).mean(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 4, 7, 626])
def test_any_number_of_frames_comes_back(frames):
    model = tta.network()
    (mel,) = mels(frames)
    assert model.infer(mel)["mel"].shape == mel.shape
    assert model.encode(mel).mean.shape == (1, 3, 4, -(-frames // 4))


def test_the_layouts_are_each_other_turned():
    model = tta.network()
    turned = tta.network(height="time")
    weights = {key: value.transpose(2, 3) if value.ndim == 4 else value for key, value in model.state_dict().items()}
    turned.load_state_dict(weights)
    (mel,) = mels(24)
    torch.testing.assert_close(turned.infer(mel)["mel"], model.infer(mel)["mel"], rtol=1e-4, atol=1e-4)
    rows = turned.by_frame(turned.encode(mel).mean)
    torch.testing.assert_close(rows, model.by_frame(model.encode(mel).mean), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(turned.from_frames(rows), turned.encode(mel).mean)


def test_published_latents_have_their_shapes():
    mel = torch.zeros(1, 624, 80, device="meta")
    for multipliers, shape in (((1, 1, 2, 2, 4), (1, 4, 5, 39)), ((1, 2, 2, 4), (1, 4, 10, 78))):
        with torch.device("meta"):
            model = make(AutoencoderKL, n_mel=80, sizes={"multipliers": multipliers})
        assert model.encode(mel).mean.shape == shape


def test_the_reconstruction_is_weighed_by_its_variance():
    model = tta.network().train()
    batch = batch_of(mels(16), 16)
    found = []
    for logvar in (0.0, 1.0):
        model.logvar = logvar
        torch.manual_seed(0)
        found.append(model(batch)["reconstruction"].item())
    near, far = found
    assert far == pytest.approx(near / np.e + 1, rel=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_mel": 18}, "n_mel: 18 bands cannot be halved 2 times.*multiple of 4"),
        ({"sizes": {"groups": 3}}, "sizes.groups: 4 channels cannot be shared by 3 groups"),
        ({"sizes": {"attention_levels": [3]}}, "attention_levels: there are levels 0 to 2, got 3"),
        ({"sizes": {"blocks": 0}}, "sizes.blocks: 1 or more"),
    ],
)
def test_settings_that_make_none_are_named(settings, message):
    sizes = tta.SIZES | settings.get("sizes", {})
    with pytest.raises(ValueError, match=message):
        make(AutoencoderKL, **{"n_mel": tta.BANDS, **settings, "sizes": sizes})


def test_the_adaptive_weight_makes_both_pull_as_far():
    layer = torch.nn.Parameter(torch.randn(4, 3))
    losses = {"reconstruction": 3 * layer.square().sum(), "kl": layer.sum()}
    adversarial = 0.01 * layer.abs().sum()
    how = AdaptiveWeight(most=1e6)
    weight = adaptive_weight(losses, adversarial, layer, how, lambda value: value)
    (own,) = torch.autograd.grad(losses["reconstruction"], layer, retain_graph=True)
    (against,) = torch.autograd.grad(weight * adversarial, layer, retain_graph=True)
    assert against.norm() == pytest.approx(float(own.norm()), rel=0.01)
    assert not weight.requires_grad
    assert adaptive_weight(losses, adversarial, layer, AdaptiveWeight(most=2), lambda value: value) == 2
    with pytest.raises(ValueError, match=r"train.adaptive_weight.against: .*'mel'.*kl, reconstruction|reconstruction, kl"):
        adaptive_weight(losses, adversarial, layer, AdaptiveWeight(against="mel"), lambda value: value)


def test_an_adaptive_weight_needs_a_last_layer():
    section = {"discriminator": {"patch": {}}, "train": {"adaptive_weight": {}}}
    assert GANTrainer.problems({"model_type": "AutoencoderKL", **section}) == []
    assert any("HiFiGAN names no last layer" in problem for problem in GANTrainer.problems({"model_type": "HiFiGAN", **section}))


def test_patches_of_a_plane_are_judged_apart_and_too_small_a_plane_is_refused():
    judge = PatchDiscriminator(layers=2, filters=4).eval()
    real = torch.randn(1, 1, 24, 64)
    changed = real.clone()
    changed[..., :8] += 1
    before = judge(real, real)[0][0]
    after = judge(changed, changed)[0][0]
    assert before.shape == (1, 1, 4, 14)
    assert (before != after)[..., 0].all() and torch.equal(before[..., 8:], after[..., 8:])
    with pytest.raises(ValueError, match=r"discriminator.patch: 12 bands and frames or more are needed, got planes of \(24, 11\)"):
        judge(real[..., :11], real[..., :11])


def test_actnorm_begins_with_what_it_first_meets():
    norm = ActNorm(3).train()
    x = torch.randn(4, 3, 8, 8) * torch.tensor([1.0, 5.0, 0.1])[:, None, None] + 7
    first = norm(x)
    torch.testing.assert_close(first.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(first.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(norm(2 * x) - norm(x), x * norm.scale, rtol=1e-4, atol=1e-4)


# The task


@pytest.fixture(scope="module")
def coder(tmp_path_factory):
    return load(tta.release(tmp_path_factory.mktemp("autoencoder") / "release"), device="cpu")


def test_a_sound_becomes_latents_and_comes_back(coder, tmp_path):
    sound = Audio(clip(0.5, 220, 0), tta.RATE)
    path = sound.write(tmp_path / "one.wav")
    latents = coder.encode(str(path))
    assert latents.mean.shape == (13, 3, 4) and latents.mel_frames == 50
    mel = coder.decode(latents)
    assert mel.shape == (50, tta.BANDS)
    np.testing.assert_allclose(mel, coder.reconstruct(sound), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(coder.decode(latents.mean)[:50], mel, atol=1e-5)
    heard = coder(str(path))
    assert heard.rate == tta.RATE and abs(heard.seconds - 0.5) < 0.02
    assert "latents of 3 x 4, 25 a second" in repr(coder)


def test_latents_are_drawn_of_their_posterior(coder):
    mean = np.full((50, 3, 4), 2.0, dtype=np.float32)
    latents = Latents(mean, np.full_like(mean, np.log(0.25)), 200)
    drawn = latents.sample(seed=1)
    assert abs(drawn.mean() - 2) < 0.1 and abs(drawn.std() - 0.5) < 0.05
    np.testing.assert_array_equal(drawn, latents.sample(seed=1))
    assert np.any(drawn != latents.sample(seed=2))
    again = Latents.of_moments(latents.moments, 200)
    np.testing.assert_array_equal(again.logvar, latents.logvar)
    sound = Audio(clip(0.3, 220, 0), tta.RATE)
    assert np.any(coder.reconstruct(sound, sample=True, seed=1) != coder.reconstruct(sound))


def test_several_are_coded_as_each_alone(coder):
    sounds = [Audio(clip(seconds, 200, 3), tta.RATE) for seconds in (0.3, 0.5, 0.3)]
    for sound, latents in zip(sounds, coder.batch(sounds), strict=True):
        np.testing.assert_allclose(latents.mean, coder.encode(sound).mean, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda coder: coder.encode(np.zeros((0, tta.BANDS), np.float32)), "one frame or more and 16 bands"),
        (lambda coder: coder.encode(np.zeros((5, 80), np.float32)), r"16 bands is expected, got \(5, 80\)"),
        (lambda coder: coder.encode(np.full((5, tta.BANDS), np.nan)), "NaN"),
        (lambda coder: coder.decode(np.zeros((5, 4, 4), np.float32)), r"\(frames, 3, 4\) are expected, got \(5, 4, 4\)"),
        (lambda coder: coder(Audio(clip(0.3, 200, 0), tta.RATE), smaple=True), "sample"),
    ],
)
def test_what_it_cannot_code_is_named(coder, call, message):
    with pytest.raises(ValueError, match=message):
        call(coder)
