"""Metrics against closed forms and common sense; what they make of silence, of hiss, of a click."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from evaluation import warp as warping
from evaluation.base import all_metrics
from evaluation.energy import FLOOR_DB, decibels
from evaluation.metric import METRICS, UPSTREAM, Options, Ratio
from evaluation.pair import Pair
from evaluation.pitch import f0_track
from evaluation.spectrum import mel_alpha
from evaluation.warp import fast_warp, warp
from tests.conftest import SHARED
from utils.audio import Audio
from utils.files import read_json

all_metrics()
SYNTH = Path(__file__).parent / "data/metrics/synth"
SLOW = ("f0_periodicity_rmse",)  # a network; tried on real recordings below
TIMED = ("event_f1", "onset_error")  # these want the events that were asked for; tests/test_event_metrics.py
LIGHT = sorted(
    name
    for name, row in METRICS.items()
    if row.kind not in ("set", "generated")
    and not row.absent(Options())
    and name not in (*SLOW, *TIMED)
    and not name.startswith("similarity")
)
FRAMES = [name for name in LIGHT if METRICS[name].kind == "frames"]
ONES = ("fpc", "fpc_log", "stoi", "estoi", "energy_pc", "energy_pc_linear", "v_uv_f1", "f0_rpa", "f0_rca", "f0_oa")
PERFECT = dict.fromkeys(ONES, 1) | {"pesq": 4.643888, "pesq_nb": 4.548638, "si_sdr": 100, "si_snr": 100, "snr": 100}


def score(name, ref, deg=None, align="cut"):
    pair = ref if isinstance(ref, Pair) else Pair.of(ref, deg, Options(align=align))
    value = pair.score(METRICS[name], METRICS[name].rate or 24000)
    return value.numerator / value.denominator if isinstance(value, Ratio) else value


def voice(seconds=1.2, f0=140.0, rate=24000, level=0.3, seed=0):
    """A buzz with a slow vibrato, its harmonics falling, in a few syllables."""
    t = np.arange(round(seconds * rate)) / rate
    swing = np.sin(2 * np.pi * 1.5 * t)
    hertz = f0 * (1 + 0.08 * swing)
    phase = 2 * np.pi * np.cumsum(hertz) / rate
    buzz = sum(np.sin(k * phase) / k for k in range(1, 20))
    syllables = 0.15 + np.sin(np.pi * 3 * t) ** 2
    tone = buzz * syllables
    peak = np.abs(tone).max()
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(len(t))
    return Audio(level * tone / peak + 1e-4 * noise, rate)


def noisy(audio, level, seed=1):
    noise = np.random.default_rng(seed).standard_normal(len(audio.samples))
    return Audio(audio.samples + level * noise.astype(np.float32), audio.rate)


def test_f0_track_against_what_was_synthesised():
    for name in ("synth1", "synth2"):
        track = f0_track(Audio.read(SYNTH / f"ref/{name}.wav"))
        with np.load(SYNTH / f"ref/{name}_truth.npz") as truth:
            true_f0 = np.where(truth["voiced_per_256"], truth["f0_per_256"], 0)
        seconds = track.start + track.step * np.arange(len(track.values))
        frames = np.rint(seconds / track.step).astype(int)
        expected = true_f0[frames]
        both = (expected > 0) & (track.values > 0)
        assert both.sum() > 0.85 * (expected > 0).sum()
        ratio = track.values[both] / expected[both]
        cents = 1200 * np.log2(ratio)
        assert np.median(np.abs(cents)) < 20


@pytest.mark.parametrize("align", ["cut", "dtw"])
@pytest.mark.parametrize("name", LIGHT)
def test_identity_is_perfect(name, align):
    if align == "dtw" and name not in FRAMES:
        pytest.skip("knows no alignment")
    assert score(name, voice(), voice(), align) == pytest.approx(PERFECT.get(name, 0), abs=1e-5)


def test_every_light_metric_is_tried():
    assert len(LIGHT) >= 26 and {
        "mcd",
        "mcd_dtw",
        "pesq",
        "estoi",
        "si_sdr",
        "ltas",
        "spr",
        "fpc",
        "energy_pc",
        "v_uv_f1",
    } <= set(LIGHT)


# Of these noise moves the first little or not at all steadily: decisions on voicing, and melodies that are rightly heard in noise.
STEADY = sorted(set(LIGHT) - {"v_uv_f1", "v_uv_error", "f0_gross_error", "f0_rpa", "f0_rca", "f0_oa", "spr"})


@pytest.mark.parametrize("name", STEADY)
def test_more_noise_is_worse(name):
    ref = voice(2.0)
    scores = [score(name, ref, noisy(ref, level)) for level in (0.001, 0.01, 0.1)]
    worse = scores if METRICS[name].higher_is_better else scores[::-1]
    assert worse == sorted(worse, reverse=True) and len(set(scores)) == 3, scores


def test_f0_is_compared_in_place_and_never_centred():
    low, high = voice(f0=150), voice(f0=150 * 2 ** (2 / 12))
    assert score("f0rmse", low, high) == pytest.approx(200, abs=2)
    assert score("fpc", low, high) > 0.99


MISSING = [1, 31, 64, 100, 128, 200, 256, 300]
ALIGNED = sorted({*FRAMES, *SLOW} - {"energy_pc_linear"})


@pytest.mark.parametrize("name", ALIGNED)
def test_a_recording_without_its_last_samples_is_perfect(name):
    """Before it was cut first, Praat's frames stood up to half a hop apart: 64 samples made 23 cents."""
    if METRICS[name].absent(Options()):
        pytest.skip(METRICS[name].absent(Options()))
    ref = voice(1.0)
    for missing in MISSING if name not in SLOW else MISSING[2:3]:
        short = Audio(ref.samples[:-missing], ref.rate)
        for pair in ((ref, short), (short, ref)):
            assert score(name, *pair) == pytest.approx(PERFECT.get(name, 0), abs=1e-6), missing


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100])
def test_warping_leaves_a_recording_without_its_last_samples_where_it_is(rate):
    ref = voice(1.0, rate=rate)
    for missing in MISSING:
        short = Audio(ref.samples[:-missing], rate)
        for pair in (Pair.of(ref, short, Options(align="dtw")), Pair.of(short, ref, Options(align="dtw"))):
            # A frame that is missing is made up for near the end, where this voice glides.
            assert pair.score(METRICS["f0rmse"], rate) < (0.5 if missing < 256 else 5), missing
            assert pair.score(METRICS["energy_rmse"], rate) < 1.5, missing


def test_energy_of_half_the_level_is_6_db_whatever_is_silent():
    ref = voice()
    gap = Audio(np.concatenate([np.zeros(9600), ref.samples]), 24000)
    half = Audio(0.5 * gap.samples, 24000)
    six_decibels = 20 * np.log10(2)
    quieter = Audio(0.5 * ref.samples, 24000)
    assert score("energy_rmse", ref, quieter) == pytest.approx(six_decibels, abs=1e-3)
    assert 0 < score("energy_rmse", gap, half) < six_decibels
    assert decibels(np.zeros(3)).tolist() == [FLOOR_DB] * 3


def test_mcd_knows_no_level_above_its_floor():
    ref = noisy(voice(level=0.7), 0.01)
    assert score("mcd", ref, Audio(0.5 * ref.samples, 24000)) < 0.05


def test_alpha_follows_the_rate():
    assert [mel_alpha(rate) for rate in (16000, 24000, 44100, 48000)] == [0.41, 0.466, 0.544, 0.554]


def test_warp_is_the_cheapest_path():
    rng = np.random.default_rng(0)
    for n, m in ((7, 9), (9, 5), (1, 6), (6, 1), (1, 1), (12, 12)):
        a = rng.standard_normal((n, 3))
        b = rng.standard_normal((m, 3))
        path = warp(a, b, 20)
        assert joins_the_corners(path, n, m)
        distances = np.linalg.norm(a[:, None] - b[None], axis=2)
        assert cost_of(path, a, b) == pytest.approx(cheapest(distances))


def joins_the_corners(path, n, m):
    steps = {tuple(step) for step in np.diff(path, axis=0).tolist()}
    ends = [path[0].tolist(), path[-1].tolist()]
    return ends == [[0, 0], [n - 1, m - 1]] and steps <= {(0, 1), (1, 0), (1, 1)}


def cost_of(path, a, b):
    rows = a[path[:, 0]]
    others = b[path[:, 1]]
    return np.linalg.norm(rows - others, axis=1).sum()


def cheapest(distances):
    n, m = distances.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0
    for i, j in np.ndindex(n, m):
        rows = slice(i, i + 2)
        columns = slice(j, j + 2)
        before = total[rows, columns].min()  # the fourth is not reached yet
        total[i + 1, j + 1] = distances[i, j] + before
    return total[-1, -1]


@pytest.mark.parametrize(("n", "m", "radius"), [(300, 300, 4), (300, 200, 4), (40, 300, 1), (300, 3, 1)])
def test_a_narrow_band_still_joins_the_corners(n, m, radius):
    path = warp(np.random.default_rng(0).standard_normal((n, 2)), np.random.default_rng(1).standard_normal((m, 2)), radius)
    assert path[0].tolist() == [0, 0] and path[-1].tolist() == [n - 1, m - 1]
    assert np.diff(path, axis=0).min() >= 0 and np.diff(path, axis=0).max() == 1
    assert np.abs(path[:, 1] - path[:, 0] * (m - 1) / (n - 1)).max() <= 2 * max(radius, -(-m // n)) + 1


def test_warp_refuses_what_memory_cannot_hold():
    with pytest.raises(ValueError, match="--align cut"):
        warp(np.zeros((40_000_000, 1)), np.zeros((40_000_000, 1)), 800)


def test_aligned_by_spectra_a_slower_voice_keeps_its_pitch():
    row = next(row for row in read_json(SYNTH / "pairs.json") if row["id"] == "synth2__stretch108")
    ref, deg = (Audio.read(SYNTH / row[side]) for side in ("ref", "deg"))
    cut, dtw = (score("f0rmse", ref, deg, align) for align in ("cut", "dtw"))
    assert dtw < 15 < 60 < cut


@pytest.mark.parametrize("name", LIGHT)
def test_silence_is_no_score(name):
    for ref, deg, side in (
        (voice(), Audio(np.zeros(28800), 24000), "generated"),
        (Audio(np.zeros(9), 24000), voice(), "reference"),
    ):
        with pytest.raises(ValueError, match=f"{side} file is silent"):
            score(name, ref, deg)


def test_silence_left_by_the_cut_is_no_score():
    late = Audio(np.concatenate([np.zeros(28800), voice().samples]), 24000)
    with pytest.raises(ValueError, match="generated file is silent in its first 1.20 s"):
        score("stoi", voice(), late)


@pytest.mark.parametrize("name", ["f0rmse", "f0rmse_hz", "fpc", "fpc_log"])
def test_without_a_voice_there_is_no_f0_score(name):
    hiss = noisy(Audio(np.zeros(28800), 24000), 0.1)
    with pytest.raises(ValueError, match="no voice in the generated file"):
        score(name, voice(), hiss)
    with pytest.raises(ValueError, match="no voice in the reference and the generated file"):
        score(name, hiss, hiss)


@pytest.mark.parametrize("name", [n for n in LIGHT if not n.startswith(("energy", "si_", "snr"))])  # a frame of energy is a frame
def test_a_few_samples_are_no_score(name):
    click = Audio(voice().samples[5000:5200], 24000)
    with pytest.raises(ValueError, match="too short|too few|too little|at least 1/4"):
        score(name, click, click)


def test_pesq_cannot_take_the_run_down():
    rng = np.random.default_rng(0)
    burst = np.concatenate([0.1 * rng.standard_normal(3360), np.zeros(4640)])
    long = Audio(np.tile(burst, 100), 16000)
    ticking = Audio(np.tile(burst, 59), 16000)  # 59 utterances where the library has room for 50
    with pytest.raises(ValueError, match="too long for PESQ"):
        score("pesq", long, long)
    try:
        assert 1 <= score("pesq", ticking, ticking) <= 4.65
    except ValueError as error:
        assert "cut it up" in str(error)


def test_stoi_refuses_what_would_fill_the_memory():
    long = Audio(np.tile(voice(rate=8000).samples, 600), 8000)
    with pytest.raises(ValueError, match="too long for STOI"):
        score("estoi", long, long)


def test_periodicity_of_a_long_sound_is_decoded_in_blocks(monkeypatch):
    if METRICS["f0_periodicity_rmse"].absent(Options()):
        pytest.skip(METRICS["f0_periodicity_rmse"].absent(Options()))
    from evaluation.periodicity import periodicity

    sound = voice(1.0)
    whole = periodicity(sound, device="cpu")
    monkeypatch.setattr("processors.crepe.BLOCK", 40)
    parts = periodicity(sound, device="cpu")
    assert len(parts.values) == len(whole.values) and np.median(np.abs(parts.values - whole.values)) < 1e-3


def test_estoi_is_the_same_twice_and_leaves_the_generator_alone():
    ref = voice()
    half = Audio(np.concatenate([ref.samples[:14400], np.zeros(14400)]), 24000)
    np.random.seed(5)
    first = score("estoi", ref, half)
    drawn = np.random.random()
    assert score("estoi", ref, half) == first
    np.random.seed(5)
    assert np.random.random() == drawn


def test_warp_in_blocks_is_the_same_path(monkeypatch):
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((200, 2)), rng.standard_normal((230, 2))
    whole = warp(a, b, 40)
    monkeypatch.setattr(warping, "BLOCK_CELLS", 81 * 7)
    np.testing.assert_array_equal(warp(a, b, 40), whole)


def test_fast_warp_joins_the_corners_and_is_seldom_far_from_the_best():
    rng = np.random.default_rng(5)
    a = np.cumsum(rng.standard_normal((150, 3)), axis=0)
    b = a[np.sort(rng.integers(150, size=170))]
    path = fast_warp(a, b)
    assert joins_the_corners(path, 150, 170)
    cost = cost_of(path, a, b)
    best = cost_of(warp(a, b, 200), a, b)
    assert best <= cost + 1e-9
    assert cost < 1.5 * best + 1


@pytest.mark.parametrize("name", sorted({**METRICS, **{f"{name} (upstream)": row for name, row in UPSTREAM.items()}}))
def test_each_definition_says_what_one_must_know(name):
    plain_name = name.removesuffix(" (upstream)")
    table = METRICS if name == plain_name else UPSTREAM
    row = table[plain_name]
    text = row.doc.lower()
    directions = [word for word in ("higher", "lower") if f"{word} is better" in text]
    assert directions == ["higher" if row.higher_is_better else "lower"], row.doc
    assert any(word in text for word in ("rate", "khz", "22,050 hz")), "at which rate?"


def recordings():
    """A few real voices, (speaker, sound) at 24 kHz."""
    kathleen = sorted((SHARED / "data/kathleen/wavs").glob("*.flac"))[:2]
    others = [
        sorted((SHARED / f"data/VCTK-Corpus-0.92/wav48_silence_trimmed/{who}").glob("*.flac"))[:2] for who in ("p226", "p227")
    ]
    found = [("kathleen", path) for path in kathleen] + [(p.parent.name, p) for paths in others for p in paths]
    return [(who, Audio.read(path, 24000, seconds=4.0)) for who, path in found]


real = pytest.mark.skipif(not (SHARED / "data/kathleen").is_dir(), reason=f"no real recordings at {SHARED / 'data'}")


def low_passed(audio, hertz):
    from scipy.signal import butter, sosfiltfilt

    return Audio(sosfiltfilt(butter(8, hertz, fs=audio.rate, output="sos"), audio.samples), audio.rate)


def shifted(audio, semitones):
    import pyworld

    f0, envelope, noise = pyworld.wav2world(audio.samples.astype(float), audio.rate)
    return Audio(pyworld.synthesize(f0 * 2 ** (semitones / 12), envelope, noise, audio.rate), audio.rate)


def resynthesised(audio, kept):
    """Through a mel-like spectrogram of ever fewer bands, its phase guessed anew."""
    import librosa

    mel = librosa.feature.melspectrogram(y=audio.samples, sr=audio.rate, n_fft=1024, hop_length=256, n_mels=kept)
    back = librosa.feature.inverse.mel_to_audio(
        mel, sr=audio.rate, n_fft=1024, hop_length=256, n_iter=16, length=len(audio.samples)
    )
    return Audio(back, audio.rate)


SPECTRAL = ["mcd", "mstft", "ltas"]
WAVEFORM = ["pesq", "pesq_nb", "stoi", "estoi", "si_sdr", "si_snr", "snr"]
WORSE = {  # what is done ever more strongly -> metrics that claim to measure it
    "noise": (noisy, (0.001, 0.01, 0.1), [*SPECTRAL, *WAVEFORM, "energy_rmse", "energy_pc"]),
    "low-pass": (low_passed, (8000, 4000, 1500), [*SPECTRAL, "pesq", "energy_rmse"]),
    "pitch": (shifted, (0, 1, 4), ["f0rmse", "f0rmse_hz", "f0_rpa", "f0_oa"]),
    "resynthesis": (resynthesised, (100, 40, 12), ["mcd", "mstft", "pesq", "stoi", "estoi"]),
}


@real
@pytest.mark.parametrize("how", WORSE)
def test_worse_is_worse_on_real_recordings(how):
    spoil, strengths, names = WORSE[how]
    voices = [sound for _, sound in recordings()][::2]
    pairs = []
    for strength in strengths:
        row = [Pair.of(sound, spoil(sound, strength)) for sound in voices]
        pairs.append(row)
    for name in names:
        means = []
        for row in pairs:
            scores = [score(name, pair) for pair in row]
            means.append(np.mean(scores))
        assert sinks(name, means), f"{name} under {how}: {means}"


def sinks(name, levels):
    """Whether each is worse than the one before."""
    sign = 1 if METRICS[name].higher_is_better else -1
    return all(sign * a > sign * b for a, b in itertools.pairwise(levels))


@real
def test_periodicity_and_similarity_on_real_recordings():
    sound = recordings()[0][1]
    sound = Audio(sound.samples[: sound.rate], sound.rate)
    for name in ("f0_periodicity_rmse", "similarity_resemblyzer"):
        if METRICS[name].absent(Options()):
            pytest.skip(METRICS[name].absent(Options()))
        levels = []
        for noise in (0.0, 0.01, 0.1):
            pair = Pair.of(sound, noisy(sound, noise))
            levels.append(score(name, pair))
        assert sinks(name, levels), f"{name}: {levels}"
        perfect = 1.0 if METRICS[name].higher_is_better else 0.0
        assert levels[0] == pytest.approx(perfect, abs=1e-6)


@real
def test_another_speaker_is_less_similar():
    name = "similarity_resemblyzer"
    if METRICS[name].absent(Options()):
        pytest.skip(METRICS[name].absent(Options()))
    sounds = [sound for _, sound in recordings()]  # two of each speaker
    same = [score(name, sounds[i], sounds[i + 1]) for i in (0, 2, 4)]
    other = [score(name, sounds[i], sounds[j]) for i, j in ((0, 2), (0, 4), (2, 4))]
    assert min(same) > max(other), (same, other)
