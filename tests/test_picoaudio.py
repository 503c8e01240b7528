"""PicoAudio: what its training learns, that sounds follow the map of onsets, and what users ask of it."""

import numpy as np
import pytest
import torch

from bins import infer
from models.base.checkpoint import save_release
from models.base.task import load
from models.tta.picoaudio import EventCondition, PicoAudio
from modules.unet import UNetSizes
from tests import tta
from tests.networks import stirred
from tests.text_encoders import save_encoder
from utils.audio import Audio

CHANNELS = 3
BINS = 4
CLASSES = ("beep", "dog_bark", "rain")
SIZES = {"widths": (8, 16), "blocks": 1, "attention": (False, True), "heads": 2, "groups": 4}
LEARNED = {"classes": list(CLASSES), "lengths": {"beep": 0.2, "dog_bark": 0.3, "rain": 0.5}, "seconds": 1.0}


def tiny(**settings):
    torch.manual_seed(0)
    condition = EventCondition(width=12, **settings.pop("condition", {}))
    facts = {"latent_channels": CHANNELS, "latent_bins": BINS, "n_events": len(CLASSES)}
    return PicoAudio(**facts, condition=condition, unet=UNetSizes(**SIZES), **settings)


def batch_of(frames, **more):
    """Moments of latents, loud where the first class sounds, and a map of onsets."""
    random = torch.Generator().manual_seed(1)
    count = len(frames)
    longest = max(frames)
    events = (torch.rand(count, longest, len(CLASSES), generator=random) > 0.5).float()
    means = events[:, :, :1, None].expand(-1, -1, CHANNELS, BINS)
    moments = torch.cat([means, torch.full_like(means, -20.0)], 2)
    return {"latent": moments, "events": events, "frames": torch.tensor(frames), **more}


@pytest.mark.parametrize("form", ["class", "text"])
def test_its_loss_goes_down(form):
    model = tiny(condition={"form": form}, caption_channels=6)
    batch = batch_of([8] * 8, caption=torch.randn(8, 1, 6))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    torch.manual_seed(0)
    before = model.eval()(batch)["noise"].item()
    model.train()
    for _ in range(25):
        loss = model(batch)["noise"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert model.eval()(batch)["noise"].item() < 0.8 * before


def test_slots_are_laid_out_as_channels_of_bins():
    model = tiny(condition={"slots": 8})
    events = torch.zeros(1, 5, 3)
    events[0, 2, 1] = 1
    laid = model.laid_out(events)
    assert laid.shape == (1, 2, 5, BINS)
    assert laid.nonzero().tolist() == [[0, 0, 2, 1]]
    asked = model.asked(events)
    assert asked.inside.tolist() == [[False, True, False]]
    assert torch.equal(asked.context[0, 1], model.class_emb.weight[1])
    assert model.asked(torch.zeros(1, 5, 3)).inside.all(), "of nothing there is something to attend to, which is zero"
    with pytest.raises(ValueError, match=r"condition.slots: 3 classes need a multiple of 4, the bins of a latent, got 6"):
        tiny(condition={"slots": 6})
    with pytest.raises(ValueError, match=r"condition.width: 12 is no multiple of the text's 5 channels"):
        tiny(condition={"form": "text"}, caption_channels=5)
    with pytest.raises(ValueError, match=r"set preprocess.features.caption.pooled to true"):
        tiny(condition={"form": "text"}, caption_channels=6).of_text(torch.zeros(1, 2, 6))


def test_steps_are_weighed_by_their_signal_and_frames_behind_the_end_do_not_count():
    model = stirred(tiny())
    latent = torch.randn(2, 6, CHANNELS, BINS)
    asked = model.asked(batch_of([6, 6])["events"])
    steps = torch.tensor([5, 900])
    noise = torch.randn(2, 6, CHANNELS, BINS)
    with torch.no_grad():
        whole = torch.tensor([6, 6])
        first, second = (model.loss(latent, asked, torch.tensor(frames), steps, noise).item() for frames in ([6, 0], [0, 6]))
        both = model.loss(latent, asked, whole, steps, noise).item()
        model.snr = 0.0
        plain = model.loss(latent, asked, torch.tensor([6, 0]), steps, noise).item()
    assert both == pytest.approx((first + second) / 2, rel=1e-5)
    ratio = model.diffusion.levels[5] / (1 - model.diffusion.levels[5])
    assert first == pytest.approx(plain * 5.0 / ratio, rel=1e-4), "a step with little noise counts five times its signal at most"


def test_a_seed_says_the_same_twice_and_guidance_is_one_batch():
    model = stirred(tiny()).eval()
    events = batch_of([6])["events"]
    calls = []
    model.unet.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    first = model.infer(events, steps=2, seed=3)["latent"]
    assert calls == [2, 2]
    assert first.shape == (1, 6, CHANNELS, BINS)
    assert torch.equal(first, model.infer(events, steps=2, seed=3)["latent"])
    assert not torch.equal(first, model.infer(events, steps=2, seed=4)["latent"])
    assert not torch.equal(first, model.infer(events.roll(1, 1), steps=2, seed=3)["latent"])
    assert model.infer(events, steps=2, seed=3, sampler="published", guidance=1)["latent"].isfinite().all()


def release(folder, form="class", **features):
    """One that is saved, on the latents of a tiny autoencoder."""
    autoencoder = tta.release(folder / "autoencoder")
    coder = load(autoencoder, device="cpu")
    features |= {"latent": {"model": autoencoder}, "events": {}}
    described = {"network": coder.digest, "rate": tta.RATE, "hop_size": 4 * tta.HOP, "latent_channels": CHANNELS, "latent_bins": BINS}
    card = {
        "model_type": "PicoAudio",
        "dataset": [],
        "preprocess": {"sample_rate": tta.RATE, "hop_size": 4 * tta.HOP, "features": features},
        "model": {"condition": {"width": 12, "form": form}, "unet": SIZES},
        "facts": {"latent_channels": CHANNELS, "latent_bins": BINS, "n_events": len(CLASSES), "caption_channels": 6, "statistics": None},
        "learned": {"latent": described, "events": LEARNED},
        "speakers": [],
    }
    model = tiny(condition={"form": form}, caption_channels=6)
    save_release(folder / "release", card, stirred(model).state_dict())
    return str(folder / "release")


@pytest.fixture
def place(tmp_path):
    return release(tmp_path)


def test_a_line_and_a_sentence_become_sound(place):
    task = load(place, device="cpu")
    line = task("beep__0.0-0.2_0.7-0.9", steps=2, seed=1)
    assert (line.rate, len(line.samples)) == (tta.RATE, tta.RATE)
    told = task("two beeps", steps=2, seed=1)
    np.testing.assert_array_equal(line.samples, told.samples)
    captioned = task("any words", events="two beeps", steps=2, seed=1)
    np.testing.assert_array_equal(line.samples, captioned.samples)
    assert len(task("a dog barks, then rain", seconds=2, steps=2).samples) == 2 * tta.RATE
    assert [len(sound.samples) for sound in task.several("rain", candidates=2, steps=2)] == [tta.RATE, tta.RATE]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", {}, "there are none"), ("a cat meows", {}, "unknown word 'cat'"), ("beeb__0-1", {}, "unknown event 'beeb', did you mean 'beep'"),
        ("beep__1-0", {}, "does not end after it starts"), ("beep__0-0.5_0.4-0.6", {}, "overlaps itself"),
        ("rain__0-5", {}, "beyond the end of the clip, 1 s"), ("rain", {"seconds": 0}, "seconds"), ("rain", {"seconds": 600}, "seconds"),
        ("x " * 1500, {}, "3000 characters"), ("rain", {"steps": 0}, "steps"), ("", {"events": "rain"}, "no word"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_said_before(place, text, options, said):
    with pytest.raises(ValueError, match=said):
        load(place, device="cpu")(text, **options)


def test_a_model_of_texts_hears_the_caption_and_names_another_encoder(tmp_path, place):
    encoder = str(save_encoder(tmp_path / "encoder", "bert", width=6))
    task = load(release(tmp_path / "text", "text", caption={"model": encoder, "pooled": True}), device="cpu")
    sounds = [task(text, events="beep__0.1-0.3", steps=2, seed=1).samples for text in ("rain on a roof", "a dog barks")]
    assert not np.array_equal(*sounds)
    other = str(save_encoder(tmp_path / "other", "bert", width=8))
    with pytest.raises(ValueError, match=r"the text encoder gives 8 channels, and .* reads 6"):
        task("rain", text_encoder=other, steps=2)
    with pytest.raises(ValueError, match=r"text_encoder: .* attends to classes and reads no text"):
        load(place, device="cpu")("rain", text_encoder=other, steps=2)


def test_the_command_line_takes_lines_and_sentences(place, tmp_path):
    words = ["--checkpoint", place, "--steps", "2", "--seconds", "0.5"]
    assert infer.main([*words, "--text", "beep__0.0-0.2", "--out", str(tmp_path / "one")]) == 0
    (sound,) = (tmp_path / "one").glob("*.wav")
    assert len(Audio.read(sound).samples) == tta.RATE // 2
    (tmp_path / "list.txt").write_text("first|a beep\nsecond|two cats\n")
    infer.main([*words, "--list", str(tmp_path / "list.txt"), "--out", str(tmp_path / "two")])
    assert [path.stem for path in (tmp_path / "two").glob("*.wav")] == ["first"]


def published_folder(folder, classes=5):
    """A UNet of diffusers and vectors of classes, as PicoAudio's program keeps them."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        in_channels=6, out_channels=4, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, cross_attention_dim=12,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=(2, 4), use_linear_projection=True,
    )  # fmt: skip
    vectors = torch.randn(classes, 12)
    state = {f"unet.{key}": value for key, value in unet.state_dict().items()}
    folder.mkdir()
    torch.save({**state, "class_emb.weight": vectors}, folder / "best.pt")
    unet.save_config(folder)
    (folder / "config.json").rename(folder / "diffusion_model_config.json")
    return unet.eval(), vectors


def test_a_published_folder_loads_and_its_unet_is_that_of_diffusers(tmp_path):
    unet, vectors = published_folder(tmp_path / "published")
    task = load(str(tmp_path / "published"), device="cpu")
    assert task.features.features["events"].names == [f"event_{number}" for number in range(5)]
    noisy = torch.randn(1, 4, 8, 16)
    events = torch.zeros(1, 8, 5)
    events[0, 3:5, 2] = 1
    onset = torch.zeros(1, 2, 8, 16)
    onset[0, 0, 3:5, 2] = 1
    with torch.no_grad():
        asked = task.model.asked(events)
        ours = task.model.on_map(noisy, torch.tensor([7]), asked)
        theirs = unet(torch.cat([onset, noisy], 1), 7, encoder_hidden_states=vectors[None, 2:3]).sample
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    (tmp_path / "published/classes.json").write_text('["dog_bark"]')
    with pytest.raises(ValueError, match=r"classes.json names 1 classes, and the weights have 5"):
        load(str(tmp_path / "published"), device="cpu")
