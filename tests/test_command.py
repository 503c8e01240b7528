"""The command `amphion`, the module of that name, and both from whatever folder a user is in, with files of whatever names."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from setuptools import distutils

import amphion
from bins import recipe
from bins.__main__ import main, programs
from bins.models import PUBLISHED, TASKS, came_along
from bins.models import main as models
from bins.train import main as train
from models import MODELS
from tests.conftest import ROOT
from utils.config import load_config
from utils.files import write_json
from utils.hub import HUB_ID, fetch
from utils.registry import load_object


def python(*words, cwd):
    """What Python says there, with this checkout to be found."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=cwd, env=environment)


@pytest.fixture
def clashing(tmp_path):
    """A user's folder, whose files have the names of packages of ours."""
    (tmp_path / "utils.py").write_text("mine = 1\n")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/__init__.py").write_text("mine = 2\n")
    return tmp_path


def test_the_command_lists_every_program_with_a_line(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    written = {path.stem for path in (ROOT / "bins").glob("[a-z]*.py") if "\ndef main(" in path.read_text()}
    assert programs().keys() == written and {"infer", "train", "evaluate", "recipe"} <= written
    for name, line in programs().items():
        assert f"  {name}" in shown and len(line) > 20 and line in shown
    main(["--version"])
    assert capsys.readouterr().out == f"amphion {amphion.__version__}\n"


def test_it_runs_them_and_answers_a_misspelt_one(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["amphion"])
    with pytest.raises(SystemExit) as left:
        main(["train", "--help"])
    assert left.value.code == 0 and "usage: amphion train [-h]" in capsys.readouterr().out
    with pytest.raises(ValueError, match="did you mean 'evaluate'"):
        main(["evalute"])


@pytest.mark.parametrize("name", programs())
def test_each_of_them_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0 and "usage: " in capsys.readouterr().out


def test_its_help_loads_nothing_heavy(tmp_path):
    shown = python("-X", "importtime", "-m", "bins", "--help", cwd=tmp_path)
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in shown.stderr.splitlines()}
    assert "  infer" in shown.stdout and not loaded & {"torch", "numpy", "soundfile", "models", "utils"}


def test_an_installation_has_the_command(monkeypatch):
    monkeypatch.chdir(ROOT)
    installed = distutils.core.run_setup("setup.py", stop_after="init")
    (entry,) = installed.entry_points["console_scripts"]
    assert entry.startswith("amphion = ") and callable(load_object(entry.removeprefix("amphion = ")))
    assert installed.get_version() == amphion.__version__
    assert all("py.typed" in installed.package_data[name] for name in installed.packages if "." not in name)


def test_programs_run_beside_files_of_the_same_names(clashing):
    done = python("-m", "bins", "infer", "--model", "Vits", "--help", cwd=clashing)
    assert done.returncode == 2 and "did you mean 'VITS'" in done.stderr, done.stderr


def test_a_script_beside_files_of_the_same_names_is_told_so_in_a_sentence(clashing):
    for line in ("import amphion", "import utils, amphion", "from models import load"):
        done = python("-c", line, cwd=clashing)
        if line == "from models import load":  # theirs: nothing of ours is asked
            assert "cannot import name 'load' from 'models'" in done.stderr
            continue
        last = done.stderr.splitlines()[-1]
        assert last.startswith("ImportError: ") and str(clashing) in last and "rename yours" in last
    shutil.rmtree(clashing / "models")
    told = python("-c", "from models import load", cwd=clashing).stderr.splitlines()[-1]
    assert "utils.py has the name of a package of Amphion's, utils" in told


def test_amphion_loads_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fetch("pretrained/vits_kathleen") == ROOT / "pretrained/vits_kathleen"
    (tmp_path / "pretrained/vits_kathleen").mkdir(parents=True)
    assert fetch("pretrained/vits_kathleen").resolve() == tmp_path / "pretrained/vits_kathleen", "a user's own comes first"
    assert amphion.Audio.__name__ == "Audio" and amphion.load.__doc__
    with pytest.raises(AttributeError, match="it has Audio, load"):
        amphion.lode  # noqa: B018
    with pytest.raises(ValueError, match="nothing at nowhere"):
        amphion.load("nowhere")
    assert load_config("egs/tts/VITS/exp_config.json")["model_type"] == "VITS"


def test_paths_given_to_a_recipe_are_the_callers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.json").write_text('{"base_config": "egs/tts/VITS/exp_config.json", "log_dir": "runs"}')
    words = ["--config", "mine.json", "--set", "dataset_path.custom=recordings", "--dry-run"]
    assert recipe.main(["egs/tts/VITS", *words]) == 0
    said = capsys.readouterr().out
    assert "bins.train --config mine.json --name default --set dataset_path.custom=recordings" in said
    ran = []
    monkeypatch.setattr(recipe.subprocess, "Popen", _Popen(ran))
    recipe.main(["egs/tts/VITS", "--config", "mine.json", "--stage", "train"])
    ((_, how),) = ran
    assert "cwd" not in how and how["env"]["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)


def _Popen(ran):
    class Process:
        def __init__(self, words, **how):
            ran.append((words, how))

        def wait(self):
            return 0

    return Process


def test_train_without_a_model_says_how_to_list_settings(capsys):
    with pytest.raises(SystemExit):
        train(["--help"])
    assert "With --config or --model this lists all settings" in " ".join(capsys.readouterr().out.split())


def test_models_lists_what_came_along_and_what_is_published_by_task(capsys):
    assert models([]) == 0
    shown = capsys.readouterr().out
    for card in (ROOT / "pretrained").glob("*/card.json"):
        assert f"amphion infer --checkpoint pretrained/{card.parent.name} " in shown
    assert "sample: pretrained/vits_kathleen/samples/" in shown
    assert "CC0 1.0" in shown and "7.9 M" in shown and [line for line in shown.splitlines() if line in TASKS] == list(TASKS)
    models(["tts", "--language", "de"])
    shown = capsys.readouterr().out
    assert "mms-tts-deu" in shown and "mms-tts-eng" not in shown and "bigvgan" not in shown
    with pytest.raises(ValueError, match="--language xx: there is none here; there are de, en"):
        models(["--language", "xx"])


def test_a_model_that_speaks_like_a_recording_is_listed_with_a_prompt(tmp_path):
    write_json(tmp_path / "like_you/card.json", {"model_type": "NaturalSpeech2", "preprocess": {"sample_rate": 24000}})
    (row,) = came_along(tmp_path)
    assert row.line == 'amphion infer --checkpoint pretrained/like_you --text "Hello there." --prompt voice.wav' and not row.sample


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row.place)
def test_the_line_of_a_model_can_be_typed(row):
    """Its options exist, of the program or of some model of its task; its size is a number, and a hub id is one."""
    words = row.line.split()
    assert row.task in TASKS and (not row.size or float(row.size) > 0)
    assert "." in row.place or "/G_" in row.place or HUB_ID.fullmatch("/".join(row.place.split("/")[:2])), row.place
    known = set(re.findall(r"--[\w-]+", (ROOT / "bins/infer.py").read_text()))
    for spec in MODELS.values():
        known |= {f"--{name}" for name in load_object(spec.task).own_options()}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.skipif(not shutil.which("bash"), reason="env.sh is for bash")
def test_asking_env_sh_what_it_does_installs_nothing(tmp_path):
    script = shutil.copy(ROOT / "env.sh", tmp_path)
    for words, code, told in ((["--help"], 0, "bash env.sh demo"), (["demmo"], 1, "unknown argument 'demmo'")):
        done = subprocess.run(["bash", script, *words], capture_output=True, text=True)
        assert done.returncode == code and told in done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["env.sh"]


def test_the_image_runs_the_two_commands_of_the_front_page():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert lines[-2:] == ['ENTRYPOINT ["bash", "/amphion/env.sh"]', 'CMD ["demo"]'] and "RUN bash env.sh" in lines
