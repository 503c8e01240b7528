"""Jets and its aligner: sums and best ways against brute force, padding, training against use, a toy that is learnt, published weights."""

import itertools
import json
import math

import numpy as np
import pytest
import torch

from models import load
from models.base.task import fit_weights
from models.tts.jets import Jets, losses
from models.upstream.jets_maps import GENERATOR, from_amphion
from modules.aligner import LOG_BLANK, Aligner, binarisation, distance, forward_sum, log_prior, smooth
from modules.alignment import durations, path_of
from modules.predictors import whole_frames
from processors.lexicon import published
from tests.parity import old_keys
from tests.test_vits import SOUND, SPECTRAL, likeliest
from utils.config import build

SMALL = {
    "hidden": 16, "encoder_layers": 1, "decoder_layers": 1, "conv_filter": 24, "predictor_filter": 12, "slice_frames": 8,
    "n_fft": 64, "win_size": 64, "mel_bands": 10,
}  # fmt: skip


def small(n_speakers=2, hop_size=16, decoder=SOUND, **changes):
    sizes = {"n_vocab": 20, "n_mel": 12, "n_speakers": n_speakers, "sample_rate": 8000, **SMALL, **changes}
    return build(Jets, {"decoder": decoder, "hop_size": hop_size, **sizes}).eval()


def batch_of(frames=(30, 21), tokens=(9, 6), pad_frames=0, pad_tokens=0):
    """Each token sounds its own way for some frames; `pad_*` adds as much beyond the end."""
    t, n = max(frames) + pad_frames, max(tokens) + pad_tokens
    made = {
        "id": [f"u{i}" for i in range(len(frames))], "speaker": torch.arange(len(frames)) % 2, "frames": torch.tensor(frames),
        "tokens": torch.tensor(tokens), "samples": torch.tensor(frames) * 16, "phone": torch.zeros(len(frames), n, dtype=torch.long),
        "mel": torch.full((len(frames), t, 12), -11.5), "f0": torch.full((len(frames), t), 77.0), "energy": torch.full((len(frames), t), 7.0),
        "audio": torch.full((len(frames), t * 16), 0.3),
    }  # fmt: skip
    chance = torch.Generator().manual_seed(1)
    sounds = torch.randn(20, 12, generator=chance)
    for i, (f, k) in enumerate(zip(frames, tokens, strict=True)):
        ids = torch.randint(1, 20, (k,), generator=chance)
        made["phone"][i, :k] = ids
        made["mel"][i, :f] = sounds[ids].repeat_interleave(-(-f // k), 0)[:f] + 0.1 * torch.randn(f, 12, generator=chance)
        for name in ("f0", "energy"):
            made[name][i, :f] = torch.randn(f, generator=chance)
        made["audio"][i, : f * 16] = 0.1 * torch.randn(f * 16, generator=chance)
    return made


def taught(model, b, **noise):
    told = (b["mel"], b["frames"], b["f0"], b["energy"], b["speaker"])
    return model.teacher_forced(b["phone"], b["tokens"], *told, noise or None)


# The aligner


def all_ways(likely):
    """Brute force: the log of the sum over every way to give each frame a token or the blank that reads 1, 2, ... N."""
    frames, tokens = likely.shape
    scores = torch.cat([torch.full((frames, 1), LOG_BLANK), likely], 1).log_softmax(1)
    found = []
    for way in itertools.product(range(tokens + 1), repeat=frames):
        read = [token for token, _ in itertools.groupby(way) if token]
        if read == list(range(1, tokens + 1)):
            found.append(sum(scores[i, token] for i, token in enumerate(way)))
    return torch.stack(found).logsumexp(0)


def test_the_forward_sum_is_that_of_all_ways_in_a_ragged_batch():
    shapes = [(6, 3), (4, 4), (5, 1), (3, 2)]
    likely = torch.full((4, 6, 4), -math.inf)
    for row, (frames, tokens) in zip(likely, shapes, strict=True):
        row[:frames, :tokens] = 3 * torch.randn(frames, tokens)
    likely.requires_grad_()
    frames, tokens = torch.tensor(shapes).T
    found = forward_sum(likely, tokens, frames)
    for one, row, (f, n) in zip(found, likely, shapes, strict=True):
        torch.testing.assert_close(one, -all_ways(row[:f, :n].detach()) / n)
    found.sum().backward()
    inside = torch.isfinite(likely.detach())
    assert torch.isfinite(likely.grad).all() and not likely.grad[~inside].any() and likely.grad[inside].abs().min() > 0


def test_a_text_without_any_way_through_costs_nothing():
    likely = torch.randn(2, 3, 5, requires_grad=True)
    found = forward_sum(likely, torch.tensor([5, 2]), torch.tensor([3, 3]))
    found.sum().backward()
    assert found[0] == 0 and found[1] > 0 and torch.isfinite(likely.grad).all() and not likely.grad[0].any()


def test_the_prior_is_beta_binomial():
    scipy = pytest.importorskip("scipy.stats", reason="scipy is not installed: its betabinom is the reference here")
    tokens, frames = torch.tensor([7, 4, 1]), torch.tensor([11, 20, 2])
    for one_more in (False, True):
        prior = log_prior(tokens, frames, 9, 20, one_more=one_more)
        assert torch.isfinite(prior).all()
        for row, n, f in zip(prior, tokens.tolist(), frames.tolist(), strict=True):
            wanted = [scipy.betabinom.logpmf(np.arange(n), n - 1 + one_more, t, f - t + 1) for t in range(1, f + 1)]
            np.testing.assert_allclose(row[:f, :n], np.array(wanted), rtol=1e-5, atol=1e-5)
            complete = torch.allclose(row[:f, :n].exp().sum(1), torch.ones(f))
            assert complete != one_more, "ours is a distribution over the tokens, the published one leaves some of it beyond them"


def test_distances_are_those_of_differences_far_from_zero_too():
    a, b = torch.randn(2, 5, 8) + 50, torch.randn(2, 7, 8) + 50
    torch.testing.assert_close(distance(a, b), (a[:, :, None] - b[:, None]).norm(dim=3), rtol=1e-4, atol=1e-4)
    same = a.clone().requires_grad_()
    distance(same, a).sum().backward()
    assert torch.isfinite(same.grad).all()


def test_the_aligner_is_a_softmax_of_distances_times_the_prior():
    aligner = Aligner(8, 12)
    hidden, mel, tokens, frames = torch.randn(2, 5, 8), torch.randn(2, 9, 12), torch.tensor([5, 3]), torch.tensor([9, 6])
    likely = aligner(hidden, mel, tokens, frames)
    prior = log_prior(tokens, frames, 5, 9)
    for i, (n, f) in enumerate(zip(tokens, frames, strict=True)):
        alone = aligner(hidden[i : i + 1, :n], mel[i : i + 1, :f], tokens[i : i + 1], frames[i : i + 1])[0]
        torch.testing.assert_close(likely[i, :f, :n], alone)
        torch.testing.assert_close((likely[i, :f, :n] - prior[i, :f, :n]).exp().sum(1), torch.ones(int(f)))
        assert torch.isinf(likely[i, f:]).all() and torch.isinf(likely[i, :, n:]).all()


def test_binarisation_is_least_on_the_path_that_is_found():
    tokens, frames = torch.tensor([4, 3]), torch.tensor([9, 5])
    likely = Aligner(8, 12)(torch.randn(2, 4, 8), 4 * torch.randn(2, 9, 12), tokens, frames)
    found = durations(likely, frames, tokens)
    assert torch.equal(found.sum(1), frames)
    cost = binarisation(likely, path_of(found, 9), frames)
    for i, (n, f) in enumerate(zip(tokens.tolist(), frames.tolist(), strict=True)):
        assert found[i, :n].tolist() == likeliest(likely[i, :f, :n].detach().numpy())
        token = torch.repeat_interleave(torch.arange(n), found[i, :n])
        torch.testing.assert_close(cost[i], -sum(likely[i, t, token[t]] for t in range(f)) / f)
        for cuts in itertools.combinations(range(1, f), n - 1):
            other = torch.zeros(2, 4, dtype=torch.long)
            other[i, :n] = torch.tensor(np.diff([0, *cuts, f]))
            assert binarisation(likely, path_of(other, 9), frames)[i] >= cost[i] - 1e-5


def test_an_alignment_is_learnt_from_sound_alone():
    """Tokens of known sounds and lengths: trained by the two losses, the search finds the lengths, which the prior does not know."""
    aligner, names = Aligner(16, 12), torch.nn.Embedding(6, 16)
    chance = torch.Generator().manual_seed(2)
    phone = (torch.randint(1, 5, (40, 12), generator=chance).cumsum(1) % 5) + 1  # none twice in a row
    lengths = torch.randint(1, 9, (40, 12), generator=chance)
    frames, tokens = lengths.sum(1), torch.full((40,), 12)
    sounds = 2 * torch.randn(6, 12, generator=chance)
    mel = torch.zeros(40, int(frames.max()), 12)
    for row, ids, lasting in zip(mel, phone, lengths, strict=True):
        row[: lasting.sum()] = sounds[ids].repeat_interleave(lasting, 0)
    mel += 0.1 * torch.randn(mel.shape, generator=chance)
    optimizer = torch.optim.Adam([*aligner.parameters(), *names.parameters()], 5e-3)
    off = lambda found: (found.cumsum(1) - lengths.cumsum(1)).abs().float().mean().item()  # noqa: E731
    for _ in range(40):
        likely = aligner(names(phone), mel, tokens, frames)
        found = durations(likely, frames, tokens)
        optimizer.zero_grad()
        (forward_sum(likely, tokens, frames) + binarisation(likely, path_of(found, mel.shape[1]), frames)).mean().backward()
        optimizer.step()
    before = off(durations(log_prior(tokens, frames, 12, mel.shape[1]), frames, tokens))
    assert before > 2 and off(found) < 0.2, f"boundaries are off by {before:.2f} frames by the prior, {off(found):.2f} when trained"


def test_smooth_is_that_of_plain_loops_and_silent_tokens_have_no_say():
    values, lasting = torch.randn(2, 4, 3), torch.tensor([[2, 0, 3, 1], [1, 2, 0, 0]])
    made, frames = smooth(values, lasting, sharpness=0.2)
    assert frames.tolist() == [6, 3] and made.shape == (2, 6, 3) and not made[1, 3:].any()
    for i, t in itertools.product(range(2), range(6)):
        if t >= frames[i]:
            continue
        total, mean = 0.0, torch.zeros(3)
        for n in range(4):
            if lasting[i, n]:
                weight = math.exp(-0.2 * (t + 0.5 - (lasting[i, :n].sum().item() + lasting[i, n].item() / 2)) ** 2)
                total, mean = total + weight, mean + weight * values[i, n]
        torch.testing.assert_close(made[i, t], mean / total)
    sharp = smooth(values, torch.full((2, 4), 3), sharpness=1e4)[0]
    torch.testing.assert_close(sharp, values.repeat_interleave(3, 1))


# The model


@pytest.mark.parametrize("changes", [{}, {"upsampling": "repeat", "embed_kernel": 9, "conv_kernels": (9, 1)}, SPECTRAL])
def test_padding_changes_nothing(changes):
    model = small(**changes)
    start = torch.tensor([0.9, 0.2])
    with torch.no_grad():
        plain, padded = (taught(model, batch_of(pad_frames=a, pad_tokens=b), slice=start) for a, b in ((0, 0), (13, 7)))
        before, after = (model(batch_of(pad_frames=a, pad_tokens=b)) for a, b in ((0, 0), (13, 7)))
    for name in ("fake", "z", "start", "frames"):
        torch.testing.assert_close(padded[name], plain[name], rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
    for name in ("duration", "log_duration", "pitch", "energy", "pitch_target"):
        torch.testing.assert_close(padded[name][:, :9], plain[name], rtol=1e-5, atol=1e-5)
        assert not padded[name][:, 9:].any(), name
    for name in before.keys() - {"real"}:
        torch.testing.assert_close(after[name], before[name], rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_durations_sum_to_frames_and_pitch_is_their_mean():
    out, b = taught(small(), batch_of()), batch_of()
    assert torch.equal(out["duration"].sum(1), b["frames"]) and torch.equal(out["frames"], b["frames"])
    first = int(out["duration"][1, 0])
    torch.testing.assert_close(out["pitch_target"][1, 0], b["f0"][1, :first].mean())
    torch.testing.assert_close(out["energy_target"][1, 0], b["energy"][1, :first].mean())


def told_in_use(model, out, b):
    """`infer` with predictors that say what training was told."""
    said = {"duration": torch.log(out["duration"].float() + 1), "pitch": out["pitch_target"], "energy": out["energy_target"]}
    for name, value in said.items():
        model.variance_adaptor[f"{name}_predictor"].forward = lambda x, mask, v=value: v
    return model.infer(b["phone"], b["speaker"], tokens=b["tokens"])


@pytest.mark.parametrize("upsampling", ["smooth", "repeat"])
def test_training_and_use_say_the_same_for_the_same_durations(upsampling):
    model, b = small(upsampling=upsampling, slice_frames=30), batch_of(frames=(30, 30))
    with torch.no_grad():
        out = taught(model, b)
    used = told_in_use(model, out, b)
    torch.testing.assert_close(used["z"], out["z"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(used["audio"], out["fake"][:, 0], rtol=1e-5, atol=1e-5)


def test_amphions_training_and_use_differ_which_is_why_it_is_a_switch():
    model, b = small(as_amphion=True, upsampling="repeat"), batch_of()
    with torch.no_grad():
        out = taught(model, b)
        assert (told_in_use(model, out, b)["z"] - out["z"]).abs().max() > 0.1
        model.pitch_embed[0].weight.zero_()
        assert torch.equal(taught(model, b)["z"], out["z"]), "its layers for pitch are not trained"


def test_losses_fall_on_a_toy_and_the_alignment_loss_with_them():
    model, b = small(encoder_dropout=0.0, decoder_dropout=0.0, predictor_dropout=0.0).train(), batch_of()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, betas=(0.8, 0.99))
    first = last = None
    for _ in range(40):
        found = {k: v for k, v in model(b).items() if v.ndim == 0}
        optimizer.zero_grad()
        sum(found.values()).backward()
        optimizer.step()
        last = {k: v.item() for k, v in found.items()}
        first = first or last
    assert set(first) == {"mel", "duration", "pitch", "energy", "forward_sum", "binarisation"}
    for name in first:
        assert last[name] < (0.97 if name == "mel" else 0.8) * first[name], (name, first[name], last[name])


def test_slices_lie_within_and_reach_the_end():
    model, b = small().train(), batch_of(frames=(9, 8))
    starts = torch.cat([taught(model, b)["start"][None] for _ in range(60)])
    assert starts.min() == 0 and starts[:, 0].max() == 1 and not starts[:, 1].any()


def test_infer_says_the_same_alone_and_in_a_batch_and_obeys_its_controls():
    model, b = small(statistics={"f0": {"mean": 150.0, "std": 30.0}, "energy": {"mean": 1.0, "std": 0.0}}), batch_of()
    model.variance_adaptor["duration_predictor"].linear_layer.bias.data.fill_(1.6)
    both = model.infer(b["phone"], b["speaker"], tokens=b["tokens"])
    for i, n in enumerate(b["tokens"]):
        one = model.infer(b["phone"][i : i + 1, :n], b["speaker"][i : i + 1])
        assert torch.equal(one["duration"][0], both["duration"][i, :n])
        torch.testing.assert_close(one["audio"][0], both["audio"][i, : both["samples"][i]], rtol=1e-4, atol=1e-5)
    assert torch.equal(both["samples"], both["frames"] * 16) and both["f0"].shape == (2, int(both["frames"].max()))
    slow = model.infer(b["phone"], b["speaker"], tokens=b["tokens"], speed=0.5)
    assert (slow["frames"] > 1.7 * both["frames"]).all()
    for control in ("pitch", "energy"):
        moved = model.infer(b["phone"], b["speaker"], tokens=b["tokens"], **{control: 3.0})
        assert torch.equal(moved["duration"], both["duration"]) and not torch.allclose(moved["audio"], both["audio"])
    other = model.infer(b["phone"], 1 - b["speaker"], tokens=b["tokens"])
    assert not torch.allclose(other["encoder"] + other["pitch"][..., None], both["encoder"] + both["pitch"][..., None])
    folded = model.prepared().infer(b["phone"], b["speaker"], tokens=b["tokens"])
    torch.testing.assert_close(folded["audio"], both["audio"], rtol=1e-4, atol=1e-5)


def test_statistics_make_scores_of_hertz():
    b, plain = batch_of(), small(n_speakers=1)
    scaled = small(n_speakers=1, statistics={"f0": {"mean": 100.0, "std": 20.0}, "energy": {"mean": -3.0, "std": 0.5}})
    weights = {k: v for k, v in plain.state_dict().items() if not k.startswith(("f0_", "energy_m", "energy_s"))}
    scaled.load_state_dict(weights, strict=False)
    hertz = b | {"f0": b["f0"] * 20 + 100, "energy": b["energy"] * 0.5 - 3}
    with torch.no_grad():
        before, after = plain(b), scaled(hertz)
    for name in ("pitch", "energy", "mel"):
        torch.testing.assert_close(after[name], before[name], rtol=1e-4, atol=1e-5)


def test_whole_frames_round_once_or_truncate():
    logs, mask = torch.log(torch.tensor([[2.4, 3.6, 1.2]]) + 1), torch.tensor([[True, True, False]])
    assert whole_frames(logs, mask, 1.5).tolist() == [[4, 5, 0]]
    assert whole_frames(logs, mask, 1.25, truncate=True).tolist() == [[2, 5, 0]]
    assert whole_frames(logs, mask, 0.01).tolist() == [[1, 1, 0]]


def test_what_does_not_fit_is_named(caplog):
    for changes, message in (
        ({"embed_kernel": 2}, "embed_kernel: 2 must be odd"),
        ({"hop_size": 20}, "hop_size is 20"),
        ({"encoder_heads": 3}, "heads"),
    ):
        with pytest.raises(ValueError, match=message):
            small(**changes)
    found = small()(batch_of(frames=(9, 8), tokens=(12, 5)))
    assert all(torch.isfinite(v).all() for v in found.values())
    assert "u0" in caplog.text and "u1" not in caplog.text


# Published weights

CONFIG = {
    "model_type": "Jets",
    "model": {
        "transformer": {
            "encoder_layer": 1, "encoder_head": 2, "encoder_hidden": 16, "decoder_layer": 2, "decoder_head": 2, "decoder_hidden": 16,
            "conv_filter_size": 24, "conv_kernel_size": [9, 1], "encoder_dropout": 0.2, "decoder_dropout": 0.2,
        },
        "variance_predictor": {"filter_size": 12, "kernel_size": 3, "dropout": 0.5},
    },
    "preprocess": {
        "sample_rate": 22050, "hop_size": 256, "n_fft": 1024, "win_size": 1024, "n_mel": 12, "fmin": 0, "fmax": 8000,
        "mel_extract_mode": "taco", "pitch_extractor": "dio", "f0_min": 71, "f0_max": 800,
    },
    "train": {"segment_size": 6},
}  # fmt: skip
IDLE = (
    "encoder.position_enc", "variance_adaptor.pitch_bins", "variance_adaptor.energy_embedding.weight", "mel_linear.bias",
    "postnet.convolutions.0.0.conv.weight",
)  # fmt: skip


def released(n_speakers):
    """A model as Amphion builds it, and the state dict that it would have saved."""
    model = small(
        n_vocab=152, n_speakers=n_speakers, hop_size=256, decoder=GENERATOR, slice_frames=6, n_fft=1024, win_size=1024, mel_bands=80,
        decoder_layers=2, conv_kernels=(9, 1), embed_kernel=9, upsampling="repeat", as_amphion=True,
    )  # fmt: skip
    state = {k: v for k, v in old_keys(model.state_dict()).items() if not k.endswith(("_mean", "_std"))}
    return model, state | {name: torch.ones(3) for name in IDLE}


@pytest.mark.parametrize("speakers", [1, 3])
def test_an_amphion_folder_says_what_its_model_says(tmp_path, speakers):
    model, state = released(speakers)
    inside = tmp_path / "checkpoint/epoch-0010_step-0001000_loss-3.2"
    inside.mkdir(parents=True)
    (tmp_path / "args.json").write_text(json.dumps(CONFIG))
    torch.save(state, inside / "pytorch_model.bin")
    torch.save({"mpd.0.bias": torch.zeros(1)}, inside / "pytorch_model_1.bin")
    (tmp_path / "lexicon.txt").write_text("HELLO HH AH0 L OW1\n")
    task = load(tmp_path, device="cpu")
    phone = task.features.features["phone"]
    phone.lexicon = str(tmp_path / "lexicon.txt")
    assert task.mel_settings.convention == "tacotron2" or task.mel_settings.n_mel == 12
    ids = [published.index(published.amphion())[f"@{p}"] for p in ("HH", "AH0", "L", "OW1")]
    wanted = model.infer(torch.tensor([ids]), torch.tensor([speakers - 1]))["audio"][0].numpy()
    speaker = f"speaker_{speakers - 1}" if speakers > 1 else None
    got = task("hello", speaker=speaker)
    assert got.rate == 22050 and len(got.samples) % 256 == 0
    np.testing.assert_allclose(got.samples, wanted, atol=1e-5)


def test_a_table_of_one_speaker_and_keys_that_nobody_knows():
    model, state = released(1)
    state["speaker_emb.weight"] = torch.randn(1, 16)
    arguments, facts, ours = from_amphion(CONFIG, state)
    assert facts["n_speakers"] == 2 and torch.equal(*ours["speaker_emb.weight"])
    arguments, facts, ours = from_amphion(CONFIG, released(1)[1] | {"gst.weight": torch.ones(2)})
    model = build(Jets, json.loads(json.dumps(arguments)), facts | {"sample_rate": 22050, "hop_size": 256})
    with pytest.raises(ValueError, match=r"unknown gst\.weight"):
        fit_weights(model, ours, "made up")


def test_losses_are_named_as_the_recipe_weighs_them():
    from tests.test_models import tiny

    out = losses(taught(small(), batch_of()), batch_of()["frames"])
    assert set(tiny("Jets")["train"]["loss_weights"]) <= set(out) | {"mel", "feature", "adversarial"}
