"""Training and its programs: the cost of the loop, padding, and how long a program takes to say what it does."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bins.benches.measure import Row, best, corpus_experiment, one_core, row
from utils.files import ROOT

LJ_CLIPS = 64
LJ_SECONDS = 6.0


def benches() -> dict[str, Callable[[], list[Row]]]:
    return {"trainer": trainer, "data": data, "batches": batches, "imports": imports}


def trainer() -> list[Row]:
    """What the trainer costs per update beyond the same forward, backward and step in a bare loop; and how long it waits for data."""
    import torch

    from bins.extract import extract
    from models.base.trainer import Trainer

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        experiment = corpus_experiment(Path(folder), clips=60)
        extract(experiment, jobs=1)
        from models.base.gan import GANTrainer

        training = GANTrainer(experiment, "wait")
        training.fit()
        wait = training.watch.speed["data_wait"]
        overhead = _overhead(Trainer, experiment)
    return [
        row("trainer: overhead per update over a bare loop", overhead * 1000, "ms", target="0.3 or less"),
        row("trainer: time spent waiting for data", wait * 100, "%", target="under 5"),
    ]


def _overhead(trainer_class: type, experiment: Any, updates: int = 1000) -> float:
    """Seconds per update of our loop minus those of a bare one, on a network so small that only the loop counts."""
    import itertools

    import torch

    from models.base.model import Model

    class Tiny(torch.nn.Linear, Model):
        def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
            return {"l1": super().forward(batch["x"]).abs().mean()}

    batch = {"x": torch.randn(4, 8), "id": ["a"]}

    class Fed(trainer_class):
        def _updates(self):
            return itertools.repeat([batch])

    experiment.model = lambda: Tiny(8, 8)
    experiment.sections.train.clear()
    experiment.sections.train.update(
        max_steps=updates, batch_size=4, valid_every=updates * 2, save_every=updates * 2, log_every=50
    )

    def ours() -> float:
        training = Fed(experiment, "overhead")
        training.validate = lambda: {"l1": 0.0}
        training.sample = training.save = lambda: None
        training._open_watch()
        begun = time.perf_counter()
        training._loop()
        return (time.perf_counter() - begun) / updates

    def bare() -> float:
        model = Tiny(8, 8)
        optimizer = torch.optim.AdamW(model.parameters())
        begun = time.perf_counter()
        for _ in range(updates):
            loss = model(batch)["l1"]
            loss.item()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return (time.perf_counter() - begun) / updates

    rounds = [(ours(), bare()) for _ in range(6)]  # taking turns, so that both meet the machine at its best
    return min(ours for ours, _ in rounds) - min(bare for _, bare in rounds)


def data() -> list[Row]:
    """Training crops of utterances like LJSpeech's, six seconds long, of which 32 frames are read: mel and sound."""
    import torch

    from models.base.settings import TrainConfig

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        experiment = corpus_experiment(Path(folder), clips=LJ_CLIPS, seconds=LJ_SECONDS)
        utterances = experiment.manifests["train"]
        crops = experiment.data(utterances, voices=[], config=TrainConfig(segment_frames=32, seed=0))
        alone = one_core(lambda: [crops[0, index] for index in range(len(crops))])
        together = best(lambda: _read_ahead(crops))
    return [
        row("data: crops of 32 frames from 6 s, one core", len(crops) / alone, "utterances/s", target="600 or more"),
        row("data: the same, two workers", 8 * len(crops) / together, "utterances/s"),
    ]


def _read_ahead(crops: Any) -> None:
    from models.base.batching import Batches
    from models.base.workers import Reader

    reader = Reader(crops, Batches(crops.seconds, batch_size=16), 2)
    for _ in range(8):  # epochs, so that starting the workers does not count
        for _ in reader:
            pass
    reader.close(failed=False)


def batches() -> list[Row]:
    """Padding on a spread of lengths like LibriTTS's, beside random batches of a fixed size and of the same memory."""
    import numpy as np

    from models.base.batching import Batches

    random = np.random.default_rng(0)
    lengths = random.lognormal(1.4, 0.75, 100_000).clip(0.4, 30)
    ours = Batches(lengths, batch_seconds=240)
    begun = time.perf_counter()
    updates = len(ours.plan(0))
    planning = time.perf_counter() - begun
    groups = random.permutation(lengths)[: len(lengths) // 16 * 16].reshape(-1, 16)
    fixed = 1 - groups.sum() / (groups.max(axis=1).sum() * 16)
    return [
        row("batches: padding", ours.waste() * 100, "%", target="6 or less"),
        row("batches: padding of random batches of 16", fixed * 100, "%"),
        row("batches: updates against batches for the longest", len(lengths) / (240 // 30) / updates, "times fewer"),
        row("batches: planning an epoch of 100,000 utterances", planning, "s"),
    ]


def imports() -> list[Row]:
    """How long each program takes to say what it does."""
    rows = []
    programs = sorted(p.stem for p in (ROOT / "bins").glob("*.py") if "def main(" in p.read_text(encoding="utf-8"))
    for name in programs:
        words = [sys.executable, "-m", f"bins.{name}", "--help"]
        seconds = best(lambda w=words: subprocess.run(w, cwd=ROOT, check=True, stdout=subprocess.DEVNULL), 2)
        rows.append(row(f"bins.{name} --help", seconds, "s", target="1.5 or less"))
    return rows
