"""WORLD: what it analyses and makes again keeps pitch, formants and length."""

import numpy as np
import pytest

from models.vocoders.world import Voice, World
from tests.conftest import clip
from utils.audio import Audio

VOICE_RATE = 16000


def vowel(f0, formants, seconds=1.0):
    """A buzz through resonances: harmonics of `f0` (samples,) whose strength follows the formants (Hz)."""
    phase, wave = 2 * np.pi * np.cumsum(f0) / VOICE_RATE, 0.0
    for k in range(1, int(VOICE_RATE / 2 / f0.max())):
        gain = sum(1 / (1 + ((k * f0 - formant) / 80) ** 2) for formant in formants)
        wave = wave + gain * np.sin(k * phase)
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


@pytest.mark.parametrize("method", ["dio", "harvest"])
@pytest.mark.parametrize("semitones", [0, 7])
def test_world_keeps_pitch_and_formants(method, semitones):
    t = np.arange(VOICE_RATE) / VOICE_RATE
    f0 = 140 * (1 + 0.1 * np.sin(2 * np.pi * 1.5 * t))
    wave = vowel(f0, (700, 1200, 2600))
    world = World(sample_rate=VOICE_RATE, hop_size=80, method=method)
    made = world.resynthesise(Audio(wave, VOICE_RATE), semitones=semitones)
    assert len(made.samples) == len(wave)
    before, after = world.analyse(wave), world.analyse(made.samples)
    steady = slice(20, -20)
    wanted = np.interp(np.arange(len(after.f0)) * 80, np.arange(len(f0)), f0) * 2 ** (semitones / 12)
    assert np.abs(after.f0 / wanted - 1)[steady].max() < 0.02
    levels = [10 * np.log10(v.envelope[steady].mean(0)) for v in (before, after)]
    hertz = np.linspace(0, VOICE_RATE / 2, len(levels[0]))
    for formant in (700, 1200, 2600):
        near = np.abs(hertz - formant) < 300
        peaks = [hertz[near][np.argmax(level[near])] for level in levels]
        assert abs(peaks[0] - formant) < 110 and abs(peaks[1] - peaks[0]) < (90 if not semitones else 130)


def test_world_keeps_a_recording():
    wave = clip(1.0, 150, 0)
    world = World(sample_rate=VOICE_RATE, hop_size=100)
    voice = world.analyse(wave)
    again = world.analyse(world.synthesise(voice))
    keeps = (voice.f0 > 0) & (again.f0[: len(voice.f0)] > 0)
    assert keeps.mean() > 0.9
    apart = np.abs(np.log10(voice.envelope) - np.log10(again.envelope[: len(voice.f0)]))[keeps]
    assert 10 * np.median(apart) < 3  # dB


def test_world_on_silence_and_on_next_to_nothing():
    world = World(sample_rate=VOICE_RATE, hop_size=256)
    silence = world.resynthesise(Audio(np.zeros(5000, np.float32), VOICE_RATE))
    assert len(silence.samples) == 5000 and silence.peak < 1e-4
    assert not world.analyse(np.zeros(5000)).f0.any()
    for samples in (1, 2, 255, 256, 257, 600):
        short = world.resynthesise(Audio(clip(1.0, 150, 0)[:samples], VOICE_RATE))
        assert len(short.samples) == samples and np.isfinite(short.samples).all()
    for bad in (np.zeros(0), np.array([0.0, np.nan])):
        with pytest.raises(ValueError, match="one sample or more, without NaN"):
            world.analyse(bad)


def test_world_takes_another_rate_a_given_pitch_and_refuses_what_does_not_fit():
    world = World(sample_rate=VOICE_RATE, hop_size=160)
    assert world.resynthesise(Audio(clip(1.0, 150, 0), 8000)).rate == VOICE_RATE
    wave = vowel(np.full(VOICE_RATE, 120.0), (600, 1500))
    voice = world.analyse(wave, f0=np.full(101, 120.0))
    higher = world.analyse(world.synthesise(voice.shifted(12)))
    assert abs(np.median(higher.f0) / 240 - 1) < 0.01
    with pytest.raises(ValueError, match="f0 has 7 frames, and 16000 samples have 101"):
        world.analyse(wave, f0=np.full(7, 120.0))
    with pytest.raises(ValueError, match="need the same frames"):
        world.synthesise(Voice(f0=voice.f0[:5], envelope=voice.envelope, aperiodicity=voice.aperiodicity))
    with pytest.raises(ValueError, match="0 < fmin < fmax"):
        World(sample_rate=8000, fmin=500, fmax=100)
    with pytest.raises(ValueError, match="pitch tracker"):
        World(sample_rate=8000, method="swipe")
