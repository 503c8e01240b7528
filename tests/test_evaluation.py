"""The engine: pairs, failures, stopping and going on, what is bad about the input, and the program around it."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from bins.evaluate import main
from evaluation import base
from evaluation.base import evaluate
from evaluation.metric import Ratio
from evaluation.result import markdown, pooled_summary, set_summary, summary
from tests.conftest import ROOT
from tests.test_metrics import noisy, voice
from utils.audio import Audio
from utils.files import read_json


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


@pytest.fixture
def two(tmp_path):
    """Two pairs that nothing is wrong with."""
    for i in range(2):
        voice(f0=120 + 40 * i).write(tmp_path / f"ref/a{i}.wav")
        noisy(voice(f0=120 + 40 * i), 0.02).write(tmp_path / f"deg/a{i}.wav")
    return tmp_path / "ref", tmp_path / "deg"


@pytest.mark.parametrize("jobs", [1, 2])
def test_failures_are_told_and_never_averaged(folders, jobs):
    result = evaluate(*folders, ["mcd", "pesq", "f0rmse"], jobs=jobs)
    assert result.missing == {"reference": ["only_deg"], "generated": ["only_ref"]}
    for name in ("mcd", "pesq", "f0rmse"):
        row = result.metrics[name]
        values = result.values[name]
        assert list(values) == ["a0", "a1", "a2"]
        assert result.failed[name].keys() == {"b_silent", "c_broken"}
        assert (row["n"], row["failed"]) == (3, 2)
        scores = sorted(values.values())
        assert row["mean"] == pytest.approx(np.mean(scores))
        low, high = row["interval"]
        assert scores[0] <= low <= row["mean"] <= high <= scores[-1]
    reasons = result.failed["mcd"]
    assert "silent" in reasons["b_silent"]
    assert "c_broken.wav" in reasons["c_broken"]
    settings = result.settings["metrics"]["mcd"]
    assert settings["rates"]["24000"]["alpha"] == 0.466
    for package in ("pyworld", "praat-parselmouth"):
        assert result.versions[package][0].isdigit()


def test_two_files_of_one_stem(folders):
    voice().write(folders[1] / "again" / "a0.flac")
    with pytest.raises(ValueError, match=r"a0\.wav.*a0\.flac|a0\.flac.*a0\.wav"):
        evaluate(*folders, ["mcd"])


def test_rates_are_told_and_can_be_set(folders):
    voice(rate=16000).write(folders[0] / "deep/a0.wav")
    own = evaluate(*folders, ["mcd"], jobs=1)
    assert rates_of(own, "mcd") == ["16000", "24000"]
    asked = evaluate(*folders, ["mcd", "pesq"], jobs=1, rate=22050)
    assert rates_of(asked, "mcd") == ["22050"]
    assert rates_of(asked, "pesq") == ["16000"]


def rates_of(result, name):
    settings = result.settings["metrics"][name]
    return list(settings["rates"])


def test_nan_samples_stereo_and_lengths(two):
    import soundfile

    ref, deg = two
    stereo = np.stack([voice().samples, voice().samples], axis=1)
    for folder in two:
        soundfile.write(folder / "stereo.wav", stereo, 24000)
    voice().write(ref / "nan.wav")
    soundfile.write(deg / "nan.wav", np.where(np.arange(9000) == 5, np.nan, 0.1), 24000, subtype="FLOAT")
    voice().write(ref / "longer.wav")
    Audio(np.concatenate([voice().samples, 0.1 * voice(0.5).samples]), 24000).write(deg / "longer.wav")
    result = evaluate(ref, deg, ["mstft", "snr", "mcd_dtw"], jobs=1)
    assert result.values["mstft"]["stereo"] == 0 and result.values["snr"]["stereo"] == 100
    assert "NaN" in result.failed["snr"]["nan"] and "nan" not in result.values["snr"]
    assert result.values["snr"]["longer"] > 80 and result.values["mcd_dtw"]["longer"] > 0


def test_all_unvoiced(two):
    ref, deg = two
    hiss = noisy(Audio(np.zeros(28800), 24000), 0.1)
    for path in (ref / "a0.wav", deg / "a0.wav"):
        hiss.write(path)
    result = evaluate(ref, deg, ["f0rmse", "v_uv_f1", "mstft"], jobs=1)
    for name in ("f0rmse", "v_uv_f1"):
        assert "no voice in the reference and the generated file" in result.failed[name]["a0"] and result.metrics[name]["n"] == 1
    assert result.values["mstft"]["a0"] == 0


def test_silent_reference(two):
    Audio(np.zeros(24000), 24000).write(two[0] / "a0.wav")
    result = evaluate(
        *two, ["stoi", "similarity_resemblyzer_overall", "si_sdr"] if has("resemblyzer") else ["stoi", "si_sdr"], jobs=1
    )
    assert "the reference file is silent" in result.failed["stoi"]["a0"] and "silent" in result.failed["si_sdr"]["a0"]


def has(package):
    from evaluation.metric import version

    return version(package) is not None


def test_a_stopped_run_goes_on_where_it_was(two, monkeypatch, tmp_path):
    keep = tmp_path / "kept/result.parts.jsonl"
    real, worked = base._score, []

    def stopping(item, **more):
        if len(worked) == 1:
            raise KeyboardInterrupt
        worked.append(item[0])
        return real(item, **more)

    monkeypatch.setattr(base, "_score", stopping)
    with pytest.raises(KeyboardInterrupt):
        evaluate(*two, ["snr", "v_uv_f1", "stoi"], jobs=1, keep=keep)
    done = []
    monkeypatch.setattr(base, "_score", lambda item, **more: (done.append((item[0], item[3])), real(item, **more))[1])
    result = evaluate(*two, ["snr", "v_uv_f1", "stoi"], jobs=1, keep=keep)
    assert worked == ["a0"] and done == [("a1", ["snr", "v_uv_f1", "stoi"])]
    monkeypatch.setattr(base, "_score", real)
    fresh = evaluate(*two, ["snr", "v_uv_f1", "stoi"], jobs=1)
    assert (result.metrics, result.values, result.counts) == (fresh.metrics, fresh.values, fresh.counts)


def test_only_what_changed_is_done_again(two, monkeypatch, tmp_path):
    keep, real, done = tmp_path / "parts.jsonl", base._score, []
    monkeypatch.setattr(base, "_score", lambda item, **more: (done.append((item[0], item[3])), real(item, **more))[1])

    def run(names, **more):
        done.clear()
        return evaluate(*two, names, jobs=1, keep=keep, **more)

    run(["snr"])
    with keep.open("a", encoding="utf-8") as file:
        file.write('{"id": "a1", "cut sho')  # as a killed run leaves it
    assert run(["snr"]).values["snr"].keys() == {"a0", "a1"} and done == []
    run(["snr", "mstft"])
    assert done == [("a0", ["mstft"]), ("a1", ["mstft"])]
    run(["snr", "mstft"], rate=16000)
    assert len(done) == 2
    run(["snr", "mstft"])
    assert done == []
    noisy(voice(), 0.2).write(two[1] / "a1.wav")
    noise = run(["snr"]).values["snr"]
    assert done == [("a1", ["snr"])] and noise["a1"] < noise["a0"]


def test_failures_are_tried_again(two, monkeypatch, tmp_path):
    good = (two[1] / "a0.wav").read_bytes()
    (two[1] / "a0.wav").write_bytes(b"no audio")
    keep = tmp_path / "parts.jsonl"
    assert evaluate(*two, ["snr"], jobs=1, keep=keep).metrics["snr"]["failed"] == 1
    (two[1] / "a0.wav").write_bytes(good)
    assert evaluate(*two, ["snr"], jobs=1, keep=keep).metrics["snr"]["failed"] == 0


def test_views_are_computed_once_for_each_file(two, monkeypatch):
    from processors import f0

    real, count = f0.praat_f0, []
    monkeypatch.setattr("evaluation.pitch.praat_f0", lambda *a: (count.append(1), real(*a))[1])
    evaluate(*two, ["fpc", "fpc_log", "f0rmse", "f0rmse_hz", "v_uv_f1", "f0_rpa", "spr"], jobs=1)
    assert len(count) == 4 + 4  # spr asks for voicing at its own frames


def test_voicing_is_pooled_over_frames(two):
    result = evaluate(*two, ["v_uv_f1"], jobs=1)
    counts = result.counts["v_uv_f1"].values()
    assert result.metrics["v_uv_f1"]["mean"] == sum(c[0] for c in counts) / sum(c[1] for c in counts)
    assert result.metrics["v_uv_f1"]["totals"]["tp"] == sum(c[2]["tp"] for c in counts)


def test_upstream_definitions_are_asked_for(two):
    ours, theirs = (evaluate(*two, ["fpc", "mcd", "estoi"], jobs=1, definition=kind) for kind in ("correct", "upstream"))
    assert theirs.values["mcd"]["a0"] != ours.values["mcd"]["a0"] and theirs.values["estoi"] == ours.values["estoi"]
    assert theirs.metrics["mcd"]["definition"] == "upstream" and theirs.metrics["estoi"]["definition"] == "correct"
    assert list(theirs.settings["metrics"]["mcd"]["rates"]) == ["22050"]


MISTAKES = [  # options, and what is said of them
    ({"metrics": "mcd psq"}, r"unknown metric 'psq', did you mean 'pesq'\? Choices: cer, .*stoi"),
    ({"metrics": " "}, "no metric asked for"),
    ({"generated": "REFERENCE/none"}, "no folder"),
    ({"reference": "TMP/empty"}, "no audio in"),
    ({"generated": "TMP/other"}, "same stem"),
    ({"fs": "fast"}, "--rate fast"),
    ({"fs": "24"}, "8000 or more"),
    ({"out": "result.txt"}, r"must end in \.json"),
    ({"metrics": "similarity", "similarity_model": "wavelm"}, "did you mean|unknown similarity model"),
    ({"metrics": "dnsmos", "dnsmos": "TMP/none"}, "no model at .*check --dnsmos"),
    ({"metrics": "wer", "intelligibility_mode": "gt_content"}, "give --ltr_path|needs"),
    ({"metrics": "fad"}, "has no model here: give --vggish"),
]


@pytest.mark.parametrize(("wrong", "message"), MISTAKES)
def test_mistakes_are_named(folders, tmp_path, wrong, message):
    (tmp_path / "empty").mkdir()
    voice().write(tmp_path / "other/z.wav")
    reference, generated = map(str, folders)
    options = {"reference": reference, "generated": generated, "metrics": "mcd"} | wrong
    words = []
    for name, value in options.items():
        value = value.replace("TMP", str(tmp_path)).replace("REFERENCE", reference)
        words += [f"--{name}", value]
    with pytest.raises(ValueError, match=message):
        main(words)


def test_options_of_the_function_are_checked(two):
    with pytest.raises(ValueError, match="did you mean 'definition'"):
        evaluate(*two, ["snr"], definiton="upstream")
    with pytest.raises(ValueError, match="choose correct or upstream"):
        evaluate(*two, ["snr"], definition="ours")
    with pytest.raises(ValueError, match="choose cut or dtw"):
        evaluate(*two, ["snr"], align="warp")


def test_program_writes_json_and_table(folders):
    ref, deg = folders
    names = ["--metrics", "stoi", "energy_rmse", "--fs", "None", "--energy_db_scale", "True", "--jobs", "1"]
    assert main(["--reference_folder", str(ref), "--generated_folder", str(deg), *names]) == 0
    result = read_json(deg.parent / "result.json")
    assert result["metrics"]["stoi"]["n"] == 3
    assert sorted(result["values"]["energy_rmse"]) == ["a0", "a1", "a2"]
    assert (deg.parent / "result.md").read_text() == markdown(result) + "\n"
    for name in ("b_silent", "c_broken"):
        recording = ref / f"{name}.wav"
        recording.rename(ref / f"x{name}.wav")
    words = ["--reference", str(ref), "--generated", str(deg), "--metrics", "stoi", "--jobs", "1"]
    assert main([*words, "--dump_folder", str(ref)]) == 0
    assert read_json(ref / "result.json")["failed"]["stoi"] == {}


def test_a_sibling_keeps_its_result_beside_the_other(two):
    ref, deg = two
    other = deg.with_name("other")
    shutil.copytree(ref, other)
    words = ["--reference", str(ref), "--metrics", "snr", "--jobs", "1", "--generated"]
    for folder in (deg, other, deg):
        assert main([*words, str(folder)]) == 0
    assert read_json(deg.parent / "result.json")["settings"]["generated"] == str(deg)
    assert read_json(deg.parent / "result-other.json")["settings"]["generated"] == str(other)
    assert {path.name for path in deg.parent.glob("result*.md")} == {"result.md", "result-other.md"}


def test_unequal_lengths_say_how_they_were_brought_together(tmp_path, caplog):
    voice().write(tmp_path / "ref/a.wav")
    sound = voice()
    Audio(sound.samples[: len(sound.samples) * 4 // 5], sound.rate).write(tmp_path / "deg/a.wav")
    for align, told in (("cut", "--align dtw is fairer"), ("dtw", "paired by dynamic time warping")):
        result = evaluate(tmp_path / "ref", tmp_path / "deg", ["mcd"], align=align, jobs=1)
        assert told in result.table() and told in caplog.text


def test_all_runs_what_is_here_and_says_what_it_skipped(two, monkeypatch):
    monkeypatch.delenv("AMPHION_MODELS", raising=False)
    rows = {name: base.all_metrics()[name] for name in ("snr", "fd", "dnsmos", "fad_vggish")}
    monkeypatch.setattr(base, "all_metrics", lambda: rows)
    result = evaluate(*two, ["all"], jobs=1)
    assert list(result.metrics) == ["snr"] and result.skipped.keys() == {"fd", "dnsmos", "fad_vggish"}
    assert all("give --" in why for why in result.skipped.values())


def test_a_metric_without_any_value_is_a_failing_run(tmp_path):
    voice().write(tmp_path / "ref/a.wav")
    Audio(np.zeros(24000), 24000).write(tmp_path / "deg/a.wav")
    words = ["--reference", str(tmp_path / "ref"), "--generated", str(tmp_path / "deg"), "--metrics", "stoi", "--jobs", "1"]
    assert main(words) == 1
    row = read_json(tmp_path / "result.json")["metrics"]["stoi"]
    assert (row["mean"], row["std"], row["interval"], row["n"], row["failed"]) == (None, None, None, 0, 1)


def test_recipe_takes_upstreams_options(two):
    words = ["--reference_folder", str(two[0]), "--generated_folder", str(two[1]), "--dump_folder", str(two[0].parent / "dump")]
    words += ["--metrics", "snr stoi", "--fs", "24000", "--align_method", "cut", "--similarity_model", "resemblyzer"]
    words += [
        "--similarity_mode",
        "pairwith",
        "--intelligibility_mode",
        "gt_audio",
        "--ltr_path",
        "None",
        "--language",
        "english",
    ]
    words += ["--f0_subtract_mean", "True", "--energy_db_scale", "True", "--gpu", "None", "--jobs", "1"]
    done = subprocess.run(["sh", str(ROOT / "egs/metrics/run.sh"), *words], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert read_json(two[0].parent / "dump/result.json")["metrics"].keys() == {"snr", "stoi"}


def environment():
    import os

    return {**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}


def test_a_metric_without_a_value_is_a_failure_unless_partial_will_do(two):
    ref, deg = two
    for path in deg.iterdir():  # no voice: the pitch metrics have nothing to say
        Audio(0.1 * np.random.default_rng(0).standard_normal(24000).astype(np.float32), 24000).write(path)
    words = ["--reference", str(ref), "--generated", str(deg), "--jobs", "1", "--metrics"]
    assert [main([*words, "snr f0rmse"]), main([*words, "snr f0rmse", "--partial"])] == [1, 0]
    assert main([*words, "f0rmse", "--partial"]) == 1
    assert read_json(deg.parent / "result.json")["metrics"]["f0rmse"]["failed"] == 2


def test_partial_leaves_out_what_lacks_its_network(two, monkeypatch):
    ref, deg = two
    monkeypatch.setattr("utils.pretrained.locate", lambda source, given="": "")
    words = ["--reference", str(ref), "--generated", str(deg), "--jobs", "1", "--metrics", "snr wer"]
    with pytest.raises(ValueError, match="wer"):
        main(words)
    assert main([*words, "--partial"]) == 0
    assert list(read_json(deg.parent / "result.json")["metrics"]) == ["snr"]


def test_program_starts_without_heavy_imports():
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


def test_pooled_and_set_summaries():
    counts = [Ratio(1, 4, {"x": 1}), Ratio(0, 6, {"x": 0}), Ratio(2, 0, {"x": 2})]
    pooled = pooled_summary(counts)
    assert (pooled["mean"], pooled["mean_of_utterances"], pooled["n"]) == (0.3, 0.125, 3)
    assert pooled["totals"] == {"x": 3}
    assert pooled_summary([Ratio(2, 0, {})])["mean"] is None
    rng = np.random.default_rng(0)
    ref = np.split(rng.normal(0, 1, (200, 2)), 200)
    deg = np.split(rng.normal(3, 1, (200, 2)), 200)
    row = set_summary(squared_distance, ref, deg)
    low, high = row["interval"]
    assert low < row["mean"] < high
    assert row["n"] == row["n_reference"] == 200


def squared_distance(ref, deg):
    shift = ref.mean(axis=0) - deg.mean(axis=0)
    return float(np.square(shift).sum())
