"""Griffin-Lim by ear of the mel."""

import numpy as np
import pytest
import torch

from models.vocoders.griffinlim import GriffinLim
from processors.mel import MEL_CONVENTIONS, MelSettings, MelSpectrogram
from tests.conftest import RATE, SHARED, clip
from utils.audio import Audio

INVERTIBLE = {name: MEL_CONVENTIONS[name] for name in ("hifigan", "tacotron2", "vocos", "parallelwavegan", "wavernn", "facodec")}


@pytest.mark.parametrize("name", INVERTIBLE)
def test_griffin_lim_gives_back_the_mel(name):
    settings = {"sample_rate": RATE, "hop_size": 200, "n_fft": 1024, "win_size": 800, "convention": name}
    mel, samples = MelSpectrogram(MelSettings(**settings)), torch.from_numpy(clip(1.0, 150, 0))[None]
    wanted = mel(samples)
    wave = GriffinLim(MelSettings(**settings)).infer(wanted)
    assert wave.shape == (1, len(samples[0]) // 200 * 200)
    found = mel(wave)[:, : wanted.shape[1]]
    spread = wanted.std()
    assert (found - wanted)[:, 4:-4].abs().mean() < 0.12 * spread


def test_griffin_lim_is_the_same_each_time_and_leaves_chance_alone():
    vocoder = GriffinLim(MelSettings(sample_rate=RATE, hop_size=256), iterations=4)
    mel = torch.randn(1, 20, 80) - 5
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = vocoder.infer(mel)
    assert torch.equal(torch.rand(1), expected) and torch.equal(first, vocoder.infer(mel))
    assert vocoder.infer(mel[:, :1]).shape == (1, 256)


@pytest.mark.skipif(not (SHARED / "data/kathleen").is_dir(), reason="no ../shared/data/kathleen beside the repository")
def test_griffin_lim_on_speech():
    settings = {"sample_rate": 22050, "hop_size": 256, "fmax": 8000.0}
    mel, errors = MelSpectrogram(MelSettings(**settings)), []
    for path in sorted((SHARED / "data/kathleen/wavs").iterdir())[:2]:
        wanted = mel(torch.from_numpy(Audio.read(path, 22050).samples)[None])
        errors.append(float((mel(GriffinLim(MelSettings(**settings)).infer(wanted)) - wanted).abs().mean()))
    assert np.mean(errors) < 0.12  # nepers: 1 dB
