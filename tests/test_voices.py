"""bins.voices: a model of several voices from its run to the table that says whether they can be told apart."""

import json
import shutil
from pathlib import Path

import pytest

from bins import voices
from bins.voices import Judged, table
from tests.conftest import ROOT
from tests.test_recipes import demo, stage  # noqa: F401 (a fixture)


def test_the_table_counts_what_is_nearest():
    heard = [
        Judged("recorded", "a", "a", {"a": 0.9, "b": 0.5, "c": 0.3}),
        Judged("converted", "b", "a", {"a": 0.4, "b": 0.8, "c": 0.2}),
        Judged("converted", "c", "a", {"a": 0.6, "b": 0.4, "c": 0.5}),
    ]
    assert table(heard).splitlines()[2:] == [
        "| recorded | 1 | 0.90 | - | 0.40 | - | 1 of 1 |",
        "| converted | 2 | 0.65 | 0.50 | 0.30 | 1 of 2 | 1 of 2 |",
    ]


def test_two_voices_have_no_others():
    assert (
        table([Judged("converted", "b", "a", {"a": 0.4, "b": 0.8})]).splitlines()[2]
        == "| converted | 1 | 0.80 | 0.40 | - | 1 of 1 | 1 of 1 |"
    )


def test_a_run_is_heard(demo, monkeypatch, capsys):  # noqa: F811
    monkeypatch.chdir(ROOT)
    where = Path("egs/tts/VITS")
    for which in ("1", "2"):
        stage(demo, where, which, monkeypatch)
    sets = [f"dataset_path.demo={demo / 'demo'}", f"preprocess.processed_dir={demo / 'data'}", f"log_dir={demo / 'ckpts/VITS'}"]
    words = ["--config", "egs/tts/VITS/tiny.json", "--name", "tiny", *(word for each in sets for word in ("--set", each))]
    assert voices.main([*words, "--limit", "2"]) == 0
    out = demo / "ckpts/VITS/tiny/result/voices"
    found = json.loads((out / "voices.json").read_text())
    recorded = [one for one in found if one["made"] == "recorded"]
    assert len(recorded) == 2 and all(max(one["likeness"], key=one["likeness"].get) == one["wanted"] for one in recorded)
    assert all((one["wanted"] == one["source"]) == (one["made"] != "converted") for one in found)
    assert (out / "voices.png").stat().st_size and len(list(out.glob("*/*.wav"))) >= len(found)
    assert "| recorded | 2 |" in capsys.readouterr().out
    with pytest.raises(ValueError, match="one voice"):
        monkeypatch.setattr(voices, "_known", lambda utterances: {"ann": utterances})
        voices.main(words)


def test_conversions_of_songs_are_measured_beside_their_sources(demo, monkeypatch, capsys):  # noqa: F811
    monkeypatch.chdir(ROOT)
    where = Path("egs/svc/TransformerSVC")
    for which in ("1", "2"):
        stage(demo, where, which, monkeypatch)
    run = demo / "ckpts/TransformerSVC"
    folders = {"dataset_path.demo_songs": demo / "demo_songs", "preprocess.processed_dir": demo / "data", "log_dir": run}
    sets = [word for name, folder in folders.items() for word in ("--set", f"{name}={folder}")]
    words = ["--config", str(where / "tiny.json"), "--name", "tiny", *sets]
    assert voices.main([*words, "--limit", "2", "--metrics", "energy_rmse v_uv_f1"]) == 0
    out = run / "tiny/result/voices"
    names = {path.name for path in (out / "converted").glob("*.wav")}
    assert len(names) == 2 and names < {path.name for path in (out / "source").glob("*.wav")}
    measured = json.loads((out / "conversions.json").read_text())["metrics"]
    assert measured["energy_rmse"]["n"] == 2
    copies = json.loads((out / "copies.json").read_text())["metrics"]
    assert copies["energy_rmse"]["n"] == 2 and copies["energy_rmse"]["mean"] < measured["energy_rmse"]["mean"]
    same = json.loads((out / "parallel.json").read_text())["metrics"]["mcd"]  # of the demo's songs each is sung by both
    assert same["n"] == 2 and 0 < same["mean"] < 40
    assert "| energy_rmse" in capsys.readouterr().out


def test_songs_of_others_are_converted_to_the_voices_that_are_named(demo, monkeypatch, capsys):  # noqa: F811
    monkeypatch.chdir(ROOT)
    where = Path("egs/svc/TransformerSVC")
    run = demo / "ckpts/TransformerSVC"
    folders = {"dataset_path.demo_songs": demo / "demo_songs", "preprocess.processed_dir": demo / "data", "log_dir": run}
    sets = [word for name, folder in folders.items() for word in ("--set", f"{name}={folder}")]
    words = ["--config", str(where / "tiny.json"), "--name", "tiny", *sets, "--metrics", "energy_rmse"]
    (demo / "songs/stranger").mkdir(parents=True)
    sung = sorted((demo / "demo_songs/wavs").glob("*.wav"))[0]
    shutil.copy(sung, demo / "songs/stranger/tune.wav")
    (demo / "songs/stranger/broken.wav").write_bytes(b"RIFF")
    words += ["--songs", str(demo / "songs"), "--out", str(demo / "out")]
    with pytest.raises(ValueError, match="unknown metric 'mdc'"):
        voices.main([*words, "--metrics", "mdc"])
    (demo / "out/converted").mkdir(parents=True)
    (demo / "out/converted/of_an_earlier_run.wav").touch()
    with pytest.raises(ValueError, match="--to.*adam"):
        voices.main([*words, "--to", "demo_songs_adm"])
    with pytest.raises(ValueError, match="not of this program.*empty folder"):
        voices.main([*words, "--to", "demo_songs_adam"])
    assert (demo / "out/converted/of_an_earlier_run.wav").is_file(), "a user's own recording was taken away"
    (demo / "out/settings.json").write_text("{}")
    assert voices.main([*words, "--to", "demo_songs_adam", "--key_shift", "-2"]) == 0
    names = [path.name for path in (demo / "out/converted").glob("*.wav")]
    assert names == ["stranger_tune_demo_songs_adam.wav"]
    found = json.loads((demo / "out/voices.json").read_text())
    assert {one["made"] for one in found} == {"recorded", "vocoded", "converted"}
    assert all("songs_stranger" in one["likeness"] for one in found)
    assert "| converted | 1 |" in capsys.readouterr().out
