"""AudioLDM: what its training learns, what its sampling keeps, and that neither depends on what must not matter."""

import pytest
import torch

from models.tta.audioldm import AudioLDM, Text, TextCondition, scale_of
from models.tta.schedules import PublishedSampling
from modules.noise import Noise
from modules.unet import UNetSizes
from processors.features import FeatureSet
from tests import audioldm, tta
from tests.networks import stirred
from utils.config import build

CHANNELS = 2
BINS = 3
WIDTH = 6
SIZES = UNetSizes(widths=(8, 16), blocks=1, attention=(False, True), heads=2, groups=4)


def tiny(**options):
    torch.manual_seed(0)
    return AudioLDM(latent_channels=CHANNELS, latent_bins=BINS, caption_channels=WIDTH, empty_tokens=2, unet=SIZES, **options)


def batch_of(frames, tokens):
    """Moments and captions of those lengths; beyond their ends lies what must not matter."""
    random = torch.Generator().manual_seed(1)
    count = len(frames)
    moments = torch.randn(count, max(frames), 2 * CHANNELS, BINS, generator=random)
    captions = torch.randn(count, max(tokens), WIDTH, generator=random)
    return {"latent": moments, "frames": torch.tensor(frames), "caption": captions, "tokens": torch.tensor(tokens)}


@pytest.mark.parametrize("form", ["sequence", "vector"])
def test_its_loss_goes_down(form):
    model = tiny(text=TextCondition(form=form))
    batch = batch_of([4] * 16, [2] * 16)
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    before = model.eval()(batch)["noise"].item()
    model.train()
    for _ in range(25):
        loss = model(batch)["noise"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert before == pytest.approx(1.0, abs=0.2), "it begins as a network that predicts nothing"
    assert model.eval()(batch)["noise"].item() < 0.85 * before


def test_what_lies_behind_a_caption_has_no_say_unless_it_was_trained_so():
    batch = batch_of([5, 5], [3, 1])
    changed = {**batch, "caption": batch["caption"].clone()}
    changed["caption"][1, 1:] = 9.0
    for sees_padding in (False, True):
        model = stirred(tiny(text=TextCondition(sees_padding=sees_padding)))
        with torch.no_grad():
            same = torch.equal(model(batch)["noise"], model(changed)["noise"])
        assert same != sees_padding


def test_validation_gives_the_same_twice_and_training_draws():
    model = stirred(tiny())
    batch = batch_of([5, 5], [3, 1])
    with torch.no_grad():
        assert model(batch)["noise"] == model(batch)["noise"]
        model.train()
        assert model(batch)["noise"] != model(batch)["noise"]


def test_latents_are_drawn_from_their_posteriors_and_brought_to_deviation_one():
    torch.manual_seed(0)
    mean = 3 * torch.randn(64, 50, CHANNELS, BINS) + 1
    log_variance = torch.full_like(mean, 1.0)
    moments = torch.cat([mean, log_variance], dim=2)
    rows = moments.flatten(0, 1)
    measured = {"mean": rows.mean(0).tolist(), "std": rows.std(0).tolist()}
    model = tiny(statistics={"latent": measured}).train()
    assert model.drawn_latents(moments).std().item() == pytest.approx(1.0, abs=0.02)
    torch.testing.assert_close(model.eval().drawn_latents(moments), mean * model.scale)
    assert scale_of(None, CHANNELS) == 1.0
    assert tiny(statistics={"latent": measured}, scale=0.25).scale == 0.25


def test_a_share_of_the_captions_says_nothing_in_training():
    model = tiny(text=TextCondition(drop=0.25)).train()
    model.no_words.fill_(7.0)
    states = torch.zeros(4000, 1, WIDTH)
    text = Text.whole(states)
    dropped = model.dropped(text)
    silent = (dropped.states == 7.0).all(2)
    assert silent[:, 0].float().mean().item() == pytest.approx(0.25, abs=0.03)
    torch.testing.assert_close(dropped.inside.sum(1), 1 + silent[:, 1].long())
    assert model.eval().dropped(text) is text


def sampled(model, **options):
    captions = batch_of([4], [3])["caption"]
    return model.infer(captions, model.no_words[None], 4, **{"steps": 4, "seed": 0, **options})["latent"]


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "pndm", "dpmsolver++", "unipc", "published"])
def test_every_sampler_gives_latents_that_the_caption_moves(sampler):
    model = stirred(tiny())
    plain = sampled(model, sampler=sampler, guidance=1.0)
    assert plain.shape == (1, 4, CHANNELS, BINS) and plain.isfinite().all()
    assert torch.equal(plain, sampled(model, sampler=sampler, guidance=1.0)), "a seed says the same twice"
    assert not torch.allclose(plain, sampled(model, sampler=sampler, guidance=4.0))
    assert not torch.equal(plain, sampled(model, sampler=sampler, guidance=1.0, seed=1))


def test_guidance_asks_the_network_once_a_step_with_both_texts():
    model = stirred(tiny())
    rows = []
    model.unet.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    sampled(model, guidance=3.0, sampler="ddim")
    assert rows == [2, 2, 2, 2]
    rows.clear()
    sampled(model, guidance=1.0, sampler="ddim")
    assert rows == [1, 1, 1, 1]


def test_a_longer_negative_text_does_not_change_what_a_shorter_caption_says():
    """Both stand in one batch, the shorter one padded."""
    model = stirred(tiny())
    caption = torch.randn(1, 2, WIDTH)
    negative = torch.randn(1, 5, WIDTH)
    both = model.guided(caption, negative, 3.0)(batch := torch.randn(1, CHANNELS, BINS, 4), 10.0)
    steps = torch.tensor([10.0])
    alone = [model.on_map(batch, steps, Text.whole(states)) for states in (caption, negative)]
    torch.testing.assert_close(both, alone[1] + 3.0 * (alone[0] - alone[1]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("height", ["frequency", "time"])
def test_what_is_kept_of_a_start_comes_out_as_it_was(height):
    model = stirred(tiny(height=height, scale=0.5))
    start = torch.randn(1, 4, CHANNELS, BINS)
    keep = torch.zeros(1, 4, BINS, dtype=torch.bool)
    keep[:, :2] = True
    for strength in (1.0, 0.5):
        made = sampled(model, start=start, keep=keep, strength=strength)
        torch.testing.assert_close(made[:, :2], start[:, :2])
        assert not torch.isclose(made[:, 2:], start[:, 2:]).any()


def test_the_less_strength_the_nearer_to_the_start():
    model = tiny(scale=0.5).eval()  # which predicts hardly anything: what is left is the start and the noise
    start = torch.randn(1, 4, CHANNELS, BINS)
    distances = [(sampled(model, start=start, strength=strength, steps=20) - start).abs().mean().item() for strength in (0.1, 0.5, 0.9)]
    assert distances == sorted(distances) and distances[0] < 0.3 * distances[2]


def test_published_weights_are_sampled_over_the_steps_of_the_original():
    model = stirred(tiny(published=PublishedSampling(sampler="ddim", walk="original")))
    calls = []
    model.unet.register_forward_pre_hook(lambda _, inputs: calls.append(inputs[1][0].item()))
    sampled(model, steps=6, sampler="published", guidance=1.0)
    assert calls == [997, 831, 665, 499, 333, 167, 1]
    with pytest.raises(ValueError, match="1 to 500 are possible as published, got 501"):
        sampled(model, steps=501, sampler="published")


def test_noise_may_be_given():
    model = stirred(tiny())
    noise = Noise(5).normal(1, CHANNELS, BINS, 4)
    torch.testing.assert_close(sampled(model, noise=noise, seed=1, sampler="ddim"), sampled(model, noise=noise, seed=2, sampler="ddim"))


def test_frames_that_are_none_of_the_latents_and_another_text_encoder_are_named(tmp_path):
    features = FeatureSet(audioldm.features(tmp_path), sample_rate=tta.RATE, hop_size=tta.HOP).features
    model = build(AudioLDM, {"unet": audioldm.SIZES}, audioldm.FACTS)
    with pytest.raises(ValueError, match="a latent for each 640 samples, and preprocess.hop_size is 160: set preprocess.hop_size to 640"):
        model.take_from(features)
    features = FeatureSet(audioldm.features(tmp_path), sample_rate=tta.RATE, hop_size=tta.LATENT_HOP).features
    model.take_from(features)
    assert model.no_words.any()
    other = build(AudioLDM, {"unet": audioldm.SIZES}, {**audioldm.FACTS, "caption_channels": 6})
    with pytest.raises(ValueError, match=r"the text encoder makes \(2, 8\) of no words, and \(2, 6\) is expected"):
        other.take_from(features)
