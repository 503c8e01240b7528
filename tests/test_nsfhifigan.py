"""NSF-HiFiGAN: the source has the pitch that is asked for and is made once for chunks; weights in their published containers."""

import json
import math

import pytest
import torch

from models.base.task import fit_weights
from models.upstream import read_foreign
from models.vocoders.nsfhifigan import NSFHiFiGAN, SourceVariant
from modules.source import HarmonicSource, frame_cycles, gliding_cycles, sample_cycles
from tests.conftest import make
from tests.networks import stirred
from tests.parity import old_keys
from tests.parity.nsfhifigan import ours
from utils.config import build

RATE, HOP = 24000, 120
SMALL = {
    "n_mel": 8, "sample_rate": RATE, "hop_size": HOP, "upsample_rates": (5, 4, 6), "upsample_kernel_sizes": (11, 8, 12),
    "upsample_initial_channel": 16, "resblock_kernel_sizes": (3,), "resblock_dilation_sizes": ((1, 3),),
}  # fmt: skip
SIZES = {
    "upsample_rates": [4, 4, 2], "upsample_kernel_sizes": [8, 8, 4], "upsample_initial_channel": 16, "resblock": "1",
    "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3]],
}  # fmt: skip
OPENVPI = {**SIZES, "sampling_rate": 44100, "num_mels": 8, "hop_size": 32, "n_fft": 2048, "win_size": 2048, "fmin": 40, "fmax": 16000}


def pitch_of(wave, rate=RATE):
    """Hz of the strongest partial of a stretch of sound (samples,), to a part of a bin."""
    n = 1 << 17
    spectrum = torch.fft.rfft((wave - wave.mean()) * torch.hann_window(len(wave)), n).abs()
    return float(spectrum.argmax()) * rate / n


@pytest.mark.parametrize("phases", ["sample", "frame"])
@pytest.mark.parametrize("hertz", [55.0, 220.0, 440.5, 1500.0])
def test_every_voice_has_its_multiple_of_the_pitch(phases, hertz):
    source = HarmonicSource(sample_rate=RATE, harmonics=3, phases=phases)
    waves, voiced = source.excite(torch.full((1, 100), hertz), HOP)
    assert waves.shape == (1, 100 * HOP, 4) and voiced.all()
    for k in range(4):
        assert pitch_of(waves[0, :, k]) == pytest.approx((k + 1) * hertz, abs=0.3)
        assert waves[0, :, k].std() == pytest.approx(0.1 / math.sqrt(2), rel=0.03)


@pytest.mark.parametrize("variant", [SourceVariant(), SourceVariant(phases="frame"), SourceVariant(kind="pure")])
def test_an_octave_up_is_an_octave_up(variant):
    model = make(NSFHiFiGAN, **SMALL, harmonics=0, variant=variant).eval()
    f0 = torch.full((1, 200), 210.0)
    rate = RATE * model.source_samples_per_frame / HOP
    low, high = (pitch_of(model.source(f0 * factor)[0, 0], rate) for factor in (1, 2))
    assert low == pytest.approx(210, abs=0.3) and high == pytest.approx(420, abs=0.3)


def test_where_there_is_no_voice_there_is_noise_alone():
    source = HarmonicSource(sample_rate=RATE, harmonics=1, threshold=10)
    f0 = torch.tensor([[0.0] * 100 + [200.0] * 100 + [10.0] * 100])
    waves, voiced = source.excite(f0, HOP)
    assert voiced[0, :, 0].reshape(3, -1).mean(1).tolist() == [0, 1, 0]
    for quiet in (waves[0, : 100 * HOP, 0], waves[0, 200 * HOP :, 0]):
        assert quiet.std() == pytest.approx(0.1 / 3, rel=0.05)
        flat = torch.fft.rfft(quiet).abs()
        assert flat.max() < 6 * flat.mean()  # no tone stands out


def test_phases_run_on_through_frames_without_a_jump():
    f0 = torch.tensor([[100.0, 400.0, 0.0, 123.4, 1000.0, 60.0]])
    cycles = sample_cycles(f0, HOP, RATE, 2, torch.tensor([[0.0, 0.25]]))[0]
    wanted = f0.double().repeat_interleave(HOP).cumsum(0) / RATE
    for k, start in ((0, 0.0), (1, 0.25)):
        off = (cycles[:, k].double() - ((k + 1) * wanted + start)).remainder(1)
        assert torch.minimum(off, 1 - off).max() < 1e-5
    gliding = torch.sin(2 * math.pi * gliding_cycles(f0, HOP, RATE))[0]
    assert (gliding[1:] - gliding[:-1]).abs().max() < 2 * math.pi * 1001 / RATE


def test_hours_of_sound_keep_their_phase():
    f0 = torch.full((1, 40000), 440.3)
    late = sample_cycles(f0, 512, 44100, 1, torch.zeros(1, 1))[0, -512:, 0].double()
    exact = (torch.arange(40000 * 512 - 511, 40000 * 512 + 1, dtype=torch.float64) * float(f0[0, 0].double()) / 44100).remainder(1)
    off = (late - exact).remainder(1)
    assert torch.minimum(off, 1 - off).max() < 0.01


def test_the_way_over_frames_is_the_exact_one_for_a_steady_pitch():
    f0 = torch.full((2, 9), 230.0)
    ours = frame_cycles(f0, HOP, RATE, 3, torch.tensor([[0.0, 0.0, 0.0]]))
    exact = sample_cycles(f0, HOP, RATE, 3, torch.zeros(1, 3))
    torch.testing.assert_close(torch.sin(2 * math.pi * ours), torch.sin(2 * math.pi * exact), atol=1e-3, rtol=0)


@pytest.mark.parametrize("variant", [SourceVariant(), SourceVariant(kind="pure"), SourceVariant(noise_sigma=0.1)])
@pytest.mark.parametrize("frames", [1, 13])
def test_infer_gives_hop_samples_a_frame_whatever_the_strides(variant, frames):
    model = make(NSFHiFiGAN, **SMALL, variant=variant).eval()
    mel, f0 = torch.randn(2, frames, 8), torch.full((2, frames), 200.0)
    wave = model.infer(mel, f0)
    assert wave.shape == (2, frames * HOP)
    torch.testing.assert_close(wave, model.infer(mel, f0, source=model.source(f0)))
    assert torch.equal(wave, model.infer(mel, f0, seed=0))
    if variant != SourceVariant(kind="pure"):
        assert not torch.equal(wave, model.infer(mel, f0, seed=1))
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    model.infer(mel, f0)
    assert torch.equal(torch.rand(1), expected)  # everyone else's chance is left alone
    torch.testing.assert_close(model.prepared().infer(mel, f0), wave, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["harmonic", "pure"])
def test_the_pitch_is_heard_and_the_doubled_one_is_deaf(kind):
    mel, f0 = torch.randn(1, 30, 8), torch.full((1, 30), 200.0)
    model = make(NSFHiFiGAN, **SMALL, variant=SourceVariant(kind=kind)).eval()
    assert (model.infer(mel, f0) - model.infer(mel, 2 * f0)).abs().max() > 1e-4
    deaf = make(NSFHiFiGAN, **SMALL, variant=SourceVariant(ignores_f0=True)).eval()
    assert torch.equal(deaf.infer(mel, f0), deaf.infer(mel, 2 * f0))


@pytest.mark.parametrize("kind", ["harmonic", "pure"])
def test_chunks_under_one_source_are_the_whole(kind):
    sizes = {"upsample_rates": (6, 4), "upsample_kernel_sizes": (12, 8), "hop_size": 24}
    model = make(NSFHiFiGAN, **SMALL | sizes, variant=SourceVariant(kind=kind)).eval()
    reach, hop, each = model.receptive_field_frames, model.samples_per_frame, model.source_samples_per_frame
    frames = 4 * reach + 6
    mel, f0 = torch.randn(1, frames, 8), torch.linspace(100, 700, frames)[None]
    source, whole = model.source(f0), model.infer(mel, f0)
    part = model.infer(mel[:, : 3 * reach], f0[:, : 3 * reach], source=source[..., : 3 * reach * each])
    torch.testing.assert_close(part[:, : 2 * reach * hop], whole[:, : 2 * reach * hop], atol=1e-5, rtol=1e-4)
    part = model.infer(mel[:, reach:], f0[:, reach:], source=source[..., reach * each :])
    torch.testing.assert_close(part[:, reach * hop :], whole[:, 2 * reach * hop :], atol=1e-5, rtol=1e-4)


def test_losses_reach_the_source_too():
    model = make(NSFHiFiGAN, **{**SMALL, "upsample_kernel_sizes": (10, 8, 12)}, n_fft=512, win_size=480)
    audio = torch.randn(2, 20 * HOP) * 0.1
    batch = {"mel": torch.randn(2, 20, 8), "f0": torch.full((2, 20), 150.0), "audio": audio, "samples": torch.tensor([20, 15]) * HOP}
    out = model(batch)
    assert out["real"].shape == out["fake"].shape == (2, 1, 20 * HOP) and out["fake"][1, 0, 15 * HOP :].eq(0).all()
    (out["mel"] + out["fake"].square().mean()).backward()
    assert not [k for k, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def published(config, source):
    """A network of ours and its weights under the published names."""
    model, _ = ours(config, {}, source)
    return stirred(model), {k.removeprefix("generator."): v for k, v in old_keys(model.state_dict()).items()}


def says_the_same(folder, model):
    """The card that was read, after its weights have spoken."""
    card, state = read_foreign(folder)
    again = build(NSFHiFiGAN, card["model"], card["facts"]).eval()
    fit_weights(again, state, "-")
    mel, f0 = torch.randn(1, 9, 8), torch.linspace(0, 400, 9)[None]
    torch.testing.assert_close(again.infer(mel, f0), model.infer(mel, f0))
    assert card["model_type"] == "NSFHiFiGAN" and card["preprocess"]["features"].keys() == {"mel", "f0", "audio"}
    return card


@pytest.mark.parametrize("mini", [False, True, None])
def test_openvpi_exports(tmp_path, mini):
    config = OPENVPI if mini is None else {**OPENVPI, "mini_nsf": mini, "noise_sigma": 0.05}
    model, state = published(config, "openvpi")
    (tmp_path / "config.json").write_text(json.dumps(config))
    torch.save({"generator": state}, tmp_path / ("model" if mini is None else "model.ckpt"))
    card = says_the_same(tmp_path, model)
    assert card["preprocess"]["features"]["mel"]["convention"] == "nsfhifigan" and card["preprocess"]["sample_rate"] == 44100


def test_openvpi_training_checkpoints(tmp_path):
    config = {**OPENVPI, "mini_nsf": True}
    model, state = published(config, "openvpi")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"no model\.ckpt"):
        read_foreign(tmp_path)
    both = {f"generator.{key}": value for key, value in state.items()} | {"discriminator.mpd.x": torch.ones(1)}
    torch.save({"state_dict": {"generator.old": torch.ones(1)}}, tmp_path / "model_ckpt_steps_9000.ckpt")
    torch.save({"state_dict": both, "global_step": 3}, tmp_path / "model_ckpt_steps_10000.ckpt")
    says_the_same(tmp_path, model)


def test_amphion_folder(tmp_path):
    p = {"n_mel": 8, "sample_rate": RATE, "n_fft": 1024, "hop_size": 32, "win_size": 1024, "fmin": 0, "fmax": 12000}
    config = {"model_type": "GANVocoder", "preprocess": p, "model": {"generator": "nsfhifigan", "nsfhifigan": {**SIZES, "harmonic_num": 4}}}
    model, state = published(config, "amphion")
    (tmp_path / "args.json").write_text(json.dumps(config))
    torch.save({"generator_state_dict": state}, tmp_path / "1000.pt")
    card = says_the_same(tmp_path, model)
    assert card["model"]["variant"]["ignores_f0"] and card["model"]["harmonics"] == 4
