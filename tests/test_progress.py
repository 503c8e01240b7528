"""Bars in a log file: whole lines, and few of them; files are as readable as their user wishes."""

import io
import os
import stat
import subprocess
import sys

import torch

from models.base.checkpoint import save_release
from utils import progress as module
from utils.files import write_whole
from utils.log import log
from utils.progress import progress


def test_a_log_file_gets_lines_and_one_a_minute_at_most(monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    for number in progress(range(300), desc="work"):
        if number == 150:
            log.handlers[0].setStream(file)
            log.info("half way")
    lines = file.getvalue().splitlines()
    bars = [line for line in lines if line.startswith("work")]
    assert len(bars) == 2 and "0/300" in bars[0] and "300/300" in bars[1]
    assert "\r" not in file.getvalue() and sum("half way" in line for line in lines) == 1


def test_a_terminal_sees_the_bar_move(monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    monkeypatch.setattr(module, "watched", lambda: True)
    for _ in progress(range(3), desc="work", mininterval=0, file=file):
        pass
    assert file.getvalue().count("\r") >= 3


def test_what_no_user_can_mend_is_not_said():
    words = [sys.executable, "-c", "import utils.log, pyworld"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stderr == ""


def test_files_are_as_readable_as_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        written = write_whole(tmp_path / "a.txt", lambda path: path.write_text("a"))
        save_release(tmp_path / "release", {"model_type": "none"}, {"weight": torch.zeros(2)})
    finally:
        os.umask(before)
    for path in (written, tmp_path / "release/model.safetensors"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o640, path
