"""Network parts against loops, and FastSpeech2: padding, batches, controls, gradients, types, and that it learns."""

import math

import pytest
import torch

from models.tts.fastspeech2 import FastSpeech2, bin_edges
from models.upstream.fastspeech2_maps import from_amphion, from_ming024
from modules.masks import average, expand, masked_mean, valid
from modules.transformer import FFTBlocks, sinusoids
from utils.config import build

STATISTICS = {
    "f0": {"mean": 180.0, "std": 40.0, "min": 80.0, "max": 400.0},
    "energy": {"mean": 20.0, "std": 10.0, "min": 0.0, "max": 90.0},
}
SMALL = {"hidden": 16, "encoder_layers": 2, "decoder_layers": 2, "conv_filter": 24, "predictor_filter": 12, "postnet_channels": 12}
STILL = {"encoder_dropout": 0.0, "decoder_dropout": 0.0, "predictor_dropout": 0.0}
LEVELS = [("phone", "phone"), ("frame", "frame"), ("frame", "phone"), ("phone", "frame")]


def make(seed=0, **changes):
    torch.manual_seed(seed)
    facts = {"n_vocab": 20, "n_mel": 8, "n_speakers": 2, "statistics": STATISTICS}
    return build(FastSpeech2, {**facts, **SMALL, **changes})


def make_batch(pad_tokens=0, pad_frames=0, junk=0.0):
    """Three utterances of 5, 3 and 1 tokens; what lies beyond each end is `junk`."""
    random = torch.Generator().manual_seed(0)
    durations = [[3, 0, 5, 2, 7], [4, 1, 6], [2]]
    tokens, frames = [len(d) for d in durations], [sum(d) for d in durations]
    n, t = max(tokens) + pad_tokens, max(frames) + pad_frames
    batch = {
        "phone": torch.zeros(3, n, dtype=torch.long), "duration": torch.zeros(3, n, dtype=torch.long),
        "mel": torch.full((3, t, 8), junk), "f0": torch.full((3, t), junk), "energy": torch.full((3, t), junk),
        "tokens": torch.tensor(tokens), "frames": torch.tensor(frames), "speaker": torch.tensor([0, 1, 0]),
    }  # fmt: skip
    for i, (k, f) in enumerate(zip(tokens, frames, strict=True)):
        batch["phone"][i, :k] = torch.randint(1, 20, (k,), generator=random)
        batch["duration"][i, :k] = torch.tensor(durations[i])
        batch["mel"][i, :f] = torch.randn(f, 8, generator=random)
        batch["f0"][i, :f] = 100 + 200 * torch.rand(f, generator=random)
        batch["energy"][i, :f] = 60 * torch.rand(f, generator=random)
    return batch


def test_masks_are_true_within_the_length():
    lengths = torch.tensor([3, 0, 5])
    assert valid(lengths).tolist() == [[i < n for i in range(5)] for n in (3, 0, 5)]
    assert valid(lengths, 7).shape == (3, 7)


def test_masked_mean_is_the_mean_of_what_is_left():
    values, mask = torch.randn(2, 5, 3), valid(torch.tensor([5, 2]))
    torch.testing.assert_close(masked_mean(values, mask), values[mask].mean())
    values[~mask] = 1e6
    torch.testing.assert_close(masked_mean(values, mask), values[mask].mean())


@pytest.mark.parametrize("seed", range(5))
def test_expansion_and_average_are_those_of_a_loop(seed):
    torch.manual_seed(seed)
    durations = torch.randint(0, 5, (3, 7))
    durations[1, 4:] = 0
    values = torch.randn(3, 7, 4)
    stretched, frames = expand(values, durations)
    assert frames.tolist() == durations.sum(1).tolist()
    contour = torch.randn(3, int(frames.max()) + 2)
    means = average(contour, durations)
    for i in range(3):
        rows = [values[i, j] for j in range(7) for _ in range(durations[i, j])]
        assert torch.equal(stretched[i, : len(rows)], torch.stack(rows))
        assert not stretched[i, len(rows) :].any()
        start = 0
        for j, length in enumerate(durations[i].tolist()):
            wanted = contour[i, start : start + length].mean() if length else torch.tensor(0.0)
            torch.testing.assert_close(means[i, j], wanted)
            start += length


def test_positions_are_sines_and_cosines():
    table = sinusoids(2000, 6)
    for place, channel in ((0, 0), (0, 1), (7, 2), (1999, 5)):
        angle = place / 10000 ** (2 * (channel // 2) / 6)
        assert table[place, channel] == pytest.approx(math.cos(angle) if channel % 2 else math.sin(angle), abs=1e-6)


def test_a_block_hears_no_padding():
    torch.manual_seed(0)
    blocks = FFTBlocks(channels=8, layers=2, heads=2, filter_channels=12, kernels=(9, 3), dropout=0.0)
    x, mask = torch.randn(2, 6, 8), valid(torch.tensor([6, 4]))
    padded = torch.cat([x, torch.full((2, 3, 8), 50.0)], 1)
    padded[1, 4:] = 50.0
    with torch.no_grad():
        out, again = blocks(x, mask), blocks(padded, valid(torch.tensor([6, 4]), 9))
    torch.testing.assert_close(out[mask], again[:, :6][mask], rtol=1e-5, atol=1e-5)
    assert not again[:, 6:].any() and not again[1, 4:].any()


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("kernels", [(9, 1), (5, 3)])
def test_padding_changes_no_loss(levels, kernels):
    model = make(pitch_level=levels[0], energy_level=levels[1], conv_kernels=kernels, predictor_kernel=kernels[0]).eval()
    with torch.no_grad():
        plain, padded = model(make_batch()), model(make_batch(4, 9, junk=77.0))
    assert plain.keys() == {"mel", "postnet", "duration", "pitch", "energy"}
    for name, value in plain.items():
        torch.testing.assert_close(value, padded[name], rtol=1e-5, atol=1e-5)


def test_losses_are_the_means_over_utterances_taken_alone():
    model, batch = make().eval(), make_batch(4, 9)
    with torch.no_grad():
        together = model(batch)
        alone = [model({k: v[i : i + 1, : cut(k, batch, i)] if v.ndim > 1 else v[i : i + 1] for k, v in batch.items()}) for i in range(3)]
    for name in together:
        weights = (batch["frames"] if name in ("mel", "postnet") else batch["tokens"]).float()
        wanted = (torch.stack([a[name] for a in alone]) * weights).sum() / weights.sum()
        torch.testing.assert_close(together[name], wanted, rtol=1e-4, atol=1e-5)


def cut(name, batch, i):
    return int(batch["tokens" if name in ("phone", "duration") else "frames"][i])


def test_padding_leaves_the_batch_norm_in_training_alone():
    found = []
    for n, length in ((6, 6), (20, 6)):
        torch.manual_seed(0)
        postnet = make().postnet.train()
        mel = torch.zeros(2, n, 8)
        mel[:, :6] = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(1))
        postnet(mel, valid(torch.tensor([length, length]), n))
        found.append(postnet.convolutions[0][1])
    torch.testing.assert_close(found[0].running_mean, found[1].running_mean)
    torch.testing.assert_close(found[0].running_var, found[1].running_var)


@pytest.mark.parametrize("levels", LEVELS)
def test_a_batch_speaks_as_each_alone(levels):
    model, batch = make(pitch_level=levels[0], energy_level=levels[1]).eval(), make_batch()
    with torch.no_grad():
        model.variance_adaptor.duration_predictor.linear_layer.bias.fill_(1.5)
    together = model.infer(batch["phone"], batch["speaker"], tokens=batch["tokens"], speed=0.8, pitch=1.3, energy=0.7)
    for i, n in enumerate(batch["tokens"].tolist()):
        alone = model.infer(batch["phone"][i : i + 1, :n], batch["speaker"][i : i + 1], speed=0.8, pitch=1.3, energy=0.7)
        frames = int(alone["frames"])
        assert frames == int(together["frames"][i]) == int(alone["duration"].sum())
        assert torch.equal(together["duration"][i, :n], alone["duration"][0]) and not together["duration"][i, n:].any()
        for name in ("mel", "f0"):
            torch.testing.assert_close(together[name][i, :frames], alone[name][0], rtol=1e-4, atol=1e-4)


def speaking_for(frames, **changes):
    """A model that gives every token so many frames, before rounding."""
    model = make(**changes).eval()
    last = model.variance_adaptor.duration_predictor.linear_layer
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(math.log(frames + 1))
    return model


def test_speed_scales_before_rounding_and_published_weights_after():
    phone = torch.randint(1, 20, (1, 10))
    for speed, ours, theirs in ((1, 30, 30), (1.05, 30, 20), (1.5, 20, 20), (0.5, 60, 60), (1.25, 20, 20), (1.1, 30, 20)):
        assert int(speaking_for(3).infer(phone, speed=speed)["frames"]) == ours
        assert int(speaking_for(3, truncate_durations=True).infer(phone, speed=speed)["frames"]) == theirs
    assert int(speaking_for(3.4).infer(phone, speed=0.5)["frames"]) == 70  # 6.8 each
    assert int(speaking_for(3.4, truncate_durations=True).infer(phone, speed=0.5)["frames"]) == 60


def test_tokens_without_any_frame_get_one_each():
    out = speaking_for(0.2).infer(make_batch()["phone"], tokens=make_batch()["tokens"])
    assert out["frames"].tolist() == [5, 3, 1] and out["mel"].shape[:2] == (3, 5)


def test_energy_follows_its_own_factor_unless_asked():
    phone = torch.randint(1, 20, (1, 6))
    with torch.no_grad():
        ours, theirs = make().eval(), make(energy_follows_pitch_control=True).eval()
    heard = [m.infer(phone, energy=e)["mel"] for m in (ours, theirs) for e in (1.0, 30.0)]
    assert not torch.equal(heard[0], heard[1]) and torch.equal(heard[2], heard[3])


@pytest.mark.parametrize("changes", [{}, {"postnet": False}, {"n_speakers": 1}, {"pitch_level": "frame", "energy_level": "frame"}])
@pytest.mark.parametrize("kernels", [{}, {"conv_kernels": (5, 3), "predictor_kernel": 5, "postnet_kernel": 3, "postnet_layers": 3}])
def test_a_gradient_reaches_every_parameter(changes, kernels):
    model = make(**changes, **kernels).train()
    batch = make_batch() | ({"speaker": torch.zeros(3, dtype=torch.long)} if changes.get("n_speakers") == 1 else {})
    losses = model(batch)
    assert ("postnet" in losses) == changes.get("postnet", True) and (model.speaker_emb is None) == (changes.get("n_speakers") == 1)
    sum(losses.values()).backward()
    assert not [k for k, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


@pytest.mark.parametrize("levels", LEVELS[:2])
def test_half_precision_stays_finite(levels):
    model = make(pitch_level=levels[0], energy_level=levels[1])
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.train()(make_batch(2, 3))
        spoken = model.eval().infer(make_batch()["phone"], tokens=make_batch()["tokens"])
    sum(losses.values()).backward()
    assert all(torch.isfinite(v) for v in losses.values()) and torch.isfinite(spoken["mel"]).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_decoder_is_cut_in_training_alone():
    model, batch = make(max_frames=6, **STILL), make_batch()
    targets = {n: torch.zeros(3, 5) for n in ("pitch", "energy")}
    given = (batch["phone"], batch["tokens"], batch["duration"], targets, batch["speaker"])
    assert model.train().teacher_forced(*given)["mel"].shape[1] == 6
    assert model.eval().teacher_forced(*given)["mel"].shape[1] == 17
    torch.testing.assert_close(make_loss(model.train(), batch), make_loss(model, {**batch, "mel": beyond(batch["mel"], 6)}))


def make_loss(model, batch):
    torch.manual_seed(0)
    return model(batch)["mel"].detach()


def beyond(mel, frames):
    return torch.cat([mel[:, :frames], torch.full_like(mel[:, frames:], 9.0)], 1)


def test_it_learns_a_batch_by_heart():
    model, batch = make(**STILL, encoder_layers=1, decoder_layers=1, postnet=False).train(), make_batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    first = {k: v.item() for k, v in model(batch).items()}
    for _ in range(100):
        optimizer.zero_grad()
        losses = model(batch)
        sum(losses.values()).backward()
        optimizer.step()
    assert all(losses[k].item() < 0.3 * first[k] for k in first), (first, losses)
    out = model.eval().infer(batch["phone"], batch["speaker"], tokens=batch["tokens"])
    assert (out["duration"] - batch["duration"]).abs().max() <= 1


def test_bins_span_the_normalised_range():
    linear, log = (bin_edges(STATISTICS["f0"], scale, 256) for scale in ("linear", "log"))
    for edges in (linear, log):
        assert edges.shape == (255,) and (edges.diff() > 0).all()
        torch.testing.assert_close(edges[[0, -1]], torch.tensor([-2.5, 5.5]))
    torch.testing.assert_close(linear.diff(), linear.diff()[:1].expand(254), rtol=1e-3, atol=1e-5)
    ratios = (log * 40 + 180).log().diff()
    torch.testing.assert_close(ratios, ratios[:1].expand(254), rtol=1e-2, atol=1e-5)
    flat = {"mean": 5.0, "std": 0.0, "min": 5.0, "max": 5.0}
    assert torch.isfinite(bin_edges(flat, "linear", 8)).all()


def test_an_even_kernel_is_refused():
    for setting in ({"conv_kernels": (4, 1)}, {"predictor_kernel": 2}, {"postnet_kernel": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(setting))}.*odd"):
            make(**setting)


def foreign(n_speakers, kernels=(9, 1), postnet=(5, 5), **changes):
    """The model section and the weights of a made-up upstream model, position tables and prefix included."""
    model = make(n_speakers=max(n_speakers, 2), conv_kernels=kernels, postnet_kernel=postnet[0], postnet_layers=postnet[1], n_bins=11, **changes)
    torch.nn.init.constant_(model.variance_adaptor.duration_predictor.linear_layer.bias, 1.5)
    state = {k: v for k, v in model.state_dict().items() if not k.startswith(("f0_", "energy_"))}
    state |= {"encoder.position_enc": torch.zeros(1, 9, 16), "decoder.position_enc": torch.zeros(1, 9, 16)}
    state["speaker_emb.weight"] = state["speaker_emb.weight"][:n_speakers]
    if not n_speakers:
        del state["speaker_emb.weight"]
    stack = {"encoder_layer": 2, "decoder_layer": 2, "encoder_head": 2, "decoder_head": 2, "encoder_hidden": 16, "decoder_hidden": 16}
    section = {
        "transformer": {**stack, "conv_filter_size": 24, "conv_kernel_size": list(kernels), "encoder_dropout": 0.3, "decoder_dropout": 0.1},
        "variance_predictor": {"filter_size": 12, "kernel_size": 3, "dropout": 0.4},
        "variance_embedding": {"pitch_quantization": "log", "energy_quantization": "linear", "n_bins": 11},
        "max_seq_len": 8,
    }
    return section, {f"module.{k}": v for k, v in state.items()}


@pytest.mark.parametrize("n_speakers", [0, 1, 3])
@pytest.mark.parametrize("kernels, postnet", [((9, 1), (5, 5)), ((3, 5), (7, 3))])
def test_other_published_shapes_load_and_speak_past_their_table(n_speakers, kernels, postnet):
    section, state = foreign(n_speakers, kernels, postnet)
    frame = {"model": section, "preprocess": {"use_frame_pitch": True, "use_frame_energy": True}}
    names = {"preprocessing": {"pitch": {"feature": "frame_level"}, "energy": {"feature": "phoneme_level"}}}
    theirs = {"model": section, "preprocess": names, "stats.json": {"pitch": [-2.0, 5.0, 200.0, 40.0], "energy": [-1.5, 4.0, 30.0, 20.0]}}
    for translate, config, energy in ((from_amphion, frame, "frame"), (from_ming024, theirs, "phone")):
        arguments, facts, weights = translate(config, state)
        model = build(FastSpeech2, arguments, facts)
        model.load_state_dict(weights)
        assert model.variance_adaptor.levels == {"pitch": "frame", "energy": energy} and model.max_frames == 8
        out = model.eval().infer(torch.randint(1, 20, (1, 12)), speed=0.25)
        assert out["mel"].shape[1] > 8 and torch.isfinite(out["mel"]).all()
    assert facts["statistics"]["f0"] == {"mean": 200.0, "std": 40.0, "min": 120.0, "max": 400.0} and model.f0_mean == 200
