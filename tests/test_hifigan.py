"""HiFi-GAN: the network against the paper's formula, lengths, causality, losses and what they compare."""

import copy
import math

import pytest
import torch
from torch.nn import functional as F

from models.base.adversarial import discriminator_loss, feature_loss, generator_loss
from models.base.discriminators import Discriminators
from models.base.experiment import build_model
from models.vocoders.hifigan import HiFiGAN, Variant
from processors.mel import MelSettings, MelSpectrogram
from tests.conftest import RATE, make
from tests.networks import batch_of
from tests.test_models import card_of

SMALL = {"n_mel": 8, "upsample_initial_channel": 16}
TWO_STAGES = {"upsample_rates": (5, 4), "upsample_kernel_sizes": (10, 8)}
TINY_JUDGES = {"mpd": {"channel_multiplier": 1 / 32}, "msd": {"channel_multiplier": 1 / 16, "groups_divisor": 4}}




@pytest.mark.parametrize("padding", ["hifigan", "parallelwavegan"])
@pytest.mark.parametrize("rates, sizes", [((8, 8, 2, 2), (16, 16, 4, 4)), ((5, 4), (10, 8)), ((3, 5), (6, 10))])
def test_infer_gives_rate_samples_a_frame(rates, sizes, padding):
    variant = Variant(upsample_padding=padding)
    model = make(HiFiGAN, **SMALL, upsample_rates=rates, upsample_kernel_sizes=sizes, variant=variant).eval()
    for frames in (1, 9):
        assert model.infer(torch.randn(2, frames, 8)).shape == (2, frames * math.prod(rates))


def test_an_odd_difference_lengthens_each_stage_as_published():
    model = make(HiFiGAN, **SMALL, upsample_rates=(5, 5), upsample_kernel_sizes=(10, 11))
    first = (9 - 1) * 5 - 2 * ((10 - 5) // 2) + 10  # 46, one more than 9 * 5
    assert model.decode(torch.randn(1, 8, 9)).shape[2] == (first - 1) * 5 - 2 * 3 + 11


@pytest.mark.parametrize("resblock", ["1", "2"])
@pytest.mark.parametrize("variant", [Variant(), Variant(plain_ends=True), Variant(kernel_size=5, slope=0.2, block_bias=False)])
def test_the_network_is_the_papers_formula(resblock, variant):
    model = make(HiFiGAN, **SMALL, **TWO_STAGES, resblock=resblock, variant=variant).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        mel = torch.randn(2, 8, 7)
        torch.testing.assert_close(model.decode(mel), plain_hifigan(model, mel), rtol=1e-5, atol=1e-6)


def plain_hifigan(model, x):
    """The same network layer by layer: nothing shared, nothing in place, no layout tricks."""
    act = lambda h: F.leaky_relu(h, model.variant.slope)  # noqa: E731
    x = model.conv_pre(x)
    count = len(model.resblocks) // len(model.ups)
    for i, up in enumerate(model.ups):
        x, outs = up(act(x)), []
        for block in model.resblocks[i * count : (i + 1) * count]:
            h = x
            if hasattr(block, "convs"):
                for conv in block.convs:
                    h = h + conv(act(h))
            else:
                for first, second in zip(block.convs1, block.convs2, strict=True):
                    h = h + second(act(first(act(h))))
            outs.append(h)
        x = sum(outs) / count
    return torch.tanh(model.conv_post(F.leaky_relu(x)))


@pytest.mark.parametrize("resblock", ["1", "2"])
def test_a_causal_one_hears_nothing_of_later_frames(resblock):
    model = make(HiFiGAN, **SMALL, **TWO_STAGES, resblock=resblock, variant=Variant(causal=True)).eval()
    reach, hop, mel = model.receptive_field_frames, model.samples_per_frame, torch.randn(1, 90, 8)
    other = mel.clone()
    other[:, 40] += 1
    whole = model.infer(mel)
    changed = (whole != model.infer(other))[0].nonzero().flatten() // hop
    assert whole.shape == (1, 90 * hop) and changed.min() >= 40 and changed.max() <= 40 + reach
    torch.testing.assert_close(model.infer(mel[:, :50]), whole[:, : 50 * hop])
    with pytest.raises(ValueError, match="twice the rate in upsample_kernel_sizes, got 11 for 5"):
        make(HiFiGAN, **SMALL, upsample_rates=(5,), upsample_kernel_sizes=(11,), variant=Variant(causal=True))


def test_mel_loss_is_that_of_the_mels_and_zero_for_the_truth():
    model = make(HiFiGAN, **SMALL, sample_rate=RATE, hop_size=256)
    batch = batch_of([20, 20], 256, 8)
    out = model(batch)
    mel = MelSpectrogram(MelSettings(sample_rate=RATE, hop_size=256, n_mel=8))
    expected = (mel(out["fake"][:, 0]) - mel(batch["audio"])).abs().mean()
    torch.testing.assert_close(out["mel"], expected)
    assert model.mel_loss(out["real"], out["real"], batch["samples"]) == 0


def test_nothing_is_learnt_from_beyond_the_end():
    model = make(HiFiGAN, **SMALL, sample_rate=RATE, hop_size=256)
    out = model(batch_of([20, 8], 256, 8))
    assert out["fake"][1, 0, 8 * 256 :].abs().max() == 0
    loud = batch_of([20, 8], 256, 8)
    loud["audio"][1, 8 * 256 + 1024 :] = 1.0  # further than a window reaches
    torch.manual_seed(1)
    first = model(loud)["mel"]
    loud["audio"][1, 8 * 256 + 1024 :] = 0.0
    torch.testing.assert_close(model(loud)["mel"], first)


def test_speaker_and_statistics_come_in_where_asked_for():
    plain = make(HiFiGAN, **SMALL, speaker_channels=4).eval()
    hidden, ann, bob = torch.randn(1, 8, 5), torch.randn(1, 4, 1), torch.randn(1, 4, 1)
    assert not torch.equal(plain.decode(hidden, ann), plain.decode(hidden, bob))
    normal = make(HiFiGAN, **SMALL, variant=Variant(normalise=True)).eval()
    normal.mean.fill_(2.0)
    normal.scale.fill_(4.0)
    mel = torch.randn(1, 5, 8)
    torch.testing.assert_close(normal.infer(mel), normal.decode(((mel - 2) / 4).transpose(1, 2))[:, 0])


def test_adversarial_losses_reach_every_parameter():
    model, judge = make(HiFiGAN, **SMALL, sample_rate=RATE, hop_size=256), Discriminators(TINY_JUDGES)
    out = model(batch_of([32, 32], 256, 8))
    real_scores, fake_scores, real_maps, fake_maps = judge(out["real"], out["fake"])
    (out["mel"] + generator_loss(fake_scores) + 2 * feature_loss(real_maps, fake_maps)).backward()
    assert not [k for k, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    judge.zero_grad()
    real_scores, fake_scores, _, _ = judge(out["real"], out["fake"].detach())
    discriminator_loss(real_scores, fake_scores).backward()
    assert not [k for k, p in judge.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_folding_a_copy_leaves_the_original_to_train_on():
    model = make(HiFiGAN, **SMALL, sample_rate=RATE, hop_size=256)
    folded = copy.deepcopy(model).prepared().eval()
    batch = batch_of([8, 8], 256, 8)
    out = model(batch)
    out["mel"].backward()
    assert model.conv_pre.parametrizations.weight.original1.grad.abs().sum() > 0
    torch.testing.assert_close(folded.decode(batch["mel"].transpose(1, 2)), model.decode(batch["mel"].transpose(1, 2)))


@pytest.mark.parametrize("name", ["HiFiGAN", "BigVGAN", "NSFHiFiGAN", "MelGAN"])
def test_waves_are_compared_by_windows_of_the_mel_that_is_read(name):
    card = card_of(name)
    features = card["preprocess"]["features"]
    features["mel"] = {**features["mel"], "n_fft": 2048, "win_size": 1536}
    card["model"] = {**card["model"], "multi_scale_mel": False} if name == "BigVGAN" else card["model"]
    model = build_model(card)
    compared = getattr(model, "generator", model).mel_loss.mel
    assert (compared.stft.n_fft, compared.stft.win_size) == (2048, 1536)
    card["model"] = {**card["model"], "loss_mel": {"n_fft": 512, "win_size": 512}}
    model = build_model(card)
    assert getattr(model, "generator", model).mel_loss.mel.stft.n_fft == 512
