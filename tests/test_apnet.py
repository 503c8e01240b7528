"""APNet: lengths, reach, losses of phases and spectra, and the containers that it is published in."""

import json
import math

import numpy as np
import pytest
import torch

from models import load
from models.upstream.yangai520 import amphion_apnet, apnet_sizes
from models.vocoders.apnet import APNet, phase_loss, spectral_losses
from tests.conftest import make
from tests.networks import expected, exported_without_complex_numbers, mel_of, reaches, stirred
from tests.parity import old_keys
from tests.test_vocos import amphion_folder
from utils.config import build

NARROW = {"asp_channels": 6, "psp_channels": 5}
FEW = {f"{n}_resblock_kernel_sizes": (3, 5) for n in ("asp", "psp")} | {
    f"{n}_resblock_dilation_sizes": ((1, 3), (1, 2)) for n in ("asp", "psp")
}


@pytest.mark.parametrize("padding", ["same", "center"])
@pytest.mark.parametrize("n_fft, win_size, hop", [(64, 64, 16), (64, 64, 15), (63, 63, 16), (64, 32, 8)])
def test_apnet_gives_hop_samples_a_frame(n_fft, win_size, hop, padding):
    model = make(APNet, n_mel=8, hop_size=hop, n_fft=n_fft, win_size=win_size, padding=padding, **NARROW, **FEW).eval()
    for frames in (1, 9):
        assert model.infer(torch.randn(2, frames, 8)).shape == (2, frames * hop)


@pytest.mark.parametrize("padding", ["same", "center"])
def test_apnet_reaches_no_further_than_it_says(padding):
    sizes = {"asp_kernel_size": 3, "asp_output_kernel_size": 3, "psp_real_kernel_size": 3, "psp_imag_kernel_size": 5}
    reaches(stirred(make(APNet, n_mel=8, hop_size=16, n_fft=64, win_size=64, padding=padding, **NARROW, **FEW, **sizes)), 8)


def test_exported_it_knows_no_complex_numbers_and_says_the_same():
    exported_without_complex_numbers(stirred(make(APNet, n_mel=8, hop_size=16, n_fft=64, win_size=64, **NARROW)), 8)


def test_phase_losses_know_turns_and_shifts():
    mask, phase = torch.ones(2, 6, dtype=torch.bool), torch.rand(2, 6, 9) * 6 - 3
    whole_turns = phase + 2 * math.pi * torch.randint(-2, 3, phase.shape)
    assert phase_loss(whole_turns, phase, mask) < 1e-5
    # A phase off by a constant has the right slopes; one that leans by d a bin is off in the group delay alone, and so on.
    one = lambda x: 1 - math.cos(x)  # noqa: E731
    torch.testing.assert_close(phase_loss(phase + 0.7, phase, mask), torch.tensor(one(0.7)), atol=1e-5, rtol=0)
    bins, frames = torch.arange(9.0), torch.arange(6.0)[:, None]
    delayed = sum(one(0.3 * k) for k in range(9)) / 9 + one(0.3)
    torch.testing.assert_close(phase_loss(phase + 0.3 * bins, phase, mask), torch.tensor(delayed), atol=1e-5, rtol=0)
    faster = sum(one(0.4 * t) for t in range(6)) / 6 + one(0.4)
    torch.testing.assert_close(phase_loss(phase + 0.4 * frames, phase, mask), torch.tensor(faster), atol=1e-5, rtol=0)
    assert phase_loss(phase[:, :1] + 0.7, phase[:, :1], mask[:, :1]).isfinite()


def test_spectral_losses_are_zero_for_the_truth_and_look_at_real_frames_only():
    model = make(APNet, n_mel=8, hop_size=16, n_fft=64, win_size=64, **NARROW)
    truth = model.analysis(torch.randn(2, 160))
    frames = torch.tensor([10, 6])
    for value in spectral_losses(truth, truth, truth, frames).values():
        assert abs(value) < 1e-6
    worse = {name: x.clone() for name, x in truth.items()}
    for x in worse.values():
        x[1, 6:] += 1
    assert all(abs(value) < 1e-6 for value in spectral_losses(worse, truth, truth, frames).values())
    for x in worse.values():
        x[0] += 1
    found = spectral_losses(worse, truth, truth, frames)
    share = 10 / 16
    wanted = {"amplitude": 1, "consistency": 2, "spectrum": 2, "phase": 1 - math.cos(1)}
    assert {k: round(float(v), 4) for k, v in found.items()} == {k: round(v * share, 4) for k, v in wanted.items()}


MEL = mel_of(6, 8)
APNET = {
    "ASP_channel": 6, "ASP_resblock_kernel_sizes": [3, 5], "ASP_resblock_dilation_sizes": [[1, 3], [1, 2]],
    "ASP_input_conv_kernel_size": 5, "ASP_output_conv_kernel_size": 3,
    "PSP_channel": 5, "PSP_resblock_kernel_sizes": [3], "PSP_resblock_dilation_sizes": [[1, 2]],
    "PSP_input_conv_kernel_size": 3, "PSP_output_R_conv_kernel_size": 7, "PSP_output_I_conv_kernel_size": 5,
}  # fmt: skip


def test_apnet_folders_of_both_makers(tmp_path):
    theirs, amphions = tmp_path / "a", tmp_path / "b"
    theirs.mkdir()
    amphions.mkdir()
    c = {**APNET, "num_mels": 8, "n_fft": 64, "hop_size": 8, "win_size": 32, "sampling_rate": 8000, "fmin": 0, "fmax": 4000}
    model = stirred(build(APNet, apnet_sizes(c) | {"padding": "center"}, {"n_mel": 8, "hop_size": 8}))
    (theirs / "config.json").write_text(json.dumps(c))
    torch.save({"generator": old_keys(model.state_dict())}, theirs / "g_00001000")
    vocoder = load(theirs, device="cpu")
    np.testing.assert_allclose(vocoder(MEL).samples, expected(model, MEL), atol=1e-6)
    assert vocoder.mel_settings.convention.padding == "center" and vocoder.rate == 8000
    p = {"n_mel": 8, "sample_rate": 8000, "n_fft": 64, "hop_size": 16, "win_size": 64, "fmin": 0, "fmax": 4000}
    config = {"model_type": "GANVocoder", "preprocess": p, "model": {"generator": "apnet", "apnet": APNET}}
    model = stirred(build(APNet, amphion_apnet(config, {})[0], {"n_mel": 8, "hop_size": 16}))
    vocoder = load(amphion_folder(amphions, config, old_keys(model.state_dict())), device="cpu")
    np.testing.assert_allclose(vocoder(MEL).samples, expected(model, MEL), atol=1e-6)
