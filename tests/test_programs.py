"""The programs that start workers: killed, they leave nothing behind."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from bins import evaluate, extract, preprocess
from tests.children import Child
from tests.conftest import make_corpus, toy_config

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
CLIPS = 60
SIGNALS = pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
PROGRAMS = pytest.mark.parametrize("program", [preprocess, extract, evaluate], ids=["preprocess", "extract", "evaluate"])


def session(leader: int) -> list[int]:
    """The processes of the session that this one leads, those aside that have ended and wait to be noticed."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(words[3]) == leader and words[0] != "Z":
            found.append(int(folder.name))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clips long enough that every program is at work for seconds, as a corpus with texts and extracted for training."""
    made = make_corpus(tmp_path_factory.mktemp("corpus"), [6.0] * CLIPS)
    (made / "metadata.csv").write_text("".join(f"clip{i:02d}|hello there\n" for i in range(CLIPS)))
    return made


def words(program: ModuleType, folder: Path) -> tuple[str, ...]:
    """What a program is called with, so that it starts workers."""
    if program is evaluate:
        sides = ("--reference", str(folder / "wavs"), "--generated", str(folder / "wavs"))
        return (*sides, "--metrics", "mcd f0rmse stoi", "--jobs", "3")
    # What an earlier case made is not made again: each begins anew.
    features = {"f0": {}, "mel": {"n_fft": 512, "win_size": 512, "n_mel": 20}, "audio": {}}
    for kept in folder.glob("data/*-*"):
        shutil.rmtree(kept)
    config = toy_config(folder, preprocess={"features": features})
    return ("--config", str(config), "--jobs", "3")


def at_work(program: ModuleType, folder: Path) -> Child:
    """The program, once it has started its workers."""
    arguments = words(program, folder)
    child = Child(program.main, arguments)
    while len(session(child.pid)) < 4:
        assert child.poll() is None, child.output()
        time.sleep(0.02)
    return child


@pytest.mark.timeout(120)
@SIGNALS
@PROGRAMS
def test_no_process_is_left_a_second_after_the_program_was_killed(folder, program, ended):
    child = at_work(program, folder)
    os.kill(child.pid, ended)
    child.wait()
    time.sleep(1)
    assert session(child.pid) == []
