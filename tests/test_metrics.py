"""Metrics against independent libraries' values and closed forms; failures are told, never averaged."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bins.evaluate import main
from evaluation.base import Pair, all_metrics, evaluate, markdown, summary, warp
from evaluation.energy import FLOOR_DB, decibels
from evaluation.pitch import f0_track
from evaluation.spectrum import mel_alpha
from tests.conftest import ROOT, SHARED
from utils.audio import Audio
from utils.files import read_json

METRICS = all_metrics()
SYNTH = Path(__file__).parent / "metrics/synth"
GOLDEN = Path(os.environ.get("AMPHION_METRICS", SHARED / "metrics/golden"))
F0 = "f0_praat_ac[fs=24000,hop=256,floor=50,ceil=1100,voicing_threshold=0.6,cut]"
MCD = "mcd_standard_c1_24_alpha0.466_fft1024_fs24000_"
# metric: where its value lies, absolute tolerance in its unit, how frames are aligned
CLAIMS = [
    ("f0rmse", (F0, "f0rmse_cents"), 1e-4, "cut"),
    ("f0rmse_hz", (F0, "f0rmse_hz"), 1e-4, "cut"),
    ("fpc", (F0, "fpc_hz"), 1e-4, "cut"),
    ("fpc_log", (F0, "fpc_logf0"), 1e-4, "cut"),
    ("energy_rmse", ("energy_rmse_db_cut",), 1e-4, "cut"),
    ("energy_rmse_linear", ("energy_rmse_lin_cut",), 1e-4, "cut"),
    ("mcd", (MCD + "cut",), 1e-3, "cut"),
    ("mcd", (MCD + "fulldtw",), 1e-3, "dtw"),
    ("mstft", ("mstft_hann_fs24000_cut", "sum"), 1e-4, "cut"),
    ("mstft_sc", ("mstft_hann_fs24000_cut", "sc"), 1e-4, "cut"),
    ("mstft_mag", ("mstft_hann_fs24000_cut", "mag"), 1e-4, "cut"),
    ("pesq", ("pesq_wb_mos_lqo[16k soxr_hq,cut]",), 1e-3, "cut"),
    ("pesq_nb", ("pesq_nb_mos_lqo[16k soxr_hq,cut]",), 1e-3, "cut"),
    ("stoi", ("stoi[fs=24000,cut]",), 1e-4, "cut"),
    ("estoi", ("estoi[fs=24000,cut]",), 1e-4, "cut"),
]
PERFECT = {"fpc": 1, "fpc_log": 1, "stoi": 1, "estoi": 1, "pesq": 4.643888, "pesq_nb": 4.548638}
EDGES = {"pesq": "pesq_wb", "pesq_nb": "pesq_nb", "stoi": "stoi", "estoi": "estoi", "mstft": "mstft_hann"}
TRANSFORMS = {
    "identical": lambda x: x,
    "half_gain": lambda x: 0.5 * x,
    "inverted": lambda x: -x,
    "dc_offset_0.05": lambda x: x + 0.05,
    "delay_24_samples": lambda x: np.concatenate([np.zeros(24), x[:-24]]),
    "half_silent": lambda x: np.concatenate([x[: len(x) // 2], np.zeros(len(x) - len(x) // 2)]),
}


def pairs(folder):
    return [(folder, row) for row in read_json(folder / "pairs.json")] if (folder / "pairs.json").is_file() else []


PAIRS = [pytest.param(*p, id=f"{p[0].name}-{p[1]['id']}") for p in pairs(SYNTH) + pairs(GOLDEN)]


@functools.lru_cache(maxsize=2)
def sounds(folder, ref, deg, align):
    return Pair(Audio.read(folder / ref), Audio.read(folder / deg), align)


def score(name, ref, deg, align="cut"):
    pair = ref if isinstance(ref, Pair) else Pair(ref, deg, align)
    return pair.score(METRICS[name], METRICS[name].rate or 24000)


def at(tree, path):
    return functools.reduce(lambda branch, key: branch[key], path, tree)


def voice(seconds=1.2, f0=140.0, rate=24000, level=0.3, seed=0):
    """A buzz with a slow vibrato, its harmonics falling, in a few syllables."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(f0 * (1 + 0.08 * np.sin(2 * np.pi * 1.5 * t))) / rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 20)) * (0.15 + np.sin(np.pi * 3 * t) ** 2)
    return Audio(level * tone / np.abs(tone).max() + 1e-4 * np.random.default_rng(seed).standard_normal(len(t)), rate)


def noisy(audio, level, seed=1):
    noise = np.random.default_rng(seed).standard_normal(len(audio.samples))
    return Audio(audio.samples + level * noise.astype(np.float32), audio.rate)


@pytest.mark.skipif(not pairs(GOLDEN), reason=f"no recordings with known values at {GOLDEN}: set AMPHION_METRICS to their folder")
def test_golden_set_is_there():
    assert read_json(GOLDEN / "values.json").keys() == {row["id"] for _, row in pairs(GOLDEN)}


@pytest.mark.parametrize(("folder", "row"), PAIRS)
def test_values_of_independent_libraries(folder, row):
    known = read_json(folder / "values.json")[row["id"]]["independent"]
    wrong = []
    for name, path, tolerance, align in CLAIMS:
        found, expected = score(name, sounds(folder, row["ref"], row["deg"], align), None), at(known, path)
        if abs(found - expected) > tolerance:
            wrong.append(f"{name} ({align}): {found} instead of {expected}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("folder", "row"), PAIRS)
def test_f0_and_energy_tracks(folder, row):
    with np.load(folder / "inter" / f"{row['id']}.npz") as known:
        pair = sounds(folder, row["ref"], row["deg"], "cut")
        for view, key in ((METRICS["f0rmse"].of, "f0"), (METRICS["energy_rmse"].of, "energy")):
            for found, side in zip(pair.views(view, 24000), ("ref", "deg"), strict=True):
                np.testing.assert_allclose(found.values, known[f"{key}_{side}"], rtol=1e-6)


@pytest.mark.skipif(not (GOLDEN / "edge.json").is_file(), reason=f"no edge cases with known values at {GOLDEN}")
@pytest.mark.parametrize("case", TRANSFORMS)
def test_edge_cases_of_golden_set(case, tmp_path):
    edge = read_json(GOLDEN / "edge.json")
    ref = Audio.read(GOLDEN / edge["ref"])
    deg = Audio.read(Audio(TRANSFORMS[case](ref.samples), ref.rate).write(tmp_path / "deg.wav"))
    pair = Pair(ref, deg)
    for name, key in EDGES.items():
        # pystoi fills digital silence with noise of its own, from which the reference's value comes too.
        tolerance = 0.01 if (name, case) == ("estoi", "half_silent") else 1e-3
        assert score(name, pair, None) == pytest.approx(edge["cases"][case]["independent"][key], abs=tolerance), name


def test_f0_track_against_what_was_synthesised():
    for name in ("synth1", "synth2"):
        track = f0_track(Audio.read(SYNTH / f"ref/{name}.wav"))
        with np.load(SYNTH / f"ref/{name}_truth.npz") as truth:
            frames = np.rint((track.start + track.step * np.arange(len(track.values))) / track.step).astype(int)
            true = np.where(truth["voiced_per_256"], truth["f0_per_256"], 0)[frames]
        both = (true > 0) & (track.values > 0)
        assert both.sum() > 0.85 * (true > 0).sum()
        assert np.median(np.abs(1200 * np.log2(track.values[both] / true[both]))) < 20


@pytest.mark.parametrize("align", ["cut", "dtw"])
@pytest.mark.parametrize("name", METRICS)
def test_identity_is_perfect(name, align):
    assert score(name, voice(), voice(), align) == pytest.approx(PERFECT.get(name, 0), abs=1e-5)


@pytest.mark.parametrize("name", METRICS)
def test_more_noise_is_worse(name):
    ref = voice(2.0)
    scores = [score(name, ref, noisy(ref, level)) for level in (0.001, 0.01, 0.1)]
    worse = scores if METRICS[name].higher_is_better else scores[::-1]
    assert worse == sorted(worse, reverse=True) and len(set(scores)) == 3, scores


def test_f0_is_compared_in_place_and_never_centred():
    low, high = voice(f0=150), voice(f0=150 * 2 ** (2 / 12))
    assert score("f0rmse", low, high) == pytest.approx(200, abs=2)
    assert score("fpc", low, high) > 0.99


def test_energy_of_half_the_level_is_6_db_whatever_is_silent():
    ref = voice()
    gap = Audio(np.concatenate([np.zeros(9600), ref.samples]), 24000)
    half = Audio(0.5 * gap.samples, 24000)
    assert score("energy_rmse", ref, Audio(0.5 * ref.samples, 24000)) == pytest.approx(20 * np.log10(2), abs=1e-3)
    assert 0 < score("energy_rmse", gap, half) < 20 * np.log10(2)
    assert decibels(np.zeros(3)).tolist() == [FLOOR_DB] * 3


def test_mcd_knows_no_level_above_its_floor():
    ref = noisy(voice(level=0.7), 0.01)
    assert score("mcd", ref, Audio(0.5 * ref.samples, 24000)) < 0.05


def test_alpha_follows_the_rate():
    assert [mel_alpha(rate) for rate in (16000, 24000, 44100, 48000)] == [0.41, 0.466, 0.544, 0.554]


def test_warp_is_the_cheapest_path():
    rng = np.random.default_rng(0)
    for n, m in ((7, 9), (9, 5), (1, 6), (6, 1), (1, 1), (12, 12)):
        a, b = rng.standard_normal((n, 3)), rng.standard_normal((m, 3))
        path = warp(a, b, 20)
        steps = {tuple(step) for step in np.diff(path, axis=0).tolist()}
        assert path[0].tolist() == [0, 0] and path[-1].tolist() == [n - 1, m - 1] and steps <= {(0, 1), (1, 0), (1, 1)}
        cost = np.linalg.norm(a[path[:, 0]] - b[path[:, 1]], axis=1).sum()
        assert cost == pytest.approx(cheapest(np.linalg.norm(a[:, None] - b[None], axis=2)))


def cheapest(cells):
    total = np.full((len(cells) + 1, len(cells[0]) + 1), np.inf)
    total[0, 0] = 0
    for i, row in enumerate(cells):
        for j, cell in enumerate(row):
            total[i + 1, j + 1] = cell + min(total[i, j], total[i, j + 1], total[i + 1, j])
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
    row = next(row for _, row in pairs(SYNTH) if row["id"] == "synth2__stretch108")
    cut, dtw = (score("f0rmse", sounds(SYNTH, row["ref"], row["deg"], align), None) for align in ("cut", "dtw"))
    assert dtw < 15 < 60 < cut


@pytest.mark.parametrize("name", METRICS)
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


@pytest.mark.parametrize("name", sorted(set(METRICS) - {"energy_rmse", "energy_rmse_linear"}))  # a frame of energy is a frame
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


def test_estoi_is_the_same_twice_and_leaves_the_generator_alone():
    ref = voice()
    half = Audio(np.concatenate([ref.samples[:14400], np.zeros(14400)]), 24000)
    np.random.seed(5)
    first = score("estoi", ref, half)
    drawn = np.random.random()
    assert score("estoi", ref, half) == first
    np.random.seed(5)
    assert np.random.random() == drawn


@pytest.fixture
def folders(tmp_path):
    """Three pairs in three formats and depths, a partner missing on each side, one silent, one that is no audio."""
    ref, deg = tmp_path / "ref", tmp_path / "out/deg"
    for i, suffix in enumerate((".wav", ".flac", ".WAV")):
        sound = voice(f0=120 + 40 * i, seed=i)
        sound.write(ref / "deep" / f"a{i}.wav")
        noisy(sound, 0.01 * (i + 1)).resample(16000 if i == 1 else 24000).write(deg / f"a{i}{suffix}")
    for folder, names in ((ref, ("b_silent", "c_broken", "only_ref")), (deg, ("only_deg",))):
        for name in names:
            voice().write(folder / f"{name}.wav")
    Audio(np.zeros(24000), 24000).write(deg / "b_silent.wav")
    (deg / "c_broken.wav").write_text("not a recording")
    (deg / "notes.txt").write_text("not for us")
    return ref, deg


@pytest.mark.parametrize("jobs", [1, 2])
def test_failures_are_told_and_never_averaged(folders, jobs):
    result = evaluate(*folders, ["mcd", "pesq", "f0rmse"], jobs=jobs)
    assert result.missing == {"reference": ["only_deg"], "generated": ["only_ref"]}
    for name in ("mcd", "pesq", "f0rmse"):
        values, row = result.values[name], result.metrics[name]
        assert list(values) == ["a0", "a1", "a2"] and result.failed[name].keys() == {"b_silent", "c_broken"}
        assert row["mean"] == pytest.approx(np.mean(list(values.values()))) and (row["n"], row["failed"]) == (3, 2)
        assert min(values.values()) <= row["interval"][0] <= row["mean"] <= row["interval"][1] <= max(values.values())
    assert "silent" in result.failed["mcd"]["b_silent"] and "c_broken.wav" in result.failed["mcd"]["c_broken"]
    assert result.settings["metrics"]["mcd"]["rates"]["24000"]["alpha"] == 0.466
    assert result.versions["pyworld"][0].isdigit() and result.versions["praat-parselmouth"][0].isdigit()


def test_two_files_of_one_stem(folders):
    voice().write(folders[1] / "again" / "a0.flac")
    with pytest.raises(ValueError, match=r"a0\.wav.*a0\.flac|a0\.flac.*a0\.wav"):
        evaluate(*folders, ["mcd"])


def test_rates_are_told_and_can_be_set(folders, caplog):
    voice(rate=16000).write(folders[0] / "deep/a0.wav")
    assert list(evaluate(*folders, ["mcd"], jobs=1).settings["metrics"]["mcd"]["rates"]) == ["16000", "24000"]
    result = evaluate(*folders, ["mcd", "pesq"], jobs=1, rate=22050)
    assert list(result.settings["metrics"]["mcd"]["rates"]) == ["22050"]
    assert list(result.settings["metrics"]["pesq"]["rates"]) == ["16000"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda o: o | {"metrics": "mcd psq"}, r"unknown metric 'psq', did you mean 'pesq'\? Choices: energy_rmse, .*stoi"),
        (lambda o: o | {"metrics": " "}, "no metric asked for"),
        (lambda o: o | {"generated": o["reference"] + "/none"}, "no folder"),
        (lambda o: o | {"reference": o["tmp"] + "/empty"}, "no audio in"),
        (lambda o: o | {"generated": o["tmp"] + "/other"}, "same stem"),
        (lambda o: o | {"fs": "fast"}, "--rate fast"),
        (lambda o: o | {"fs": "24"}, "8000 or more"),
        (lambda o: o | {"out": "result.txt"}, r"must end in \.json"),
    ],
)
def test_mistakes_are_named(folders, tmp_path, spoil, message):
    (tmp_path / "empty").mkdir()
    voice().write(tmp_path / "other/z.wav")
    options = spoil({"reference": str(folders[0]), "generated": str(folders[1]), "metrics": "mcd", "tmp": str(tmp_path)})
    with pytest.raises(ValueError, match=message):
        main([word for key, value in options.items() if key != "tmp" for word in (f"--{key}", value)])


def test_program_writes_json_and_table(folders):
    ref, deg = map(str, folders)
    assert (
        main(
            [
                "--reference_folder",
                ref,
                "--generated_folder",
                deg,
                "--metrics",
                "stoi",
                "energy_rmse",
                "--fs",
                "None",
                "--jobs",
                "1",
            ]
        )
        == 0
    )
    result = read_json(folders[1].parent / "result.json")
    assert result["metrics"]["stoi"]["n"] == 3 and result["values"]["energy_rmse"].keys() == {"a0", "a1", "a2"}
    assert (folders[1].parent / "result.md").read_text() == markdown(result) + "\n"
    for name in ("b_silent", "c_broken"):
        (folders[0] / f"{name}.wav").rename(folders[0] / f"x{name}.wav")
    assert (
        main(["--reference", ref, "--generated", deg, "--metrics", "stoi", "--dump_folder", str(folders[0]), "--jobs", "1"]) == 0
    )
    assert read_json(folders[0] / "result.json")["failed"]["stoi"] == {}


def test_a_metric_without_any_value_is_a_failing_run(tmp_path):
    voice().write(tmp_path / "ref/a.wav")
    Audio(np.zeros(24000), 24000).write(tmp_path / "deg/a.wav")
    assert (
        main(["--reference", str(tmp_path / "ref"), "--generated", str(tmp_path / "deg"), "--metrics", "stoi", "--jobs", "1"])
        == 1
    )
    row = read_json(tmp_path / "result.json")["metrics"]["stoi"]
    assert (row["mean"], row["std"], row["interval"], row["n"], row["failed"]) == (None, None, None, 0, 1)


def test_program_starts_without_heavy_imports(tmp_path):
    words = [sys.executable, "-X", "importtime", "-m", "bins.evaluate", "--help"]
    shown = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {line.split("|")[-1].strip() for line in shown.stderr.splitlines()}
    assert not loaded & {"torch", "scipy", "librosa", "pyworld", "parselmouth", "numba", "pystoi", "pesq"}
    words = [sys.executable, "-m", "bins.evaluate", "--reference", "x", "--generated", "y", "--metrics", "mdc"]
    wrong = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: unknown metric 'mdc', did you mean 'mcd'?")
    assert wrong.stderr.count("\n") == 1


def test_summary_of_few():
    assert summary([]) == {"mean": None, "std": None, "n": 0, "interval": None}
    assert summary([2.0]) == {"mean": 2.0, "std": None, "n": 1, "interval": None}
    scores = np.random.default_rng(3).normal(5, 2, 400)
    found = summary(scores.tolist())
    half = 1.96 * scores.std(ddof=1) / 20
    assert found["interval"] == pytest.approx([scores.mean() - half, scores.mean() + half], abs=0.03)
    assert json.loads(json.dumps(found)) == found
