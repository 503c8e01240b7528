"""Discriminators: what they look at against plain formulas, what they learn, how much they need, and the losses by hand."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.base.adversarial import discriminator_loss, feature_loss, generator_loss
from models.base.discriminators import DISCRIMINATORS, Discriminators, discriminator_problems
from models.base.gan import GANConfig, GANTrainer
from modules.discriminators.cqt import ConstantQ
from modules.discriminators.spectrum import (
    BANDS,
    BandDiscriminator,
    ResolutionDiscriminator,
    one_loudness,
    parts_of,
    spectrogram,
)
from modules.discriminators.wave import MelGANDiscriminator, MultiPeriodDiscriminator, MultiScaleDiscriminator
from modules.norm import weight_norm
from utils.config import check

RATE = 4000
TINY = {
    "mpd": {"channels": [8, 16, 32], "periods": [2, 3]},
    "msd": {"channel_multiplier": 1 / 16, "groups_divisor": 4},
    "melgan": {"filters": 4, "layers": 2, "most": 64},
    "mrd": {"resolutions": [[256, 64, 256], [128, 25, 100]], "filters": 4},
    "msstftd": {"filters": 4, "n_ffts": [256, 128], "hop_lengths": [64, 32], "win_lengths": [256, 100]},
    "mssbcqtd": {
        "filters": 4,
        "hop_lengths": [64, 32],
        "n_octaves": [5, 4],
        "bins_per_octaves": [6, 5],
        "normalize_volume": True,
    },
    "mbd": {"fft_sizes": [256, 128], "channels": 4},
    "vits": {"channel_multiplier": 1 / 16, "periods": (2, 3)},
    "patch": {"filters": 4, "layers": 2},
}
OF_SOUND = [name for name in DISCRIMINATORS if name != "patch"]  # which looks at planes: see test_autoencoderkl.py


def judge_of(*names):
    return Discriminators({name: TINY[name] for name in names}, {"sample_rate": RATE, "n_mel": 80})


def test_every_discriminator_has_a_tiny_one_here():
    assert TINY.keys() == DISCRIMINATORS.keys()


@pytest.mark.parametrize("name", OF_SOUND)
def test_one_pass_over_both_equals_one_over_each(name):
    judge = judge_of(name).eval()
    real, fake = torch.randn(2, 1, 2001), torch.randn(2, 1, 2001)
    together, first, second = judge(real, fake), judge(real, real), judge(fake, fake)
    for both, alone in ((together[0], first[0]), (together[1], second[1])):
        for a, b in zip(both, alone, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert [len(maps) for maps in together[2]] == [len(maps) for maps in together[3]]


def test_several_answer_in_the_order_of_the_section():
    both, mpd, mbd = judge_of("mbd", "mpd"), judge_of("mpd"), judge_of("mbd")
    real, fake = torch.randn(1, 1, 900), torch.randn(1, 1, 900)
    counts = [len(judge(real, fake)[0]) for judge in (mbd, mpd)]
    assert [len(part) for part in both(real, fake)] == [sum(counts)] * 4
    alone = both.parts["mbd"](real, fake)
    torch.testing.assert_close(both(real, fake)[0][: counts[0]], alone[0])


@pytest.mark.parametrize("name", OF_SOUND)
def test_gradients_reach_every_parameter_and_the_fake(name):
    judge = judge_of(name)
    real, fake = torch.randn(2, 1, 2000) * 0.1, torch.randn(2, 1, 2000, requires_grad=True)
    scores_real, scores_fake, maps_real, maps_fake = judge(real, fake)
    discriminator_loss(scores_real, scores_fake).backward()
    assert not [k for k, p in judge.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    fake.grad = None
    _, scores_fake, maps_real, maps_fake = judge(real, fake)
    (generator_loss(scores_fake) + feature_loss(maps_real, maps_fake)).backward()
    assert (fake.grad.abs().sum((1, 2)) > 0).all() and fake.grad.isfinite().all()


@pytest.mark.parametrize("name", OF_SOUND)
def test_it_learns_to_tell_a_hum_from_noise(name):
    judge = judge_of(name)
    optimizer = torch.optim.Adam(judge.parameters(), lr=1e-2)

    def waves():
        pitch = 100 + 200 * torch.rand(3, 1, 1)
        hum = 0.3 * torch.sin(2 * math.pi * pitch * torch.arange(700) / RATE + 6 * torch.rand(3, 1, 1))
        return hum + 0.01 * torch.randn_like(hum), 0.2 * torch.randn(3, 1, 700)

    losses = []
    for _ in range(60):
        scores_real, scores_fake, _, _ = judge(*waves())
        mean = [sum(s.detach().reshape(3, -1).mean(1) for s in scores) for scores in (scores_real, scores_fake)]
        losses.append(discriminator_loss(scores_real, scores_fake))
        if losses[-1] < 0.8 * losses[0] and mean[0].min() > mean[1].max() + 0.1:
            return
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    raise AssertionError(f"the loss went from {losses[0]:.3f} to {losses[-1]:.3f}, and the scores still overlap")


@pytest.mark.parametrize("name", OF_SOUND)
def test_a_sample_too_few_is_refused_with_the_number_needed(name):
    judge = judge_of(name).parts[name]
    shortest = getattr(judge, "shortest", 1)
    wave = torch.randn(1, 1, shortest)
    assert all(score.isfinite().all() and score.numel() for score in judge(wave, wave)[0])
    if shortest > 1:
        with pytest.raises(
            ValueError, match=rf"discriminator\.{name}: .* needs {shortest} samples or more, got {shortest - 1}.*segment_frames"
        ):
            judge(wave[..., 1:], wave[..., 1:])


@pytest.mark.parametrize("last_stride", [1, 3])
def test_mpd_strides_and_lengths(last_stride):
    samples = 2 * 3**4 * 12 + 5
    judge = MultiPeriodDiscriminator(periods=(2, 7), channel_multiplier=1 / 32, last_stride=last_stride)
    scores, _, maps, _ = judge(torch.randn(3, 1, samples), torch.randn(3, 1, samples))
    height = math.ceil(samples / 2)
    for feature, stride in zip(maps[0], [3, 3, 3, 3, last_stride, 1], strict=True):
        height = math.ceil(height / stride)
        assert feature.shape[2:] == (height, 2)
    assert scores[0].shape == (3, height * 2) and len(scores) == 2
    assert [feature.shape[1] for feature in maps[0]] == [1, 4, 16, 32, 32, 1]


def test_msd_halves_and_has_the_published_size():
    judge = MultiScaleDiscriminator(channel_multiplier=1 / 16, groups_divisor=4)
    _, _, maps, _ = judge(torch.randn(1, 1, 2001), torch.randn(1, 1, 2001))
    assert [part[0].shape[2] for part in maps] == [2001, 1001, 501]
    assert sum(p.numel() for p in MultiScaleDiscriminator().parameters()) == 29_618_821
    assert sum(p.numel() for p in MultiPeriodDiscriminator().parameters()) == 41_105_770


def test_melgans_halves_without_counting_the_padding():
    judge = MelGANDiscriminator(**TINY["melgan"])
    _, _, maps, _ = judge(torch.randn(1, 1, 1001), torch.randn(1, 1, 1001))
    assert [part[0].shape[2] for part in maps] == [1001, 500, 250]
    assert judge.pool(torch.ones(1, 1, 100)).eq(1).all()
    with pytest.raises(ValueError, match="filters 6"):
        MelGANDiscriminator(filters=6)


def test_spectral_norm_goes_one_step_a_call_and_none_in_use():
    judge = MultiScaleDiscriminator(scales=1, channel_multiplier=1 / 16, groups_divisor=4)
    layer = judge.discriminators[0].convs[3].parametrizations.weight
    vector = layer[0]._v.clone()
    judge.train()(torch.randn(1, 1, 500), torch.randn(1, 1, 500))
    matrix = layer.original.detach().flatten(1)
    once = F.normalize(matrix.T @ F.normalize(matrix @ vector, dim=0), dim=0)
    torch.testing.assert_close(layer[0]._v, once)
    judge.eval()(torch.randn(1, 1, 500), torch.randn(1, 1, 500))
    torch.testing.assert_close(layer[0]._v, once)


def test_mrd_looks_at_magnitudes_under_a_rectangle():
    wave = torch.randn(1, 1, 400)
    found = ResolutionDiscriminator(64, 16, 40, 2, weight_norm).magnitude(wave)
    padded = F.pad(wave, (24, 24), mode="reflect")[0, 0].numpy()
    box = np.zeros(64)
    box[12:52] = 1
    frames = np.stack([padded[s : s + 64] * box for s in range(0, len(padded) - 63, 16)])
    np.testing.assert_allclose(found[0, 0].T.numpy(), np.abs(np.fft.rfft(frames)), atol=1e-4)


def test_complex_spectra_are_frames_by_frequency():
    wave = torch.randn(1, 1, 300)
    window = torch.hann_window(32).numpy()
    frames = np.stack([wave[0, 0, s : s + 32].numpy() * window for s in range(0, 300 - 31, 8)])
    wanted = np.fft.rfft(frames)
    for normalized, scale in ((False, 1.0), (True, np.sqrt((window**2).sum()))):
        found = parts_of(spectrogram(32, 8, 32, normalized), wave)[0].numpy()
        np.testing.assert_allclose(found[0] + 1j * found[1], wanted / scale, atol=1e-5)


def test_mbd_hears_each_bin_in_one_band():
    part = BandDiscriminator(256, 2, 0.25, BANDS)
    assert part.edges[0][0] == 0 and part.edges[-1][1] == 129
    assert all(high == low for (_, high), (low, _) in zip(part.edges, part.edges[1:], strict=False))
    wave = torch.randn(3, 1, 500) * torch.tensor([1e-3, 1.0, 50.0])[:, None, None] + 3
    even = one_loudness(wave)
    torch.testing.assert_close(even.mean(-1), torch.zeros(3, 1), atol=1e-3, rtol=0)
    torch.testing.assert_close(even.abs().amax(-1), torch.full((3, 1), 0.8))
    assert one_loudness(torch.zeros(1, 1, 9)).eq(0).all()


@pytest.mark.parametrize("bins, octaves, hop", [(6, 5, 64), (12, 4, 128), (5, 2, 96)])
def test_a_tone_sounds_in_its_bin_of_every_octave(bins, octaves, hop):
    rate = 8000
    transform = ConstantQ(rate, hop, bins, octaves)
    t = torch.arange(rate) / rate
    for k in range(bins * octaves):
        tone = torch.cos(2 * math.pi * 32.7 * 2 ** (k / bins) * t)[None, None]
        loud = transform(tone)[0].square().sum(0)[rate // hop // 2]
        assert loud.argmax() == k, (k, transform.decimate)


def test_the_top_octave_is_the_sum_over_a_windowed_tone():
    rate, bins, hop = 8000, 6, 64
    transform = ConstantQ(rate, hop, bins, 5)
    assert transform.decimate == 1
    wave = torch.randn(1, 1, 4000)
    found = transform(wave)[0]
    assert found.shape == (2, 4000 // hop + 1, 30)
    quality = 1 / (2 ** (1 / bins) - 1)
    for k in (24, 29):
        frequency = 32.7 * 2 ** (k / bins)
        length, frame = math.ceil(quality * rate / frequency), 30
        n = np.arange(length) - math.ceil(length / 2)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        tone = window / window.sum() * np.exp(-2j * np.pi * frequency * n / rate)
        wanted = np.sqrt(length) * (wave[0, 0, frame * hop + n[0] : frame * hop + n[0] + length].numpy() * tone).sum()
        np.testing.assert_allclose(found[:, frame, k].numpy(), [wanted.real, wanted.imag], atol=1e-4)


def test_a_slow_enough_top_octave_is_halved_first():
    transform = ConstantQ(32000, 256, 12, 4)
    assert transform.decimate == 8 and "early_downsample_filter" in transform.state_dict()
    assert transform(torch.randn(1, 1, 6400)).shape == (1, 2, 6400 // 256 + 1, 48)


def test_what_a_constant_q_cannot_do_is_said():
    make = DISCRIMINATORS["mssbcqtd"]
    with pytest.raises(ValueError, match=r"reach 16266 Hz, above half of twice the rate, 8000: choose fewer of n_octaves"):
        make(sample_rate=8000)
    with pytest.raises(ValueError, match="100 is no multiple of 256"):
        make(sample_rate=24000, hop_lengths=(100, 256, 256))
    with pytest.raises(ValueError, match="equally many, got 1, 3, 3"):
        make(sample_rate=24000, hop_lengths=(512,))
    with pytest.raises(ValueError, match="equally many, got 1, 3, 3"):
        DISCRIMINATORS["msstftd"](n_ffts=(512,))


def test_losses_by_hand():
    real, fake = [torch.tensor([[1.0, 0.5]]), torch.tensor([[2.0]])], [torch.tensor([[0.0, 1.0]]), torch.tensor([[-1.0]])]
    assert discriminator_loss(real, fake) == pytest.approx((0.25 + 1) / 2 + 1 + 1)
    assert generator_loss(fake) == pytest.approx((1 + 0) / 2 + 4)
    assert discriminator_loss(real, fake, "hinge") == pytest.approx((0 + 0.5) / 2 + (1 + 2) / 2 + 0 + 0)
    assert generator_loss(fake, "hinge") == pytest.approx(-0.5 + 1)
    assert feature_loss([real], [fake]) == pytest.approx((1 + 0.5) / 2 + 3)
    assert feature_loss([real, real[:1]], [fake, fake[:1]], "mean") == pytest.approx(((0.75 + 3) / 2 + 0.75) / 2)
    with pytest.raises(ValueError, match="did you mean 'hinge'"):
        generator_loss(fake, "hinges")
    with pytest.raises(ValueError, match="unknown feature loss 'median'"):
        feature_loss([real], [fake], "median")


class Bench(GANTrainer):
    """One step of the trainer without its loop: what it would learn from."""

    def __init__(self, config):
        self.config, self.seen = config, {}
        self.balancer = None
        self.progress = type("Progress", (), {"step": 0})
        self.networks = {"model": Fixed(), "discriminator": judge_of("mpd").eval()}

    def unwrap(self, name):
        return self.networks[name]

    def update(self, name, loss):
        self.seen[name] = loss.detach()

    def total(self, losses):
        return sum(losses.values())


class Fixed(torch.nn.Module):
    def forward(self, batch):
        return {"real": batch["audio"], "fake": -batch["audio"]}


@pytest.mark.parametrize("form", ["least_squares", "hinge"])
@pytest.mark.parametrize("features", ["sum", "mean"])
def test_the_settings_choose_the_losses_of_a_step(form, features):
    trainer = Bench(GANConfig(max_steps=1, adversarial_loss=form, feature_loss=features))
    wave = torch.randn(2, 1, 500)
    trainer.step({"audio": wave})
    scores_real, scores_fake, maps_real, maps_fake = trainer.networks["discriminator"](wave, -wave)
    torch.testing.assert_close(trainer.seen["discriminator"], discriminator_loss(scores_real, scores_fake, form))
    wanted = generator_loss(scores_fake, form) + feature_loss(maps_real, maps_fake, features)
    torch.testing.assert_close(trainer.seen["model"], wanted)


@pytest.mark.parametrize("name", ["msstftd", "mssbcqtd"])
def test_settings_of_convolutions_are_read_by_themselves_as_before_they_were_grouped(name):
    sizes = {"kernel_size": [5, 7], "stride": [1, 3], "dilations": [1, 3]}
    states = []
    for settings in (sizes, {"sizes": sizes}):
        torch.manual_seed(0)
        section = {name: {**TINY[name], **settings}}
        assert discriminator_problems(section) == []
        states.append(Discriminators(section, {"sample_rate": RATE}).state_dict())
    former, grouped = states
    assert former.keys() == grouped.keys()
    assert all(torch.equal(former[key], grouped[key]) for key in former)
    kernels = [value.shape[2:] for key, value in grouped.items() if key.endswith("convs.0.weight")]
    assert kernels and all(kernel == (5, 7) for kernel in kernels)


def test_a_section_of_discriminators_is_checked():
    assert discriminator_problems(TINY) == []
    assert "mpd" in discriminator_problems({})[0]
    assert "did you mean 'mpd'" in discriminator_problems({"mpds": {}})[0]
    assert "did you mean 'periods'" in discriminator_problems({"mpd": {"period": [2]}})[0]
    assert "worked out from the data" in discriminator_problems({"mssbcqtd": {"sample_rate": 16000}})[0]
    with pytest.raises(ValueError, match="unknown discriminator"):
        Discriminators({"x": {}})
    with pytest.raises(ValueError, match="sample_rate: is missing"):
        Discriminators({"mssbcqtd": {}})
    assert "adversarial_loss" in check(GANConfig, {"max_steps": 1, "adversarial_loss": "hing"}, "train")[0]
