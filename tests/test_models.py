"""Every row of the table: finite losses, a gradient for every parameter, padding that changes nothing, a release that loads back."""

import copy
import functools

import numpy as np
import pytest
import torch

from models import MODELS, VOCODER, load
from models.base.checkpoint import save_release
from models.base.experiment import build_model, versions
from models.base.trainer import Trainer
from tests import svc
from tests.conftest import ROOT
from tests.networks import losses_of
from utils.config import load_config
from utils.registry import load_object

OURS = [name for name in MODELS if not name.startswith("Toy")]
# What a card says of a codec.
CODEC = {"network": "made-up", "rate": 24000, "hop_size": 320, "codebooks": 3, "codebook_size": 32, "codec_channels": 8}
LATENT = {"latent_channels": 3, "latent_bins": 4}
CAPTION = {"caption_channels": 8, "empty_tokens": 2}
CLASSES = ["beep", "dog_bark", "rain"]
SYMBOLS = ["<pad>", *"_.,", "sil", *"abcdefghijklmnop"]


@functools.cache
def twins():
    """The config of the first tiny twin of each model."""
    configs = [load_config(path) for path in sorted((ROOT / "egs").rglob("tiny.json"))]
    return {config["model_type"]: config for config in reversed(configs)}


def tiny(name):
    """The config of the tiny twin of a model's recipe."""
    if name in svc.TINY:
        return svc.TINY[name]
    assert name in twins(), f"{name} has no recipe with a tiny.json"
    return copy.deepcopy(twins()[name])


def card_of(name):
    """A card as training would write it, for a made-up corpus of two speakers."""
    config = tiny(name)
    p = {k: v for k, v in config["preprocess"].items() if k != "processed_dir"}
    p["features"] = {**p["features"], **({"phone": {}} if "phone" in p["features"] else {})}
    facts = {"sample_rate": p["sample_rate"], "hop_size": p["hop_size"], "n_mel": 80, "n_vocab": len(SYMBOLS), "n_speakers": 2}
    facts["channels"] = svc.CHANNELS
    facts |= {name: CODEC[name] for name in ("codebooks", "codebook_size", "codec_channels")}
    facts |= LATENT | CAPTION | {"n_events": len(CLASSES)}
    facts["statistics"] = {
        "mel": {"min": [-12.0] * 80, "max": [2.0] * 80},
        "f0": {"mean": 180.0, "std": 40.0, "min": 80.0, "max": 400.0},
        "energy": {"mean": 20.0, "std": 10.0, "min": 0.0, "max": 90.0},
    }
    return {
        "model_type": name, "dataset": ["made-up"], "preprocess": p, "model": config["model"], "facts": facts,
        "learned": {"phone": {"symbols": SYMBOLS}, "codec": CODEC, "latent": LATENT, "events": {"classes": CLASSES}},
        "speakers": ["made_ann", "made_bob"], "versions": versions(), "step": 1,
    }  # fmt: skip


def make_batch(frames, hop, pad_frames=0, pad_tokens=0, seed=0):
    """A batch with every feature there is; `pad_*` adds that much beyond the end."""
    random = np.random.default_rng(seed)
    codes = np.random.default_rng((seed, 1))
    drawn = np.random.default_rng((seed, 2))  # the others draw what they drew before there were latents and captions
    tokens = [max(2, f // 5) for f in frames]
    t, n = max(frames) + pad_frames, max(tokens) + pad_tokens
    batch = {
        "id": [f"u{i}" for i in range(len(frames))],
        "speaker": torch.arange(len(frames)) % 2,
        "frames": torch.tensor(frames),
        "tokens": torch.tensor(tokens),
        "samples": torch.tensor(frames) * hop,
        "phone": torch.zeros(len(frames), n, dtype=torch.long),
        "duration": torch.zeros(len(frames), n, dtype=torch.long),
        "mel": torch.full((len(frames), t, 80), -11.5),
        "linear": torch.full((len(frames), t, 513), 1e-5),
        "frame_phone": torch.zeros(len(frames), t, dtype=torch.long),
        "f0": torch.zeros(len(frames), t),
        "energy": torch.zeros(len(frames), t),
        "audio": torch.zeros(len(frames), t * hop),
        "codec": torch.zeros(len(frames), t, CODEC["codebooks"], dtype=torch.long),
        "prompt_codec": torch.from_numpy(codes.integers(0, CODEC["codebook_size"], (len(frames), 9, CODEC["codebooks"]))),
        "prompt_frames": torch.full((len(frames),), 9),
        "prompt_first": torch.full((len(frames),), -9),
    }
    batch["latent"] = torch.zeros(len(frames), t, 2 * LATENT["latent_channels"], LATENT["latent_bins"])
    batch["caption"] = torch.zeros(len(frames), n, CAPTION["caption_channels"])
    batch["events"] = torch.zeros(len(frames), t, len(CLASSES))
    for name, channels in svc.CHANNELS.items():
        batch[name] = torch.zeros(len(frames), t, channels)
    for i, (f, k) in enumerate(zip(frames, tokens, strict=True)):
        cuts = np.sort(random.choice(np.arange(1, f), k - 1, replace=False))
        batch["duration"][i, :k] = torch.from_numpy(np.diff(np.concatenate([[0], cuts, [f]])))
        batch["phone"][i, :k] = torch.from_numpy(random.integers(1, len(SYMBOLS), k))
        batch["frame_phone"][i, :f] = batch["phone"][i, :k].repeat_interleave(batch["duration"][i, :k])
        batch["mel"][i, :f] = torch.from_numpy(random.standard_normal((f, 80)) - 4)
        batch["f0"][i, :f] = torch.from_numpy(random.uniform(100, 300, f))
        batch["energy"][i, :f] = torch.from_numpy(random.uniform(1, 60, f))
        batch["linear"][i, :f] = torch.from_numpy(random.standard_normal((f, 513)) ** 2)
        batch["latent"][i, :f] = torch.from_numpy(drawn.standard_normal((f, *batch["latent"].shape[2:])))
        batch["caption"][i, :k] = torch.from_numpy(drawn.standard_normal((k, CAPTION["caption_channels"])))
        batch["events"][i, :f] = torch.arange(f)[:, None] // 5 % len(CLASSES) == torch.arange(len(CLASSES))
        for name, channels in svc.CHANNELS.items():
            batch[name][i, :f] = torch.from_numpy(random.standard_normal((f, channels)))
        batch["codec"][i, :f] = torch.from_numpy(codes.integers(0, CODEC["codebook_size"], (f, CODEC["codebooks"])))
        batch["audio"][i, : f * hop] = torch.from_numpy(random.standard_normal(f * hop) * 0.1)
    batch |= {"prompt_audio": batch["audio"].flip(1), "prompt_frames": batch["frames"]}
    return batch


def frames_of(name):
    """How many frames a batch takes: a vocoder takes as many steps as there are samples."""
    return 8 if MODELS[name].task == VOCODER else 32


def only_losses(out):
    return {k: v for k, v in out.items() if v.ndim == 0}


@pytest.mark.parametrize("name", OURS)
def test_losses_are_finite_and_reach_every_parameter(name):
    card = card_of(name)
    model = build_model(card).train()
    frames = frames_of(name)
    out = model(make_batch([frames, frames], card["preprocess"]["hop_size"]))
    loss = sum(v for v in only_losses(out).values())
    if "fake" in out:
        assert out["fake"].shape == out["real"].shape
        if "audio" in model.reads:
            assert out["fake"].shape == (2, 1, frames * card["preprocess"]["hop_size"])
        loss = loss + out["fake"].pow(2).mean()
    assert torch.isfinite(loss)
    loss.backward()
    learning = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    silent = [name for name, parameter in learning.items() if not reached(parameter)]
    assert not silent


def reached(parameter):
    return parameter.grad is not None and parameter.grad.abs().sum() > 0


@pytest.mark.parametrize("name", OURS)
def test_a_few_updates_lower_its_losses(name):
    card = card_of(name)
    model = build_model(card).train()
    batch = make_batch([frames_of(name)], card["preprocess"]["hop_size"])
    losses = losses_of(model, batch, 5, 2e-3)
    assert losses[-1] < losses[0] - 0.01


@pytest.mark.parametrize("name", [n for n in OURS if load_object(MODELS[n].trainer) is Trainer])
def test_padding_changes_nothing(name):
    card = card_of(name)
    model = build_model(card).eval()
    hop = card["preprocess"]["hop_size"]
    with torch.no_grad():
        plain = only_losses(model(make_batch([40, 31], hop)))
        padded = only_losses(model(make_batch([40, 31], hop, pad_frames=9, pad_tokens=4)))
    for key in plain:
        torch.testing.assert_close(plain[key], padded[key], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", OURS)
def test_release_loads_back_and_says_the_same(name, tmp_path):
    card = card_of(name)
    model = build_model(card).eval()
    save_release(tmp_path / "release", card, model.state_dict())
    task = load(tmp_path / "release", device="cpu")
    theirs = task.model.state_dict()
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, theirs[key], rtol=0, atol=0)


@pytest.mark.parametrize("name", [n for n in OURS if MODELS[n].task == VOCODER])
def test_a_vocoder_gives_hop_samples_a_frame(name, tmp_path):
    card = card_of(name)
    save_release(tmp_path / "release", card, build_model(card).state_dict())
    vocoder = load(tmp_path / "release", device="cpu")
    led = "f0" in vocoder.model.reads
    for frames in (1, 7, 40):
        pitch = {"f0": np.full(frames, 200.0, dtype=np.float32)} if led else {}
        audio = vocoder(np.full((frames, 80), -5.0, dtype=np.float32), **pitch)
        assert len(audio.samples) == frames * card["preprocess"]["hop_size"] and audio.rate == card["preprocess"]["sample_rate"]
    for bad, message in ((np.zeros((0, 80)), "one frame or more"), (np.zeros((5, 79)), "80"), (np.full((5, 80), np.nan), "NaN")):
        with pytest.raises(ValueError, match=message):
            vocoder(bad)
