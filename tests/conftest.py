"""A synthetic corpus of a dozen clips, and small configs on it: everything the tests need, made on the spot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.children import toy
from utils.config import build

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; two threads each would fight for the cores
ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
RATE = 16000


def make(model: type, **settings):
    """A model from settings as a config has them: each in its group, or under the name that it had before there was one."""
    return build(model, settings)


def clip(seconds: float, frequency: float, seed: int) -> np.ndarray:
    """A buzzing tone with a wavering pitch and a little noise, float32 (samples,)."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(frequency * (1 + 0.05 * np.sin(2 * np.pi * 2 * t))) / RATE
    tone = sum(np.sin(k * phase) / k for k in range(1, 6))
    return (0.2 * tone + 0.005 * np.random.default_rng(seed).standard_normal(len(t))).astype(np.float32)


def make_corpus(folder: Path, seconds: list[float], *, valid: int = 2) -> Path:
    """Clips and manifests of the corpus "custom" under `folder`; the last `valid` ones are the valid and test splits."""
    from preprocessors.base import Utterance, write_manifest
    from utils.audio import Audio

    rows = []
    for i, length in enumerate(seconds):
        path = Audio(clip(length, 120 + 15 * i, i), RATE).write(folder / "wavs" / f"clip{i:02d}.wav")
        rows.append(Utterance(f"clip{i:02d}", "custom", "ann" if i % 2 else "bob", str(path), length, text="hello there"))
    write_manifest(folder / "data/custom/train.jsonl", rows[:-valid])
    write_manifest(folder / "data/custom/valid.jsonl", rows[-valid:])
    write_manifest(folder / "data/custom/test.jsonl", rows[-valid:])
    return folder


def toy_config(folder: Path, **sections) -> Path:
    """A config on that corpus for the toy model of tests/toy.py; `sections` merge over it."""
    import tests.toy  # noqa: F401 (registers the toy models)
    from utils.config import merge

    config = {
        "model_type": "Toy",
        "dataset": ["custom"],
        "dataset_path": {"custom": str(folder)},
        "log_dir": str(folder / "ckpts"),
        "preprocess": {
            "processed_dir": str(folder / "data"),
            "sample_rate": RATE,
            "hop_size": 256,
            "features": {"mel": {"n_fft": 512, "win_size": 512, "n_mel": 20}, "audio": {}},
        },
        "train": {
            "max_steps": 6, "batch_size": 4, "workers": 0, "samples": 0, "log_every": 2, "valid_every": 4, "save_every": 3,
            "mixed_precision": "no", "optimizer": {"lr": 1e-3},
        },
    }  # fmt: skip
    path = folder / f"config-{len(list(folder.glob('config-*')))}.json"
    path.write_text(json.dumps(merge(config, sections)))
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first: at the end, one process would wait for another that has one."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def seed():
    """What a test draws is the same whichever tests ran before it."""
    import torch

    torch.manual_seed(0)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Eighteen clips of one second, two of them for validation, extracted for the toy model."""
    return extracted(make_corpus(tmp_path, [1.0] * 18))


def extracted(folder: Path) -> Path:
    """Runs the extract stage for the toy model's features."""
    from bins.extract import extract
    from models.base.experiment import Experiment

    extract(Experiment.read(toy_config(folder)), jobs=1)
    return folder


def python(*words: str, processes: int = 1, **options) -> subprocess.Popen:
    """A Python child on the CPU, through torchrun when there are several processes."""
    launch = [sys.executable]
    if processes > 1:
        launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", "0"]
        launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    environment = {
        **os.environ,
        "ACCELERATE_USE_CPU": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    heard = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    return subprocess.Popen([*launch, *words], cwd=ROOT, env=environment, **heard, **options)


def train(config: Path, name: str, *settings: str, processes: int = 1) -> str:
    """Trains a toy run to its end in a child; returns what it printed."""
    child = toy("--config", str(config), "--name", name, *sets(settings), processes=processes)
    assert child.wait() == 0, child.output()
    return child.output()


def train_here(config: Path, name: str, *settings: str) -> None:
    """The same for a run that nothing interrupts, in this process."""
    from bins.train import main

    assert main(["--config", str(config), "--name", name, *sets(settings)]) == 0


def sets(settings: tuple[str, ...]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]
