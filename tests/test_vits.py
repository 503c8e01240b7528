"""VITS and its parts: alignment against brute force, flows and splines there and back, likelihoods, padding, resuming, voices."""

import itertools
import json
import math

import numpy as np
import pytest
import torch

from bins.benches.alignment import batched_search
from bins.extract import extract
from models import load
from models.base.checkpoint import Checkpoints, save_release
from models.base.discriminators import Discriminators
from models.base.experiment import Experiment, build_model
from models.tts.vits import VITS
from modules.alignment import durations, path_of
from modules.attention import RelativeAttention, RelativeEncoder, gathered, spread
from modules.coupling import Flip, Flow, ResidualCoupling
from modules.duration import DurationPredictor, StochasticDurationPredictor
from modules.gated import GatedStack
from modules.posterior import divergence
from modules.spline import rational_quadratic
from tests.conftest import RATE, SHARED, clip, make_corpus
from tests.networks import stirred
from tests.test_models import card_of
from tests.test_trainer import furthest, same, weights
from utils.audio import Audio
from utils.config import build

MANIFESTS = SHARED / "parity/manifests"
SMALL = {
    "hidden": 16, "latent": 8, "encoder_layers": 2, "encoder_filter": 24, "posterior_layers": 2, "flows": 2, "flow_layers": 2,
    "duration_flows": 2, "speaker_channels": 6, "n_fft": 64, "win_size": 64, "mel_bands": 10, "slice_frames": 8,
}  # fmt: skip
SOUND = {
    "upsample_rates": (4, 4), "upsample_kernel_sizes": (8, 8), "upsample_initial_channel": 16, "resblock": "2",
    "resblock_kernel_sizes": (3,), "resblock_dilation_sizes": ((1, 3),),
}  # fmt: skip
SPECTRAL = {"spectral_decoder": {"dim": 16, "intermediate_dim": 24, "num_layers": 2, "n_fft": 64}}
either_decoder = pytest.mark.parametrize("decoder", [{}, SPECTRAL], ids=["hifigan", "vocos"])


def small(n_speakers=2, **changes):
    sizes = {"n_vocab": 20, "n_speakers": n_speakers, "sample_rate": 8000, "hop_size": 16, **SMALL, **changes}
    model = build(VITS, {"decoder": SOUND, **sizes})
    return stirred(model, 0.05)  # so that flows do something


def batch_of(frames=(30, 21), tokens=(9, 6), pad_frames=0, pad_tokens=0):
    t, n = max(frames) + pad_frames, max(tokens) + pad_tokens
    made = {
        "id": [f"u{i}" for i in range(len(frames))], "speaker": torch.tensor([1, 0]), "frames": torch.tensor(frames),
        "tokens": torch.tensor(tokens), "samples": torch.tensor(frames) * 16, "phone": torch.zeros(2, n, dtype=torch.long),
        "linear": torch.full((2, t, 33), 0.3), "audio": torch.full((2, t * 16), 0.3),
    }  # fmt: skip
    chance = torch.Generator().manual_seed(1)
    for i, (f, k) in enumerate(zip(frames, tokens, strict=True)):
        made["phone"][i, :k] = torch.randint(1, 20, (k,), generator=chance)
        made["linear"][i, :f] = torch.rand(f, 33, generator=chance)
        made["audio"][i, : f * 16] = 0.1 * torch.randn(f * 16, generator=chance)
    return made


# Alignment


def likeliest(scores):
    """Brute force: the best of all ways to cut the frames into one run for each token."""
    frames, tokens = scores.shape
    best = None
    for cuts in itertools.combinations(range(1, frames), tokens - 1):
        edges = [0, *cuts, frames]
        value = sum(scores[edges[i] : edges[i + 1], i].sum() for i in range(tokens))
        if best is None or value > best[0]:
            best = (value, np.diff(edges))
    return best[1].tolist()


@pytest.mark.parametrize("search", [durations, batched_search])
@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (4, 4), (7, 3), (9, 5), (10, 4)])
def test_alignment_is_the_likeliest(search, shape):
    frames, tokens = shape
    for _ in range(5):
        scores = torch.randn(3, frames + 2, tokens + 3)
        found = search(scores, torch.tensor([frames] * 3), torch.tensor([tokens] * 3))
        for row, s in zip(found, scores, strict=True):
            assert row[:tokens].tolist() == likeliest(s[:frames, :tokens].numpy()) and not row[tokens:].any()


def test_both_searches_agree_on_a_ragged_batch():
    frames, tokens = torch.tensor([200, 57, 31, 5]), torch.tensor([40, 50, 31, 5])
    scores = 3 * torch.randn(4, 200, 50)
    first, second = durations(scores, frames, tokens), batched_search(scores, frames, tokens)
    assert torch.equal(first, second) and torch.equal(first.sum(1), frames)
    path = path_of(first, 200)
    assert torch.equal(path.sum(1).long(), first) and path.sum(2).max() == 1


@pytest.mark.parametrize("search", [durations, batched_search])
def test_more_tokens_than_frames_give_the_last_ones_a_frame_each(search):
    found = search(torch.randn(1, 3, 5), torch.tensor([3]), torch.tensor([5]))
    assert found.tolist() == [[0, 0, 1, 1, 1]]


# Parts


@pytest.mark.parametrize("window", [1, 4, 9])
def test_relative_positions_are_those_of_plain_loops(window):
    near, weights_ = torch.randn(2, 5, 2 * window + 1), torch.randn(2, 5, 5)
    far, close = torch.zeros(2, 5, 5), torch.zeros(2, 5, 2 * window + 1)
    for i, j in itertools.product(range(5), repeat=2):
        if abs(j - i) <= window:
            far[:, i, j] = near[:, i, j - i + window]
            close[:, i, j - i + window] = weights_[:, i, j]
    assert torch.equal(spread(near, window), far) and torch.equal(gathered(weights_, window), close)


@pytest.mark.parametrize("places", [9, 10, 23])
def test_places_weighed_some_at_a_time_are_as_all_at_once(places, monkeypatch):
    torch.manual_seed(0)
    attention = RelativeAttention(8, 2, window=4).eval()
    x = torch.randn(2, 8, places)
    mask = torch.ones(2, 1, places)
    mask[1, :, places - 3 :] = 0
    whole = attention(x, mask)
    monkeypatch.setattr("modules.attention.LONG", 8)
    monkeypatch.setattr("modules.attention.ROWS", 3)
    with torch.inference_mode():
        parts = attention(x, mask)
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)


def test_attention_without_distances_is_torchs():
    ours = RelativeAttention(8, 2, window=2)
    torch.nn.init.zeros_(ours.emb_rel_k)
    torch.nn.init.zeros_(ours.emb_rel_v)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    projections = (ours.conv_q, ours.conv_k, ours.conv_v)
    theirs.in_proj_weight.data = torch.cat([c.weight[..., 0] for c in projections])
    theirs.in_proj_bias.data = torch.cat([c.bias for c in projections])
    theirs.out_proj.weight.data, theirs.out_proj.bias.data = ours.conv_o.weight[..., 0].data, ours.conv_o.bias.data
    x, mask = torch.randn(2, 8, 7), torch.arange(7)[None, None] < torch.tensor([7, 4])[:, None, None]
    wanted = theirs(*[x.transpose(1, 2)] * 3, key_padding_mask=~mask[:, 0])[0].transpose(1, 2)
    torch.testing.assert_close(ours(x, mask.float()) * mask, wanted * mask)


@pytest.mark.parametrize("kernel", [1, 3, 4])
def test_an_encoder_hears_no_padding(kernel):
    encoder = RelativeEncoder(channels=8, filter_channels=12, layers=2, kernel_size=kernel).eval()
    x = torch.randn(1, 8, 5)
    padded = torch.cat([x, 9 * torch.ones(1, 8, 3)], 2)
    mask = (torch.arange(8) < 5).float()[None, None]
    torch.testing.assert_close(encoder(padded, mask)[..., :5], encoder(x, mask[..., :5]))
    assert not encoder(padded, mask)[..., 5:].any()


def test_a_gated_stack_with_and_without_a_condition_is_the_sum_of_its_layers():
    stack = GatedStack(channels=4, kernel_size=3, dilations=(1, 2), condition_channels=3)
    x, condition = torch.randn(1, 4, 1, 9), torch.randn(1, 3, 1, 1)
    for given in (condition, None):
        added = stack.cond_layer(condition[..., 0]).chunk(2, 1) if given is not None else (0.0, 0.0)
        hidden, total = x[:, :, 0], 0
        for i in range(2):
            wave, gate = (stack.in_layers[i](hidden) + added[i]).chunk(2, 1)
            made = stack.res_skip_layers[i](wave.tanh() * gate.sigmoid())
            hidden, total = hidden + made[:, :4], total + made[:, -4:]
        torch.testing.assert_close(stack(x, given)[:, :, 0], total)
    assert GatedStack(channels=4, kernel_size=3, dilations=(1,)).cond_layer is None
    with pytest.raises(ValueError, match="odd"):
        GatedStack(channels=4, kernel_size=4, dilations=(1, 1))


@pytest.mark.parametrize("mean_only", [True, False])
def test_a_flow_inverts_and_knows_its_volume(mean_only):
    stacks = [GatedStack(channels=6, kernel_size=3, dilations=(1, 1), condition_channels=2) for _ in range(2)]
    flow = Flow([layer for stack in stacks for layer in (ResidualCoupling(4, 6, stack, mean_only=mean_only), Flip())])
    for parameter in flow.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    x, mask, condition = torch.randn(2, 4, 3), torch.tensor([[[1.0, 1, 1]], [[1, 1, 0]]]), torch.randn(2, 2, 1)
    x = x * mask
    y, log_det = flow(x, mask, condition)
    assert (y - x).abs().max() > 0.1
    torch.testing.assert_close(flow.inverse(y, mask, condition), x, rtol=1e-5, atol=1e-5)
    whole = torch.autograd.functional.jacobian(lambda a: flow(a, mask[:1], condition[:1])[0], x[:1]).reshape(12, 12)
    torch.testing.assert_close(log_det[0], torch.linalg.slogdet(whole)[1], rtol=1e-4, atol=1e-4)


def test_the_spline_inverts_is_monotonic_and_knows_its_slope():
    x = torch.linspace(-7, 7, 400, dtype=torch.float64).requires_grad_()
    shape = [torch.randn(n, dtype=torch.float64).expand(400, n) for n in (10, 10, 9)]
    y, log_slope = rational_quadratic(x, *shape)
    assert (y.diff() > 0).all() and torch.equal(y[x.abs() > 5], x[x.abs() > 5])
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope.exp(), slope)
    back, log_back = rational_quadratic(y, *shape, inverse=True)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(log_back, -log_slope, rtol=1e-5, atol=1e-5)
    straight = rational_quadratic(x, torch.zeros(400, 10), torch.zeros(400, 10), torch.full((400, 9), math.log(math.expm1(1 - 1e-3))))
    torch.testing.assert_close(straight[0].double(), x, rtol=1e-5, atol=1e-5)


def test_drawn_durations_have_the_frequencies_that_were_taught():
    """A token that lasts 2 frames three times of four and 9 else: drawn so, and the bound on the likelihood is true and close."""
    predictor = StochasticDurationPredictor(8, dropout=0.0, flows=2, layers=1)
    x, mask = torch.randn(1, 8, 1).expand(128, -1, -1), torch.ones(128, 1, 1)
    taught = torch.where(torch.arange(128) % 4 == 0, 9, 2)[:, None]
    optimizer = torch.optim.Adam(predictor.parameters(), 2e-2)
    # Slower towards the end: at one pace where it stops is chance, and another for every kind of processor.
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, 150)
    for _ in range(150):
        optimizer.zero_grad()
        predictor(x, mask, taught, torch.randn(128, 2, 1)).mean().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        many = 2000
        drawn = predictor.sample(x[:1].expand(many, -1, -1), torch.ones(many, 1, 1), torch.randn(many, 2, 1)).exp().ceil()[:, 0]
        share = {d: (drawn == d).float().mean().item() for d in (2, 9)}
        noise = torch.randn(many, 2, 1)
        bound = {
            d: predictor(x[:1].expand(many, -1, -1), torch.ones(many, 1, 1), torch.full((many, 1), d), noise).mean().item()
            for d in (2, 9)
        }
    assert abs(share[2] - 0.75) < 0.08 and abs(share[9] - 0.25) < 0.08, share
    entropy = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    reached = 0.75 * bound[2] + 0.25 * bound[9]
    assert entropy - 0.05 < reached < entropy + 0.35, (bound, entropy)
    for d in (2, 9):
        assert bound[d] > -math.log(share[d]) - 0.1, (d, bound, share)


@pytest.mark.parametrize("stochastic", [True, False])
def test_duration_predictors_teach_nothing_to_the_encoder_or_the_voices(stochastic):
    x, voice, mask = torch.randn(1, 8, 4, requires_grad=True), torch.randn(1, 2, 1, requires_grad=True), torch.ones(1, 1, 4)
    if stochastic:
        predictor = StochasticDurationPredictor(8, condition_channels=2)
        loss = predictor(x, mask, torch.tensor([[1, 2, 3, 4]]), torch.randn(1, 2, 4), voice).sum()
    else:
        predictor = DurationPredictor(8, condition_channels=2)
        loss = predictor(x, mask, voice).sum()
    loss.backward()
    assert x.grad is None and voice.grad is None and predictor.cond.weight.grad.abs().sum() > 0


# The model


def noises(frames, tokens):
    chance = torch.Generator().manual_seed(3)
    draws = {"posterior": torch.randn(2, 8, 60, generator=chance)[..., :frames], "slice": torch.tensor([0.9, 0.2])}
    return draws | {"duration": torch.randn(2, 2, 40, generator=chance)[..., :tokens]}


@either_decoder
@pytest.mark.parametrize("stochastic", [True, False])
def test_padding_changes_nothing(stochastic, decoder):
    model = small(stochastic_durations=stochastic, **decoder)
    made = []
    with torch.no_grad():
        for pad_frames, pad_tokens in ((0, 0), (13, 7)):
            b = batch_of(pad_frames=pad_frames, pad_tokens=pad_tokens)
            noise = noises(b["linear"].shape[1], b["phone"].shape[1])
            out = model.teacher_forced(b["phone"], b["tokens"], b["linear"], b["frames"], b["speaker"], noise)
            made.append(out | {"kl": divergence(out), "total": out["duration_loss"].sum()})
    plain, padded = made
    for name in ("kl", "total", "duration_loss", "fake", "start"):
        torch.testing.assert_close(plain[name], padded[name], rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
    for name, value in plain.items():
        if value.ndim == 3 and name not in ("fake", "scores"):
            torch.testing.assert_close(padded[name][..., : value.shape[2]], value, rtol=1e-5, atol=1e-5)
            assert not padded[name][..., value.shape[2] :].any(), name
    assert torch.equal(padded["duration"][:, :9], plain["duration"])


def test_losses_of_the_forward_do_not_depend_on_what_lies_beyond_the_end():
    model = small()
    model.slice_frames = 40  # longer than either: the slices end in silence
    with torch.no_grad():
        out, again = (model(batch_of(pad_frames=n)) for n in (0, 0))
        assert out["mel"] == again["mel"] and out["kl"] == again["kl"], "eval mode draws the same each time"
        assert out["real"].shape == out["fake"].shape == (2, 1, 40 * 16)
        assert not out["fake"][1, 0, 21 * 16 :].any()
        loud = batch_of(pad_frames=20)
        loud["audio"][1, 21 * 16 + 64 :] = 5.0
        quiet = batch_of(pad_frames=20)
        quiet["audio"][1, 21 * 16 + 64 :] = 0.0
        torch.testing.assert_close(model(loud)["mel"], model(quiet)["mel"])


def test_spectra_are_compared_where_asked_and_teach_the_decoder_alone_of_what_it_said():
    assert "stft" not in small()(batch_of())
    model, b = small(slice_frames=80, hop_size=32, stft_loss=True, **SPECTRAL).train(), batch_of(frames=(90, 85))
    b["audio"] = b["audio"].repeat_interleave(2, 1)
    b["samples"] = b["frames"] * 32
    out = model(b)
    out["stft"].backward()
    assert out["stft"] > 0.1 and model.dec.head.out.weight.grad.abs().max() > 0
    assert model.stft_loss(out["real"], out["real"]) == 0


def test_training_draws_anew_and_slices_lie_within():
    model = small().train()
    b = batch_of()
    starts = torch.stack([model.teacher_forced(b["phone"], b["tokens"], b["linear"], b["frames"], b["speaker"])["start"] for _ in range(40)])
    assert starts.unique(dim=0).shape[0] > 20 and (starts >= 0).all() and (starts <= b["frames"] - 8).all()


@either_decoder
def test_infer_says_the_same_alone_and_in_a_batch_and_by_seed(decoder):
    model, b = small(**decoder), batch_of()
    with torch.no_grad():
        both = model.infer(b["phone"], b["speaker"], tokens=b["tokens"], noise_scale=0, duration_noise=0)
        for i, n in enumerate(b["tokens"]):
            one = model.infer(b["phone"][i : i + 1, :n], b["speaker"][i : i + 1], noise_scale=0, duration_noise=0)
            assert torch.equal(one["duration"][0], both["duration"][i, :n])
            torch.testing.assert_close(one["audio"][0], both["audio"][i, : both["samples"][i]], rtol=1e-4, atol=1e-5)
        assert torch.equal(both["samples"], both["frames"] * 16) and torch.equal(both["duration"].sum(1), both["frames"])
        say = lambda s: model.infer(b["phone"], b["speaker"], tokens=b["tokens"], seed=s)["audio"]  # noqa: E731
        assert torch.equal(say(5), say(5)) and not torch.equal(say(5)[:, :50], say(6)[:, :50])
        slow = model.infer(b["phone"], tokens=b["tokens"], duration_noise=0, speed=0.25)["frames"]
        quick = model.infer(b["phone"], tokens=b["tokens"], duration_noise=0, speed=1.0)["frames"]
        assert (slow > 2 * quick).all()
        assert (model.infer(b["phone"], duration_noise=0, speed=1e-9)["duration"] <= 1000).all()
        ann, bob = (model.infer(b["phone"][:1], torch.tensor([i]), seed=1, speed=1e9)["audio"] for i in (0, 1))
        assert ann.shape == bob.shape and not torch.allclose(ann, bob)


def test_folding_changes_nothing():
    model, b = small(), batch_of()
    before = model.infer(b["phone"], seed=0)["audio"]
    assert not [k for k in model.prepared().state_dict() if "parametrizations" in k]
    torch.testing.assert_close(model.infer(b["phone"], seed=0)["audio"], before, rtol=1e-4, atol=1e-5)


@either_decoder
def test_voice_conversion_keeps_the_length_and_changes_the_voice(decoder):
    model, b = small(**decoder), batch_of()
    out = model.convert(b["linear"], b["speaker"], 1 - b["speaker"], frames=b["frames"], seed=0)
    same_voice = model.convert(b["linear"], b["speaker"], b["speaker"], frames=b["frames"], seed=0)
    assert torch.equal(out["samples"], b["frames"] * 16)
    assert (out["audio"] - same_voice["audio"]).abs().max() > 1e-4
    posterior = model.convert(b["linear"], b["speaker"], b["speaker"], frames=b["frames"], seed=0)["z"]
    torch.testing.assert_close(same_voice["z"], posterior)
    with pytest.raises(ValueError, match="one speaker"):
        small(n_speakers=1).convert(b["linear"], b["speaker"], b["speaker"])


def test_settings_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"model\.decoding\.n_fft: 64 makes 33 bins.*65.*128 for this one"):
        small()(batch_of() | {"linear": torch.rand(2, 30, 65)})
    with pytest.raises(ValueError, match="hop_size is 16"):
        VITS(n_vocab=5, sample_rate=8000, hop_size=16)
    with pytest.raises(ValueError, match="even"):
        small(latent=7)
    with pytest.raises(ValueError, match="heads"):
        small(encoder_heads=3)


def test_a_text_longer_than_its_recording_is_named_and_survives(caplog):
    b = batch_of(frames=(9, 8), tokens=(12, 5))
    out = small()(b)
    assert torch.isfinite(out["kl"] + out["duration"] + out["mel"])
    assert "u0" in caplog.text and "u1" not in caplog.text


# The discriminator


@pytest.mark.parametrize("settings", [{}, {"use_spectral_norm": True}, {"channel_multiplier": 0.3, "periods": (2, 3)}])
def test_the_discriminator_judges_the_wave_and_each_period(settings):
    judge = Discriminators({"vits": settings})
    real, fake = torch.randn(2, 1, 4096), torch.randn(2, 1, 4096)
    scores_real, scores_fake, maps_real, maps_fake = judge(real, fake)
    assert len(scores_real) == len(scores_fake) == 1 + len(settings.get("periods", (2, 3, 5, 7, 11)))
    assert [len(m) for m in maps_real][:2] == [7, 6] and scores_real[0].shape == (2, 16)
    judge.eval()
    torch.testing.assert_close(judge(real, fake)[1][0], judge(fake, real)[0][0], rtol=1e-4, atol=1e-5)
    sum(s.sum() for s in scores_fake).backward()
    assert not [k for k, p in judge.named_parameters() if p.grad is None]


# Training


def vits_config(folder, **train):
    """A very small VITS on the synthetic clips, letters for phones."""
    config = {
        "model_type": "VITS", "dataset": ["custom"], "dataset_path": {"custom": str(folder)}, "log_dir": str(folder / "ckpts"),
        "preprocess": {
            "processed_dir": str(folder / "data"), "sample_rate": RATE, "hop_size": 256,
            "features": {"phone": {"g2p": "characters", "blanks": True}, "linear": {"n_fft": 512, "win_size": 512}, "audio": {}},
        },
        "model": SMALL | {"n_fft": 512, "win_size": 512, "encoder_dropout": 0.3,
                          "decoder": SOUND | {"upsample_rates": (16, 16), "upsample_kernel_sizes": (32, 32)}},
        "discriminator": {"vits": {"channel_multiplier": 1 / 16, "periods": [2, 3]}},
        "train": {
            "max_steps": 6, "batch_size": 4, "workers": 0, "samples": 1, "log_every": 2, "valid_every": 2, "save_every": 2,
            "mixed_precision": "no", "optimizer": {"lr": 1e-3}, "ema_decay": 0.9, "loss_weights": {"mel": 45, "feature": 2},
            "schedule": {"name": "exponential", "decay": 0.9, "decay_every": 2}, **train,
        },
    }  # fmt: skip
    path = folder / "vits.json"
    path.write_text(json.dumps(config))
    return path


def trained(config, name, steps):
    from models.base.gan import GANTrainer

    trainer = GANTrainer(Experiment.read(config, [f"train.max_steps={steps}"]), name)
    trainer.fit()
    return trainer


def test_resumed_is_never_stopped_train_mode_comes_back_and_schedules_step(tmp_path):
    config = vits_config(make_corpus(tmp_path, [0.7, 0.8, 0.9, 1.0] * 3))
    extract(Experiment.read(config), jobs=1)
    whole = trained(config, "whole", 5)
    trained(config, "parts", 3)  # step 4 is mid-epoch: ten utterances make three batches
    trained(config, "parts", 5)
    runs = [Checkpoints(Experiment.read(config).run_folder(name)) for name in ("whole", "parts")]
    states = [run.state(run.newest()) for run in runs]
    assert states[0]["progress"]["step"] == 5 and set(states[0]["optimizers"]) == {"model", "discriminator"}
    for key in states[0]:
        if key != "progress":  # the second run was also validated at its own end
            assert same(states[0][key], states[1][key]), key
    assert furthest(weights(config, "whole"), weights(config, "parts")) == 0.0
    for name in ("model", "discriminator"):
        assert whole.unwrap(name).training, "validation leaves eval mode behind"
        assert whole.schedulers[name].get_last_lr()[0] == pytest.approx(1e-3 * 0.9**2.5)
    task = load(runs[0].run, device="cpu")
    audio = task("hello there", speaker="ann", seed=1)
    assert audio.rate == RATE and len(audio.samples) and np.isfinite(audio.samples).all()


# Voices for users


@pytest.fixture
def task(tmp_path):
    card = card_of("VITS")
    card["preprocess"]["features"]["phone"] = {"g2p": "characters", "symbols": "letters", "blanks": True}
    save_release(tmp_path / "release", card, build_model(card).state_dict())
    return load(tmp_path / "release", device="cpu")


def test_speaking_and_converting(task, tmp_path):
    first = task("a cab", speaker="ann", seed=3)
    assert np.array_equal(first.samples, task("a cab", speaker="made_ann", seed=3).samples)
    assert not np.array_equal(first.samples, task("a cab", speaker="bob", seed=3).samples)
    path = Audio(clip(0.5, 150, 0), RATE).write(tmp_path / "a.wav")
    for source in (str(path), path, Audio.read(path)):
        made = task.convert(source, source_speaker="ann", target_speaker="bob", seed=0)
        assert made.rate == task.rate and abs(made.seconds - 0.5) < 0.02


def test_what_users_get_wrong_is_named(task):
    for call, message in (
        (lambda: task("a cab", speaker="anna"), "did you mean 'made_ann'"),
        (lambda: task.convert("x.wav", source_speaker="bobby", target_speaker="ann"), "bobby"),
        (lambda: task("a cab", pitch=1.2), "pitch: VITS has no such control.*speed, noise_scale, duration_noise, seed"),
        (lambda: task("a cab", vocoder="x"), "makes sound itself"),
        (lambda: task("a cab", speed=0), "speed must be above 0"),
        (lambda: task("a cab", noise_scale=-1), "noise_scale must be 0"),
        (lambda: task("  "), "empty"),
        (lambda: task("zzz"), "no letter"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


# Published weights
