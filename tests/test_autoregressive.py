"""WaveNet and WaveRNN: distributions, folds, the compiled loops against the plain ones, and that the future stays unheard."""

import json
import math

import numpy as np
import pytest
import torch
from scipy import stats

from bins.benches.autoregressive import generate_plain
from models import load
from models.base.task import fit_weights
from models.vocoders.autoregression import condition, drawer, generate, run
from models.vocoders.distributions import Output, mu_law_decode, mu_law_encode
from models.vocoders.folding import Folds, fold, unfold
from models.vocoders.stretching import frames_around
from models.vocoders.wavenet import Upsampling, WaveNet
from models.vocoders.wavernn import WaveRNN
from tests.conftest import SHARED, make
from tests.parity import old_keys

OUTPUTS = {
    "mu-law": Output(kind="categorical", classes=32),
    "linear classes": Output(kind="categorical", classes=20, mu_law=False),
    "logistics": Output(mixtures=4),
    "one logistic": Output(mixtures=1),
    "gaussian": Output(kind="gaussian", mixtures=1),
    "gaussians": Output(kind="gaussian", mixtures=3),
}
FACTS = {"n_mel": 6, "sample_rate": 600, "hop_size": 6}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def wavernn(output=OUTPUTS["mu-law"], **options):
    sizes = {"upsample_factors": (2, 3), "rnn_dims": 12, "fc_dims": 10, "compute_dims": 8, "res_out_dims": 8, "res_blocks": 2}
    return shaken(WaveRNN(**FACTS, output=output, **{**sizes, **options}))


def wavenet(output=OUTPUTS["mu-law"], **options):
    sizes = {"layers": 6, "stacks": 2, "residual_channels": 10, "gate_channels": 14, "skip_channels": 9, "kernel_size": 3}
    sizes |= {"upsampling": Upsampling(factors=(2, 3), context=1), "one_hot": output.kind == "categorical"}
    return shaken(make(WaveNet, **FACTS, output=output, **{**sizes, **options}))


def shaken(model):
    """Weights away from their start, statistics of batch norm too."""
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.is_floating_point():
            tensor.data.add_(0.1 * torch.rand_like(tensor))
    return model.eval()


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


def test_the_receptive_field_is_what_the_dilations_add_up_to():
    model = wavenet(OUTPUTS["logistics"], layers=6, stacks=2, kernel_size=3)
    field = model.receptive_field_samples
    assert field == 2 * 2 * (1 + 2 + 4) + 1
    told, x = torch.randn(1, 6, 60), torch.randn(1, 1, 60)
    other = x.clone()
    other[..., 59 - field] = 3.0
    with torch.no_grad():
        torch.testing.assert_close(model.predict(x, told)[..., 59], model.predict(other, told)[..., 59], rtol=0, atol=0)
        other[..., 60 - field] = 3.0
        assert not torch.equal(model.predict(x, told)[..., 59], model.predict(other, told)[..., 59])


@pytest.mark.parametrize("log_scale", [-9.0, -4.0, 1.0])
def test_the_mass_of_all_quantised_values_is_one(log_scale):
    output = Output(classes=256, mixtures=2, log_scale_min=-12.0)
    y = torch.tensor([0.3, -0.5, -0.99, 0.4, log_scale, log_scale + 0.5], dtype=torch.float64)
    values = torch.linspace(-1, 1, 256, dtype=torch.float64)
    mass = output.log_prob(y.expand(1, 256, 6), values[None]).exp().sum()
    assert abs(mass - 1) < 1e-9


def test_the_likelihood_of_logistics_is_that_of_scipy():
    output = Output(classes=65536, mixtures=2, log_scale_min=-12.0)
    y = torch.tensor([0.2, -0.1, -0.3, 0.25, -3.0, -2.0], dtype=torch.float64)
    audio = torch.tensor([[-0.4, 0.0, 0.3, 0.9]], dtype=torch.float64)
    weights = np.exp([0.2, -0.1]) / np.exp([0.2, -0.1]).sum()
    half = 1 / 65535
    wanted = sum(
        w * (stats.logistic.cdf(audio + half, m, math.exp(s)) - stats.logistic.cdf(audio - half, m, math.exp(s)))
        for w, m, s in zip(weights, (-0.3, 0.25), (-3.0, -2.0), strict=True)
    )
    np.testing.assert_allclose(output.log_prob(y.expand(1, 4, 6), audio).exp().numpy(), wanted, rtol=1e-6)


def test_the_likelihood_of_gaussians_is_that_of_scipy():
    one = Output(kind="gaussian", mixtures=1)
    audio = torch.tensor([[-0.4, 0.3]], dtype=torch.float64)
    y = torch.tensor([0.1, -1.5], dtype=torch.float64).expand(1, 2, 2)
    np.testing.assert_allclose(one.log_prob(y, audio).numpy(), stats.norm.logpdf(audio, 0.1, math.exp(-1.5)), rtol=1e-9)


def test_a_faraway_value_has_a_finite_likelihood_and_gradient():
    output = Output(mixtures=1)
    y = torch.tensor([[[0.0, -1.0, -7.0]]], requires_grad=True)
    loss = -output.log_prob(y, torch.tensor([[0.9]]))
    loss.sum().backward()
    assert torch.isfinite(loss).all() and torch.isfinite(y.grad).all() and y.grad[..., 1].abs().item() > 1


def mixture_cdf(x, family):
    return 0.7 * family.cdf(x, -0.2, math.exp(-3)) + 0.3 * family.cdf(x, 0.3, math.exp(-2.5))


@pytest.mark.parametrize("kind, family", [("logistic", stats.logistic), ("gaussian", stats.norm)])
@pytest.mark.parametrize("compiled", [False, True])
def test_samples_of_a_mixture_are_distributed_like_it(kind, family, compiled):
    output = Output(kind=kind, mixtures=2)
    y = torch.tensor([math.log(0.7), math.log(0.3), -0.2, 0.3, -3.0, -2.5])
    found = picked(output, y, 4000, compiled)
    assert stats.kstest(found, lambda x: mixture_cdf(x, family)).pvalue > 0.01


@pytest.mark.parametrize("compiled", [False, True])
def test_classes_are_drawn_as_often_as_they_are_probable(compiled):
    output = Output(kind="categorical", classes=4, mu_law=False)
    wanted = np.array([0.1, 0.2, 0.3, 0.4])
    found = picked(output, torch.tensor(wanted).log().float(), 4000, compiled)
    counts = np.bincount(np.round((found + 1) / 2 * 3).astype(int), minlength=4)
    assert stats.chisquare(counts, wanted * 4000).pvalue > 0.01


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


def picked(output, y, times, compiled):
    from models.vocoders.loops import KINDS, pick

    draws = drawer(output, 1, 5)(times)[:, 0]
    if not compiled:
        return output.sample(y.expand(times, -1), torch.from_numpy(draws)).numpy()
    found = np.array([pick(y.numpy().copy(), KINDS[output.kind], row, 1.0) for row in draws])
    return 2 * found / (output.classes - 1) - 1 if output.kind == "categorical" else found


@pytest.mark.parametrize("classes", [16, 256, 512, 1024])
def test_mu_law_and_back(classes):
    audio = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    torch.testing.assert_close(mu_law_decode(mu_law_encode(audio, classes), classes), audio, rtol=1e-9, atol=1e-9)
    output = Output(kind="categorical", classes=classes)
    labels = torch.arange(classes)
    assert torch.equal(output.label(output.sound(output.value(labels))), labels)
    error = (output.sound(output.companded(audio.float())) - audio).abs()
    assert (error <= (1 + (classes - 1) * audio.abs()) / (classes - 1) * math.log(classes) / (classes - 1) * 1.5).all()


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
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    losses = []
    for _ in range(40):
        loss = model(batch)["nll"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.8


def test_a_deaf_network_cannot_know_more_than_the_classes():
    output = OUTPUTS["mu-law"]
    y = torch.zeros(1, 10, 32)
    torch.testing.assert_close(output.log_prob(y, torch.rand(1, 10)), torch.full((1, 10), -math.log(32)))


@pytest.mark.parametrize(
    "make, options, message",
    [
        (wavernn, {"upsample_factors": (2, 2)}, "product is 6"),
        (wavernn, {"res_out_dims": 10}, "multiple of 4"),
        (wavenet, {"upsampling": Upsampling(factors=(5,))}, "product is 6"),
        (wavenet, {"stacks": 4}, "multiple of stacks"),
        (wavenet, {"gate_channels": 7}, "even"),
        (wavenet, {"output": Output(), "one_hot": True}, "categorical"),
    ],
)
def test_sizes_that_do_not_fit_are_named(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_who_speaks_matters_and_must_be_said():
    model, mel = wavenet(speaker_channels=3, n_speakers=4), torch.randn(1, 9, 6)
    first, second = (model.infer(mel, speaker=i, temperature=0) for i in (0, 3))
    assert not torch.equal(first, second)
    with pytest.raises(ValueError, match="who speaks"):
        model.predict(torch.zeros(1, 32, 5), torch.zeros(1, 6, 5))


SIZES = {
    "layers": 4,
    "stacks": 2,
    "residual_channels": 8,
    "gate_channels": 8,
    "skip_out_channels": 8,
    "kernel_size": 3,
    "dropout": 0.0,
}
R9Y9 = {
    **SIZES, "cin_channels": 6, "gin_channels": -1, "out_channels": 30, "scalar_input": True, "output_distribution": "Logistic",
    "upsample_conditional_features": True, "upsample_net": "ConvInUpsampleNetwork", "cin_pad": 2, "sample_rate": 600, "hop_size": 6,
    "upsample_params": {"upsample_scales": [2, 3], "cin_channels": 6, "cin_pad": 2}, "fft_size": 64, "fmin": 0, "fmax": 300,
}  # fmt: skip
HPARAMS = """
import os
wav_path = os.path.join('a', 'b')
sample_rate = 600
n_fft = 64
num_mels, other = 6, 7
num_mels = 6
hop_length = 2 * 3
win_length = sample_rate / 10
fmin = 40
bits = 5
mu_law = True
voc_mode = 'RAW'
voc_upsample_factors = (2, 3)
voc_pad = 2
voc_lr = print('code ran') or 1e-4
"""


def test_a_checkpoint_of_r9y9_is_read(tmp_path):
    from models.upstream import r9y9
    from utils.config import build

    arguments, facts, _ = r9y9.wavenet(R9Y9, {})
    model = shaken(build(WaveNet, json.loads(json.dumps(arguments)), {**facts, "sample_rate": 600, "hop_size": 6}))
    (tmp_path / "hparams.json").write_text(json.dumps(R9Y9))
    torch.save({"state_dict": old_keys(model.state_dict()), "optimizer": None}, tmp_path / "checkpoint_step000000020_ema.pth")
    torch.save({"state_dict": {"a": torch.ones(1)}}, tmp_path / "checkpoint_step000000030.pth")
    mel = np.zeros((4, 6), np.float32)
    np.testing.assert_allclose(load(tmp_path, device="cpu")(mel).samples, model.infer(torch.zeros(1, 4, 6))[0].numpy(), atol=1e-5)
    wrong = [
        ({"cin_channels": -1}, "no vocoder"),
        ({"out_channels": 31}, "multiple"),
        ({"output_distribution": "Cauchy"}, "Cauchy"),
    ]
    for changed, message in wrong:
        with pytest.raises(ValueError, match=message):
            r9y9.wavenet({**R9Y9, **changed}, {})
    with pytest.raises(ValueError, match="transposed"):
        r9y9.wavenet(R9Y9, {"upsample_conv.0.weight_g": torch.ones(1)})


def test_a_checkpoint_of_fatchord_is_read_and_its_settings_are_not_run(tmp_path, capsys):
    model = wavernn(Output(kind="categorical", classes=32), padding="zeros")
    (tmp_path / "hparams.py").write_text(HPARAMS)
    torch.save({**model.state_dict(), "step": torch.zeros(1, dtype=torch.long)}, tmp_path / "latest_weights.pyt")
    task = load(tmp_path, device="cpu")
    mel = np.zeros((4, 6), np.float32)
    np.testing.assert_allclose(task(mel).samples, model.infer(torch.zeros(1, 4, 6))[0].numpy(), atol=1e-5)
    assert "code ran" not in capsys.readouterr().out
    (tmp_path / "hparams.py").write_text(HPARAMS.replace("'RAW'", "'BITS'"))
    with pytest.raises(ValueError, match="BITS"):
        load(tmp_path)
    (tmp_path / "hparams.py").write_text(HPARAMS.replace("bits = 5", ""))
    with pytest.raises(ValueError, match="lacks the setting 'bits'"):
        load(tmp_path)
    (tmp_path / "hparams.py").write_text("voc_mode = (")
    with pytest.raises(ValueError, match="not a Python file"):
        load(tmp_path)


@pytest.mark.parametrize("kind", ["WaveNet", "WaveRNN"])
def test_a_folder_of_amphion_is_read(tmp_path, kind):
    if kind == "WaveNet":
        names = {"skip_out_channels": "SKIP_OUT_CHANNELS", **{name: name.upper() for name in SIZES}}
        section = {names[name]: value for name, value in SIZES.items()} | {"SCALAR_INPUT": True, "OUT_CHANNELS": 30}
        section |= {"UPSAMPLE_SCALES": [2, 3], "MEL_FRAME_PAD": 2, "INPUT_DIM": 6}
        up = Upsampling(factors=(2, 3), context=2, trim=True)
        model = wavenet(Output(), layers=4, residual_channels=8, gate_channels=8, skip_channels=8, upsampling=up)
    else:
        section = {"MODE": "mu_law_quantize", "BITS": 5, "MEL_FRAME_PAD": 2, "RNN_DIMS": 12, "RES_OUT_DIMS": 8, "HOP_LENGTH": 6}
        section |= {"FC_DIMS": 10, "UPSAMPLE_FACTORS": [2, 3], "INPUT_DIM": 6, "COMPUTE_DIMS": 8, "RES_BLOCKS": 2}
        model = wavernn(padding="zeros")
    p = {"sample_rate": 600, "hop_size": 6, "n_mel": 6, "n_fft": 64, "win_size": 64, "fmin": 0, "fmax": 300}
    (tmp_path / "args.json").write_text(json.dumps({"model_type": kind, "preprocess": p, "VOCODER": section}))
    torch.save(old_keys(model.state_dict()), tmp_path / "1000.pt")
    mel = np.zeros((4, 6), np.float32)
    np.testing.assert_allclose(load(tmp_path, device="cpu")(mel).samples, model.infer(torch.zeros(1, 4, 6))[0].numpy(), atol=1e-5)


MANIFESTS = sorted(f for kind in ("wavenet", "wavernn") for f in (SHARED / "parity/manifests").glob(f"{kind}*.json"))


@pytest.mark.skipif(not MANIFESTS, reason="no ../shared/parity/manifests beside the repository")
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.stem)
def test_every_published_key_and_shape_has_its_place(path):
    from models.upstream import fatchord, r9y9
    from utils.config import build

    manifest = json.loads(path.read_text())
    types = {"float32": torch.float32, "int64": torch.int64}
    state = {key: torch.zeros(shape, dtype=types[dtype]) for key, (shape, dtype) in manifest["keys"].items()}
    net = path.stem.startswith("wavenet")
    reader = r9y9 if net else fatchord
    translate = reader.amphion if "amphion" in path.stem else reader.wavenet if net else reader.wavernn
    arguments, facts, state = translate(manifest["config"], state)
    factors = arguments["upsampling"]["factors"] if net else arguments["upsample_factors"]
    facts |= {"sample_rate": 22050, "hop_size": math.prod(factors)}
    fit_weights(build(WaveNet if net else WaveRNN, json.loads(json.dumps(arguments)), facts), state, path.name)
