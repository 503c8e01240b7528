"""Mel, energy, F0 and the pictures against closed forms: tones whose bin, energy and pitch one can work out."""

import numpy as np
import pytest
import torch

from processors.f0 import F0, METHODS, interpolate, praat_f0
from processors.features import FeatureSet
from processors.filters import band_centres, filter_bank
from processors.mel import (
    MEL_CONVENTIONS,
    STFT,
    AmplitudePhase,
    MelConvention,
    MelSettings,
    MelSpectrogram,
    mel_difference,
)
from processors.spectra import Energy, Linear, Mel
from tests.conftest import SHARED
from utils.audio import Audio
from utils.config import ConfigError, build

RATE, HOP = 24000, 256
FAST = ["parselmouth", "dio"]
SLOW = ["harvest", "pyin", "crepe"]


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE, amplitude: float = 0.5) -> Audio:
    return Audio(amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate), rate)


def voice(f0: np.ndarray, rate: int = RATE) -> Audio:
    """Ten harmonics of an F0 given for each sample, and a little noise so that no tracker sees exact zeros."""
    phase = 2 * np.pi * np.cumsum(f0) / rate
    harmonics = sum(np.sin(k * phase) / k * (k * f0 < 0.45 * rate) for k in range(1, 11))
    return Audio(0.2 * harmonics + 1e-4 * np.random.default_rng(0).standard_normal(len(f0)), rate)


def cents(track: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of the voiced frames."""
    return 1200 * np.log2(track[track > 0] / truth[track > 0])


def centres(frames: int, hop: int = HOP) -> np.ndarray:
    """The sample in the middle of each frame."""
    return ((np.arange(frames) + 0.5) * hop).astype(int)


def track_of(method: str, audio: Audio, hop: int = HOP, **settings) -> np.ndarray:
    if method == "crepe":
        pytest.importorskip("torchcrepe")
    return F0(sample_rate=audio.rate, hop_size=hop, method=method, **settings)(None, audio)


def sentence(level: float = 0.3, seed: int = 0, f0: float = 180.0) -> np.ndarray:
    """Five spoken-like syllables of 200 ms, 100 ms between them, over hiss 60 dB below."""
    t = np.arange(round(1.6 * RATE)) / RATE
    syllables = np.where((t % 0.3 < 0.2) & (t > 0.1), np.sin(np.pi * (t % 0.3) / 0.2), 0).clip(0)
    tone = voice(np.full(len(t), f0)).samples / 0.4
    hiss = 1e-3 * np.random.default_rng(seed).standard_normal(len(t))
    return (level * (tone * syllables + hiss)).astype(np.float32)


# Mel


@pytest.mark.parametrize("rate", [8000, 24000, 96000])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
def test_a_tone_peaks_in_the_band_it_lies_in(rate, share):
    mel = Mel(sample_rate=rate, hop_size=HOP)(None, tone(share * rate, rate=rate))
    bank = filter_bank(sample_rate=rate, n_fft=1024, n_mel=80, fmin=0.0, fmax=None).numpy()
    expected = bank[round(share * 1024)].argmax()
    assert abs(np.median(mel[4:-4].argmax(axis=1)) - expected) <= 1


def test_the_magnitude_of_a_tone_on_a_bin_is_half_its_amplitude_times_the_window():
    magnitude = Linear(hop_size=HOP)(None, tone(100 * RATE / 1024))
    # A Hann window of 1024 sums to 512: amplitude 0.5 x 512 / 2.
    np.testing.assert_allclose(magnitude[8:-8, 100], 128.0, rtol=1e-4)


def test_energy_follows_parseval():
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1
    energy, window = Energy(hop_size=HOP)(None, Audio(noise, RATE)), np.hanning(1025)[:-1]
    frame = noise[20 * HOP + HOP // 2 - 512 :][:1024] * window
    bins = np.fft.rfft(frame)
    # The half spectrum counts all but its ends once where Parseval counts them twice.
    expected = np.sqrt((1024 * np.sum(frame.astype(float) ** 2) + np.abs(bins[0]) ** 2 + np.abs(bins[-1]) ** 2) / 2)
    np.testing.assert_allclose(energy[20], expected, rtol=1e-4)


def test_mel_is_the_definition_written_out_in_numpy():
    audio = Audio(np.random.default_rng(1).standard_normal(4000) * 0.1, RATE)
    left = (1024 - HOP) // 2
    padded = np.pad(audio.samples.astype(float), (left, left), mode="reflect")
    frames = np.stack([padded[i * HOP : i * HOP + 1024] for i in range(4000 // HOP)]) * np.hanning(1025)[:-1]
    magnitude = np.sqrt(np.abs(np.fft.rfft(frames)) ** 2 + 1e-9)
    bank = filter_bank(sample_rate=RATE, n_fft=1024, n_mel=80, fmin=0.0, fmax=None).numpy()
    expected = np.log(np.maximum(magnitude @ bank, 1e-5))
    np.testing.assert_allclose(Mel(sample_rate=RATE, hop_size=HOP)(None, audio), expected, atol=2e-5)


@pytest.mark.parametrize("samples", [0, 1, 100, 255, 256, 257, 385, 500, 1024, 5000])
@pytest.mark.parametrize("hop", [256, 275])
def test_any_length_gives_whole_frames(samples, hop):
    audio = Audio(np.full(samples, 0.1), RATE)
    assert Mel(sample_rate=RATE, hop_size=hop)(None, audio).shape == (samples // hop, 80)
    assert Linear(hop_size=hop)(None, audio).shape == (samples // hop, 513)
    assert Energy(hop_size=hop)(None, audio).shape == (samples // hop,)
    centred = Mel(sample_rate=RATE, hop_size=hop, convention="tacotron2")(None, audio)
    assert centred.shape == (samples // hop + 1, 80)
    assert np.isfinite(centred).all()


@pytest.mark.parametrize("name", MEL_CONVENTIONS)
def test_silence_is_what_a_batch_is_padded_with(name):
    mel = Mel(sample_rate=RATE, hop_size=HOP, convention=name)
    values = mel(None, Audio(np.zeros(RATE), RATE))
    assert values.dtype == np.float32
    if name != "vits":  # whose epsilon is louder than its floor
        np.testing.assert_allclose(values, mel.pad, atol=1e-4)


@pytest.mark.parametrize("padding", ["same", "center"])
def test_frames_are_centred_where_the_docstring_says(padding):
    frame = 20
    where = frame * HOP + (HOP // 2 if padding == "same" else 0)
    click = torch.zeros(1, 50 * HOP)
    click[0, where] = 1.0
    energy = STFT(hop_size=HOP, padding=padding)(click).abs().norm(dim=2)[0]
    assert energy.argmax() == frame
    assert torch.allclose(energy[frame - 1], energy[frame + 1], rtol=1e-3)


def test_gradients_reach_the_samples_even_of_silence():
    for epsilon in (0.0, 1e-9):
        samples = torch.zeros(1, 2048, requires_grad=True)
        MelSpectrogram(MelSettings(sample_rate=RATE, hop_size=HOP, convention=MelConvention(epsilon=epsilon)))(samples).sum().backward()
        assert torch.isfinite(samples.grad).all()
    samples = (0.1 * torch.randn(1, 2048)).requires_grad_()
    MelSpectrogram(MelSettings(sample_rate=RATE, hop_size=HOP))(samples).sum().backward()
    assert samples.grad.abs().sum() > 0


def test_autocast_changes_nothing():
    module, samples = MelSpectrogram(MelSettings(sample_rate=RATE, hop_size=HOP)), 0.1 * torch.randn(2, 8000)
    expected = module(samples)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(module(samples), expected)
        assert module(samples.bfloat16()).dtype == torch.float32


def test_inside_a_batch_a_sound_has_the_mel_it_has_alone():
    module, samples = MelSpectrogram(MelSettings(sample_rate=RATE, hop_size=HOP)), 0.1 * torch.randn(3, 8000)
    torch.testing.assert_close(module(samples)[1:2], module(samples[1:2]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("semitones", [-5.0, 3.0, 12.0])
def test_key_shift_moves_a_tone_up(semitones):
    module = MelSpectrogram(MelSettings(sample_rate=RATE, hop_size=HOP))
    samples = torch.from_numpy(tone(1000).samples)[None]
    peak = module.linear(samples, semitones)[0, 10:-10].mean(dim=0).argmax()
    assert abs(peak * RATE / 1024 / 1000 - 2 ** (semitones / 12)) < 0.03
    assert module(samples, semitones).shape == module(samples).shape


def test_amplitude_and_phase_are_the_spectrum():
    parts = AmplitudePhase(hop_size=HOP)(0.1 * torch.randn(1, 8000))
    rebuilt = torch.polar(parts["log_amplitude"].exp() - 1e-5, parts["phase"])
    torch.testing.assert_close(rebuilt, torch.complex(parts["real"], parts["imag"]), atol=1e-4, rtol=1e-4)


def test_mels_are_compared_by_what_they_come_to():
    ours = {"sample_rate": 22050, "hop_size": 256}
    assert mel_difference(ours, {**ours, "fmax": 11025, "fmin": 0, "convention": {"floor": 1e-5}}) == []
    theirs = MelSettings.of({"fmax": 8000, "convention": "tacotron2"}, ours)
    assert mel_difference(ours, theirs) == [
        "fmax is 11025.0 here and 8000 there",
        "padding is 'same' here and 'center' there",
        "epsilon is 1e-09 here and 0.0 there",
    ]
    assert MelSpectrogram(theirs).stft.padding == "center"


def test_a_section_of_a_config_is_checked_to_the_last_field():
    common = {"sample_rate": RATE, "hop_size": HOP}
    mel = build(Mel, {"n_mel": 100, "fmax": 12000, "convention": {"epsilon": 1e-6, "clip": [0, 1]}}, common)
    assert mel.facts == {"n_mel": 100}
    assert mel.convention.epsilon == 1e-6
    with pytest.raises(ConfigError, match="did you mean 'epsilon'"):
        build(Mel, {"convention": {"epsilonn": 1e-6}}, common)
    with pytest.raises(ValueError, match="'vocos'"):
        build(Mel, {"convention": "vocoss"}, common)


@pytest.mark.parametrize("wrong", [{"win_size": 2048}, {"hop_size": 2048}, {"fmax": 13000.0}, {"fmin": 500.0, "fmax": 400.0}])
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MelSpectrogram(MelSettings(**{"sample_rate": RATE, "hop_size": HOP} | wrong))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_agrees():
    module, samples = MelSpectrogram(MelSettings(sample_rate=RATE, hop_size=HOP)), 0.1 * torch.randn(2, RATE)
    torch.testing.assert_close(module.cuda()(samples.cuda()).cpu(), module.cpu()(samples), atol=1e-3, rtol=1e-3)


# F0


@pytest.mark.parametrize("method", FAST)
@pytest.mark.parametrize(("rate", "hop"), [(8000, 80), (22050, 275), (24000, 256), (96000, 1024)])
def test_a_step_of_pitch_stands_at_its_frame(method, rate, hop):
    before, after = 150.0, 220.0
    audio = voice(np.where(np.arange(rate) < rate // 2, before, after), rate)
    track = track_of(method, audio, hop)
    at = centres(rate // hop, hop)
    assert track.shape == at.shape and track.dtype == np.float32
    near = np.abs(at - rate / 2) <= hop
    inside = (at > 0.05 * rate) & (at < 0.95 * rate)
    np.testing.assert_allclose(track[~near & inside & (at < rate / 2)], before, rtol=0.005)
    np.testing.assert_allclose(track[~near & inside & (at > rate / 2)], after, rtol=0.005)


@pytest.mark.parametrize("method", FAST)
def test_a_glide_is_followed_without_delay(method):
    f0 = 100 * 2 ** (np.arange(2 * RATE) / RATE)  # an octave a second: one frame of delay is 12.8 cents
    track = track_of(method, voice(f0))
    error = cents(track, f0[centres(len(track))])
    assert (track > 0).mean() > 0.95
    assert abs(np.median(error)) < 1 and np.percentile(np.abs(error), 95) < 5


ALL_METHODS = [*FAST, *SLOW[:2], pytest.param(SLOW[2], marks=pytest.mark.slow)]
PADDINGS = ["same", "center"]


def features(convention: str = "hifigan", method: str = "parselmouth") -> FeatureSet:
    settings = {"mel": {"convention": convention}, "linear": {}, "energy": {}, "f0": {"method": method}}
    return FeatureSet(settings, sample_rate=RATE, hop_size=HOP)


def arrays_of(made: FeatureSet, audio: Audio) -> dict[str, np.ndarray]:
    return {name: feature(None, audio) for name, feature in made.features.items()}


def crossing(track: np.ndarray) -> float:
    """The frame, with fractions, at which a track that goes from below 0.5 to above it does so."""
    after = np.argmax(track > 0.5)
    return after - (track[after] - 0.5) / (track[after] - track[after - 1])


@pytest.mark.parametrize("convention", MEL_CONVENTIONS)
@pytest.mark.parametrize("method", ["parselmouth", "harvest"])  # dio reacts early to any step; below it follows a glide
def test_a_step_of_pitch_moves_spectrum_and_f0_at_the_same_frame(method, convention):
    made, apart, off = features(convention, method), [], []
    before = 0.5 if made.common["frame_padding"] == "same" else 0.0
    for step in 50 * HOP + np.arange(0, HOP, HOP // 8):  # a track has whole frames only: right on average over these
        found = arrays_of(made, voice(np.where(np.arange(80 * HOP) < step, 150.0, 220.0)))
        assert len({len(array) for array in found.values()}) == 1
        fifth = found["linear"][15:, 32]  # at 750 Hz there is a harmonic of 150 Hz and none of 220 Hz
        spectrum = 15 + crossing(1 - fifth / fifth[0])
        track = found["f0"][15:70]
        pitch = 15 + (np.flatnonzero((track > 0) & (track < 180))[-1] + np.argmax(track > 180)) / 2
        apart.append(pitch - spectrum)
        off.append(spectrum - (step / HOP - before))
    assert abs(np.mean(apart)) < 0.2 and abs(np.mean(off)) < 0.15, (np.mean(apart), np.mean(off))


@pytest.mark.parametrize("convention", ["hifigan", "tacotron2"])
@pytest.mark.parametrize("method", ALL_METHODS)
def test_every_method_stands_in_the_frames_of_the_mel(method, convention):
    if method == "crepe":
        pytest.importorskip("torchcrepe")
    made, f0 = features(convention, method), 100 * 4 ** (np.arange(round(1.3 * RATE)) / RATE)
    found = arrays_of(made, voice(f0))
    at = np.arange(len(found["mel"])) * HOP + (HOP // 2 if convention == "hifigan" else 0)
    assert len(found["f0"]) == len(found["mel"])
    inside = (found["f0"] > 0) & (at > 0.1 * RATE) & (at < len(f0) - 0.1 * RATE)
    error = 1200 * np.log2(found["f0"][inside] / f0[at[inside]])
    assert inside.sum() > 80 and abs(np.median(error)) < 6, np.median(error)  # half a hop is 12.8 cents


def test_energy_and_spectrum_stand_where_the_mel_does():
    click = np.zeros(RATE, np.float32)
    click[40 * HOP] = 1
    for convention, middle in (("hifigan", 39.5), ("tacotron2", 40)):
        found = arrays_of(features(convention), Audio(click, RATE))
        weight = found["energy"] - found["energy"].min()
        assert np.average(np.arange(len(weight)), weights=weight) == pytest.approx(middle, abs=0.01)
        assert len(found["energy"]) == len(found["linear"]) == len(found["mel"])


def test_conventions_whose_frames_lie_apart_are_refused():
    with pytest.raises(ValueError, match='mel "same", linear "center"'):
        FeatureSet({"mel": {}, "linear": {"convention": "apnet"}}, sample_rate=RATE, hop_size=HOP)
    alone = FeatureSet({"linear": {"convention": "apnet"}, "f0": {}}, sample_rate=RATE, hop_size=HOP)
    assert alone.common["frame_padding"] == "center"
    with pytest.raises(ValueError, match="mel.convention"):
        FeatureSet({"mel": {"convention": 5}}, sample_rate=RATE, hop_size=HOP)


def test_arrays_of_padding_same_are_kept_under_the_names_they_had():
    made = features("hifigan")
    assert (made.digests["mel"], made.digests["energy"], made.digests["linear"]) == ("3e61546d", "a0aeeea1", "a0aeeea1")
    assert made.digests["f0"] != features("tacotron2").digests["f0"]


@pytest.mark.parametrize("method", [*SLOW[:2], pytest.param(SLOW[2], marks=pytest.mark.slow)])
def test_the_slow_methods_agree(method):
    f0 = np.where(np.arange(RATE) < RATE // 2, 150.0, 220.0)
    track = track_of(method, voice(f0))
    truth = f0[centres(len(track))]
    error = np.abs(cents(track, truth))
    assert np.median(error) < 10  # pYIN and CREPE answer in steps of 10 and 20 cents
    reached = np.flatnonzero((track > 0) & (np.abs(1200 * np.log2(np.maximum(track, 1) / 220.0)) < 100))
    assert abs(centres(len(track))[reached[0]] - RATE / 2) <= 3 * HOP
    assert not track_of(method, Audio(np.zeros(RATE // 2), RATE)).any()


@pytest.mark.parametrize("method", FAST)
@pytest.mark.parametrize("samples", [0, 1, 200, 256, 300, 1000, 3000])
def test_short_sounds_and_silence_have_no_pitch_and_no_accident(method, samples):
    for samples_of in (np.zeros(samples), np.full(samples, 0.1), np.random.default_rng(0).uniform(-1, 1, samples)):
        track = track_of(method, Audio(samples_of, RATE), interpolate=True)
        assert track.shape == (samples // HOP,) and np.isfinite(track).all()
    assert not track_of(method, Audio(np.zeros(samples), RATE), interpolate=True).any()


def test_noise_is_unvoiced_and_a_voice_is_not():
    noise = Audio(0.3 * np.random.default_rng(0).standard_normal(RATE), RATE)
    assert (track_of("parselmouth", noise) > 0).mean() < 0.05
    assert (track_of("parselmouth", voice(np.full(RATE, 180.0))) > 0).mean() > 0.95


def kept_share(method: str, sound: np.ndarray, part: slice = slice(None), clean: np.ndarray | None = None) -> float:
    """The share of the clean sentence's voiced frames that are voiced in that part of `sound`, and within half a semitone."""
    truth = track_of(method, Audio(sentence() if clean is None else clean, RATE))
    track = track_of(method, Audio(sound, RATE))[part]
    assert len(track) == len(truth) and (truth > 0).sum() > 50
    both = (truth > 0) & (track > 0)
    met = both[both] & (np.abs(1200 * np.log2(track[both] / truth[both])) < 50)
    return met.sum() / (truth > 0).sum()


@pytest.mark.parametrize("decibels", [-20, -26, -30, -36])
@pytest.mark.parametrize("method", [*FAST, *SLOW[:2]])
def test_a_quiet_passage_after_a_loud_one_keeps_its_pitch(method, decibels):
    clean = np.pad(sentence(), (HOP * 15, 0))  # 0.16 s of rest
    sound = np.concatenate([clean, clean * np.float32(10 ** (decibels / 20))])
    assert kept_share(method, sound, slice(len(clean) // HOP, None), clean) > 0.9


def test_a_steady_voice_that_falls_by_40_db_is_voiced_to_the_end():
    level = np.where(np.arange(4 * RATE) < 2 * RATE, 0.5, 0.005)
    track = track_of("parselmouth", Audio(voice(np.full(4 * RATE, 150.0)).samples * level, RATE))
    quiet = track[round(2.4 * RATE / HOP) : -3]  # but for the 0.3 s in which the loud one is still near
    assert (quiet > 0).all() and np.abs(quiet - 150).max() < 1


WORN = {
    "very quiet": lambda x: 0.01 * x,
    "a click": lambda x: np.where(np.arange(len(x)) == len(x) // 2, 0.95, x),
    "a click in a quiet recording": lambda x: np.where(np.arange(len(x)) == len(x) // 2, 0.95, 0.05 * x),
    "an offset": lambda x: x + 0.3,
    "an offset above a quiet voice": lambda x: 0.02 * x + 0.5,
    "clipped": lambda x: np.clip(10 * x, -1, 1),
}


@pytest.mark.parametrize("how", WORN)
@pytest.mark.parametrize("method", [*FAST, *SLOW[:2]])
def test_what_recordings_suffer_takes_no_pitch_away(method, how):
    assert kept_share(method, WORN[how](sentence()).astype(np.float32)) > 0.85


def test_crepe_hears_a_quiet_voice_under_a_click_and_an_offset():
    pytest.importorskip("torchcrepe")
    clean = sentence()[: 32 * HOP]
    worn = 0.02 * clean + np.where(np.arange(len(clean)) == 6000, 0.4, 0.5)
    tracks = [track_of("crepe", Audio(sound.astype(np.float32), RATE)) for sound in (clean, worn)]
    assert (tracks[0] > 0).sum() > 12 and ((tracks[0] > 0) == (tracks[1] > 0)).mean() > 0.85


def test_silence_and_hiss_between_words_are_not_voiced():
    rng = np.random.default_rng(1)
    pause = np.concatenate([sentence(), 3e-4 * rng.standard_normal(RATE), np.zeros(RATE), 2e-5 * rng.standard_normal(RATE)])
    track = track_of("parselmouth", Audio(pause, RATE))[len(sentence()) // HOP + 4 :]
    assert (track > 0).mean() < 0.02
    buzz = np.sin(2 * np.pi * 100 * np.arange(len(sentence())) / RATE)  # hum of the mains, 40 dB under the voice beside it
    silent = track_of("parselmouth", Audio(np.where(sentence() == 0, 0, sentence()) + 0.003 * buzz, RATE))
    assert not ((silent > 90) & (silent < 110)).any()
    everything = track_of("parselmouth", Audio(sentence() + 0.003 * buzz, RATE), silence_threshold=0.0)
    assert ((everything > 90) & (everything < 110)).any()
    with pytest.raises(ValueError, match="silence_threshold"):
        F0(sample_rate=RATE, hop_size=HOP, silence_threshold=1.5)


def rumble(samples: int, slope: float, seed: int = 0) -> np.ndarray:
    """Noise of a room or a microphone, of RMS 1: from 10 Hz on its amplitude falls as frequency ** -slope, down to hiss."""
    rng = np.random.default_rng(seed)
    fall = (np.fft.rfftfreq(samples, 1 / RATE).clip(10) / 10) ** -slope
    low = np.fft.irfft(np.fft.rfft(rng.standard_normal(samples)) * fall, samples)
    return low / low.std() + 0.03 * rng.standard_normal(samples)


@pytest.mark.parametrize("slope", [2, 3])
def test_rumble_in_pauses_is_not_voiced_and_a_quiet_phrase_in_it_is(slope):
    phrases = np.pad(np.stack([sentence(), 0.05 * sentence(), sentence()]), ((0, 0), (RATE, RATE)))
    truth = track_of("parselmouth", Audio(phrases.ravel(), RATE)) > 0
    level = np.repeat([4e-3, 2e-4, 4e-3], phrases.shape[1])
    found = track_of("parselmouth", Audio(phrases.ravel() + level * rumble(phrases.size, slope), RATE)) > 0
    assert found[~truth].mean() < 0.03 and found[truth].mean() > 0.95


def test_crepe_is_the_same_twice_and_finer_than_its_bins():
    pytest.importorskip("torchcrepe")
    for hertz in (100.0, 203.7, 441.3):
        audio = voice(np.full(RATE // 2, hertz))
        state = np.random.get_state()[1].copy()
        first, second = (track_of("crepe", audio) for _ in range(2))
        assert np.array_equal(first, second) and np.array_equal(state, np.random.get_state()[1])
        assert np.abs(1200 * np.log2(first[4:-4] / hertz)).max() < 12  # its bins are 20 cents apart, its noise was 20 more
        assert np.abs(np.diff(1200 * np.log2(first[4:-4]))).mean() < 3


def test_crepe_keeps_to_its_range():
    pytest.importorskip("torchcrepe")
    track = track_of("crepe", voice(np.full(RATE // 2, 300.0)), fmin=60.0, fmax=250.0, voicing_threshold=0.0)
    assert track.max() <= 255 and track.min() >= 60


def test_the_range_is_kept():
    audio = voice(np.full(RATE, 400.0))
    assert track_of("parselmouth", audio, fmax=300.0).max() <= 300.0
    with pytest.raises(ValueError, match="fmax"):
        F0(sample_rate=8000, hop_size=80, fmax=5000.0)
    with pytest.raises(ValueError, match="parselmouth"):
        F0(sample_rate=8000, hop_size=80, method="praat")


def test_bridges_between_voiced_stretches():
    track = np.array([0, 0, 100, 0, 0, 0, 200, 0], dtype=np.float32)
    np.testing.assert_allclose(interpolate(track), [100, 100, 100, 125, 150, 175, 200, 200])
    assert not interpolate(np.zeros(4, dtype=np.float32)).any()
    assert len(interpolate(np.zeros(0, dtype=np.float32))) == 0
    assert interpolate(track).dtype == np.float32


def test_praats_raw_track_says_when_a_sound_is_too_short():
    with pytest.raises(ValueError, match="0.060 s"):
        praat_f0(np.zeros(1000), RATE, HOP)
    assert len(praat_f0(voice(np.full(RATE, 200.0)).samples, RATE, HOP)) < RATE // HOP


def test_praats_raw_track_is_the_recorded_one():
    folder = SHARED / "metrics/golden"
    if not folder.is_dir():
        pytest.skip(f"no recorded tracks: {folder} is absent")
    from utils.files import read_json

    for pair in read_json(folder / "pairs.json")[:3]:
        recorded = np.load(folder / f"inter/{pair['id']}.npz")
        for side in ("ref", "deg"):
            audio = Audio.read(folder / pair[side])
            np.testing.assert_allclose(praat_f0(audio.samples, audio.rate, HOP), recorded[f"f0_{side}"], rtol=1e-6)


def test_every_method_is_tried_here():
    assert set(METHODS) == {*FAST, *SLOW}


# Pictures


def test_a_picture_has_pixels_and_a_file(tmp_path):
    from visualization.plot import Scale, compare, figure_image, save

    mel = Mel(sample_rate=RATE, hop_size=HOP)(None, voice(np.full(RATE, 200.0)))
    arrays = {"mel": mel, "f0": np.full(93, 200.0), "phones": np.array(["a", "b"]), "duration": np.array([40, 53])}
    centres = band_centres(MelSettings(sample_rate=RATE, hop_size=HOP))
    scale = Scale(HOP / RATE, centres, "natural log of magnitude")
    figure = compare(arrays, {"mel": mel[:50]}, title="it costs $5, then $10", scale=scale)
    recorded, generated, *others = figure.axes
    assert recorded.get_ylabel() == "recorded\nHz" and generated.get_xlabel() == "seconds"
    assert "natural log of magnitude" in [axis.get_ylabel() for axis in others]
    assert recorded.get_xlim()[1] == pytest.approx(len(mel) * HOP / RATE)
    ticks = {label.get_text(): place for label, place in zip(recorded.get_yticklabels(), recorded.get_yticks(), strict=True)}
    assert np.interp(ticks["1000"], np.arange(len(centres)), centres) == pytest.approx(1000)
    lowest = mel.mean(0)[: len(centres) // 4].argmax()  # of the voice's harmonics: the first
    assert abs(np.interp(200, centres, np.arange(len(centres))) - lowest) < 2
    image = figure_image(figure)
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.std() > 10
    assert save(figure, tmp_path / "mel.png").read_bytes().startswith(b"\x89PNG")
    assert len(compare({}, arrays).axes) < len(compare(arrays, arrays).axes)
    with pytest.raises(ValueError, match="no mel"):
        compare({}, {})


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", "none"])
@pytest.mark.parametrize(
    "rate, n_fft, n_mel, fmin, fmax", [(22050, 1024, 80, 0.0, 8000.0), (48000, 256, 128, 0.0, None), (24000, 2048, 100, 1500.0, None)]
)
def test_filters_are_librosas(rate, n_fft, n_mel, fmin, fmax, mel_scale, norm):
    import warnings

    from librosa.filters import mel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of filters that are empty
        theirs = mel(sr=rate, n_fft=n_fft, n_mels=n_mel, fmin=fmin, fmax=fmax, htk=mel_scale == "htk", norm=None if norm == "none" else norm)
    sizes = {"sample_rate": rate, "n_fft": n_fft, "n_mel": n_mel, "fmin": fmin, "fmax": fmax}
    ours = filter_bank(**sizes, mel_scale=mel_scale, norm=norm).numpy()
    np.testing.assert_allclose(ours, theirs.T, rtol=1e-6, atol=1e-12)
