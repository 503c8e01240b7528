"""One sample after another: folds, the compiled loops against the plain ones, and that the future stays unheard."""

import math

import numpy as np
import pytest
import torch

from bins.benches.autoregressive import generate_plain
from models.vocoders.autoregression import condition, drawer, generate, run
from models.vocoders.folding import Folds, fold, unfold
from models.vocoders.stretching import frames_around
from models.vocoders.wavenet import Upsampling
from tests.networks import losses_of
from tests.test_distributions import OUTPUTS
from tests.test_wavenet import wavenet
from tests.test_wavernn import wavernn

NETWORKS = {
    "WaveRNN": wavernn,
    "WaveNet": wavenet,
    "WaveNet of values": lambda output: wavenet(output, one_hot=False),
    "WaveNet of two taps": lambda output: wavenet(output, kernel_size=2, layers=5, stacks=1),
    "WaveNet of speakers": lambda output: wavenet(output, speaker_channels=3, n_speakers=4),
    "WaveNet without upsampling": lambda output: wavenet(output, upsampling=Upsampling(factors=())),
}


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_the_compiled_loop_is_the_plain_loop(make, output, temperature):
    model, mel = make(output), torch.randn(2, 9, 6)
    plain = generate_plain(model, mel, samples=54, temperature=temperature, seed=3)
    fast = model.infer(mel, temperature=temperature, seed=3)
    assert plain.std() > 0.01 or temperature == 0
    torch.testing.assert_close(fast, output.sound(plain), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [wavernn, wavenet])
def test_stretches_of_any_length_make_the_same_sound(make, monkeypatch):
    model, mel = make(), torch.randn(2, 9, 6)
    whole = model.infer(mel)
    monkeypatch.setattr("models.vocoders.autoregression.MEMORY", 14 * model.numbers_per_sample)  # seven samples of two sounds
    torch.testing.assert_close(model.infer(mel), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", ["edge", "zeros"])
@pytest.mark.parametrize("pad", [1, 2, 3])
def test_a_condition_is_the_same_wherever_its_stretch_begins(pad, padding):
    for model in (
        wavernn(pad=pad, padding=padding),
        wavenet(padding=padding, upsampling=Upsampling(factors=(3, 2), context=pad)),
    ):
        mel, one = torch.randn(1, 12, 6), torch.zeros(1, dtype=torch.long)
        whole = condition(model, mel, one, one, 72)
        torch.testing.assert_close(condition(model, mel, one, one + 17, 30), whole[:, 17:47], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", [wavernn, wavenet])
def test_infer_is_decided_by_its_seed(make):
    model, mel = make(), torch.randn(1, 5, 6)
    assert torch.equal(model.infer(mel, seed=1), model.infer(mel, seed=1))
    assert not torch.equal(model.infer(mel, seed=1), model.infer(mel, seed=2))
    for options in ({}, {"fold_seconds": 0.03, "overlap_seconds": 0.01}, {"fold_seconds": 5.0}):
        for frames in (1, 2, 7):
            sound = model.infer(torch.randn(2, frames, 6), **options)
            assert sound.shape == (2, frames * 6) and sound.isfinite().all() and sound.abs().max() <= 1
    with pytest.raises(ValueError, match="temperature -1"):
        model.infer(mel, temperature=-1.0)
    with pytest.raises(ValueError, match="a sample or more"):
        model.infer(mel, fold_seconds=0.0)


@pytest.mark.parametrize("make", [wavernn, wavenet])
def test_folds_are_the_same_network_begun_at_each_start(make):
    model, mel = make(OUTPUTS["logistics"]), torch.randn(1, 12, 6)
    folds = Folds(72, 20, 12)
    starts = folds.starts
    loop = model.loop(len(starts), 0.0)
    pieces = torch.from_numpy(run(model, mel, starts, folds.length, drawer(model.output, len(starts), 0), loop))
    lone = torch.from_numpy(run(model, mel, [starts[1]], folds.length, drawer(model.output, 1, 0), model.loop(1, 0.0)))
    torch.testing.assert_close(pieces[1:2], lone, rtol=1e-4, atol=1e-4)
    made = generate(model, mel, temperature=0, fold_seconds=20 / 600, overlap_seconds=12 / 600)
    torch.testing.assert_close(made[0], unfold(pieces, folds), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("total", [1, 5, 30, 72, 100, 101])
@pytest.mark.parametrize("target, overlap", [(20, 10), (13, 7), (1, 1), (200, 4)])
def test_unfolding_undoes_folding_without_a_click(total, target, overlap):
    ramp = torch.linspace(-1, 1, total, dtype=torch.float64)
    folds = Folds(total, target, overlap)
    torch.testing.assert_close(unfold(fold(ramp, folds), folds), ramp, rtol=1e-12, atol=1e-12)


def test_a_seam_between_different_folds_is_no_step():
    folds = Folds(300, 80, 40)
    pieces = torch.stack([torch.full((folds.length,), value, dtype=torch.float64) for value in (1.0, -1.0, 0.5)])
    joined = unfold(pieces, folds)
    assert joined.diff().abs().max() <= 2 / (40 // 2 - 1) + 1e-9  # a line over half the overlap
    power = unfold(torch.ones_like(pieces), folds, "power")
    inner = power[80 + 20 : 80 + 40]
    assert inner.max() <= math.sqrt(2) + 1e-9 and inner.min() >= 1 - 1e-9


@pytest.mark.parametrize("make", [wavernn, wavenet])
def test_the_future_is_not_heard(make):
    model, mel = make(OUTPUTS["logistics"]), torch.randn(1, 9, 6)
    one = torch.zeros(1, dtype=torch.long)
    told = condition(model, mel, one, one, 54)
    heard = torch.randn(1, 54).clamp(-1, 1)
    changed = heard.clone()
    changed[:, 30:] = 0.5

    def predict(x):
        if make is wavernn:
            return model.predict(x, told)
        return model.predict(model.encode(x), told.transpose(1, 2)).transpose(1, 2)

    with torch.no_grad():
        before, after = predict(heard), predict(changed)
    torch.testing.assert_close(before[:, :30], after[:, :30], rtol=0, atol=1e-6)
    assert (before[:, 30] - after[:, 30]).abs().max() > 1e-4


@pytest.mark.parametrize("inputs", [1, 7, 64])
@pytest.mark.parametrize("outputs", [1, 16, 17, 30, 48])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 11])
def test_few_rows_and_many_are_multiplied_alike(rows, inputs, outputs):
    from models.vocoders.loops import product

    random = np.random.default_rng(0)
    x, weight = (random.standard_normal(shape).astype(np.float32) for shape in ((rows, inputs), (outputs, inputs)))
    out = np.full((rows, outputs), np.nan, np.float32)
    product(x, weight, out)
    np.testing.assert_allclose(out, x @ weight.T, rtol=1e-5, atol=1e-5)


def test_frames_beyond_the_end_repeat_the_edge_or_are_zero():
    mel = torch.arange(10.0).reshape(2, 5, 1)
    frames, rows = torch.tensor([5, 3]), torch.tensor([0, 1])
    first = torch.tensor([-2, 1])
    edge = frames_around(mel, frames, rows, first, 5, "edge")[:, 0]
    assert edge.tolist() == [[0, 0, 0, 1, 2], [6, 7, 7, 7, 7]]
    zeros = frames_around(mel, frames, rows, first, 5, "zeros")[:, 0]
    assert zeros.tolist() == [[0, 0, 0, 1, 2], [6, 7, 0, 0, 0]]


@pytest.mark.parametrize("output", ["mu-law", "logistics", "gaussian"])
@pytest.mark.parametrize("make", [wavernn, wavenet])
def test_training_lowers_the_loss(make, output):
    model = make(OUTPUTS[output]).train()
    t = torch.arange(60) / 600
    audio = 0.6 * torch.sin(2 * math.pi * torch.tensor([[40.0], [55.0]]) * t)
    batch = {"mel": torch.randn(2, 10, 6), "audio": audio, "samples": torch.tensor([60, 60]), "frames": torch.tensor([10, 10])}
    losses = losses_of(model, batch, 40, 1e-2)
    assert losses[-1] < losses[0] - 0.8
