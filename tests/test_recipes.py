"""Every recipe: its run.sh under the shells that people have, and its tiny twin from the corpus to measured sound."""

import argparse
import importlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from bins import recipe
from evaluation.base import measurable
from evaluation.metric import Options
from models import MODELS
from tests import tta
from tests.codec import speech_release
from tests.conftest import ROOT
from utils.config import load_config
from utils.registry import load_object

RECIPES = sorted(p.parent.relative_to(ROOT) for p in (ROOT / "egs").rglob("tiny.json"))
SHELLS = [shell for shell in ("dash", "bash", "sh") if shutil.which(shell)]
ENVIRONMENT = {**os.environ, "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])}


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A demo corpus of twenty utterances, four to validate, four to test; six demo songs by two singers; twenty clips of events; a codec;
    and an autoencoder of mels."""
    from preprocessors import demo, demo_events, demo_songs

    folder = tmp_path_factory.mktemp("demo")
    demo.make(folder / "demo", sentences=5)
    demo_songs.ensure(folder / "demo_songs")
    demo_events.make(folder / "demo_events", clips=20)
    speech_release(folder / "codec")
    tta.release(folder / "autoencoder")
    return folder


def stage(folder, where, which, monkeypatch, *rest):
    """One stage of a tiny twin, two updates long, in this process: a new one would import torch for each."""
    monkeypatch.setattr(recipe, "_run", lambda words, options: importlib.import_module(words[2]).main(words[3:]))
    config = load_config(ROOT / where / "tiny.json")
    (dataset,) = config["dataset"]
    sets = {
        f"dataset_path.{dataset}": folder / dataset, "preprocess.processed_dir": folder / "data", "log_dir": folder / "ckpts" / where.name,
        "train.max_steps": 2, "train.valid_every": 2, "train.save_every": 2, "train.log_every": 1, "train.workers": 0, "train.samples": 1,
    }  # fmt: skip
    if "warmup" in config["train"].get("schedule", {}):
        sets["train.schedule.warmup"] = 0  # or two updates teach no token to last
    if "stages" in config["train"]:
        del sets["train.max_steps"]
        sets |= {f"train.stages.{name}.max_steps": 1 for name in config["train"]["stages"]}
    if "codec" in config["preprocess"]["features"]:
        sets |= {"preprocess.features.codec.model": folder / "codec", "preprocess.features.codec.bandwidth": 1.5}
    if "latent" in config["preprocess"]["features"]:
        sets |= {"preprocess.features.latent.model": folder / "autoencoder", "preprocess.hop_size": tta.LATENT_HOP}
    if "adversarial_from" in config["train"]:
        sets["train.adversarial_from"] = 1
    words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    assert recipe.main([str(where), "--tiny", "--stage", which, *words, *rest]) == 0


def test_no_two_tiny_twins_share_a_folder():
    folders = [load_config(ROOT / where / "tiny.json")["log_dir"] for where in RECIPES]
    assert len(set(folders)) == len(RECIPES)


@pytest.mark.parametrize("where", RECIPES, ids=str)
def test_tiny_twin_goes_from_corpus_to_measured_sound(where, demo, monkeypatch):
    monkeypatch.chdir(ROOT)
    for which in ("1", "2"):
        stage(demo, where, which, monkeypatch)
    stage(demo, where, "infer", monkeypatch, "--limit", "1")
    stage(demo, where, "evaluate", monkeypatch, "--metrics", "mcd energy_rmse")  # two updates give no voice to measure
    run = demo / "ckpts" / where.name / "tiny"
    assert list(run.glob("result/generated/*.wav")) and list(run.glob("result/pictures/*.png"))
    result = json.loads((run / "result/result.json").read_text())
    assert all(metric["n"] == 1 for metric in result["metrics"].values()), result
    assert (run / "checkpoint/step-00000002/model.safetensors").is_file()


def test_every_task_is_measured_by_something_that_needs_no_network(monkeypatch):
    """Or the last stage of its recipes fails where none is."""
    monkeypatch.delenv("AMPHION_MODELS", raising=False)
    for place in {spec.task for spec in MODELS.values()}:
        metrics = load_object(place).metrics.split()
        assert measurable(metrics, Options()), place


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    """Variables of a shell whose `python` prints where it is called, its PYTHONPATH and its words: the true one takes seconds to start."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "python").write_text('#!/bin/sh\npwd\necho "$PYTHONPATH"\nprintf "%s\\n" "$@"\n')
    (folder / "python").chmod(0o755)
    return {**os.environ, "PATH": os.pathsep.join([str(folder), os.environ["PATH"]])}


def said_by(shell, script, environment):
    words = [shell, str(script), "--dry-run", "--name", "ex 1"]
    return subprocess.run(words, capture_output=True, text=True, env=environment, cwd="/")


@pytest.mark.parametrize("where", RECIPES, ids=str)
def test_run_sh_calls_the_same_program_under_every_shell(where, echo, tmp_path):
    folder = tmp_path / "a house"  # one without a .venv, whose python would come first
    (folder / where).mkdir(parents=True)
    script = shutil.copy(ROOT / where / "run.sh", folder / where)
    for shell in SHELLS:
        run = said_by(shell, script, echo)
        wanted = ["/", str(folder), "-m", "bins.recipe", str(where), "--dry-run", "--name", "ex 1"]  # where the caller is
        assert run.returncode == 0 and run.stdout.splitlines() == wanted, run.stderr


@pytest.mark.parametrize("where", RECIPES, ids=str)
def test_a_recipe_runs_the_five_programs(where, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert recipe.main([str(where), "--dry-run", "--name", "ex1"]) == 0
    said = capsys.readouterr().out
    for program in ("preprocess", "extract", "train", "infer", "evaluate"):
        assert f"bins.{program} " in said


@pytest.mark.parametrize("shell", SHELLS)
def test_run_sh_itself_prints_the_commands(shell):
    run = said_by(shell, ROOT / RECIPES[0] / "run.sh", ENVIRONMENT)
    assert run.returncode == 0 and "bins.preprocess " in run.stdout and "bins.evaluate " in run.stdout, run.stderr


@pytest.mark.parametrize("where", RECIPES, ids=str)
def test_a_recipe_explains_itself(where):
    page = (ROOT / where / "README.md").read_text(encoding="utf-8")
    assert "--tiny" in page and f"{where}/run.sh" in page
    assert len((ROOT / where / "run.sh").read_text(encoding="utf-8").splitlines()) <= 3, "recipes hold values, no logic"


@pytest.mark.slow
def test_the_command_of_the_readme_itself(demo, tmp_path):
    """As a user types it, every stage a process of its own, up to speech; two updates give none that could be measured."""
    sets = {"dataset_path.demo": demo / "demo", "preprocess.processed_dir": tmp_path / "data", "log_dir": tmp_path / "ckpts"}
    sets |= {"train.max_steps": 2, "train.valid_every": 2, "train.save_every": 2, "train.workers": 0}
    words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    script = ROOT / "egs/tts/FastSpeech2/run.sh"
    done = subprocess.run(["sh", str(script), "--tiny", "--stage", "1-3", *words], capture_output=True, text=True, env=ENVIRONMENT, timeout=280)
    assert done.returncode == 0, done.stderr
    for named in ("hear", "see", "Next:"):
        assert named in done.stdout


def test_a_failing_stage_stops_the_range_and_says_which(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(ROOT)
    words = ["--set", f"dataset_path.ljspeech={tmp_path / 'nowhere'}", "--set", f"preprocess.processed_dir={tmp_path}"]
    assert recipe.main(["egs/tts/FastSpeech2", *words]) != 0
    out, err = capfd.readouterr()
    assert "the stage preprocess failed" in err and "bins.train" not in out


@pytest.mark.parametrize(("stage", "code"), [("", -signal.SIGTERM), ("signal.signal(signal.SIGTERM, lambda *_: os._exit(0));", 143)])
def test_a_recipe_that_is_ended_ends_its_stage(stage, code):
    def ended(*_):
        raise AssertionError("the signal went past the stage")

    before = signal.signal(signal.SIGTERM, ended)
    words = [sys.executable, "-c", f"import os, signal, time; {stage} os.kill(os.getppid(), signal.SIGTERM); time.sleep(30)"]
    try:
        assert recipe._run(words, argparse.Namespace(gpu=None, dry_run=False)) == code
        assert signal.getsignal(signal.SIGTERM) is ended
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_to_try_next_keeps_the_config_and_the_settings(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recipe, "_run", lambda words, options: 0)
    mine = tmp_path / "my own.json"
    mine.write_text(json.dumps({"base_config": str(ROOT / "egs/tts/FastSpeech2/tiny.json")}))
    given = ["egs/tts/FastSpeech2", "--config", str(mine), "--set", f"log_dir={tmp_path}", "--name", "ex1"]
    recipe.main([*given, "--stage", "infer"])
    told = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Next:"))
    assert told.startswith(f"Next: {shlex.join(['python', '-m', 'bins.recipe', *given])} --stage infer --text ")


def test_the_table_that_the_evaluate_stage_printed_is_named_and_not_printed_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recipe, "_run", lambda words, options: 0)
    (tmp_path / "tiny/result").mkdir(parents=True)
    (tmp_path / "tiny/result/result.md").write_text("| metric | mean |")
    recipe.main(["egs/tts/FastSpeech2", "--tiny", "--set", f"log_dir={tmp_path}", "--stage", "evaluate"])
    said = capsys.readouterr().out
    assert "read" in said and "result.md" in said and "| metric" not in said


@pytest.mark.parametrize("text", [["--text", "Hi."], ["--text=Hi."], ["--infer_text", "Hi."]])
def test_a_text_is_not_announced_as_the_results_of_the_split(text, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recipe, "_run", lambda words, options: 0)
    (tmp_path / "tiny/result/generated").mkdir(parents=True)
    (tmp_path / "tiny/result/generated/a.wav").touch()
    words = ["egs/tts/FastSpeech2", "--tiny", "--set", f"log_dir={tmp_path}", "--stage", "infer"]
    recipe.main(words)
    assert "a.wav" in capsys.readouterr().out
    recipe.main([*words, *text])
    assert "a.wav" not in capsys.readouterr().out


def test_options_of_a_stage_need_that_stage():
    with pytest.raises(ValueError, match="need a single --stage"):
        recipe.main(["egs/tts/FastSpeech2", "--tiny", "--text", "Hello."])
    for wrong in ("5", "train-nothing", "3-1"):
        with pytest.raises(ValueError, match="--stage"):
            recipe.main(["egs/tts/FastSpeech2", "--tiny", "--stage", wrong])
